/*
 * How available each service has been, its objective and error budget, and when that burns too fast: a pure
 * core that is fed with the services' intervals and keeps, of the longest window, those in which a service
 * was not available or nobody could know; everything is worked out from these without reading the store
 * again.
 *
 * Availability is by SERVING and without what was planned. Alerts: Google's SRE workbook, chapter 5, table
 * 5-8 (https://sre.google/workbook/alerting-on-slos/): a budget that burns 14.4 times too fast over both 1 h
 * and 5 min, or 6 times over 6 h and 30 min, is critical; 1 time over 3 d and 6 h is a warning. A service
 * needs an objective for budget and alerts. One thread.
 */
#ifndef NJ_SLA_SLO_H
#define NJ_SLA_SLO_H

#include "collector/sla/interval.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/event.h"

struct nj_slo_book;

enum { NJ_SLO_PAIRS = 3, NJ_SLO_SPANS_MAX = 2000 /* of one service; beyond, the oldest are forgotten */ };
struct nj_slo_pair {
    int64_t long_ns, short_ns;
    double burn;
    const char *severity;
};
extern const struct nj_slo_pair nj_slo_pairs[NJ_SLO_PAIRS];

/* "99.9" or "99.9%": into (0, 1). 0 or -EINVAL. */
int nj_slo_parse(const char *text, double *ret_objective);

struct nj_slo_options {
    const char *cluster; /* of events' ids */
    double objective;    /* of services without one of their own; 0: none */
    int64_t window_ns;
    /* A service's budget burns too fast, does so at another rate, or no longer. Borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    void *data;
};

struct nj_slo_book *nj_slo_new(const struct nj_slo_options *options);
void nj_slo_free(struct nj_slo_book *slo); /* takes NULL */

/* An interval began, changed or ended; the same from_ns is the same one. In the order of their times, but
 * those of before the start (nj_slo_history()) may come later. */
void nj_slo_interval(struct nj_slo_book *slo, const struct nj_interval *interval);
void nj_slo_history(struct nj_slo_book *slo, const struct nj_interval *interval);
/* What a rollout caused was not meant. */
void nj_slo_recause(struct nj_slo_book *slo, const char *namespace, const char *reference,
                    enum nj_outage_cause cause);
/* As an annotation says it; NULL: the options' objective. -EINVAL, once, when it is none: then the options'
 * is in force, and the exposition shows that it is wrong. */
int nj_slo_set_objective(struct nj_slo_book *slo, const char *namespace, const char *service,
                         const char *text);
void nj_slo_gone(struct nj_slo_book *slo, const char *namespace, const char *service);
void nj_slo_remember(struct nj_slo_book *slo, const char *namespace, const char *service, int64_t since_ns);
double nj_slo_objective(const struct nj_slo_book *slo, const char *namespace,
                        const char *service); /* 0: none */

/* Nobody looks since this time, which is unknown for every service; 0: somebody does. */
void nj_slo_blind(struct nj_slo_book *slo, int64_t since_ns);

/* Works out the alerts; about once a minute, and not while nobody looks. */
void nj_slo_tick(struct nj_slo_book *slo, int64_t now_ns);

/* In the `window_ns` before now_ns: the share of what was observed and not planned in which it was available;
 * < 0: nothing was. */
double nj_slo_availability(const struct nj_slo_book *slo, const char *namespace, const char *service,
                           int64_t window_ns, int64_t now_ns);
double nj_slo_budget_left(const struct nj_slo_book *slo, const char *namespace, const char *service,
                          int64_t now_ns);

/* nightjar_service_up, nightjar_service_availability_ratio (1h, 1d and the window), and with an objective
 * nightjar_service_objective_ratio and nightjar_service_error_budget_left_ratio, of every service that there
 * is now; nightjar_service_objective_invalid of those whose annotation is none. Nobody looks: no `up`. */
int nj_slo_exposition(const struct nj_slo_book *slo, int64_t now_ns, struct nj_buf *out);

#endif
