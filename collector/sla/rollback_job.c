/* One rollback: the workload is read, then the template that comes back, then a dry run, then the patch. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/json_get.h"
#include "collector/sla/rollback_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    TRIES_MAX = 5,
    TIMEOUT_S = 10,
    BODY_MAX = 2 << 20, /* etcd takes 1.5 MiB */
    LIST_MAX = 8 << 20
};

static const char MANIFESTS[] = "deploy/manifests/rollback";

static const char *const plurals[NJ_WORKLOADS_KINDS] = {
    [NJ_WORKLOADS_DEPLOYMENT] = "deployments",
    [NJ_WORKLOADS_STATEFUL_SET] = "statefulsets",
    [NJ_WORKLOADS_DAEMON_SET] = "daemonsets",
};

static void job_free(struct nj_rollback_job *job)
{
    char *const texts[] = {job->namespace,   job->workload,      job->uid,    job->hash, job->revision,
                           job->to_revision, job->template_path, job->reason, job->patch};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    json_object_put(job->current);
    free(job);
}

static const char *kind_of(const struct nj_rollback_job *job)
{
    return nj_workloads_kind_name(job->kind);
}

/* Takes `text`. */
static void end(struct nj_rollback_job *job, bool rolled_back, char *take_text)
{
    struct nj_rollback *owner = job->owner;
    const struct nj_rollback_result result = {.rollout = job->rollout,
                                              .namespace = job->namespace,
                                              .workload_kind = kind_of(job),
                                              .workload = job->workload,
                                              .rolled_back = rolled_back,
                                              .text = take_text};
    DL_DELETE(owner->jobs, job);
    owner->jobs_count--;
    nj_rollback_tell(owner, &result);
    free(take_text);
    job_free(job);
}

static void end_refused(struct nj_rollback_job *job, const char *why)
{
    end(job, false, nj_asprintf("not rolled back: %s", why));
}

static void on_done(void *data, const struct nj_http_result *result);

static void request(struct nj_rollback_job *job, enum nj_rollback_step step)
{
    struct nj_rollback *owner = job->owner;
    struct nj_err err = {0};
    bool patches = step == NJ_ROLLBACK_DRY_RUN || step == NJ_ROLLBACK_PATCH;
    NJ_CLEANUP_FREE char *path =
        step == NJ_ROLLBACK_READ_TEMPLATE
            ? nj_strdup(job->template_path)
            : nj_asprintf("/apis/apps/v1/namespaces/%s/%s/%s%s%s", job->namespace, plurals[job->kind],
                          job->workload, patches ? "?fieldManager=" NJ_ROLLBACK_MANAGER : "",
                          step == NJ_ROLLBACK_DRY_RUN ? "&dryRun=All" : "");
    const struct nj_http_options options = {.body = patches ? job->patch : NULL,
                                            .body_len = patches ? strlen(job->patch) : 0,
                                            .timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .connect_timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes =
                                                step == NJ_ROLLBACK_READ_TEMPLATE ? LIST_MAX : BODY_MAX,
                                            .on_done = on_done,
                                            .data = job};
    job->step = step;
    int rc = patches ? nj_kube_client_patch(owner->options.client, path, &options, &job->request, &err)
                     : nj_kube_client_start(owner->options.client, path, "application/json", &options,
                                            &job->request, &err);
    if (rc < 0) {
        job->request = NULL;
        end_refused(job, err.text);
    }
}

/* What the step is called, and the right that it needs. */
static char *name_of(const struct nj_rollback_job *job, bool right)
{
    bool of_sets = job->kind == NJ_WORKLOADS_DEPLOYMENT;
    switch (job->step) {
    case NJ_ROLLBACK_READ_WORKLOAD:
        return right ? nj_asprintf("get %s", plurals[job->kind])
                     : nj_asprintf("reading the %s", kind_of(job));
    case NJ_ROLLBACK_READ_TEMPLATE:
        return nj_strdup(right     ? of_sets ? "get replicasets" : "list controllerrevisions"
                         : of_sets ? "reading the ReplicaSet"
                                   : "reading the ControllerRevisions");
    case NJ_ROLLBACK_DRY_RUN:
        return right ? nj_asprintf("patch %s", plurals[job->kind]) : nj_strdup("the dry run");
    default:
        return right ? nj_asprintf("patch %s", plurals[job->kind]) : nj_strdup("the patch");
    }
}

static void refuse(struct nj_rollback_job *job, const struct nj_http_result *result)
{
    NJ_CLEANUP_FREE char *what = name_of(job, false);
    NJ_CLEANUP_FREE char *right = name_of(job, true);
    if (result->error != 0 && job->step == NJ_ROLLBACK_PATCH && result->maybe_sent) {
        nj_rollback_note_time(job->owner, nj_loop_wall_ns(job->owner->options.loop));
        end(job, false, nj_asprintf("it is not known whether it was rolled back: %s", result->err.text));
        return;
    }
    if (result->error != 0) {
        end(job, false, nj_asprintf("not rolled back: %s: %s", what, result->err.text));
        return;
    }
    struct json_object *status = json_tokener_parse(result->body == NULL ? "" : result->body);
    struct json_object *message = nj_sla_json_get(status, "message");
    const char *said =
        json_object_is_type(message, json_type_string) ? json_object_get_string(message) : "no reason given";
    if (result->status == 403)
        end(job, false,
            nj_asprintf("not rolled back: the right to %s is missing (%s grants it): %s", right, MANIFESTS,
                        said));
    else
        end(job, false,
            nj_asprintf("not rolled back: %s was refused with status %ld: %s", what, result->status, said));
    json_object_put(status);
}

static void got_workload(struct nj_rollback_job *job, struct json_object *take_object)
{
    json_object_put(job->current);
    job->current = take_object;
    const char *why = nj_rollback_objection(job);
    if (why != NULL)
        end_refused(job, why);
    else
        request(job, NJ_ROLLBACK_READ_TEMPLATE);
}

static void got_template(struct nj_rollback_job *job, struct json_object *template)
{
    nj_rollback_make_patch(job, template);
    request(job, NJ_ROLLBACK_DRY_RUN);
}

static void got_replica_set(struct nj_rollback_job *job, struct json_object *set)
{
    struct json_object *template = nj_rollback_set_template(job, set);
    if (template != NULL)
        got_template(job, template);
    else
        end_refused(job, "the ReplicaSet of the revision before is not the Deployment's");
}

/* The latest earlier one that is not known to have failed. */
static const struct nj_revision *find_target(const struct nj_rollback_job *job,
                                             const struct nj_revisions *revisions,
                                             const struct nj_revision *failed)
{
    for (size_t i = 0; i < nj_revisions_count(revisions); i++) {
        const struct nj_revision *revision = nj_revisions_at(revisions, i);
        const struct nj_rollback_note *note =
            nj_rollback_note_find(job->owner, job->namespace, kind_of(job), job->workload, revision->hash);
        if (revision->number < failed->number && revision->template != NULL && (note == NULL || !note->bad))
            return revision;
    }
    return NULL;
}

static void set(char **field, const char *text)
{
    char *copy = nj_strdup(text);
    free(*field);
    *field = copy;
}

static const char *why_not_of(struct nj_rollback_job *job, const struct nj_revisions *revisions,
                              const struct nj_revision **ret_target)
{
    const struct nj_revision *failed = nj_revisions_count(revisions) == 0 ? NULL
                                       : job->kind == NJ_WORKLOADS_STATEFUL_SET
                                           ? nj_revisions_find(revisions, job->revision)
                                           : nj_revisions_at(revisions, 0);
    if (failed == NULL)
        return "the failed revision's ControllerRevision is not there";
    if (job->hash != NULL && !nj_streq(job->hash, failed->hash))
        return "it was changed meanwhile";
    const struct nj_rollback_note *note =
        nj_rollback_note_find(job->owner, job->namespace, kind_of(job), job->workload, failed->hash);
    if (job->hash == NULL && note != NULL && note->tried)
        return "this template was rolled back before";
    set(&job->hash, failed->hash);
    *ret_target = find_target(job, revisions, failed);
    if (*ret_target == NULL)
        return "there is no earlier revision that was good";
    /* Now that its hash is known. */
    return nj_rollback_objection(job);
}

static void got_revisions(struct nj_rollback_job *job, const struct nj_http_result *result)
{
    struct nj_revisions *revisions = NULL;
    const struct nj_revision *target = NULL;
    if (result->body_cut ||
        nj_revisions_parse(job->kind, job->uid, result->body, result->body_len, &revisions) < 0) {
        end_refused(job, "the list of ControllerRevisions is too long, or cannot be read");
        return;
    }
    const char *why = why_not_of(job, revisions, &target);
    if (why != NULL) {
        end_refused(job, why);
    } else {
        nj_rollback_note_tried(job->owner, job->namespace, kind_of(job), job->workload, job->hash);
        free(job->to_revision);
        job->to_revision = nj_asprintf("%lld (%s)", (long long)target->number, target->name);
        got_template(job, target->template);
    }
    nj_revisions_free(revisions);
}

static void read_object(struct nj_rollback_job *job, const struct nj_http_result *result)
{
    if (job->step == NJ_ROLLBACK_READ_TEMPLATE && job->kind != NJ_WORKLOADS_DEPLOYMENT) {
        got_revisions(job, result);
        return;
    }
    struct json_object *object = result->body_cut ? NULL : json_tokener_parse(result->body);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        end_refused(job, "the API server's answer cannot be read");
    } else if (job->step == NJ_ROLLBACK_READ_WORKLOAD) {
        got_workload(job, object);
    } else {
        got_replica_set(job, object);
        json_object_put(object);
    }
}

static void patched(struct nj_rollback_job *job)
{
    NJ_CLEANUP_FREE char *rest = nj_rollback_by_hand(job);
    nj_rollback_note_time(job->owner, nj_loop_wall_ns(job->owner->options.loop));
    end(job, true, nj_asprintf("rolled back to revision %s%s", job->to_revision, rest));
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_rollback_job *job = data;
    struct nj_rollback *owner = job->owner;
    bool well = result->error == 0 && result->status >= 200 && result->status < 300;
    bool patches = job->step == NJ_ROLLBACK_DRY_RUN || job->step == NJ_ROLLBACK_PATCH;
    job->request = NULL;
    if (owner->closing) {
        DL_DELETE(owner->jobs, job);
        job_free(job);
        if (owner->jobs == NULL)
            nj_rollback_finish_close(owner);
        return;
    }
    /* Its status changes all the time; whether more did is looked at. */
    if (patches && result->error == 0 && result->status == 409 && ++job->tries < TRIES_MAX)
        request(job, NJ_ROLLBACK_READ_WORKLOAD);
    else if (!well)
        refuse(job, result);
    else if (job->step == NJ_ROLLBACK_DRY_RUN)
        request(job, NJ_ROLLBACK_PATCH);
    else if (job->step == NJ_ROLLBACK_PATCH)
        patched(job);
    else
        read_object(job, result);
}

void nj_rollback_job_begin(struct nj_rollback *rollback, struct nj_rollback_job *take_job)
{
    take_job->owner = rollback;
    DL_APPEND(rollback->jobs, take_job);
    rollback->jobs_count++;
    request(take_job, NJ_ROLLBACK_READ_WORKLOAD);
}
