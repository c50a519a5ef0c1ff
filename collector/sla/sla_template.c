/*
 * What differs between the two templates of a rollout. Both are asked for as JSON, once: of a Deployment its
 * two ReplicaSets, of others the list of the ControllerRevisions, of which it has revisionHistoryLimit (10).
 */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/difference.h"
#include "collector/sla/rollouts_revisions.h"
#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum { BODY_MAX = 2 << 20 /* etcd takes 1.5 MiB */, LIST_MAX = 8 << 20, TIMEOUT_S = 10 };

struct nj_sla_template {
    struct nj_sla *sla;
    int64_t rollout;
    char *paths[2];  /* of the earlier template, of the later one; the second NULL: of a list of both */
    char *bodies[2]; /* as they came */
    size_t lens[2];
    struct nj_http_request *request;
    int step;
    bool begun;
    struct nj_sla_template *prev, *next;
};

static void next_step(struct nj_sla_template *template);

static void finish(struct nj_sla_template *template)
{
    struct nj_sla *sla = template->sla;
    DL_DELETE(sla->templates, template);
    if (template->begun)
        sla->fetching--;
    for (int i = 0; i < 2; i++) {
        free(template->paths[i]);
        free(template->bodies[i]);
    }
    free(template);
}

static void begin_waiting(struct nj_sla *sla)
{
    struct nj_sla_template *template = NULL, *next = NULL;
    DL_FOREACH_SAFE (sla->templates, template, next) {
        if (sla->fetching >= NJ_SLA_TEMPLATES_MAX)
            return;
        if (template->begun)
            continue;
        template->begun = true;
        sla->fetching++;
        next_step(template);
    }
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_sla_template *template = data;
    struct nj_sla *sla = template->sla;
    template->request = NULL;
    if (result->error == -ECANCELED || sla->stopped) {
        finish(template);
        nj_sla_ended(sla);
        return;
    }
    if (result->error != 0 || result->status != 200 || result->body_cut) {
        nj_counter_add(sla->unfetched, 1);
        finish(template);
    } else {
        template->bodies[template->step] = nj_strndup(result->body, result->body_len);
        template->lens[template->step] = result->body_len;
        template->step++;
        next_step(template);
    }
    begin_waiting(sla);
    nj_sla_settle(sla);
}

static void compare(struct nj_sla_template *template)
{
    NJ_CLEANUP_FREE char *difference =
        nj_difference(template->bodies[0], template->lens[0], template->bodies[1], template->lens[1]);
    nj_rollouts_set_difference(template->sla->rollouts, template->rollout, difference);
}

/* The later of a DaemonSet's, which has only a count for a revision: the newest, when that is still so. */
static const struct nj_revision *find_later(const struct nj_revisions *revisions,
                                            const struct nj_rollout *rollout,
                                            const struct nj_workloads_item *item)
{
    if (rollout->template_hash[0] != '\0')
        return nj_revisions_find(revisions, rollout->template_hash);
    bool stands =
        nj_streq(item->revision, rollout->revision) && item->object->observed_generation >= item->generation;
    return stands && nj_revisions_count(revisions) > 0 ? nj_revisions_at(revisions, 0) : NULL;
}

static const struct nj_revision *find_earlier(const struct nj_revisions *revisions,
                                              const struct nj_rollout *rollout,
                                              const struct nj_revision *later)
{
    if (rollout->from_hash[0] != '\0')
        return nj_revisions_find(revisions, rollout->from_hash);
    for (size_t i = 0; i < nj_revisions_count(revisions); i++) {
        const struct nj_revision *revision = nj_revisions_at(revisions, i);
        if (revision->number < later->number)
            return revision;
    }
    return NULL;
}

static void tell_revisions(struct nj_sla_template *template, const struct nj_revision *earlier,
                           const struct nj_revision *later)
{
    struct nj_rollouts *rollouts = template->sla->rollouts;
    const char *from = json_object_to_json_string_ext(earlier->template, JSON_C_TO_STRING_PLAIN);
    const char *to = json_object_to_json_string_ext(later->template, JSON_C_TO_STRING_PLAIN);
    NJ_CLEANUP_FREE char *difference = nj_difference(from, strlen(from), to, strlen(to));
    NJ_CLEANUP_FREE char *images = nj_revision_images(earlier);
    nj_rollouts_set_templates(rollouts, template->rollout, later->hash, earlier->hash, images);
    nj_rollouts_set_difference(rollouts, template->rollout, difference);
}

/* False: the two are not among them. */
static bool compare_listed(struct nj_sla_template *template)
{
    struct nj_sla *sla = template->sla;
    const struct nj_rollout *rollout = nj_rollouts_find(sla->rollouts, template->rollout);
    enum nj_workloads_kind kind;
    struct nj_revisions *revisions = NULL;
    if (rollout == NULL || nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0)
        return false;
    const struct nj_workloads_item *item =
        nj_workloads_find(sla->workloads, kind, rollout->namespace, rollout->workload);
    if (item == NULL ||
        nj_revisions_parse(kind, item->uid, template->bodies[0], template->lens[0], &revisions) < 0)
        return false;
    const struct nj_revision *later = find_later(revisions, rollout, item);
    const struct nj_revision *earlier = later == NULL ? NULL : find_earlier(revisions, rollout, later);
    bool found = earlier != NULL && later->template != NULL && earlier->template != NULL;
    if (found)
        tell_revisions(template, earlier, later);
    nj_revisions_free(revisions);
    return found;
}

static void next_step(struct nj_sla_template *template)
{
    struct nj_sla *sla = template->sla;
    bool listed = template->paths[1] == NULL;
    if (template->step == (listed ? 1 : 2)) {
        if (!listed)
            compare(template);
        else if (!compare_listed(template))
            nj_counter_add(sla->unfetched, 1);
        finish(template);
        return;
    }
    const struct nj_http_options options = {.timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .connect_timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes = listed ? LIST_MAX : BODY_MAX,
                                            .on_done = on_done,
                                            .data = template};
    if (nj_kube_client_start(sla->options.client, template->paths[template->step], "application/json",
                             &options, &template->request, NULL) == 0)
        return;
    nj_counter_add(sla->unfetched, 1);
    finish(template);
}

static char *replica_set_path(struct nj_sla *sla, const struct nj_rollout *rollout, const char *revision)
{
    const struct nj_workloads_item *item =
        nj_workloads_revision(sla->workloads, rollout->namespace, rollout->workload, revision);
    /* Names come from the API server; what is none would be another path. */
    if (item == NULL || !nj_kube_is_name(item->namespace) || !nj_kube_is_name(item->name))
        return NULL;
    return nj_asprintf("/apis/apps/v1/namespaces/%s/replicasets/%s", item->namespace, item->name);
}

/* False: it cannot be asked for. */
static bool set_paths(struct nj_sla *sla, const struct nj_rollout *rollout, char *paths[2])
{
    enum nj_workloads_kind kind;
    if (nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0)
        return false;
    if (kind == NJ_WORKLOADS_DEPLOYMENT) {
        paths[0] = replica_set_path(sla, rollout, rollout->from_revision);
        paths[1] = replica_set_path(sla, rollout, rollout->revision);
        return paths[0] != NULL && paths[1] != NULL;
    }
    const struct nj_workloads_item *item =
        nj_workloads_find(sla->workloads, kind, rollout->namespace, rollout->workload);
    paths[0] = item == NULL ? NULL : nj_revisions_path(item);
    return paths[0] != NULL;
}

void nj_sla_template_fetch(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    struct nj_sla_template *template = NULL;
    DL_FOREACH (sla->templates, template) {
        if (template->rollout == rollout->id)
            return; /* on its way */
    }
    template = NJ_NEW(struct nj_sla_template);
    template->sla = sla;
    template->rollout = rollout->id;
    DL_APPEND(sla->templates, template);
    if (sla->stopped || !set_paths(sla, rollout, template->paths)) {
        nj_counter_add(sla->unfetched, 1);
        finish(template);
        return;
    }
    begin_waiting(sla);
}

void nj_sla_templates_done(struct nj_sla *sla)
{
    struct nj_sla_template *template = NULL, *next = NULL;
    DL_FOREACH_SAFE (sla->templates, template, next) {
        if (template->request != NULL)
            nj_http_cancel(template->request);
        else
            finish(template);
    }
}
