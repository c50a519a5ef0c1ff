/*
 * Whose failure it is, when many checks of the node fail.
 */
#include <stdlib.h>
#include <utlist.h>

#include "agent/probes/probes_internal.h"

/* How long a failure waits at most for the other checks to have run; else for one interval and a run of
 * theirs. */
static const int64_t patience_max_ns = 30 * NJ_SEC;

/* So many others are asked out of turn when a failure waits for what they say. */
enum { ASKED_MAX = 4 };

struct picture {
    struct nj_node_check *checks;
    size_t count;
    int64_t patience_ns;
};

static void look(struct nj_node_probes *probes, struct picture *ret_picture)
{
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    struct picture picture = {.checks = nj_calloc(HASH_COUNT(probes->targets) + 1, sizeof(*picture.checks))};
    HASH_ITER (hh, probes->targets, target, next) {
        if (target->pod == NULL)
            continue;
        const struct nj_spec *spec = target->shared->spec;
        picture.checks[picture.count++] = (struct nj_node_check){
            .failing_since_ns = target->failing_since_ns,
            .last_run_ns = target->last_run_ns,
            .last_pass_ns = target->last_pass_ns,
            .starting = target->held,
            .service = target->service_hash,
            .workload = target->pod->workload_hash,
        };
        if (spec->interval_ns + spec->timeout_ns > picture.patience_ns)
            picture.patience_ns = spec->interval_ns + spec->timeout_ns;
    }
    if (picture.patience_ns > patience_max_ns)
        picture.patience_ns = patience_max_ns;
    *ret_picture = picture;
}

static void node_begins_to_fail(struct nj_node_probes *probes, const struct nj_node_judgement *judgement)
{
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    int64_t now_ns = nj_loop_mono_ns(probes->options.loop);
    probes->node_fails = true;
    probes->node_since_mono_ns = judgement->since_ns;
    probes->node_since_ns = nj_loop_wall_ns(probes->options.loop) - (now_ns - judgement->since_ns);
    nj_gauge_set(probes->metrics.node_fails, 1);
    HASH_ITER (hh, probes->targets, target, next) {
        if (target->waits_since_ns == 0)
            continue;
        nj_tell_forget(target);
        target->nodes = true;
        nj_gauge_add(probes->metrics.held_back, 1);
    }
    nj_tell_node(probes, NJ_CHECK_FAILING, judgement->counted);
}

/* One of them passes; or none is left, and nobody can say how the node is. Those that were the node's are
 * told when they fail again from now on. */
static void node_ends_to_fail(struct nj_node_probes *probes, enum nj_check_state state)
{
    probes->node_fails = false;
    probes->node_since_ns = nj_loop_wall_ns(probes->options.loop);
    nj_gauge_set(probes->metrics.node_fails, 0);
    nj_tell_node(probes, state, 0);
}

/* One that passes is enough to tell at once: nobody waits for its turn. First one of each Service. */
static void ask_others(struct nj_node_probes *probes)
{
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    uint64_t asked[ASKED_MAX];
    size_t count = 0;
    probes->asked_ns = nj_loop_mono_ns(probes->options.loop);
    HASH_ITER (hh, probes->targets, target, next) {
        size_t same = 0;
        if (target->pod == NULL || target->held || target->failing_since_ns != 0)
            continue;
        while (same < count && asked[same] != target->service_hash)
            same++;
        if (same < count)
            continue;
        asked[count++] = target->service_hash;
        nj_check_now(probes->checks, target->check);
        if (count == ASKED_MAX)
            return;
    }
}

/* Tells the failures that are clearly their own, and returns when the next one has waited long enough. */
static int64_t release(struct nj_node_probes *probes, const struct nj_node_judgement *judgement,
                       int64_t patience_ns)
{
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    int64_t now_ns = nj_loop_mono_ns(probes->options.loop);
    int64_t first_ns = INT64_MAX;
    bool is_new = false;
    HASH_ITER (hh, probes->targets, target, next) {
        if (target->waits_since_ns == 0)
            continue;
        int64_t until_ns = target->waits_since_ns + patience_ns;
        if (judgement->verdict == NJ_NODE_OWN || judgement->last_pass_ns > target->failing_since_ns ||
            until_ns <= now_ns)
            nj_tell_kept(target);
        else {
            is_new |= target->waits_since_ns > probes->asked_ns;
            first_ns = until_ns < first_ns ? until_ns : first_ns;
        }
    }
    if (is_new)
        ask_others(probes);
    return first_ns == INT64_MAX ? INT64_MAX : first_ns - now_ns;
}

void nj_tell_judge(struct nj_node_probes *probes)
{
    struct picture picture;
    struct nj_node_judgement judgement;
    if (probes->closing || (probes->waiting == 0 && !probes->node_fails))
        return;
    look(probes, &picture);
    nj_node_judge(picture.checks, picture.count, &judgement);
    free(picture.checks);
    if (probes->node_fails) {
        if (judgement.last_pass_ns > probes->node_since_mono_ns)
            node_ends_to_fail(probes, NJ_CHECK_PASSING);
        else if (judgement.counted == 0)
            node_ends_to_fail(probes, NJ_CHECK_GONE);
        return;
    }
    if (judgement.verdict == NJ_NODE_FAILS) {
        node_begins_to_fail(probes, &judgement);
        return;
    }
    int64_t delay_ns = release(probes, &judgement, picture.patience_ns);
    if (delay_ns == INT64_MAX)
        nj_timer_stop(&probes->judge_timer);
    else
        nj_timer_start(&probes->judge_timer, delay_ns, 0);
}
