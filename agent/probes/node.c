#include "agent/probes/node.h"

struct sum {
    size_t counted, failing;
    bool services, workloads; /* there are at least two */
    const struct nj_node_check *first;
    int64_t oldest_run_ns;
};

static void add(struct sum *sum, const struct nj_node_check *check)
{
    if (sum->first == NULL)
        sum->first = check;
    sum->services = sum->services || check->service != sum->first->service;
    sum->workloads = sum->workloads || check->workload != sum->first->workload;
    sum->counted++;
    sum->failing += check->failing_since_ns != 0;
    if (sum->oldest_run_ns == 0 || check->last_run_ns < sum->oldest_run_ns)
        sum->oldest_run_ns = check->last_run_ns;
}

void nj_node_judge(const struct nj_node_check *checks, size_t count, struct nj_node_judgement *ret_judgement)
{
    struct sum sum = {0};
    struct nj_node_judgement judgement = {.verdict = NJ_NODE_OPEN};
    for (size_t i = 0; i < count; i++) {
        if (checks[i].last_pass_ns > judgement.last_pass_ns)
            judgement.last_pass_ns = checks[i].last_pass_ns;
        if (checks[i].starting || checks[i].last_run_ns == 0)
            continue;
        add(&sum, &checks[i]);
        if (checks[i].failing_since_ns > judgement.since_ns)
            judgement.since_ns = checks[i].failing_since_ns;
    }
    judgement.counted = sum.counted;
    if (sum.counted < NJ_NODE_TARGETS || (!sum.services && !sum.workloads))
        judgement.verdict = NJ_NODE_OWN;
    else if (sum.failing == sum.counted && sum.oldest_run_ns >= judgement.since_ns &&
             judgement.last_pass_ns < judgement.since_ns)
        judgement.verdict = NJ_NODE_FAILS;
    *ret_judgement = judgement;
}
