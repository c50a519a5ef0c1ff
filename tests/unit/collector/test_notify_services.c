/*
 * What people read of outages, failed rollouts, error budgets and registries: in both languages and formats,
 * within the channels' bytes.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/render.h"
#include "collector/notify/words.h"
#include "common/base/alloc.h"
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

static struct nj_incident of_kind(enum nj_incident_kind kind, const char *reason)
{
    struct nj_incident incident = make_incident(21, "f21");
    incident.kind = kind;
    incident.reason = reason;
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.container = incident.pod = incident.pod_uid = incident.node = incident.image = "";
    incident.crash_id = incident.message = "";
    incident.exit_code = incident.restart_count = 0;
    incident.memory_limit_bytes = 0;
    return incident;
}

static struct nj_incident outage(void)
{
    struct nj_incident incident = of_kind(NJ_INCIDENT_SERVICE_OUTAGE, "FailedReadiness");
    incident.workload_kind = "Service";
    incident.workload = "web";
    incident.cause = "failed_readiness";
    incident.detail = "Deployment/web";
    incident.message = "web is not available, 0 of 3 ready: pod web-1 is not ready";
    incident.at_most = 3;
    return incident;
}

static struct nj_incident rollout(void)
{
    struct nj_incident incident = of_kind(NJ_INCIDENT_ROLLOUT_FAILED, "CrashLoop");
    incident.rollout = "3";
    incident.rollout_from = "2";
    incident.image = "app=registry/cart:3";
    incident.image_from = "app=registry/cart:2";
    incident.difference = "containers[app].command: [run] -> [fly]";
    incident.message = "no such command: fly";
    incident.pod = "cart-3-x";
    incident.crash_id = "crash-9";
    incident.outage_ns = 72 * NJ_SEC;
    return incident;
}

static struct nj_incident budget(void)
{
    struct nj_incident incident = of_kind(NJ_INCIDENT_SLO_BURN, "BurnRate");
    incident.workload_kind = "Service";
    incident.workload = "web";
    incident.detail = "1h/5m";
    incident.value = 16.25;
    incident.at_most = 14.4;
    incident.objective = 99.9;
    incident.budget_left = 0.72;
    return incident;
}

static struct nj_incident registry(void)
{
    struct nj_incident incident = of_kind(NJ_INCIDENT_REGISTRY, "ErrImagePull");
    incident.project = incident.namespace = "";
    incident.workload_kind = "Registry";
    incident.workload = incident.detail = "registry.example";
    incident.targets_failing = 4;
    incident.message = "images of 4 workloads cannot be pulled from registry.example: shop/cart, ...";
    return incident;
}

static char *render_as(const struct nj_render *how, const struct nj_incident *incident,
                       enum nj_transition transition, const struct nj_store_crash *crash)
{
    const struct nj_alert alert = {.incident = incident,
                                   .transition = transition,
                                   .crash = crash,
                                   .group = "支付值班",
                                   .mentions = "li"};
    struct nj_buf out = {0};
    nj_render_alert(how, &alert, &out);
    assert_true(out.len <= how->max_bytes);
    assert_true(nj_utf8_valid(nj_buf_str(&out), out.len));
    return nj_buf_take(&out);
}

static void assert_renders(const struct nj_render *how, const struct nj_incident *incident,
                           enum nj_transition transition, const char *wanted)
{
    char *text = render_as(how, incident, transition, NULL);
    assert_string_equal(wanted, text);
    free(text);
}

static void assert_says(const struct nj_render *how, const struct nj_incident *incident,
                        enum nj_transition transition, const char *words)
{
    char *text = render_as(how, incident, transition, NULL);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
    free(text);
}

static void an_outage_says_why_and_its_end_for_how_long(void **state)
{
    (void)state;
    struct nj_incident incident = outage();
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Critical] Service is not available: shop/web\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: p-1\n"
                   "Namespace: shop\n"
                   "Workload: Service/web\n"
                   "Reason: FailedReadiness: its pods are not ready, 0 of 3 ready (Deployment/web)\n"
                   "Message: web is not available, 0 of 3 ready: pod web-1 is not ready\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    incident.state = NJ_INCIDENT_RESOLVED;
    incident.resolved_ns = noon_ns + 72 * NJ_SEC;
    incident.resolved_cause = "over";
    incident.outage_ns = 72 * NJ_SEC;
    assert_renders(&zh, &incident, NJ_TRANSITION_RESOLVED,
                   "**<font color=\"info\">【恢复】服务不可用：shop/web</font>**\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：p-1\n"
                   "命名空间：shop\n"
                   "工作负载：Service/web\n"
                   "结束：已恢复正常\n"
                   "持续：1 分 12 秒\n"
                   "次数：1\n"
                   "最后原因：FailedReadiness：Pod 未通过就绪检查，就绪 0/3（Deployment/web）\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:00:00 UTC\n"
                   "结束时间：2026-11-21 09:01:12 UTC\n"
                   "编号：#21\n"
                   "[查看详情](https://nightjar.example/incidents/21)");
}

static void a_failed_rollout_says_what_differs_and_the_last_words(void **state)
{
    (void)state;
    static const char log[] = "fly: command not found\n";
    struct nj_incident incident = rollout();
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Critical] Rollout failed: shop/cart\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: p-1\n"
                   "Namespace: shop\n"
                   "Workload: Deployment/cart\n"
                   "Pod: cart-3-x\n"
                   "Revision: 3 (before: 2)\n"
                   "Reason: CrashLoop: its new pods crash again and again\n"
                   "Image: app=registry/cart:3 (before: app=registry/cart:2)\n"
                   "What differs: containers[app].command: [run] -> [fly]\n"
                   "Message: no such command: fly\n"
                   "Services were down for: 1 min 12 s\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    struct nj_store_crash crash = make_crash("crash-9");
    crash.crash.log =
        (struct nj_log_text){.text = log, .len = strlen(log), .lines = 1, .source = "file", .missing = ""};
    char *text = render_as(&zh, &incident, NJ_TRANSITION_OPENED, &crash);
    assert_non_null(strstr(text, "> fly: command not found"));
    assert_non_null(strstr(text, "版本：3（此前 2）"));
    free(text);
    assert_says(&en, &incident, NJ_TRANSITION_WORSENED, "Change: a service is not available because of it\n");
    incident.resolved_cause = "rolled_out";
    assert_says(&en, &incident, NJ_TRANSITION_RESOLVED, "Ended: a later rollout is done\n");
    assert_says(&en, &incident, NJ_TRANSITION_RESOLVED, "Revision: 3 (before: 2)\n");
    /* The first there ever was. */
    incident.rollout_from = incident.image_from = "";
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED, "版本：3\n");
}

static void a_budget_says_how_fast_it_burns_and_what_is_left(void **state)
{
    (void)state;
    struct nj_incident incident = budget();
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Critical] Error budget burns too fast: shop/web\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: p-1\n"
                   "Namespace: shop\n"
                   "Workload: Service/web\n"
                   "Reason: over 1h/5m it burns 16.2 times too fast (alert from 14.4)\n"
                   "Error budget: 72% left (objective 99.9%)\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED,
                "原因：1h/5m 内以 16.2 倍速消耗错误预算（阈值 14.4）\n");
    incident.budget_left = -0.25;
    assert_says(&zh, &incident, NJ_TRANSITION_WORSENED, "错误预算：已超支 25%（目标 99.9%）\n");
    assert_says(&en, &incident, NJ_TRANSITION_RESOLVED, "Error budget: overdrawn by 25% (objective 99.9%)\n");
}

static void a_registry_is_in_no_namespace(void **state)
{
    (void)state;
    struct nj_incident incident = registry();
    assert_renders(&en, &incident, NJ_TRANSITION_OPENED,
                   "[Critical] Image registry fails: registry.example\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Reason: 4 workloads cannot pull their images (ErrImagePull)\n"
                   "Message: images of 4 workloads cannot be pulled from registry.example: shop/cart, ...\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:00 UTC\n"
                   "Incident: #21");
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED, "原因：4 个工作负载拉取不到镜像（ErrImagePull）\n");
}

static void what_takes_services_down_names_them(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(7, "f7");
    incident.services_down = "web, api";
    assert_says(&en, &incident, NJ_TRANSITION_WORSENED,
                "Change: a service is not available because of it\nServices down: web, api\n");
    assert_says(&zh, &incident, NJ_TRANSITION_OPENED, "不可用的服务：web, api\n");
    incident.kind = NJ_INCIDENT_PROBE;
    assert_says(&zh, &incident, NJ_TRANSITION_WORSENED, "变化：导致服务不可用\n不可用的服务：web, api\n");
}

/* Whatever is in it, and however little room there is. */
static void whatever_is_told_fits(void **state)
{
    (void)state;
    static const size_t limits[] = {NJ_RENDER_BYTES_MIN, 700, 2048, 4096};
    char *longest = nj_calloc(1, 4097);
    memset(longest, '<', 4096);
    struct nj_incident incidents[] = {outage(), rollout(), budget(), registry()};
    for (size_t i = 0; i < sizeof(incidents) / sizeof(incidents[0]); i++) {
        struct nj_incident *incident = &incidents[i];
        incident->message = incident->difference = incident->image = incident->image_from = longest;
        incident->detail = incident->reason = incident->rollout = incident->rollout_from = longest;
        incident->services_down = longest;
        incident->budget_left = -DBL_MAX;
        incident->value = incident->at_most = incident->objective = DBL_MAX;
        incident->outage_ns = INT64_MAX;
        for (size_t limit = 0; limit < sizeof(limits) / sizeof(limits[0]); limit++) {
            struct nj_render how = limit % 2 == 0 ? zh : en;
            how.max_bytes = limits[limit];
            free(render_as(&how, incident, NJ_TRANSITION_OPENED, NULL));
            free(render_as(&how, incident, NJ_TRANSITION_WORSENED, NULL));
            free(render_as(&how, incident, NJ_TRANSITION_RESOLVED, NULL));
        }
    }
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_says_why_and_its_end_for_how_long),
        cmocka_unit_test(a_failed_rollout_says_what_differs_and_the_last_words),
        cmocka_unit_test(a_budget_says_how_fast_it_burns_and_what_is_left),
        cmocka_unit_test(a_registry_is_in_no_namespace),
        cmocka_unit_test(what_takes_services_down_names_them),
        cmocka_unit_test(whatever_is_told_fits),
    };
    return cmocka_run_group_tests_name("collector/notify_services", tests, NULL, NULL);
}
