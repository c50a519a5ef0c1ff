/* What is away within a maintenance window is away for that, to the moment. */
#include "collector/sla/tracker_internal.h"
#include "common/base/str.h"

enum { CUTS_MAX = 100 /* windows that begin and end between two looks */ };

static void ask(const struct nj_tracker *tracker, const struct nj_tracked *service, int64_t at_ns,
                struct nj_maintenance_state *ret_state)
{
    const struct nj_tracker_subject subject = {.namespace = service->namespace,
                                               .name = service->name,
                                               .workload_kind = service->workload_kind,
                                               .workload = service->workload};
    *ret_state = (struct nj_maintenance_state){.until_ns = INT64_MAX};
    if (tracker->options.maintenance != NULL)
        tracker->options.maintenance(tracker->options.data, &subject, at_ns, ret_state);
}

void nj_tracked_lay_window(struct nj_tracked *service, const char *reason)
{
    service->other_cause = service->now.cause;
    nj_tracked_replace(&service->other_detail, service->detail);
    nj_tracked_replace(&service->other_reference, service->reference);
    nj_tracked_set_cause(service, NJ_OUTAGE_BY_MAINTENANCE, reason, "");
}

void nj_tracked_lift_window(struct nj_tracked *service)
{
    nj_tracked_set_cause(service, service->other_cause, service->other_detail, service->other_reference);
    service->other_cause = NJ_OUTAGE_BY_NOTHING;
}

void nj_tracked_put_window(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    struct nj_maintenance_state state;
    ask(tracker, service, service->now.from_ns, &state);
    if (state.on)
        nj_tracked_lay_window(service, state.reason);
}

/* The same goes on from at_ns, for another cause. */
static void split(struct nj_tracker *tracker, struct nj_tracked *service, int64_t at_ns,
                  const struct nj_maintenance_state *state)
{
    const struct nj_interval before = service->now;
    NJ_CLEANUP_FREE char *detail = nj_strdup(state->on ? service->detail : service->other_detail);
    NJ_CLEANUP_FREE char *reference = nj_strdup(state->on ? service->reference : service->other_reference);
    enum nj_outage_cause cause = state->on ? before.cause : service->other_cause;
    nj_tracked_begin(tracker, service, before.state, at_ns);
    struct nj_interval *now = &service->now;
    now->desired = before.desired;
    now->ready = now->min_ready = before.ready;
    now->serving = before.serving;
    now->print = before.print;
    if (before.seen_ns > now->seen_ns)
        now->seen_ns = before.seen_ns;
    nj_tracked_set_cause(service, cause, detail, reference);
    if (state->on)
        nj_tracked_lay_window(service, state->reason);
    else if (cause == NJ_OUTAGE_BY_NOTHING) /* which nobody remembers after a restart */
        nj_tracked_choose(tracker, service);
    nj_tracked_tell(tracker, service);
}

void nj_tracked_cut(struct nj_tracker *tracker, struct nj_tracked *service, int64_t at_ns)
{
    if (!service->known || !nj_service_is_unwell(service->now.state))
        return;
    int64_t look_ns = service->windows_ns > service->now.from_ns ? service->windows_ns : service->now.from_ns;
    for (int i = 0; i < CUTS_MAX && look_ns <= at_ns; i++) {
        struct nj_maintenance_state state;
        ask(tracker, service, look_ns, &state);
        if (state.on != (service->now.cause == NJ_OUTAGE_BY_MAINTENANCE))
            split(tracker, service, look_ns, &state);
        if (state.until_ns > at_ns || state.until_ns <= look_ns)
            break;
        look_ns = state.until_ns;
    }
    if (at_ns > service->windows_ns)
        service->windows_ns = at_ns;
}

void nj_tracker_look_at_windows(struct nj_tracker *tracker, int64_t at_ns)
{
    struct nj_tracked *service = NULL, *next = NULL;
    HASH_ITER (hh, tracker->services, service, next) {
        if (service->looked)
            nj_tracked_cut(tracker, service, at_ns);
    }
}
