#include "common/wire/codec.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/base/str.h"

char *nj_codec_text(struct nj_arena *repairs, const char *text)
{
    if (text == NULL)
        return (char *)"";
    size_t len = strlen(text);
    if (nj_utf8_valid(text, len))
        return (char *)text;
    struct nj_buf mended = {0};
    char *copy = NULL;
    if (nj_utf8_append_lossy(&mended, text, len) == 0)
        copy = nj_arena_strndup(repairs, nj_buf_str(&mended), mended.len);
    nj_buf_done(&mended);
    return copy == NULL ? (char *)"" : copy; /* without memory the event still goes, without this text */
}

char **nj_codec_texts(struct nj_arena *repairs, const char *const *texts, size_t count)
{
    char **copies = nj_arena_zalloc(repairs, count, sizeof(char *));
    for (size_t i = 0; i < count && copies != NULL; i++)
        copies[i] = nj_codec_text(repairs, texts[i]);
    return copies;
}

int nj_codec_pack(const ProtobufCMessage *message, struct nj_buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    char *place = nj_buf_reserve(out, size);
    if (place == NULL)
        return out->overflowed ? -EOVERFLOW : -ENOMEM;
    out->len += protobuf_c_message_pack(message, (uint8_t *)place);
    out->data[out->len] = '\0';
    return 0;
}

struct arena_allocator {
    struct nj_arena *arena;
    bool exhausted;
};

static void *allocate(void *data, size_t size)
{
    struct arena_allocator *allocator = data;
    char *memory = size == SIZE_MAX ? NULL : nj_arena_alloc(allocator->arena, size + 1);
    if (memory == NULL) {
        allocator->exhausted = true;
        return NULL;
    }
    memory[size] = '\0'; /* terminates what is a bytes field */
    return memory;
}

static void release(void *data, void *memory)
{
    (void)data;
    (void)memory; /* the arena lets go of everything at once */
}

ProtobufCMessage *nj_codec_unpack(const ProtobufCMessageDescriptor *type, const char *what, const void *bytes,
                                  size_t len, struct nj_arena *arena, int *ret_rc, struct nj_err *err)
{
    struct arena_allocator state = {.arena = arena};
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = &state};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, len, bytes);
    if (message != NULL)
        return message;
    if (arena->starved)
        *ret_rc = nj_err_set(err, -ENOMEM, "no memory for %s of %zu bytes", what, len);
    else if (state.exhausted)
        *ret_rc = nj_err_set(err, -EOVERFLOW, "%s of %zu bytes needs more than %zu bytes of memory", what,
                             len, arena->max);
    else
        *ret_rc = nj_err_set(err, -EPROTO, "%zu bytes are no %s", len, what);
    return NULL;
}

const char *nj_codec_take(struct nj_codec_check *check, const char *text, const char *field)
{
    if (text == NULL)
        return "";
    if (check->rc == 0 && !nj_utf8_valid(text, strlen(text)))
        check->rc = nj_err_set(check->err, -EPROTO, "%s is no UTF-8", field);
    return text;
}

const char *const *nj_codec_take_texts(struct nj_codec_check *check, struct nj_arena *arena,
                                       char *const *texts, size_t count, const char *field)
{
    const char **taken = check->rc < 0 ? NULL : nj_arena_zalloc(arena, count, sizeof(char *));
    if (taken == NULL && check->rc == 0)
        check->rc = nj_err_set(check->err, arena->starved ? -ENOMEM : -EOVERFLOW,
                               "%s needs more memory than there is, or than %zu bytes", field, arena->max);
    for (size_t i = 0; i < count && taken != NULL; i++)
        taken[i] = nj_codec_take(check, texts[i], field);
    return taken;
}
