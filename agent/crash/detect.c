#include "agent/crash/detect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/crash/detect_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    UID_MAX = 128, /* Kubernetes' have 36 bytes */
    RECORD_KEY_MAX = UID_MAX + 8,
};

struct nj_detector *nj_detector_new(const struct nj_detector_options *options)
{
    struct nj_detector *detector = NJ_NEW(struct nj_detector);
    detector->node = nj_strdup(options->node);
    detector->watched_since_ns = options->watched_since_ns;
    detector->times = options->times;
    detector->on_finding = options->on_finding;
    detector->data = options->data;
    detector->next_due_ns = INT64_MAX;
    return detector;
}

/* After the wall clock was set back, what is due by it would be due much later: the next tick works it out
 * anew. */
static void note_time(struct nj_detector *detector, int64_t now_ns)
{
    if (now_ns < detector->last_ns)
        detector->next_due_ns = INT64_MIN;
    detector->last_ns = now_ns;
}

static void forget(struct nj_detector *detector, struct nj_pod_memory *pod)
{
    NJ_TABLE_REMOVE(detector->pods, pod);
    nj_pod_memory_free(pod);
}

void nj_detector_free(struct nj_detector *detector)
{
    if (detector == NULL)
        return;
    struct nj_pod_memory *pod = NULL;
    struct nj_pod_memory *next = NULL;
    HASH_ITER (hh, detector->pods, pod, next) {
        forget(detector, pod);
    }
    nj_buf_done(&detector->record);
    free(detector->node);
    free(detector);
}

static struct nj_pod_memory *find(struct nj_detector *detector, const char *uid)
{
    struct nj_pod_memory *pod = NULL;
    HASH_FIND_STR(detector->pods, uid, pod);
    return pod;
}

static struct nj_pod_memory *add(struct nj_detector *detector, const char *uid)
{
    struct nj_pod_memory *pod = nj_pod_memory_new(uid);
    HASH_ADD_KEYPTR(hh, detector->pods, pod->uid, strlen(pod->uid), pod);
    return pod;
}

int nj_detector_load_state(struct nj_detector *detector, const struct nj_outbox_record *record,
                           struct nj_err *err)
{
    if (strcmp(record->key, nj_record_baseline) == 0) {
        detector->baseline = true;
        return 0;
    }
    if (!nj_str_starts(record->key, nj_record_prefix))
        return nj_err_set(err, -ENOENT, "%s is no record of the crash detection", record->key);
    const char *uid = record->key + strlen(nj_record_prefix);
    if (find(detector, uid) != NULL)
        return nj_err_set(err, -EBADMSG, "there are two records %s", record->key);
    struct nj_pod_memory *pod = add(detector, uid);
    int rc = nj_pod_memory_decode(pod, record->value, record->len);
    if (rc < 0) {
        forget(detector, pod);
        pod = add(detector, uid);
        pod->dirty = true;
    }
    pod->recorded = true;
    return rc < 0 ? nj_err_set(err, rc, "the record %s cannot be read", record->key) : 0;
}

const char *nj_pod_memory_identity(const struct nj_pod_memory *pod)
{
    return pod->static_uid != NULL ? pod->static_uid : pod->uid;
}

struct nj_pod_memory *nj_view_remember(struct nj_pod_view *view)
{
    if (view->memory != NULL)
        return view->memory;
    struct nj_pod_memory *pod = add(view->detector, view->meta->uid);
    pod->listed = true;
    nj_memory_set(&pod->static_uid, nj_str(view->static_uid));
    nj_memory_set(&pod->namespace, view->meta->namespace);
    nj_memory_set(&pod->name, view->meta->name);
    const struct nj_kube_owner *owner = nj_kube_controller(view->meta);
    if (owner != NULL) {
        nj_memory_set(&pod->owner.api_version, owner->api_version);
        nj_memory_set(&pod->owner.kind, owner->kind);
        nj_memory_set(&pod->owner.name, owner->name);
        nj_memory_set(&pod->owner.uid, owner->uid);
        nj_memory_set(&pod->owner.template_hash, nj_str(nj_kube_label(view->meta, "pod-template-hash")));
    }
    view->memory = pod;
    return pod;
}

struct nj_container_memory *nj_view_container(const struct nj_pod_view *view, const char *name)
{
    return view->memory == NULL ? NULL : nj_pod_memory_container(view->memory, name);
}

struct nj_container_memory *nj_view_remember_container(struct nj_pod_view *view,
                                                       const struct nj_container_status *status)
{
    struct nj_container_memory *container = nj_view_container(view, status->name);
    if (container == NULL)
        container = nj_pod_memory_add(nj_view_remember(view), status->name, status->type);
    return container;
}

/* The record as it is now, into the finding. */
static void add_record(struct nj_detector *detector, struct nj_pod_memory *pod, struct nj_finding *finding,
                       char key[RECORD_KEY_MAX])
{
    bool stored = !pod->gone && nj_pod_memory_is_stored(pod);
    pod->dirty = false;
    if (!stored && !pod->recorded)
        return;
    (void)snprintf(key, RECORD_KEY_MAX, "%s%s", nj_record_prefix, pod->uid);
    finding->record.key = key;
    if (stored) {
        nj_buf_clear(&detector->record);
        nj_pod_memory_encode(pod, &detector->record);
        finding->record.value = detector->record.data;
        finding->record.len = detector->record.len;
    }
    pod->recorded = stored;
}

static void fill_owner(const struct nj_pod_memory *pod, struct nj_finding *finding)
{
    finding->owner = (struct nj_pod_owner){.api_version = nj_str(pod->owner.api_version),
                                           .kind = nj_str(pod->owner.kind),
                                           .name = nj_str(pod->owner.name),
                                           .uid = nj_str(pod->owner.uid),
                                           .template_hash = nj_str(pod->owner.template_hash)};
    finding->pod_uid = pod->uid;
    finding->has_workload = pod->workload_kind != NULL;
    finding->directory_uid = nj_pod_memory_identity(pod);
}

void nj_detector_tell(struct nj_detector *detector, struct nj_pod_memory *pod, const char *container,
                      struct nj_event *event, struct nj_finding *finding, int64_t now_ns)
{
    event->seen_ns = now_ns;
    event->subject = (struct nj_subject){.namespace = nj_str(pod->namespace),
                                         .pod = nj_str(pod->name),
                                         .pod_uid = pod->uid,
                                         .node = detector->node,
                                         .workload_kind = nj_str(pod->workload_kind),
                                         .workload = nj_str(pod->workload),
                                         .container = container};
    char key[RECORD_KEY_MAX];
    finding->event = event;
    fill_owner(pod, finding);
    if (!pod->gone)
        add_record(detector, pod, finding, key);
    detector->on_finding(detector->data, finding);
}

/* What was learned without anything to tell. */
static void tell_record(struct nj_detector *detector, struct nj_pod_memory *pod)
{
    char key[RECORD_KEY_MAX];
    struct nj_finding finding = {0};
    fill_owner(pod, &finding);
    add_record(detector, pod, &finding, key);
    if (finding.record.key != NULL)
        detector->on_finding(detector->data, &finding);
}

/* The clearings carry no record: until the last finding removes it, a new process tells them again, under the
 * same ids. */
static void pod_gone(struct nj_detector *detector, struct nj_pod_memory *pod, int64_t now_ns)
{
    pod->gone = true;
    for (struct nj_container_memory *container = pod->containers; container != NULL;
         container = container->next)
        nj_detect_gone(detector, pod, container, now_ns);
    if (pod->failure_told)
        nj_detect_gone(detector, pod, NULL, now_ns);
    tell_record(detector, pod);
    forget(detector, pod);
}

static int64_t earliest(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* deletionTimestamp is the end of the grace period. A second deletion may shorten that, which moves both. */
static void look_at_deletion(struct nj_pod_view *view)
{
    if (view->meta->deleted_ns == 0)
        return;
    int64_t grace_s = view->meta->deletion_grace_seconds;
    int64_t requested_ns = view->meta->deleted_ns - (grace_s > 0 ? grace_s : 0) * NJ_SEC;
    struct nj_pod_memory *pod = nj_view_remember(view);
    pod->delete_requested_ns = earliest(pod->delete_requested_ns, requested_ns);
    view->deleting = true;
    view->ending_ns = pod->delete_requested_ns;
}

static void tell_failure(struct nj_pod_view *view, const char *kind, const char *reason, const char *message,
                         int64_t at_ns)
{
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {.id = nj_event_id(id, kind, nj_pod_memory_identity(view->memory), NULL),
                             .at_ns = at_ns != 0 ? at_ns : view->now_ns,
                             .type = NJ_EVENT_POD_FAILURE,
                             .failure = {.reason = reason, .message = message}};
    struct nj_finding finding = {0};
    nj_detector_tell(view->detector, view->memory, "", &event, &finding, view->now_ns);
}

/* The API server's side ends a pod (eviction, preemption, taints, garbage collection): that is a deletion and
 * shows as one, but is told, as it explains what becomes of the pod's services. After a restart of the agent
 * it is told once more, under the same id. */
static void look_at_disruption(struct nj_pod_view *view, const struct nj_pod_condition *target)
{
    if (!view->deleting || view->memory->disruption_told)
        return;
    view->memory->disruption_told = true;
    tell_failure(view, "pod_disruption", target->reason, target->message, target->last_transition_ns);
}

/* status.reason and the condition DisruptionTarget name who ended the pod. */
static void look_at_failure(struct nj_pod_view *view)
{
    const struct nj_pod_object *pod = view->pod;
    const struct nj_pod_condition *target = nj_pod_condition(pod, "DisruptionTarget");
    bool disrupted = target != NULL && strcmp(target->status, "True") == 0;
    if (disrupted)
        view->ending_ns = earliest(view->ending_ns, target->last_transition_ns);
    bool by_kubelet = disrupted && strcmp(target->reason, "TerminationByKubelet") == 0;
    view->over = strcmp(pod->phase, "Failed") == 0 || strcmp(pod->phase, "Succeeded") == 0;
    view->failed = by_kubelet || (strcmp(pod->phase, "Failed") == 0 && pod->reason[0] != '\0');
    if (disrupted && !by_kubelet)
        look_at_disruption(view, target);
    if (!view->failed || nj_view_remember(view)->failure_told)
        return;
    view->memory->failure_told = true;
    tell_failure(view, "pod_failure", pod->reason[0] != '\0' ? pod->reason : target->reason,
                 pod->message[0] != '\0' || target == NULL ? pod->message : target->message,
                 disrupted ? target->last_transition_ns : 0);
}

void nj_detector_pod(struct nj_detector *detector, enum nj_watch_event_type type,
                     const struct nj_kube_object *object, int64_t now_ns)
{
    size_t uid_len = strlen(object->meta.uid);
    if (uid_len == 0 || uid_len > UID_MAX)
        return;
    note_time(detector, now_ns);
    struct nj_pod_view view = {.detector = detector,
                               .meta = &object->meta,
                               .pod = &object->pod,
                               .memory = find(detector, object->meta.uid),
                               .static_uid = nj_kube_annotation(&object->meta, "kubernetes.io/config.hash"),
                               .now_ns = now_ns};
    if (view.memory != NULL)
        view.memory->listed = true;
    /* A DELETED that a relist found has no status. */
    if (nj_str(object->pod.node_name)[0] != '\0') {
        look_at_deletion(&view);
        look_at_failure(&view);
        for (size_t i = 0; i < object->pod.statuses_count; i++)
            nj_detect_ends(&view, &object->pod.statuses[i]);
        for (size_t i = 0; i < object->pod.statuses_count && type != NJ_WATCH_DELETED; i++)
            nj_detect_state(&view, &object->pod.statuses[i]);
        if (type != NJ_WATCH_DELETED)
            nj_detect_silence(&view);
    }
    struct nj_pod_memory *pod = view.memory;
    if (pod == NULL)
        return;
    if (type == NJ_WATCH_DELETED) {
        pod_gone(detector, pod, now_ns);
        return;
    }
    if (pod->dirty)
        tell_record(detector, pod);
    if (!nj_pod_memory_is_needed(pod))
        forget(detector, pod);
}

void nj_detector_synced(struct nj_detector *detector, int64_t now_ns)
{
    if (detector->synced)
        return;
    detector->synced = true;
    struct nj_pod_memory *pod = NULL;
    struct nj_pod_memory *next = NULL;
    HASH_ITER (hh, detector->pods, pod, next) {
        if (!pod->listed)
            pod_gone(detector, pod, now_ns);
    }
    if (!detector->baseline) {
        detector->baseline = true;
        struct nj_finding finding = {.pod_uid = "",
                                     .directory_uid = "",
                                     .record = {.key = nj_record_baseline, .value = "1", .len = 1},
                                     .after_all = true};
        finding.owner = (struct nj_pod_owner){"", "", "", "", ""};
        detector->on_finding(detector->data, &finding);
    }
}

int64_t nj_detector_next_due(const struct nj_detector *detector)
{
    return detector->next_due_ns;
}

void nj_detector_tick(struct nj_detector *detector, int64_t now_ns)
{
    note_time(detector, now_ns);
    if (now_ns < detector->next_due_ns)
        return;
    detector->next_due_ns = INT64_MAX;
    struct nj_pod_memory *pod = NULL;
    struct nj_pod_memory *next = NULL;
    HASH_ITER (hh, detector->pods, pod, next) {
        for (struct nj_container_memory *container = pod->containers; container != NULL;
             container = container->next)
            nj_detect_due(detector, pod, container, now_ns);
    }
}

void nj_detector_set_times(struct nj_detector *detector, const struct nj_detector_times *times)
{
    detector->times = *times;
    detector->next_due_ns = INT64_MIN; /* the next tick works everything out anew */
}

void nj_detector_set_workload(struct nj_detector *detector, const char *uid, const char *kind,
                              const char *name)
{
    struct nj_pod_memory *pod = find(detector, uid);
    if (pod == NULL)
        return;
    nj_memory_set(&pod->workload_kind, kind);
    nj_memory_set(&pod->workload, name);
}

size_t nj_detector_remembered(const struct nj_detector *detector)
{
    return HASH_COUNT(detector->pods);
}
