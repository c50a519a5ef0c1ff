/*
 * The recorded cluster, decoded from protobuf and from JSON: the same objects, in every field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/kube/decode.h"
#include "tests/unit/kube/equal.h"

enum { ARENA_MAX = 64 << 20, ITEM_MAX = 4 << 20 };

static const char *const resources[] = {
    "pods", "deployments", "endpoints",   "endpointslices",       "events",
    "jobs", "nodes",       "replicasets", "poddisruptionbudgets", "services"};
enum { RESOURCES = sizeof(resources) / sizeof(resources[0]) };

static void read_file(const char *resource, const char *name, struct nj_buf *out)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s/%s", NJ_RECORDINGS, resource, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    char piece[65536];
    size_t got;
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        assert_int_equal(nj_buf_append(out, piece, got), 0);
    assert_int_equal(fclose(file), 0);
}

/* The next line of the buffer, without its newline; NULL at the end. */
static char *next_line(struct nj_buf *buf, size_t *at, size_t *ret_len)
{
    if (*at >= buf->len)
        return NULL;
    char *line = buf->data + *at;
    char *newline = memchr(line, '\n', buf->len - *at);
    size_t len = newline == NULL ? buf->len - *at : (size_t)(newline - line);
    *at += len + 1;
    *ret_len = len;
    return line;
}

/* What stands in `line` behind `mark`, up to `tail` bytes before its end. */
static const char *behind(const char *line, size_t len, const char *mark, size_t tail, size_t *ret_len)
{
    const char *found = memmem(line, len, mark, strlen(mark));
    assert_non_null(found);
    found += strlen(mark);
    *ret_len = len - (size_t)(found - line) - tail;
    return found;
}

/* One recorded event as text, decoded through `encoding`. */
static void describe_event(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const void *bytes,
                           size_t len, struct nj_arena *arena, struct nj_buf *out)
{
    /* An exact copy lets the address sanitizer see a read past the end. */
    void *exact = malloc(len);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    enum nj_watch_event_type type;
    struct nj_kube_object object;
    struct nj_kube_status status;
    struct nj_err err = {0};
    if (nj_kube_decode_event(encoding, kind, exact, len, arena, &type, &object, &status, &err) != 0)
        fail_msg("%s: %.*s", err.text, (int)(len < 200 ? len : 200), (const char *)bytes);
    assert_int_not_equal(type, NJ_WATCH_ERROR);
    nj_buf_clear(out);
    assert_int_equal(nj_buf_printf(out, "type=%d\n", (int)type), 0);
    describe_object(&object, out);
    nj_arena_reset(arena);
    free(exact);
}

/* The kinds that are read in full. */
static const struct {
    const char *resource;
    enum nj_kube_kind kind;
} kinds[] = {{"pods", NJ_KUBE_POD},
             {"services", NJ_KUBE_SERVICE},
             {"endpointslices", NJ_KUBE_SLICE},
             {"endpoints", NJ_KUBE_ENDPOINTS},
             {"jobs", NJ_KUBE_JOB},
             {"deployments", NJ_KUBE_DEPLOYMENT},
             {"replicasets", NJ_KUBE_REPLICA_SET},
             {"poddisruptionbudgets", NJ_KUBE_BUDGET},
             {"nodes", NJ_KUBE_NODE}};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Returns how many events were compared. */
static size_t compare_watch(const char *resource, enum nj_kube_kind kind)
{
    struct nj_buf json = {0}, pb = {0}, a = {0}, b = {0};
    struct nj_arena arena;
    nj_arena_init(&arena, ARENA_MAX);
    read_file(resource, "watch.ndjson", &json);
    read_file(resource, "watch-pb.ndjson", &pb);
    unsigned char *frame = malloc(pb.len + 1);
    assert_non_null(frame);
    size_t json_at = 0, pb_at = 0, json_len = 0, pb_len = 0, count = 0;
    for (;;) {
        const char *json_line = next_line(&json, &json_at, &json_len);
        const char *pb_line = next_line(&pb, &pb_at, &pb_len);
        assert_true((json_line == NULL) == (pb_line == NULL));
        if (json_line == NULL)
            break;
        size_t len, frame_len;
        const char *event = behind(json_line, json_len, "\"event\":", 1, &len);
        describe_event(NJ_KUBE_JSON, kind, event, len, &arena, &a);
        const char *base64 = behind(pb_line, pb_len, "\"frame\":\"", 2, &len);
        assert_int_equal(sodium_base642bin(frame, pb.len, base64, len, NULL, &frame_len, NULL,
                                           sodium_base64_VARIANT_ORIGINAL),
                         0);
        describe_event(NJ_KUBE_PROTOBUF, kind, frame, frame_len, &arena, &b);
        assert_string_equal(a.data, b.data);
        assert_null(strstr(a.data, "=NULL"));
        count++;
    }
    free(frame);
    nj_arena_done(&arena);
    nj_buf_done(&json);
    nj_buf_done(&pb);
    nj_buf_done(&a);
    nj_buf_done(&b);
    return count;
}

static void every_recorded_event_is_equal_in_both_encodings(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < RESOURCES; i++)
        count += compare_watch(resources[i], NJ_KUBE_META);
    assert_true(count > 1000);
    for (size_t i = 0; i < KINDS; i++)
        assert_true(compare_watch(kinds[i].resource, kinds[i].kind) >
                    (kinds[i].kind == NJ_KUBE_POD ? 200 : 0));
}

struct told {
    struct nj_buf text;
    size_t count;
    char version[32]; /* the list's */
    bool hide_versions;
};

/* What an update of the status changes. */
static void hide_version(struct nj_kube_object *object)
{
    object->meta.resource_version = "";
    if (object->kind != NJ_KUBE_DEPLOYMENT)
        return;
    struct nj_workload_object *workload = &object->workload;
    workload->observed_generation = 0;
    workload->replicas = workload->updated = workload->ready = workload->available = 0;
    workload->conditions_count = 0;
}

static int tell(void *data, const struct nj_kube_object *object)
{
    struct told *told = data;
    struct nj_kube_object copy = *object;
    if (told->hide_versions)
        hide_version(&copy);
    told->count++;
    describe_object(&copy, &told->text);
    return 0;
}

/* A list fed in pieces of `step` bytes, as text; with its version at the end. */
static void describe_list(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const struct nj_buf *bytes,
                          size_t step, struct told *told)
{
    struct nj_err err = {0};
    nj_buf_clear(&told->text);
    told->count = 0;
    struct nj_list_decoder *decoder = nj_list_decoder_new(encoding, kind, ITEM_MAX, tell, told);
    assert_string_equal(nj_list_decoder_resource_version(decoder), "");
    for (size_t at = 0; at < bytes->len; at += step) {
        size_t len = bytes->len - at < step ? bytes->len - at : step;
        void *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, bytes->data + at, len);
        if (nj_list_decoder_feed(decoder, exact, len, &err) != 0)
            fail_msg("at %zu: %s", at, err.text);
        free(exact);
    }
    struct nj_list_end end;
    if (nj_list_decoder_end(decoder, &end, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(nj_list_decoder_resource_version(decoder), end.resource_version);
    assert_string_equal(end.continue_token, "");
    (void)snprintf(told->version, sizeof(told->version), "%s", end.resource_version);
    nj_list_decoder_free(decoder);
}

/* The recorder took the two lists one after the other. Where the cluster's version moved on between them (it
 * did for the deployments) an object's version and status may differ, and only these; *ret_moved then says
 * so.
 */
static size_t compare_list(const char *resource, enum nj_kube_kind kind, bool *ret_moved)
{
    static const size_t steps[] = {1, 2, 3, 7, 61, 1024, 16384, SIZE_MAX / 2};
    struct nj_buf json = {0}, pb = {0};
    struct told first = {0}, other = {0};
    read_file(resource, "list.json", &json);
    read_file(resource, "list.pb", &pb);
    describe_list(NJ_KUBE_JSON, kind, &json, json.len, &first);
    describe_list(NJ_KUBE_PROTOBUF, kind, &pb, pb.len, &other);
    *ret_moved = strcmp(first.version, other.version) != 0;
    first.hide_versions = other.hide_versions = *ret_moved;
    describe_list(NJ_KUBE_JSON, kind, &json, json.len, &first);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        describe_list(NJ_KUBE_JSON, kind, &json, steps[i], &other);
        assert_string_equal(nj_buf_str(&first.text), nj_buf_str(&other.text));
        assert_string_equal(first.version, other.version);
        describe_list(NJ_KUBE_PROTOBUF, kind, &pb, steps[i], &other);
        assert_string_equal(nj_buf_str(&first.text), nj_buf_str(&other.text));
        assert_int_equal(first.count, other.count);
    }
    size_t count = first.count;
    nj_buf_done(&json);
    nj_buf_done(&pb);
    nj_buf_done(&first.text);
    nj_buf_done(&other.text);
    return count;
}

static void every_recorded_list_is_equal_in_both_encodings_and_any_pieces(void **state)
{
    (void)state;
    size_t count = 0, moved_count = 0;
    bool moved;
    for (size_t i = 0; i < RESOURCES; i++) {
        count += compare_list(resources[i], NJ_KUBE_META, &moved);
        moved_count += moved;
    }
    assert_true(count > 50);
    assert_true(moved_count <= 1);
    for (size_t i = 0; i < KINDS; i++) /* there was no budget and no Job yet */
        assert_true(compare_list(kinds[i].resource, kinds[i].kind, &moved) > 0 ||
                    kinds[i].kind == NJ_KUBE_BUDGET || kinds[i].kind == NJ_KUBE_JOB);
}

/* Every prefix of a list is an incomplete list, never a complete one that is shorter: that would delete
 * objects. */
static void a_list_that_breaks_off_is_never_taken_for_a_whole_one(void **state)
{
    (void)state;
    static const struct {
        enum nj_kube_encoding encoding;
        const char *file;
    } lists[] = {{NJ_KUBE_JSON, "list.json"}, {NJ_KUBE_PROTOBUF, "list.pb"}};
    for (size_t i = 0; i < 2; i++) {
        struct nj_buf bytes = {0};
        struct told told = {0};
        read_file("services", lists[i].file, &bytes);
        size_t whole = bytes.len; /* without the white space behind it */
        while (lists[i].encoding == NJ_KUBE_JSON && bytes.data[whole - 1] != '}')
            whole--;
        struct nj_list_decoder *decoder =
            nj_list_decoder_new(lists[i].encoding, NJ_KUBE_META, ITEM_MAX, tell, &told);
        size_t complete_at = 0;
        for (size_t at = 0; at < whole; at++) {
            struct nj_list_end end;
            struct nj_err err;
            if (nj_list_decoder_end(decoder, &end, &err) == 0) {
                complete_at = at;
                break;
            }
            assert_int_equal(nj_list_decoder_feed(decoder, bytes.data + at, 1, &err), 0);
        }
        /* Protobuf's envelope may have two empty fields behind the list itself, in two bytes each. */
        assert_true(complete_at == 0 || (lists[i].encoding == NJ_KUBE_PROTOBUF && complete_at >= whole - 4));
        nj_list_decoder_free(decoder);
        nj_buf_done(&bytes);
        nj_buf_done(&told.text);
    }
}

struct framed {
    struct nj_buf text;
    enum nj_kube_encoding encoding;
    struct nj_arena *arena;
    size_t count;
};

static int on_frame(void *data, const void *bytes, size_t len)
{
    struct framed *framed = data;
    struct nj_buf one = {0};
    describe_event(framed->encoding, NJ_KUBE_SERVICE, bytes, len, framed->arena, &one);
    assert_int_equal(nj_buf_append(&framed->text, one.data, one.len), 0);
    nj_buf_done(&one);
    framed->count++;
    return 0;
}

/* The recorded watch as the bytes of the stream it came from. */
static void build_stream(enum nj_kube_encoding encoding, struct nj_buf *out)
{
    struct nj_buf lines = {0};
    read_file("services", encoding == NJ_KUBE_JSON ? "watch.ndjson" : "watch-pb.ndjson", &lines);
    size_t at = 0, line_len, len;
    const char *line;
    while ((line = next_line(&lines, &at, &line_len)) != NULL) {
        if (encoding == NJ_KUBE_JSON) {
            const char *event = behind(line, line_len, "\"event\":", 1, &len);
            assert_int_equal(nj_buf_append(out, event, len), 0);
            assert_int_equal(nj_buf_append(out, "\n", 1), 0);
            continue;
        }
        const char *base64 = behind(line, line_len, "\"frame\":\"", 2, &len);
        unsigned char *room = (unsigned char *)nj_buf_reserve(out, len + 4);
        size_t frame_len;
        assert_int_equal(sodium_base642bin(room + 4, len, base64, len, NULL, &frame_len, NULL,
                                           sodium_base64_VARIANT_ORIGINAL),
                         0);
        for (int i = 0; i < 4; i++)
            room[i] = (unsigned char)(frame_len >> (24 - 8 * i));
        out->len += frame_len + 4;
    }
    nj_buf_done(&lines);
}

static void a_watch_is_framed_alike_however_its_bytes_arrive(void **state)
{
    (void)state;
    static const size_t steps[] = {SIZE_MAX / 2, 1, 3, 5, 100, 4096};
    for (int e = 0; e < 2; e++) {
        enum nj_kube_encoding encoding = e == 0 ? NJ_KUBE_JSON : NJ_KUBE_PROTOBUF;
        struct nj_buf stream = {0}, first = {0};
        struct nj_arena arena;
        nj_arena_init(&arena, ARENA_MAX);
        build_stream(encoding, &stream);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            struct framed framed = {.encoding = encoding, .arena = &arena};
            struct nj_watch_framer *framer = nj_watch_framer_new(encoding, ITEM_MAX, on_frame, &framed);
            for (size_t at = 0; at < stream.len;) {
                size_t len = stream.len - at < steps[i] ? stream.len - at : steps[i];
                struct nj_err err;
                assert_int_equal(nj_watch_framer_feed(framer, stream.data + at, len, &err), 0);
                at += len;
            }
            nj_watch_framer_free(framer);
            assert_true(framed.count > 1);
            if (i == 0)
                assert_int_equal(nj_buf_append(&first, framed.text.data, framed.text.len), 0);
            assert_string_equal(first.data, framed.text.data);
            nj_buf_done(&framed.text);
        }
        nj_buf_done(&stream);
        nj_buf_done(&first);
        nj_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_event_is_equal_in_both_encodings),
        cmocka_unit_test(every_recorded_list_is_equal_in_both_encodings_and_any_pieces),
        cmocka_unit_test(a_list_that_breaks_off_is_never_taken_for_a_whole_one),
        cmocka_unit_test(a_watch_is_framed_alike_however_its_bytes_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
