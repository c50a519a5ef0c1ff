#include "collector/sla/rollback.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/rollback_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

struct nj_rollback *nj_rollback_new(const struct nj_rollback_options *options)
{
    struct nj_rollback *rollback = NJ_NEW(struct nj_rollback);
    rollback->options = *options;
    if (options->metrics != NULL) {
        rollback->done = nj_metrics_counter(options->metrics, "nightjar_rollbacks_total", "",
                                            "Workloads rolled back as their annotation asks for.");
        rollback->refused = nj_metrics_counter(options->metrics, "nightjar_rollbacks_refused_total", "",
                                               "Failed rollouts that were to be rolled back and were not.");
    }
    return rollback;
}

void nj_rollback_set(struct nj_rollback *rollback, bool enabled, int64_t max_per_hour)
{
    rollback->options.enabled = enabled;
    rollback->options.max_per_hour = max_per_hour;
}

void nj_rollback_tell(struct nj_rollback *rollback, const struct nj_rollback_result *result)
{
    nj_counter_add(result->rolled_back ? rollback->done : rollback->refused, 1);
    rollback->options.on_result(rollback->options.data, result);
}

/* --- the decision */

struct search {
    const struct nj_rollback *rollback;
    const struct nj_rollout *rollout;
    long long below;
    const struct nj_workloads_item *best;
};

static long long number_of(const char *revision)
{
    return strtoll(revision, NULL, 10);
}

static void look_at_revision(void *data, const struct nj_workloads_item *replica_set)
{
    struct search *search = data;
    const struct nj_rollout *rollout = search->rollout;
    long long number = number_of(replica_set->revision);
    const struct nj_rollback_note *note =
        nj_rollback_note_find(search->rollback, rollout->namespace, rollout->workload_kind, rollout->workload,
                              replica_set->template_hash);
    if (number <= 0 || number >= search->below || replica_set->deleting || (note != NULL && note->bad) ||
        nj_streq(replica_set->template_hash, rollout->template_hash))
        return;
    if (search->best == NULL || number > number_of(search->best->revision))
        search->best = replica_set;
}

static const struct nj_workloads_item *find_target(const struct nj_rollback *rollback,
                                                   struct nj_workloads *workloads,
                                                   const struct nj_rollout *rollout)
{
    struct search search = {.rollback = rollback, .rollout = rollout, .below = number_of(rollout->revision)};
    nj_workloads_revisions(workloads, rollout->namespace, rollout->workload, look_at_revision, &search);
    return search.best;
}

/* Of the templates: NULL: nothing speaks against it. */
static const char *why_not_templates(const struct nj_rollback *rollback, const struct nj_workloads_item *item,
                                     const struct nj_rollout *rollout, const struct nj_workloads_item *target)
{
    const struct nj_rollback_note *note = nj_rollback_note_find(
        rollback, rollout->namespace, rollout->workload_kind, rollout->workload, rollout->template_hash);
    if (!nj_streq(item->revision, rollout->revision))
        return "it was changed meanwhile";
    if (rollout->template_hash[0] != '\0' && note != NULL && note->tried)
        return "this template was rolled back before";
    if (!nj_kube_is_name(item->namespace) || !nj_kube_is_name(item->name) ||
        (target != NULL && !nj_kube_is_name(target->name)))
        return "its name is none";
    if (item->kind != NJ_WORKLOADS_DEPLOYMENT)
        return NULL; /* its ControllerRevisions will tell */
    if (rollout->template_hash[0] == '\0')
        return "the failed revision's ReplicaSet is not known";
    return target == NULL ? "there is no earlier revision that was good" : NULL;
}

/* NULL: nothing speaks against it. The caller frees it. */
static char *why_not(const struct nj_rollback *rollback, const struct nj_workloads_item *item,
                     const struct nj_rollout *rollout, const struct nj_workloads_item *target)
{
    int64_t within_ns = 0;
    const char *wish = nj_workloads_annotation(item, NJ_ROLLBACK_ANNOTATION);
    if (nj_parse_duration(wish, &within_ns) < 0 || within_ns <= 0)
        return nj_asprintf(
            "the annotation " NJ_ROLLBACK_ANNOTATION ": \"%s\" is no duration, such as \"10m\"", wish);
    if (rollout->failed_ns - rollout->began_ns > within_ns)
        return nj_asprintf("it failed later than %s after it began", wish);
    const char *why = why_not_templates(rollback, item, rollout, target);
    if (why != NULL)
        return nj_strdup(why);
    if (rollback->jobs_count >= NJ_ROLLBACK_JOBS_MAX)
        return nj_strdup("too many others are being rolled back at this moment");
    int64_t count = nj_rollback_within_the_hour(rollback, nj_loop_wall_ns(rollback->options.loop)) +
                    (int64_t)rollback->jobs_count;
    if (count >= rollback->options.max_per_hour)
        return nj_asprintf("%lld were rolled back within the hour already (rollback.max_per_hour)",
                           (long long)count);
    return NULL;
}

static void begin(struct nj_rollback *rollback, const struct nj_workloads_item *item,
                  const struct nj_rollout *rollout, const struct nj_workloads_item *target)
{
    struct nj_rollback_job *job = NJ_NEW(struct nj_rollback_job);
    bool hash_known = rollout->template_hash[0] != '\0';
    *job = (struct nj_rollback_job){
        .rollout = rollout->id,
        .generation = item->generation,
        .kind = item->kind,
        .namespace = nj_strdup(item->namespace),
        .workload = nj_strdup(item->name),
        .uid = nj_strdup(item->uid),
        .hash = hash_known ? nj_strdup(rollout->template_hash) : NULL,
        .revision = nj_strdup(rollout->revision),
        .to_revision = target == NULL ? NULL : nj_strdup(target->revision),
        .template_path = target == NULL ? nj_revisions_path(item)
                                        : nj_asprintf("/apis/apps/v1/namespaces/%s/replicasets/%s",
                                                      target->namespace, target->name),
        .reason = nj_strdup(rollout->reason)};
    /* Once, whatever comes of it. */
    if (hash_known)
        nj_rollback_note_tried(rollback, item->namespace, rollout->workload_kind, item->name,
                               rollout->template_hash);
    nj_rollback_job_begin(rollback, job);
}

/* The workload when it asks to be rolled back; NULL: it does not, or nobody may. */
static const struct nj_workloads_item *find_asking(const struct nj_rollback *rollback,
                                                   struct nj_workloads *workloads,
                                                   const struct nj_rollout *rollout)
{
    enum nj_workloads_kind kind;
    if (!rollback->options.enabled || nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0 ||
        kind == NJ_WORKLOADS_REPLICA_SET)
        return NULL;
    const struct nj_workloads_item *item =
        nj_workloads_find(workloads, kind, rollout->namespace, rollout->workload);
    return item == NULL || nj_workloads_annotation(item, NJ_ROLLBACK_ANNOTATION) == NULL ? NULL : item;
}

bool nj_rollback_consider(struct nj_rollback *rollback, struct nj_workloads *workloads,
                          const struct nj_rollout *rollout)
{
    const struct nj_workloads_item *item = find_asking(rollback, workloads, rollout);
    if (item == NULL)
        return false;
    const struct nj_workloads_item *target =
        item->kind == NJ_WORKLOADS_DEPLOYMENT ? find_target(rollback, workloads, rollout) : NULL;
    NJ_CLEANUP_FREE char *why = why_not(rollback, item, rollout, target);
    if (why == NULL) {
        begin(rollback, item, rollout, target);
        return true;
    }
    NJ_CLEANUP_FREE char *text = nj_asprintf("not rolled back: %s", why);
    const struct nj_rollback_result result = {.rollout = rollout->id,
                                              .namespace = rollout->namespace,
                                              .workload_kind = rollout->workload_kind,
                                              .workload = rollout->workload,
                                              .text = text};
    nj_rollback_tell(rollback, &result);
    return true;
}

bool nj_rollback_resume(struct nj_rollback *rollback, struct nj_workloads *workloads,
                        const struct nj_rollout *rollout)
{
    int64_t within_ns = 0;
    const struct nj_workloads_item *item = find_asking(rollback, workloads, rollout);
    if (item == NULL ||
        nj_parse_duration(nj_workloads_annotation(item, NJ_ROLLBACK_ANNOTATION), &within_ns) < 0 ||
        nj_loop_wall_ns(rollback->options.loop) - rollout->failed_ns > within_ns)
        return false;
    return nj_rollback_consider(rollback, workloads, rollout);
}

/* --- the end */

void nj_rollback_finish_close(struct nj_rollback *rollback)
{
    void (*on_closed)(void *data) = rollback->on_closed;
    void *data = rollback->on_closed_data;
    nj_rollback_notes_done(rollback);
    free(rollback);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_rollback_close(struct nj_rollback *rollback, void (*on_closed)(void *data), void *data)
{
    struct nj_rollback_job *job = NULL, *next = NULL;
    if (rollback == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    rollback->closing = true;
    rollback->on_closed = on_closed;
    rollback->on_closed_data = data;
    if (rollback->jobs == NULL) {
        nj_rollback_finish_close(rollback);
        return;
    }
    DL_FOREACH_SAFE (rollback->jobs, job, next)
        nj_http_cancel(job->request);
}
