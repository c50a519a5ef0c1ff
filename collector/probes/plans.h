/*
 * The plans for agents: each namespace's part as it is encoded, and a version over the parts that an agent
 * asks for. Parts hold secrets and are wiped. Private to collector/probes; put() and open() are for the loop,
 * append() for any thread.
 */
#ifndef NJ_PROBES_PLANS_H
#define NJ_PROBES_PLANS_H

#include "common/base/metrics.h"
#include "common/wire/plan.h"

struct nj_plans;

struct nj_plans *nj_plans_new(struct nj_metrics *metrics);
void nj_plans_free(struct nj_plans *plans); /* takes NULL */

/* A namespace's part; without checks and without `derive` it has none. */
void nj_plans_put(struct nj_plans *plans, const struct nj_plan_namespace *namespace);
/* Has nj_plans_put() given it a part? */
bool nj_plans_has(struct nj_plans *plans, const char *namespace);
/* Until then there is no plan for anybody: what is not known yet must not end what agents do. */
void nj_plans_open(struct nj_plans *plans);

/* As nj_probes_plan(). */
bool nj_plans_append(struct nj_plans *plans, const char *const *namespaces, size_t count, const char *have,
                     struct nj_buf *out);

#endif
