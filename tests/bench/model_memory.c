/*
 * What the collector's picture of a large cluster's services takes: `bench_model_memory SERVICES ENDPOINTS`
 * puts Services and EndpointSlices into the model's index and their states into a tracker, and prints by how
 * much the process has grown, as JSON.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/cluster/model_internal.h"
#include "collector/sla/desired.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { SLICE_ENDPOINTS = 100, NODES = 5000 };

static long resident_bytes(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        exit(1);
    (void)fclose(file);
    char *resident = strchr(line, ' '); /* the second number, in pages */
    return resident == NULL ? 0 : strtol(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static void on_interval(void *data, const struct nj_interval *interval)
{
    (void)interval;
    (*(long *)data)++;
}

static void put_service(struct nj_model_index *index, long number)
{
    bool refused = false;
    char name[64], uid[64], ip[32];
    const char *ips[] = {ip};
    (void)snprintf(name, sizeof(name), "service-%ld", number);
    (void)snprintf(uid, sizeof(uid), "00000000-0000-4000-a000-%012ld", number);
    (void)snprintf(ip, sizeof(ip), "10.96.%ld.%ld", number / 250, number % 250);
    const struct nj_kube_pair selector = {"app", name};
    const struct nj_service_port port = {
        .name = "http", .protocol = "TCP", .app_protocol = "", .number = 80, .target_name = "http"};
    const struct nj_kube_object object = {.kind = NJ_KUBE_SERVICE,
                                          .meta = {.name = name, .namespace = "team", .uid = uid},
                                          .service = {.type = "ClusterIP",
                                                      .cluster_ips = ips,
                                                      .cluster_ips_count = 1,
                                                      .selector = &selector,
                                                      .selector_count = 1,
                                                      .ports = &port,
                                                      .ports_count = 1,
                                                      .external_name = ""}};
    (void)nj_model_index_put(index, NJ_MODEL_SERVICES, &object, 1000000, &refused);
}

static void put_slice(struct nj_model_index *index, long number, long endpoints_count)
{
    static const char label[] = "kubernetes.io/service-name";
    static const char managed[] = "endpointslice.kubernetes.io/managed-by";
    bool refused = false;
    char service[64], name[80], uid[64];
    char texts[SLICE_ENDPOINTS][4][64];
    const char *addresses[SLICE_ENDPOINTS];
    struct nj_endpoint endpoints[SLICE_ENDPOINTS];
    (void)snprintf(service, sizeof(service), "service-%ld", number);
    (void)snprintf(name, sizeof(name), "service-%ld-x2x7k", number);
    (void)snprintf(uid, sizeof(uid), "00000000-0000-4000-b000-%012ld", number);
    for (long i = 0; i < endpoints_count; i++) {
        long pod = number * endpoints_count + i;
        (void)snprintf(texts[i][0], 64, "10.%ld.%ld.%ld", 100 + pod / 62500, pod / 250 % 250, pod % 250);
        (void)snprintf(texts[i][1], 64, "service-%ld-5694fcdf4f-%05ld", number, i);
        (void)snprintf(texts[i][2], 64, "00000000-0000-4000-c000-%012ld", pod);
        (void)snprintf(texts[i][3], 64, "node-%ld", pod % NODES);
        addresses[i] = texts[i][0];
        endpoints[i] = (struct nj_endpoint){.addresses = &addresses[i],
                                            .addresses_count = 1,
                                            .ready = true,
                                            .serving = true,
                                            .node = texts[i][3],
                                            .target_kind = "Pod",
                                            .target_name = texts[i][1],
                                            .target_uid = texts[i][2]};
    }
    const struct nj_kube_pair labels[] = {{managed, "endpointslice-controller.k8s.io"}, {label, service}};
    const struct nj_endpoint_port port = {
        .name = "http", .protocol = "TCP", .app_protocol = "", .number = 8080};
    const struct nj_kube_object object = {
        .kind = NJ_KUBE_SLICE,
        .meta = {.name = name, .namespace = "team", .uid = uid, .labels = labels, .labels_count = 2},
        .slice = {.address_type = "IPv4",
                  .endpoints = endpoints,
                  .endpoints_count = (size_t)endpoints_count,
                  .ports = &port,
                  .ports_count = 1}};
    (void)nj_model_index_put(index, NJ_MODEL_SLICES, &object, 1000000, &refused);
}

int main(int argc, char **argv)
{
    struct nj_model_index index;
    long intervals = 0;
    if (argc != 3)
        return 2;
    long services = strtol(argv[1], NULL, 10), endpoints = strtol(argv[2], NULL, 10);
    if (services < 1 || endpoints < services || endpoints / services > SLICE_ENDPOINTS)
        return 2;
    long before = resident_bytes();
    nj_model_index_init(&index);
    const struct nj_tracker_options options = {
        .max_services = (size_t)services, .max_facts = 1000, .on_interval = on_interval, .data = &intervals};
    struct nj_tracker *tracker = nj_tracker_new(&options);
    for (long i = 0; i < services; i++) {
        put_service(&index, i);
        put_slice(&index, i, endpoints / services);
    }
    const struct nj_model_group *group = index.spaces->groups;
    for (; group != NULL; group = group->hh.next) {
        struct nj_described described;
        nj_describe_service(&group->view, NULL, NJ_SEC, &described);
        nj_tracker_service(tracker, &described.service, 0);
        nj_described_done(&described);
    }
    (void)malloc_trim(0);
    (void)printf("{\"bytes\":%ld,\"services\":%zu,\"intervals\":%ld}\n", resident_bytes() - before,
                 nj_tracker_count(tracker), intervals);
    nj_tracker_free(tracker);
    nj_model_index_done(&index);
    return 0;
}
