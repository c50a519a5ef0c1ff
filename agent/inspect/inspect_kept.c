/*
 * The troubles that were told and are not over, with what their end needs: whom they were told of. Each is a
 * record that outlives the process, beside the event in the outbox. A record's value is the container's id
 * and what its cgroup says of the pod, each with its terminator, and the event as it was told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/inspect_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/table.h"
#include "common/wire/batch.h"

const char nj_inspect_record_prefix[] = "trouble/";

enum { KEPT_BYTES_MAX = 64 << 10 }; /* decoded */

struct nj_kept_trouble {
    char key[NJ_KEPT_KEY_MAX];
    char *value;
    size_t len;
    bool restored; /* an earlier process told it */
    UT_hash_handle hh;
};

/* A record, taken apart. */
struct parts {
    const char *container_id, *pod_uid;
    struct nj_event event;
};

void nj_kept_key(const struct nj_told_trouble *told, char ret_key[NJ_KEPT_KEY_MAX])
{
    char id[NJ_EVENT_ID_MAX];
    bool of_node = told->container_id[0] == '\0';
    const char *whose = of_node ? "node" : told->of_pod ? told->pod_uid : told->container_id;
    (void)nj_event_id(id, whose, told->of_pod ? "pod" : "", nj_trouble_kind_name(told->trouble.kind),
                      told->trouble.detail, NULL);
    (void)snprintf(ret_key, NJ_KEPT_KEY_MAX, "%s%s", nj_inspect_record_prefix, id);
}

static struct nj_kept_trouble *find(const struct nj_inspect *inspect, const char *key)
{
    struct nj_kept_trouble *kept = NULL;
    HASH_FIND_STR(inspect->kept, key, kept);
    return kept;
}

static struct nj_kept_trouble *find_or_add(struct nj_inspect *inspect, const char *key)
{
    struct nj_kept_trouble *kept = find(inspect, key);
    if (kept != NULL)
        return kept;
    kept = NJ_NEW(struct nj_kept_trouble);
    (void)snprintf(kept->key, sizeof(kept->key), "%s", key);
    HASH_ADD_STR(inspect->kept, key, kept);
    return kept;
}

void nj_kept_put(struct nj_inspect *inspect, const struct nj_told_trouble *told, const struct nj_event *event,
                 const char *key, struct nj_inspect_record *ret_record)
{
    struct nj_buf value = {0};
    struct nj_event numbered = *event;
    numbered.seq = 1;
    (void)nj_buf_append(&value, told->container_id, strlen(told->container_id) + 1);
    (void)nj_buf_append(&value, told->pod_uid, strlen(told->pod_uid) + 1);
    if (nj_event_encode(&numbered, &value) < 0) { /* which the outbox will say, too */
        nj_buf_done(&value);
        return;
    }
    struct nj_kept_trouble *kept = find_or_add(inspect, key);
    free(kept->value);
    kept->len = value.len;
    kept->value = nj_buf_take(&value);
    kept->restored = false;
    ret_record->value = kept->value;
    ret_record->len = kept->len;
}

static int take_apart(const char *value, size_t len, struct nj_arena *arena, struct parts *ret_parts)
{
    struct parts parts = {.container_id = value};
    size_t id_len = strnlen(value, len);
    if (id_len >= len || id_len >= NJ_CONTAINER_ID_MAX)
        return -EBADMSG;
    parts.pod_uid = value + id_len + 1;
    len -= id_len + 1;
    size_t uid_len = strnlen(parts.pod_uid, len);
    if (uid_len >= len || uid_len >= NJ_POD_UID_MAX)
        return -EBADMSG;
    int rc = nj_event_decode(parts.pod_uid + uid_len + 1, len - uid_len - 1, arena, &parts.event, NULL);
    if (rc < 0)
        return rc;
    bool of_node = id_len == 0;
    if (parts.event.type != NJ_EVENT_TROUBLE || parts.event.trouble.over ||
        nj_trouble_is_of_node(parts.event.trouble.kind) != of_node || parts.event.trouble.since_ns == 0)
        return -EBADMSG;
    *ret_parts = parts;
    return 0;
}

bool nj_kept_subject(const struct nj_inspect *inspect, const char *key, struct nj_arena *arena,
                     struct nj_subject *ret_subject)
{
    struct parts parts;
    const struct nj_kept_trouble *kept = find(inspect, key);
    if (kept == NULL || take_apart(kept->value, kept->len, arena, &parts) < 0)
        return false;
    *ret_subject = parts.event.subject;
    return true;
}

static void free_kept(struct nj_kept_trouble *kept)
{
    free(kept->value);
    free(kept);
}

void nj_kept_drop(struct nj_inspect *inspect, const char *key)
{
    struct nj_kept_trouble *kept = find(inspect, key);
    if (kept == NULL)
        return;
    NJ_TABLE_REMOVE(inspect->kept, kept);
    free_kept(kept);
}

void nj_kept_free(struct nj_inspect *inspect)
{
    struct nj_kept_trouble *kept = inspect->kept;
    HASH_CLEAR(hh, inspect->kept); /* they stay linked */
    while (kept != NULL) {
        struct nj_kept_trouble *next = kept->hh.next;
        free_kept(kept);
        kept = next;
    }
}

static struct nj_told_trouble *told_of(const char *value, size_t len)
{
    struct parts parts;
    struct nj_arena arena;
    struct nj_told_trouble *told = NULL;
    nj_arena_init(&arena, KEPT_BYTES_MAX);
    if (take_apart(value, len, &arena, &parts) == 0) {
        bool of_pod = parts.container_id[0] != '\0' && parts.event.subject.container[0] == '\0';
        told = nj_told_trouble_new(parts.container_id, parts.pod_uid, of_pod, &parts.event.trouble);
        told->told_ns = parts.event.at_ns;
    }
    nj_arena_done(&arena);
    return told;
}

struct nj_told_trouble *nj_kept_restored(const struct nj_inspect *inspect)
{
    struct nj_told_trouble *all = NULL;
    for (const struct nj_kept_trouble *kept = inspect->kept; kept != NULL; kept = kept->hh.next) {
        struct nj_told_trouble *told = kept->restored ? told_of(kept->value, kept->len) : NULL;
        if (told == NULL)
            continue;
        told->next = all;
        all = told;
    }
    return all;
}

void nj_inspect_restore(struct nj_inspect *inspect, const struct nj_inspect_record *record)
{
    char key[NJ_KEPT_KEY_MAX] = "";
    struct nj_told_trouble *told = told_of(record->value, record->len);
    if (told != NULL)
        nj_kept_key(told, key);
    free(told);
    if (strcmp(key, record->key) != 0) { /* of another version, or damaged */
        const struct nj_inspect_record gone = {.key = record->key};
        nj_warn("inspect", "a record of the outbox is not used: %s", record->key);
        if (inspect->options.on_trouble != NULL)
            inspect->options.on_trouble(inspect->options.data, NULL, &gone);
        return;
    }
    struct nj_kept_trouble *kept = find_or_add(inspect, key);
    free(kept->value);
    kept->value = nj_calloc(1, record->len + 1);
    memcpy(kept->value, record->value, record->len);
    kept->len = record->len;
    kept->restored = true;
}
