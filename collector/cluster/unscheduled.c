#include "collector/cluster/unscheduled.h"

#include <stdio.h>
#include <string.h>

#include "collector/cluster/whereabouts.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"
#include "common/kube/workload.h"

enum { UID_MAX = 64, MESSAGE_MAX = 1024, QUESTIONS_MAX = 32 };

/* What lasts is told again, with what the scheduler says by then: of what nothing is heard for long is taken
 * for over (incident.stale_after, 10 minutes at least). */
#define AGAIN_NS (5 * NJ_MIN)
#define AGAIN_EARLIER_NS NJ_SEC /* so that many are told on one waking */

static const char REASON[] = "Unschedulable";

struct pod {
    char uid[UID_MAX];
    char *namespace, *name, *message, *image;
    struct nj_workload workload;
    int64_t since_ns; /* unschedulable since; 0: it is not */
    int64_t seen_ns;  /* ... as was seen first, monotonic */
    bool told;
    int64_t again_ns; /* to be told again, monotonic */
    bool listed;      /* seen by this process */
    bool deleting;
    int64_t left_ns; /* when it left the selection */
    struct nj_unscheduled *owner;
    UT_hash_handle hh;
};

struct nj_unscheduled {
    struct nj_unscheduled_options options;
    struct nj_watch *watch;
    struct nj_whereabouts *whereabouts;
    struct nj_timer due;
    int64_t due_ns; /* monotonic, of the timer; 0: it sleeps */
    struct pod *pods;
    struct nj_counter *ignored;
    bool first_list_done, closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void free_pod(struct pod *pod)
{
    free(pod->namespace);
    free(pod->name);
    free(pod->message);
    free(pod->image);
    free(pod);
}

static void take_out(struct nj_unscheduled *unscheduled, struct pod *pod)
{
    NJ_TABLE_REMOVE(unscheduled->pods, pod);
}

static struct pod *find(const struct nj_unscheduled *unscheduled, const char *uid)
{
    struct pod *pod = NULL;
    HASH_FIND_STR(unscheduled->pods, uid, pod);
    return pod;
}

static struct pod *add(struct nj_unscheduled *unscheduled, const char *uid, const char *namespace,
                       const char *name)
{
    struct pod *pod = NJ_NEW(struct pod);
    pod->owner = unscheduled;
    (void)snprintf(pod->uid, sizeof(pod->uid), "%s", uid);
    pod->namespace = nj_strdup(namespace);
    pod->name = nj_strdup(name);
    pod->message = nj_strdup("");
    pod->image = nj_strdup("");
    HASH_ADD_STR(unscheduled->pods, uid, pod);
    return pod;
}

static void emit(const struct nj_unscheduled *unscheduled, const struct pod *pod, struct nj_event *event)
{
    event->seen_ns = nj_loop_wall_ns(unscheduled->options.loop);
    event->subject = (struct nj_subject){
        .namespace = pod->namespace,
        .pod = pod->name,
        .pod_uid = pod->uid,
        .node = "",
        .workload_kind = pod->workload.kind,
        .workload = pod->workload.name,
        .container = "",
    };
    unscheduled->options.on_event(unscheduled->options.data, event);
}

static void tell_stuck(struct nj_unscheduled *unscheduled, struct pod *pod)
{
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {
        .id = nj_event_id(id, "unschedulable", pod->uid, NULL),
        .at_ns = pod->since_ns,
        .type = NJ_EVENT_STUCK,
        .stuck = {.reason = REASON, .message = pod->message, .image = pod->image, .since_ns = pod->since_ns},
    };
    pod->told = true;
    pod->again_ns = nj_loop_mono_ns(unscheduled->options.loop) + AGAIN_NS;
    emit(unscheduled, pod, &event);
}

static void tell_cleared(struct nj_unscheduled *unscheduled, const struct pod *pod,
                         enum nj_cleared_cause cause)
{
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {
        .id = nj_event_id(id, "unschedulable-cleared", pod->uid, NULL),
        .at_ns = pod->left_ns,
        .type = NJ_EVENT_CLEARED,
        .cleared = {.cause = cause},
    };
    emit(unscheduled, pod, &event);
}

static void on_whereabouts(void *data, enum nj_whereabout answer)
{
    struct pod *pod = data;
    /* Who cannot be asked about has a node, most likely: that is how waiting ends. At the end of the process
     * the next one asks again. */
    if (!pod->owner->closing)
        tell_cleared(pod->owner, pod,
                     answer == NJ_WHEREABOUT_GONE ? NJ_CLEARED_DELETED : NJ_CLEARED_SCHEDULED);
    free_pod(pod);
}

/* It left the selection: it got a node, or it is gone. Only of those that were told it matters. */
static void leave(struct nj_unscheduled *unscheduled, struct pod *pod)
{
    take_out(unscheduled, pod);
    pod->left_ns = nj_loop_wall_ns(unscheduled->options.loop);
    if (!pod->told)
        free_pod(pod);
    else if (pod->deleting)
        on_whereabouts(pod, NJ_WHEREABOUT_GONE);
    else if (!nj_whereabouts_ask(unscheduled->whereabouts, pod->namespace, pod->name, pod->uid,
                                 on_whereabouts, pod))
        on_whereabouts(pod, NJ_WHEREABOUT_UNKNOWN);
}

/* How long until the pod is to be told. The server's clock may be ahead, or this one be set back: no longer
 * than if it had begun when it was seen. */
static int64_t time_left(const struct nj_unscheduled *unscheduled, const struct pod *pod)
{
    int64_t mono_ns = nj_loop_mono_ns(unscheduled->options.loop);
    if (pod->told)
        return pod->again_ns - AGAIN_EARLIER_NS - mono_ns;
    int64_t by_wall_ns = pod->since_ns - nj_loop_wall_ns(unscheduled->options.loop);
    int64_t by_sight_ns = pod->seen_ns - mono_ns;
    return unscheduled->options.after_ns + (by_wall_ns < by_sight_ns ? by_wall_ns : by_sight_ns);
}

/* Tells the pod when its time has come, and makes sure of being awake at the next. */
static void consider(struct nj_unscheduled *unscheduled, struct pod *pod)
{
    if (pod->since_ns == 0 || pod->deleting)
        return;
    if (time_left(unscheduled, pod) <= 0)
        tell_stuck(unscheduled, pod);
    int64_t left_ns =
        pod->told ? pod->again_ns - nj_loop_mono_ns(unscheduled->options.loop) : time_left(unscheduled, pod);
    int64_t due_ns = nj_loop_mono_ns(unscheduled->options.loop) + left_ns;
    if (unscheduled->due_ns != 0 && unscheduled->due_ns <= due_ns)
        return;
    unscheduled->due_ns = due_ns;
    nj_timer_start(&unscheduled->due, left_ns < 0 ? 0 : left_ns, 0);
}

static void on_due(struct nj_timer *timer)
{
    struct nj_unscheduled *unscheduled = timer->data;
    struct pod *pod;
    struct pod *next;
    unscheduled->due_ns = 0;
    HASH_ITER (hh, unscheduled->pods, pod, next)
        consider(unscheduled, pod);
}

static void replace(char **text, const char *value)
{
    if (nj_streq(*text, value))
        return;
    free(*text);
    *text = nj_strndup(value, nj_utf8_cut(value, strlen(value), MESSAGE_MAX));
}

static void update(struct nj_unscheduled *unscheduled, enum nj_watch_event_type type,
                   const struct nj_kube_object *object)
{
    const struct nj_pod_condition *condition = nj_pod_condition(&object->pod, "PodScheduled");
    const struct nj_kube_owner *owner = nj_kube_controller(&object->meta);
    struct pod *pod = find(unscheduled, object->meta.uid);
    if (pod == NULL) {
        if (HASH_COUNT(unscheduled->pods) >= unscheduled->options.max_pods) {
            nj_counter_add(unscheduled->ignored, type == NJ_WATCH_ADDED); /* once a pod */
            return;
        }
        pod = add(unscheduled, object->meta.uid, object->meta.namespace, object->meta.name);
    }
    bool stuck =
        condition != NULL && nj_streq(condition->status, "False") && nj_streq(condition->reason, REASON);
    pod->listed = true;
    pod->deleting = object->meta.deleted_ns != 0;
    nj_workload_guess(owner == NULL ? "" : owner->kind, owner == NULL ? "" : owner->name,
                      nj_kube_label(&object->meta, "pod-template-hash"), pod->name, &pod->workload);
    if (!stuck) { /* a gate, or the scheduler has not looked yet */
        pod->since_ns = 0;
        return;
    }
    if (pod->since_ns == 0) {
        pod->since_ns =
            condition->last_transition_ns != 0 ? condition->last_transition_ns : object->meta.created_ns;
        pod->seen_ns = nj_loop_mono_ns(unscheduled->options.loop);
    }
    replace(&pod->message, condition->message);
    replace(&pod->image, object->pod.containers_count > 0 ? object->pod.containers[0].image : "");
    consider(unscheduled, pod);
}

static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_unscheduled *unscheduled = data;
    if (type != NJ_WATCH_DELETED) {
        update(unscheduled, type, object);
    } else {
        struct pod *pod = find(unscheduled, object->meta.uid);
        if (pod != NULL)
            leave(unscheduled, pod);
    }
}

static void on_synced(void *data)
{
    struct nj_unscheduled *unscheduled = data;
    struct pod *pod;
    struct pod *next;
    if (unscheduled->first_list_done)
        return;
    unscheduled->first_list_done = true;
    HASH_ITER (hh, unscheduled->pods, pod, next) {
        if (!pod->listed) /* it left while nobody looked */
            leave(unscheduled, pod);
    }
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct nj_unscheduled *unscheduled = data;
    if (unscheduled->options.on_trouble != NULL)
        unscheduled->options.on_trouble(unscheduled->options.data, err);
}

struct nj_unscheduled *nj_unscheduled_new(const struct nj_unscheduled_options *options)
{
    struct nj_unscheduled *unscheduled = NJ_NEW(struct nj_unscheduled);
    unscheduled->options = *options;
    if (options->metrics != NULL)
        unscheduled->ignored =
            nj_metrics_counter(options->metrics, "nightjar_unscheduled_pods_ignored_total", "",
                               "Pods without a node that were not followed because of the bound.");
    unscheduled->whereabouts = nj_whereabouts_new(options->client, QUESTIONS_MAX);
    nj_timer_init(&unscheduled->due, options->loop, on_due, unscheduled);
    return unscheduled;
}

void nj_unscheduled_remember(struct nj_unscheduled *unscheduled, const struct nj_subject *subject)
{
    if (find(unscheduled, subject->pod_uid) != NULL)
        return;
    struct pod *pod = add(unscheduled, subject->pod_uid, subject->namespace, subject->pod);
    (void)snprintf(pod->workload.kind, sizeof(pod->workload.kind), "%s", subject->workload_kind);
    (void)snprintf(pod->workload.name, sizeof(pod->workload.name), "%s", subject->workload);
    pod->told = true;
    pod->again_ns = nj_loop_mono_ns(unscheduled->options.loop) + AGAIN_NS;
}

int nj_unscheduled_start(struct nj_unscheduled *unscheduled, struct nj_err *err)
{
    struct nj_watch_options watch = {
        .path = "/api/v1/pods",
        .field_selector = "spec.nodeName=",
        .kind = NJ_KUBE_POD,
        .encoding = NJ_KUBE_PROTOBUF,
        .metrics = unscheduled->options.metrics,
        .on_object = on_object,
        .on_synced = on_synced,
        .on_trouble = on_trouble,
        .data = unscheduled,
    };
    return nj_watch_start(unscheduled->options.loop, unscheduled->options.client, &watch, &unscheduled->watch,
                          err);
}

bool nj_unscheduled_synced(const struct nj_unscheduled *unscheduled)
{
    return unscheduled->watch != NULL && nj_watch_synced(unscheduled->watch);
}

static void on_whereabouts_closed(void *data)
{
    struct nj_unscheduled *unscheduled = data;
    void (*on_closed)(void *data) = unscheduled->on_closed;
    void *on_closed_data = unscheduled->on_closed_data;
    for (struct pod *pod; (pod = unscheduled->pods) != NULL;) {
        take_out(unscheduled, pod);
        free_pod(pod);
    }
    free(unscheduled);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

static void on_watch_closed(void *data)
{
    struct nj_unscheduled *unscheduled = data;
    nj_whereabouts_close(unscheduled->whereabouts, on_whereabouts_closed, unscheduled);
}

void nj_unscheduled_close(struct nj_unscheduled *unscheduled, void (*on_closed)(void *data), void *data)
{
    if (unscheduled == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    unscheduled->closing = true;
    unscheduled->on_closed = on_closed;
    unscheduled->on_closed_data = data;
    nj_timer_stop(&unscheduled->due);
    nj_watch_close(unscheduled->watch, on_watch_closed, unscheduled);
}
