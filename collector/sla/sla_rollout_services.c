/*
 * The Services behind which a rollout goes on: a check of a Service's own address names no pod, so that the
 * Service must say whose it is. One is listed while nothing but the rollout explains what its endpoints lack.
 * And checks of pods, which name their Service, as those of a rollout's new pods.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/sla/desired.h"
#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum { SERVICES_MAX = 64 /* of a rollout; more select few workloads */ };

struct look {
    struct nj_sla *sla;
    const struct nj_workloads_item *item;
    const struct nj_sla_rollout *rollout;
    char **services;
    size_t count;
};

/* All that is wanted serves, or the rollout is why not. */
static bool explains(const struct nj_sla *sla, const struct nj_model_service *view,
                     const struct nj_sla_rollout *rollout)
{
    const struct nj_interval *now = nj_tracker_now(sla->services, view->namespace, view->name);
    if (now == NULL)
        return false;
    if (now->state == NJ_SERVICE_UP)
        return true;
    NJ_CLEANUP_FREE char *reference = nj_asprintf("rollout/%lld", (long long)rollout->id);
    return now->state != NJ_SERVICE_UNKNOWN && nj_streq(now->reference, reference);
}

static void look_at_service(void *data, const struct nj_model_service *view)
{
    struct look *look = data;
    const struct nj_workload_object *object = look->item->object;
    if (view->service == NULL || look->count == SERVICES_MAX ||
        !nj_selects(view->service->selector, view->service->selector_count, object->template_labels,
                    object->template_labels_count) ||
        !explains(look->sla, view, look->rollout))
        return;
    look->services[look->count++] = nj_strdup(view->name);
}

void nj_sla_rollout_services_forget(struct nj_sla_rollout *rollout)
{
    for (size_t i = 0; i < rollout->services_count; i++)
        free(rollout->services[i]);
    free(rollout->services);
    rollout->services = NULL;
    rollout->services_count = 0;
}

static bool are_same(const struct nj_sla_rollout *rollout, const struct look *look)
{
    if (rollout->services_count != look->count)
        return false;
    for (size_t i = 0; i < look->count; i++) {
        if (!nj_streq(rollout->services[i], look->services[i]))
            return false;
    }
    return true;
}

void nj_sla_rollout_services_look_at(struct nj_sla *sla, struct nj_sla_rollout *rollout)
{
    enum nj_workloads_kind kind;
    char *services[SERVICES_MAX];
    struct look look = {.sla = sla, .rollout = rollout, .services = services};
    if (sla->workloads != NULL && nj_workloads_kind_parse(rollout->kind, &kind) == 0)
        look.item = nj_workloads_find(sla->workloads, kind, rollout->namespace, rollout->workload);
    if (look.item != NULL)
        nj_model_each_service(sla->options.model, rollout->namespace, look_at_service, &look);
    if (!are_same(rollout, &look)) {
        nj_sla_rollout_services_forget(rollout);
        rollout->services = nj_calloc(look.count + 1, sizeof(*rollout->services));
        memcpy(rollout->services, services, look.count * sizeof(*services));
        rollout->services_count = look.count;
        sla->held_changed = true;
        return;
    }
    for (size_t i = 0; i < look.count; i++)
        free(services[i]);
}

void nj_sla_rollout_services_look(struct nj_sla *sla)
{
    for (struct nj_sla_rollout *rollout = sla->running; rollout != NULL; rollout = rollout->hh.next)
        nj_sla_rollout_services_look_at(sla, rollout);
}

size_t nj_sla_rollout_services_count(const struct nj_sla *sla)
{
    size_t count = 0;
    for (const struct nj_sla_rollout *rollout = sla->running; rollout != NULL; rollout = rollout->hh.next)
        count += rollout->services_count;
    return count;
}

/* --- checks */

struct checked {
    struct nj_sla *sla;
    const struct nj_event *event;
};

static void check_of(void *data, const struct nj_workloads_item *item)
{
    const struct checked *checked = data;
    const struct nj_event *event = checked->event;
    const char *kind = nj_workloads_kind_name(item->kind);
    if (nj_pod_is_of_template(kind, item->name, "", event->subject.pod))
        (void)nj_rollouts_pod_trouble(checked->sla->rollouts, item->namespace, kind, item->name,
                                      event->subject.pod, NJ_ROLLOUT_CHECK_FAILED, event->check.got,
                                      event->at_ns);
}

void nj_sla_rollout_check(struct nj_sla *sla, const struct nj_event *event)
{
    const struct nj_subject *subject = &event->subject;
    struct checked checked = {sla, event};
    enum nj_workloads_kind kind;
    const struct nj_workloads_item *item = NULL;
    if (sla->workloads == NULL || subject->pod[0] == '\0')
        return;
    const char *service = event->check.service[0] != '\0'               ? event->check.service
                          : nj_streq(subject->workload_kind, "Service") ? subject->workload
                                                                        : "";
    const struct nj_model_service *view =
        service[0] == '\0' ? NULL : nj_model_service(sla->options.model, subject->namespace, service);
    if (nj_workloads_kind_parse(subject->workload_kind, &kind) == 0)
        item = nj_workloads_find(sla->workloads, kind, subject->namespace, subject->workload);
    if (item != NULL)
        check_of(&checked, item);
    else if (view != NULL && view->service != NULL)
        nj_workloads_behind(sla->workloads, view->namespace, view->service->selector,
                            view->service->selector_count, check_of, &checked);
}
