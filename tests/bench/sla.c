/*
 * bench_sla DATABASE SERVICES CHANGES COMMIT_CHANGES: a day of services that change so often.
 *
 * Each change goes through the tracker, as the loop does it, and its intervals into the store, committed so
 * many changes at a time. Then the day is read back and every service's availability computed by both
 * definitions; and a year of one service that changed as often every day. Prints one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/compute.h"
#include "collector/sla/tracker.h"
#include "collector/store/store.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/bench/measure.h"

enum { NAME_BYTES = 64, ENDPOINTS = 3, YEAR_DAYS = 365, READS = 20, FACTS_MAX = 10000 };

static const int64_t begin_ns = INT64_C(1763683200) * NJ_SEC; /* 2025-11-21 00:00 UTC */

static void check(int rc, const struct nj_err *err)
{
    if (rc < 0)
        nj_bench_fail("%s", err->text);
}

static void store_interval(void *data, const struct nj_interval *interval)
{
    struct nj_store *store = data;
    struct nj_err err = {0};
    check(store->ops->put_interval(store, "Service", interval, &err), &err);
}

/* Its three pods are all ready, then none, and so on. */
static void change_one(struct nj_tracker *tracker, uint64_t service, uint64_t change, int64_t at_ns)
{
    char name[NAME_BYTES], pods[ENDPOINTS][NAME_BYTES], workload[NAME_BYTES];
    struct nj_tracker_endpoint endpoints[ENDPOINTS];
    bool ready = change % 2 == 0;
    (void)snprintf(name, sizeof(name), "service-%05" PRIu64, service);
    (void)snprintf(workload, sizeof(workload), "app-%" PRIu64, service);
    for (int i = 0; i < ENDPOINTS; i++) {
        (void)snprintf(pods[i], sizeof(pods[i]), "app-%" PRIu64 "-7d9f-%d", service, i);
        endpoints[i] = (struct nj_tracker_endpoint){
            .pod = pods[i], .pod_uid = pods[i], .node = "node-1", .ready = ready, .serving = ready};
    }
    const struct nj_tracker_service now = {
        .namespace = "shop",
        .name = name,
        .desired = ENDPOINTS,
        .workload_kind = "Deployment",
        .workload = workload,
        .endpoints = endpoints,
        .endpoints_count = ENDPOINTS,
        .created_ns = begin_ns - NJ_DAY,
        .at_ns = at_ns,
        .print = change,
    };
    nj_tracker_service(tracker, &now, 0);
}

static void store_day(struct nj_store *store, uint64_t services, uint64_t changes, uint64_t commit_changes)
{
    struct nj_err err = {0};
    const struct nj_tracker_options options = {
        .max_services = services, .max_facts = FACTS_MAX, .on_interval = store_interval, .data = store};
    struct nj_tracker *tracker = nj_tracker_new(&options);
    uint64_t done = 0, all = services * changes;
    for (uint64_t change = 0; change < changes; change++) {
        for (uint64_t service = 0; service < services; service++) {
            int64_t at_ns = begin_ns + (int64_t)((double)done / (double)all * (double)NJ_DAY);
            if (done++ % commit_changes == 0)
                check(store->ops->begin(store, &err), &err);
            change_one(tracker, service, change, at_ns);
            if (done % commit_changes == 0 || done == all) {
                check(store->ops->put_alive(store, "", at_ns, &err), &err);
                check(store->ops->commit(store, &err), &err);
            }
        }
    }
    nj_tracker_free(tracker);
}

struct computing {
    char name[NAME_BYTES];
    struct nj_sla_computing *of[2]; /* by basis */
    uint64_t services, outages;
};

static void finish(struct computing *computing)
{
    struct nj_sla_summary summary;
    for (int basis = 0; basis < 2 && computing->of[0] != NULL; basis++) {
        nj_sla_end(computing->of[basis], &summary);
        computing->outages += summary.outages;
    }
}

static int compute_one(void *data, const char *kind, const struct nj_interval *interval)
{
    struct computing *computing = data;
    (void)kind;
    if (!nj_streq(computing->name, interval->service)) {
        finish(computing);
        (void)snprintf(computing->name, sizeof(computing->name), "%s", interval->service);
        for (int basis = 0; basis < 2; basis++)
            computing->of[basis] =
                nj_sla_begin((enum nj_sla_basis)basis, begin_ns, begin_ns + YEAR_DAYS * NJ_DAY, NULL, NULL);
        computing->services++;
    }
    for (int basis = 0; basis < 2; basis++)
        nj_sla_add(computing->of[basis], interval);
    return 0;
}

static int64_t compute(struct nj_store *store, const char *name, int64_t until_ns, uint64_t services,
                       uint64_t outages)
{
    struct nj_err err = {0};
    struct computing computing = {.services = 0};
    const struct nj_interval_filter filter = {.cluster = "",
                                              .kind = "Service",
                                              .namespace = name == NULL ? NULL : "year",
                                              .name = name,
                                              .from_ns = begin_ns,
                                              .until_ns = until_ns};
    int64_t began = nj_bench_mono_ns();
    check(store->ops->each_interval(store, &filter, compute_one, &computing, &err), &err);
    finish(&computing);
    int64_t took = nj_bench_mono_ns() - began;
    if (computing.services != services || computing.outages != outages)
        nj_bench_fail("%" PRIu64 " services and %" PRIu64 " outages came back, not %" PRIu64 " and %" PRIu64,
                      computing.services, computing.outages, services, outages);
    return took;
}

static void store_year(struct nj_store *store, uint64_t changes)
{
    struct nj_err err = {0};
    int64_t length_ns = NJ_DAY / (int64_t)changes;
    check(store->ops->begin(store, &err), &err);
    for (int64_t i = 0; i < (int64_t)changes * YEAR_DAYS; i++) {
        const struct nj_interval interval = {
            .cluster = "",
            .namespace = "year",
            .service = "web",
            .from_ns = begin_ns + i * length_ns,
            .until_ns = begin_ns + (i + 1) * length_ns,
            .state = i % 2 == 0 ? NJ_SERVICE_UP : NJ_SERVICE_DOWN,
            .cause = i % 2 == 0 ? NJ_OUTAGE_BY_NOTHING : NJ_OUTAGE_BY_CRASH,
            .detail = "",
            .reference = "",
        };
        check(store->ops->put_interval(store, "Service", &interval, &err), &err);
    }
    check(store->ops->commit(store, &err), &err);
}

int main(int argc, char **argv)
{
    struct nj_store *store = NULL;
    struct nj_err err = {0};
    int64_t years[READS], bytes = 0;
    if (argc != 5)
        nj_bench_fail("usage: bench_sla DATABASE SERVICES CHANGES COMMIT_CHANGES");
    uint64_t services = strtoull(argv[2], NULL, 10), changes = strtoull(argv[3], NULL, 10);
    uint64_t commit_changes = strtoull(argv[4], NULL, 10);
    if (services < 1 || changes < 2 || changes % 2 != 0 || commit_changes < 1)
        nj_bench_fail("at least 1 service, 1 change in a commit, and an even number of changes");
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    int64_t began = nj_bench_mono_ns(), cpu_began = nj_bench_cpu_ns();
    store_day(store, services, changes, commit_changes);
    int64_t store_ns = nj_bench_mono_ns() - began, cpu_ns = nj_bench_cpu_ns() - cpu_began;
    /* As many outages by either definition: half of the changes begin one. */
    int64_t compute_ns = compute(store, NULL, begin_ns + NJ_DAY, services, 2 * (services * changes / 2));
    store->ops->close(store);
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    check(store->ops->size(store, &bytes, &err), &err);
    store_year(store, changes);
    for (int i = 0; i < READS; i++)
        years[i] = compute(store, "web", begin_ns + YEAR_DAYS * NJ_DAY, 1, changes * YEAR_DAYS);
    store->ops->close(store);
    (void)printf("{\"seconds\":%.4f,\"storeSeconds\":%.4f,\"storeCpuSeconds\":%.4f,\"computeSeconds\":%.4f,"
                 "\"bytesPerInterval\":%.1f,\"yearOfOneMs\":%.3f}\n",
                 (double)(store_ns + compute_ns) / (double)NJ_SEC, (double)store_ns / (double)NJ_SEC,
                 (double)cpu_ns / (double)NJ_SEC, (double)compute_ns / (double)NJ_SEC,
                 (double)bytes / (double)(services * changes),
                 (double)nj_bench_percentile(years, READS, 0.5) / (double)NJ_MS);
    return EXIT_SUCCESS;
}
