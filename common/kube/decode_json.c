#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"
#include "common/kube/json_skim.h"

enum {
    JSON_DEPTH_MAX = 64, /* of what is read; Kubernetes' own types stay below 20 */
};

static void read_owners(struct nj_json_reader *reader, struct json_object *array, struct nj_kube_meta *meta)
{
    size_t count = nj_json_len(array);
    struct nj_kube_owner *owners = nj_json_array(reader, count, sizeof(*owners));
    if (owners == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *owner = json_object_array_get_idx(array, i);
        owners[i] = (struct nj_kube_owner){.api_version = nj_json_string(reader, owner, "apiVersion"),
                                           .kind = nj_json_string(reader, owner, "kind"),
                                           .name = nj_json_string(reader, owner, "name"),
                                           .uid = nj_json_string(reader, owner, "uid"),
                                           .controller = nj_json_bool(owner, "controller", false)};
    }
    meta->owners = owners;
    meta->owners_count = count;
}

static void read_meta(struct nj_json_reader *reader, struct json_object *object, struct nj_kube_meta *meta)
{
    meta->name = nj_json_string(reader, object, "name");
    meta->namespace = nj_json_string(reader, object, "namespace");
    meta->uid = nj_json_string(reader, object, "uid");
    meta->resource_version = nj_json_string(reader, object, "resourceVersion");
    meta->generation = nj_json_int(object, "generation", 0);
    meta->created_ns = nj_json_time(object, "creationTimestamp");
    meta->deleted_ns = nj_json_time(object, "deletionTimestamp");
    meta->deletion_grace_seconds = nj_json_int(object, "deletionGracePeriodSeconds", -1);
    nj_json_pairs(reader, nj_json_get(object, "labels"), &meta->labels, &meta->labels_count);
    nj_json_pairs(reader, nj_json_get(object, "annotations"), &meta->annotations, &meta->annotations_count);
    read_owners(reader, nj_json_get(object, "ownerReferences"), meta);
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

/* A member that is read off the text. */
struct raw_member {
    const char *name;
    struct nj_json_member found; /* no value: there is none */
};

/* An object with the wanted members only: json-c takes ten times as long for a byte as passing it over does,
 * and most of an object nobody reads. Terminated; NULL when it is malformed or the arena full. `raw` may be
 * NULL. */
static char *select_members(struct nj_json_reader *reader, const char *text, size_t len,
                            const char *const *wanted, struct raw_member *raw)
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
        if (raw != NULL && nj_json_member_is(&member, raw->name))
            raw->found = member;
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
    struct nj_json_member whole, metadata, spec, status;
    struct nj_json_member managed_fields; /* within the metadata; found when that is read */
};

static int find_parts(const char *text, size_t len, struct parts *ret_parts)
{
    struct parts parts = {.whole = {.value = text, .value_len = len}};
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

static bool is_absent(const struct nj_json_member *part)
{
    return part->value == NULL || (part->value_len == 4 && memcmp(part->value, "null", 4) == 0);
}

/* False when the part is malformed or the arena full; *ret_json is NULL when it is absent. */
static bool parse_part(struct nj_json_reader *reader, const struct nj_json_member *part,
                       const char *const *wanted, struct raw_member *raw, struct json_object **ret_json)
{
    *ret_json = NULL;
    if (is_absent(part))
        return true;
    const char *text = select_members(reader, part->value, part->value_len, wanted, raw);
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
static const char *const wanted_spec[] = {"nodeName",
                                          "restartPolicy",
                                          "hostNetwork",
                                          "initContainers",
                                          "containers",
                                          "ephemeralContainers",
                                          "nodeSelector",
                                          "affinity",
                                          "priority",
                                          "overhead",
                                          "terminationGracePeriodSeconds",
                                          NULL};
static const char *const wanted_status[] = {"phase",
                                            "reason",
                                            "message",
                                            "conditions",
                                            "initContainerStatuses",
                                            "containerStatuses",
                                            "ephemeralContainerStatuses",
                                            "hostIP",
                                            "podIP",
                                            "podIPs",
                                            "startTime",
                                            NULL};

static const char *const wanted_service_spec[] = {"type",     "externalName", "publishNotReadyAddresses",
                                                  "selector", "ipFamilies",   "clusterIPs",
                                                  "ports",    "clusterIP",    NULL};
static const char *const wanted_slice[] = {"addressType", "endpoints", "ports", NULL};
static const char *const wanted_endpoints[] = {"subsets", NULL};
static const char *const wanted_ingress_spec[] = {"ingressClassName", "defaultBackend", "tls", "rules", NULL};
static const char *const wanted_ingress_status[] = {"loadBalancer", NULL};
static const char *const wanted_workload_spec[] = {"replicas",
                                                   "selector",
                                                   "template",
                                                   "strategy",
                                                   "updateStrategy",
                                                   "minReadySeconds",
                                                   "paused",
                                                   "progressDeadlineSeconds",
                                                   NULL};
static const char *const wanted_workload_status[] = {"observedGeneration",
                                                     "replicas",
                                                     "updatedReplicas",
                                                     "readyReplicas",
                                                     "availableReplicas",
                                                     "currentNumberScheduled",
                                                     "desiredNumberScheduled",
                                                     "updatedNumberScheduled",
                                                     "numberReady",
                                                     "numberAvailable",
                                                     "currentRevision",
                                                     "updateRevision",
                                                     "conditions",
                                                     NULL};
static const char *const wanted_job_spec[] = {"parallelism", "completions", "selector",
                                              "template",    "suspend",     NULL};
static const char *const wanted_job_status[] = {"conditions", "active", "succeeded", "ready", NULL};
static const char *const wanted_budget_spec[] = {"minAvailable", "maxUnavailable", "selector", NULL};
static const char *const wanted_budget_status[] = {
    "observedGeneration", "disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods", NULL};
static const char *const wanted_node_spec[] = {"unschedulable", "taints", NULL};
static const char *const wanted_node_status[] = {"capacity", "allocatable", "conditions", "nodeInfo", NULL};

static bool decode_part(struct nj_json_reader *reader, const struct nj_json_member *part,
                        const char *const *wanted, nj_json_read_fn *read, struct nj_kube_object *object)
{
    struct json_object *json;
    if (!parse_part(reader, part, wanted, NULL, &json))
        return false;
    read(reader, json, object);
    json_object_put(json);
    return true;
}

static bool decode_pod_spec(struct nj_json_reader *reader, const struct nj_json_member *part,
                            struct nj_kube_object *object)
{
    struct raw_member tolerations = {.name = "tolerations"};
    struct json_object *json;
    if (!parse_part(reader, part, wanted_spec, &tolerations, &json))
        return false;
    nj_json_read_pod_spec(reader, json, object);
    json_object_put(json);
    return nj_json_read_tolerations(reader, &tolerations.found, &object->pod);
}

/* The text of a custom resource's part, whatever it holds. */
static void copy_part(struct nj_json_reader *reader, const struct nj_json_member *part, const char **ret_text,
                      size_t *ret_len)
{
    if (is_absent(part))
        return;
    const char *copy = nj_arena_strndup(reader->arena, part->value, part->value_len);
    reader->full = reader->full || copy == NULL;
    if (copy == NULL)
        return;
    *ret_text = copy;
    *ret_len = part->value_len;
}

/* What the kind has beside its metadata. */
static bool decode_parts(struct nj_json_reader *reader, const struct parts *parts,
                         struct nj_kube_object *object)
{
    switch (object->kind) {
    case NJ_KUBE_META:
        return true;
    case NJ_KUBE_POD:
        return decode_pod_spec(reader, &parts->spec, object) &&
               decode_part(reader, &parts->status, wanted_status, nj_json_read_pod_status, object);
    case NJ_KUBE_SERVICE:
        return decode_part(reader, &parts->spec, wanted_service_spec, nj_json_read_service_spec, object);
    case NJ_KUBE_SLICE:
        return decode_part(reader, &parts->whole, wanted_slice, nj_json_read_slice, object);
    case NJ_KUBE_ENDPOINTS:
        return decode_part(reader, &parts->whole, wanted_endpoints, nj_json_read_endpoints, object);
    case NJ_KUBE_INGRESS:
        return decode_part(reader, &parts->spec, wanted_ingress_spec, nj_json_read_ingress_spec, object) &&
               decode_part(reader, &parts->status, wanted_ingress_status, nj_json_read_ingress_status,
                           object);
    case NJ_KUBE_DEPLOYMENT:
    case NJ_KUBE_STATEFUL_SET:
    case NJ_KUBE_DAEMON_SET:
    case NJ_KUBE_REPLICA_SET:
        return nj_json_read_changed_by(reader, &parts->managed_fields, &object->workload) &&
               decode_part(reader, &parts->spec, wanted_workload_spec, nj_json_read_workload_spec, object) &&
               decode_part(reader, &parts->status, wanted_workload_status, nj_json_read_workload_status,
                           object);
    case NJ_KUBE_JOB:
        return decode_part(reader, &parts->spec, wanted_job_spec, nj_json_read_job_spec, object) &&
               decode_part(reader, &parts->status, wanted_job_status, nj_json_read_job_status, object);
    case NJ_KUBE_BUDGET:
        return decode_part(reader, &parts->spec, wanted_budget_spec, nj_json_read_budget_spec, object) &&
               decode_part(reader, &parts->status, wanted_budget_status, nj_json_read_budget_status, object);
    case NJ_KUBE_CUSTOM:
        copy_part(reader, &parts->spec, &object->custom.spec, &object->custom.spec_len);
        copy_part(reader, &parts->status, &object->custom.status, &object->custom.status_len);
        return true;
    case NJ_KUBE_NODE:
        return decode_part(reader, &parts->spec, wanted_node_spec, nj_json_read_node_spec, object) &&
               decode_part(reader, &parts->status, wanted_node_status, nj_json_read_node_status, object);
    }
    return false;
}

int nj_kube_decode_bare_json(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_object *ret_object, struct nj_err *err)
{
    struct nj_json_reader reader = {.arena = arena};
    struct nj_kube_object object = nj_kube_object_empty(kind);
    struct parts parts;
    struct raw_member managed_fields = {.name = "managedFields"};
    struct json_object *json;
    if (find_parts(bytes, len, &parts) < 0 ||
        !parse_part(&reader, &parts.metadata, wanted_metadata, &managed_fields, &json))
        return nj_kube_refuse(reader.full, "JSON object", err);
    parts.managed_fields = managed_fields.found;
    read_meta(&reader, json, &object.meta);
    json_object_put(json);
    if (!decode_parts(&reader, &parts, &object) || reader.full)
        return nj_kube_refuse(reader.full, "JSON object", err);
    *ret_object = object;
    return 0;
}

int nj_kube_decode_status_json(const void *bytes, size_t len, struct nj_arena *arena,
                               struct nj_kube_status *ret_status, struct nj_err *err)
{
    struct nj_json_reader reader = {.arena = arena};
    struct json_object *json = parse_object(bytes, len);
    if (json == NULL)
        return nj_kube_refuse(false, "JSON Status", err);
    struct json_object *details = nj_json_get(json, "details");
    struct json_object *causes = nj_json_get(details, "causes");
    struct nj_kube_status status = {.code = nj_json_int32(json, "code"),
                                    .reason = nj_json_string(&reader, json, "reason"),
                                    .message = nj_json_string(&reader, json, "message"),
                                    .retry_after_seconds = nj_json_int32(details, "retryAfterSeconds")};
    for (size_t i = 0; i < nj_json_len(causes); i++) {
        struct json_object *reason = nj_json_get(json_object_array_get_idx(causes, i), "reason");
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
    struct nj_json_reader reader = {.arena = arena};
    struct json_object *json = parse_object(bytes, len);
    if (json == NULL)
        return nj_kube_refuse(false, "JSON list's metadata", err);
    struct nj_list_end end = {.resource_version = nj_json_string(&reader, json, "resourceVersion"),
                              .continue_token = nj_json_string(&reader, json, "continue")};
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
