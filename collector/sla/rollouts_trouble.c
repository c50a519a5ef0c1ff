/* What makes a rollout fail beside its workload's own word: its pods' troubles, its services' absence, time.
 */
#include <stdio.h>
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { OLD_PODS_MAX = 4096, SAID_MAX = 1024 };

bool nj_rollouts_is_new_pod(const struct nj_rollouts *rollouts, const char *namespace,
                            const char *workload_kind, const char *workload, const char *pod)
{
    const struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, namespace, workload_kind, workload);
    const struct nj_rollouts_record *record = subject == NULL ? NULL : subject->now;
    struct nj_rollouts_old_pod *old = NULL;
    if (record == NULL)
        return false;
    if (subject->kind == NJ_WORKLOADS_DEPLOYMENT) {
        if (record->view.template_hash[0] != '\0')
            return nj_rollouts_has_hash(workload, record->view.template_hash, pod);
        return record->view.from_hash[0] == '\0' ||
               !nj_rollouts_has_hash(workload, record->view.from_hash, pod);
    }
    if (subject->kind == NJ_WORKLOADS_STATEFUL_SET && !record->by_hand)
        return nj_rollouts_ordinal(workload, pod) >= record->view.desired - record->view.updated;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s", namespace, pod);
    HASH_FIND_STR(rollouts->old_pods, key, old);
    return old == NULL && (!record->by_hand || record->view.updated > 0);
}

static void remember_old(struct nj_rollouts *rollouts, const char *namespace, const char *pod)
{
    char *key = nj_asprintf("%s/%s", namespace, pod);
    struct nj_rollouts_old_pod *old = NULL;
    HASH_FIND_STR(rollouts->old_pods, key, old);
    if (old != NULL) {
        free(key);
        return;
    }
    if (HASH_CNT(hh, rollouts->old_pods) >= OLD_PODS_MAX) {
        old = rollouts->old_pods; /* the oldest */
        NJ_TABLE_REMOVE(rollouts->old_pods, old);
        free(old->key);
        free(old);
    }
    old = NJ_NEW(struct nj_rollouts_old_pod);
    old->key = key;
    HASH_ADD_KEYPTR(hh, rollouts->old_pods, old->key, strlen(old->key), old);
}

static bool fail_by_pod(struct nj_rollouts_record *record, const char *pod, const char *reason,
                        const char *message, enum nj_rollout_trouble trouble, int64_t at_ns)
{
    char said[SAID_MAX];
    const char *words = trouble == NJ_ROLLOUT_CANNOT_START ? "cannot start"
                        : trouble == NJ_ROLLOUT_CHECK      ? "fails its checks"
                                                           : "crashes again and again";
    (void)snprintf(said, sizeof(said), "pod %s %s (%s)%s%s", pod, words, reason,
                   message[0] == '\0' ? "" : ": ", message);
    said[nj_utf8_cut(said, strlen(said), SAID_MAX - 4)] = '\0';
    return nj_rollouts_fail(
        record, trouble == NJ_ROLLOUT_CANNOT_START || trouble == NJ_ROLLOUT_CHECK ? reason : "CrashLoop",
        said, at_ns);
}

int64_t nj_rollouts_pod_trouble(struct nj_rollouts *rollouts, const char *namespace,
                                const char *workload_kind, const char *workload, const char *pod,
                                const char *reason, const char *message, int64_t at_ns)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, namespace, workload_kind, workload);
    struct nj_rollouts_record *record = subject == NULL ? NULL : subject->now;
    enum nj_rollout_trouble trouble = nj_rollouts_trouble_of(nj_str(reason));
    if (record == NULL || !nj_rollouts_is_new_pod(rollouts, namespace, workload_kind, workload, pod)) {
        if (subject != NULL && subject->kind != NJ_WORKLOADS_DEPLOYMENT)
            remember_old(rollouts, namespace, pod);
        return 0;
    }
    if (trouble == NJ_ROLLOUT_WAITS)
        return record->view.id;
    bool bad = trouble != NJ_ROLLOUT_CRASHES;
    if (trouble == NJ_ROLLOUT_CRASHES) {
        record->view.crashes++;
        bad = nj_rollouts_record_crash(record, pod) >= NJ_ROLLOUTS_LOOP;
    } else if (trouble == NJ_ROLLOUT_CHECK) {
        record->view.failed_checks++;
    }
    bool failed = bad && fail_by_pod(record, pod, reason, nj_str(message), trouble, at_ns);
    if (failed || trouble == NJ_ROLLOUT_CRASHES || trouble == NJ_ROLLOUT_CHECK)
        nj_rollouts_tell(rollouts, record);
    return record->view.id;
}

void nj_rollouts_service(struct nj_rollouts *rollouts, const char *namespace, const char *workload_kind,
                         const char *workload, bool available, int64_t allowance_ns, int64_t at_ns)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, namespace, workload_kind, workload);
    if (subject == NULL)
        return;
    subject->allowance_ns = allowance_ns;
    if (available == (subject->away_ns == 0))
        return;
    if (subject->now != NULL)
        nj_rollouts_count_outage(subject->now, at_ns);
    subject->away_ns = available ? 0 : at_ns;
    if (subject->now != NULL && available)
        nj_rollouts_tell(rollouts, subject->now);
}

/* Where pods change by hand, only while one is changed. */
static bool is_of_change(const struct nj_rollouts_record *record)
{
    const struct nj_rollouts_subject *subject = record->subject;
    if (!record->by_hand)
        return true;
    int64_t apart_ns = subject->away_ns - record->changed_ns;
    return record->changed_ns != 0 && apart_ns <= subject->allowance_ns && -apart_ns <= subject->allowance_ns;
}

static bool fail_by_outage(struct nj_rollouts_record *record, int64_t now_ns)
{
    const struct nj_rollouts_subject *subject = record->subject;
    char away[NJ_UNIT_TEXT_MAX], allowed[NJ_UNIT_TEXT_MAX], said[SAID_MAX];
    int64_t from_ns = subject->away_ns > record->view.began_ns ? subject->away_ns : record->view.began_ns;
    if (subject->away_ns == 0 || now_ns - from_ns < subject->allowance_ns || !is_of_change(record))
        return false;
    (void)snprintf(said, sizeof(said),
                   "its service has not been available for %s, longer than new pods may take to start (%s)",
                   nj_duration_format((now_ns - from_ns) / NJ_SEC * NJ_SEC, away),
                   nj_duration_format(subject->allowance_ns / NJ_SEC * NJ_SEC, allowed));
    return nj_rollouts_fail(record, "Outage", said, now_ns);
}

/* Deployments have their own deadline; who changes pods by hand may take his time. */
static bool fail_by_stillness(struct nj_rollouts_record *record, int64_t now_ns)
{
    if (record->subject->kind == NJ_WORKLOADS_DEPLOYMENT || record->by_hand)
        return false;
    if (record->moved_ns == 0) /* loaded */
        record->moved_ns = now_ns;
    return now_ns - record->moved_ns >= NJ_ROLLOUTS_STILL_NS &&
           nj_rollouts_fail(record, "NoProgress",
                            "no further pod has changed or become available for 10 minutes", now_ns);
}

void nj_rollouts_tick(struct nj_rollouts *rollouts, int64_t now_ns)
{
    struct nj_rollouts_record *record;
    struct nj_rollouts_record *next;
    HASH_ITER (hh, rollouts->records, record, next) {
        if (record->view.ended_ns == 0 && record->view.failed_ns == 0 &&
            (fail_by_outage(record, now_ns) || fail_by_stillness(record, now_ns)))
            nj_rollouts_tell(rollouts, record);
    }
}
