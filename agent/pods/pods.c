#include "agent/pods/pods.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/trim.h"
#include "common/kube/watch.h"

/* A wall clock may be set; what is due is looked at again after this at the latest. */
static const int64_t longest_sleep_ns = NJ_MIN;
static const int64_t trouble_pause_ns = NJ_SEC;

struct nj_pods {
    struct nj_loop *loop;
    struct nj_detector *detector;
    struct nj_watch *watch;
    struct nj_timer timer;
    int64_t armed_for_ns;  /* what the timer waits for; INT64_MAX: nothing */
    int64_t trouble_at_ns; /* monotonic; 0: none since the server was last heard */
    struct nj_err trouble;
    struct nj_gauge *known, *remembered, *synced;
    void (*on_object)(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object);
    void (*on_synced)(void *data);
    void *data;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* While the server is not heard, what the detector knows may be over: nothing is concluded from it. */
static bool in_trouble(const struct nj_pods *pods)
{
    return pods->trouble_at_ns != 0 && nj_watch_last_heard_ns(pods->watch) <= pods->trouble_at_ns;
}

static void arm(struct nj_pods *pods)
{
    int64_t due_ns = nj_detector_next_due(pods->detector);
    if (due_ns == INT64_MAX) {
        nj_timer_stop(&pods->timer);
        pods->armed_for_ns = INT64_MAX;
        return;
    }
    if (due_ns == pods->armed_for_ns)
        return;
    pods->armed_for_ns = due_ns;
    int64_t now_ns = nj_loop_wall_ns(pods->loop);
    int64_t delay_ns = due_ns <= now_ns ? 0 : due_ns - now_ns;
    nj_timer_start(&pods->timer, delay_ns < longest_sleep_ns ? delay_ns : longest_sleep_ns, 0);
}

static void note_state(struct nj_pods *pods)
{
    nj_gauge_set(pods->known, (int64_t)nj_watch_count(pods->watch));
    nj_gauge_set(pods->remembered, (int64_t)nj_detector_remembered(pods->detector));
    nj_gauge_set(pods->synced, nj_watch_synced(pods->watch));
}

static void note_recovery(struct nj_pods *pods)
{
    if (pods->trouble_at_ns == 0 || in_trouble(pods))
        return;
    nj_info("pods", "the API server answers again");
    pods->trouble_at_ns = 0;
    pods->trouble.text[0] = '\0';
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_pods *pods = timer->data;
    pods->armed_for_ns = INT64_MAX;
    note_recovery(pods);
    if (in_trouble(pods) || !nj_watch_synced(pods->watch)) {
        nj_timer_start(&pods->timer, trouble_pause_ns, 0);
        return;
    }
    nj_detector_tick(pods->detector, nj_loop_wall_ns(pods->loop));
    note_state(pods);
    arm(pods);
}

/* What was due before this came is told first, as it would have been by a timer that is never late. */
static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_pods *pods = data;
    note_recovery(pods);
    int64_t now_ns = nj_loop_wall_ns(pods->loop);
    if (nj_watch_synced(pods->watch) && nj_detector_next_due(pods->detector) <= now_ns)
        nj_detector_tick(pods->detector, now_ns);
    nj_detector_pod(pods->detector, type, object, now_ns);
    if (pods->on_object != NULL)
        pods->on_object(pods->data, type, object);
    note_state(pods);
    arm(pods);
}

static void on_synced(void *data)
{
    struct nj_pods *pods = data;
    note_recovery(pods);
    nj_detector_synced(pods->detector, nj_loop_wall_ns(pods->loop));
    if (pods->on_synced != NULL)
        pods->on_synced(pods->data);
    note_state(pods);
    nj_memory_trim(); /* of what a whole list took */
    arm(pods);
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct nj_pods *pods = data;
    if (pods->trouble_at_ns == 0 || strcmp(pods->trouble.text, err->text) != 0)
        nj_warn("pods", "watching the pods: %s; will try again", err->text);
    pods->trouble = *err;
    pods->trouble_at_ns = nj_loop_mono_ns(pods->loop);
    if (pods->trouble_at_ns == 0)
        pods->trouble_at_ns = 1;
}

static struct nj_gauge *gauge(struct nj_metrics *metrics, const char *name, const char *help)
{
    return metrics == NULL ? NULL : nj_metrics_gauge(metrics, name, "", help);
}

int nj_pods_start(const struct nj_pods_options *options, struct nj_pods **ret_pods, struct nj_err *err)
{
    struct nj_pods *pods = NJ_NEW(struct nj_pods);
    pods->loop = options->loop;
    pods->detector = options->detector;
    pods->on_object = options->on_object;
    pods->on_synced = options->on_synced;
    pods->data = options->data;
    pods->armed_for_ns = INT64_MAX;
    pods->known = gauge(options->metrics, "nightjar_agent_pods", "Pods of the node.");
    pods->remembered = gauge(options->metrics, "nightjar_agent_pods_remembered",
                             "Pods of which something has to be remembered: not all of them are well.");
    pods->synced =
        gauge(options->metrics, "nightjar_agent_pods_synced", "1 once all pods of the node are known.");
    nj_timer_init(&pods->timer, options->loop, on_timer, pods);
    NJ_CLEANUP_FREE char *selector = nj_asprintf("spec.nodeName=%s", options->node);
    struct nj_watch_options watch = {.path = "/api/v1/pods",
                                     .field_selector = selector,
                                     .kind = NJ_KUBE_POD,
                                     .encoding = NJ_KUBE_PROTOBUF,
                                     .metrics = options->metrics,
                                     .on_object = on_object,
                                     .on_synced = on_synced,
                                     .on_trouble = on_trouble,
                                     .data = pods};
    int rc = nj_watch_start(options->loop, options->client, &watch, &pods->watch, err);
    if (rc < 0) {
        free(pods);
        return rc;
    }
    *ret_pods = pods;
    return 0;
}

void nj_pods_wake(struct nj_pods *pods)
{
    arm(pods);
}

bool nj_pods_synced(const struct nj_pods *pods)
{
    return nj_watch_synced(pods->watch);
}

size_t nj_pods_count(const struct nj_pods *pods)
{
    return nj_watch_count(pods->watch);
}

const char *nj_pods_trouble(const struct nj_pods *pods)
{
    return in_trouble(pods) ? pods->trouble.text : NULL;
}

static void on_watch_closed(void *data)
{
    struct nj_pods *pods = data;
    void (*on_closed)(void *data) = pods->on_closed;
    void *on_closed_data = pods->on_closed_data;
    free(pods);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_pods_close(struct nj_pods *pods, void (*on_closed)(void *data), void *data)
{
    if (pods == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    nj_timer_stop(&pods->timer);
    pods->on_closed = on_closed;
    pods->on_closed_data = data;
    nj_watch_close(pods->watch, on_watch_closed, pods);
}
