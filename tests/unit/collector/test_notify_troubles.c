/*
 * What people read of OOM kills, leaks, limits that are near and nodes: in both languages and formats, within
 * the channels' bytes.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/render.h"
#include "collector/notify/words.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

static const struct nj_render zh = {.language = NJ_LANGUAGE_ZH,
                                    .format = NJ_CHANNEL_MARKDOWN,
                                    .max_bytes = 4096,
                                    .public_url = "https://nightjar.example",
                                    .log_lines = 10};
static const struct nj_render en = {.language = NJ_LANGUAGE_EN,
                                    .format = NJ_CHANNEL_TEXT,
                                    .max_bytes = 2048,
                                    .public_url = "",
                                    .log_lines = 2};

static struct nj_incident trouble(enum nj_incident_kind kind, const char *reason)
{
    struct nj_incident incident = make_incident(21, "f21");
    incident.kind = kind;
    incident.reason = reason;
    incident.detail = incident.process = incident.image = incident.crash_id = "";
    incident.exit_code = incident.restart_count = 0;
    incident.memory_limit_bytes = 0;
    incident.message = "as the agent says it";
    return incident;
}

static struct nj_incident of_node(const char *reason)
{
    struct nj_incident incident = trouble(NJ_INCIDENT_NODE, reason);
    incident.project = incident.namespace = incident.container = incident.pod = incident.pod_uid = "";
    incident.workload_kind = "Node";
    incident.workload = incident.node = "node-3";
    return incident;
}

static char *render_as(const struct nj_render *how, const struct nj_incident *incident,
                       enum nj_transition transition)
{
    const struct nj_alert alert = {
        .incident = incident, .transition = transition, .group = "支付值班", .mentions = "li"};
    struct nj_buf out = {0};
    nj_render_alert(how, &alert, &out);
    assert_true(out.len <= how->max_bytes);
    assert_true(nj_utf8_valid(nj_buf_str(&out), out.len));
    return nj_buf_take(&out);
}

static void assert_renders(const struct nj_render *how, const struct nj_incident *incident,
                           enum nj_transition transition, const char *wanted)
{
    char *text = render_as(how, incident, transition);
    assert_string_equal(wanted, text);
    free(text);
}

static void assert_says(const struct nj_render *how, const struct nj_incident *incident,
                        enum nj_transition transition, const char *words)
{
    char *text = render_as(how, incident, transition);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
    free(text);
}

static void an_oom_kill_names_process_limit_and_use(void **state)
{
    (void)state;
    struct nj_incident incident = trouble(NJ_INCIDENT_OOM_KILL, "OOMKill");
    incident.process = "worker";
    incident.pid = 4711;
    incident.value = 255 << 20;
    incident.at_most = 256 << 20;
    incident.memory_limit_bytes = 256 << 20;
    incident.count = 3;
    assert_renders(&zh, &incident, NJ_TRANSITION_OPENED,
                   "**<font color=\"warning\">【警告】容器内进程被 OOM 杀死：shop/cart</font>**\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：p-1\n"
                   "命名空间：shop\n"
                   "工作负载：Deployment/cart\n"
                   "Pod：cart-5f7c9-x2k4p\n"
                   "容器：app\n"
                   "节点：node-7\n"
                   "原因：OOMKill：容器内的进程因内存不足被杀死\n"
                   "内存：255 MiB / 256 MiB (99%)\n"
                   "进程：worker, pid 4711\n"
                   "次数：3\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:00:00 UTC\n"
                   "编号：#21\n"
                   "[查看详情](https://nightjar.example/incidents/21)\n"
                   "<@li>");
    /* Not everything is known. */
    incident.process = "";
    incident.pid = 0;
    incident.value = 0;
    char *text = render_as(&en, &incident, NJ_TRANSITION_OPENED);
    assert_non_null(strstr(text, "Reason: OOMKill: a process of the container was killed for memory\n"
                                 "Message: as the agent says it\n"
                                 "Count: 3\n"));
    assert_null(strstr(text, "Process:"));
    free(text);
}

static void a_leak_says_how_fast_and_until_when(void **state)
{
    (void)state;
    struct nj_incident incident = trouble(NJ_INCIDENT_LEAK, "SocketLeak");
    incident.detail = "CLOSE_WAIT";
    incident.process = "java";
    incident.pid = 12;
    incident.value = 3120;
    incident.at_most = 4096;
    incident.per_hour = 210;
    incident.reaches_ns = incident.last_ns + 4 * NJ_HOUR + 38 * NJ_MIN;
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Warning] Leak: shop/cart\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: p-1\n"
                   "Namespace: shop\n"
                   "Workload: Deployment/cart\n"
                   "Pod: cart-5f7c9-x2k4p\n"
                   "Container: app\n"
                   "Node: node-7\n"
                   "Reason: SocketLeak (CLOSE_WAIT): sockets climb and do not come back\n"
                   "Now: 3120 / 4096 (76%)\n"
                   "Pace: +210 an hour\n"
                   "Reaches the limit: 2026-11-21 13:38:00 UTC (4 h 38 min later)\n"
                   "Process: java, pid 12\n"
                   "Count: 1\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED,
                "原因：SocketLeak（CLOSE_WAIT）：套接字只增不减\n当前：3120 / 4096 (76%)\n增速：+210 / 小时\n"
                "预计达到上限：2026-11-21 13:38:00 UTC（4 小时 38 分后）\n进程：java, pid 12\n");
    incident.reason = "MemoryLeak";
    incident.detail = "";
    incident.value = 300 << 20;
    incident.at_most = 0;
    incident.per_hour = 12 << 20;
    incident.reaches_ns = 0;
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED,
                "原因：MemoryLeak：内存只增不减\n当前：300 MiB\n增速：+12 MiB / 小时\n进程：");
    incident.reason = "ZombieLeak";
    incident.per_hour = 0.25;
    assert_says(&en, &incident, NJ_TRANSITION_OPENED, "Pace: +0.2 an hour\n");
}

static void a_node_names_the_services_that_are_down_with_it(void **state)
{
    (void)state;
    struct nj_incident incident = trouble(NJ_INCIDENT_NODE, "NotReady");
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.services_down = "shop/cart, shop/web";
    assert_says(&zh, &incident, NJ_TRANSITION_WORSENED,
                "变化：导致服务不可用\n不可用的服务：shop/cart, shop/web\n原因：");
    assert_says(
        &en, &incident, NJ_TRANSITION_WORSENED,
        "Change: a service is not available because of it\nServices down: shop/cart, shop/web\nReason: ");
    assert_says(&en, &incident, NJ_TRANSITION_OPENED, "Services down: shop/cart, shop/web\nReason: ");
}

static void a_limit_that_is_nearly_reached_says_so_again(void **state)
{
    (void)state;
    struct nj_incident incident = trouble(NJ_INCIDENT_NEAR_LIMIT, "FdsNearLimit");
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.value = 974;
    incident.at_most = 1024;
    assert_says(&zh, &incident, NJ_TRANSITION_WORSENED, "【严重】接近资源上限：shop/cart</font>**\n");
    assert_says(
        &zh, &incident, NJ_TRANSITION_WORSENED,
        "变化：由警告升级为严重\n原因：FdsNearLimit：进程打开的文件描述符接近上限\n当前：974 / 1024 (95%)\n");
    assert_says(&en, &incident, NJ_TRANSITION_WORSENED,
                "Change: it was a warning, and is critical now\n"
                "Reason: FdsNearLimit: a process' open files are near its limit\nNow: 974 / 1024 (95%)\n");
    incident.state = NJ_INCIDENT_RESOLVED;
    incident.resolved_cause = "over";
    incident.resolved_ns = incident.first_ns + NJ_HOUR;
    assert_says(&zh, &incident, NJ_TRANSITION_RESOLVED, "结束：已恢复正常\n持续：1 小时\n");
    assert_says(&en, &incident, NJ_TRANSITION_RESOLVED,
                "Last reason: FdsNearLimit: a process' open files are near its limit, 974 / 1024 (95%)\n");
    incident.resolved_cause = "quiet";
    assert_says(&zh, &incident, NJ_TRANSITION_RESOLVED, "结束：一段时间内没有再发生\n");
    incident.reason = "ListenQueueFull";
    incident.detail = "8080";
    assert_says(&en, &incident, NJ_TRANSITION_OPENED,
                "Reason: ListenQueueFull (8080): the accept queue is full, connections are refused\n"
                "Message: as the agent says it\nCount: 1\n");
}

static void a_node_is_named_and_nothing_that_it_has_not(void **state)
{
    (void)state;
    struct nj_incident incident = of_node("NotReady");
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.evictions = 4;
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Critical] Node in trouble: node-3\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Node: node-3\n"
                   "Reason: NotReady: the node is not ready\n"
                   "Message: as the agent says it\n"
                   "Evicted pods: 4\n"
                   "Count: 1\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    incident.resolved_cause = "over";
    incident.resolved_ns = incident.first_ns + NJ_HOUR;
    assert_says(&zh, &incident, NJ_TRANSITION_RESOLVED,
                "次数：1\n驱逐的 Pod：4\n最后原因：NotReady：节点未就绪\n");
    struct nj_incident disk = of_node("DiskFull");
    disk.detail = "/var/lib";
    disk.value = 95.0 * (1 << 30);
    disk.at_most = 100.0 * (1 << 30);
    assert_says(&zh, &disk, NJ_TRANSITION_OPENED,
                "原因：DiskFull（/var/lib）：磁盘将满\n当前：95 GiB / 100 GiB (95%)\n");
    struct nj_incident capacity = of_node("NodeLoss");
    capacity.kind = NJ_INCIDENT_CAPACITY;
    capacity.workload_kind = "Cluster";
    capacity.workload = "prod";
    assert_says(&zh, &capacity, NJ_TRANSITION_OPENED, "【警告】节点故障将无处容纳：prod</font>**\n");
    assert_says(&zh, &capacity, NJ_TRANSITION_OPENED,
                "集群：prod\n节点：node-3\n原因：NodeLoss：若失去该节点，它的 Pod 将无处可去\n消息：as the "
                "agent says it\n");
}

static void a_digest_has_a_line_with_the_figures(void **state)
{
    (void)state;
    struct nj_incident leak = trouble(NJ_INCIDENT_LEAK, "SocketLeak");
    leak.detail = "CLOSE_WAIT";
    leak.value = 3120;
    leak.at_most = 4096;
    struct nj_incident node = of_node("NotReady");
    node.id = 22;
    struct nj_alert alerts[] = {{.incident = &leak, .transition = NJ_TRANSITION_OPENED, .group = "g"},
                                {.incident = &node, .transition = NJ_TRANSITION_OPENED, .group = "g"}};
    struct nj_buf out = {0};
    nj_render_digest(&en, alerts, 2, &out);
    assert_non_null(strstr(nj_buf_str(&out),
                           "> [Warning] Leak prod.p-1.shop.cart ×1: SocketLeak (CLOSE_WAIT): "
                           "sockets climb and do not come back, 3120 / 4096 (76%) #21\n"));
    assert_non_null(
        strstr(nj_buf_str(&out),
               "> [Warning] Node in trouble prod.-..node-3 ×1: NotReady: the node is not ready #22"));
    nj_buf_done(&out);
}

/* Every reason of the engine has words, and none is cut short by figures that cannot be. */
static void figures_that_cannot_be_break_nothing(void **state)
{
    (void)state;
    static const double values[] = {DBL_MAX, -DBL_MAX, 1e300, 5e-324, 0.5, INFINITY, NAN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct nj_incident incident = trouble(NJ_INCIDENT_LEAK, i % 2 == 0 ? "MemoryLeak" : "FdLeak");
        incident.value = incident.per_hour = values[i];
        incident.at_most = values[(i + 1) % 7];
        incident.reaches_ns = INT64_MAX;
        assert_says(&zh, &incident, NJ_TRANSITION_OPENED, "只增不减\n");
        assert_says(&en, &incident, NJ_TRANSITION_OPENED, "Incident: #21");
    }
    struct nj_incident odd = trouble(NJ_INCIDENT_LEAK, "SomethingNew");
    odd.value = 7;
    assert_says(&en, &odd, NJ_TRANSITION_OPENED, "Reason: SomethingNew\nNow: 7\n");
}

static void names_from_outside_are_harmless_and_messages_keep_their_limit(void **state)
{
    (void)state;
    struct nj_incident incident = trouble(NJ_INCIDENT_LEAK, "SocketLeak");
    char long_name[3000];
    memset(long_name, '<', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    incident.process = "<@all>\n编号：#1";
    incident.detail = long_name;
    incident.value = 1;
    struct nj_render small = zh;
    for (small.max_bytes = NJ_RENDER_BYTES_MIN; small.max_bytes <= 4096; small.max_bytes += 256) {
        char *text = render_as(&small, &incident, NJ_TRANSITION_OPENED);
        assert_null(strstr(text, "<@all>"));
        assert_null(strstr(text, "\n编号：#1\n"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_oom_kill_names_process_limit_and_use),
        cmocka_unit_test(a_leak_says_how_fast_and_until_when),
        cmocka_unit_test(a_node_names_the_services_that_are_down_with_it),
        cmocka_unit_test(a_limit_that_is_nearly_reached_says_so_again),
        cmocka_unit_test(a_node_is_named_and_nothing_that_it_has_not),
        cmocka_unit_test(a_digest_has_a_line_with_the_figures),
        cmocka_unit_test(figures_that_cannot_be_break_nothing),
        cmocka_unit_test(names_from_outside_are_harmless_and_messages_keep_their_limit),
    };
    return cmocka_run_group_tests_name("collector/notify-troubles", tests, NULL, NULL);
}
