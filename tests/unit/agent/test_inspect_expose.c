/*
 * What an inspection shows on /metrics, and what names and needs it knows of pods.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/inspect/expose.h"
#include "agent/inspect/pod_needs.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/unit/agent/pod_json.h"
#include "tests/unit/promtool.h"
#include "tests/unit/test.h"

#define MIB ((int64_t)1 << 20)

static struct nj_container_figures unknown_figures(void)
{
    struct nj_container_figures figures;
    memset(&figures, 0xff, sizeof(figures)); /* every number NJ_UNKNOWN */
    (void)snprintf(figures.id, sizeof(figures.id), "0123");
    (void)snprintf(figures.pod_uid, sizeof(figures.pod_uid), "u1");
    figures.network_is_host = false;
    figures.init = figures.fullest = figures.zombie_parent = (struct nj_inspect_process){0};
    figures.sockets.at_ns = 0;
    return figures;
}

static struct nj_container_figures web_figures(void)
{
    struct nj_container_figures figures = unknown_figures();
    figures.processes = 3;
    figures.threads = 12;
    figures.zombies = 1;
    figures.fds = 70;
    figures.fullest_fds = 50;
    figures.fullest_limit = 1024;
    figures.cpu_ns = 1500000000;
    figures.periods = 100;
    figures.throttled_periods = 25;
    figures.throttled_ns = 20000001;
    figures.cpu_quota_millis = 500;
    figures.memory_usage = 40 * MIB;
    figures.memory_working_set = 30 * MIB;
    figures.memory_limit = 64 * MIB;
    figures.oom_kills = 2;
    figures.pressure.cpu_some = 2500000;
    memset(&figures.sockets, 0, sizeof(figures.sockets));
    figures.sockets.at_ns = 1;
    figures.sockets.tcp[NJ_TCP_ESTABLISHED] = 4;
    figures.sockets.tcp[NJ_TCP_CLOSE_WAIT] = 6;
    figures.sockets.udp = 1;
    figures.sockets.listen_overflows = 9;
    return figures;
}

static const struct nj_expose_container web = {.namespace = "shop",
                                               .pod = "web-0",
                                               .container = "app",
                                               .started_ns = 1700000000 * NJ_SEC,
                                               .gpu_use = -1,
                                               .gpu_memory = NJ_UNKNOWN,
                                               .sockets = true,
                                               .sockets_are_its = true};

static char *expose(const struct nj_expose *what)
{
    struct nj_buf out = {0};
    assert_int_equal(nj_expose(what, &out), 0);
    return nj_buf_take(&out);
}

static char *expose_one(const struct nj_expose_container *given, const struct nj_container_figures *figures)
{
    struct nj_expose_container container = *given;
    container.figures = figures;
    struct nj_expose what = {.node = "node1", .containers = &container, .containers_count = 1};
    return expose(&what);
}

static void assert_line(const char *text, const char *line)
{
    NJ_CLEANUP_FREE char *wanted = nj_asprintf("\n%s\n", line);
    if (strstr(text, wanted) == NULL)
        fail_msg("there is no line '%s' in\n%s", line, text);
}

#define LABELS "namespace=\"shop\",pod=\"web-0\",node=\"node1\",container=\"app\""

static void a_container_has_cadvisors_series(void **state)
{
    (void)state;
    struct nj_container_figures figures = web_figures();
    char *text = expose_one(&web, &figures);
    assert_line(text, "# TYPE container_cpu_usage_seconds_total counter");
    assert_line(text, "container_cpu_usage_seconds_total{" LABELS ",cpu=\"total\"} 1.5");
    assert_line(text, "container_cpu_cfs_periods_total{" LABELS "} 100");
    assert_line(text, "container_cpu_cfs_throttled_periods_total{" LABELS "} 25");
    assert_line(text, "container_cpu_cfs_throttled_seconds_total{" LABELS "} 0.020000001");
    assert_line(text, "container_spec_cpu_quota{" LABELS "} 50000");
    assert_line(text, "container_spec_cpu_period{" LABELS "} 100000");
    assert_line(text, "container_memory_working_set_bytes{" LABELS "} 31457280");
    assert_line(text, "container_spec_memory_limit_bytes{" LABELS "} 67108864");
    assert_line(text, "container_start_time_seconds{" LABELS "} 1700000000");
    assert_line(text, "container_processes{" LABELS "} 3");
    assert_line(text, "container_threads{" LABELS "} 12");
    assert_line(text, "container_file_descriptors{" LABELS "} 70");
    assert_line(text, "container_ulimits_soft{" LABELS ",ulimit=\"max_open_files\"} 1024");
    assert_line(text, "container_sockets{" LABELS "} 11");
    assert_line(text, "container_oom_events_total{" LABELS "} 2");
    assert_line(text, "container_pressure_cpu_waiting_seconds_total{" LABELS "} 2.5");
    free(text);
}

static void a_container_has_what_cadvisor_does_not_show(void **state)
{
    (void)state;
    struct nj_container_figures figures = web_figures();
    struct nj_expose_container container = web;
    container.gpu_use = 0.25;
    container.gpu_memory = 2 * MIB;
    char *text = expose_one(&container, &figures);
    assert_line(text, "nightjar_container_sockets{" LABELS ",protocol=\"tcp\",state=\"CLOSE_WAIT\"} 6");
    assert_line(text, "nightjar_container_sockets{" LABELS ",protocol=\"tcp\",state=\"LISTEN\"} 0");
    assert_line(text, "nightjar_container_sockets{" LABELS ",protocol=\"udp\"} 1");
    assert_line(text, "nightjar_container_listen_overflows_total{" LABELS "} 9");
    assert_line(text, "nightjar_container_fds{" LABELS "} 70");
    assert_line(text, "nightjar_container_fds_limit_ratio{" LABELS "} 0.048828125");
    assert_line(text, "nightjar_container_zombies{" LABELS "} 1");
    assert_line(text, "nightjar_container_oom_kills_total{" LABELS "} 2");
    assert_line(text, "nightjar_container_gpu_use_ratio{" LABELS "} 0.25");
    assert_line(text, "nightjar_container_gpu_memory_bytes{" LABELS "} 2097152");
    free(text);
}

/* No series, no HELP of one, and no trace of a GPU. */
static void what_is_not_known_is_absent(void **state)
{
    (void)state;
    struct nj_container_figures figures = unknown_figures();
    struct nj_expose_container container = web;
    container.started_ns = 0;
    char *text = expose_one(&container, &figures);
    assert_string_equal(text, "");
    free(text);
    struct nj_expose nothing = {.node = "node1"};
    text = expose(&nothing);
    assert_string_equal(text, "");
    free(text);
}

/* The containers of a pod share its sockets: they are shown once, and as nobody's own. */
static void sockets_are_shown_once_a_pod(void **state)
{
    (void)state;
    struct nj_container_figures figures = web_figures();
    struct nj_expose_container containers[] = {web, web};
    containers[0].figures = containers[1].figures = &figures;
    containers[0].sockets_are_its = containers[1].sockets_are_its = containers[1].sockets = false;
    containers[1].container = "log";
    struct nj_expose what = {.node = "node1", .containers = containers, .containers_count = 2};
    char *text = expose(&what);
    assert_line(text, "container_sockets{namespace=\"shop\",pod=\"web-0\",node=\"node1\"} 11");
    assert_null(strstr(text, "container_sockets{" LABELS));
    assert_line(text, "container_processes{" LABELS "} 3");
    assert_line(text,
                "container_processes{namespace=\"shop\",pod=\"web-0\",node=\"node1\",container=\"log\"} 3");
    free(text);
}

static void fill_node(struct nj_node_figures *node)
{
    memset(node, 0xff, sizeof(*node));
    memset(&node->sockets, 0, sizeof(node->sockets));
    node->sockets.at_ns = 1;
    node->sockets.tcp[NJ_TCP_TIME_WAIT] = 17;
    node->cpu_user_ns = 2500000000;
    node->cpu_idle_ns = 10 * (uint64_t)NJ_SEC;
    node->memory_available = 512 * (uint64_t)MIB;
    node->load1_millis = 210;
    node->files = 1000;
    node->files_max = 9000;
    node->conntrack = 3;
    node->conntrack_max = 262144;
    node->oom_kills = 4;
    node->zombies = 5;
    node->host_zombies = 2;
    node->clock_offset_ns = -1500000;
    node->clock_error_ns = 2000000;
    node->clock_synchronized = true;
    node->mounts_count = 1;
    node->interfaces_count = 1;
    struct nj_mount_figures *mount = &node->mounts[0];
    (void)snprintf(mount->path, sizeof(mount->path), "/var/lib/\"odd\"\n\\\xff");
    (void)snprintf(mount->device, sizeof(mount->device), "/dev/vda1");
    (void)snprintf(mount->type, sizeof(mount->type), "ext4");
    mount->size = 1000;
    mount->available = 250;
    mount->read_only = false;
    struct nj_interface_figures *interface = &node->interfaces[0];
    (void)snprintf(interface->name, sizeof(interface->name), "eth0");
    interface->received_bytes = 123;
    interface->sent_bytes = 456;
}

static void the_node_has_node_exporters_series(void **state)
{
    (void)state;
    struct nj_node_figures node;
    struct nj_gpu_device gpu = {
        .uuid = "GPU-1", .name = "Tesla", .use = 0.5, .memory_used = MIB, .memory_total = 2 * MIB};
    fill_node(&node);
    struct nj_expose what = {.node = "node1", .node_figures = &node, .gpus = &gpu, .gpus_count = 1};
    char *text = expose(&what);
    assert_line(text, "# TYPE node_cpu_seconds_total counter");
    assert_line(text, "node_cpu_seconds_total{mode=\"user\"} 2.5");
    assert_line(text, "node_cpu_seconds_total{mode=\"idle\"} 10");
    assert_null(strstr(text, "mode=\"steal\""));
    assert_line(text, "node_memory_MemAvailable_bytes 536870912");
    assert_line(text, "node_load1 0.21");
    assert_line(text, "node_filefd_allocated 1000");
    assert_line(text, "node_nf_conntrack_entries_limit 262144");
    assert_line(text, "node_vmstat_oom_kill 4");
    assert_line(text, "node_timex_offset_seconds -0.0015");
    assert_line(text, "node_timex_sync_status 1");
    assert_line(text,
                "node_filesystem_avail_bytes{device=\"/dev/vda1\",fstype=\"ext4\",mountpoint=\"/var/lib/"
                "\\\"odd\\\"\\n\\\\\xef\xbf\xbd\"} 250");
    assert_null(strstr(text, "node_filesystem_files{"));
    assert_line(text, "node_network_transmit_bytes_total{device=\"eth0\"} 456");
    assert_line(text, "nightjar_node_sockets{protocol=\"tcp\",state=\"TIME_WAIT\"} 17");
    assert_line(text, "nightjar_node_host_zombies 2");
    assert_line(text, "nightjar_node_gpu_use_ratio{uuid=\"GPU-1\",name=\"Tesla\"} 0.5");
    free(text);
}

static void a_bound_is_kept(void **state)
{
    (void)state;
    struct nj_container_figures figures = web_figures();
    struct nj_expose_container container = web;
    container.figures = &figures;
    struct nj_expose what = {.node = "node1", .containers = &container, .containers_count = 1};
    struct nj_buf small = {.max = 1000};
    assert_true(nj_expose(&what, &small) < 0);
    assert_true(small.len <= 1000);
    nj_buf_done(&small);
}

static void promtool_takes_it(void **state)
{
    (void)state;
    struct nj_node_figures node;
    struct nj_container_figures figures = web_figures();
    struct nj_expose_container containers[] = {web, web};
    fill_node(&node);
    containers[0].figures = containers[1].figures = &figures;
    containers[1].pod = "odd\"\\\npod";
    struct nj_expose what = {
        .node = "node1", .node_figures = &node, .containers = containers, .containers_count = 2};
    char *text = expose(&what);
    assert_promtool_takes(text);
    free(text);
}

/* --- what pods need --- */

static struct nj_kube_object pod_with(struct nj_arena *arena, const char *spec)
{
    return test_pod(arena,
                    "{'kind': 'Pod', 'metadata': {'name': 'p', 'namespace': 'shop', 'uid': 'u'}, 'spec': %s}",
                    spec);
}

/* Sidecars run beside everything; init containers one after the other, beside the sidecars before them. */
static void requests_are_counted_as_the_scheduler_counts_them(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t cpu_millis, memory_mib;
    } cases[] = {
        {"{'containers': [{'name': 'a', 'resources': {'requests': {'cpu': '100m', 'memory': '10Mi'}}},"
         " {'name': 'b', 'resources': {'requests': {'cpu': '1'}}}]}",
         1100, 10},
        {"{'initContainers': [{'name': 'i', 'resources': {'requests': {'cpu': '2', 'memory': '1Mi'}}}],"
         " 'containers': [{'name': 'a', 'resources': {'requests': {'cpu': '100m', 'memory': '10Mi'}}}]}",
         2000, 10},
        {"{'initContainers': ["
         "  {'name': 'first', 'resources': {'requests': {'cpu': '500m'}}},"
         "  {'name': 'side', 'restartPolicy': 'Always', 'resources': {'requests': {'cpu': '300m'}}},"
         "  {'name': 'second', 'resources': {'requests': {'cpu': '600m'}}}],"
         " 'containers': [{'name': 'a', 'resources': {'requests': {'cpu': '100m'}}}]}",
         900, 0},
        {"{'initContainers': ["
         "  {'name': 'side', 'restartPolicy': 'Always', 'resources': {'requests': {'cpu': '300m'}}}],"
         " 'containers': [{'name': 'a', 'resources': {'requests': {'cpu': '1'}}}]}",
         1300, 0},
        {"{'containers': [{'name': 'a', 'resources': {'requests': {'cpu': '100m', 'memory': '10Mi'}}}],"
         " 'overhead': {'cpu': '50m', 'memory': '5Mi'}}",
         150, 15},
        {"{'containers': [{'name': 'a'}]}", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_arena arena;
        nj_arena_init(&arena, 1 << 20);
        struct nj_kube_object object = pod_with(&arena, cases[i].spec);
        struct nj_pod_needs needs = nj_pod_needs(&object.pod);
        if (needs.cpu_millis != cases[i].cpu_millis || needs.memory_bytes != cases[i].memory_mib * MIB)
            fail_msg("%s: %lld, %lld", cases[i].spec, (long long)needs.cpu_millis,
                     (long long)needs.memory_bytes);
        nj_arena_done(&arena);
    }
}

static void a_placement_is_kubernetes_own_fields(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *placement;
    } cases[] = {
        {"{'containers': []}", ""},
        {"{'nodeSelector': {'disk': 'ssd', 'zone': 'a'}}",
         "{\"nodeSelector\":{\"disk\":\"ssd\",\"zone\":\"a\"}}"},
        {"{'tolerations': [{'operator': 'Exists'}, {'key': 'gpu', 'operator': 'Equal', 'value': 'yes',"
         " 'effect': 'NoSchedule'}]}",
         "{\"tolerations\":[{\"operator\":\"Exists\"},"
         "{\"key\":\"gpu\",\"operator\":\"Equal\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}]}"},
        {"{'nodeSelector': {'disk': 'ssd'}, 'affinity': {'nodeAffinity': {"
         "'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': ["
         "{'matchExpressions': [{'key': 'cpu', 'operator': 'In', 'values': ['amd', 'arm']},"
         " {'key': 'spot', 'operator': 'DoesNotExist'}]},"
         "{'matchFields': [{'key': 'metadata.name', 'operator': 'In', 'values': ['n1']}]}]}}}}",
         "{\"nodeSelector\":{\"disk\":\"ssd\"},\"affinity\":["
         "{\"matchExpressions\":[{\"key\":\"cpu\",\"operator\":\"In\",\"values\":[\"amd\",\"arm\"]},"
         "{\"key\":\"spot\",\"operator\":\"DoesNotExist\"}]},"
         "{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"n1\"]}]}]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_arena arena;
        struct nj_buf out = {.max = 4096};
        nj_arena_init(&arena, 1 << 20);
        struct nj_kube_object object = pod_with(&arena, cases[i].spec);
        assert_int_equal(nj_pod_placement(&object.pod, &out), 0);
        assert_string_equal(nj_buf_str(&out), cases[i].placement);
        nj_buf_done(&out);
        struct nj_buf small = {.max = 20};
        assert_int_equal(nj_pod_placement(&object.pod, &small) < 0, cases[i].placement[0] != '\0');
        nj_buf_done(&small);
        nj_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_has_cadvisors_series),
        cmocka_unit_test(a_container_has_what_cadvisor_does_not_show),
        cmocka_unit_test(what_is_not_known_is_absent),
        cmocka_unit_test(sockets_are_shown_once_a_pod),
        cmocka_unit_test(the_node_has_node_exporters_series),
        cmocka_unit_test(a_bound_is_kept),
        cmocka_unit_test(promtool_takes_it),
        cmocka_unit_test(requests_are_counted_as_the_scheduler_counts_them),
        cmocka_unit_test(a_placement_is_kubernetes_own_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
