/*
 * What a service's availability was over a time, as a whole and by the days, weeks or months of a time
 * zone; its outages; and beside it what its checks saw.
 */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/zone.h"

enum {
    RANGE_DAYS = 30,     /* without a word */
    PERIODS_MAX = 400,   /* a year of days */
    OUTAGES_MAX = 1000,  /* in one answer; further ones are counted */
    POINTS_MAX = 1000000 /* of checks, read for one answer */
};

struct period {
    int64_t from_ns, until_ns;
    struct nj_sla_summary summary;
    uint64_t runs, failures; /* of checks */
};

struct reporting {
    struct nj_api_call *call;
    struct nj_err *err;
    struct period total;
    struct period *periods; /* one after the other; none when only the total is asked for */
    size_t count, current;  /* the one that is computed */
    struct nj_sla_computing *of_total, *of_period;
    int64_t end_ns; /* of the interval that is added: an outage that lasts is known until then */
    int64_t points;
    size_t outages, left_out;
    struct nj_buf *out;
};

/* ---- periods */

/* When a date begins in the zone: its first 00:00, or, where clocks are put forward over that, the moment in
 * which they are. `there_ns` is 00:00 of it as if the zone were UTC. */
static int64_t begin_of(const struct nj_zone *zone, int64_t there_ns)
{
    int64_t before_ns = nj_zone_offset_ns(zone, there_ns - NJ_DAY);
    int64_t after_ns = nj_zone_offset_ns(zone, there_ns + NJ_DAY);
    bool is_before = nj_zone_offset_ns(zone, there_ns - before_ns) == before_ns;
    bool is_after = nj_zone_offset_ns(zone, there_ns - after_ns) == after_ns;
    return there_ns - (is_before || !is_after ? before_ns : after_ns);
}

/* The beginning of the day, week (ISO 8601: Monday) or month after the one that holds this time. A day on
 * which clocks are put forward or back has 23 or 25 hours. */
static int64_t next_begin(const struct nj_zone *zone, enum nj_api_sla_by by, int64_t at_ns)
{
    time_t seconds = (time_t)((at_ns + nj_zone_offset_ns(zone, at_ns)) / NJ_SEC);
    struct tm day = {0};
    (void)gmtime_r(&seconds, &day);
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    if (by == NJ_API_BY_DAY) {
        day.tm_mday++;
    } else if (by == NJ_API_BY_WEEK) {
        day.tm_mday += 7 - (day.tm_wday + 6) % 7;
    } else {
        day.tm_mday = 1;
        day.tm_mon++;
    }
    return begin_of(zone, (int64_t)timegm(&day) * NJ_SEC);
}

static int make_periods(struct reporting *reporting, struct nj_err *err)
{
    const struct nj_api_sla_call *sla = &reporting->call->sla;
    struct nj_zone *zone = NULL;
    struct nj_err wrong = {0};
    if (sla->by == NJ_API_BY_RANGE)
        return 0;
    if (nj_zone_load(sla->zone == NULL ? "UTC" : sla->zone, &zone, &wrong) < 0)
        return nj_err_set(err, -EINVAL, "zone: %s", wrong.text);
    reporting->periods = nj_calloc(PERIODS_MAX, sizeof(*reporting->periods));
    for (int64_t at_ns = sla->from_ns; at_ns < sla->until_ns && reporting->count <= PERIODS_MAX;) {
        int64_t end_ns = next_begin(zone, sla->by, at_ns);
        if (reporting->count++ < PERIODS_MAX)
            reporting->periods[reporting->count - 1] = (struct period){
                .from_ns = at_ns, .until_ns = end_ns < sla->until_ns ? end_ns : sla->until_ns};
        at_ns = end_ns;
    }
    nj_zone_free(zone);
    if (reporting->count > PERIODS_MAX)
        return nj_err_set(err, -EOVERFLOW, "more than %d periods: ask for a shorter time, or by longer ones",
                          PERIODS_MAX);
    return 0;
}

static void begin_period(struct reporting *reporting)
{
    const struct period *period = &reporting->periods[reporting->current];
    if (reporting->current < reporting->count)
        reporting->of_period =
            nj_sla_begin(reporting->call->sla.basis, period->from_ns, period->until_ns, NULL, NULL);
}

static void end_period(struct reporting *reporting)
{
    nj_sla_end(reporting->of_period, &reporting->periods[reporting->current++].summary);
    reporting->of_period = NULL;
    begin_period(reporting);
}

static int on_interval(void *data, const struct nj_interval *interval)
{
    struct reporting *reporting = data;
    int64_t end_ns = interval->until_ns == 0 ? interval->seen_ns : interval->until_ns;
    reporting->end_ns = end_ns < reporting->total.until_ns ? end_ns : reporting->total.until_ns;
    nj_sla_add(reporting->of_total, interval);
    while (reporting->of_period != NULL) {
        int64_t until_ns = reporting->periods[reporting->current].until_ns;
        if (interval->from_ns < until_ns)
            nj_sla_add(reporting->of_period, interval);
        if (end_ns < until_ns)
            break;
        end_period(reporting);
    }
    return 0;
}

/* ---- outages */

static void on_outage(void *data, const struct nj_sla_outage *outage)
{
    struct reporting *reporting = data;
    struct nj_buf *out = reporting->out;
    int64_t end_ns = outage->until_ns == 0 ? reporting->end_ns : outage->until_ns;
    if (reporting->outages == OUTAGES_MAX) {
        reporting->left_out++;
        return;
    }
    reporting->outages++;
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", outage->from_ns);
    nj_api_field_time(out, "until", outage->until_ns);
    nj_api_field_double(out, "seconds", (double)(end_ns - outage->from_ns) / 1e9);
    nj_api_field(out, "cause", nj_outage_cause_name(outage->cause));
    nj_api_field_bool(out, "planned", outage->planned);
    nj_api_field(out, "detail", outage->detail);
    nj_api_field(out, "reference", outage->reference);
    nj_api_field_int(out, "minReady", outage->min_ready);
    nj_api_object_end(out);
}

/* Computes all, and writes the outages as it finds them. */
static int compute(struct reporting *reporting, struct nj_err *err)
{
    struct nj_api_call *call = reporting->call;
    const struct nj_api_sla_call *sla = &call->sla;
    nj_api_array_begin(reporting->out, "outages");
    reporting->of_total = nj_sla_begin(sla->basis, sla->from_ns, sla->until_ns, on_outage, reporting);
    if (reporting->count > 0)
        begin_period(reporting);
    int rc = nj_api_each_interval(call, on_interval, reporting, err);
    nj_sla_end(reporting->of_total, &reporting->total.summary);
    while (reporting->of_period != NULL)
        end_period(reporting);
    nj_api_array_end(reporting->out);
    nj_api_field_int(reporting->out, "outagesLeftOut", (int64_t)reporting->left_out);
    return rc;
}

/* ---- checks */

static int on_point(void *data, const struct nj_series_point *point)
{
    struct reporting *reporting = data;
    if (++reporting->points > POINTS_MAX)
        return nj_err_set(reporting->err, -EOVERFLOW,
                          "more than %d points of checks would be read: ask for a shorter time", POINTS_MAX);
    while (reporting->current + 1 < reporting->count &&
           point->start_ns >= reporting->periods[reporting->current].until_ns)
        reporting->current++;
    reporting->total.runs += point->runs;
    reporting->total.failures += point->failures;
    if (reporting->count > 0) {
        reporting->periods[reporting->current].runs += point->runs;
        reporting->periods[reporting->current].failures += point->failures;
    }
    return 0;
}

/* The finest points that were kept for so long, and are not too many. */
static enum nj_resolution resolution_of(const struct nj_api_call *call)
{
    const struct nj_api_sla_call *sla = &call->sla;
    const int64_t kept_ns[] = {call->config->store.points_minute_ns, call->config->store.points_hour_ns};
    const int64_t longest_ns[] = {6 * NJ_HOUR, 31 * NJ_DAY};
    int i = 0;
    while (i < 2 &&
           (sla->until_ns - sla->from_ns > longest_ns[i] || call->now_ns - sla->from_ns > kept_ns[i]))
        i++;
    return (enum nj_resolution)i; /* minute, hour, day */
}

static int count_checks(struct reporting *reporting, enum nj_resolution resolution)
{
    const struct nj_api_call *call = reporting->call;
    struct nj_store *store = call->api->options.store;
    struct nj_series_filter filter = {
        .cluster = call->config->cluster,
        .namespace = call->sla.namespace,
        .service = call->sla.name,
        .from_ns = call->sla.from_ns - call->sla.from_ns % nj_resolution_ns(resolution),
        .until_ns = call->sla.until_ns,
        .resolution = resolution,
    };
    reporting->current = 0;
    return store->ops->each_point(store, &filter, on_point, reporting, reporting->err);
}

/* ---- the answer */

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

static void append_checks(struct nj_buf *out, const struct period *period)
{
    if (period->runs == 0) {
        nj_api_field_json(out, "checks", NULL);
        return;
    }
    nj_api_object_field_begin(out, "checks");
    nj_api_field_int(out, "runs", (int64_t)period->runs);
    nj_api_field_int(out, "failures", (int64_t)period->failures);
    nj_api_field_ratio(out, "availability", 1 - (double)period->failures / (double)period->runs);
    nj_api_object_end(out);
}

/* The fields of an object that has been begun. */
static void append_period(struct nj_buf *out, const struct period *period, double objective)
{
    const struct nj_sla_summary *summary = &period->summary;
    int64_t length_ns = period->until_ns - period->from_ns;
    double outages = summary->outages;
    bool has_budget = objective > 0 && summary->observed_ns > 0;
    nj_api_field_time(out, "from", period->from_ns);
    nj_api_field_time(out, "to", period->until_ns);
    nj_api_field_ratio(out, "availability", nj_sla_availability(summary, false));
    nj_api_field_ratio(out, "availabilityWithoutPlanned", nj_sla_availability(summary, true));
    nj_api_field_ratio(out, "coverage", (double)summary->observed_ns / (double)length_ns);
    nj_api_field_double(out, "observedSeconds", seconds(summary->observed_ns));
    nj_api_field_double(out, "availableSeconds", seconds(summary->available_ns));
    nj_api_field_double(out, "plannedSeconds", seconds(summary->planned_ns));
    nj_api_field_double(out, "unknownSeconds", seconds(summary->unknown_ns));
    nj_api_field_int(out, "outageCount", summary->outages);
    nj_api_field_int(out, "unplannedOutageCount", summary->unplanned_outages);
    nj_api_field_double(out, "mttrSeconds",
                        outages > 0 ? seconds(summary->outages_ns) / outages : (double)NAN);
    nj_api_field_double(out, "mtbfSeconds",
                        outages > 0 ? seconds(summary->available_ns) / outages : (double)NAN);
    nj_api_field_double(out, "longestOutageSeconds", seconds(summary->longest_ns));
    nj_api_field_double(out, "budgetLeft",
                        has_budget ? nj_sla_budget_left(summary, objective, length_ns) : (double)NAN);
    nj_api_field_double(out, "burnRate", has_budget ? nj_sla_burn_rate(summary, objective) : (double)NAN);
    append_checks(out, period);
}

static void append_periods(const struct reporting *reporting)
{
    struct nj_buf *out = reporting->out;
    double objective = reporting->call->sla.objective;
    nj_api_object_field_begin(out, "total");
    append_period(out, &reporting->total, objective);
    nj_api_object_end(out);
    nj_api_array_begin(out, "periods");
    for (size_t i = 0; i < reporting->count; i++) {
        nj_api_object_begin(out);
        append_period(out, &reporting->periods[i], objective);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
}

static void append_head(struct nj_api_call *call)
{
    struct nj_buf *out = &call->body;
    const struct nj_api_sla_call *sla = &call->sla;
    nj_api_object_begin(out);
    nj_api_field(out, "kind", sla->kind);
    nj_api_field(out, "namespace", sla->namespace);
    nj_api_field(out, "name", sla->name);
    nj_api_field(out, "basis", sla->basis == NJ_SLA_READY ? "ready" : "serving");
    nj_api_field_time(out, "from", sla->from_ns);
    nj_api_field_time(out, "to", sla->until_ns);
}

static struct reporting begin_report(struct nj_api_call *call, struct nj_err *err)
{
    return (struct reporting){
        .call = call,
        .err = err,
        .out = &call->body,
        .total = {.from_ns = call->sla.from_ns, .until_ns = call->sla.until_ns},
    };
}

static int report(struct reporting *reporting, struct nj_err *err)
{
    struct nj_api_call *call = reporting->call;
    int rc = make_periods(reporting, err);
    if (rc < 0)
        return rc;
    append_head(call);
    nj_api_field_ratio(&call->body, "objective", call->sla.objective > 0 ? call->sla.objective : -1);
    rc = compute(reporting, err);
    if (rc == 0 && nj_streq(call->sla.kind, "Service"))
        rc = count_checks(reporting, resolution_of(call));
    append_periods(reporting);
    nj_api_object_end(&call->body);
    return rc;
}

static int query_sla(struct nj_api_call *call, struct nj_err *err)
{
    struct reporting reporting = begin_report(call, err);
    int rc = nj_api_find_service(call, err);
    if (rc == 0)
        rc = report(&reporting, err);
    free(reporting.periods);
    return rc;
}

void nj_api_service_sla(struct nj_api_call *call)
{
    static const char *const names[] = {[NJ_API_BY_RANGE] = "range",
                                        [NJ_API_BY_DAY] = "day",
                                        [NJ_API_BY_WEEK] = "week",
                                        [NJ_API_BY_MONTH] = "month"};
    const char *by = nj_api_param(call, "by");
    int i = NJ_API_BY_RANGE;
    while (by != NULL && i <= NJ_API_BY_MONTH && !nj_streq(by, names[i]))
        i++;
    if (i > NJ_API_BY_MONTH) {
        nj_api_problem(call, 400, "by: '%s' is none of range, day, week, month", by);
        return;
    }
    call->sla.by = (enum nj_api_sla_by)i;
    call->sla.zone = nj_api_param(call, "zone");
    call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    if (nj_api_param_service(call, RANGE_DAYS * NJ_DAY))
        nj_api_run(call, query_sla);
}

static int query_outages(struct nj_api_call *call, struct nj_err *err)
{
    struct reporting reporting = begin_report(call, err);
    int rc = nj_api_find_service(call, err);
    if (rc < 0)
        return rc;
    append_head(call);
    rc = compute(&reporting, err);
    nj_api_object_end(&call->body);
    return rc;
}

void nj_api_service_outages(struct nj_api_call *call)
{
    if (nj_api_param_service(call, RANGE_DAYS * NJ_DAY))
        nj_api_run(call, query_outages);
}
