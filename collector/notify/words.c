#include "collector/notify/words.h"

#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Indexed by enum nj_language. */
struct pair {
    const char *in[2];
};

static const struct pair words[] = {
    [NJ_WORD_GROUP] = {{"告警组", "Alert group"}},
    [NJ_WORD_CLUSTER] = {{"集群", "Cluster"}},
    [NJ_WORD_PROJECT] = {{"项目", "Project"}},
    [NJ_WORD_NAMESPACE] = {{"命名空间", "Namespace"}},
    [NJ_WORD_WORKLOAD] = {{"工作负载", "Workload"}},
    [NJ_WORD_POD] = {{"Pod", "Pod"}},
    [NJ_WORD_CONTAINER] = {{"容器", "Container"}},
    [NJ_WORD_NODE] = {{"节点", "Node"}},
    [NJ_WORD_IMAGE] = {{"镜像", "Image"}},
    [NJ_WORD_REASON] = {{"原因", "Reason"}},
    [NJ_WORD_LAST_REASON] = {{"最后原因", "Last reason"}},
    [NJ_WORD_MESSAGE] = {{"消息", "Message"}},
    [NJ_WORD_RESTARTS] = {{"重启", "Restarts"}},
    [NJ_WORD_COUNT] = {{"次数", "Count"}},
    [NJ_WORD_FIRST] = {{"首次", "First"}},
    [NJ_WORD_LAST] = {{"最近", "Last"}},
    [NJ_WORD_ENDED] = {{"结束", "Ended"}},
    [NJ_WORD_ENDED_AT] = {{"结束时间", "Ended at"}},
    [NJ_WORD_LASTED] = {{"持续", "Lasted"}},
    [NJ_WORD_NUMBER] = {{"编号", "Incident"}},
    [NJ_WORD_LOG] = {{"日志", "Log"}},
    [NJ_WORD_DETAIL] = {{"查看详情", "Details"}},
    [NJ_WORD_ALL] = {{"查看全部", "All incidents"}},
    [NJ_WORD_RESOLVED] = {{"恢复", "Resolved"}},
    [NJ_WORD_DIGEST] = {{"汇总", "Digest"}},
    [NJ_WORD_INIT_CONTAINER] = {{"初始化容器", "init container"}},
    [NJ_WORD_SIDECAR] = {{"边车容器", "sidecar"}},
    [NJ_WORD_CRASH_LOOP] = {{"CrashLoopBackOff，重启被推迟", "CrashLoopBackOff, restarts are held back"}},
    [NJ_WORD_TARGETS] = {{"失败目标", "Failing"}},
    [NJ_WORD_MONITOR] = {{"拨测", "Monitor"}},
    [NJ_WORD_STEP] = {{"步骤", "Step"}},
    [NJ_WORD_CAUSE] = {{"故障", "Cause"}},
    [NJ_WORD_EXPECTED] = {{"期望", "Expected"}},
    [NJ_WORD_GOT] = {{"实际", "Got"}},
    [NJ_WORD_STATUS] = {{"状态码", "Status"}},
    [NJ_WORD_BODY] = {{"返回内容", "Body"}},
    [NJ_WORD_CHANGE] = {{"变化", "Change"}},
    [NJ_WORD_CHANGE_WORSENED] = {{"由部分失败变为全部失败", "some targets failed, now all do"}},
    [NJ_WORD_CHANGE_CRITICAL] = {{"由警告升级为严重", "it was a warning, and is critical now"}},
    [NJ_WORD_PROCESS] = {{"进程", "Process"}},
    [NJ_WORD_MEMORY] = {{"内存", "Memory"}},
    [NJ_WORD_VALUE] = {{"当前", "Now"}},
    [NJ_WORD_PACE] = {{"增速", "Pace"}},
    [NJ_WORD_REACHES] = {{"预计达到上限", "Reaches the limit"}},
    [NJ_WORD_EVICTIONS] = {{"驱逐的 Pod", "Evicted pods"}},
    [NJ_WORD_REVISION] = {{"版本", "Revision"}},
    [NJ_WORD_DIFFERENCE] = {{"差异", "What differs"}},
    [NJ_WORD_SERVICES_DOWN] = {{"不可用的服务", "Services down"}},
    [NJ_WORD_OUTAGE] = {{"服务不可用时长", "Services were down for"}},
    [NJ_WORD_BUDGET] = {{"错误预算", "Error budget"}},
    [NJ_WORD_CHANGE_DOWN] = {{"导致服务不可用", "a service is not available because of it"}},
    [NJ_WORD_AGAIN] = {{"仍未恢复，", "still open, "}},
    [NJ_WORD_ESCALATED] = {{"无人认领，升级，", "nobody has acknowledged it, "}},
    [NJ_WORD_ACKNOWLEDGE] = {{"认领", "Acknowledge"}},
    [NJ_WORD_FEEDBACK] = {{"有用/误报", "Useful or noise"}},
    [NJ_WORD_COLON] = {{"：", ": "}},
    [NJ_WORD_OPEN] = {{"（", " ("}},
    [NJ_WORD_CLOSE] = {{"）", ")"}},
};

static const struct pair severities[] = {
    [NJ_SEVERITY_INFO] = {{"提示", "Info"}},
    [NJ_SEVERITY_WARNING] = {{"警告", "Warning"}},
    [NJ_SEVERITY_CRITICAL] = {{"严重", "Critical"}},
};

static const struct pair kinds[] = {
    [NJ_INCIDENT_CRASH] = {{"容器崩溃", "Container crashes"}},
    [NJ_INCIDENT_IMAGE_PULL] = {{"镜像拉取失败", "Image cannot be pulled"}},
    [NJ_INCIDENT_CONFIG_ERROR] = {{"容器配置错误", "Container configuration error"}},
    [NJ_INCIDENT_START_ERROR] = {{"容器无法启动", "Container cannot start"}},
    [NJ_INCIDENT_STUCK] = {{"启动卡住", "Start is stuck"}},
    [NJ_INCIDENT_UNSCHEDULABLE] = {{"无法调度", "Cannot be scheduled"}},
    [NJ_INCIDENT_POD_FAILURE] = {{"Pod 被终止", "Pod was ended"}},
    [NJ_INCIDENT_PROBE] = {{"拨测失败", "Checks fail"}},
    [NJ_INCIDENT_NODE_PROBES] = {{"节点上拨测全部失败", "Every check on the node fails"}},
    [NJ_INCIDENT_OOM_KILL] = {{"容器内进程被 OOM 杀死", "Process OOM-killed"}},
    [NJ_INCIDENT_LEAK] = {{"资源泄漏", "Leak"}},
    [NJ_INCIDENT_NEAR_LIMIT] = {{"接近资源上限", "Near its limit"}},
    [NJ_INCIDENT_NODE] = {{"节点异常", "Node in trouble"}},
    [NJ_INCIDENT_CAPACITY] = {{"节点故障将无处容纳", "No room if a node is lost"}},
    [NJ_INCIDENT_SERVICE_OUTAGE] = {{"服务不可用", "Service is not available"}},
    [NJ_INCIDENT_ROLLOUT_FAILED] = {{"发布失败", "Rollout failed"}},
    [NJ_INCIDENT_SLO_BURN] = {{"错误预算消耗过快", "Error budget burns too fast"}},
    [NJ_INCIDENT_REGISTRY] = {{"镜像仓库故障", "Image registry fails"}},
};

struct meaning {
    const char *name; /* as Kubernetes or the engine says it */
    struct pair pair;
};

static const struct meaning causes[] = {
    {"stable", {{"已稳定运行", "it has stayed up"}}},
    {"started", {{"已经启动", "it has started"}}},
    {"deleted", {{"Pod 已被删除", "the pod was deleted"}}},
    {"completed", {{"已正常结束", "it ended well"}}},
    {"scheduled", {{"已调度到节点", "a node took it"}}},
    {"rolled_out", {{"后续发布已完成", "a later rollout is done"}}},
    {"passing", {{"拨测恢复正常", "its checks pass again"}}},
    {"gone", {{"失败的目标已不存在", "the failing targets are gone"}}},
    {"over", {{"已恢复正常", "it is well again"}}},
    {"quiet", {{"一段时间内没有再发生", "it has not happened again for a while"}}},
    {"superseded", {{"转为等待其他原因", "it waits for something else now"}}},
    {"stale", {{"长时间没有新消息，视为结束", "nothing was heard of it for long"}}},
    {"evicted", {{"未结束的事件太多，不再跟踪", "no longer followed: too many open incidents"}}},
};

/* By nj_cause_name(). */
static const struct meaning check_causes[] = {
    {"resolve", {{"域名无法解析", "the name cannot be resolved"}}},
    {"refused", {{"连接被拒绝，端口上没有进程监听", "the connection was refused: nobody listens there"}}},
    {"unreachable", {{"网络或主机不可达", "the network or the host cannot be reached"}}},
    {"timeout", {{"超时", "it took too long"}}},
    {"reset", {{"连接被对端中断", "the other side broke the connection off"}}},
    {"tls", {{"TLS 握手失败", "the TLS handshake failed"}}},
    {"certificate",
     {{"证书不可信、过期或域名不符", "the certificate is not trusted, expired or for another name"}}},
    {"expiry", {{"证书即将过期", "the certificate expires soon"}}},
    {"protocol", {{"返回的不是该协议的内容", "what came is not of that protocol"}}},
    {"too_large", {{"返回内容过大", "the answer is too large"}}},
    {"redirect",
     {{"重定向过多，或指向不允许的地址", "too many redirects, or to where the check may not go"}}},
    {"forbidden", {{"不允许探测该地址", "this address may not be probed"}}},
    {"status", {{"状态码不符", "the status is not the expected one"}}},
    {"header", {{"响应头不符", "a header is not as expected"}}},
    {"body", {{"返回内容不符", "the body is not as expected"}}},
    {"json", {{"JSON 内容不符", "the JSON is not as expected"}}},
    {"size", {{"返回内容大小不符", "the size is not as expected"}}},
    {"latency", {{"响应太慢", "the answer came too late"}}},
    {"answer", {{"应答不符", "the answer is not as expected"}}},
    {"extract", {{"取不到后续步骤需要的值", "a value that a later step needs was not there"}}},
    {"variable", {{"变量缺失或不能用在此处", "a variable is missing, or cannot stand there"}}},
    {"internal", {{"拨测程序自身的问题", "the prober's own trouble"}}},
};

/* Reasons whose word says more than the exit code beside it. */
static const struct meaning reasons[] = {
    {"ContainerStatusUnknown", {{"节点没有报告它怎样结束", "the node did not report how it ended"}}},
    {"Unknown",
     {{"运行时丢失了它的状态（如节点重启）", "the runtime lost its state (such as a reboot of the node)"}}},
    {"StartError", {{"容器进程无法启动", "the container's process could not be started"}}},
    {"ContainerCannotRun", {{"容器无法运行", "the container cannot run"}}},
    {"seccomp killed", {{"用了 seccomp 禁止的系统调用", "it used a system call that seccomp forbids"}}},
    {"ImagePullBackOff", {{"重试被推迟", "retries are held back"}}},
    {"ErrImageNeverPull",
     {{"节点上没有镜像，而策略是不拉取", "it is not on the node, and the policy is never to pull"}}},
    {"ImageInspectError", {{"无法检查节点上的镜像", "the image on the node cannot be inspected"}}},
    {"InvalidImageName", {{"镜像名不合法", "its name is not valid"}}},
    {"RegistryUnavailable", {{"镜像仓库无法访问", "the registry cannot be reached"}}},
    {"SignatureValidationFailed", {{"镜像签名校验失败", "its signature could not be validated"}}},
    {"CreateContainerConfigError",
     {{"容器配置有误（如缺少 ConfigMap 或 Secret）",
       "the container's configuration is wrong (such as a missing ConfigMap or Secret)"}}},
    {"CreateContainerError", {{"运行时无法创建容器", "the runtime cannot create the container"}}},
    {"RunContainerError", {{"运行时无法启动容器", "the runtime cannot start the container"}}},
    {"PreCreateHookError", {{"创建前钩子失败", "the hook before its creation failed"}}},
    {"PreStartHookError", {{"启动前钩子失败", "the hook before its start failed"}}},
    {"PostStartHookError", {{"启动后钩子失败", "the hook after its start failed"}}},
    {"ContainerCreating",
     {{"容器迟迟没有创建好（如存储卷或网络未就绪）",
       "its creation takes too long (such as a volume or the network that is not ready)"}}},
    {"PodInitializing", {{"初始化迟迟没有完成", "its initialisation takes too long"}}},
    {"CrashLoopBackOff", {{"反复崩溃，重启被推迟", "it crashes again and again, restarts are held back"}}},
    {"Unschedulable", {{"没有节点能接收它", "no node takes it"}}},
    {"SchedulingGated", {{"被调度门挡住", "a scheduling gate holds it back"}}},
    {"Evicted", {{"被节点驱逐", "the node evicted it"}}},
    {"DeadlineExceeded", {{"超过了 activeDeadlineSeconds 期限", "it ran past its activeDeadlineSeconds"}}},
    {"Preempting", {{"给更高优先级的 Pod 让位", "it made way for a pod of higher priority"}}},
    {"PreemptionByScheduler", {{"给更高优先级的 Pod 让位", "it made way for a pod of higher priority"}}},
    {"NodeShutdown", {{"节点关机", "its node was shut down"}}},
    {"Terminated", {{"节点关机", "its node was shut down"}}},
    {"TerminationByKubelet",
     {{"被 kubelet 终止（如节点关机或资源不足）",
       "the kubelet ended it (such as a node's shutdown or lack of resources)"}}},
    {"EvictionByEvictionAPI",
     {{"被驱逐接口驱逐（如排空节点）", "evicted through the API (such as a drain)"}}},
    {"DeletionByTaintManager", {{"不再容忍节点的污点", "it does not tolerate a taint of its node"}}},
    {"DeletionByPodGC", {{"节点已不存在，被回收", "collected, its node is gone"}}},
};

static const struct {
    int code;
    struct pair pair;
} codes[] = {
    {0, {{"正常退出，但本应继续运行", "it ended well though it should go on"}}},
    {1, {{"程序报错退出", "the program reported an error"}}},
    {2,
     {{"程序报错退出（如 Go 的 panic、命令用法错误）",
       "the program reported an error (such as a Go panic or a wrong command line)"}}},
    {126, {{"命令无法执行（如没有执行权限）", "the command cannot be executed (such as no permission)"}}},
    {127, {{"找不到命令", "the command was not found"}}},
    {128, {{"容器进程无法启动", "the container's process could not be started"}}},
    {129, {{"收到 SIGHUP 后结束", "ended by SIGHUP"}}},
    {130, {{"收到 SIGINT 后结束", "ended by SIGINT"}}},
    {131, {{"收到 SIGQUIT 后结束", "ended by SIGQUIT"}}},
    {132, {{"非法指令（SIGILL）", "illegal instruction (SIGILL)"}}},
    {133, {{"断点陷阱（SIGTRAP）", "trap (SIGTRAP)"}}},
    {134, {{"自行中止（SIGABRT，如断言失败）", "aborted (SIGABRT, such as a failed assertion)"}}},
    {135, {{"总线错误（SIGBUS）", "bus error (SIGBUS)"}}},
    {136, {{"算术错误（SIGFPE）", "arithmetic error (SIGFPE)"}}},
    {137,
     {{"被 SIGKILL 强制杀死（如超过终止宽限期）", "killed with SIGKILL (such as past its grace period)"}}},
    {139, {{"段错误（SIGSEGV）", "segmentation fault (SIGSEGV)"}}},
    {141, {{"管道断开（SIGPIPE）", "broken pipe (SIGPIPE)"}}},
    {143, {{"收到 SIGTERM 后结束（如存活探针失败）", "ended by SIGTERM (such as a failed liveness probe)"}}},
    {159, {{"用了禁止的系统调用（SIGSYS）", "forbidden system call (SIGSYS)"}}},
    {255, {{"退出码超出范围，或程序返回 -1", "the program returned -1 or a code out of range"}}},
};

const char *nj_word(enum nj_language language, enum nj_word word)
{
    return words[word].in[language];
}

const char *nj_words_severity(enum nj_language language, enum nj_severity severity)
{
    return severities[severity].in[language];
}

const char *nj_words_kind(enum nj_language language, enum nj_incident_kind kind)
{
    return kinds[kind].in[language];
}

static const char *find(const struct meaning *table, size_t count, enum nj_language language,
                        const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (nj_streq(table[i].name, name))
            return table[i].pair.in[language];
    }
    return NULL;
}

const char *nj_words_cause(enum nj_language language, const char *cause)
{
    const char *found = find(causes, COUNT(causes), language, cause);
    return found == NULL ? nj_str(cause) : found;
}

const char *nj_words_check_cause(enum nj_language language, const char *cause)
{
    const char *found = find(check_causes, COUNT(check_causes), language, cause);
    return found == NULL ? nj_str(cause) : found;
}

static bool all_fail(const struct nj_incident *incident)
{
    return nj_streq(incident->reason, "AllFail");
}

static bool flaps(const struct nj_incident *incident)
{
    return nj_streq(incident->reason, "Flapping");
}

const char *nj_words_title(enum nj_language language, const struct nj_incident *incident)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    if (incident->kind != NJ_INCIDENT_PROBE)
        return nj_words_kind(language, incident->kind);
    if (flaps(incident))
        return chinese ? "拨测时好时坏" : "Checks flap";
    if (all_fail(incident) && nj_streq(incident->workload_kind, "Service"))
        return chinese ? "服务不可用" : "Service is down";
    if (all_fail(incident))
        return nj_words_kind(language, incident->kind);
    return chinese ? "部分拨测失败" : "Some checks fail";
}

void nj_words_targets(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    int failing = incident->targets_failing, total = incident->targets_total;
    if (incident->kind == NJ_INCIDENT_NODE_PROBES)
        nj_buf_append_str(out, chinese ? "节点上的拨测全部失败" : "every check on the node fails");
    else if (flaps(incident))
        nj_buf_append_str(out, chinese ? "拨测时好时坏" : "passing and failing in turn");
    else if (total <= 1)
        nj_buf_append_str(out, chinese ? "拨测失败" : "the check fails");
    else if (failing >= total)
        nj_buf_printf(out, chinese ? "全部 %d 个目标失败" : "all %d targets fail", total);
    else
        nj_buf_printf(out, chinese ? "%d/%d 个目标失败" : "%d of %d targets fail", failing, total);
}

static void append_check(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    const char *got = nj_str(incident->got), *cause = nj_words_check_cause(language, incident->cause);
    nj_words_targets(language, incident, out);
    if (nj_str(incident->step)[0] != '\0')
        nj_buf_printf(out, chinese ? "，步骤 %s" : ", step %s", incident->step);
    if (got[0] == '\0' && cause[0] == '\0')
        return;
    nj_buf_append_str(out, nj_word(language, NJ_WORD_COLON));
    if (nj_str(incident->expected)[0] != '\0')
        nj_buf_printf(out, chinese ? "期望 %s，实际 " : "expected %s, got ", incident->expected);
    nj_buf_append_str(out, got[0] != '\0' ? got : cause);
}

static void append_oom(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    if (incident->memory_limit_bytes <= 0) {
        nj_buf_append_str(out, chinese ? "内存不足（未设上限，节点内存耗尽）被系统杀死"
                                       : "killed for lack of memory (it has no limit: the node ran out)");
        return;
    }
    nj_buf_append_str(out, chinese ? "超出内存上限 " : "over its ");
    nj_words_bytes(incident->memory_limit_bytes, out);
    nj_buf_append_str(out, chinese ? " 被系统杀死" : " limit");
}

static void append_exit(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    int code = incident->exit_code;
    for (size_t i = 0; i < COUNT(codes); i++) {
        if (codes[i].code == code) {
            nj_buf_append_str(out, codes[i].pair.in[language]);
            return;
        }
    }
    int signal = incident->signal > 0 ? incident->signal : code > 128 && code <= 128 + 64 ? code - 128 : 0;
    bool chinese = language == NJ_LANGUAGE_ZH;
    if (signal > 0)
        nj_buf_printf(out, chinese ? "被信号 %d 结束" : "ended by signal %d", signal);
    else
        nj_buf_append_str(out, chinese ? "程序自定义的退出码" : "an exit code of the program's own");
}

static void append_crash(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    nj_buf_printf(out, "%d", incident->exit_code);
    if (nj_str(incident->reason)[0] != '\0')
        nj_buf_printf(out, " %s", incident->reason);
    nj_buf_append_str(out, nj_word(language, NJ_WORD_COLON));
    const char *meaning = find(reasons, COUNT(reasons), language, incident->reason);
    if (nj_streq(incident->reason, "OOMKilled"))
        append_oom(language, incident, out);
    else if (meaning != NULL)
        nj_buf_append_str(out, meaning);
    else
        append_exit(language, incident, out);
}

void nj_words_reason(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    if (incident->kind == NJ_INCIDENT_CRASH) {
        append_crash(language, incident, out);
        return;
    }
    if (nj_incident_is_of_checks(incident->kind)) {
        append_check(language, incident, out);
        return;
    }
    if (nj_words_is_of_services(incident->kind)) {
        nj_words_service(language, incident, out);
        return;
    }
    if (nj_words_is_of_figures(incident->kind)) {
        nj_words_figures(language, incident, out);
        return;
    }
    nj_buf_append_str(out, nj_str(incident->reason)[0] == '\0' ? "-" : incident->reason);
    const char *meaning = find(reasons, COUNT(reasons), language, incident->reason);
    if (incident->kind == NJ_INCIDENT_IMAGE_PULL && nj_str(incident->image)[0] != '\0') {
        nj_buf_append_str(out, nj_word(language, NJ_WORD_COLON));
        nj_buf_printf(out, language == NJ_LANGUAGE_ZH ? "镜像 %s 拉取不到" : "the image %s cannot be pulled",
                      incident->image);
        if (meaning != NULL)
            nj_buf_printf(out, language == NJ_LANGUAGE_ZH ? "，%s" : ", %s", meaning);
    } else if (meaning != NULL) {
        nj_buf_append_str(out, nj_word(language, NJ_WORD_COLON));
        nj_buf_append_str(out, meaning);
    }
}

void nj_words_bytes(int64_t bytes, struct nj_buf *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    int64_t factor = 1;
    while (unit + 1 < COUNT(units) && bytes / factor >= 1024) {
        factor *= 1024;
        unit++;
    }
    int64_t tenths = bytes % factor * 10 / factor;
    if (tenths == 0)
        nj_buf_printf(out, "%" PRId64 " %s", bytes / factor, units[unit]);
    else
        nj_buf_printf(out, "%" PRId64 ".%" PRId64 " %s", bytes / factor, tenths, units[unit]);
}

void nj_words_duration(enum nj_language language, int64_t ns, struct nj_buf *out)
{
    static const struct {
        int64_t ns;
        struct pair name;
    } units[] = {{NJ_DAY, {{"天", "d"}}},
                 {NJ_HOUR, {{"小时", "h"}}},
                 {NJ_MIN, {{"分", "min"}}},
                 {NJ_SEC, {{"秒", "s"}}}};
    int64_t left = ns < 0 ? 0 : ns;
    size_t unit = 0;
    while (unit + 1 < COUNT(units) && left < units[unit].ns)
        unit++;
    nj_buf_printf(out, "%" PRId64 " %s", left / units[unit].ns, units[unit].name.in[language]);
    left %= units[unit].ns;
    if (unit + 1 < COUNT(units) && left >= units[unit + 1].ns)
        nj_buf_printf(out, " %" PRId64 " %s", left / units[unit + 1].ns, units[unit + 1].name.in[language]);
}

void nj_words_time(int64_t wall_ns, struct nj_buf *out)
{
    time_t seconds = (time_t)(wall_ns / NJ_SEC);
    struct tm utc;
    char text[64];
    if (wall_ns == 0 || gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        nj_buf_append_char(out, '-');
    else
        nj_buf_append_str(out, text);
}
