/* What differs between the two templates of a rollout: both are asked for, as JSON. */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/difference.h"
#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum { BODY_MAX = 2 << 20 /* etcd takes 1.5 MiB */, TIMEOUT_S = 10 };

struct nj_sla_template {
    struct nj_sla *sla;
    int64_t rollout;
    char *paths[2];  /* of the earlier template, of the later one */
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

static void next_step(struct nj_sla_template *template)
{
    struct nj_sla *sla = template->sla;
    if (template->step == 2) {
        NJ_CLEANUP_FREE char *difference =
            nj_difference(template->bodies[0], template->lens[0], template->bodies[1], template->lens[1]);
        nj_rollouts_set_difference(sla->rollouts, template->rollout, difference);
        finish(template);
        return;
    }
    const struct nj_http_options options = {.timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .connect_timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes = BODY_MAX,
                                            .on_done = on_done,
                                            .data = template};
    if (nj_kube_client_start(sla->options.client, template->paths[template->step], "application/json",
                             &options, &template->request, NULL) == 0)
        return;
    nj_counter_add(sla->unfetched, 1);
    finish(template);
}

static char *path_of(const char *plural, const char *namespace, const char *name)
{
    /* Names come from the API server; what is none would be another path. */
    if (!nj_kube_is_name(namespace) || !nj_kube_is_name(name))
        return NULL;
    return nj_asprintf("/apis/apps/v1/namespaces/%s/%s/%s", namespace, plural, name);
}

static char *revision_path(struct nj_sla *sla, const struct nj_rollout *rollout, const char *revision)
{
    if (nj_streq(rollout->workload_kind, "Deployment")) {
        const struct nj_workloads_item *item =
            nj_workloads_revision(sla->workloads, rollout->namespace, rollout->workload, revision);
        return item == NULL ? NULL : path_of("replicasets", item->namespace, item->name);
    }
    /* A DaemonSet's revisions are numbers that no object is called by. */
    if (nj_streq(rollout->workload_kind, "StatefulSet"))
        return path_of("controllerrevisions", rollout->namespace, revision);
    return NULL;
}

void nj_sla_template_fetch(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    struct nj_sla_template *template = NJ_NEW(struct nj_sla_template);
    template->sla = sla;
    template->rollout = rollout->id;
    template->paths[0] = revision_path(sla, rollout, rollout->from_revision);
    template->paths[1] = revision_path(sla, rollout, rollout->revision);
    DL_APPEND(sla->templates, template);
    if (template->paths[0] == NULL || template->paths[1] == NULL || sla->stopped) {
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
