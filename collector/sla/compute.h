/*
 * SLA from intervals: pure. Definitions, over [from, until):
 *
 * - observed: time whose state is neither unknown nor none by design (nor before the service was).
 * - available, by READY: up or degraded; by SERVING: draining too (kube-proxy sends to terminating endpoints
 *   that serve, when there are no others).
 * - planned: not available for a planned cause (rollout, scaling, scaled to zero, maintenance).
 * - availability: available / observed; without planned: available / (observed - planned).
 * - coverage: observed / (until - from).
 * - outage: a longest run of not available, whatever its intervals, as far as it lies within; its cause is
 * the first unplanned one's, else the first's. Time that nobody observed ends it.
 * - MTTR, mean time to restoration: the outages' time / their number. MTBF, mean operating time between
 *   failures: available time / number of outages. IEC 60050-192 (https://www.electropedia.org), 192-07-23 and
 *   192-05-13; available / observed is then MTBF / (MTBF + MTTR), 192-08-05's steady state availability.
 */
#ifndef NJ_SLA_COMPUTE_H
#define NJ_SLA_COMPUTE_H

#include "collector/sla/interval.h"

enum nj_sla_basis { NJ_SLA_READY, NJ_SLA_SERVING };

struct nj_sla_summary {
    int64_t observed_ns, available_ns, planned_ns, unknown_ns, longest_ns;
    uint32_t outages, unplanned_outages;
    int64_t outages_ns; /* their lengths, as far as they lie within */
};
struct nj_sla_outage {
    int64_t from_ns, until_ns; /* until 0: it lasts */
    enum nj_outage_cause cause;
    const char *detail, *reference; /* borrowed from the interval */
    bool planned;
    int32_t min_ready;
};

struct nj_sla_computing;
struct nj_sla_computing *nj_sla_begin(enum nj_sla_basis basis, int64_t from_ns, int64_t until_ns,
                                      void (*on_outage)(void *data, const struct nj_sla_outage *outage),
                                      void *data);
/* In the order of their times, one service's; cut to the range. */
void nj_sla_add(struct nj_sla_computing *computing, const struct nj_interval *interval);
/* Ends it and frees it. */
void nj_sla_end(struct nj_sla_computing *computing, struct nj_sla_summary *ret_summary);

double nj_sla_availability(const struct nj_sla_summary *summary,
                           bool without_planned); /* 0..1; < 0: nothing observed */

/* Google's SRE workbook, chapter 5 (https://sre.google/workbook/alerting-on-slos/): how many times faster
 * than sustainable the error budget is burnt, and the share of the budget of window_ns that is left (< 0:
 * overspent). What was planned costs nothing. objective within (0, 1). */
double nj_sla_burn_rate(const struct nj_sla_summary *summary, double objective);
double nj_sla_budget_left(const struct nj_sla_summary *summary, double objective, int64_t window_ns);

#endif
