/* What is kept of a workload, in one piece of memory: it is copied twice, first to see how much it takes. */
#include <string.h>

#include "collector/cluster/workloads_internal.h"
#include "common/base/str.h"

enum { COPY_MAX = 256 << 10, MESSAGE_MAX = 512 };

#define REVISION "deployment.kubernetes.io/revision"
#define CHANGE_CAUSE "kubernetes.io/change-cause"
/* Written by every server that knows apps/v1 (kubernetes pkg/apis/apps/v1/conversion.go). */
#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"
#define TEMPLATE_HASH "pod-template-hash"

struct copier {
    char *at; /* NULL: only counted */
    size_t used;
};

static void *take(struct copier *copier, size_t size, size_t align)
{
    copier->used = (copier->used + align - 1) / align * align;
    char *memory = copier->at == NULL ? NULL : copier->at + copier->used;
    copier->used += size;
    return memory;
}

static const char *text_cut(struct copier *copier, const char *from, size_t max)
{
    size_t len = nj_utf8_cut(from, strlen(from), max);
    if (len == 0)
        return "";
    char *copy = take(copier, len + 1, 1);
    if (copy == NULL)
        return "";
    memcpy(copy, from, len);
    copy[len] = '\0';
    return copy;
}

static const char *text(struct copier *copier, const char *from)
{
    return text_cut(copier, from, SIZE_MAX);
}

static bool is_wanted_annotation(const char *key)
{
    return nj_str_starts(key, "nightjar.dev/") || nj_streq(key, REVISION) || nj_streq(key, CHANGE_CAUSE) ||
           nj_streq(key, TEMPLATE_GENERATION);
}

static const struct nj_kube_pair *copy_pairs(struct copier *copier, const struct nj_kube_pair *from,
                                             size_t count, bool (*wanted)(const char *key), size_t *ret_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += wanted == NULL || wanted(from[i].key);
    *ret_count = kept;
    if (kept == 0)
        return NULL;
    struct nj_kube_pair *to = take(copier, kept * sizeof(*to), _Alignof(struct nj_kube_pair));
    kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted != NULL && !wanted(from[i].key))
            continue;
        struct nj_kube_pair pair = {text(copier, from[i].key), text(copier, from[i].value)};
        if (to != NULL)
            to[kept] = pair;
        kept++;
    }
    return to;
}

/* What the start-up allowance is worked out from. */
static struct nj_pod_probe plain_probe(const struct nj_pod_probe *from)
{
    struct nj_pod_probe probe = *from;
    probe.host = probe.port_name = probe.path = probe.scheme = probe.service = "";
    probe.headers = NULL;
    probe.headers_count = 0;
    return probe;
}

static const struct nj_container_spec *copy_containers(struct copier *copier,
                                                       const struct nj_container_spec *from, size_t count)
{
    if (count == 0)
        return NULL;
    struct nj_container_spec *to = take(copier, count * sizeof(*to), _Alignof(struct nj_container_spec));
    for (size_t i = 0; i < count; i++) {
        struct nj_container_spec spec = from[i];
        spec.name = text(copier, spec.name);
        spec.image = text(copier, spec.image);
        spec.ports = NULL;
        spec.ports_count = 0;
        spec.startup = plain_probe(&spec.startup);
        spec.readiness = plain_probe(&spec.readiness);
        spec.liveness = plain_probe(&spec.liveness);
        if (to != NULL)
            to[i] = spec;
    }
    return to;
}

static const struct nj_pod_condition *copy_conditions(struct copier *copier,
                                                      const struct nj_pod_condition *from, size_t count)
{
    if (count == 0)
        return NULL;
    struct nj_pod_condition *to = take(copier, count * sizeof(*to), _Alignof(struct nj_pod_condition));
    for (size_t i = 0; i < count; i++) {
        struct nj_pod_condition condition = {.type = text(copier, from[i].type),
                                             .status = text(copier, from[i].status),
                                             .reason = text_cut(copier, from[i].reason, MESSAGE_MAX),
                                             .message = text_cut(copier, from[i].message, MESSAGE_MAX),
                                             .last_transition_ns = from[i].last_transition_ns};
        if (to != NULL)
            to[i] = condition;
    }
    return to;
}

bool nj_workloads_job_is(const struct nj_workload_object *job, const char *condition)
{
    for (size_t i = 0; i < job->conditions_count; i++) {
        if (nj_streq(job->conditions[i].type, condition))
            return nj_streq(job->conditions[i].status, "True");
    }
    return false;
}

/* How many pods a Job wants now. One without completions is as good as done when a pod of it is: the others
 * are not replaced (https://kubernetes.io/docs/concepts/workloads/controllers/job/#parallel-jobs). */
static int32_t job_wants(const struct nj_workload_object *job)
{
    static const char *const ends[] = {"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget",
                                       "Suspended"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (nj_workloads_job_is(job, ends[i]))
            return 0;
    }
    int32_t left = job->completions < 0 ? (job->succeeded > 0 ? job->replicas : job->desired)
                                        : job->completions - job->succeeded;
    if (job->paused || left <= 0)
        return 0;
    return left < job->desired ? left : job->desired;
}

static void copy_object(struct copier *copier, const struct nj_workload_object *from,
                        struct nj_workload_object *to)
{
    *to = *from;
    to->selector = copy_pairs(copier, from->selector, from->selector_count, NULL, &to->selector_count);
    to->template_labels = copy_pairs(copier, from->template_labels, from->template_labels_count, NULL,
                                     &to->template_labels_count);
    to->containers = copy_containers(copier, from->containers, from->containers_count);
    to->conditions = copy_conditions(copier, from->conditions, from->conditions_count);
    to->strategy = text(copier, from->strategy);
    to->changed_by = text(copier, from->changed_by);
    to->current_revision = text(copier, from->current_revision);
    to->update_revision = text(copier, from->update_revision);
}

static const char *revision_of(enum nj_workloads_kind kind, const struct nj_kube_object *object)
{
    if (kind == NJ_WORKLOADS_STATEFUL_SET)
        return object->workload.update_revision;
    return nj_str(
        nj_kube_annotation(&object->meta, kind == NJ_WORKLOADS_DAEMON_SET ? TEMPLATE_GENERATION : REVISION));
}

static const char *hash_of(enum nj_workloads_kind kind, const struct nj_kube_object *object)
{
    if (kind == NJ_WORKLOADS_STATEFUL_SET)
        return object->workload.update_revision;
    return kind == NJ_WORKLOADS_REPLICA_SET ? nj_str(nj_kube_label(&object->meta, TEMPLATE_HASH)) : "";
}

static void copy_item(struct copier *copier, enum nj_workloads_kind kind, const struct nj_kube_object *object,
                      struct nj_workloads_entry *entry)
{
    const struct nj_kube_meta *meta = &object->meta;
    const struct nj_kube_owner *owner = nj_kube_controller(meta);
    struct nj_workloads_item *item = &entry->item;
    item->kind = kind;
    item->namespace = text(copier, meta->namespace);
    item->name = text(copier, meta->name);
    item->uid = entry->uid = text(copier, meta->uid);
    item->generation = meta->generation;
    item->created_ns = meta->created_ns;
    item->deleting = meta->deleted_ns != 0;
    item->labels = copy_pairs(copier, meta->labels, meta->labels_count, NULL, &item->labels_count);
    item->annotations = copy_pairs(copier, meta->annotations, meta->annotations_count, is_wanted_annotation,
                                   &item->annotations_count);
    item->owner_kind = text(copier, owner == NULL ? "" : owner->kind);
    item->owner = text(copier, owner == NULL ? "" : owner->name);
    item->revision = text(copier, revision_of(kind, object));
    item->template_hash = text(copier, hash_of(kind, object));
    struct nj_workload_object own = object->workload;
    if (kind == NJ_WORKLOADS_JOB) {
        own.desired = job_wants(&own);
        own.containers_count = 0;
    }
    copy_object(copier, &own, &entry->object);
    item->object = &entry->object;
}

static void copy_budget(struct copier *copier, const struct nj_kube_object *object,
                        struct nj_workloads_entry *entry)
{
    const struct nj_budget_object *from = &object->budget;
    struct nj_workloads_budget *to = &entry->budget;
    entry->is_budget = true;
    entry->budget_is_odd = !from->has_selector || from->selector_has_expressions;
    entry->uid = text(copier, object->meta.uid);
    to->namespace = text(copier, object->meta.namespace);
    to->name = text(copier, object->meta.name);
    to->selector = copy_pairs(copier, from->selector, from->selector_count, NULL, &to->selector_count);
    to->min_available = text(copier, from->min_available);
    to->max_unavailable = text(copier, from->max_unavailable);
    to->desired_healthy = from->desired_healthy;
    to->current_healthy = from->current_healthy;
    to->disruptions_allowed = from->disruptions_allowed;
    to->expected_pods = from->expected_pods;
}

static void copy(struct copier *copier, const struct nj_kube_object *object, struct nj_workloads_entry *entry)
{
    switch (object->kind) {
    case NJ_KUBE_STATEFUL_SET:
        copy_item(copier, NJ_WORKLOADS_STATEFUL_SET, object, entry);
        break;
    case NJ_KUBE_DAEMON_SET:
        copy_item(copier, NJ_WORKLOADS_DAEMON_SET, object, entry);
        break;
    case NJ_KUBE_REPLICA_SET:
        copy_item(copier, NJ_WORKLOADS_REPLICA_SET, object, entry);
        break;
    case NJ_KUBE_JOB:
        copy_item(copier, NJ_WORKLOADS_JOB, object, entry);
        break;
    case NJ_KUBE_BUDGET:
        copy_budget(copier, object, entry);
        break;
    default:
        copy_item(copier, NJ_WORKLOADS_DEPLOYMENT, object, entry);
        break;
    }
}

struct nj_workloads_entry *nj_workloads_entry_new(const struct nj_kube_object *object)
{
    if (!nj_kube_is_name(object->meta.name) || !nj_kube_is_name(object->meta.namespace) ||
        object->meta.uid[0] == '\0')
        return NULL;
    struct nj_workloads_entry *entry = NJ_NEW(struct nj_workloads_entry);
    struct copier copier = {.at = NULL};
    copy(&copier, object, entry);
    entry->memory = copier.used > COPY_MAX ? NULL : nj_try_alloc(copier.used);
    if (entry->memory == NULL) {
        free(entry);
        return NULL;
    }
    copier = (struct copier){.at = entry->memory};
    copy(&copier, object, entry);
    return entry;
}

void nj_workloads_entry_free(struct nj_workloads_entry *entry)
{
    if (entry == NULL)
        return;
    free(entry->links);
    free(entry->memory);
    free(entry);
}
