/*
 * The plan that is in force: a copy in one block of memory, which is wiped when it goes, for it may hold
 * secrets. Private to agent/probes.
 */
#ifndef NJ_PROBES_PLAN_H
#define NJ_PROBES_PLAN_H

#include "common/wire/plan.h"

struct nj_plan_copy {
    struct nj_plan plan; /* namespaces sorted by name */
    size_t bytes;        /* of the block */
};

struct nj_plan_copy *nj_plan_copy_new(const struct nj_plan *plan);
void nj_plan_copy_free(struct nj_plan_copy *copy); /* takes NULL */

/* NULL: the plan has nothing for it. */
const struct nj_plan_namespace *nj_plan_copy_find(const struct nj_plan_copy *copy, const char *name);

#endif
