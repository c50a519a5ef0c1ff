#include "collector/sla/rollback.h"

#include <assert.h>
#include <json-c/json.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum {
    JOBS_MAX = 8,
    TRIES_MAX = 5,
    NOTES_MAX = 20000,
    HASHES_MAX = 8, /* in the annotation */
    TIMEOUT_S = 10,
    BODY_MAX = 2 << 20 /* etcd takes 1.5 MiB */
};

static const char REVISION[] = "deployment.kubernetes.io/revision";
static const char MANIFESTS[] = "deploy/manifests/rollback";

/* A template of a Deployment: "NAMESPACE/NAME/HASH". */
struct note {
    char *key;
    bool bad;   /* it failed, or was not done before another came */
    bool tried; /* it was rolled back, or that was tried */
    UT_hash_handle hh;
};

enum step { STEP_DEPLOYMENT, STEP_REPLICA_SET, STEP_DRY_RUN, STEP_PATCH };

struct job {
    struct nj_rollback *owner;
    enum step step;
    int tries;
    int64_t rollout, generation;
    char *namespace, *deployment, *uid, *hash, *revision, *to_revision, *replica_set, *reason;
    struct json_object *current; /* the Deployment */
    char *patch;
    struct nj_http_request *request;
    struct job *prev, *next;
};

struct nj_rollback {
    struct nj_rollback_options options;
    struct note *notes;
    int64_t times_ns[NJ_ROLLBACK_PER_HOUR_MAX]; /* of the latest, wall */
    size_t times_count;
    struct job *jobs;
    size_t jobs_count;
    struct nj_counter *done, *refused;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

struct nj_rollback *nj_rollback_new(const struct nj_rollback_options *options)
{
    struct nj_rollback *rollback = NJ_NEW(struct nj_rollback);
    rollback->options = *options;
    if (options->metrics != NULL) {
        rollback->done = nj_metrics_counter(options->metrics, "nightjar_rollbacks_total", "",
                                            "Deployments rolled back as their annotation asks for.");
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

/* --- what is known of templates */

static struct note *find_note(const struct nj_rollback *rollback, const char *namespace, const char *name,
                              const char *hash)
{
    struct note *note = NULL;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s/%s", namespace, name, hash);
    HASH_FIND_STR(rollback->notes, key, note);
    return note;
}

static void drop_note(struct nj_rollback *rollback, struct note *note)
{
    NJ_TABLE_REMOVE(rollback->notes, note);
    free(note->key);
    free(note);
}

static struct note *take_note(struct nj_rollback *rollback, const char *namespace, const char *name,
                              const char *hash)
{
    struct note *note = find_note(rollback, namespace, name, hash);
    if (note != NULL)
        return note;
    if (HASH_COUNT(rollback->notes) >= NOTES_MAX)
        drop_note(rollback, rollback->notes); /* the oldest */
    note = NJ_NEW(struct note);
    note->key = nj_asprintf("%s/%s/%s", namespace, name, hash);
    HASH_ADD_KEYPTR(hh, rollback->notes, note->key, strlen(note->key), note);
    return note;
}

static void count_time(struct nj_rollback *rollback, int64_t at_ns)
{
    if (rollback->times_count == NJ_ROLLBACK_PER_HOUR_MAX) {
        rollback->times_count--;
        memmove(rollback->times_ns, rollback->times_ns + 1,
                rollback->times_count * sizeof(rollback->times_ns[0]));
    }
    rollback->times_ns[rollback->times_count++] = at_ns;
}

static int64_t within_the_hour(const struct nj_rollback *rollback, int64_t now_ns)
{
    int64_t count = 0;
    for (size_t i = 0; i < rollback->times_count; i++)
        count += now_ns - rollback->times_ns[i] < NJ_HOUR ? 1 : 0;
    return count;
}

/* One of this process' own counts when it is sent; an earlier process' is told by who changed the template.
 */
static void note_own(struct nj_rollback *rollback, const struct nj_rollout *rollout)
{
    for (size_t i = 0; i < rollback->times_count; i++) {
        int64_t apart_ns = rollback->times_ns[i] - rollout->began_ns;
        if (apart_ns < NJ_MIN && apart_ns > -NJ_MIN)
            return;
    }
    count_time(rollback, rollout->began_ns);
}

void nj_rollback_note(struct nj_rollback *rollback, const struct nj_rollout *rollout)
{
    if (!nj_streq(rollout->workload_kind, "Deployment") || rollout->template_hash[0] == '\0')
        return;
    if (nj_streq(rollout->changed_by, NJ_ROLLBACK_MANAGER)) {
        note_own(rollback, rollout);
        if (rollout->from_hash[0] != '\0')
            take_note(rollback, rollout->namespace, rollout->workload, rollout->from_hash)->tried = true;
    }
    if (rollout->outcome == NJ_ROLLOUT_RUNNING)
        return;
    take_note(rollback, rollout->namespace, rollout->workload, rollout->template_hash)->bad =
        rollout->outcome != NJ_ROLLOUT_DONE;
}

/* --- the end of one */

static void job_free(struct job *job)
{
    free(job->namespace);
    free(job->deployment);
    free(job->uid);
    free(job->hash);
    free(job->revision);
    free(job->to_revision);
    free(job->replica_set);
    free(job->reason);
    json_object_put(job->current);
    free(job->patch);
    free(job);
}

static void finish_close(struct nj_rollback *rollback)
{
    struct note *note = NULL, *next = NULL;
    void (*on_closed)(void *data) = rollback->on_closed;
    void *data = rollback->on_closed_data;
    HASH_ITER (hh, rollback->notes, note, next)
        drop_note(rollback, note);
    free(rollback);
    if (on_closed != NULL)
        on_closed(data);
}

static void tell(struct nj_rollback *rollback, const struct nj_rollback_result *result)
{
    nj_counter_add(result->rolled_back ? rollback->done : rollback->refused, 1);
    rollback->options.on_result(rollback->options.data, result);
}

/* Takes `text`. */
static void end(struct job *job, bool rolled_back, char *take_text)
{
    struct nj_rollback *owner = job->owner;
    const struct nj_rollback_result result = {.rollout = job->rollout,
                                              .namespace = job->namespace,
                                              .workload_kind = "Deployment",
                                              .workload = job->deployment,
                                              .rolled_back = rolled_back,
                                              .text = take_text};
    DL_DELETE(owner->jobs, job);
    owner->jobs_count--;
    tell(owner, &result);
    free(take_text);
    job_free(job);
}

/* --- the objects */

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, name, &value)
               ? value
               : NULL;
}

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static bool has_hash(const char *list, const char *hash)
{
    size_t len = strlen(hash);
    for (const char *at = list; *at != '\0'; at += *at == ',' ? 1 : 0) {
        size_t word = strcspn(at, ",");
        if (word == len && memcmp(at, hash, len) == 0)
            return true;
        at += word;
    }
    return false;
}

/* Why the Deployment as it is must be left alone; NULL: it need not. */
static const char *objection(const struct job *job)
{
    struct json_object *metadata = member(job->current, "metadata");
    struct json_object *annotations = member(metadata, "annotations");
    if (!nj_streq(text_of(metadata, "uid"), job->uid) ||
        json_object_get_int64(member(metadata, "generation")) != job->generation ||
        !nj_streq(text_of(annotations, REVISION), job->revision))
        return "the Deployment was changed meanwhile";
    if (text_of(annotations, NJ_ROLLBACK_ANNOTATION)[0] == '\0')
        return "the annotation " NJ_ROLLBACK_ANNOTATION " is gone";
    if (json_object_get_boolean(member(member(job->current, "spec"), "paused")))
        return "the Deployment is paused";
    if (has_hash(text_of(annotations, NJ_ROLLBACK_DONE_ANNOTATION), job->hash))
        return "this template was rolled back before";
    return NULL;
}

static void add_operation(struct json_object *patch, const char *op, const char *path,
                          struct json_object *take_value)
{
    struct json_object *operation = json_object_new_object();
    json_object_object_add(operation, "op", json_object_new_string(op));
    json_object_object_add(operation, "path", json_object_new_string(path));
    json_object_object_add(operation, "value", take_value);
    json_object_array_add(patch, operation);
}

static char *hashes(const struct job *job)
{
    struct json_object *annotations = member(member(job->current, "metadata"), "annotations");
    const char *before = text_of(annotations, NJ_ROLLBACK_DONE_ANNOTATION);
    size_t count = before[0] == '\0' ? 0 : 1;
    for (const char *at = before; (at = strchr(at, ',')) != NULL; at++)
        count++;
    for (; count >= HASHES_MAX; count--)
        before = strchr(before, ',') + 1;
    return nj_asprintf("%s%s%s", before, before[0] == '\0' ? "" : ",", job->hash);
}

static void make_patch(struct job *job, struct json_object *template)
{
    struct json_object *metadata = member(job->current, "metadata");
    struct json_object *patch = json_object_new_array();
    NJ_CLEANUP_FREE char *list = hashes(job);
    NJ_CLEANUP_FREE char *cause = nj_asprintf("nightjar: rolled back revision %s to revision %s: %s",
                                              job->revision, job->to_revision, job->reason);
    /* Refused with 409 when it is another one by now. */
    add_operation(patch, "replace", "/metadata/resourceVersion",
                  json_object_new_string(text_of(metadata, "resourceVersion")));
    add_operation(patch, "replace", "/spec/template", json_object_get(template));
    add_operation(patch, "add", "/metadata/annotations/kubernetes.io~1change-cause",
                  json_object_new_string(cause));
    add_operation(patch, "add", "/metadata/annotations/nightjar.dev~1rolled-back",
                  json_object_new_string(list));
    free(job->patch);
    job->patch = nj_strdup(
        json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(patch);
}

/* --- the requests */

static void on_done(void *data, const struct nj_http_result *result);

static void request(struct job *job, enum step step)
{
    struct nj_rollback *owner = job->owner;
    struct nj_err err = {0};
    bool patches = step == STEP_DRY_RUN || step == STEP_PATCH;
    bool of_set = step == STEP_REPLICA_SET;
    NJ_CLEANUP_FREE char *path = nj_asprintf(
        "/apis/apps/v1/namespaces/%s/%s/%s%s%s", job->namespace, of_set ? "replicasets" : "deployments",
        of_set ? job->replica_set : job->deployment, patches ? "?fieldManager=" NJ_ROLLBACK_MANAGER : "",
        step == STEP_DRY_RUN ? "&dryRun=All" : "");
    const struct nj_http_options options = {.body = patches ? job->patch : NULL,
                                            .body_len = patches ? strlen(job->patch) : 0,
                                            .timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .connect_timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes = BODY_MAX,
                                            .on_done = on_done,
                                            .data = job};
    job->step = step;
    int rc = patches ? nj_kube_client_patch(owner->options.client, path, &options, &job->request, &err)
                     : nj_kube_client_start(owner->options.client, path, "application/json", &options,
                                            &job->request, &err);
    if (rc < 0) {
        job->request = NULL;
        end(job, false, nj_asprintf("not rolled back: %s", err.text));
    }
}

static void refuse(struct job *job, const struct nj_http_result *result)
{
    static const char *const what[] = {"reading the Deployment", "reading the ReplicaSet", "the dry run",
                                       "the patch"};
    static const char *const rights[] = {"get deployments", "get replicasets", "patch deployments",
                                         "patch deployments"};
    if (result->error != 0 && job->step == STEP_PATCH && result->maybe_sent) {
        end(job, false, nj_asprintf("it is not known whether it was rolled back: %s", result->err.text));
        return;
    }
    if (result->error != 0) {
        end(job, false, nj_asprintf("not rolled back: %s: %s", what[job->step], result->err.text));
        return;
    }
    struct json_object *status = json_tokener_parse(result->body == NULL ? "" : result->body);
    if (result->status == 403)
        end(job, false,
            nj_asprintf("not rolled back: the right to %s is missing (%s grants it): %s", rights[job->step],
                        MANIFESTS, text_of(status, "message")));
    else
        end(job, false,
            nj_asprintf("not rolled back: %s was refused with status %ld: %s", what[job->step],
                        result->status, text_of(status, "message")));
    json_object_put(status);
}

static void got_deployment(struct job *job, struct json_object *take_object)
{
    json_object_put(job->current);
    job->current = take_object;
    const char *why = objection(job);
    if (why != NULL)
        end(job, false, nj_asprintf("not rolled back: %s", why));
    else
        request(job, STEP_REPLICA_SET);
}

static bool is_owned(const struct job *job, struct json_object *replica_set)
{
    struct json_object *owners = member(member(replica_set, "metadata"), "ownerReferences");
    size_t count = json_object_is_type(owners, json_type_array) ? json_object_array_length(owners) : 0;
    for (size_t i = 0; i < count; i++) {
        if (nj_streq(text_of(json_object_array_get_idx(owners, i), "uid"), job->uid))
            return true;
    }
    return false;
}

static void got_replica_set(struct job *job, struct json_object *replica_set)
{
    struct json_object *template = member(member(replica_set, "spec"), "template");
    struct json_object *labels = member(member(template, "metadata"), "labels");
    if (template == NULL || !is_owned(job, replica_set)) {
        end(job, false,
            nj_asprintf("not rolled back: ReplicaSet %s is not the Deployment's", job->replica_set));
        return;
    }
    if (labels != NULL)
        json_object_object_del(labels, "pod-template-hash");
    make_patch(job, template);
    request(job, STEP_DRY_RUN);
}

static void read_object(struct job *job, const struct nj_http_result *result)
{
    struct json_object *object = result->body_cut ? NULL : json_tokener_parse(result->body);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        end(job, false, nj_strdup("not rolled back: the API server's answer cannot be read"));
    } else if (job->step == STEP_DEPLOYMENT) {
        got_deployment(job, object);
    } else {
        got_replica_set(job, object);
        json_object_put(object);
    }
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct job *job = data;
    struct nj_rollback *owner = job->owner;
    bool well = result->error == 0 && result->status >= 200 && result->status < 300;
    bool patches = job->step == STEP_DRY_RUN || job->step == STEP_PATCH;
    job->request = NULL;
    if (owner->closing) {
        DL_DELETE(owner->jobs, job);
        job_free(job);
        if (owner->jobs == NULL)
            finish_close(owner);
        return;
    }
    if (patches && result->error == 0 && result->status == 409 && ++job->tries < TRIES_MAX)
        request(job, STEP_DEPLOYMENT); /* its status changes all the time; whether more did is looked at */
    else if (!well)
        refuse(job, result);
    else if (job->step == STEP_DRY_RUN)
        request(job, STEP_PATCH);
    else if (job->step == STEP_PATCH)
        end(job, true, nj_asprintf("rolled back to revision %s", job->to_revision));
    else
        read_object(job, result);
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
    const struct note *note =
        find_note(search->rollback, rollout->namespace, rollout->workload, replica_set->template_hash);
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

/* NULL: nothing speaks against it. The caller frees it. */
static char *why_not(struct nj_rollback *rollback, const struct nj_workloads_item *item,
                     const struct nj_rollout *rollout, const struct nj_workloads_item *target)
{
    int64_t within_ns = 0;
    const char *wish = nj_workloads_annotation(item, NJ_ROLLBACK_ANNOTATION);
    if (item->kind != NJ_WORKLOADS_DEPLOYMENT)
        return nj_strdup("only Deployments are rolled back");
    if (nj_parse_duration(wish, &within_ns) < 0 || within_ns <= 0)
        return nj_asprintf(
            "the annotation " NJ_ROLLBACK_ANNOTATION ": \"%s\" is no duration, such as \"10m\"", wish);
    if (rollout->failed_ns - rollout->began_ns > within_ns)
        return nj_asprintf("it failed later than %s after it began", wish);
    if (rollout->template_hash[0] == '\0')
        return nj_strdup("the failed revision's ReplicaSet is not known");
    if (!nj_streq(item->revision, rollout->revision))
        return nj_strdup("the Deployment was changed meanwhile");
    const struct note *note =
        find_note(rollback, rollout->namespace, rollout->workload, rollout->template_hash);
    if (note != NULL && note->tried)
        return nj_strdup("this template was rolled back before");
    if (target == NULL)
        return nj_strdup("there is no earlier revision that was good");
    if (!nj_kube_is_name(item->namespace) || !nj_kube_is_name(item->name) || !nj_kube_is_name(target->name))
        return nj_strdup("its name is none");
    if (rollback->jobs_count >= JOBS_MAX ||
        within_the_hour(rollback, nj_loop_wall_ns(rollback->options.loop)) >= rollback->options.max_per_hour)
        return nj_asprintf("%lld were rolled back within the hour already (rollback.max_per_hour)",
                           (long long)rollback->options.max_per_hour);
    return NULL;
}

static void begin(struct nj_rollback *rollback, const struct nj_workloads_item *item,
                  const struct nj_rollout *rollout, const struct nj_workloads_item *target)
{
    struct job *job = NJ_NEW(struct job);
    *job = (struct job){.owner = rollback,
                        .rollout = rollout->id,
                        .generation = item->generation,
                        .namespace = nj_strdup(item->namespace),
                        .deployment = nj_strdup(item->name),
                        .uid = nj_strdup(item->uid),
                        .hash = nj_strdup(rollout->template_hash),
                        .revision = nj_strdup(rollout->revision),
                        .to_revision = nj_strdup(target->revision),
                        .replica_set = nj_strdup(target->name),
                        .reason = nj_strdup(rollout->reason)};
    /* Once, whatever comes of it. */
    take_note(rollback, item->namespace, item->name, rollout->template_hash)->tried = true;
    count_time(rollback, nj_loop_wall_ns(rollback->options.loop));
    DL_APPEND(rollback->jobs, job);
    rollback->jobs_count++;
    request(job, STEP_DEPLOYMENT);
}

bool nj_rollback_consider(struct nj_rollback *rollback, struct nj_workloads *workloads,
                          const struct nj_rollout *rollout)
{
    enum nj_workloads_kind kind;
    if (!rollback->options.enabled || nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0)
        return false;
    const struct nj_workloads_item *item =
        nj_workloads_find(workloads, kind, rollout->namespace, rollout->workload);
    if (item == NULL || nj_workloads_annotation(item, NJ_ROLLBACK_ANNOTATION) == NULL)
        return false;
    const struct nj_workloads_item *target =
        kind == NJ_WORKLOADS_DEPLOYMENT ? find_target(rollback, workloads, rollout) : NULL;
    NJ_CLEANUP_FREE char *why = why_not(rollback, item, rollout, target);
    if (why == NULL) {
        assert(target != NULL);
        begin(rollback, item, rollout, target);
        return true;
    }
    NJ_CLEANUP_FREE char *text = nj_asprintf("not rolled back: %s", why);
    const struct nj_rollback_result result = {.rollout = rollout->id,
                                              .namespace = rollout->namespace,
                                              .workload_kind = rollout->workload_kind,
                                              .workload = rollout->workload,
                                              .text = text};
    tell(rollback, &result);
    return true;
}

void nj_rollback_close(struct nj_rollback *rollback, void (*on_closed)(void *data), void *data)
{
    struct job *job = NULL, *next = NULL;
    if (rollback == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    rollback->closing = true;
    rollback->on_closed = on_closed;
    rollback->on_closed_data = data;
    if (rollback->jobs == NULL) {
        finish_close(rollback);
        return;
    }
    DL_FOREACH_SAFE (rollback->jobs, job, next)
        nj_http_cancel(job->request);
}
