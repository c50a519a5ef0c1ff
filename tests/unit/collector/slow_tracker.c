#include "tests/unit/collector/slow_tracker.h"

#include <string.h>

#include "tests/unit/test.h"

static int cell_of(const struct slow_service *slow, int64_t at_ns)
{
    assert_true((at_ns - slow->base_ns) % SLOW_CELL_NS == 0);
    int64_t cell = (at_ns - slow->base_ns) / SLOW_CELL_NS;
    assert_true(cell >= 0 && cell <= SLOW_CELLS);
    return (int)cell;
}

/* From then on it is a run of its own, until something else is painted over it. */
static void paint(struct slow_service *slow, int64_t from_ns, enum nj_service_state state, int32_t ready)
{
    if (slow->there && from_ns < slow->began_ns)
        from_ns = slow->began_ns;
    assert_true(slow->runs_count + 1 < SLOW_RUNS);
    slow->runs[++slow->runs_count] = (struct slow_run){.state = state, .least = ready};
    for (int cell = cell_of(slow, from_ns); cell < SLOW_CELLS; cell++)
        slow->cells[cell] = (uint16_t)slow->runs_count;
    slow->began_ns = from_ns;
    slow->there = true;
}

/* As kube-proxy sends: to the ready ones, or, when there are none, to those that end and still serve. */
static enum nj_service_state state_of(const struct nj_tracker_service *given, int32_t *ret_ready)
{
    bool drains = false;
    *ret_ready = 0;
    for (size_t i = 0; i < given->endpoints_count; i++) {
        if (given->endpoints[i].ready)
            ++*ret_ready;
        if (given->endpoints[i].serving && given->endpoints[i].terminating)
            drains = true;
    }
    if (given->by_design)
        return NJ_SERVICE_NONE_BY_DESIGN;
    if (*ret_ready > 0 && *ret_ready < given->desired)
        return NJ_SERVICE_DEGRADED;
    if (*ret_ready > 0)
        return NJ_SERVICE_UP;
    if (drains)
        return NJ_SERVICE_DRAINING;
    return given->desired == 0 ? NJ_SERVICE_SCALED_TO_ZERO : NJ_SERVICE_DOWN;
}

void slow_begin(struct slow_service *slow, int64_t base_ns)
{
    *slow = (struct slow_service){.base_ns = base_ns};
}

/* How many writes lie between what was seen and what is seen now; MANY: who knows, one is gone or others
 * came. */
enum { MANY = 1000 };

static int writes_since(const struct slow_service *slow, const struct slow_view *view)
{
    int writes = 0, still_there = 0;
    for (int i = 0; i < view->count; i++) {
        int before = 0; /* one that is new has been written once */
        for (int j = 0; j < slow->slices_count; j++) {
            if (slow->slices[j].uid != view->slices[i].uid)
                continue;
            before = slow->slices[j].generation;
            still_there++;
        }
        writes += view->slices[i].generation - before;
    }
    return still_there < slow->slices_count ? MANY : writes;
}

/* When the one write was, as the slice itself says. */
static int64_t date_of_one(const struct slow_service *slow, const struct slow_view *view)
{
    for (int i = 0; i < view->count; i++) {
        bool is_same = false;
        for (int j = 0; j < slow->slices_count; j++)
            is_same = is_same || (slow->slices[j].uid == view->slices[i].uid &&
                                  slow->slices[j].generation == view->slices[i].generation);
        if (!is_same)
            return view->slices[i].trigger_ns;
    }
    return 0;
}

static bool knows_of_one(const struct slow_service *slow, const struct slow_view *view)
{
    return slow->there && slow->runs[slow->runs_count].state != NJ_SERVICE_UNKNOWN &&
           writes_since(slow, view) == 1;
}

/* Of what is seen by looking on: a trigger that was there before tells nothing of many writes, or of none. */
static int64_t date_of(const struct slow_service *slow, const struct slow_view *view)
{
    const struct nj_tracker_service *given = &view->service;
    if (knows_of_one(slow, view))
        return date_of_one(slow, view);
    if (given->trigger_ns <= slow->newest_trigger_ns ||
        (!slow->there && given->trigger_ns <= given->created_ns))
        return 0;
    return given->trigger_ns;
}

/* Within the time in which nobody looked; 0: it tells nothing. */
static int64_t date_within(const struct slow_service *slow, const struct slow_view *view)
{
    int64_t date_ns = knows_of_one(slow, view) ? date_of_one(slow, view) : view->service.trigger_ns;
    return date_ns > slow->seen_ns && date_ns < view->service.at_ns ? date_ns : 0;
}

/* When what is seen now began; paints what nobody saw. Times of triggers and pods are cut to seconds. */
static int64_t after_a_gap(struct slow_service *slow, const struct slow_view *view,
                           enum nj_service_state state, int64_t ready_since_ns)
{
    const struct nj_tracker_service *given = &view->service;
    const struct slow_run *before = &slow->runs[slow->runs_count];
    bool knew = before->state != NJ_SERVICE_UNKNOWN;
    int writes = knew ? writes_since(slow, view) : MANY;
    if (writes == 0 || (writes == 1 && before->state == state))
        return given->at_ns;
    int64_t known_ns = given->at_ns;
    int64_t date_ns = date_within(slow, view);
    if (date_ns != 0 && date_ns + NJ_SEC <= given->at_ns)
        known_ns = date_ns;
    if (ready_since_ns > 0 && ready_since_ns < known_ns && ready_since_ns + NJ_SEC <= given->at_ns &&
        (state == NJ_SERVICE_UP || state == NJ_SERVICE_DEGRADED))
        known_ns = ready_since_ns < slow->seen_ns ? slow->seen_ns : ready_since_ns;
    bool nothing_hidden = writes == 1 && date_ns != 0;
    if (knew && !nothing_hidden && known_ns - slow->seen_ns > NJ_SEC)
        paint(slow, slow->seen_ns, NJ_SERVICE_UNKNOWN, 0);
    return known_ns;
}

bool slow_would_ask(const struct slow_service *slow, const struct slow_view *view)
{
    const struct nj_tracker_service *given = &view->service;
    const struct slow_run *before = &slow->runs[slow->runs_count];
    int32_t ready = 0;
    int writes = before->state == NJ_SERVICE_UNKNOWN ? MANY : writes_since(slow, view);
    if (!slow->there || slow->looked || writes_since(slow, view) == 0 ||
        given->at_ns - slow->seen_ns <= NJ_SEC)
        return false;
    return writes != 1 || (before->state != state_of(given, &ready) && date_within(slow, view) == 0);
}

/* What is new has not been away before its slices came. */
static bool was_only_beginning(const struct slow_service *slow, int64_t from_ns)
{
    enum nj_service_state state = slow->runs[slow->runs_count].state;
    return slow->is_new && from_ns < slow->began_ns + NJ_SEC && state != NJ_SERVICE_UP &&
           state != NJ_SERVICE_NONE_BY_DESIGN;
}

void slow_look(struct slow_service *slow, const struct slow_view *view, int64_t ready_since_ns)
{
    const struct nj_tracker_service *given = &view->service;
    int32_t ready = 0;
    enum nj_service_state state = state_of(given, &ready);
    int64_t from_ns = given->at_ns;
    int64_t date_ns = date_of(slow, view);
    if (slow->there && date_ns < slow->began_ns) /* what was before it has come late itself */
        date_ns = 0;
    if (date_ns != 0 && given->at_ns - date_ns > 2 * NJ_SEC)
        from_ns = date_ns;
    if (slow->there && !slow->looked)
        from_ns = after_a_gap(slow, view, state, ready_since_ns);
    struct slow_run *now = &slow->runs[slow->runs_count];
    if (slow->there && now->state == state) {
        if (ready < now->least)
            now->least = ready;
    } else {
        bool fresh = !slow->there && given->at_ns - given->created_ns < 2 * NJ_SEC;
        if (slow->there && slow->looked && was_only_beginning(slow, from_ns))
            from_ns = slow->began_ns;
        paint(slow, from_ns, state, ready);
        slow->is_new = fresh;
    }
    if (given->trigger_ns > slow->newest_trigger_ns)
        slow->newest_trigger_ns = given->trigger_ns;
    slow->looked = true;
    slow->seen_ns = given->at_ns;
    memcpy(slow->slices, view->slices, sizeof(slow->slices));
    slow->slices_count = view->count;
}

void slow_gone(struct slow_service *slow, int64_t at_ns)
{
    if (!slow->there)
        return;
    enum nj_service_state state = slow->runs[slow->runs_count].state;
    bool went_with_slices = slow->slices_count == 0 && state != NJ_SERVICE_UP &&
                            state != NJ_SERVICE_NONE_BY_DESIGN && state != NJ_SERVICE_UNKNOWN;
    if (!slow->looked && at_ns - slow->seen_ns > NJ_SEC)
        at_ns = slow->seen_ns;
    else if (slow->looked && went_with_slices && at_ns - slow->began_ns <= 5 * NJ_SEC)
        at_ns = slow->began_ns;
    if (at_ns < slow->began_ns)
        at_ns = slow->began_ns;
    for (int cell = cell_of(slow, at_ns); cell < SLOW_CELLS; cell++)
        slow->cells[cell] = 0;
    slow->there = slow->looked = false;
    slow->newest_trigger_ns = 0;
}

void slow_blind(struct slow_service *slow, int64_t at_ns)
{
    if (slow->looked && at_ns > slow->seen_ns)
        slow->seen_ns = at_ns;
    slow->looked = false;
}

void slow_restart(struct slow_service *slow, int64_t seen_ns)
{
    slow->seen_ns = seen_ns;
    slow->looked = slow->is_new = false;
    slow->newest_trigger_ns = 0;
}

const struct slow_run *slow_at(const struct slow_service *slow, int cell)
{
    if (slow->cells[cell] == 0 || (slow->there && cell >= cell_of(slow, slow->seen_ns)))
        return NULL;
    return &slow->runs[slow->cells[cell]];
}

static bool is_planned(enum nj_outage_cause cause)
{
    return cause == NJ_OUTAGE_BY_ROLLOUT || cause == NJ_OUTAGE_BY_SCALING ||
           cause == NJ_OUTAGE_BY_SCALED_TO_ZERO || cause == NJ_OUTAGE_BY_MAINTENANCE;
}

static bool is_away(enum nj_sla_basis basis, const struct slow_run *run)
{
    return run->state == NJ_SERVICE_DOWN || run->state == NJ_SERVICE_SCALED_TO_ZERO ||
           (run->state == NJ_SERVICE_DRAINING && basis == NJ_SLA_READY);
}

/* An outage is cells that are away one beside the other. */
static void count_outages(const char *away, int until, const enum nj_outage_cause *causes,
                          struct slow_sum *sum)
{
    for (int cell = 0; cell < until; cell++) {
        if (away[cell] == 0)
            continue;
        struct slow_outage *outage = &sum->list[sum->outages++];
        *outage = (struct slow_outage){.from = cell, .cause = causes[cell]};
        bool planned = true;
        for (; cell < until && away[cell] != 0; cell++) {
            if (planned && !is_planned(causes[cell])) {
                outage->cause = causes[cell];
                planned = false;
            }
        }
        outage->until = cell;
        sum->unplanned_outages += planned ? 0 : 1;
        sum->outages_cells += outage->until - outage->from;
        if (outage->until - outage->from > sum->longest)
            sum->longest = outage->until - outage->from;
    }
}

/* What is away since the very moment of the last look has no cell yet. */
static void add_the_one_that_begins(const struct slow_service *slow, enum nj_sla_basis basis, int from,
                                    int until, const enum nj_outage_cause *causes, struct slow_sum *sum)
{
    if (!slow->there || slow->began_ns != slow->seen_ns || !is_away(basis, &slow->runs[slow->runs_count]))
        return;
    int cell = cell_of(slow, slow->began_ns);
    if (cell < from || cell >= until || (sum->outages > 0 && sum->list[sum->outages - 1].until == cell))
        return;
    sum->unplanned_outages += is_planned(causes[cell]) ? 0 : 1;
    sum->list[sum->outages++] =
        (struct slow_outage){.from = cell, .until = cell, .lasts = true, .cause = causes[cell]};
}

void slow_count(const struct slow_service *slow, enum nj_sla_basis basis, int from, int until,
                const enum nj_outage_cause *causes, struct slow_sum *ret_sum)
{
    char away[SLOW_CELLS] = {0};
    *ret_sum = (struct slow_sum){0};
    for (int cell = from; cell < until; cell++) {
        const struct slow_run *run = slow_at(slow, cell);
        if (run == NULL || run->state == NJ_SERVICE_NONE_BY_DESIGN)
            continue;
        if (run->state == NJ_SERVICE_UNKNOWN) {
            ret_sum->unknown++;
            continue;
        }
        ret_sum->observed++;
        if (!is_away(basis, run)) {
            ret_sum->available++;
            continue;
        }
        ret_sum->planned += is_planned(causes[cell]) ? 1 : 0;
        away[cell] = 1;
    }
    count_outages(away, until, causes, ret_sum);
    for (unsigned i = 0; i < ret_sum->outages; i++) {
        struct slow_outage *outage = &ret_sum->list[i];
        bool open = slow->there && outage->until == cell_of(slow, slow->seen_ns);
        outage->lasts = outage->until == until || (open && is_away(basis, &slow->runs[slow->runs_count]));
    }
    add_the_one_that_begins(slow, basis, from, until, causes, ret_sum);
}
