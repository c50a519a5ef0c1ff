/*
 * What people read: golden texts of alerts, their end and digests in both languages and formats; every reason
 * in plain words; limits in bytes; and that nothing a container logs can mention people, make links or pass
 * for the alert's own fields.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/escape.h"
#include "collector/notify/render.h"
#include "collector/notify/words.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct nj_render zh_markdown = {.language = NJ_LANGUAGE_ZH,
                                             .format = NJ_CHANNEL_MARKDOWN,
                                             .max_bytes = 4096,
                                             .public_url = "https://nightjar.example/",
                                             .log_lines = 10};
static const struct nj_render en_markdown = {.language = NJ_LANGUAGE_EN,
                                             .format = NJ_CHANNEL_MARKDOWN,
                                             .max_bytes = 4096,
                                             .public_url = "https://nightjar.example",
                                             .log_lines = 10};
static const struct nj_render zh_text = {.language = NJ_LANGUAGE_ZH,
                                         .format = NJ_CHANNEL_TEXT,
                                         .max_bytes = 2048,
                                         .public_url = "https://nightjar.example",
                                         .log_lines = 10};
static const struct nj_render en_text = {.language = NJ_LANGUAGE_EN,
                                         .format = NJ_CHANNEL_TEXT,
                                         .max_bytes = 2048,
                                         .public_url = "",
                                         .log_lines = 2};

/* The recorded session's `oom`. */
static struct nj_incident oom(void)
{
    struct nj_incident incident = make_incident(7, "f7");
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.project = "payments";
    incident.workload = "oom";
    incident.container = "c";
    incident.pod = "oom-76896944f8-g8nzc";
    incident.node = "node1";
    incident.reason = "OOMKilled";
    incident.message = "";
    incident.image = "busybox:1.36";
    incident.exit_code = 137;
    incident.restart_count = 3;
    incident.count = 4;
    incident.lost = 2;
    incident.crash_loop = true;
    incident.last_ns = noon_ns + 125 * NJ_SEC;
    return incident;
}

static struct nj_incident ended(struct nj_incident incident, const char *cause)
{
    incident.state = NJ_INCIDENT_RESOLVED;
    incident.resolved_ns = incident.first_ns + 312 * NJ_SEC;
    incident.resolved_cause = cause;
    return incident;
}

/* The recorded session's `noimage`. */
static struct nj_incident noimage(void)
{
    struct nj_incident incident = make_incident(8, "f8");
    incident.kind = NJ_INCIDENT_IMAGE_PULL;
    incident.project = "";
    incident.workload = "noimage";
    incident.pod = "noimage-1";
    incident.reason = "ImagePullBackOff";
    incident.message = "Back-off pulling image\n\"registry.invalid/none:1\"";
    incident.image = "registry.invalid/none:1";
    incident.crash_id = "";
    return incident;
}

static struct nj_store_crash crash_with_log(const char *log, uint32_t lines)
{
    struct nj_store_crash crash = make_crash("crash-1");
    crash.crash.log = (struct nj_log_text){
        .text = log, .len = strlen(log), .lines = lines, .source = "file", .missing = ""};
    return crash;
}

static struct nj_alert opened(const struct nj_incident *incident, const struct nj_store_crash *crash)
{
    return (struct nj_alert){.incident = incident,
                             .transition = NJ_TRANSITION_OPENED,
                             .crash = crash,
                             .group = "支付值班",
                             .mentions = "li,wang"};
}

static struct nj_alert resolved(const struct nj_incident *incident)
{
    struct nj_alert alert = opened(incident, NULL);
    alert.transition = NJ_TRANSITION_RESOLVED;
    return alert;
}

static char *render(const struct nj_render *how, const struct nj_alert *alert)
{
    struct nj_buf out = {0};
    nj_render_alert(how, alert, &out);
    assert_true(nj_utf8_valid(nj_buf_str(&out), out.len));
    assert_true(out.len <= how->max_bytes);
    return nj_buf_take(&out);
}

static void assert_renders(const struct nj_render *how, const struct nj_alert *alert, const char *wanted)
{
    char *text = render(how, alert);
    assert_string_equal(text, wanted);
    free(text);
}

static void assert_says(const struct nj_render *how, const struct nj_alert *alert, const char *words)
{
    char *text = render(how, alert);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
    free(text);
}

static void assert_does_not_say(const struct nj_render *how, const struct nj_alert *alert, const char *words)
{
    char *text = render(how, alert);
    if (strstr(text, words) != NULL)
        fail_msg("\"%s\" is in:\n%s", words, text);
    free(text);
}

static void an_alert_in_chinese_markdown(void **state)
{
    (void)state;
    const struct nj_incident incident = oom();
    const struct nj_store_crash crash = crash_with_log("growing\n[stderr] no memory\n", 57);
    const struct nj_alert alert = opened(&incident, &crash);
    assert_renders(&zh_markdown, &alert,
                   "**<font color=\"warning\">【严重】容器崩溃：shop/oom</font>**\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：payments\n"
                   "命名空间：shop\n"
                   "工作负载：Deployment/oom\n"
                   "Pod：oom-76896944f8-g8nzc\n"
                   "容器：c\n"
                   "节点：node1\n"
                   "原因：137 OOMKilled：超出内存上限 24 MiB 被系统杀死\n"
                   "重启：3（CrashLoopBackOff，重启被推迟）\n"
                   "次数：4（另有 2 次重启未逐一看到）\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:02:05 UTC\n"
                   "镜像：busybox:1.36\n"
                   "编号：#7\n"
                   "日志末尾（2/57 行）：\n"
                   "> growing\n"
                   "> [stderr] no memory\n"
                   "[查看详情](https://nightjar.example/incidents/7)\n"
                   "<@li><@wang>");
}

static void an_alert_in_english_markdown(void **state)
{
    (void)state;
    struct nj_incident incident = oom();
    incident.lost = 0;
    incident.crash_loop = false;
    struct nj_store_crash crash = crash_with_log("growing\n", 1);
    crash.crash.container_type = "init";
    const struct nj_alert alert = opened(&incident, &crash);
    assert_renders(&en_markdown, &alert,
                   "**<font color=\"warning\">[Critical] Container crashes: shop/oom</font>**\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: payments\n"
                   "Namespace: shop\n"
                   "Workload: Deployment/oom\n"
                   "Pod: oom-76896944f8-g8nzc\n"
                   "Container: c (init container)\n"
                   "Node: node1\n"
                   "Reason: 137 OOMKilled: over its 24 MiB limit\n"
                   "Restarts: 3\n"
                   "Count: 4\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:02:05 UTC\n"
                   "Image: busybox:1.36\n"
                   "Incident: #7\n"
                   "End of the log (1 of 1 lines):\n"
                   "> growing\n"
                   "[Details](https://nightjar.example/incidents/7)\n"
                   "<@li><@wang>");
}

static void a_text_message_has_no_markup_and_no_mentions_in_it(void **state)
{
    (void)state;
    const struct nj_incident incident = noimage();
    const struct nj_alert alert = opened(&incident, NULL);
    assert_renders(&zh_text, &alert,
                   "【警告】镜像拉取失败：shop/noimage\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：-\n"
                   "命名空间：shop\n"
                   "工作负载：Deployment/noimage\n"
                   "Pod：noimage-1\n"
                   "容器：app\n"
                   "节点：node-7\n"
                   "原因：ImagePullBackOff：镜像 registry.invalid/none:1 拉取不到，重试被推迟\n"
                   "消息：Back-off pulling image \"registry.invalid/none:1\"\n"
                   "次数：1\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:00:00 UTC\n"
                   "编号：#8\n"
                   "查看详情 https://nightjar.example/incidents/8");
    assert_renders(
        &en_text, &alert,
        "[Warning] Image cannot be pulled: shop/noimage\n"
        "Alert group: 支付值班\n"
        "Cluster: prod\n"
        "Project: -\n"
        "Namespace: shop\n"
        "Workload: Deployment/noimage\n"
        "Pod: noimage-1\n"
        "Container: app\n"
        "Node: node-7\n"
        "Reason: ImagePullBackOff: the image registry.invalid/none:1 cannot be pulled, retries are held "
        "back\n"
        "Message: Back-off pulling image \"registry.invalid/none:1\"\n"
        "Count: 1\n"
        "First: 2026-11-21 09:00:00 UTC\n"
        "Last: 2026-11-21 09:00:00 UTC\n"
        "Incident: #8");
}

static void the_end_says_why_and_how_long_and_mentions_nobody(void **state)
{
    (void)state;
    const struct nj_incident incident = ended(oom(), "stable");
    const struct nj_alert alert = resolved(&incident);
    assert_renders(&zh_markdown, &alert,
                   "**<font color=\"info\">【恢复】容器崩溃：shop/oom</font>**\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：payments\n"
                   "命名空间：shop\n"
                   "工作负载：Deployment/oom\n"
                   "Pod：oom-76896944f8-g8nzc\n"
                   "容器：c\n"
                   "节点：node1\n"
                   "结束：已稳定运行\n"
                   "持续：5 分 12 秒\n"
                   "次数：4（另有 2 次重启未逐一看到）\n"
                   "最后原因：137 OOMKilled：超出内存上限 24 MiB 被系统杀死\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:02:05 UTC\n"
                   "结束时间：2026-11-21 09:05:12 UTC\n"
                   "编号：#7\n"
                   "[查看详情](https://nightjar.example/incidents/7)");
    assert_says(&en_markdown, &alert, "[Resolved] Container crashes: shop/oom");
    assert_says(&en_markdown, &alert, "\nEnded: it has stayed up\nLasted: 5 min 12 s\n");
    const struct nj_incident deleted = ended(oom(), "deleted");
    const struct nj_alert gone = resolved(&deleted);
    assert_says(&zh_markdown, &gone, "\n结束：Pod 已被删除\n");
    const struct nj_incident unknown = ended(oom(), "moonrise");
    const struct nj_alert strange = resolved(&unknown);
    assert_says(&zh_markdown, &strange, "\n结束：moonrise\n");
}

static void a_digest_names_each_incident_once_by_group(void **state)
{
    (void)state;
    const struct nj_incident first = oom();
    const struct nj_incident second = noimage();
    const struct nj_incident third = ended(oom(), "stable");
    struct nj_incident fourth = ended(noimage(), "started");
    fourth.id = 9;
    struct nj_alert alerts[] = {opened(&second, NULL), opened(&first, NULL), resolved(&third),
                                resolved(&fourth)};
    alerts[3].group = "";
    alerts[0].mentions = "wang,zhao";
    struct nj_buf out = {0};
    nj_render_digest(&zh_markdown, alerts, COUNT(alerts), &out);
    assert_string_equal(
        nj_buf_str(&out),
        "**<font color=\"warning\">【汇总】1 条告警，2 条恢复</font>**\n"
        "告警组：-\n"
        "> 【恢复】镜像拉取失败 prod.-.shop.noimage ×1：ImagePullBackOff：镜像 registry.invalid/none:1 "
        "拉取不到，重试被推迟 #9\n"
        "告警组：支付值班\n"
        "> 【恢复】容器崩溃 prod.payments.shop.oom ×4：137 OOMKilled：超出内存上限 24 MiB 被系统杀死 #7\n"
        "> 【警告】镜像拉取失败 prod.-.shop.noimage ×1：ImagePullBackOff：镜像 registry.invalid/none:1 "
        "拉取不到，重试被推迟 #8\n"
        "[查看全部](https://nightjar.example/)\n"
        "<@wang><@zhao>");
    nj_buf_clear(&out);
    nj_render_digest(&en_text, alerts, 2, &out);
    assert_string_equal(
        nj_buf_str(&out),
        "[Digest] 2 alerts, 0 resolved\n"
        "Alert group: 支付值班\n"
        "> [Critical] Container crashes prod.payments.shop.oom ×4: 137 OOMKilled: over its 24 MiB "
        "limit #7\n"
        "> [Warning] Image cannot be pulled prod.-.shop.noimage ×1: ImagePullBackOff: the image "
        "registry.invalid/none:1 cannot be pulled, retries are held back #8");
    nj_buf_done(&out);
}

/* Kubernetes' reason and the exit code, as people read them. */
static void reasons_in_plain_words(void **state)
{
    (void)state;
    static const struct {
        enum nj_incident_kind kind;
        int exit_code;
        const char *reason;
        const char *zh, *en;
    } cases[] = {
        {NJ_INCIDENT_CRASH, 137, "OOMKilled", "137 OOMKilled：超出内存上限 24 MiB 被系统杀死",
         "137 OOMKilled: over its 24 MiB limit"},
        {NJ_INCIDENT_CRASH, 137, "Error", "137 Error：被 SIGKILL 强制杀死（如超过终止宽限期）",
         "137 Error: killed with SIGKILL (such as past its grace period)"},
        {NJ_INCIDENT_CRASH, 137, "ContainerStatusUnknown",
         "137 ContainerStatusUnknown：节点没有报告它怎样结束",
         "137 ContainerStatusUnknown: the node did not report how it ended"},
        {NJ_INCIDENT_CRASH, 143, "Error", "143 Error：收到 SIGTERM 后结束（如存活探针失败）",
         "143 Error: ended by SIGTERM (such as a failed liveness probe)"},
        {NJ_INCIDENT_CRASH, 139, "Error", "139 Error：段错误（SIGSEGV）",
         "139 Error: segmentation fault (SIGSEGV)"},
        {NJ_INCIDENT_CRASH, 134, "Error", "134 Error：自行中止（SIGABRT，如断言失败）",
         "134 Error: aborted (SIGABRT, such as a failed assertion)"},
        {NJ_INCIDENT_CRASH, 126, "Error", "126 Error：命令无法执行（如没有执行权限）",
         "126 Error: the command cannot be executed (such as no permission)"},
        {NJ_INCIDENT_CRASH, 127, "Error", "127 Error：找不到命令", "127 Error: the command was not found"},
        {NJ_INCIDENT_CRASH, 128, "StartError", "128 StartError：容器进程无法启动",
         "128 StartError: the container's process could not be started"},
        {NJ_INCIDENT_CRASH, 255, "Unknown", "255 Unknown：运行时丢失了它的状态（如节点重启）",
         "255 Unknown: the runtime lost its state (such as a reboot of the node)"},
        {NJ_INCIDENT_CRASH, 255, "Error", "255 Error：退出码超出范围，或程序返回 -1",
         "255 Error: the program returned -1 or a code out of range"},
        {NJ_INCIDENT_CRASH, 1, "Error", "1 Error：程序报错退出", "1 Error: the program reported an error"},
        {NJ_INCIDENT_CRASH, 2, "Error", "2 Error：程序报错退出（如 Go 的 panic、命令用法错误）",
         "2 Error: the program reported an error (such as a Go panic or a wrong command line)"},
        {NJ_INCIDENT_CRASH, 3, "Error", "3 Error：程序自定义的退出码",
         "3 Error: an exit code of the program's own"},
        {NJ_INCIDENT_CRASH, 128 + 10, "Error", "138 Error：被信号 10 结束", "138 Error: ended by signal 10"},
        {NJ_INCIDENT_IMAGE_PULL, 0, "ErrImagePull", "ErrImagePull：镜像 registry/cart:1.4.2 拉取不到",
         "ErrImagePull: the image registry/cart:1.4.2 cannot be pulled"},
        {NJ_INCIDENT_IMAGE_PULL, 0, "InvalidImageName",
         "InvalidImageName：镜像 registry/cart:1.4.2 拉取不到，镜像名不合法",
         "InvalidImageName: the image registry/cart:1.4.2 cannot be pulled, its name is not valid"},
        {NJ_INCIDENT_CONFIG_ERROR, 0, "CreateContainerConfigError",
         "CreateContainerConfigError：容器配置有误（如缺少 ConfigMap 或 Secret）",
         "CreateContainerConfigError: the container's configuration is wrong (such as a missing ConfigMap or "
         "Secret)"},
        {NJ_INCIDENT_UNSCHEDULABLE, 0, "Unschedulable", "Unschedulable：没有节点能接收它",
         "Unschedulable: no node takes it"},
        {NJ_INCIDENT_POD_FAILURE, 0, "Evicted", "Evicted：被节点驱逐", "Evicted: the node evicted it"},
        {NJ_INCIDENT_POD_FAILURE, 0, "NewerThanThis", "NewerThanThis", "NewerThanThis"},
        {NJ_INCIDENT_STUCK, 0, "", "-", "-"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nj_incident incident = make_incident(1, "f");
        incident.kind = cases[i].kind;
        incident.reason = cases[i].reason;
        incident.exit_code = cases[i].exit_code;
        struct nj_buf out = {0};
        nj_words_reason(NJ_LANGUAGE_ZH, &incident, &out);
        assert_string_equal(nj_buf_str(&out), cases[i].zh);
        nj_buf_clear(&out);
        nj_words_reason(NJ_LANGUAGE_EN, &incident, &out);
        assert_string_equal(nj_buf_str(&out), cases[i].en);
        nj_buf_done(&out);
    }
}

static void no_memory_limit_is_said(void **state)
{
    (void)state;
    struct nj_incident incident = oom();
    incident.memory_limit_bytes = 0;
    struct nj_alert alert = opened(&incident, NULL);
    assert_says(&en_markdown, &alert,
                "137 OOMKilled: killed for lack of memory (it has no limit: the node ran out)\n");
    assert_says(&zh_markdown, &alert, "137 OOMKilled：内存不足（未设上限，节点内存耗尽）被系统杀死\n");
}

static void the_schedulers_message_is_told(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "f");
    incident.kind = NJ_INCIDENT_UNSCHEDULABLE;
    incident.reason = "Unschedulable";
    incident.message = "0/1 nodes are available: 1 Insufficient cpu.";
    incident.node = "";
    incident.container = "";
    incident.crash_id = "";
    const struct nj_alert alert = opened(&incident, NULL);
    assert_says(&en_markdown, &alert, "\nMessage: 0/1 nodes are available: 1 Insufficient cpu.\n");
    assert_does_not_say(&en_markdown, &alert, "Node:");
    assert_does_not_say(&en_markdown, &alert, "Container:");
    assert_does_not_say(&en_markdown, &alert, "Restarts:");
}

static void a_missing_log_is_explained(void **state)
{
    (void)state;
    const struct nj_incident incident = oom();
    struct nj_store_crash crash = crash_with_log("", 0);
    crash.crash.log.missing = "the file is gone";
    const struct nj_alert alert = opened(&incident, &crash);
    assert_says(&en_markdown, &alert, "\nLog: the file is gone\n");
}

static void bytes_and_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        const char *text;
    } sizes[] = {{1, "1 B"},
                 {1023, "1023 B"},
                 {1024, "1 KiB"},
                 {1536, "1.5 KiB"},
                 {24 << 20, "24 MiB"},
                 {500000000, "476.8 MiB"},
                 {INT64_C(3) << 30, "3 GiB"},
                 {INT64_MAX, "8388607.9 TiB"}};
    static const struct {
        int64_t ns;
        const char *zh, *en;
    } spans[] = {{-5, "0 秒", "0 s"},
                 {NJ_SEC, "1 秒", "1 s"},
                 {61 * NJ_SEC, "1 分 1 秒", "1 min 1 s"},
                 {NJ_HOUR, "1 小时", "1 h"},
                 {NJ_HOUR + 5 * NJ_SEC, "1 小时", "1 h"},
                 {26 * NJ_HOUR + 10 * NJ_MIN, "1 天 2 小时", "1 d 2 h"}};
    struct nj_buf out = {0};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        nj_buf_clear(&out);
        nj_words_bytes(sizes[i].bytes, &out);
        assert_string_equal(nj_buf_str(&out), sizes[i].text);
    }
    for (size_t i = 0; i < COUNT(spans); i++) {
        nj_buf_clear(&out);
        nj_words_duration(NJ_LANGUAGE_ZH, spans[i].ns, &out);
        assert_string_equal(nj_buf_str(&out), spans[i].zh);
        nj_buf_clear(&out);
        nj_words_duration(NJ_LANGUAGE_EN, spans[i].ns, &out);
        assert_string_equal(nj_buf_str(&out), spans[i].en);
    }
    nj_buf_done(&out);
}

static void text_from_outside_is_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *in, *markdown, *text;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"<@boss> hi <@all>", "＜@boss> hi ＜@all>", "＜@boss> hi ＜@all>"},
        {"<font color=\"info\">ok</font>", "＜font color=\"info\">ok＜/font>",
         "＜font color=\"info\">ok＜/font>"},
        {"<a href=\"http://x\">", "＜a href=\"http://x\">", "＜a href=\"http://x\">"},
        {"<\x16@boss>", "＜@boss>", "＜@boss>"},
        {"<\xe2\x80\x8b@boss>", "＜@boss>", "＜@boss>"},
        {"[x]\x01(http://x)", "[x]（http://x)", "[x](http://x)"},
        {"\x01# *\x01*", "＃ ＊＊", "# **"},
        {"a < b <= c << 2", "a < b <= c << 2", "a < b <= c << 2"},
        {"[click](http://x)", "[click]（http://x)", "[click](http://x)"},
        {"`rm`", "｀rm｀", "`rm`"},
        {"**Pod**: x * y", "＊＊Pod＊＊: x * y", "**Pod**: x * y"},
        {"# title", "＃ title", "# title"},
        {"  ## >> title # >", "  ＃＃ ＞＞ title # >", "  ## >> title # >"},
        {"one\ntwo\r\nthree\xe2\x80\xa8"
         "four\n",
         "one two three four", "one two three four"},
        {"\tat x", "    at x", "    at x"},
        {"a\x01\x1b[31mb\x7f", "a[31mb", "a[31mb"},
        {"\xe2\x80\xae"
         "evil\xe2\x80\x8b",
         "evil", "evil"},
        {"bad \xff utf \xe4\xb8", "bad \xef\xbf\xbd utf \xef\xbf\xbd", "bad \xef\xbf\xbd utf \xef\xbf\xbd"},
        {"中文 🎉", "中文 🎉", "中文 🎉"},
        {"", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nj_buf out = {0};
        nj_escape(&out, cases[i].in, strlen(cases[i].in), 100, true);
        assert_string_equal(nj_buf_str(&out), cases[i].markdown);
        nj_buf_clear(&out);
        nj_escape(&out, cases[i].in, strlen(cases[i].in), 100, false);
        assert_string_equal(nj_buf_str(&out), cases[i].text);
        nj_buf_done(&out);
    }
}

static void cut_text_ends_with_an_ellipsis_and_keeps_its_characters_whole(void **state)
{
    (void)state;
    static const char text[] = "中文日志很长很长";
    for (size_t max = 0; max <= sizeof(text); max++) {
        struct nj_buf out = {0};
        nj_escape(&out, text, sizeof(text) - 1, max, true);
        assert_true(out.len <= max);
        assert_true(nj_utf8_valid(nj_buf_str(&out), out.len));
        if (max >= sizeof(text) - 1)
            assert_string_equal(nj_buf_str(&out), text);
        else if (max >= 3)
            assert_true(nj_str_ends(nj_buf_str(&out), "…"));
        nj_buf_done(&out);
    }
}

static void no_log_line_can_forge_the_alert(void **state)
{
    (void)state;
    const struct nj_incident incident = oom();
    const struct nj_store_crash crash =
        crash_with_log("原因：0 Completed\n<@all> **<font color=\"info\">【恢复】</font>**\n"
                       "[查看详情](https://evil.example)\n> quoted\n",
                       4);
    const struct nj_alert alert = opened(&incident, &crash);
    char *text = render(&zh_markdown, &alert);
    assert_non_null(strstr(text, "\n> 原因：0 Completed\n"));
    assert_null(strstr(text, "\n原因：0"));
    assert_null(strstr(text, "<@all>"));
    assert_null(strstr(text, "<font color=\"info\">"));
    assert_null(strstr(text, "](https://evil"));
    free(text);
    text = render(&zh_text, &alert);
    assert_null(strstr(text, "\n原因：0"));
    assert_null(strstr(text, "<@all>"));
    free(text);
}

static char *repeat(const char *piece, size_t times)
{
    struct nj_buf out = {0};
    for (size_t i = 0; i < times; i++)
        nj_buf_append_str(&out, piece);
    return nj_buf_take(&out);
}

static void the_last_lines_are_shown_as_far_as_they_fit(void **state)
{
    (void)state;
    const struct nj_incident incident = oom();
    struct nj_buf log = {0};
    for (int i = 1; i <= 200; i++)
        nj_buf_printf(&log, "line %d of the log, which is about forty bytes long\n", i);
    const struct nj_store_crash crash = crash_with_log(nj_buf_str(&log), 200);
    const struct nj_alert alert = opened(&incident, &crash);
    assert_says(&zh_markdown, &alert, "日志末尾（10/200 行）：\n> line 191 of");
    assert_says(&zh_markdown, &alert, "\n> line 200 of");
    struct nj_render how = zh_markdown;
    how.log_lines = 0;
    assert_does_not_say(&how, &alert, "日志末尾");
    how.log_lines = 200;
    assert_says(&how, &alert, "\n> line 200 of");
    how.max_bytes = 1024;
    assert_says(&how, &alert, "\n> line 200 of");
    assert_does_not_say(&how, &alert, "\n> line 191 of");
    nj_buf_done(&log);
}

static void one_long_last_line_is_cut_rather_than_left_out(void **state)
{
    (void)state;
    const struct nj_incident incident = oom();
    char *line = repeat("长", 100000);
    const struct nj_store_crash crash = crash_with_log(line, 1);
    struct nj_alert alert = opened(&incident, &crash);
    for (size_t max = 900; max <= 4096; max += 37) {
        struct nj_render how = zh_markdown;
        how.max_bytes = max;
        assert_says(&how, &alert, "\n> 长");
        assert_says(&how, &alert, "…\n");
    }
    free(line);
}

static void whatever_comes_a_message_keeps_its_limit_and_says_what_matters(void **state)
{
    (void)state;
    char *name = repeat("很长的名字", 200);
    struct nj_incident incident = oom();
    incident.cluster = incident.project = incident.namespace = incident.workload = incident.container = name;
    incident.pod = incident.node = incident.image = incident.message = incident.reason = name;
    const struct nj_store_crash crash = crash_with_log(name, 1);
    struct nj_alert alert = opened(&incident, &crash);
    alert.group = name;
    static const size_t limits[] = {256, 512, 600, 1000, 2048, 4096};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct nj_render how = zh_markdown;
        how.max_bytes = limits[i];
        alert.transition = NJ_TRANSITION_OPENED;
        assert_says(&how, &alert, "【严重】容器崩溃：很长");
        assert_says(&how, &alert, "https://nightjar.example/incidents/7");
        alert.transition = NJ_TRANSITION_RESOLVED;
        assert_says(&how, &alert, "【恢复】容器崩溃：很长");
        how.format = NJ_CHANNEL_TEXT;
        assert_says(&how, &alert, "【恢复】容器崩溃：很长");
    }
    free(name);
}

/* ---- checks */

static struct nj_incident failing_checks(void)
{
    struct nj_incident incident = make_incident(12, "f12");
    incident.kind = NJ_INCIDENT_PROBE;
    incident.project = "payments";
    incident.workload_kind = "Service";
    incident.workload = "web";
    incident.container = incident.image = incident.crash_id = "";
    incident.pod = "web-2";
    incident.node = "node-3";
    incident.reason = "SomeFail";
    incident.message = "2 of 5 targets fail: web-1, web-2 (step login: expected status 200-299, got 500)";
    incident.exit_code = incident.restart_count = 0;
    incident.memory_limit_bytes = 0;
    incident.count = 2;
    incident.last_ns = incident.first_ns + 5 * NJ_SEC;
    incident.monitor = "apimonitor.shop.web";
    incident.step = "login";
    incident.cause = "status";
    incident.expected = "status 200-299";
    incident.got = "status 500";
    incident.body = "{\"error\":\"no database\"}\n";
    incident.status = 500;
    incident.targets_failing = 2;
    incident.targets_total = 5;
    return incident;
}

static struct nj_alert opened_checks(const struct nj_incident *incident)
{
    struct nj_alert alert = opened(incident, NULL);
    alert.targets = "web-1, web-2";
    return alert;
}

static void failing_checks_say_which_step_what_was_expected_and_what_came(void **state)
{
    (void)state;
    const struct nj_incident incident = failing_checks();
    const struct nj_alert alert = opened_checks(&incident);
    assert_renders(&zh_markdown, &alert,
                   "**<font color=\"warning\">【警告】部分拨测失败：shop/web</font>**\n"
                   "告警组：支付值班\n"
                   "集群：prod\n"
                   "项目：payments\n"
                   "命名空间：shop\n"
                   "工作负载：Service/web\n"
                   "失败目标：web-1, web-2\n"
                   "原因：2/5 个目标失败\n"
                   "步骤：login\n"
                   "故障：状态码不符\n"
                   "期望：status 200-299\n"
                   "实际：status 500\n"
                   "状态码：500\n"
                   "返回内容：{\"error\":\"no database\"}\n"
                   "拨测：apimonitor.shop.web\n"
                   "首次：2026-11-21 09:00:00 UTC\n"
                   "最近：2026-11-21 09:00:05 UTC\n"
                   "编号：#12\n"
                   "[查看详情](https://nightjar.example/incidents/12)\n"
                   "<@li><@wang>");
    assert_renders(&en_text, &alert,
                   "[Warning] Some checks fail: shop/web\n"
                   "Alert group: 支付值班\n"
                   "Cluster: prod\n"
                   "Project: payments\n"
                   "Namespace: shop\n"
                   "Workload: Service/web\n"
                   "Failing: web-1, web-2\n"
                   "Reason: 2 of 5 targets fail\n"
                   "Step: login\n"
                   "Cause: the status is not the expected one\n"
                   "Expected: status 200-299\n"
                   "Got: status 500\n"
                   "Status: 500\n"
                   "Body: {\"error\":\"no database\"}\n"
                   "Monitor: apimonitor.shop.web\n"
                   "First: 2026-11-21 09:00:00 UTC\n"
                   "Last: 2026-11-21 09:00:05 UTC\n"
                   "Incident: #12");
}

static void a_service_that_is_down_is_called_so(void **state)
{
    (void)state;
    struct nj_incident incident = failing_checks();
    incident.reason = "AllFail";
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.targets_failing = 5;
    incident.cause = "refused";
    incident.expected = incident.got = incident.body = "";
    incident.status = 0;
    struct nj_alert alert = opened_checks(&incident);
    assert_does_not_say(&zh_markdown, &alert, "节点");
    alert.targets = "web-1";
    assert_says(&zh_markdown, &alert, "失败目标：web-1\n节点：node-3\n");
    assert_says(&zh_markdown, &alert, "**<font color=\"warning\">【严重】服务不可用：shop/web</font>**\n");
    assert_says(&zh_markdown, &alert, "原因：全部 5 个目标失败\n步骤：login\n故障：连接被拒绝");
    assert_says(&en_markdown, &alert, "[Critical] Service is down: shop/web");
    assert_says(&en_markdown, &alert,
                "Reason: all 5 targets fail\nStep: login\nCause: the connection was refused");
    assert_does_not_say(&en_markdown, &alert, "Expected");
    assert_does_not_say(&en_markdown, &alert, "Change");
    alert.transition = NJ_TRANSITION_WORSENED;
    assert_says(&zh_markdown, &alert, "变化：由部分失败变为全部失败\n原因：全部 5 个目标失败\n");
    assert_says(&en_markdown, &alert, "Change: some targets failed, now all do\n");
    assert_says(&en_markdown, &alert, "<@li><@wang>");
    /* One that is no Service's. */
    incident.workload_kind = "ApiMonitor";
    incident.targets_failing = incident.targets_total = 1;
    assert_says(&en_markdown, &alert, "[Critical] Checks fail: shop/web");
    assert_says(&en_markdown, &alert, "Reason: the check fails\n");
    assert_says(&zh_text, &alert, "【严重】拨测失败：shop/web");
}

static void flapping_is_called_so(void **state)
{
    (void)state;
    struct nj_incident incident = failing_checks();
    incident.reason = "Flapping";
    const struct nj_alert alert = opened_checks(&incident);
    assert_says(&zh_markdown, &alert, "【警告】拨测时好时坏：shop/web");
    assert_says(&en_markdown, &alert, "[Warning] Checks flap: shop/web");
    assert_says(&en_markdown, &alert, "Reason: passing and failing in turn\n");
}

static void a_node_s_checks_name_the_node_and_no_service(void **state)
{
    (void)state;
    struct nj_incident incident = failing_checks();
    incident.kind = NJ_INCIDENT_NODE_PROBES;
    incident.namespace = incident.project = incident.pod = "";
    incident.workload_kind = "Node";
    incident.workload = incident.node = "node-3";
    struct nj_alert alert = opened(&incident, NULL);
    assert_says(&zh_markdown, &alert, "【警告】节点上拨测全部失败：node-3</font>");
    assert_says(&en_markdown, &alert, "[Warning] Every check on the node fails: node-3</font>");
    assert_says(&en_markdown, &alert, "Node: node-3\nReason: every check on the node fails\n");
    assert_does_not_say(&en_markdown, &alert, "Namespace");
}

static void the_end_of_failing_checks_says_how_they_failed(void **state)
{
    (void)state;
    const struct nj_incident incident = ended(failing_checks(), "passing");
    const struct nj_alert alert = resolved(&incident);
    assert_says(&zh_markdown, &alert, "【恢复】部分拨测失败：shop/web");
    assert_says(&zh_markdown, &alert, "结束：拨测恢复正常\n持续：5 分 12 秒\n");
    assert_says(&zh_markdown, &alert,
                "最后原因：2/5 个目标失败，步骤 login：期望 status 200-299，实际 status 500\n");
    assert_says(&en_markdown, &alert, "Ended: its checks pass again\n");
    assert_says(&en_markdown, &alert,
                "Last reason: 2 of 5 targets fail, step login: expected status 200-299, got status 500\n");
    const struct nj_incident gone = ended(failing_checks(), "gone");
    const struct nj_alert other = resolved(&gone);
    assert_says(&en_markdown, &other, "Ended: the failing targets are gone\n");
}

static void what_a_service_answers_is_harmless_and_leaves_room(void **state)
{
    (void)state;
    char *body = repeat("<@all> [win](http://evil) **库存**\r\n> #", 40);
    struct nj_incident incident = failing_checks();
    incident.body = incident.got = incident.expected = incident.step = body;
    const struct nj_alert alert = opened_checks(&incident);
    static const size_t limits[] = {256, 512, 1000, 2048, 4096};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct nj_render how = zh_markdown;
        how.max_bytes = limits[i];
        assert_says(&how, &alert, "【警告】部分拨测失败：shop/web");
        assert_says(&how, &alert, "https://nightjar.example/incidents/12");
        assert_does_not_say(&how, &alert, "<@all>");
        assert_does_not_say(&how, &alert, "](http://evil");
    }
    free(body);
}

static void a_digest_has_a_line_for_failing_checks(void **state)
{
    (void)state;
    const struct nj_incident incident = failing_checks();
    struct nj_alert alerts[] = {opened_checks(&incident), opened_checks(&incident)};
    alerts[1].transition = NJ_TRANSITION_WORSENED;
    struct nj_buf out = {0};
    nj_render_digest(&zh_markdown, alerts, COUNT(alerts), &out);
    assert_string_equal(nj_buf_str(&out), "**<font color=\"warning\">【汇总】1 条告警，0 条恢复</font>**\n"
                                          "告警组：支付值班\n"
                                          "> 【警告】部分拨测失败 prod.payments.shop.web ×2：2/5 "
                                          "个目标失败，步骤 login：期望 status 200-299，实际 status 500 #12\n"
                                          "[查看全部](https://nightjar.example/)\n"
                                          "<@li><@wang>");
    nj_buf_done(&out);
}

static void a_flood_of_mentions_leaves_room_for_the_alert(void **state)
{
    (void)state;
    char *users = repeat("somebody,", 1000);
    const struct nj_incident incident = oom();
    struct nj_alert alert = opened(&incident, NULL);
    alert.mentions = users;
    assert_says(&zh_markdown, &alert, "编号：#7\n");
    assert_says(&zh_markdown, &alert, "<@somebody><@somebody>");
    free(users);
}

static void what_has_one_cause_is_one_line(void **state)
{
    (void)state;
    enum { ALERTS = 300 };
    static struct nj_incident incidents[ALERTS];
    static struct nj_alert alerts[ALERTS];
    static char names[ALERTS][8];
    for (int i = 0; i < ALERTS; i++) {
        incidents[i] = i % 2 == 0 ? oom() : noimage();
        incidents[i].id = i + 1;
        (void)snprintf(names[i], sizeof(names[i]), "w%d", i);
        incidents[i].workload = names[i];
        alerts[i] = opened(&incidents[i], NULL);
    }
    struct nj_buf out = {0};
    nj_render_digest(&en_text, alerts, 6, &out);
    assert_string_equal(
        nj_buf_str(&out),
        "[Digest] 6 alerts, 0 resolved\n"
        "Alert group: 支付值班\n"
        "> [Critical] Container crashes prod 3 of them ×12: 137 OOMKilled: over its 24 MiB limit: "
        "shop/w0 #1, shop/w2 #3, shop/w4 #5\n"
        "> [Warning] Image cannot be pulled prod 3 of them ×3: ImagePullBackOff: the image "
        "registry.invalid/none:1 cannot be pulled, retries are held back: shop/w1 #2, shop/w3 #4, shop/w5 "
        "#6");
    nj_buf_clear(&out);
    /* One that is over is no longer one of them. */
    alerts[4].transition = NJ_TRANSITION_RESOLVED;
    nj_render_digest(&zh_markdown, alerts, 5, &out);
    assert_null(strstr(nj_buf_str(&out), "共"));
    alerts[4].transition = NJ_TRANSITION_OPENED;
    nj_buf_clear(&out);
    nj_render_digest(&zh_markdown, alerts, ALERTS, &out);
    assert_int_equal(nj_render_parts(nj_buf_str(&out)), 1);
    assert_non_null(strstr(nj_buf_str(&out), "【汇总】300 条告警，0 条恢复"));
    assert_non_null(strstr(nj_buf_str(&out), "容器崩溃 prod 共 150 个 ×600：137 OOMKilled"));
    assert_non_null(strstr(nj_buf_str(&out), "shop/w0 #1、shop/w2 #3、"));
    assert_non_null(strstr(nj_buf_str(&out), " 等 150 个\n"));
    nj_buf_done(&out);
}

static void a_large_digest_is_cut_into_few_parts_and_counts_the_rest(void **state)
{
    (void)state;
    enum { ALERTS = 500 };
    static struct nj_incident incidents[ALERTS];
    static struct nj_alert alerts[ALERTS];
    for (int i = 0; i < ALERTS; i++) {
        incidents[i] = oom();
        incidents[i].id = i + 1;
        incidents[i].memory_limit_bytes = (int64_t)(i + 1) << 20; /* a reason of its own */
        alerts[i] = opened(&incidents[i], NULL);
    }
    static const size_t limits[] = {256, 512, 2048, 4096};
    for (size_t l = 0; l < COUNT(limits); l++) {
        struct nj_render how = zh_markdown;
        how.max_bytes = limits[l];
        struct nj_buf out = {0};
        nj_render_digest(&how, alerts, ALERTS, &out);
        size_t parts = nj_render_parts(nj_buf_str(&out));
        assert_in_range(parts, 1, NJ_RENDER_PARTS_MAX);
        size_t lines = 0;
        for (size_t i = 0; i < parts; i++) {
            size_t len = 0;
            const char *part = nj_render_part(nj_buf_str(&out), i, &len);
            assert_in_range(len, 1, limits[l]);
            assert_true(nj_utf8_valid(part, len));
            char head[64];
            (void)snprintf(head, sizeof(head), "（%zu/%zu）\n", i + 1, parts);
            assert_true(parts == 1 || nj_str_starts(part, head));
            for (size_t at = 0; at < len; at++)
                lines += part[at] == '#' ? 1 : 0;
        }
        assert_non_null(strstr(nj_buf_str(&out), "【汇总】500 条告警，0 条恢复"));
        char rest[64];
        (void)snprintf(rest, sizeof(rest), "另有 %zu 条未列出", ALERTS - lines);
        if (limits[l] > 512)
            assert_non_null(strstr(nj_buf_str(&out), rest));
        nj_buf_done(&out);
    }
}

static void parts_are_cut_at_line_ends_and_between_characters(void **state)
{
    (void)state;
    static const char lines[] = "first line\nsecond line\nthird line";
    struct nj_buf out = {0};
    nj_render_split(NJ_LANGUAGE_EN, lines, sizeof(lines) - 1, sizeof(lines), &out);
    assert_string_equal(nj_buf_str(&out), lines);
    nj_buf_clear(&out);
    nj_render_split(NJ_LANGUAGE_EN, lines, sizeof(lines) - 1, 24 + 12, &out);
    assert_string_equal(nj_buf_str(&out), lines);
    nj_buf_clear(&out);
    char *text = repeat("一二三四五六七八九十", 30);
    nj_render_split(NJ_LANGUAGE_ZH, text, strlen(text), 256, &out);
    struct nj_buf joined = {0};
    for (size_t i = 0; i < nj_render_parts(nj_buf_str(&out)); i++) {
        size_t len = 0;
        const char *part = nj_render_part(nj_buf_str(&out), i, &len);
        assert_true(len <= 256);
        assert_true(nj_utf8_valid(part, len));
        const char *body = strchr(part, '\n') + 1;
        nj_buf_append(&joined, body, len - (size_t)(body - part));
    }
    assert_string_equal(nj_buf_str(&joined), text);
    nj_buf_done(&joined);
    nj_buf_done(&out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_in_chinese_markdown),
        cmocka_unit_test(an_alert_in_english_markdown),
        cmocka_unit_test(a_text_message_has_no_markup_and_no_mentions_in_it),
        cmocka_unit_test(the_end_says_why_and_how_long_and_mentions_nobody),
        cmocka_unit_test(a_digest_names_each_incident_once_by_group),
        cmocka_unit_test(reasons_in_plain_words),
        cmocka_unit_test(no_memory_limit_is_said),
        cmocka_unit_test(the_schedulers_message_is_told),
        cmocka_unit_test(a_missing_log_is_explained),
        cmocka_unit_test(bytes_and_durations),
        cmocka_unit_test(text_from_outside_is_harmless),
        cmocka_unit_test(cut_text_ends_with_an_ellipsis_and_keeps_its_characters_whole),
        cmocka_unit_test(no_log_line_can_forge_the_alert),
        cmocka_unit_test(the_last_lines_are_shown_as_far_as_they_fit),
        cmocka_unit_test(one_long_last_line_is_cut_rather_than_left_out),
        cmocka_unit_test(whatever_comes_a_message_keeps_its_limit_and_says_what_matters),
        cmocka_unit_test(failing_checks_say_which_step_what_was_expected_and_what_came),
        cmocka_unit_test(a_service_that_is_down_is_called_so),
        cmocka_unit_test(flapping_is_called_so),
        cmocka_unit_test(a_node_s_checks_name_the_node_and_no_service),
        cmocka_unit_test(the_end_of_failing_checks_says_how_they_failed),
        cmocka_unit_test(what_a_service_answers_is_harmless_and_leaves_room),
        cmocka_unit_test(a_digest_has_a_line_for_failing_checks),
        cmocka_unit_test(a_flood_of_mentions_leaves_room_for_the_alert),
        cmocka_unit_test(what_has_one_cause_is_one_line),
        cmocka_unit_test(a_large_digest_is_cut_into_few_parts_and_counts_the_rest),
        cmocka_unit_test(parts_are_cut_at_line_ends_and_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
