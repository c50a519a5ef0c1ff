/*
 * Services, and workloads of whose availability there is a record: how they are now, and what was when.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { INTERVALS_MAX = 100000 /* read for one answer */, SERVICE_TEXTS = 4 };
/* What was seen so long ago says nothing of now. */
#define STALE_NS (5 * NJ_MIN)

/* A row of the list: what the worker found, until the loop adds the objective. */
struct nj_api_service {
    struct nj_interval now; /* its strings are in `texts` */
    char *texts[SERVICE_TEXTS];
    double availability;
};

static void drop_row(struct nj_api_service *row)
{
    for (size_t i = 0; i < SERVICE_TEXTS; i++)
        free(row->texts[i]);
}

void nj_api_services_free(struct nj_api_call *call)
{
    for (size_t i = 0; i < call->sla.rows_count; i++)
        drop_row(&call->sla.rows[i]);
    free(call->sla.rows);
}

bool nj_api_param_basis(struct nj_api_call *call)
{
    const char *basis = nj_api_param(call, "basis");
    call->sla.basis = nj_streq(basis, "serving") ? NJ_SLA_SERVING : NJ_SLA_READY;
    if (basis == NULL || nj_streq(basis, "ready") || nj_streq(basis, "serving"))
        return true;
    nj_api_problem(call, 400, "basis: '%s' is neither ready nor serving", basis);
    return false;
}

static void param_kind(struct nj_api_call *call)
{
    const char *kind = nj_api_param(call, "kind");
    call->sla.kind = kind == NULL ? "Service" : kind;
}

static double objective_of(const struct nj_api_call *call, const char *namespace, const char *name)
{
    const struct nj_api_options *options = &call->api->options;
    return options->objective == NULL ? 0
                                      : options->objective(options->data, call->sla.kind, namespace, name);
}

bool nj_api_param_service(struct nj_api_call *call, int64_t range_ns)
{
    struct nj_api_sla_call *sla = &call->sla;
    int64_t now_ns = nj_loop_wall_ns(call->api->options.loop);
    sla->namespace = call->argument;
    sla->name = call->second_argument;
    param_kind(call);
    if (!nj_api_param_basis(call))
        return false;
    sla->until_ns = now_ns;
    if (!nj_api_param_time(call, "to", &sla->until_ns))
        return false;
    sla->until_ns = sla->until_ns > now_ns ? now_ns : sla->until_ns; /* nothing is known of what comes */
    sla->from_ns = sla->until_ns - range_ns;
    if (!nj_api_param_time(call, "from", &sla->from_ns))
        return false;
    if (sla->from_ns <= 0 || sla->from_ns >= sla->until_ns) {
        nj_api_problem(call, 400, "from: it must be before to, and before now");
        return false;
    }
    sla->objective = objective_of(call, sla->namespace, sla->name);
    return true;
}

static struct nj_interval_filter filter_of(const struct nj_api_call *call)
{
    return (struct nj_interval_filter){.cluster = call->config->cluster,
                                       .kind = call->sla.kind,
                                       .namespace = call->sla.namespace,
                                       .name = call->sla.name};
}

static int on_first(void *data, const char *kind, const struct nj_interval *interval)
{
    (void)data;
    (void)kind;
    (void)interval;
    return 1;
}

int nj_api_find_service(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    const struct nj_interval_filter filter = filter_of(call);
    int rc = store->ops->each_interval(store, &filter, on_first, NULL, err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "of no %s %s/%s is it known when it was available", call->sla.kind,
                          call->sla.namespace, call->sla.name);
    return rc < 0 ? rc : 0;
}

struct counted {
    int (*on_interval)(void *data, const struct nj_interval *interval);
    void *data;
    struct nj_err *err;
    int count;
};

static int count_interval(void *data, const char *kind, const struct nj_interval *interval)
{
    struct counted *counted = data;
    (void)kind;
    if (++counted->count > INTERVALS_MAX)
        return nj_err_set(counted->err, -EOVERFLOW, "more than %d intervals: ask for a shorter time",
                          INTERVALS_MAX);
    return counted->on_interval(counted->data, interval);
}

int nj_api_each_interval(struct nj_api_call *call,
                         int (*on_interval)(void *data, const struct nj_interval *interval), void *data,
                         struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_interval_filter filter = filter_of(call);
    struct counted counted = {.on_interval = on_interval, .data = data, .err = err};
    filter.from_ns = call->sla.from_ns;
    filter.until_ns = call->sla.until_ns;
    return store->ops->each_interval(store, &filter, count_interval, &counted, err);
}

/* ---- one as it is now */

static void append_desired(struct nj_buf *out, int32_t desired)
{
    if (desired >= 0)
        nj_api_field_int(out, "desired", desired);
    else
        nj_api_field_double(out, "desired", (double)NAN); /* null */
}

static void append_cause(struct nj_buf *out, const struct nj_interval *interval)
{
    nj_api_field(out, "state", nj_service_state_name(interval->state));
    nj_api_field(out, "cause", nj_outage_cause_name(interval->cause));
    nj_api_field(out, "detail", interval->detail);
    nj_api_field(out, "reference", interval->reference);
}

static void append_counts(struct nj_buf *out, const struct nj_interval *interval)
{
    append_desired(out, interval->desired);
    nj_api_field_int(out, "ready", interval->ready);
    nj_api_field_int(out, "serving", interval->serving);
    nj_api_field_int(out, "minReady", interval->min_ready);
}

/* The fields of an object that has been begun. */
static void append_now(struct nj_buf *out, const char *kind, const struct nj_interval *now,
                       double availability, double objective)
{
    nj_api_field(out, "kind", kind);
    nj_api_field(out, "namespace", now->namespace);
    nj_api_field(out, "name", now->service);
    append_cause(out, now);
    nj_api_field_time(out, "since", now->from_ns);
    nj_api_field_time(out, "seenAt", now->seen_ns);
    append_counts(out, now);
    nj_api_field_ratio(out, "availabilityToday", availability);
    nj_api_field_ratio(out, "objective", objective > 0 ? objective : -1);
}

/* ---- the list */

struct listing {
    struct nj_api_call *call;
    struct nj_sla_computing *computing; /* of the one that is read; NULL: none */
    struct nj_api_service row;          /* likewise: how it is now, when it still is */
    char *namespace, *name;
    int64_t until_ns;
    int64_t matched;
    bool full;
};

/* Nobody could look since. */
static bool is_stale(const struct nj_interval *interval, int64_t now_ns)
{
    return interval->state != NJ_SERVICE_NONE_BY_DESIGN && interval->state != NJ_SERVICE_UNKNOWN &&
           now_ns - interval->seen_ns > STALE_NS;
}

static void keep_now(struct nj_api_service *row, const struct nj_interval *interval, int64_t now_ns)
{
    bool stale = is_stale(interval, now_ns);
    const char *const texts[SERVICE_TEXTS] = {interval->namespace, interval->service,
                                              stale ? "" : interval->detail,
                                              stale ? "" : interval->reference};
    drop_row(row);
    row->now = *interval;
    if (stale) {
        row->now.from_ns = interval->seen_ns;
        row->now.state = NJ_SERVICE_UNKNOWN;
        row->now.cause = NJ_OUTAGE_BY_NOTHING;
    }
    for (size_t i = 0; i < SERVICE_TEXTS; i++)
        row->texts[i] = nj_strdup(texts[i]);
    row->now.cluster = "";
    row->now.namespace = row->texts[0];
    row->now.service = row->texts[1];
    row->now.detail = row->texts[2];
    row->now.reference = row->texts[3];
}

/* One that was deleted has no interval that lasts. */
static bool is_wanted(const struct listing *listing)
{
    const struct nj_api_sla_call *sla = &listing->call->sla;
    const struct nj_api_service *row = &listing->row;
    return row->texts[0] != NULL &&
           (sla->state == NULL || nj_streq(sla->state, nj_service_state_name(row->now.state)));
}

static void finish_row(struct listing *listing)
{
    struct nj_api_sla_call *sla = &listing->call->sla;
    struct nj_sla_summary summary;
    if (listing->computing == NULL)
        return;
    nj_sla_end(listing->computing, &summary);
    listing->computing = NULL;
    listing->row.availability = nj_sla_availability(&summary, false);
    if (is_wanted(listing) && ++listing->matched > sla->skip)
        sla->rows[sla->rows_count++] = listing->row;
    else
        drop_row(&listing->row);
    listing->row = (struct nj_api_service){.availability = -1};
    listing->full = sla->rows_count == (size_t)listing->call->limit;
}

static int on_listed(void *data, const char *kind, const struct nj_interval *interval)
{
    struct listing *listing = data;
    const struct nj_api_sla_call *sla = &listing->call->sla;
    (void)kind;
    if (listing->computing == NULL || !nj_streq(listing->name, interval->service) ||
        !nj_streq(listing->namespace, interval->namespace)) {
        finish_row(listing);
        if (listing->full)
            return 1;
        free(listing->namespace);
        free(listing->name);
        listing->namespace = nj_strdup(interval->namespace);
        listing->name = nj_strdup(interval->service);
        listing->computing = nj_sla_begin(sla->basis, sla->from_ns, listing->until_ns, NULL, NULL);
    }
    nj_sla_add(listing->computing, interval);
    if (interval->until_ns == 0)
        keep_now(&listing->row, interval, listing->call->now_ns);
    return 0;
}

static int query_services(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct listing listing = {.call = call, .until_ns = INT64_MAX};
    struct nj_interval_filter filter = filter_of(call);
    filter.from_ns = call->sla.from_ns;
    call->sla.rows = nj_calloc((size_t)call->limit, sizeof(*call->sla.rows));
    int rc = store->ops->each_interval(store, &filter, on_listed, &listing, err);
    if (!listing.full)
        finish_row(&listing);
    free(listing.namespace);
    free(listing.name);
    return rc < 0 ? rc : 0;
}

static void finish_services(struct nj_api_call *call)
{
    struct nj_buf *out = &call->body;
    nj_api_list_begin(out);
    for (size_t i = 0; i < call->sla.rows_count; i++) {
        const struct nj_api_service *row = &call->sla.rows[i];
        nj_api_list_item(call);
        nj_api_object_begin(out);
        append_now(out, call->sla.kind, &row->now, row->availability,
                   objective_of(call, row->now.namespace, row->now.service));
        nj_api_object_end(out);
    }
    call->cursor = call->sla.skip + (int64_t)call->sla.rows_count;
    nj_api_list_end(call);
}

void nj_api_services(struct nj_api_call *call)
{
    struct nj_api_sla_call *sla = &call->sla;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    int64_t now_ns = call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    enum nj_service_state state;
    param_kind(call);
    sla->namespace = nj_api_param(call, "namespace");
    sla->state = nj_api_param(call, "state");
    sla->from_ns = now_ns - now_ns % NJ_DAY;
    if (sla->state != NULL && nj_service_state_parse(sla->state, &state) < 0) {
        nj_api_problem(call, 400, "state: there is no state '%s': see /openapi.json", sla->state);
        return;
    }
    if (!nj_api_param_basis(call) || !nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX - NJ_STORE_LIMIT_MAX, &sla->skip))
        return;
    call->limit = (int)limit;
    call->finish = finish_services;
    nj_api_run(call, query_services);
}

/* ---- one, with its intervals */

static int append_interval(void *data, const struct nj_interval *interval)
{
    struct nj_buf *out = data;
    int64_t end_ns = interval->until_ns == 0 ? interval->seen_ns : interval->until_ns;
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", interval->from_ns);
    nj_api_field_time(out, "until", interval->until_ns);
    nj_api_field_double(out, "seconds", (double)(end_ns - interval->from_ns) / 1e9);
    append_cause(out, interval);
    nj_api_field_bool(out, "planned", nj_outage_cause_is_planned(interval->cause));
    append_counts(out, interval);
    nj_api_field_bool(out, "backfilled", interval->backfilled);
    nj_api_object_end(out);
    return 0;
}

/* The open one of today, with today's availability. */
struct current {
    int64_t now_ns;
    struct nj_sla_computing *computing;
    struct nj_api_service row;
};

static int on_current(void *data, const char *kind, const struct nj_interval *interval)
{
    struct current *current = data;
    (void)kind;
    nj_sla_add(current->computing, interval);
    if (interval->until_ns == 0)
        keep_now(&current->row, interval, current->now_ns);
    return 0;
}

static int query_now(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_buf *out = &call->body;
    struct nj_interval_filter filter = filter_of(call);
    struct nj_sla_summary summary;
    filter.from_ns = call->now_ns - call->now_ns % NJ_DAY;
    struct current current = {.now_ns = call->now_ns,
                              .computing =
                                  nj_sla_begin(call->sla.basis, filter.from_ns, INT64_MAX, NULL, NULL)};
    int rc = store->ops->each_interval(store, &filter, on_current, &current, err);
    nj_sla_end(current.computing, &summary);
    if (rc == 0 && current.row.texts[0] != NULL) {
        nj_api_object_field_begin(out, "now");
        append_now(out, call->sla.kind, &current.row.now, nj_sla_availability(&summary, false),
                   call->sla.objective);
        nj_api_object_end(out);
    } else if (rc == 0) { /* it is no more */
        nj_api_field_json(out, "now", NULL);
    }
    drop_row(&current.row);
    return rc;
}

static int query_service(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_buf *out = &call->body;
    int rc = nj_api_find_service(call, err);
    if (rc < 0)
        return rc;
    nj_api_object_begin(out);
    rc = query_now(call, err);
    if (rc < 0)
        return rc;
    nj_api_field_time(out, "from", call->sla.from_ns);
    nj_api_field_time(out, "to", call->sla.until_ns);
    nj_api_array_begin(out, "intervals");
    rc = nj_api_each_interval(call, append_interval, out, err);
    nj_api_array_end(out);
    nj_api_object_end(out);
    return rc;
}

void nj_api_service(struct nj_api_call *call)
{
    call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    if (nj_api_param_service(call, NJ_DAY))
        nj_api_run(call, query_service);
}
