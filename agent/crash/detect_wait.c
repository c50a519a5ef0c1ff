#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crash/detect_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

/* Well below the collector's incident.stale_after. */
#define AGAIN_NS (5 * NJ_MIN)

enum {
    NUMBER_TEXT_MAX = 24,
    MESSAGE_MAX = 2 * NJ_MEMORY_TEXT_MAX + 8,
};

/* Waiting reasons of the kubelet and its image manager (pkg/kubelet/container/sync_result.go,
 * pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go). The place is the reason's
 * bit. */
static const struct {
    const char *reason;
    enum nj_wait_class class;
} wait_reasons[] = {
    {"ErrImagePull", NJ_WAIT_IMAGE}, /* these two alternate: one says why, the other that it is tried again */
    {"ImagePullBackOff", NJ_WAIT_IMAGE},
    {"ErrImageNeverPull", NJ_WAIT_IMAGE},
    {"ImageInspectError", NJ_WAIT_IMAGE},
    {"InvalidImageName", NJ_WAIT_IMAGE},
    {"RegistryUnavailable", NJ_WAIT_IMAGE},
    {"SignatureValidationFailed", NJ_WAIT_IMAGE},
    {"CreateContainerConfigError", NJ_WAIT_CONFIG},
    {"CreateContainerError", NJ_WAIT_START},
    {"RunContainerError", NJ_WAIT_START},
    {"PreCreateHookError", NJ_WAIT_START},
    {"PreStartHookError", NJ_WAIT_START},
    {"PostStartHookError", NJ_WAIT_START},
    {"CrashLoopBackOff", NJ_WAIT_LOOP},
};

enum {
    WAIT_REASONS = sizeof(wait_reasons) / sizeof(wait_reasons[0]),
    BIT_PULL_ERROR = 1 << 0,
    BIT_PULL_BACK_OFF = 1 << 1,
};

static enum nj_wait_class classify(const char *reason, uint32_t *ret_bit)
{
    for (int i = 0; i < WAIT_REASONS; i++) {
        if (strcmp(wait_reasons[i].reason, reason) == 0) {
            *ret_bit = UINT32_C(1) << i;
            return wait_reasons[i].class;
        }
    }
    *ret_bit = UINT32_C(1) << WAIT_REASONS;
    return NJ_WAIT_OTHER;
}

bool nj_wait_is_default(const char *reason)
{
    return reason[0] == '\0' || strcmp(reason, "ContainerCreating") == 0 ||
           strcmp(reason, "PodInitializing") == 0;
}

static int64_t patience(const struct nj_detector *detector, enum nj_wait_class class)
{
    switch (class) {
    case NJ_WAIT_IMAGE:
        return detector->times.image_ns;
    case NJ_WAIT_CONFIG:
        return detector->times.config_ns;
    case NJ_WAIT_START:
        return detector->times.start_ns;
    case NJ_WAIT_OTHER:
        return detector->times.other_ns;
    case NJ_WAIT_LOOP:
    case NJ_WAIT_NONE:
    case NJ_WAIT_CLASSES:
        break;
    }
    return 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const char *number(int64_t value, char text[NUMBER_TEXT_MAX])
{
    (void)snprintf(text, NUMBER_TEXT_MAX, "%" PRId64, value);
    return text;
}

/* The reasons that are told together with this one: "pull failed" says all that "back-off" says. */
static uint32_t bits_told(uint32_t bit)
{
    return bit == BIT_PULL_ERROR ? BIT_PULL_ERROR | BIT_PULL_BACK_OFF : bit;
}

static void tell_stuck(struct nj_detector *detector, struct nj_pod_memory *pod,
                       struct nj_container_memory *container, enum nj_wait_class class, int64_t since_ns,
                       int64_t now_ns)
{
    uint32_t bit = 0;
    (void)classify(nj_str(container->reason), &bit);
    const char *message = nj_str(container->message);
    char joined[MESSAGE_MAX];
    if (bit == BIT_PULL_BACK_OFF && container->cause != NULL) {
        (void)snprintf(joined, sizeof(joined), "%s: %s", message, container->cause);
        message = joined;
        bit = BIT_PULL_ERROR;
    }
    container->told_reasons |= bits_told(bit);
    char since[NUMBER_TEXT_MAX];
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {.id = nj_event_id(id, "stuck", nj_pod_memory_identity(pod), container->name,
                                               nj_wait_class_name(class), number(since_ns, since), NULL),
                             .at_ns = since_ns + patience(detector, class),
                             .type = NJ_EVENT_STUCK,
                             .stuck = {.reason = nj_str(container->reason),
                                       .message = message,
                                       .image = nj_str(container->image),
                                       .since_ns = since_ns}};
    if (event.at_ns > now_ns)
        event.at_ns = now_ns;
    container->told_ns = later(container->told_ns, event.at_ns);
    if (class == NJ_WAIT_LOOP) {
        container->loop_open = true;
    } else {
        container->stuck_open = true;
        container->wait_told = true;
    }
    container->again_ns = now_ns + AGAIN_NS;
    struct nj_finding finding = {0};
    nj_detector_tell(detector, pod, container->name, &event, &finding, now_ns);
}

/* What was told is over: STARTED ends stuck, STABLE ends crashes and crash loops, the others end everything.
 * `by_ns` is when it happened, 0 when only now is known; it makes the clearing's identity. */
static void tell_cleared(struct nj_detector *detector, struct nj_pod_memory *pod,
                         struct nj_container_memory *container, enum nj_cleared_cause cause, int64_t by_ns,
                         int64_t now_ns)
{
    static const char *const names[] = {[NJ_CLEARED_STARTED] = "started",
                                        [NJ_CLEARED_STABLE] = "stable",
                                        [NJ_CLEARED_COMPLETED] = "completed",
                                        [NJ_CLEARED_DELETED] = "deleted"};
    const char *name = container != NULL ? container->name : "";
    char by[NUMBER_TEXT_MAX];
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {.id = nj_event_id(id, "cleared", nj_pod_memory_identity(pod), name, names[cause],
                                               number(by_ns, by), NULL),
                             .at_ns = by_ns != 0 ? by_ns : now_ns,
                             .type = NJ_EVENT_CLEARED,
                             .cleared = {.cause = cause}};
    if (container != NULL) {
        event.at_ns = later(event.at_ns, container->told_ns);
        if (cause != NJ_CLEARED_STABLE)
            container->stuck_open = false;
        if (cause != NJ_CLEARED_STARTED)
            container->crash_open = container->loop_open = false;
    }
    struct nj_finding finding = {0};
    nj_detector_tell(detector, pod, name, &event, &finding, now_ns);
}

void nj_detect_gone(struct nj_detector *detector, struct nj_pod_memory *pod,
                    struct nj_container_memory *container, int64_t now_ns)
{
    if (container == NULL || container->crash_open || container->loop_open || container->stuck_open)
        tell_cleared(detector, pod, container, NJ_CLEARED_DELETED, 0, now_ns);
}

void nj_detect_recovered(struct nj_pod_view *view, const struct nj_container_status *status)
{
    const struct nj_container_memory *known = nj_view_container(view, status->name);
    if (status->state.kind != NJ_STATE_RUNNING || status->state.started_ns == 0 ||
        (known != NULL && (known->crash_open || known->loop_open)))
        return;
    int64_t stable_ns = status->state.started_ns + view->detector->times.stable_after_ns;
    if (stable_ns > view->now_ns)
        return;
    struct nj_container_memory *container = nj_view_remember_container(view, status);
    tell_cleared(view->detector, view->memory, container, NJ_CLEARED_STABLE, stable_ns, view->now_ns);
}

/* Returns when next. A new process, and one whose clock was set back, begins to count anew. */
static int64_t tell_again(struct nj_detector *detector, struct nj_pod_memory *pod,
                          struct nj_container_memory *container, int64_t now_ns)
{
    if (container->again_ns == 0 || container->again_ns > now_ns + AGAIN_NS)
        container->again_ns = now_ns + AGAIN_NS;
    if (container->again_ns <= now_ns)
        tell_stuck(detector, pod, container, container->wait, container->since_ns, now_ns);
    return container->again_ns;
}

void nj_detect_due(struct nj_detector *detector, struct nj_pod_memory *pod,
                   struct nj_container_memory *container, int64_t now_ns)
{
    int64_t due_ns = INT64_MAX;
    if (container->waits && !container->wait_told) {
        if (container->since_ns > now_ns)
            container->since_ns = now_ns; /* the clock was set back since */
        due_ns = container->since_ns + patience(detector, container->wait);
        if (due_ns <= now_ns) {
            tell_stuck(detector, pod, container, container->wait, container->since_ns, now_ns);
            due_ns = container->again_ns;
        }
    } else if (container->waits) {
        due_ns = tell_again(detector, pod, container, now_ns);
    } else if (container->running_ns != 0 && (container->crash_open || container->loop_open)) {
        if (container->running_ns > now_ns)
            container->running_ns = now_ns;
        due_ns = container->running_ns + detector->times.stable_after_ns;
        if (due_ns <= now_ns) {
            tell_cleared(detector, pod, container, NJ_CLEARED_STABLE, due_ns, now_ns);
            due_ns = INT64_MAX;
        }
    }
    if (due_ns < detector->next_due_ns)
        detector->next_due_ns = due_ns;
}

/* A container that is found waiting by a new process has waited since its pod came to this node, was last
 * ready, or since it last ended, whichever is latest. */
static int64_t waiting_since(const struct nj_pod_view *view, const struct nj_container_status *status)
{
    static const struct {
        const char *type, *status;
    } conditions[] = {
        {"PodScheduled", "True"}, {"ContainersReady", "False"}, {"Ready", "False"}, {"Initialized", "True"}};
    if (view->detector->synced)
        return view->now_ns;
    int64_t since_ns = later(view->meta->created_ns, status->last_state.finished_ns);
    size_t count = sizeof(conditions) / sizeof(conditions[0]) - (status->type == NJ_CONTAINER_INIT ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        const struct nj_pod_condition *condition = nj_pod_condition(view->pod, conditions[i].type);
        if (condition != NULL && strcmp(condition->status, conditions[i].status) == 0)
            since_ns = later(since_ns, condition->last_transition_ns);
    }
    return since_ns != 0 && since_ns < view->now_ns ? since_ns : view->now_ns;
}

static void end_episode(struct nj_pod_view *view, struct nj_container_memory *container)
{
    if (container->wait != NJ_WAIT_NONE && (container->wait != NJ_WAIT_OTHER || container->wait_told))
        view->memory->dirty = true;
    container->wait = NJ_WAIT_NONE;
    container->wait_told = false;
    container->told_reasons = 0;
    container->waits = false;
    container->again_ns = 0;
    nj_memory_set(&container->cause, "");
}

static void begin_episode(struct nj_pod_view *view, const struct nj_container_status *status,
                          struct nj_container_memory *container, enum nj_wait_class class)
{
    end_episode(view, container);
    container->wait = class;
    container->since_ns = waiting_since(view, status);
    if (class != NJ_WAIT_OTHER)
        view->memory->dirty = true;
}

static void note_words(const struct nj_pod_view *view, const struct nj_container_status *status,
                       struct nj_container_memory *container)
{
    const struct nj_container_spec *spec = nj_pod_container(view->pod, status->name);
    nj_memory_set(&container->reason, status->state.reason);
    nj_memory_set(&container->message, status->state.message);
    nj_memory_set(&container->image, spec != NULL && spec->image[0] != '\0' ? spec->image : status->image);
}

/* The ends told before are the news of a crash loop; that the kubelet now holds the restart back is told
 * once. */
static void wait_in_loop(struct nj_pod_view *view, const struct nj_container_status *status)
{
    struct nj_container_memory *container = nj_view_remember_container(view, status);
    end_episode(view, container);
    if (container->loop_open)
        return;
    note_words(view, status, container);
    int64_t since_ns = status->last_state.finished_ns;
    if (since_ns == 0 || since_ns > view->now_ns)
        since_ns = view->now_ns;
    tell_stuck(view->detector, view->memory, container, NJ_WAIT_LOOP, since_ns, view->now_ns);
}

static void wait_in_class(struct nj_pod_view *view, const struct nj_container_status *status,
                          enum nj_wait_class class, uint32_t bit)
{
    struct nj_container_memory *container = nj_view_remember_container(view, status);
    if (container->wait != class)
        begin_episode(view, status, container, class);
    container->waits = true;
    note_words(view, status, container);
    if (class == NJ_WAIT_IMAGE && bit != BIT_PULL_BACK_OFF)
        nj_memory_set(&container->cause, status->state.message);
    if (container->wait_told && (container->told_reasons & bit) == 0)
        tell_stuck(view->detector, view->memory, container, class, container->since_ns, view->now_ns);
}

static void wait_state(struct nj_pod_view *view, const struct nj_container_status *status)
{
    struct nj_container_memory *container = nj_view_container(view, status->name);
    if (container != NULL) {
        container->running_ns = 0;
        container->waits = false;
    }
    if (view->deleting || view->over) {
        if (container != NULL)
            end_episode(view, container);
        return;
    }
    uint32_t bit = 0;
    enum nj_wait_class class = classify(status->state.reason, &bit);
    if (class == NJ_WAIT_LOOP) {
        wait_in_loop(view, status);
        return;
    }
    if (class == NJ_WAIT_OTHER && nj_wait_is_default(status->state.reason)) {
        /* One container stands for the pod; the others are behind it, or behind an init container. */
        bool stands = !view->init_pending && !view->other_pending;
        view->other_pending = true;
        /* In between two tries nothing is said to be wrong either: the episode goes on. */
        bool between =
            container != NULL && container->wait != NJ_WAIT_NONE && container->wait != NJ_WAIT_OTHER;
        if (!stands || between)
            return;
    }
    wait_in_class(view, status, class, bit);
}

/* It got as far as running: whatever it was stuck in is over. */
static bool has_run(const struct nj_container_status *status, const struct nj_container_memory *container)
{
    const struct nj_container_state *state = &status->state;
    if (state->kind == NJ_STATE_WAITING && strcmp(state->reason, "CrashLoopBackOff") == 0) {
        state = &status->last_state;
        if (state->finished_ns < container->told_ns)
            return false;
    }
    if (state->kind == NJ_STATE_RUNNING)
        return true;
    return state->kind == NJ_STATE_TERMINATED && state->started_ns != 0 &&
           strcmp(state->reason, "StartError") != 0 && strcmp(state->reason, "ContainerCannotRun") != 0;
}

static void clear_state(struct nj_pod_view *view, const struct nj_container_status *status,
                        struct nj_container_memory *container)
{
    const struct nj_container_state *state = &status->state;
    bool open = container->crash_open || container->loop_open || container->stuck_open;
    bool completed =
        state->kind == NJ_STATE_TERMINATED && state->exit_code == 0 && nj_view_completes(view, status);
    if (open && (completed || strcmp(view->pod->phase, "Succeeded") == 0)) {
        tell_cleared(view->detector, view->memory, container, NJ_CLEARED_COMPLETED, state->finished_ns,
                     view->now_ns);
    } else if (container->stuck_open && has_run(status, container)) {
        int64_t started_ns = state->started_ns != 0 ? state->started_ns : status->last_state.started_ns;
        tell_cleared(view->detector, view->memory, container, NJ_CLEARED_STARTED, started_ns, view->now_ns);
    }
}

void nj_detect_silence(struct nj_pod_view *view)
{
    static const struct nj_container_status nothing = {
        .name = "",
        .image = "",
        .container_id = "",
        .type = NJ_CONTAINER_APP,
        .state = {.kind = NJ_STATE_WAITING,
                  .reason = "Pending",
                  .message = "the kubelet has not said anything about its containers",
                  .container_id = ""},
        .last_state = {.reason = "", .message = "", .container_id = ""}};
    bool silent = view->pod->statuses_count == 0 && strcmp(view->pod->phase, "Pending") == 0;
    struct nj_container_memory *container = nj_view_container(view, nothing.name);
    if (silent && !view->deleting) {
        wait_in_class(view, &nothing, NJ_WAIT_OTHER, UINT32_C(1) << WAIT_REASONS);
        container = nj_view_container(view, nothing.name);
        nj_detect_due(view->detector, view->memory, container, view->now_ns);
    } else if (container != NULL) {
        end_episode(view, container);
        if (container->stuck_open && !view->deleting)
            tell_cleared(view->detector, view->memory, container, NJ_CLEARED_STARTED, 0, view->now_ns);
    }
}

static void note_init(struct nj_pod_view *view, const struct nj_container_status *status)
{
    const struct nj_container_state *state = &status->state;
    if (status->type == NJ_CONTAINER_INIT)
        view->init_pending |= state->kind != NJ_STATE_TERMINATED || state->exit_code != 0;
    else if (status->type == NJ_CONTAINER_SIDECAR)
        view->init_pending |= state->kind != NJ_STATE_RUNNING && !status->started;
}

void nj_detect_state(struct nj_pod_view *view, const struct nj_container_status *status)
{
    const struct nj_container_state *state = &status->state;
    if (state->kind == NJ_STATE_WAITING || state->kind == NJ_STATE_NONE)
        wait_state(view, status);
    struct nj_container_memory *container = nj_view_container(view, status->name);
    if (container != NULL) {
        if (state->kind == NJ_STATE_RUNNING || state->kind == NJ_STATE_TERMINATED) {
            end_episode(view, container);
            container->running_ns = 0;
        }
        if (state->kind == NJ_STATE_RUNNING)
            container->running_ns = state->started_ns != 0 ? state->started_ns : view->now_ns;
        clear_state(view, status, container);
        nj_detect_due(view->detector, view->memory, container, view->now_ns);
    }
    note_init(view, status);
}
