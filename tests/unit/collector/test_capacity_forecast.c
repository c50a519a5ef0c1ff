/*
 * The domino forecast: what people would see of small clusters, and random ones against a slow and obvious
 * reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/capacity/capacity_forecast.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

enum { NODES_MAX = 16, PODS_MAX = 200, PLACEMENTS = 4 };

struct cluster_pod {
    int node;
    struct nj_forecast_pod pod;
    char name[16];
};

struct cluster {
    struct nj_forecast_node nodes[NODES_MAX];
    int nodes_count;
    struct cluster_pod pods[PODS_MAX];
    int pods_count;
    enum nj_fit fits[PLACEMENTS][NODES_MAX];
    struct nj_forecast_outcome outcomes[NODES_MAX];
    int outcomes_count;
};

static enum nj_fit fit(void *data, uint32_t placement, const struct nj_forecast_node *node)
{
    const struct cluster *cluster = data;
    return cluster->fits[placement][*(const int *)node->data];
}

static void on_outcome(void *data, const struct nj_forecast *forecast, const struct nj_forecast_node *lost,
                       const struct nj_forecast_outcome *outcome)
{
    struct cluster *cluster = data;
    (void)forecast;
    cluster->outcomes[*(const int *)lost->data] = *outcome;
    cluster->outcomes_count++;
}

static int numbers[NODES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct nj_forecast_node *add_node(struct cluster *cluster, int64_t cpu, int64_t memory, int64_t pods)
{
    struct nj_forecast_node *node = &cluster->nodes[cluster->nodes_count];
    *node = (struct nj_forecast_node){.cpu_micros = cpu,
                                      .memory_bytes = memory,
                                      .pods = pods,
                                      .usable = true,
                                      .data = &numbers[cluster->nodes_count++]};
    return node;
}

/* It takes of its node, too. */
static struct nj_forecast_pod *add_pod(struct cluster *cluster, int node, int64_t cpu, int64_t memory,
                                       int64_t memory_use)
{
    struct cluster_pod *added = &cluster->pods[cluster->pods_count];
    (void)snprintf(added->name, sizeof(added->name), "pod-%03d", cluster->pods_count++);
    added->node = node;
    added->pod = (struct nj_forecast_pod){.namespace = "shop",
                                          .name = added->name,
                                          .cpu_micros = {cpu, cpu / 2},
                                          .memory_bytes = {memory, memory_use}};
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        cluster->nodes[node].cpu_taken[by] += added->pod.cpu_micros[by];
        cluster->nodes[node].memory_taken[by] += added->pod.memory_bytes[by];
    }
    cluster->nodes[node].pods_taken++;
    return &added->pod;
}

static struct nj_forecast *run(struct cluster *cluster)
{
    const struct nj_forecast_options options = {.fit = fit, .on_outcome = on_outcome, .data = cluster};
    struct nj_forecast *forecast = nj_forecast_new(&options);
    for (int n = 0; n < cluster->nodes_count; n++) {
        nj_forecast_add_node(forecast, &cluster->nodes[n]);
        for (int p = 0; p < cluster->pods_count; p++) {
            if (cluster->pods[p].node == n)
                nj_forecast_add_pod(forecast, &cluster->pods[p].pod);
        }
    }
    nj_forecast_begin(forecast, PLACEMENTS);
    while (!nj_forecast_step(forecast))
        ;
    return forecast;
}

/* ---- small clusters */

static void a_node_whose_pods_fit_elsewhere_can_be_lost(void **state)
{
    struct cluster cluster = {0};
    (void)state;
    add_node(&cluster, 4000, 1000, 10);
    add_node(&cluster, 4000, 1000, 10);
    add_pod(&cluster, 0, 1000, 300, 100);
    add_pod(&cluster, 1, 1000, 300, 200);
    nj_forecast_free(run(&cluster));
    assert_int_equal(cluster.outcomes_count, 2);
    assert_int_equal(cluster.outcomes[0].movable, 1);
    assert_int_equal(cluster.outcomes[0].unplaceable[NJ_FORECAST_REQUESTS], 0);
    assert_int_equal(cluster.outcomes[0].unplaceable[NJ_FORECAST_USE], 0);
    assert_int_equal(cluster.outcomes[0].next, 1);
    assert_true(cluster.outcomes[0].next_share > 0.29 && cluster.outcomes[0].next_share < 0.31);
    assert_int_equal(cluster.outcomes[0].fallen_count, 0);
}

static void what_finds_no_room_says_why(void **state)
{
    struct cluster cluster = {0};
    (void)state;
    add_node(&cluster, 4000, 1000, 10);
    add_node(&cluster, 4000, 1000, 10);
    add_node(&cluster, 4000, 1000, 10);
    add_node(&cluster, 4000, 1000, 10)->usable = false;
    add_node(&cluster, 4000, 1000, 1);
    cluster.fits[0][2] = NJ_FIT_TAINT;
    add_pod(&cluster, 0, 1000, 500, 10);
    add_pod(&cluster, 1, 3500, 900, 10);
    add_pod(&cluster, 4, 0, 0, 10);
    struct nj_forecast *forecast = run(&cluster);
    assert_int_equal(cluster.outcomes_count, 4);
    const struct nj_forecast_outcome *outcome = &cluster.outcomes[0];
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_REQUESTS], 1);
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_USE], 0);
    assert_int_equal(outcome->refusals_count[NJ_FORECAST_REQUESTS], 1);
    assert_string_equal(outcome->refusals[NJ_FORECAST_REQUESTS][0].pod->name, "pod-000");
    assert_string_equal(outcome->refusals[NJ_FORECAST_REQUESTS][0].why,
                        "0/4 nodes are available: 1 node(s) were not ready or not known, 1 node(s) had "
                        "untolerated taint(s), 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods");
    nj_forecast_free(forecast);
}

static void what_matters_more_is_placed_first(void **state)
{
    struct cluster cluster = {0};
    (void)state;
    add_node(&cluster, 4000, 1000, 10);
    add_node(&cluster, 4000, 500, 10);
    add_pod(&cluster, 0, 10, 400, 10);
    add_pod(&cluster, 0, 10, 300, 10)->priority = 1000;
    struct nj_forecast *forecast = run(&cluster);
    const struct nj_forecast_outcome *outcome = &cluster.outcomes[0];
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_REQUESTS], 1);
    assert_string_equal(outcome->refusals[NJ_FORECAST_REQUESTS][0].pod->name, "pod-000");
    nj_forecast_free(forecast);
}

/* Requests are met everywhere, but each node that falls takes the next with it. */
static void nodes_fall_one_after_the_other(void **state)
{
    struct cluster cluster = {0};
    (void)state;
    for (int i = 0; i < 4; i++) {
        add_node(&cluster, 100000, 1000, 100);
        add_pod(&cluster, i, 100, 100, 700 + i);
    }
    nj_forecast_free(run(&cluster));
    const struct nj_forecast_outcome *outcome = &cluster.outcomes[0];
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_REQUESTS], 0);
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_USE], 1);
    assert_int_equal(outcome->next, 1);
    assert_true(outcome->next_share > 1.4);
    assert_int_equal(outcome->fallen_count, 3);
    assert_int_equal(outcome->fallen[0], 1);
    assert_int_equal(outcome->fallen_unplaceable, 4);
}

static void the_only_node_has_no_other(void **state)
{
    struct cluster cluster = {0};
    (void)state;
    add_node(&cluster, 4000, 1000, 10);
    add_pod(&cluster, 0, 10, 10, 10);
    nj_forecast_free(run(&cluster));
    assert_int_equal(cluster.outcomes[0].unplaceable[NJ_FORECAST_REQUESTS], 1);
    assert_string_equal(cluster.outcomes[0].refusals[0][0].why, "0/0 nodes are available: there is no other");
    assert_int_equal(cluster.outcomes[0].next, -1);
}

/* ---- the reference */

struct reference {
    const struct cluster *cluster;
    int lost;
    bool fallen[NODES_MAX];
    int64_t cpu[NODES_MAX][NJ_FORECAST_BYS], memory[NODES_MAX][NJ_FORECAST_BYS], pods[NODES_MAX];
    int at[PODS_MAX]; /* where each pod is; -1: nowhere */
    double mean_cpu, mean_memory;
};

static void reference_begin(struct reference *reference, const struct cluster *cluster, int lost)
{
    double usable = 0;
    *reference = (struct reference){.cluster = cluster, .lost = lost};
    for (int n = 0; n < cluster->nodes_count; n++) {
        memcpy(reference->cpu[n], cluster->nodes[n].cpu_taken, sizeof(reference->cpu[n]));
        memcpy(reference->memory[n], cluster->nodes[n].memory_taken, sizeof(reference->memory[n]));
        reference->pods[n] = cluster->nodes[n].pods_taken;
        usable += cluster->nodes[n].usable;
        reference->mean_cpu += cluster->nodes[n].usable ? (double)cluster->nodes[n].cpu_micros : 0;
        reference->mean_memory += cluster->nodes[n].usable ? (double)cluster->nodes[n].memory_bytes : 0;
    }
    reference->mean_cpu /= usable;
    reference->mean_memory /= usable;
    for (int p = 0; p < cluster->pods_count; p++)
        reference->at[p] = cluster->pods[p].node;
}

static bool reference_place(struct reference *reference, int by, int p)
{
    const struct cluster *cluster = reference->cluster;
    const struct nj_forecast_pod *pod = &cluster->pods[p].pod;
    int best = -1;
    double best_room = 0;
    for (int n = 0; n < cluster->nodes_count; n++) {
        const struct nj_forecast_node *node = &cluster->nodes[n];
        int64_t cpu = node->cpu_micros - reference->cpu[n][by];
        int64_t memory = node->memory_bytes - reference->memory[n][by];
        if (n == reference->lost || reference->fallen[n] || !node->usable ||
            cluster->fits[pod->placement][n] != NJ_FIT_OK || reference->pods[n] >= node->pods)
            continue;
        if ((pod->cpu_micros[by] > 0 && pod->cpu_micros[by] > cpu) ||
            (pod->memory_bytes[by] > 0 && pod->memory_bytes[by] > memory))
            continue;
        double by_cpu = (double)cpu / reference->mean_cpu;
        double by_memory = (double)memory / reference->mean_memory;
        double room = by_cpu < by_memory ? by_cpu : by_memory;
        if (best < 0 || room > best_room) {
            best = n;
            best_room = room;
        }
    }
    reference->at[p] = best;
    for (int each = 0; best >= 0 && each < NJ_FORECAST_BYS; each++) {
        reference->cpu[best][each] += pod->cpu_micros[each];
        reference->memory[best][each] += pod->memory_bytes[each];
    }
    if (best >= 0)
        reference->pods[best]++;
    return best >= 0;
}

static bool before(const struct nj_forecast_pod *a, const struct nj_forecast_pod *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->memory_bytes[0] != b->memory_bytes[0])
        return a->memory_bytes[0] > b->memory_bytes[0];
    if (a->cpu_micros[0] != b->cpu_micros[0])
        return a->cpu_micros[0] > b->cpu_micros[0];
    return strcmp(a->name, b->name) < 0;
}

/* Places all pods of a node, the most important first; how many found no other. */
static uint32_t reference_lose(struct reference *reference, int by, int node)
{
    bool moved[PODS_MAX] = {false};
    uint32_t unplaceable = 0;
    for (;;) {
        int first = -1;
        for (int p = 0; p < reference->cluster->pods_count; p++) {
            if (reference->at[p] == node && !moved[p] &&
                (first < 0 || before(&reference->cluster->pods[p].pod, &reference->cluster->pods[first].pod)))
                first = p;
        }
        if (first < 0)
            return unplaceable;
        moved[first] = true;
        unplaceable += !reference_place(reference, by, first);
    }
}

static double reference_share(const struct reference *reference, int node)
{
    return (double)reference->memory[node][NJ_FORECAST_USE] /
           (double)reference->cluster->nodes[node].memory_bytes;
}

static int reference_fullest(const struct reference *reference, bool only_touched)
{
    int fullest = -1;
    for (int n = 0; n < reference->cluster->nodes_count; n++) {
        bool touched = reference->pods[n] > reference->cluster->nodes[n].pods_taken;
        if (n == reference->lost || reference->fallen[n] || !reference->cluster->nodes[n].usable ||
            (only_touched && !touched))
            continue;
        if (fullest < 0 || reference_share(reference, n) > reference_share(reference, fullest))
            fullest = n;
    }
    return fullest;
}

static void check_against_reference(const struct cluster *cluster, int lost)
{
    const struct nj_forecast_outcome *outcome = &cluster->outcomes[lost];
    struct reference reference;
    reference_begin(&reference, cluster, lost);
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_USE],
                     reference_lose(&reference, NJ_FORECAST_USE, lost));
    reference_begin(&reference, cluster, lost);
    assert_int_equal(outcome->unplaceable[NJ_FORECAST_REQUESTS],
                     reference_lose(&reference, NJ_FORECAST_REQUESTS, lost));
    int next = reference_fullest(&reference, false);
    assert_int_equal(outcome->next, next);
    if (next >= 0)
        assert_true(outcome->next_share == reference_share(&reference, next));
    uint32_t unplaceable = 0;
    size_t fallen = 0;
    for (; fallen < NJ_FORECAST_FALLEN_MAX; fallen++) {
        int falls = reference_fullest(&reference, true);
        if (falls < 0 || reference_share(&reference, falls) <= 1)
            break;
        assert_true(fallen < outcome->fallen_count);
        assert_int_equal(outcome->fallen[fallen], falls);
        reference.fallen[falls] = true;
        unplaceable += reference_lose(&reference, NJ_FORECAST_REQUESTS, falls);
    }
    assert_int_equal(outcome->fallen_count, fallen);
    assert_int_equal(outcome->fallen_unplaceable, unplaceable);
}

static int random_below(unsigned *seed, int bound)
{
    return rand_r(seed) % bound;
}

static int64_t random_amount(unsigned *seed, int64_t step, int bound)
{
    return step * random_below(seed, bound);
}

/* Sizes are few and round, so that there are ties, and nodes that are just full. */
static void make_random(struct cluster *cluster, unsigned *seed)
{
    *cluster = (struct cluster){0};
    int nodes = 1 + random_below(seed, NODES_MAX);
    for (int n = 0; n < nodes; n++) {
        struct nj_forecast_node *node =
            add_node(cluster, 1000 + random_amount(seed, 1000, 4), 1000 + random_amount(seed, 1000, 3),
                     3 + random_below(seed, 20));
        node->usable = random_below(seed, 8) != 0;
    }
    for (int placement = 1; placement < PLACEMENTS; placement++) {
        for (int n = 0; n < nodes; n++)
            cluster->fits[placement][n] = random_below(seed, 3) == 0
                                              ? NJ_FIT_OK
                                              : (enum nj_fit)(NJ_FIT_GONE + 1 + random_below(seed, 3));
    }
    int pods = random_below(seed, PODS_MAX);
    for (int p = 0; p < pods; p++) {
        int node = random_below(seed, nodes);
        struct nj_forecast_pod *pod = add_pod(cluster, node, random_amount(seed, 50, 6),
                                              random_amount(seed, 50, 6), random_amount(seed, 25, 20));
        pod->priority = random_below(seed, 4) == 0 ? 100 * random_below(seed, 3) : 0;
        pod->placement = (uint32_t)random_below(seed, PLACEMENTS);
    }
}

static void random_clusters_end_as_the_slow_reference_says(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 400; round++) {
        struct cluster *cluster = NJ_NEW(struct cluster);
        unsigned seed = round;
        make_random(cluster, &seed);
        nj_forecast_free(run(cluster));
        for (int n = 0; n < cluster->nodes_count; n++) {
            if (cluster->nodes[n].usable)
                check_against_reference(cluster, n);
        }
        free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_whose_pods_fit_elsewhere_can_be_lost),
        cmocka_unit_test(what_finds_no_room_says_why),
        cmocka_unit_test(what_matters_more_is_placed_first),
        cmocka_unit_test(nodes_fall_one_after_the_other),
        cmocka_unit_test(the_only_node_has_no_other),
        cmocka_unit_test(random_clusters_end_as_the_slow_reference_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
