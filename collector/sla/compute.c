#include "collector/sla/compute.h"

#include "common/base/alloc.h"
#include "common/base/str.h"

struct nj_sla_computing {
    enum nj_sla_basis basis;
    int64_t from_ns, until_ns;
    struct nj_sla_summary summary;
    /* The run of not available that is going on; from_ns 0: none. Its texts are copies: the intervals' are
     * borrowed. */
    struct nj_sla_outage outage;
    char *detail, *reference;
    int64_t outage_end_ns; /* of its latest interval */
    void (*on_outage)(void *data, const struct nj_sla_outage *outage);
    void *data;
};

struct nj_sla_computing *nj_sla_begin(enum nj_sla_basis basis, int64_t from_ns, int64_t until_ns,
                                      void (*on_outage)(void *data, const struct nj_sla_outage *outage),
                                      void *data)
{
    struct nj_sla_computing *computing = NJ_NEW(struct nj_sla_computing);
    computing->basis = basis;
    computing->from_ns = from_ns;
    computing->until_ns = until_ns;
    computing->on_outage = on_outage;
    computing->data = data;
    return computing;
}

static bool is_observed(const struct nj_interval *interval)
{
    return interval->state != NJ_SERVICE_UNKNOWN && interval->state != NJ_SERVICE_NONE_BY_DESIGN;
}

static bool is_available(enum nj_sla_basis basis, const struct nj_interval *interval)
{
    return interval->state == NJ_SERVICE_UP || interval->state == NJ_SERVICE_DEGRADED ||
           (basis == NJ_SLA_SERVING && interval->state == NJ_SERVICE_DRAINING);
}

static void set_cause(struct nj_sla_computing *computing, const struct nj_interval *interval)
{
    struct nj_sla_outage *outage = &computing->outage;
    outage->cause = interval->cause;
    outage->planned = nj_outage_cause_is_planned(interval->cause);
    free(computing->detail);
    free(computing->reference);
    outage->detail = computing->detail = nj_strdup(nj_str(interval->detail));
    outage->reference = computing->reference = nj_strdup(nj_str(interval->reference));
}

/* `lasts`: it goes on beyond what is known. */
static void end_outage(struct nj_sla_computing *computing, bool lasts)
{
    struct nj_sla_outage *outage = &computing->outage;
    struct nj_sla_summary *summary = &computing->summary;
    if (outage->from_ns == 0)
        return;
    int64_t length_ns = computing->outage_end_ns - outage->from_ns;
    summary->outages++;
    summary->unplanned_outages += outage->planned ? 0 : 1;
    summary->outages_ns += length_ns;
    if (length_ns > summary->longest_ns)
        summary->longest_ns = length_ns;
    outage->until_ns = lasts ? 0 : computing->outage_end_ns;
    if (computing->on_outage != NULL)
        computing->on_outage(computing->data, outage);
    *outage = (struct nj_sla_outage){0};
}

static void extend_outage(struct nj_sla_computing *computing, const struct nj_interval *interval,
                          int64_t from_ns, int64_t until_ns)
{
    struct nj_sla_outage *outage = &computing->outage;
    if (outage->from_ns == 0) {
        outage->from_ns = from_ns;
        outage->min_ready = interval->min_ready;
        set_cause(computing, interval);
    } else if (outage->planned && !nj_outage_cause_is_planned(interval->cause) &&
               interval->cause != NJ_OUTAGE_BY_NOTHING) {
        set_cause(computing, interval); /* what was not meant is what is to be told */
    }
    if (interval->min_ready < outage->min_ready)
        outage->min_ready = interval->min_ready;
    computing->outage_end_ns = until_ns;
}

void nj_sla_add(struct nj_sla_computing *computing, const struct nj_interval *interval)
{
    struct nj_sla_summary *summary = &computing->summary;
    bool open = interval->until_ns == 0;
    int64_t from_ns = interval->from_ns > computing->from_ns ? interval->from_ns : computing->from_ns;
    int64_t until_ns = open ? interval->seen_ns : interval->until_ns;
    if (until_ns > computing->until_ns)
        until_ns = computing->until_ns;
    /* One that has just begun has no length yet, and is there all the same. */
    bool begins =
        open && until_ns == interval->from_ns && until_ns == from_ns && until_ns < computing->until_ns;
    if (until_ns <= from_ns && !begins)
        return;
    int64_t length_ns = until_ns - from_ns;
    if (from_ns > computing->outage_end_ns) /* it was not there in between */
        end_outage(computing, false);
    if (!is_observed(interval)) {
        summary->unknown_ns += interval->state == NJ_SERVICE_UNKNOWN ? length_ns : 0;
        end_outage(computing, false);
        return;
    }
    summary->observed_ns += length_ns;
    if (is_available(computing->basis, interval)) {
        summary->available_ns += length_ns;
        end_outage(computing, false);
        return;
    }
    summary->planned_ns += nj_outage_cause_is_planned(interval->cause) ? length_ns : 0;
    extend_outage(computing, interval, from_ns, until_ns);
    if (open && interval->seen_ns <= computing->until_ns)
        end_outage(computing, true);
}

void nj_sla_end(struct nj_sla_computing *computing, struct nj_sla_summary *ret_summary)
{
    end_outage(computing, computing->outage_end_ns >= computing->until_ns);
    *ret_summary = computing->summary;
    free(computing->detail);
    free(computing->reference);
    free(computing);
}

double nj_sla_availability(const struct nj_sla_summary *summary, bool without_planned)
{
    int64_t counted_ns = summary->observed_ns - (without_planned ? summary->planned_ns : 0);
    return counted_ns > 0 ? (double)summary->available_ns / (double)counted_ns : -1;
}

double nj_sla_burn_rate(const struct nj_sla_summary *summary, double objective)
{
    double availability = nj_sla_availability(summary, true);
    return availability < 0 ? 0 : (1 - availability) / (1 - objective);
}

double nj_sla_budget_left(const struct nj_sla_summary *summary, double objective, int64_t window_ns)
{
    int64_t spent_ns = summary->observed_ns - summary->planned_ns - summary->available_ns;
    return 1 - (double)spent_ns / ((1 - objective) * (double)window_ns);
}
