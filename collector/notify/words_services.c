/* Outages, rollouts, error budgets and registries in words. See words.h. */
#include "collector/notify/words.h"
#include "common/base/str.h"

static const struct {
    const char *reason;
    const char *in[2]; /* by enum nj_language */
} meanings[] = {
    /* Of outages: the engine's words for their causes. */
    {"Rollout", {"发布过程中", "a rollout"}},
    {"FailedRollout", {"发布失败", "a failed rollout"}},
    {"Scaling", {"扩缩容", "it was scaled"}},
    {"ScaledToZero", {"缩容到零", "it was scaled to zero"}},
    {"Deletion", {"Pod 被删除", "its pods were deleted"}},
    {"NodeLost", {"节点丢失", "a node was lost"}},
    {"Drain", {"Pod 被驱逐（如排空节点）", "its pods were evicted (such as a drain)"}},
    {"Evicted", {"Pod 因节点资源不足被驱逐", "its pods were evicted by a node short of something"}},
    {"Crash", {"Pod 崩溃", "its pods crash"}},
    {"FailedReadiness", {"Pod 未通过就绪检查", "its pods are not ready"}},
    {"Unschedulable", {"没有节点能接收它的 Pod", "no node takes its pods"}},
    {"Maintenance", {"维护", "maintenance"}},
    {"Starting", {"新服务尚未启动", "it is new and not up yet"}},
    {"Unknown", {"原因不明", "nobody knows why"}},
    /* Of rollouts. */
    {"ProgressDeadlineExceeded",
     {"超过期限仍未完成", "it made no progress within its progressDeadlineSeconds"}},
    {"NoProgress", {"长时间没有进展", "it has made no progress for long"}},
    {"CrashLoop", {"新 Pod 反复崩溃", "its new pods crash again and again"}},
    {"CrashLoopBackOff", {"新 Pod 反复崩溃", "its new pods crash again and again"}},
    {"ErrImagePull", {"镜像拉取不到", "the image cannot be pulled"}},
    {"ImagePullBackOff", {"镜像拉取不到", "the image cannot be pulled"}},
    {"InvalidImageName", {"镜像名不合法", "the image's name is not valid"}},
    {"RegistryUnavailable", {"镜像仓库无法访问", "the registry cannot be reached"}},
    {"CreateContainerConfigError", {"新 Pod 的容器配置有误", "its new pods' configuration is wrong"}},
    {"Outage", {"造成服务不可用", "it has cost an outage"}},
    {"RolledBack", {"尚无新 Pod 可用就被撤销", "it was undone before a new pod was available"}},
};

enum { MEANINGS = sizeof(meanings) / sizeof(meanings[0]) };

bool nj_words_is_of_services(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_SERVICE_OUTAGE || kind == NJ_INCIDENT_ROLLOUT_FAILED ||
           kind == NJ_INCIDENT_SLO_BURN || kind == NJ_INCIDENT_REGISTRY;
}

static void append_meaning(enum nj_language language, const char *reason, struct nj_buf *out)
{
    nj_buf_append_str(out, nj_str(reason)[0] == '\0' ? "-" : reason);
    for (size_t i = 0; i < MEANINGS; i++) {
        if (nj_streq(meanings[i].reason, reason)) {
            nj_buf_printf(out, "%s%s", nj_word(language, NJ_WORD_COLON), meanings[i].in[language]);
            return;
        }
    }
}

static void append_outage(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    append_meaning(language, incident->reason, out);
    if (incident->at_most > 0)
        nj_buf_printf(out, chinese ? "，就绪 %.0f/%.0f" : ", %.0f of %.0f ready", incident->value,
                      incident->at_most);
    if (nj_str(incident->detail)[0] != '\0')
        nj_buf_printf(out, chinese ? "（%s）" : " (%s)", incident->detail);
}

static void append_burn(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    nj_buf_printf(out,
                  language == NJ_LANGUAGE_ZH ? "%s 内以 %.1f 倍速消耗错误预算（阈值 %.1f）"
                                             : "over %s it burns %.1f times too fast (alert from %.1f)",
                  nj_str(incident->detail), incident->value, incident->at_most);
}

void nj_words_service(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    if (incident->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        append_outage(language, incident, out);
    else if (incident->kind == NJ_INCIDENT_SLO_BURN)
        append_burn(language, incident, out);
    else if (incident->kind == NJ_INCIDENT_REGISTRY)
        nj_buf_printf(
            out, chinese ? "%d 个工作负载拉取不到镜像（%s）" : "%d workloads cannot pull their images (%s)",
            (int)incident->targets_failing, nj_str(incident->reason));
    else
        append_meaning(language, incident->reason, out);
}

void nj_words_change(enum nj_language language, const char *from, const char *to, struct nj_buf *out)
{
    bool changed = nj_str(from)[0] != '\0' && !nj_streq(from, nj_str(to));
    if (changed)
        nj_buf_printf(out, language == NJ_LANGUAGE_ZH ? "%s（此前 %s）" : "%s (before: %s)", nj_str(to),
                      from);
    else
        nj_buf_append_str(out, nj_str(to));
}

void nj_words_budget(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    double left = incident->budget_left * 100;
    bool chinese = language == NJ_LANGUAGE_ZH;
    if (left < 0)
        nj_buf_printf(out,
                      chinese ? "已超支 %.0f%%（目标 %.10g%%）" : "overdrawn by %.0f%% (objective %.10g%%)",
                      -left, incident->objective);
    else
        nj_buf_printf(out, chinese ? "剩余 %.0f%%（目标 %.10g%%）" : "%.0f%% left (objective %.10g%%)", left,
                      incident->objective);
}
