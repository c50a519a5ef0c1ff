/*
 * Random histories of services against a slow reference, and random stories whose cause is known: what is
 * kept of them is what happened, however the collector was killed and whatever came late.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/desired.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/slow_tracker.h"
#include "tests/unit/test.h"

enum {
    SERVICES = 3,
    SLICES = 3,
    PODS = 6,
    ROWS_MAX = SLOW_RUNS,
    PENDING_MAX = 8,
    HISTORIES = 400,
    TICKS = 2500,
    FIRST_TICK = 100, /* triggers may be earlier */
};

static const int64_t BASE_NS = INT64_C(1795219200) * NJ_SEC;

struct row {
    struct nj_interval interval;
    char detail[96], reference[32];
};

/* The database: what a killed collector finds again. */
struct rows {
    char name[16];
    struct row rows[ROWS_MAX];
    size_t count;
};

struct database {
    struct rows services[SERVICES];
};

static void on_interval(void *data, const struct nj_interval *interval)
{
    struct database *database = data;
    struct rows *rows = database->services;
    while (!nj_streq(rows->name, interval->service))
        rows++;
    size_t at = 0;
    while (at < rows->count && rows->rows[at].interval.from_ns != interval->from_ns)
        at++;
    assert_true(at < ROWS_MAX);
    rows->count += at == rows->count ? 1 : 0;
    struct row *row = &rows->rows[at];
    row->interval = *interval;
    (void)snprintf(row->detail, sizeof(row->detail), "%s", interval->detail);
    (void)snprintf(row->reference, sizeof(row->reference), "%s", interval->reference);
    row->interval.namespace = "shop";
    row->interval.service = rows->name;
    row->interval.detail = row->detail;
    row->interval.reference = row->reference;
}

static void on_recause(void *data, const char *namespace, const char *reference, enum nj_outage_cause cause,
                       const char *detail)
{
    struct database *database = data;
    assert_string_equal(namespace, "shop");
    for (size_t i = 0; i < SERVICES; i++) {
        for (size_t j = 0; j < database->services[i].count; j++) {
            struct row *row = &database->services[i].rows[j];
            if (!nj_streq(row->reference, reference))
                continue;
            row->interval.cause = cause;
            (void)snprintf(row->detail, sizeof(row->detail), "%s", detail);
        }
    }
}

static struct nj_tracker *new_tracker(struct database *database)
{
    const struct nj_tracker_options options = {.max_services = SERVICES,
                                               .max_facts = 1000,
                                               .on_interval = on_interval,
                                               .on_recause = on_recause,
                                               .data = database};
    return nj_tracker_new(&options);
}

static struct row *open_row(struct rows *rows)
{
    struct row *row = rows->count == 0 ? NULL : &rows->rows[rows->count - 1];
    return row == NULL || row->interval.until_ns != 0 ? NULL : row;
}

/* --- histories without a story */

struct slice {
    bool there;
    int uid, generation;
    int64_t trigger_ns;
    struct nj_tracker_endpoint endpoints[PODS];
    size_t count;
};

/* A change of a slice under way: those of one slice come in their order, those of several in any. */
struct pending {
    struct slice slice;
    int tick;
};

struct world {
    struct slice delivered[SLICES], newest[SLICES];
    struct pending pending[SLICES][PENDING_MAX];
    size_t pending_count[SLICES];
    int32_t desired;
    bool there, external, selects, wants_look;
    int64_t created_ns;
};

struct history {
    unsigned number, seed;
    struct database database;
    struct nj_tracker *tracker;
    struct slow_service slow[SERVICES];
    struct world worlds[SERVICES];
    bool blind;
    int last_uid;
    int64_t alive_ns;
    int64_t now_ns;
    int tick;
};

static const char *const pods[PODS] = {"a", "b", "c", "d", "e", "f"};

/* The numbers that failures tell: SEED=N begins with N, to have one again or to have others. */
static unsigned first_seed(void)
{
    const char *seed = getenv("SEED");
    return seed == NULL ? 1 : (unsigned)strtoul(seed, NULL, 10);
}

static int roll(struct history *history, int sides)
{
    return (int)((unsigned)rand_r(&history->seed) % (unsigned)sides);
}

static void fill(struct history *history, struct slice *slice)
{
    int mood = roll(history, 4); /* 0: nothing is well */
    bool was_there = slice->there;
    slice->there = roll(history, 12) != 0;
    if (slice->there && !was_there) {
        slice->uid = ++history->last_uid;
        slice->generation = 0;
    }
    slice->generation++;
    /* Absent where a pod is deleted, and never newer than the change. */
    slice->trigger_ns = roll(history, 3) == 0 ? 0 : history->now_ns / NJ_SEC * NJ_SEC;
    if (slice->trigger_ns != 0 && roll(history, 10) == 0)
        slice->trigger_ns -= roll(history, 8) * NJ_SEC;
    slice->count = 0;
    for (int i = 0; i < PODS && slice->there; i++) {
        if (roll(history, 3) == 0)
            continue;
        bool serving = mood != 0 && roll(history, 4) != 0, terminating = roll(history, 3) == 0;
        slice->endpoints[slice->count++] = (struct nj_tracker_endpoint){
            .pod = i + 1 == PODS ? "" : pods[i], /* the last is a hand-made one */
            .pod_uid = pods[i],
            .node = i % 2 == 0 ? "n1" : "n2",
            .ready = serving && (!terminating || roll(history, 10) == 0),
            .serving = serving,
            .terminating = terminating};
    }
}

/* What is seen of a service, as plainly as can be: its slices' endpoints united by address. */
static void see(const struct history *history, const struct world *world,
                struct nj_tracker_endpoint *endpoints, struct slow_view *ret_view)
{
    size_t count = 0;
    *ret_view = (struct slow_view){
        .service = {.namespace = "shop", .desired = world->desired, .created_ns = world->created_ns}};
    struct nj_tracker_service *service = &ret_view->service;
    for (size_t i = 0; i < SLICES && !world->external; i++) {
        const struct slice *slice = &world->delivered[i];
        if (!slice->there)
            continue;
        ret_view->slices[ret_view->count++] =
            (struct slow_slice){slice->uid, slice->generation, slice->trigger_ns};
        if (slice->trigger_ns > service->trigger_ns)
            service->trigger_ns = slice->trigger_ns;
        for (size_t j = 0; j < slice->count; j++) {
            size_t at = 0;
            while (at < count && !nj_streq(endpoints[at].pod_uid, slice->endpoints[j].pod_uid))
                at++;
            if (at == count) {
                endpoints[count++] = slice->endpoints[j];
                continue;
            }
            endpoints[at].ready |= slice->endpoints[j].ready;
            endpoints[at].serving |= slice->endpoints[j].serving;
            endpoints[at].terminating &= slice->endpoints[j].terminating;
        }
    }
    service->by_design = world->external || (!world->selects && count == 0);
    service->endpoints = endpoints;
    service->endpoints_count = count;
    service->at_ns = history->now_ns;
}

/* The same as the collector's model has it. */
struct model {
    struct nj_model_service view;
    struct nj_service_object service;
    struct nj_model_slice slices[SLICES];
    struct nj_slice_object objects[SLICES];
    struct nj_endpoint endpoints[SLICES][PODS];
    char uids[SLICES][16];
};

static const struct nj_kube_pair selector = {.key = "app", .value = "web"};

static void model_slice(const struct slice *from, struct nj_endpoint *endpoints,
                        struct nj_slice_object *ret_object)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct nj_tracker_endpoint *endpoint = &from->endpoints[i];
        bool by_hand = endpoint->pod[0] == '\0';
        endpoints[i] = (struct nj_endpoint){.addresses = &endpoint->pod_uid,
                                            .addresses_count = 1,
                                            .ready = endpoint->ready,
                                            .serving = endpoint->serving,
                                            .terminating = endpoint->terminating,
                                            .node = endpoint->node,
                                            .target_kind = by_hand ? "" : "Pod",
                                            .target_name = endpoint->pod,
                                            .target_uid = by_hand ? "" : endpoint->pod_uid};
    }
    *ret_object = (struct nj_slice_object){
        .address_type = "IPv4", .endpoints = endpoints, .endpoints_count = from->count};
}

/* Its slices in any order. */
static void make_model(struct history *history, const struct world *world, const char *name,
                       struct model *ret_model)
{
    size_t count = 0, first = (size_t)roll(history, SLICES);
    *ret_model = (struct model){.service = {.type = world->external ? "ExternalName" : "ClusterIP",
                                            .selector = &selector,
                                            .selector_count = world->selects ? 1 : 0}};
    struct model *model = ret_model;
    model->view = (struct nj_model_service){
        .namespace = "shop", .name = name, .created_ns = world->created_ns, .service = &model->service};
    for (size_t i = 0; i < SLICES; i++) {
        const struct slice *from = &world->delivered[(first + i) % SLICES];
        if (!from->there)
            continue;
        (void)snprintf(model->uids[count], sizeof(model->uids[count]), "uid-%d", from->uid);
        model_slice(from, model->endpoints[count], &model->objects[count]);
        model->slices[count] = (struct nj_model_slice){.name = "web-abcde",
                                                       .uid = model->uids[count],
                                                       .generation = from->generation,
                                                       .trigger_ns = from->trigger_ns,
                                                       .slice = &model->objects[count]};
        if (count > 0)
            model->slices[count - 1].next = &model->slices[count];
        count++;
    }
    model->view.slices = count == 0 ? NULL : model->slices;
}

static bool is_same_service(const struct nj_tracker_service *is, const struct nj_tracker_service *shall)
{
    if (is->by_design != shall->by_design || is->trigger_ns != shall->trigger_ns ||
        is->endpoints_count != shall->endpoints_count)
        return false;
    for (size_t i = 0; i < is->endpoints_count; i++) {
        const struct nj_tracker_endpoint *one = &is->endpoints[i], *other = NULL;
        for (size_t at = 0; at < shall->endpoints_count && other == NULL; at++) {
            if (nj_streq(shall->endpoints[at].pod_uid, one->pod_uid))
                other = &shall->endpoints[at];
        }
        if (other == NULL || one->ready != other->ready || one->serving != other->serving ||
            one->terminating != other->terminating)
            return false;
    }
    return true;
}

static void look(struct history *history, size_t which)
{
    struct world *world = &history->worlds[which];
    const char *name = history->database.services[which].name;
    struct nj_tracker_endpoint endpoints[PODS];
    struct slow_view view;
    struct model model;
    struct nj_described described;
    see(history, world, endpoints, &view);
    make_model(history, world, name, &model);
    nj_describe_service(&model.view, NULL, history->now_ns, &described);
    if (!is_same_service(&described.service, &view.service))
        fail_msg("history %u, %s: what its slices are united to is another", history->number, name);
    described.service.desired = world->desired;
    described.service.workload_kind = "Deployment";
    described.service.workload = "web";
    int64_t ready_since_ns = 0;
    bool wants = nj_tracker_wants_ready_since(history->tracker, &described.service);
    if (wants != slow_would_ask(&history->slow[which], &view))
        fail_msg("history %u, %s: pods are%s to be asked", history->number, name, wants ? " not" : "");
    if (wants && roll(history, 2) == 0) {
        ready_since_ns = history->now_ns - roll(history, 300) * SLOW_CELL_NS;
        if (ready_since_ns < BASE_NS)
            ready_since_ns = BASE_NS;
    }
    nj_tracker_service(history->tracker, &described.service, ready_since_ns);
    nj_described_done(&described);
    slow_look(&history->slow[which], &view, ready_since_ns);
    world->wants_look = false;
}

static void change_slice(struct history *history, struct world *world)
{
    size_t which = (size_t)roll(history, SLICES);
    size_t *count = &world->pending_count[which];
    if (*count == PENDING_MAX)
        return;
    struct pending *pending = &world->pending[which][*count];
    if (roll(history, 10) != 0)
        fill(history, &world->newest[which]);
    pending->slice = world->newest[which]; /* now and then the same once more */
    pending->tick = history->tick + (roll(history, 8) == 0 ? roll(history, 60) : roll(history, 4));
    if (*count > 0 && pending[-1].tick > pending->tick)
        pending->tick = pending[-1].tick;
    ++*count;
}

static void deliver(struct history *history, struct world *world)
{
    size_t first = (size_t)roll(history, SLICES);
    for (size_t i = 0; i < SLICES; i++) {
        size_t which = (first + i) % SLICES;
        size_t *count = &world->pending_count[which];
        while (*count > 0 && world->pending[which][0].tick <= history->tick) {
            world->delivered[which] = world->pending[which][0].slice;
            --*count;
            memmove(&world->pending[which][0], &world->pending[which][1],
                    *count * sizeof(world->pending[which][0]));
            world->wants_look = true;
            if (!history->blind && world->there)
                look(history, (size_t)(world - history->worlds));
        }
    }
}

/* Only what is stored is found again; what else was known is not. */
static void restart(struct history *history)
{
    nj_tracker_free(history->tracker);
    history->tracker = new_tracker(&history->database);
    for (size_t i = 0; i < SERVICES; i++) {
        struct row *row = open_row(&history->database.services[i]);
        if (row == NULL)
            continue;
        if (row->interval.seen_ns < history->alive_ns)
            row->interval.seen_ns = history->alive_ns;
        if (row->interval.seen_ns < row->interval.from_ns)
            row->interval.seen_ns = row->interval.from_ns;
        nj_tracker_load(history->tracker, &row->interval);
        slow_restart(&history->slow[i], row->interval.seen_ns);
    }
    history->blind = true;
}

static void see_again(struct history *history)
{
    history->blind = false;
    for (size_t i = 0; i < SERVICES; i++) {
        if (history->worlds[i].there)
            look(history, i);
    }
}

static void make_service(struct history *history, size_t which)
{
    struct world *world = &history->worlds[which];
    memset(world, 0, sizeof(*world));
    world->there = true;
    world->created_ns = history->now_ns / NJ_SEC * NJ_SEC;
    world->desired = roll(history, 5) - 1;
    world->external = roll(history, 20) == 0;
    world->selects = roll(history, 10) != 0;
    if (!history->blind)
        look(history, which);
}

static void remove_service(struct history *history, size_t which)
{
    struct world *world = &history->worlds[which];
    world->there = false;
    nj_tracker_gone(history->tracker, "shop", history->database.services[which].name, history->now_ns);
    slow_gone(&history->slow[which], history->now_ns);
}

static void random_facts(struct history *history)
{
    static const char *const references[] = {"rollout/1", "rollout/2"};
    const struct nj_tracker_fact fact = {
        .kind = (enum nj_tracker_fact_kind)(1 + roll(history, NJ_FACT_CHECK_FAILED)),
        .at_ns = history->now_ns - roll(history, 20) * SLOW_CELL_NS,
        .namespace = "shop",
        .workload_kind = "Deployment",
        .workload = "web",
        .pod_uid = pods[roll(history, PODS)],
        .node = roll(history, 2) == 0 ? "n1" : "n2",
        .reference = references[roll(history, 2)],
        .value = roll(history, 3)};
    nj_tracker_fact(history->tracker, &fact);
}

static void happen(struct history *history)
{
    size_t which = (size_t)roll(history, SERVICES);
    struct world *world = &history->worlds[which];
    if (!world->there) {
        if (roll(history, 40) == 0)
            make_service(history, which);
        return;
    }
    int what = roll(history, 1000);
    if (what < 60) {
        change_slice(history, world);
    } else if (what < 75) {
        world->desired = roll(history, 5) - 1;
        world->wants_look = true;
        if (!history->blind)
            look(history, which);
    } else if (what < 85 && !history->blind) {
        look(history, which); /* nothing is new */
    } else if (what < 88) {
        remove_service(history, which);
    } else if (what < 110) {
        random_facts(history);
    } else if (what < 114) {
        restart(history);
    } else if (what < 118 && !history->blind) {
        history->blind = true;
        nj_tracker_blind(history->tracker, history->now_ns);
        for (size_t i = 0; i < SERVICES; i++)
            slow_blind(&history->slow[i], history->now_ns);
    } else if (what < 150 && history->blind) {
        see_again(history);
    }
}

/* --- the comparison */

static void assert_whole(const struct rows *rows, unsigned seed)
{
    const struct nj_interval *before = NULL;
    for (size_t i = 0; i < rows->count; i++) {
        const struct nj_interval *now = &rows->rows[i].interval;
        if (now->until_ns == now->from_ns)
            continue;
        if (before != NULL && (before->until_ns == 0 || now->from_ns < before->until_ns))
            fail_msg("history %u, %s: an interval overlaps the one before", seed, rows->name);
        if (now->until_ns != 0 && (now->until_ns < now->from_ns || now->seen_ns != now->until_ns))
            fail_msg("history %u, %s: an interval ends before it begins", seed, rows->name);
        if (now->seen_ns < now->from_ns)
            fail_msg("history %u, %s: an interval was seen before it began", seed, rows->name);
        bool unwell = now->state == NJ_SERVICE_DEGRADED || now->state == NJ_SERVICE_DRAINING ||
                      now->state == NJ_SERVICE_DOWN || now->state == NJ_SERVICE_SCALED_TO_ZERO;
        if (unwell != (now->cause != NJ_OUTAGE_BY_NOTHING))
            fail_msg("history %u, %s: %s by %s", seed, rows->name, nj_service_state_name(now->state),
                     nj_outage_cause_name(now->cause));
        before = now;
    }
}

static void assert_same_rows(const struct history *history, size_t which, unsigned seed)
{
    const struct rows *rows = &history->database.services[which];
    const struct slow_service *slow = &history->slow[which];
    int cell = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct nj_interval *now = &rows->rows[i].interval;
        int from = (int)((now->from_ns - BASE_NS) / SLOW_CELL_NS);
        int until = (int)(((now->until_ns == 0 ? now->seen_ns : now->until_ns) - BASE_NS) / SLOW_CELL_NS);
        if (from == until)
            continue;
        for (; cell < from; cell++) {
            if (slow_at(slow, cell) != NULL)
                fail_msg("history %u, %s: nothing is known of %d", seed, rows->name, cell);
        }
        const struct slow_run *run = slow_at(slow, from);
        if (run == NULL || run->state != now->state || (from > 0 && slow_at(slow, from - 1) == run))
            fail_msg("history %u, %s: %s from %d, should be %s", seed, rows->name,
                     nj_service_state_name(now->state), from,
                     run == NULL ? "nothing" : nj_service_state_name(run->state));
        for (cell = from; cell < until && run != NULL; cell++) {
            if (slow_at(slow, cell) != run)
                fail_msg("history %u, %s: %s from %d to %d, should end at %d", seed, rows->name,
                         nj_service_state_name(now->state), from, until, cell);
        }
        if (run != NULL && now->state != NJ_SERVICE_UNKNOWN && now->min_ready != run->least)
            fail_msg("history %u, %s: from %d at least %d were ready, not %d", seed, rows->name, from,
                     (int)run->least, (int)now->min_ready);
    }
    for (; cell < SLOW_CELLS; cell++) {
        if (slow_at(slow, cell) != NULL)
            fail_msg("history %u, %s: nothing is known from %d on", seed, rows->name, cell);
    }
}

struct told_outages {
    const struct slow_sum *sum;
    unsigned count;
    unsigned seed;
};

static void on_outage(void *data, const struct nj_sla_outage *outage)
{
    struct told_outages *told = data;
    if (told->count >= told->sum->outages)
        fail_msg("history %u: an outage too many", told->seed);
    const struct slow_outage *wanted = &told->sum->list[told->count++];
    int64_t from_ns = BASE_NS + wanted->from * SLOW_CELL_NS;
    int64_t until_ns = wanted->lasts ? 0 : BASE_NS + wanted->until * SLOW_CELL_NS;
    if (outage->from_ns != from_ns || outage->until_ns != until_ns || outage->cause != wanted->cause)
        fail_msg("history %u: outage %d-%d%s %s, should be %d-%d%s %s", told->seed,
                 (int)((outage->from_ns - BASE_NS) / SLOW_CELL_NS),
                 (int)((outage->until_ns - BASE_NS) / SLOW_CELL_NS), outage->until_ns == 0 ? " lasts" : "",
                 nj_outage_cause_name(outage->cause), wanted->from, wanted->until,
                 wanted->lasts ? " lasts" : "", nj_outage_cause_name(wanted->cause));
}

static void assert_same_figures(const struct history *history, size_t which, enum nj_sla_basis basis,
                                int from, int until, unsigned seed)
{
    static struct slow_sum sum; /* too large for the stack */
    enum nj_outage_cause causes[SLOW_CELLS] = {NJ_OUTAGE_BY_NOTHING};
    const struct rows *rows = &history->database.services[which];
    struct nj_sla_summary summary;
    for (size_t i = 0; i < rows->count; i++) {
        const struct nj_interval *now = &rows->rows[i].interval;
        int64_t until_ns = now->until_ns == 0 ? now->seen_ns : now->until_ns;
        for (int64_t at_ns = now->from_ns; at_ns < until_ns || at_ns == now->from_ns; at_ns += SLOW_CELL_NS)
            causes[(at_ns - BASE_NS) / SLOW_CELL_NS] = now->cause;
    }
    slow_count(&history->slow[which], basis, from, until, causes, &sum);
    struct told_outages told = {.sum = &sum, .seed = seed};
    struct nj_sla_computing *computing =
        nj_sla_begin(basis, BASE_NS + from * SLOW_CELL_NS, BASE_NS + until * SLOW_CELL_NS, on_outage, &told);
    for (size_t i = 0; i < rows->count; i++)
        nj_sla_add(computing, &rows->rows[i].interval);
    nj_sla_end(computing, &summary);
    if (summary.observed_ns != sum.observed * SLOW_CELL_NS ||
        summary.available_ns != sum.available * SLOW_CELL_NS ||
        summary.planned_ns != sum.planned * SLOW_CELL_NS ||
        summary.unknown_ns != sum.unknown * SLOW_CELL_NS ||
        summary.longest_ns != sum.longest * SLOW_CELL_NS ||
        summary.outages_ns != sum.outages_cells * SLOW_CELL_NS || summary.outages != sum.outages ||
        summary.unplanned_outages != sum.unplanned_outages || told.count != sum.outages)
        fail_msg("history %u: the figures of %d to %d differ", seed, from, until);
    double counted = sum.observed - sum.planned, share = nj_sla_availability(&summary, true);
    if (counted > 0 ? share - sum.available / counted > 1e-9 || sum.available / counted - share > 1e-9
                    : share >= 0)
        fail_msg("history %u: the availability of %d to %d differs", seed, from, until);
}

/* Until when each service was looked at. */
static void settle(struct history *history)
{
    for (size_t i = 0; i < SERVICES; i++) {
        struct row *row = open_row(&history->database.services[i]);
        struct slow_service *slow = &history->slow[i];
        if (row == NULL)
            continue;
        if (slow->looked)
            slow->seen_ns = history->now_ns;
        row->interval.seen_ns = slow->seen_ns;
    }
}

static void run_history(struct history *history, unsigned seed)
{
    memset(history, 0, sizeof(*history));
    history->number = history->seed = seed;
    for (size_t i = 0; i < SERVICES; i++) {
        (void)snprintf(history->database.services[i].name, sizeof(history->database.services[i].name),
                       "web%zu", i);
        slow_begin(&history->slow[i], BASE_NS);
    }
    history->tracker = new_tracker(&history->database);
    for (history->tick = FIRST_TICK; history->tick < FIRST_TICK + TICKS; history->tick++) {
        history->now_ns = BASE_NS + history->tick * SLOW_CELL_NS;
        for (size_t i = 0; i < SERVICES; i++)
            deliver(history, &history->worlds[i]);
        if (!history->blind && history->tick % 10 == 0)
            history->alive_ns = history->now_ns;
        happen(history);
    }
    history->now_ns = BASE_NS + (FIRST_TICK + TICKS) * SLOW_CELL_NS;
    settle(history);
    for (size_t i = 0; i < SERVICES; i++) {
        assert_whole(&history->database.services[i], seed);
        assert_same_rows(history, i, seed);
        for (int basis = NJ_SLA_READY; basis <= NJ_SLA_SERVING; basis++) {
            assert_same_figures(history, i, (enum nj_sla_basis)basis, 0, FIRST_TICK + TICKS, seed);
            int from = roll(history, TICKS), until = from + 1 + roll(history, TICKS);
            assert_same_figures(history, i, (enum nj_sla_basis)basis, from, until, seed);
        }
    }
    nj_tracker_free(history->tracker);
}

static void any_history_is_as_the_reference_has_it(void **state)
{
    (void)state;
    struct history *history = nj_calloc(1, sizeof(*history));
    const unsigned first = first_seed();
    for (unsigned seed = first; seed < first + HISTORIES; seed++)
        run_history(history, seed);
    free(history);
}

/* --- stories: what happened is known, and so is why */

enum { STORIES = 3000, STEPS_MAX = 12 };

struct story_kind {
    enum nj_tracker_fact_kind begins, ends; /* ends 0: it is of a moment */
    bool terminating;                       /* how the endpoint looks that is lost */
    enum nj_outage_cause cause;
};

/* What lasts explains what is lost while it does, however long before it began. */
static const struct story_kind story_kinds[] = {
    {NJ_FACT_ROLLOUT_BEGAN, NJ_FACT_ROLLOUT_DONE, true, NJ_OUTAGE_BY_ROLLOUT},
    {NJ_FACT_ROLLOUT_BEGAN, NJ_FACT_ROLLOUT_FAILED, false, NJ_OUTAGE_BY_FAILED_ROLLOUT},
    {NJ_FACT_NODE_DOWN, NJ_FACT_NODE_UP, false, NJ_OUTAGE_BY_NODE_LOSS},
    {NJ_FACT_NODE_CORDONED, NJ_FACT_NODE_UNCORDONED, true, NJ_OUTAGE_BY_DRAIN},
    {NJ_FACT_POD_CRASHED, 0, false, NJ_OUTAGE_BY_CRASH},
    {NJ_FACT_POD_EVICTED, 0, false, NJ_OUTAGE_BY_EVICTION},
    {NJ_FACT_POD_DRAINED, 0, true, NJ_OUTAGE_BY_DRAIN},
    {NJ_FACT_POD_UNSCHEDULABLE, 0, false, NJ_OUTAGE_BY_UNSCHEDULABLE},
    {NJ_FACT_SCALED, 0, true, NJ_OUTAGE_BY_SCALING},
    {NJ_FACT_CHECK_FAILED, 0, false, NJ_OUTAGE_BY_FAILED_READINESS},
    {0, 0, false, NJ_OUTAGE_BY_FAILED_READINESS},
    {0, 0, true, NJ_OUTAGE_BY_DELETION},
};

enum step_type { STEP_BEGINS, STEP_ENDS, STEP_NEXT, STEP_LOSS, STEP_GONE, STEP_BACK, STEP_RESTART };

struct story {
    const struct story_kind *kind;
    struct database database;
    struct nj_tracker *tracker;
    struct {
        int64_t at_ns;
        enum step_type type;
    } steps[STEPS_MAX];
    size_t count;
    bool begun, ended;
    int pods; /* that serve before */
    uint64_t print;
    bool there, ready, terminating; /* a, as it was shown last */
};

static void plan(struct story *story, int64_t at_ns, enum step_type type)
{
    size_t at = story->count++;
    assert_true(story->count <= STEPS_MAX);
    for (; at > 0 && story->steps[at - 1].at_ns > at_ns; at--)
        story->steps[at] = story->steps[at - 1];
    story->steps[at].at_ns = at_ns;
    story->steps[at].type = type;
}

static void tell(struct story *story, enum nj_tracker_fact_kind kind, int64_t at_ns, const char *reference)
{
    const struct nj_tracker_fact fact = {.kind = kind,
                                         .at_ns = at_ns,
                                         .namespace = "shop",
                                         .workload_kind = "Deployment",
                                         .workload = "web",
                                         .pod_uid = "a",
                                         .node = "n1",
                                         .reference = reference,
                                         .value = 1};
    nj_tracker_fact(story->tracker, &fact);
}

/* a is the one that is lost; a second one may be left. */
static void show_again(struct story *story, int64_t at_ns)
{
    const struct nj_tracker_endpoint endpoints[] = {
        {.pod = "b", .pod_uid = "b", .node = "n2", .ready = true, .serving = true},
        {.pod = "a", .pod_uid = "a", .node = "n1", .ready = story->ready, .terminating = story->terminating}};
    const struct nj_tracker_service given = {.namespace = "shop",
                                             .name = "web0",
                                             .desired = story->pods,
                                             .workload_kind = "Deployment",
                                             .workload = "web",
                                             .endpoints = &endpoints[story->pods == 2 ? 0 : 1],
                                             .endpoints_count = (size_t)story->pods - (story->there ? 0 : 1),
                                             .at_ns = at_ns,
                                             .print = story->print};
    nj_tracker_service(story->tracker, &given, 0);
}

static void show(struct story *story, int64_t at_ns, bool there, bool ready, bool terminating)
{
    story->there = there;
    story->ready = ready;
    story->terminating = terminating;
    story->print++;
    show_again(story, at_ns);
}

static void restart_story(struct story *story, int64_t at_ns)
{
    struct row *row = open_row(&story->database.services[0]);
    nj_tracker_free(story->tracker);
    story->tracker = new_tracker(&story->database);
    row->interval.seen_ns = at_ns;
    nj_tracker_load(story->tracker, &row->interval);
    /* What goes on is told again. */
    if (story->begun && !story->ended && story->kind->ends != 0)
        tell(story, story->kind->begins, at_ns, "rollout/1");
    show_again(story, at_ns);
}

static void take_step(struct story *story, size_t at)
{
    int64_t at_ns = story->steps[at].at_ns;
    switch (story->steps[at].type) {
    case STEP_BEGINS:
        if (story->kind->begins != 0)
            tell(story, story->kind->begins, at_ns, "rollout/1");
        story->begun = true;
        break;
    case STEP_ENDS:
        tell(story, story->kind->ends, at_ns, "rollout/1");
        story->ended = true;
        break;
    case STEP_NEXT:
        tell(story, NJ_FACT_ROLLOUT_BEGAN, at_ns, "rollout/2");
        break;
    case STEP_LOSS:
        show(story, at_ns, true, false, story->kind->terminating);
        break;
    case STEP_GONE:
        show(story, at_ns, false, false, false);
        break;
    case STEP_BACK:
        show(story, at_ns, true, true, false);
        break;
    default:
        restart_story(story, at_ns);
    }
}

static void tell_story(struct story *story, unsigned seed)
{
    const size_t kinds = sizeof(story_kinds) / sizeof(story_kinds[0]);
    unsigned random = seed;
    int64_t loss_ns = BASE_NS + NJ_HOUR;
    memset(story, 0, sizeof(*story));
    (void)snprintf(story->database.services[0].name, sizeof(story->database.services[0].name), "web0");
    story->kind = &story_kinds[seed % kinds];
    story->pods = 1 + rand_r(&random) % 2;
    bool lasts = story->kind->ends != 0;
    /* Before what is lost, or, as watches are in no order, up to a moment after it. */
    int64_t began_ns = loss_ns - (lasts ? rand_r(&random) % 1000 : rand_r(&random) % 9) * NJ_SEC;
    if (rand_r(&random) % 3 == 0)
        began_ns = loss_ns + (1 + rand_r(&random) % 20) * SLOW_CELL_NS;
    plan(story, began_ns, STEP_BEGINS);
    plan(story, loss_ns + 1, STEP_LOSS);
    if (story->kind->terminating || rand_r(&random) % 2 == 0)
        plan(story, loss_ns + (21 + rand_r(&random) % 100) * SLOW_CELL_NS, STEP_GONE);
    int64_t back_ns = loss_ns + (15 + rand_r(&random) % 60) * NJ_SEC;
    plan(story, back_ns, STEP_BACK);
    int64_t ended_ns = loss_ns + (22 + rand_r(&random) % 600) * SLOW_CELL_NS;
    if (story->kind->ends == NJ_FACT_ROLLOUT_FAILED || (lasts && rand_r(&random) % 4 != 0))
        plan(story, ended_ns, STEP_ENDS);
    if (story->kind->ends == NJ_FACT_ROLLOUT_FAILED && rand_r(&random) % 2 == 0)
        plan(story, ended_ns + 1 + rand_r(&random) % 2 * NJ_SEC, STEP_NEXT);
    /* What was of a moment is not told again: a kill before it is understood may lose it. */
    if (lasts && story->kind->begins == NJ_FACT_ROLLOUT_BEGAN && ended_ns > back_ns)
        plan(story, ended_ns - 2, STEP_RESTART);
    else if (rand_r(&random) % 2 == 0)
        plan(story, loss_ns + (21 + rand_r(&random) % 100) * SLOW_CELL_NS + 3, STEP_RESTART);
    story->tracker = new_tracker(&story->database);
    show(story, BASE_NS, true, true, false);
    for (size_t i = 0; i < story->count; i++)
        take_step(story, i);
    nj_tracker_free(story->tracker);
}

static void a_story_keeps_its_cause(void **state)
{
    (void)state;
    struct story *story = nj_calloc(1, sizeof(*story));
    const unsigned first = first_seed();
    for (unsigned seed = first; seed < first + STORIES; seed++) {
        tell_story(story, seed);
        const struct rows *rows = &story->database.services[0];
        bool away = false;
        assert_whole(rows, seed);
        for (size_t i = 0; i < rows->count; i++) {
            const struct nj_interval *now = &rows->rows[i].interval;
            if (now->cause == NJ_OUTAGE_BY_NOTHING)
                continue;
            away = true;
            if (now->cause != story->kind->cause)
                fail_msg("story %u: %s, should be %s", seed, nj_outage_cause_name(now->cause),
                         nj_outage_cause_name(story->kind->cause));
        }
        if (!away)
            fail_msg("story %u: it was never away", seed);
    }
    free(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_history_is_as_the_reference_has_it),
        cmocka_unit_test(a_story_keeps_its_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
