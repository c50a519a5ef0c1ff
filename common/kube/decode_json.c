#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode_internal.h"
#include "common/kube/json_skim.h"

enum {
    JSON_DEPTH_MAX = 64, /* of what is read; Kubernetes' own types stay below 20 */
};

/* Copies strings into the arena, as json-c's go with its objects. */
struct reader {
    struct nj_arena *arena;
    bool full;
};

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (json_object_is_type(object, json_type_object))
        (void)json_object_object_get_ex(object, key, &value);
    return value;
}

static const char *copy_string(struct reader *reader, struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return "";
    int len = json_object_get_string_len(value);
    if (len == 0)
        return "";
    const char *copy = nj_arena_strndup(reader->arena, json_object_get_string(value), (size_t)len);
    reader->full = reader->full || copy == NULL;
    return nj_str(copy);
}

static const char *string_of(struct reader *reader, struct json_object *object, const char *key)
{
    return copy_string(reader, member(object, key));
}

static int64_t int_of(struct json_object *object, const char *key, int64_t absent)
{
    struct json_object *value = member(object, key);
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : absent;
}

static int32_t int32_of(struct json_object *object, const char *key)
{
    int64_t value = int_of(object, key, 0);
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static bool bool_of(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* Whole seconds, as the API server writes a metav1.Time; what is no time, or one that does not fit, is not
 * known. */
static int64_t time_of(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    int64_t ns;
    if (!json_object_is_type(value, json_type_string) ||
        nj_time_parse(json_object_get_string(value), (size_t)json_object_get_string_len(value), &ns) < 0)
        return 0;
    int64_t fraction = ns % NJ_SEC;
    return ns - (fraction < 0 ? fraction + NJ_SEC : fraction);
}

static size_t array_len(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static void *new_array(struct reader *reader, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *array = nj_arena_zalloc(reader->arena, count, size);
    reader->full = reader->full || array == NULL;
    return array;
}

static void read_pairs(struct reader *reader, struct json_object *object,
                       const struct nj_kube_pair **ret_pairs, size_t *ret_count)
{
    size_t count =
        json_object_is_type(object, json_type_object) ? (size_t)json_object_object_length(object) : 0;
    struct nj_kube_pair *pairs = new_array(reader, count, sizeof(*pairs));
    if (pairs == NULL)
        return;
    size_t i = 0;
    json_object_object_foreach(object, key, value)
    {
        const char *copy = nj_arena_strndup(reader->arena, key, strlen(key));
        reader->full = reader->full || copy == NULL;
        pairs[i++] = (struct nj_kube_pair){.key = nj_str(copy), .value = copy_string(reader, value)};
    }
    nj_kube_sort_pairs(pairs, count);
    *ret_pairs = pairs;
    *ret_count = count;
}

static void read_owners(struct reader *reader, struct json_object *array, struct nj_kube_meta *meta)
{
    size_t count = array_len(array);
    struct nj_kube_owner *owners = new_array(reader, count, sizeof(*owners));
    if (owners == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *owner = json_object_array_get_idx(array, i);
        owners[i] = (struct nj_kube_owner){.api_version = string_of(reader, owner, "apiVersion"),
                                           .kind = string_of(reader, owner, "kind"),
                                           .name = string_of(reader, owner, "name"),
                                           .uid = string_of(reader, owner, "uid"),
                                           .controller = bool_of(owner, "controller")};
    }
    meta->owners = owners;
    meta->owners_count = count;
}

static void read_meta(struct reader *reader, struct json_object *object, struct nj_kube_meta *meta)
{
    meta->name = string_of(reader, object, "name");
    meta->namespace = string_of(reader, object, "namespace");
    meta->uid = string_of(reader, object, "uid");
    meta->resource_version = string_of(reader, object, "resourceVersion");
    meta->generation = int_of(object, "generation", 0);
    meta->created_ns = time_of(object, "creationTimestamp");
    meta->deleted_ns = time_of(object, "deletionTimestamp");
    meta->deletion_grace_seconds = int_of(object, "deletionGracePeriodSeconds", -1);
    read_pairs(reader, member(object, "labels"), &meta->labels, &meta->labels_count);
    read_pairs(reader, member(object, "annotations"), &meta->annotations, &meta->annotations_count);
    read_owners(reader, member(object, "ownerReferences"), meta);
}

static void read_resources(struct nj_container_spec *container, enum nj_kube_resource which,
                           struct json_object *quantities)
{
    if (!json_object_is_type(quantities, json_type_object))
        return;
    json_object_object_foreach(quantities, name, quantity)
    {
        nj_kube_set_resource(container, which, name, nj_str(json_object_get_string(quantity)));
    }
}

static void read_containers(struct reader *reader, struct json_object *array, enum nj_container_type type,
                            struct nj_container_spec *specs, size_t *count)
{
    for (size_t i = 0; i < array_len(array); i++) {
        struct json_object *object = json_object_array_get_idx(array, i);
        struct json_object *resources = member(object, "resources");
        struct json_object *restart_policy = member(object, "restartPolicy");
        struct nj_container_spec *spec = &specs[(*count)++];
        *spec = (struct nj_container_spec){.name = string_of(reader, object, "name"),
                                           .image = string_of(reader, object, "image"),
                                           .type = type};
        if (type == NJ_CONTAINER_INIT && json_object_is_type(restart_policy, json_type_string) &&
            nj_streq(json_object_get_string(restart_policy), "Always"))
            spec->type = NJ_CONTAINER_SIDECAR;
        read_resources(spec, NJ_KUBE_LIMIT, member(resources, "limits"));
        read_resources(spec, NJ_KUBE_REQUEST, member(resources, "requests"));
    }
}

static void read_pod_spec(struct reader *reader, struct json_object *object, struct nj_pod_object *pod)
{
    struct json_object *init = member(object, "initContainers");
    struct json_object *app = member(object, "containers");
    struct json_object *ephemeral = member(object, "ephemeralContainers");
    size_t total = array_len(init) + array_len(app) + array_len(ephemeral);
    reader->full = reader->full || total > NJ_KUBE_CONTAINERS_MAX;
    struct nj_container_spec *specs = reader->full ? NULL : new_array(reader, total, sizeof(*specs));
    if (specs != NULL) {
        size_t count = 0;
        read_containers(reader, init, NJ_CONTAINER_INIT, specs, &count);
        read_containers(reader, app, NJ_CONTAINER_APP, specs, &count);
        read_containers(reader, ephemeral, NJ_CONTAINER_EPHEMERAL, specs, &count);
        pod->containers = specs;
        pod->containers_count = count;
    }
    pod->node_name = string_of(reader, object, "nodeName");
    pod->restart_policy = string_of(reader, object, "restartPolicy");
    pod->host_network = bool_of(object, "hostNetwork");
}

static struct nj_container_state read_state(struct reader *reader, struct json_object *object)
{
    struct nj_container_state state = nj_container_state_empty;
    struct json_object *terminated = member(object, "terminated");
    struct json_object *running = member(object, "running");
    struct json_object *waiting = member(object, "waiting");
    if (terminated != NULL) {
        state.kind = NJ_STATE_TERMINATED;
        state.reason = string_of(reader, terminated, "reason");
        state.message = string_of(reader, terminated, "message");
        state.started_ns = time_of(terminated, "startedAt");
        state.finished_ns = time_of(terminated, "finishedAt");
        state.exit_code = int32_of(terminated, "exitCode");
        state.signal = int32_of(terminated, "signal");
        state.container_id = string_of(reader, terminated, "containerID");
    } else if (running != NULL) {
        state.kind = NJ_STATE_RUNNING;
        state.started_ns = time_of(running, "startedAt");
    } else if (waiting != NULL) {
        state.kind = NJ_STATE_WAITING;
        state.reason = string_of(reader, waiting, "reason");
        state.message = string_of(reader, waiting, "message");
    }
    return state;
}

static void read_statuses(struct reader *reader, struct json_object *array, enum nj_container_type type,
                          struct nj_pod_object *pod, struct nj_container_status *statuses)
{
    for (size_t i = 0; i < array_len(array); i++) {
        struct json_object *object = json_object_array_get_idx(array, i);
        struct nj_container_status *status = &statuses[pod->statuses_count++];
        *status = (struct nj_container_status){.name = string_of(reader, object, "name"),
                                               .image = string_of(reader, object, "image"),
                                               .container_id = string_of(reader, object, "containerID"),
                                               .type = type,
                                               .ready = bool_of(object, "ready"),
                                               .started = bool_of(object, "started"),
                                               .restart_count = int32_of(object, "restartCount"),
                                               .state = read_state(reader, member(object, "state")),
                                               .last_state = read_state(reader, member(object, "lastState"))};
        if (type == NJ_CONTAINER_INIT)
            status->type = nj_kube_init_type(pod, status->name);
    }
}

static void read_conditions(struct reader *reader, struct json_object *array, struct nj_pod_object *pod)
{
    size_t count = array_len(array);
    struct nj_pod_condition *conditions = new_array(reader, count, sizeof(*conditions));
    if (conditions == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *condition = json_object_array_get_idx(array, i);
        conditions[i] =
            (struct nj_pod_condition){.type = string_of(reader, condition, "type"),
                                      .status = string_of(reader, condition, "status"),
                                      .reason = string_of(reader, condition, "reason"),
                                      .message = string_of(reader, condition, "message"),
                                      .last_transition_ns = time_of(condition, "lastTransitionTime")};
    }
    pod->conditions = conditions;
    pod->conditions_count = count;
}

static void read_pod_status(struct reader *reader, struct json_object *object, struct nj_pod_object *pod)
{
    struct json_object *init = member(object, "initContainerStatuses");
    struct json_object *app = member(object, "containerStatuses");
    struct json_object *ephemeral = member(object, "ephemeralContainerStatuses");
    size_t total = array_len(init) + array_len(app) + array_len(ephemeral);
    reader->full = reader->full || total > NJ_KUBE_CONTAINERS_MAX;
    struct nj_container_status *statuses = reader->full ? NULL : new_array(reader, total, sizeof(*statuses));
    if (statuses != NULL) {
        read_statuses(reader, init, NJ_CONTAINER_INIT, pod, statuses);
        read_statuses(reader, app, NJ_CONTAINER_APP, pod, statuses);
        read_statuses(reader, ephemeral, NJ_CONTAINER_EPHEMERAL, pod, statuses);
        pod->statuses = statuses;
    }
    read_conditions(reader, member(object, "conditions"), pod);
    pod->phase = string_of(reader, object, "phase");
    pod->reason = string_of(reader, object, "reason");
    pod->message = string_of(reader, object, "message");
}

/* NULL when it is malformed or no object. */
static struct json_object *parse_object(const char *text, size_t len)
{
    struct json_tokener *tokener = len > INT_MAX ? NULL : json_tokener_new_ex(JSON_DEPTH_MAX);
    if (tokener == NULL)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)len);
    json_tokener_free(tokener);
    if (json_object_is_type(object, json_type_object))
        return object;
    json_object_put(object);
    return NULL;
}

static bool is_wanted(const struct nj_json_member *member, const char *const *wanted)
{
    while (*wanted != NULL && !nj_json_member_is(member, *wanted))
        wanted++;
    return *wanted != NULL;
}

/* An object with the wanted members only: json-c takes ten times as long for a byte as passing it over does,
 * and most of an object nobody reads. Terminated; NULL when it is malformed or the arena full. */
static char *select_members(struct reader *reader, const char *text, size_t len, const char *const *wanted)
{
    struct nj_json_skim skim;
    struct nj_json_member member;
    int rc = nj_json_skim_open(&skim, text, len);
    char *selected = rc < 0 ? NULL : nj_arena_alloc(reader->arena, len + 1);
    reader->full = reader->full || (rc == 0 && selected == NULL);
    if (selected == NULL)
        return NULL;
    char *at = selected;
    *at++ = '{';
    while ((rc = nj_json_skim_next(&skim, &member)) > 0) {
        if (!is_wanted(&member, wanted))
            continue;
        const char *begin = member.key - 1; /* its quote */
        size_t size = (size_t)(member.value + member.value_len - begin);
        if (at > selected + 1)
            *at++ = ',';
        memcpy(at, begin, size);
        at += size;
    }
    *at++ = '}';
    *at = '\0';
    return rc < 0 ? NULL : selected;
}

/* The parts of an object that are read; a missing one has no value. */
struct parts {
    struct nj_json_member metadata, spec, status;
};

static int find_parts(const char *text, size_t len, struct parts *ret_parts)
{
    struct parts parts = {0};
    struct nj_json_skim skim;
    struct nj_json_member found;
    int rc = nj_json_skim_open(&skim, text, len);
    if (rc < 0)
        return rc;
    while ((rc = nj_json_skim_next(&skim, &found)) > 0) {
        if (nj_json_member_is(&found, "metadata"))
            parts.metadata = found;
        else if (nj_json_member_is(&found, "spec"))
            parts.spec = found;
        else if (nj_json_member_is(&found, "status"))
            parts.status = found;
    }
    if (rc == 0)
        *ret_parts = parts;
    return rc;
}

/* False when the part is malformed or the arena full; *ret_json is NULL when it is absent. */
static bool parse_part(struct reader *reader, const struct nj_json_member *part, const char *const *wanted,
                       struct json_object **ret_json)
{
    *ret_json = NULL;
    if (part->value == NULL || (part->value_len == 4 && memcmp(part->value, "null", 4) == 0))
        return true;
    const char *text = select_members(reader, part->value, part->value_len, wanted);
    *ret_json = text == NULL ? NULL : parse_object(text, strlen(text));
    return *ret_json != NULL;
}

/* What the readers above look for. */
static const char *const wanted_metadata[] = {"name",
                                              "namespace",
                                              "uid",
                                              "resourceVersion",
                                              "generation",
                                              "creationTimestamp",
                                              "deletionTimestamp",
                                              "deletionGracePeriodSeconds",
                                              "labels",
                                              "annotations",
                                              "ownerReferences",
                                              NULL};
static const char *const wanted_spec[] = {
    "nodeName", "restartPolicy", "hostNetwork", "initContainers", "containers", "ephemeralContainers", NULL};
static const char *const wanted_status[] = {"phase",
                                            "reason",
                                            "message",
                                            "conditions",
                                            "initContainerStatuses",
                                            "containerStatuses",
                                            "ephemeralContainerStatuses",
                                            NULL};

static bool decode_pod(struct reader *reader, const struct parts *parts, struct nj_pod_object *pod)
{
    struct json_object *json;
    if (!parse_part(reader, &parts->spec, wanted_spec, &json))
        return false;
    read_pod_spec(reader, json, pod);
    json_object_put(json);
    if (!parse_part(reader, &parts->status, wanted_status, &json))
        return false;
    read_pod_status(reader, json, pod);
    json_object_put(json);
    return true;
}

int nj_kube_decode_bare_json(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_object *ret_object, struct nj_err *err)
{
    struct reader reader = {.arena = arena};
    struct nj_kube_object object = nj_kube_object_empty;
    struct parts parts;
    struct json_object *json;
    object.kind = kind;
    if (find_parts(bytes, len, &parts) < 0 || !parse_part(&reader, &parts.metadata, wanted_metadata, &json))
        return nj_kube_refuse(reader.full, "JSON object", err);
    read_meta(&reader, json, &object.meta);
    json_object_put(json);
    if (kind == NJ_KUBE_POD && !decode_pod(&reader, &parts, &object.pod))
        return nj_kube_refuse(reader.full, "JSON pod", err);
    if (reader.full)
        return nj_kube_refuse(true, "JSON object", err);
    *ret_object = object;
    return 0;
}

int nj_kube_decode_status_json(const void *bytes, size_t len, struct nj_arena *arena,
                               struct nj_kube_status *ret_status, struct nj_err *err)
{
    struct reader reader = {.arena = arena};
    struct json_object *json = parse_object(bytes, len);
    if (json == NULL)
        return nj_kube_refuse(false, "JSON Status", err);
    struct json_object *details = member(json, "details");
    struct json_object *causes = member(details, "causes");
    struct nj_kube_status status = {.code = int32_of(json, "code"),
                                    .reason = string_of(&reader, json, "reason"),
                                    .message = string_of(&reader, json, "message"),
                                    .retry_after_seconds = int32_of(details, "retryAfterSeconds")};
    for (size_t i = 0; i < array_len(causes); i++) {
        struct json_object *reason = member(json_object_array_get_idx(causes, i), "reason");
        if (nj_streq(json_object_get_string(reason), NJ_KUBE_CAUSE_TOO_LARGE))
            status.too_large_resource_version = true;
    }
    json_object_put(json);
    if (reader.full)
        return nj_kube_refuse(true, "JSON Status", err);
    *ret_status = status;
    return 0;
}

int nj_kube_decode_list_meta_json(const void *bytes, size_t len, struct nj_arena *arena,
                                  struct nj_list_end *ret_end, struct nj_err *err)
{
    struct reader reader = {.arena = arena};
    struct json_object *json = parse_object(bytes, len);
    if (json == NULL)
        return nj_kube_refuse(false, "JSON list's metadata", err);
    struct nj_list_end end = {.resource_version = string_of(&reader, json, "resourceVersion"),
                              .continue_token = string_of(&reader, json, "continue")};
    json_object_put(json);
    if (reader.full)
        return nj_kube_refuse(true, "JSON list's metadata", err);
    *ret_end = end;
    return 0;
}

int nj_kube_split_event_json(const void *bytes, size_t len, struct nj_watch_event_parts *ret_parts)
{
    struct nj_watch_event_parts parts = {.type = "", .object = ""};
    struct nj_json_skim skim;
    struct nj_json_member found;
    int rc = nj_json_skim_open(&skim, bytes, len);
    if (rc < 0)
        return rc;
    while ((rc = nj_json_skim_next(&skim, &found)) > 0) {
        if (nj_json_member_is(&found, "type") && found.value_len >= 2 && found.value[0] == '"') {
            parts.type = found.value + 1; /* one of five plain words: escapes need no care */
            parts.type_len = found.value_len - 2;
        } else if (nj_json_member_is(&found, "object")) {
            parts.object = found.value;
            parts.object_len = found.value_len;
        }
    }
    if (rc == 0)
        *ret_parts = parts;
    return rc;
}
