#include "agent/crash/detect_state.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

const char nj_record_prefix[] = "pod/";
const char nj_record_baseline[] = "detector/baseline";

static const char record_version[] = "1";

static const char *const class_names[NJ_WAIT_CLASSES] = {"none", "image", "config", "start", "other", "loop"};

const char *nj_wait_class_name(enum nj_wait_class class)
{
    return class_names[class];
}

struct nj_pod_memory *nj_pod_memory_new(const char *uid)
{
    struct nj_pod_memory *pod = NJ_NEW(struct nj_pod_memory);
    pod->uid = nj_strdup(uid);
    return pod;
}

void nj_container_memory_free(struct nj_container_memory *container)
{
    free(container->name);
    free(container->reason);
    free(container->message);
    free(container->cause);
    free(container->image);
    free(container);
}

void nj_pod_memory_free(struct nj_pod_memory *pod)
{
    if (pod == NULL)
        return;
    struct nj_container_memory *next = NULL;
    for (struct nj_container_memory *container = pod->containers; container != NULL; container = next) {
        next = container->next;
        nj_container_memory_free(container);
    }
    free(pod->uid);
    free(pod->static_uid);
    free(pod->namespace);
    free(pod->name);
    free(pod->owner.api_version);
    free(pod->owner.kind);
    free(pod->owner.name);
    free(pod->owner.uid);
    free(pod->owner.template_hash);
    free(pod->workload_kind);
    free(pod->workload);
    free(pod);
}

struct nj_container_memory *nj_pod_memory_container(struct nj_pod_memory *pod, const char *name)
{
    struct nj_container_memory *container = pod->containers;
    while (container != NULL && strcmp(container->name, name) != 0)
        container = container->next;
    return container;
}

struct nj_container_memory *nj_pod_memory_add(struct nj_pod_memory *pod, const char *name,
                                              enum nj_container_type type)
{
    struct nj_container_memory *container = NJ_NEW(struct nj_container_memory);
    container->name = nj_strdup(name);
    container->type = type;
    container->due_ns = INT64_MAX;
    container->next = pod->containers;
    pod->containers = container;
    return container;
}

static bool container_is_stored(const struct nj_container_memory *container)
{
    bool waits =
        container->wait != NJ_WAIT_NONE && (container->wait != NJ_WAIT_OTHER || container->wait_told);
    return container->accounted > 0 || container->ends_count > 0 || container->crash_open ||
           container->loop_open || container->stuck_open || waits;
}

bool nj_pod_memory_is_stored(const struct nj_pod_memory *pod)
{
    if (pod->failure_told)
        return true;
    for (const struct nj_container_memory *container = pod->containers; container != NULL;
         container = container->next) {
        if (container_is_stored(container))
            return true;
    }
    return false;
}

bool nj_pod_memory_is_needed(const struct nj_pod_memory *pod)
{
    if (pod->delete_requested_ns != 0 || nj_pod_memory_is_stored(pod))
        return true;
    for (const struct nj_container_memory *container = pod->containers; container != NULL;
         container = container->next) {
        if (container->wait != NJ_WAIT_NONE)
            return true;
    }
    return false;
}

void nj_container_memory_add_end(struct nj_container_memory *container, const struct nj_seen_end *end)
{
    if (container->ends_count < NJ_SEEN_ENDS_MAX)
        container->ends_count++;
    memmove(container->ends + 1, container->ends, (size_t)(container->ends_count - 1) * sizeof(*end));
    container->ends[0] = *end;
}

struct nj_seen_end *nj_container_memory_find_end(struct nj_container_memory *container, uint64_t key)
{
    for (int i = 0; i < container->ends_count; i++) {
        if (container->ends[i].key == key)
            return &container->ends[i];
    }
    return NULL;
}

void nj_memory_set(char **text, const char *value)
{
    size_t len = nj_utf8_cut(value, strlen(value), NJ_MEMORY_TEXT_MAX);
    if (*text != NULL && strlen(*text) == len && memcmp(*text, value, len) == 0)
        return;
    free(*text);
    *text = len == 0 ? NULL : nj_strndup(value, len);
}

/* A record cut short would be read as a wrong one: like every small allocation, this one aborts when it
 * fails. */
static void put(struct nj_buf *out, const char *text)
{
    if (nj_buf_append_str(out, text) < 0)
        nj_out_of_memory();
}

/* Names have no control characters; a hostile server's would break the lines apart. */
static void put_text(struct nj_buf *out, const char *text)
{
    put(out, "\t");
    for (const char *c = nj_str(text); *c != '\0'; c++) {
        const char one[] = {*c, '\0'};
        put(out, (unsigned char)*c < ' ' ? "?" : one);
    }
}

static void put_int(struct nj_buf *out, int64_t value)
{
    if (nj_buf_printf(out, "\t%" PRId64, value) < 0)
        nj_out_of_memory();
}

static void put_container(struct nj_buf *out, const struct nj_container_memory *container)
{
    put(out, "c");
    put_text(out, container->name);
    put_int(out, container->type);
    put_int(out, container->accounted);
    put_int(out, container->crash_open);
    put_int(out, container->loop_open);
    put_int(out, container->stuck_open);
    put_int(out, container->told_ns);
    put_text(out, nj_wait_class_name(container->wait));
    put_int(out, container->since_ns);
    put_int(out, container->wait_told);
    put_int(out, container->told_reasons);
    put(out, "\n");
    for (int i = 0; i < container->ends_count; i++) {
        const struct nj_seen_end *end = &container->ends[i];
        put(out, "e");
        put_int(out, (int64_t)end->key);
        put_int(out, end->content);
        put_int(out, end->attempt);
        put_int(out, end->told);
        put(out, "\n");
    }
}

void nj_pod_memory_encode(const struct nj_pod_memory *pod, struct nj_buf *out)
{
    put(out, record_version);
    put(out, "\np");
    put_text(out, pod->namespace);
    put_text(out, pod->name);
    put_text(out, pod->static_uid);
    put_int(out, pod->failure_told);
    put(out, "\no");
    put_text(out, pod->owner.api_version);
    put_text(out, pod->owner.kind);
    put_text(out, pod->owner.name);
    put_text(out, pod->owner.uid);
    put_text(out, pod->owner.template_hash);
    put(out, "\n");
    if (pod->workload_kind != NULL)
        nj_detector_record_workload(out, pod->workload_kind, nj_str(pod->workload));
    for (const struct nj_container_memory *container = pod->containers; container != NULL;
         container = container->next) {
        if (container_is_stored(container))
            put_container(out, container);
    }
}

void nj_detector_record_workload(struct nj_buf *value, const char *kind, const char *name)
{
    put(value, "w");
    put_text(value, kind);
    put_text(value, name);
    put(value, "\n");
}

/* A line's fields, one after the other; the first fault makes the rest invalid too. */
struct fields {
    char *next;
    bool bad;
};

static const char *take_text(struct fields *fields)
{
    char *text = fields->next;
    if (text == NULL) {
        fields->bad = true;
        return "";
    }
    char *end = strchr(text, '\t');
    fields->next = end == NULL ? NULL : end + 1;
    if (end != NULL)
        *end = '\0';
    return text;
}

static int64_t take_int(struct fields *fields, int64_t min, int64_t max)
{
    int64_t value = 0;
    if (nj_parse_int(take_text(fields), min, max, &value) < 0)
        fields->bad = true;
    return value;
}

static bool take_bool(struct fields *fields)
{
    return take_int(fields, 0, 1) != 0;
}

static enum nj_wait_class take_class(struct fields *fields)
{
    const char *name = take_text(fields);
    for (int class = 0; class < NJ_WAIT_CLASSES; class ++) {
        if (strcmp(name, class_names[class]) == 0)
            return (enum nj_wait_class) class;
    }
    fields->bad = true;
    return NJ_WAIT_NONE;
}

static void take_container(struct fields *fields, struct nj_pod_memory *pod)
{
    const char *name = take_text(fields);
    int64_t type = take_int(fields, NJ_CONTAINER_APP, NJ_CONTAINER_EPHEMERAL);
    struct nj_container_memory *container = nj_pod_memory_add(pod, name, (enum nj_container_type)type);
    container->accounted = (int32_t)take_int(fields, 0, INT32_MAX);
    container->crash_open = take_bool(fields);
    container->loop_open = take_bool(fields);
    container->stuck_open = take_bool(fields);
    container->told_ns = take_int(fields, INT64_MIN, INT64_MAX);
    container->wait = take_class(fields);
    container->since_ns = take_int(fields, INT64_MIN, INT64_MAX);
    container->wait_told = take_bool(fields);
    container->told_reasons = (uint32_t)take_int(fields, 0, UINT32_MAX);
}

static void take_end(struct fields *fields, struct nj_pod_memory *pod)
{
    struct nj_container_memory *container = pod->containers; /* the one of the line before */
    struct nj_seen_end end = {.key = (uint64_t)take_int(fields, INT64_MIN, INT64_MAX)};
    end.content = (uint32_t)take_int(fields, 0, UINT32_MAX);
    end.attempt = (int32_t)take_int(fields, 0, INT32_MAX);
    end.told = take_bool(fields);
    if (container == NULL || container->ends_count == NJ_SEEN_ENDS_MAX)
        fields->bad = true;
    else
        container->ends[container->ends_count++] = end;
}

static void take_pod(struct fields *fields, struct nj_pod_memory *pod)
{
    nj_memory_set(&pod->namespace, take_text(fields));
    nj_memory_set(&pod->name, take_text(fields));
    nj_memory_set(&pod->static_uid, take_text(fields));
    pod->failure_told = take_bool(fields);
}

static void take_owner(struct fields *fields, struct nj_pod_memory *pod)
{
    nj_memory_set(&pod->owner.api_version, take_text(fields));
    nj_memory_set(&pod->owner.kind, take_text(fields));
    nj_memory_set(&pod->owner.name, take_text(fields));
    nj_memory_set(&pod->owner.uid, take_text(fields));
    nj_memory_set(&pod->owner.template_hash, take_text(fields));
}

static bool take_line(char *line, struct nj_pod_memory *pod)
{
    struct fields fields = {.next = line};
    const char *tag = take_text(&fields);
    if (strcmp(tag, "p") == 0) {
        take_pod(&fields, pod);
    } else if (strcmp(tag, "o") == 0) {
        take_owner(&fields, pod);
    } else if (strcmp(tag, "w") == 0) {
        nj_memory_set(&pod->workload_kind, take_text(&fields));
        nj_memory_set(&pod->workload, take_text(&fields));
    } else if (strcmp(tag, "c") == 0) {
        take_container(&fields, pod);
    } else if (strcmp(tag, "e") == 0) {
        take_end(&fields, pod);
    } else {
        return false;
    }
    return !fields.bad && fields.next == NULL;
}

int nj_pod_memory_decode(struct nj_pod_memory *pod, const char *value, size_t len)
{
    NJ_CLEANUP_FREE char *copy = nj_strndup(value, len);
    char *rest = NULL;
    const char *version = strtok_r(copy, "\n", &rest);
    if (version == NULL || strcmp(version, record_version) != 0)
        return -EBADMSG;
    for (char *line = strtok_r(NULL, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (!take_line(line, pod))
            return -EBADMSG;
    }
    return 0;
}
