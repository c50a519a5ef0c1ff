/*
 * bench_forecast NODES PODS FULL_PERCENT: what a domino forecast costs. Every node is lost once; its pods are
 * placed by requests and by use. Pods come in 200 workloads with 20 ways of being placed (node selectors,
 * affinity to zones, tolerations); FULL_PERCENT of the cluster's CPU is requested. The peer places each pod
 * by looking at every node, without what falls afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/capacity/capacity_forecast.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/bench/measure.h"

enum { PLACEMENTS = 20, WORKLOADS = 200, ZONES = 3, LABELS = 12, NAME_MAX_BYTES = 32, NODE_PODS = 110 };

static const int64_t NODE_CPU = 16000000, NODE_MEMORY = INT64_C(64) << 30;

struct node {
    char name[NAME_MAX_BYTES];
    struct nj_kube_pair labels[LABELS];
    struct nj_node_object object;
    struct nj_nodes_node view;
    struct nj_forecast_node slot;
    size_t first, count;
};

struct cluster {
    struct node *nodes;
    struct nj_forecast_pod *pods;
    char (*names)[NAME_MAX_BYTES];
    struct nj_placement *placements[PLACEMENTS];
    size_t nodes_count, pods_count;
    uint64_t unplaceable, fallen, outcomes;
};

static enum nj_fit fit(void *data, uint32_t placement, const struct nj_forecast_node *node)
{
    const struct cluster *cluster = data;
    return nj_placement_fit(cluster->placements[placement], &((const struct node *)node->data)->view);
}

static void on_outcome(void *data, const struct nj_forecast *forecast, const struct nj_forecast_node *lost,
                       const struct nj_forecast_outcome *outcome)
{
    struct cluster *cluster = data;
    (void)forecast;
    (void)lost;
    cluster->unplaceable += outcome->unplaceable[NJ_FORECAST_REQUESTS];
    cluster->fallen += outcome->fallen_count;
    cluster->outcomes++;
}

static void make_placements(struct cluster *cluster)
{
    for (int i = 0; i < PLACEMENTS; i++) {
        char text[512];
        if (i % 4 == 1)
            (void)snprintf(text, sizeof(text), "{\"nodeSelector\":{\"zone\":\"zone-%d\"}}", i % ZONES);
        else if (i % 4 == 2)
            (void)snprintf(text, sizeof(text),
                           "{\"affinity\":[{\"matchExpressions\":[{\"key\":\"pool\",\"operator\":\"In\","
                           "\"values\":[\"pool-%d\",\"pool-%d\"]}]}],\"tolerations\":[{\"operator\":"
                           "\"Exists\"}]}",
                           i % 5, (i + 1) % 5);
        else
            (void)snprintf(text, sizeof(text),
                           "{\"tolerations\":[{\"key\":\"k%d\",\"operator\":\"Exists\"}]}", i);
        cluster->placements[i] = nj_placement_parse(text);
        if (cluster->placements[i] == NULL)
            nj_bench_fail("no placement: %s", text);
    }
}

static char texts[16][NAME_MAX_BYTES];

static void make_node(struct cluster *cluster, size_t i)
{
    static const char *const keys[LABELS] = {
        "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "kubernetes.io/hostname", "pool", "zone"};
    struct node *node = &cluster->nodes[i];
    (void)snprintf(node->name, sizeof(node->name), "node-%05zu", i);
    for (int l = 0; l < LABELS; l++)
        node->labels[l] = (struct nj_kube_pair){keys[l], "value"};
    node->labels[LABELS - 3].value = node->name;
    node->labels[LABELS - 2].value = texts[i % 5];
    node->labels[LABELS - 1].value = texts[5 + i % ZONES];
    node->view = (struct nj_nodes_node){.name = node->name,
                                        .labels = node->labels,
                                        .labels_count = LABELS,
                                        .ready = true,
                                        .node = &node->object};
    node->slot = (struct nj_forecast_node){
        .cpu_micros = NODE_CPU, .memory_bytes = NODE_MEMORY, .pods = NODE_PODS, .usable = true, .data = node};
}

static void make(struct cluster *cluster, size_t nodes, size_t pods, int64_t percent)
{
    unsigned seed = 1;
    *cluster = (struct cluster){.nodes = nj_calloc(nodes, sizeof(*cluster->nodes)),
                                .pods = nj_calloc(pods, sizeof(*cluster->pods)),
                                .names = nj_calloc(pods, sizeof(*cluster->names)),
                                .nodes_count = nodes,
                                .pods_count = pods};
    for (int i = 0; i < 5; i++)
        (void)snprintf(texts[i], sizeof(texts[i]), "pool-%d", i);
    for (int i = 0; i < ZONES; i++)
        (void)snprintf(texts[5 + i], sizeof(texts[5 + i]), "zone-%d", i);
    make_placements(cluster);
    for (size_t i = 0; i < nodes; i++)
        make_node(cluster, i);
    int64_t mean_cpu = NODE_CPU * (int64_t)nodes / (int64_t)pods * percent / 100;
    int64_t mean_memory = NODE_MEMORY / 1024 * (int64_t)nodes / (int64_t)pods * percent / 100 * 1024 * 8 / 10;
    for (size_t p = 0; p < pods; p++) {
        size_t n = p * nodes / pods;
        struct node *node = &cluster->nodes[n];
        int64_t workload = rand_r(&seed) % WORKLOADS;
        (void)snprintf(cluster->names[p], sizeof(cluster->names[p]), "web-%03d-%06zu", (int)workload, p);
        struct nj_forecast_pod *pod = &cluster->pods[p];
        *pod = (struct nj_forecast_pod){
            .namespace = "shop",
            .name = cluster->names[p],
            .cpu_micros = {mean_cpu / 2 + mean_cpu * workload / WORKLOADS,
                           mean_cpu / 4 + mean_cpu * (rand_r(&seed) % 100) / 400},
            .memory_bytes = {mean_memory / 2 + mean_memory * workload / WORKLOADS,
                             mean_memory / 2 + mean_memory * (rand_r(&seed) % 100) / 200},
            .priority = workload % 10 == 0 ? 1000 : 0,
            .placement = (uint32_t)(workload % PLACEMENTS)};
        if (node->count++ == 0)
            node->first = p;
        for (int by = 0; by < NJ_FORECAST_BYS; by++) {
            node->slot.cpu_taken[by] += pod->cpu_micros[by];
            node->slot.memory_taken[by] += pod->memory_bytes[by];
        }
        node->slot.pods_taken++;
    }
}

static void run(struct cluster *cluster)
{
    const struct nj_forecast_options options = {.fit = fit, .on_outcome = on_outcome, .data = cluster};
    int64_t begin = nj_bench_cpu_ns();
    struct nj_forecast *forecast = nj_forecast_new(&options);
    for (size_t n = 0; n < cluster->nodes_count; n++) {
        const struct node *node = &cluster->nodes[n];
        nj_forecast_add_node(forecast, &node->slot);
        for (size_t p = node->first; p < node->first + node->count; p++)
            nj_forecast_add_pod(forecast, &cluster->pods[p]);
    }
    int64_t filled = nj_bench_cpu_ns();
    nj_forecast_begin(forecast, PLACEMENTS);
    int64_t begun = nj_bench_cpu_ns();
    int64_t longest = 0;
    bool done = false;
    while (!done) {
        int64_t from = nj_bench_cpu_ns();
        done = nj_forecast_step(forecast);
        int64_t took = nj_bench_cpu_ns() - from;
        longest = took > longest ? took : longest;
    }
    int64_t end = nj_bench_cpu_ns();
    nj_forecast_free(forecast);
    (void)printf(
        "{\"cpuMs\":%.1f,\"fillMs\":%.1f,\"beginMs\":%.1f,\"longestStepMs\":%.3f,\"unplaceable\":%llu,"
        "\"fallen\":%llu",
        (double)(end - begin) / 1e6, (double)(filled - begin) / 1e6, (double)(begun - filled) / 1e6,
        (double)longest / 1e6, (unsigned long long)cluster->unplaceable, (unsigned long long)cluster->fallen);
}

/* ---- the peer */

struct taken {
    int64_t cpu, memory, pods;
};

static double room(const struct taken *taken)
{
    double cpu = (double)(NODE_CPU - taken->cpu) / (double)NODE_CPU;
    double memory = (double)(NODE_MEMORY - taken->memory) / (double)NODE_MEMORY;
    return cpu < memory ? cpu : memory;
}

static bool place(struct cluster *cluster, struct taken *taken, size_t lost, int by,
                  const struct nj_forecast_pod *pod)
{
    size_t best = SIZE_MAX;
    double best_room = 0;
    for (size_t n = 0; n < cluster->nodes_count; n++) {
        if (n == lost || pod->cpu_micros[by] > NODE_CPU - taken[n].cpu ||
            pod->memory_bytes[by] > NODE_MEMORY - taken[n].memory || taken[n].pods >= NODE_PODS ||
            (best != SIZE_MAX && room(&taken[n]) <= best_room) ||
            fit(cluster, pod->placement, &cluster->nodes[n].slot) != NJ_FIT_OK)
            continue;
        best = n;
        best_room = room(&taken[n]);
    }
    if (best == SIZE_MAX)
        return false;
    taken[best].cpu += pod->cpu_micros[by];
    taken[best].memory += pod->memory_bytes[by];
    taken[best].pods++;
    return true;
}

static void run_peer(struct cluster *cluster)
{
    struct taken *taken = nj_calloc(cluster->nodes_count, sizeof(*taken));
    uint64_t unplaceable = 0;
    int64_t begin = nj_bench_cpu_ns();
    for (size_t lost = 0; lost < cluster->nodes_count; lost++) {
        for (int by = 0; by < NJ_FORECAST_BYS; by++) {
            for (size_t n = 0; n < cluster->nodes_count; n++)
                taken[n] = (struct taken){cluster->nodes[n].slot.cpu_taken[by],
                                          cluster->nodes[n].slot.memory_taken[by],
                                          cluster->nodes[n].slot.pods_taken};
            const struct node *node = &cluster->nodes[lost];
            for (size_t p = node->first; p < node->first + node->count; p++)
                unplaceable += !place(cluster, taken, lost, by, &cluster->pods[p]);
        }
    }
    (void)printf(",\"peerCpuMs\":%.1f,\"peerUnplaceable\":%llu", (double)(nj_bench_cpu_ns() - begin) / 1e6,
                 (unsigned long long)unplaceable);
    free(taken);
}

int main(int argc, char **argv)
{
    struct cluster cluster;
    if (argc != 4)
        nj_bench_fail("usage: bench_forecast NODES PODS FULL_PERCENT");
    make(&cluster, strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
    run(&cluster);
    if (cluster.outcomes != cluster.nodes_count)
        nj_bench_fail("%llu outcomes", (unsigned long long)cluster.outcomes);
    if (cluster.nodes_count <= 1000)
        run_peer(&cluster);
    (void)puts("}");
    for (int i = 0; i < PLACEMENTS; i++)
        nj_placement_free(cluster.placements[i]);
    free(cluster.nodes);
    free(cluster.pods);
    free(cluster.names);
    return EXIT_SUCCESS;
}
