#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/crash/detect_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    ENDS_VISIBLE = 2, /* lastState and state */
    ATTEMPT_TEXT_MAX = 48,
    EXIT_SIGKILL = 137,
    EXIT_SIGTERM = 143,
};

/* The API server says when a deletion was requested, the node when the container ended: their clocks may
 * differ by so much. Only an end that looks like the kubelet's own doing gets the benefit of it. */
static const int64_t clock_skew_ns = 2 * NJ_SEC;

/* An end as the status shows it. */
struct end {
    const struct nj_container_state *state;
    bool previous; /* in lastState */
    int32_t attempt;
    int32_t or_attempt; /* another number that it may have; -1: none */
    struct nj_seen_end seen;
};

static bool is_unknown(const struct nj_container_state *state)
{
    return strcmp(state->reason, "ContainerStatusUnknown") == 0;
}

/* What a hostile server says is made a number that can be counted on. */
static int32_t restart_count(const struct nj_container_status *status)
{
    if (status->restart_count < 0)
        return 0;
    return status->restart_count < INT32_MAX ? status->restart_count : INT32_MAX - 1;
}

/* Which instance ended. restartCount is the number of the newest container that the runtime has. A lost one
 * (ContainerStatusUnknown) is not there any more: the kubelet adds one to what was counted before. While
 * waiting, the newest container is the ended one, but for one that was created and not started ("") and for
 * the kubelet's default, which keeps an old count and an old lastState. */
static void number_end(const struct nj_container_status *status, int32_t accounted, struct end *end)
{
    int32_t count = restart_count(status);
    int32_t before = count > 0 ? count - 1 : 0;
    const struct nj_container_state *now = &status->state;
    bool waits = now->kind != NJ_STATE_RUNNING && now->kind != NJ_STATE_TERMINATED;
    bool newest = !end->previous;
    if (is_unknown(end->state))
        newest = false;
    else if (end->previous && waits)
        newest = nj_wait_is_default(now->reason) ? accounted >= count : now->reason[0] != '\0';
    end->attempt = newest ? count : before;
    end->or_attempt = -1;
    if (count > 0 && (waits || is_unknown(end->state)))
        end->or_attempt = newest ? before : count;
}

static uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ (hash >> 32));
}

/* Whose end it is: the containerID, or the number of a container that was lost with its id. */
static const char *instance_name(const struct end *end, char text[ATTEMPT_TEXT_MAX])
{
    if (end->state->container_id[0] != '\0')
        return end->state->container_id;
    (void)snprintf(text, ATTEMPT_TEXT_MAX, "attempt %d", end->attempt);
    return text;
}

static void identify_end(struct end *end)
{
    const struct nj_container_state *state = end->state;
    char text[ATTEMPT_TEXT_MAX];
    const char *instance = instance_name(end, text);
    uint64_t content = nj_hash64(state->reason, strlen(state->reason)) * 31;
    content = (content + nj_hash64(state->message, strlen(state->message))) * 31;
    content = (content + (uint32_t)state->exit_code) * 31 + (uint32_t)state->signal;
    end->seen = (struct nj_seen_end){
        .key = nj_hash64(instance, strlen(instance)), .content = fold(content), .attempt = end->attempt};
}

/* The visible ends, the older first. */
static int collect(const struct nj_container_status *status, int32_t accounted, struct end ends[ENDS_VISIBLE])
{
    int count = 0;
    if (status->last_state.kind == NJ_STATE_TERMINATED)
        ends[count++] = (struct end){.state = &status->last_state, .previous = true};
    if (status->state.kind == NJ_STATE_TERMINATED)
        ends[count++] = (struct end){.state = &status->state};
    for (int i = 0; i < count; i++) {
        number_end(status, accounted, &ends[i]);
        identify_end(&ends[i]);
    }
    return count;
}

/* How many instances have ended, visible or not: 0..n-1. */
static int32_t count_ended(const struct nj_container_status *status, const struct end *ends, int count)
{
    int32_t ended = restart_count(status);
    if (count > 0 && ends[count - 1].attempt + 1 > ended)
        ended = ends[count - 1].attempt + 1;
    return ended;
}

/* What is taken for told of a container without memory. Nothing, for one that was first seen well or came
 * after the agent. A pod that is older than the agent may have a past that is nobody's: only what is still
 * visible is told. So may a mirror pod that was made anew for containers that are older than it. */
static int32_t first_accounted(const struct nj_pod_view *view, const struct nj_container_status *status,
                               int32_t invisible)
{
    const struct nj_container_state *states[] = {&status->state, &status->last_state};
    for (size_t i = 0; view->static_uid != NULL && i < 2; i++) {
        if (states[i]->started_ns != 0 && states[i]->started_ns < view->meta->created_ns)
            return invisible;
    }
    if (view->detector->baseline || view->meta->created_ns >= view->detector->watched_since_ns)
        return 0;
    return invisible;
}

static bool killed_by_signal(const struct nj_container_state *state)
{
    return (state->exit_code == EXIT_SIGTERM || state->exit_code == EXIT_SIGKILL) &&
           strcmp(state->reason, "OOMKilled") != 0;
}

/* The container ended because its pod was being ended, not by itself. */
static bool ended_with_pod(const struct nj_pod_view *view, const struct end *end)
{
    const struct nj_container_state *state = end->state;
    if (view->ending_ns != 0) {
        if (state->finished_ns == 0)
            return true;
        int64_t slack_ns = killed_by_signal(state) ? clock_skew_ns : 0;
        return state->finished_ns >= view->ending_ns - slack_ns;
    }
    return view->failed && !end->previous;
}

/* The pod's containers are started again when they complete. */
static bool restarts(const struct nj_pod_view *view)
{
    return strcmp(view->pod->restart_policy, "Never") != 0 &&
           strcmp(view->pod->restart_policy, "OnFailure") != 0;
}

bool nj_view_completes(const struct nj_pod_view *view, const struct nj_container_status *status)
{
    return status->type == NJ_CONTAINER_INIT || status->type == NJ_CONTAINER_EPHEMERAL ||
           (status->type == NJ_CONTAINER_APP && !restarts(view));
}

/* When a pod's own containers have completed, the kubelet ends its sidecars; how they end does not count. */
static bool ended_after_the_others(const struct nj_pod_view *view, const struct nj_container_status *status,
                                   const struct end *end)
{
    if (status->type != NJ_CONTAINER_SIDECAR || restarts(view))
        return false;
    for (size_t i = 0; i < view->pod->statuses_count; i++) {
        const struct nj_container_status *other = &view->pod->statuses[i];
        if (other->type != NJ_CONTAINER_APP)
            continue;
        bool restarted = other->state.exit_code != 0 && strcmp(view->pod->restart_policy, "Never") != 0;
        if (other->state.kind != NJ_STATE_TERMINATED || restarted ||
            other->state.finished_ns > end->state->finished_ns)
            return false;
    }
    return true;
}

static bool is_crash(const struct nj_pod_view *view, const struct nj_container_status *status,
                     const struct end *end)
{
    if (end->state->exit_code == 0 || strcmp(end->state->reason, "RestartingAllContainers") == 0)
        return false;
    return !ended_with_pod(view, end) && !ended_after_the_others(view, status, end);
}

/* A container that was lost has no times; the next one began after its end. */
static int64_t ended_at(const struct nj_pod_view *view, const struct nj_container_status *status,
                        const struct end *end)
{
    if (end->state->finished_ns != 0)
        return end->state->finished_ns;
    int64_t next_ns = end->previous ? status->state.started_ns : 0;
    return next_ns != 0 && next_ns < view->now_ns ? next_ns : view->now_ns;
}

static void tell_crash(struct nj_pod_view *view, const struct nj_container_status *status,
                       const struct end *end, bool first)
{
    const struct nj_container_state *state = end->state;
    const struct nj_container_spec *spec = nj_pod_container(view->pod, status->name);
    char text[ATTEMPT_TEXT_MAX];
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {
        .id = nj_event_id(id, "crash", nj_pod_memory_identity(view->memory), status->name,
                          instance_name(end, text), NULL),
        .at_ns = ended_at(view, status, end),
        .type = NJ_EVENT_CRASH,
        .crash = {.container_id = state->container_id,
                  .container_type = nj_container_type_name(status->type),
                  .image = spec != NULL && spec->image[0] != '\0' ? spec->image : status->image,
                  .reason = state->reason,
                  .message = state->message,
                  .exit_code = state->exit_code,
                  .signal = state->signal,
                  .attempt = end->seen.attempt,
                  .restart_count = status->restart_count,
                  .started_ns = state->started_ns,
                  .finished_ns = state->finished_ns,
                  .memory_limit_bytes = spec != NULL ? spec->memory_limit_bytes : 0,
                  .cpu_limit_millis = spec != NULL ? spec->cpu_limit_millis : 0}};
    struct nj_finding finding = {.first_told = first, .previous = end->previous};
    finding.attempts[finding.attempts_count++] = end->seen.attempt;
    if (end->or_attempt >= 0 && end->or_attempt != end->seen.attempt)
        finding.attempts[finding.attempts_count++] = end->or_attempt;
    struct nj_container_memory *container = nj_view_container(view, status->name);
    container->crash_open = true;
    if (event.at_ns > container->told_ns)
        container->told_ns = event.at_ns;
    nj_detector_tell(view->detector, view->memory, status->name, &event, &finding, view->now_ns);
}

static void account(struct nj_pod_view *view, const struct nj_container_status *status, int32_t accounted)
{
    nj_view_remember_container(view, status)->accounted = accounted;
    view->memory->dirty = true;
}

/* Restarts that the status shows no end of. They are over since the oldest instance that is shown began. */
static void tell_lost(struct nj_pod_view *view, const struct nj_container_status *status, int32_t from,
                      int32_t count, int64_t at_ns)
{
    account(view, status, from + count);
    struct nj_container_memory *container = nj_view_container(view, status->name);
    container->crash_open = true;
    if (at_ns > container->told_ns)
        container->told_ns = at_ns;
    char range[ATTEMPT_TEXT_MAX];
    (void)snprintf(range, sizeof(range), "%d-%d", from, from + count);
    char id[NJ_EVENT_ID_MAX];
    struct nj_event event = {
        .id = nj_event_id(id, "lost", nj_pod_memory_identity(view->memory), status->name, range, NULL),
        .at_ns = at_ns,
        .type = NJ_EVENT_LOST_CRASHES,
        .lost = {.count = (uint32_t)count}};
    struct nj_finding finding = {0};
    nj_detector_tell(view->detector, view->memory, status->name, &event, &finding, view->now_ns);
}

static void look_at_new_end(struct nj_pod_view *view, const struct nj_container_status *status,
                            struct end *end)
{
    bool crash = is_crash(view, status, end);
    struct nj_container_memory *container = nj_view_container(view, status->name);
    /* Jobs and init containers that complete are many, and need no memory: their end stays visible. */
    if (container == NULL && !crash && !end->previous && end->state->exit_code == 0 && end->attempt == 0 &&
        nj_view_completes(view, status))
        return;
    container = nj_view_remember_container(view, status);
    /* A number that was used before: the kubelet counts from 0 again. */
    if (end->attempt >= container->accounted || !end->previous)
        container->accounted = end->attempt + 1;
    end->seen.told = crash;
    nj_container_memory_add_end(container, &end->seen);
    view->memory->dirty = true;
    if (crash)
        tell_crash(view, status, end, true);
}

/* The same end with other words: Error may become OOMKilled, a code 0 another one. */
static void look_at_known_end(struct nj_pod_view *view, const struct nj_container_status *status,
                              struct end *end, struct nj_seen_end *seen)
{
    if (seen->content == end->seen.content)
        return;
    end->seen.attempt = seen->attempt;
    bool first = !seen->told;
    bool crash = is_crash(view, status, end);
    seen->content = end->seen.content;
    seen->told = seen->told || crash;
    view->memory->dirty = true;
    if (crash)
        tell_crash(view, status, end, first);
}

/* Is it to be told as a crash for the first time? */
static bool is_news(const struct nj_pod_view *view, const struct nj_container_status *status,
                    const struct end *end)
{
    struct nj_container_memory *container = nj_view_container(view, status->name);
    const struct nj_seen_end *seen =
        container != NULL ? nj_container_memory_find_end(container, end->seen.key) : NULL;
    bool new = seen == NULL || (!seen->told && seen->content != end->seen.content);
    return new &&is_crash(view, status, end);
}

static int64_t shown_since(const struct nj_pod_view *view, const struct nj_container_status *status,
                           const struct end *ends, int count)
{
    int64_t at_ns = count > 0 ? ends[0].state->started_ns : 0;
    if (at_ns == 0 && status->state.kind == NJ_STATE_RUNNING)
        at_ns = status->state.started_ns;
    return at_ns != 0 ? at_ns : view->now_ns;
}

void nj_detect_ends(struct nj_pod_view *view, const struct nj_container_status *status)
{
    struct nj_container_memory *container = nj_view_container(view, status->name);
    if (container == NULL && status->restart_count == 0 && status->state.kind != NJ_STATE_TERMINATED &&
        status->last_state.kind != NJ_STATE_TERMINATED)
        return;
    struct end ends[ENDS_VISIBLE];
    int count = collect(status, container != NULL ? container->accounted : 0, ends);
    int32_t ended = count_ended(status, ends, count);
    int32_t accounted = container != NULL ? container->accounted
                                          : first_accounted(view, status, ended > count ? ended - count : 0);

    int32_t unseen = ended - accounted;
    for (int i = 0; i < count; i++) {
        bool known = container != NULL && nj_container_memory_find_end(container, ends[i].seen.key) != NULL;
        if (!known && ends[i].attempt >= accounted)
            unseen--;
    }
    bool news = unseen > 0;
    for (int i = 0; i < count; i++)
        news = news || is_news(view, status, &ends[i]);
    if (news)
        nj_detect_recovered(view, status);
    if (unseen > 0)
        tell_lost(view, status, accounted, unseen, shown_since(view, status, ends, count));
    else if (container == NULL && accounted > 0)
        account(view, status, accounted);

    for (int i = 0; i < count; i++) {
        container = nj_view_container(view, status->name);
        struct nj_seen_end *seen =
            container != NULL ? nj_container_memory_find_end(container, ends[i].seen.key) : NULL;
        if (seen != NULL)
            look_at_known_end(view, status, &ends[i], seen);
        else
            look_at_new_end(view, status, &ends[i]);
    }
    container = nj_view_container(view, status->name);
    /* An instance that runs has not ended: the kubelet counts from 0 again, or had lost sight of it. */
    if (container != NULL && status->state.kind == NJ_STATE_RUNNING &&
        restart_count(status) < container->accounted)
        account(view, status, restart_count(status));
}
