/* What Services, slices and workloads are now, into the trackers. */
#include <string.h>

#include "collector/sla/desired.h"
#include "collector/sla/sla_internal.h"
#include "common/base/log.h"
#include "common/base/str.h"

static const char SLO_ANNOTATION[] = "nightjar.dev/slo";

/* --- objectives */

static void take_objective(void *data, const struct nj_workloads_item *item)
{
    const char **text = data;
    if (*text == NULL)
        *text = nj_workloads_annotation(item, SLO_ANNOTATION);
}

static void set_objective(struct nj_sla *sla, const struct nj_model_service *view)
{
    const char *text = NULL;
    for (size_t i = 0; i < view->annotations_count && text == NULL; i++) {
        if (nj_streq(view->annotations[i].key, SLO_ANNOTATION))
            text = view->annotations[i].value;
    }
    if (text == NULL)
        nj_workloads_behind(sla->workloads, view->namespace, view->service->selector,
                            view->service->selector_count, take_objective, &text);
    if (nj_slo_set_objective(sla->slo, view->namespace, view->name, text) < 0)
        nj_warn("sla", "%s of Service %s/%s: \"%.64s\" is not per cent between 0 and 100, such as \"99.9\"",
                SLO_ANNOTATION, view->namespace, view->name, text);
}

/* --- Services */

struct telling {
    struct nj_sla *sla;
    bool available;
    int64_t at_ns;
};

static void tell_rollouts(void *data, const struct nj_workloads_item *item)
{
    struct telling *telling = data;
    if (item->kind == NJ_WORKLOADS_JOB)
        return;
    nj_rollouts_service(telling->sla->rollouts, item->namespace, nj_workloads_kind_name(item->kind),
                        item->name, telling->available, nj_rollouts_absence_ns(item), telling->at_ns);
}

static void gone(struct nj_sla *sla, const char *namespace, const char *name, int64_t at_ns)
{
    nj_tracker_gone(sla->services, namespace, name, at_ns);
    nj_sla_outage_gone(sla, namespace, name, at_ns);
    nj_slo_gone(sla->slo, namespace, name);
}

/* Where nothing was wanted, the end of what wanted nothing (a Job that is over and cleaned up) is no news. */
static void keep_at_zero(const struct nj_sla *sla, struct nj_tracker_service *service)
{
    if (service->desired >= 0 || service->endpoints_count > 0 || service->by_design)
        return;
    const struct nj_interval *now = nj_tracker_now(sla->services, service->namespace, service->name);
    if (now != NULL && now->state == NJ_SERVICE_SCALED_TO_ZERO)
        service->desired = 0;
}

/* ready_since_ns: 0: ask the pods if need be; -1: they were asked in vain. */
void nj_sla_feed(struct nj_sla *sla, const struct nj_model_service *view, int64_t ready_since_ns)
{
    struct nj_described described;
    int64_t now_ns = nj_sla_time(sla);
    set_objective(sla, view);
    if (sla->blind) /* these endpoints are of before */
        return;
    nj_describe_service(view, sla->workloads, now_ns, &described);
    keep_at_zero(sla, &described.service);
    const struct nj_tracker_service *service = &described.service;
    if (ready_since_ns == 0 && service->endpoints_count > 0 &&
        nj_tracker_wants_ready_since(sla->services, service) && nj_sla_ask_pods(sla, view)) {
        nj_described_done(&described);
        return;
    }
    nj_tracker_service(sla->services, service, ready_since_ns > 0 ? ready_since_ns : 0);
    nj_described_done(&described);
    const struct nj_interval *now = nj_tracker_now(sla->services, view->namespace, view->name);
    if (now == NULL || now->state == NJ_SERVICE_NONE_BY_DESIGN)
        return;
    struct telling telling = {.sla = sla, .available = now->state != NJ_SERVICE_DOWN, .at_ns = now_ns};
    nj_workloads_behind(sla->workloads, view->namespace, view->service->selector,
                        view->service->selector_count, tell_rollouts, &telling);
}

void nj_sla_service(struct nj_sla *sla, const char *namespace, const char *name)
{
    if (!sla->ready || sla->stopped)
        return;
    const struct nj_model_service *view = nj_model_service(sla->options.model, namespace, name);
    if (view == NULL || view->service == NULL) {
        gone(sla, namespace, name, nj_sla_time(sla));
    } else if (!nj_sla_is_asking(sla, namespace, name)) {
        nj_sla_feed(sla, view, 0);
    }
    nj_sla_settle(sla);
}

static void feed_service(void *data, const struct nj_model_service *view)
{
    struct nj_sla *sla = data;
    if (view->service != NULL && !nj_sla_is_asking(sla, view->namespace, view->name))
        nj_sla_feed(sla, view, 0);
}

static void feed_namespace(void *data, const char *namespace)
{
    struct nj_sla *sla = data;
    nj_model_each_service(sla->options.model, namespace, feed_service, sla);
}

/* A slow one may take longer than any service may. After a start, too: it is known since when it is there. */
static void mark_starting(struct nj_sla *sla, const struct nj_workloads_item *item)
{
    nj_sla_mark(sla, NJ_SUPPRESS_STARTING, item->namespace, nj_workloads_kind_name(item->kind), item->name,
                item->created_ns + nj_rollouts_allowance_ns(item->object));
}

static bool stands_alone(const struct nj_workloads_item *item)
{
    return item->kind != NJ_WORKLOADS_REPLICA_SET || item->owner_kind[0] == '\0';
}

static void feed_workload(void *data, const struct nj_workloads_item *item)
{
    nj_sla_feed_workload(data, item);
    if (stands_alone(item))
        mark_starting(data, item);
}

void nj_sla_feed_all(struct nj_sla *sla)
{
    nj_model_each_namespace(sla->options.model, feed_namespace, sla);
    nj_workloads_each(sla->workloads, feed_workload, sla);
}

/* --- workloads */

void nj_sla_feed_workload(struct nj_sla *sla, const struct nj_workloads_item *item)
{
    struct nj_described described;
    if (!stands_alone(item))
        return;
    NJ_CLEANUP_FREE char *name = nj_asprintf("%s/%s", nj_workloads_kind_name(item->kind), item->name);
    nj_describe_workload(item, nj_sla_time(sla), &described);
    described.service.name = name;
    nj_tracker_service(sla->owns, &described.service, 0);
    nj_described_done(&described);
}

struct behind {
    struct nj_sla *sla;
    const struct nj_workloads_item *item;
};

static void feed_selecting(void *data, const struct nj_model_service *view)
{
    struct behind *behind = data;
    const struct nj_workload_object *object = behind->item->object;
    if (view->service != NULL && nj_selects(view->service->selector, view->service->selector_count,
                                            object->template_labels, object->template_labels_count))
        feed_service(behind->sla, view);
}

void nj_sla_feed_behind(struct nj_sla *sla, const struct nj_workloads_item *item)
{
    struct behind behind = {.sla = sla, .item = item};
    nj_model_each_service(sla->options.model, item->namespace, feed_selecting, &behind);
}

static bool labels_differ(const struct nj_workload_object *a, const struct nj_workload_object *b)
{
    if (a->template_labels_count != b->template_labels_count)
        return true;
    for (size_t i = 0; i < a->template_labels_count; i++) {
        if (!nj_streq(a->template_labels[i].key, b->template_labels[i].key) ||
            !nj_streq(a->template_labels[i].value, b->template_labels[i].value))
            return true;
    }
    return false;
}

/* One annotation of a workload is its Services'. */
static bool objectives_differ(const struct nj_workloads_item *a, const struct nj_workloads_item *b)
{
    return !nj_streq(nj_workloads_annotation(a, SLO_ANNOTATION), nj_workloads_annotation(b, SLO_ANNOTATION));
}

static void note_scaling(struct nj_sla *sla, const struct nj_workloads_item *before,
                         const struct nj_workloads_item *after, int64_t at_ns)
{
    const char *kind = nj_workloads_kind_name(after->kind);
    int32_t from = before->object->desired, to = after->object->desired;
    NJ_CLEANUP_FREE char *detail =
        nj_asprintf("%s/%s scaled from %d to %d", kind, after->name, (int)from, (int)to);
    const struct nj_tracker_fact fact = {.kind = NJ_FACT_SCALED,
                                         .at_ns = at_ns,
                                         .namespace = after->namespace,
                                         .workload_kind = kind,
                                         .workload = after->name,
                                         .detail = detail,
                                         .value = to};
    nj_sla_fact(sla, &fact);
    if (to < from)
        nj_sla_mark(sla, NJ_SUPPRESS_SCALE_DOWN, after->namespace, kind, after->name,
                    at_ns + NJ_SLA_SCALE_DOWN_NS);
}

static void workload_gone(struct nj_sla *sla, const struct nj_workloads_item *before, int64_t at_ns)
{
    const char *kind = nj_workloads_kind_name(before->kind);
    NJ_CLEANUP_FREE char *name = nj_asprintf("%s/%s", kind, before->name);
    nj_tracker_gone(sla->owns, before->namespace, name, at_ns);
    nj_sla_mark(sla, NJ_SUPPRESS_DELETED, before->namespace, kind, before->name, at_ns + NJ_SLA_DELETED_NS);
}

/* --- Jobs */

/* What its last pods did is on its way for so long. */
#define JOB_SETTLE_NS (10 * NJ_SEC)

static void mark_job(struct nj_sla *sla, enum nj_suppress_why why, const struct nj_workloads_item *job,
                     int64_t at_ns)
{
    /* Agents know its pods under the CronJob's name. */
    bool owned = nj_streq(job->owner_kind, "CronJob");
    nj_sla_mark(sla, why, job->namespace, owned ? "CronJob" : "Job", owned ? job->owner : job->name,
                at_ns + JOB_SETTLE_NS);
}

static void note_job(struct nj_sla *sla, const struct nj_workloads_item *job, const char *what, int32_t wants,
                     int64_t at_ns)
{
    NJ_CLEANUP_FREE char *detail = nj_asprintf("Job/%s %s", job->name, what);
    const struct nj_tracker_fact fact = {.kind = NJ_FACT_SCALED,
                                         .at_ns = at_ns,
                                         .namespace = job->namespace,
                                         .workload_kind = "Job",
                                         .workload = job->name,
                                         .detail = detail,
                                         .value = wants};
    nj_sla_fact(sla, &fact);
}

/* It wants pods for as long as it has work for them. Its own availability is nobody's concern. */
static void job_change(struct nj_sla *sla, const struct nj_workloads_item *before,
                       const struct nj_workloads_item *after, int64_t at_ns)
{
    const struct nj_workloads_item *job = after != NULL ? after : before;
    int32_t wanted = before == NULL ? 0 : before->object->desired;
    int32_t wants = after == NULL ? 0 : after->object->desired;
    if (before != NULL && after != NULL && wanted == wants && !labels_differ(before->object, after->object))
        return;
    bool completed = after != NULL && nj_workloads_completed(after);
    if (wanted != wants)
        note_job(sla, job,
                 after == NULL ? "is deleted"
                 : completed   ? "is completed"
                               : "wants other pods",
                 wants, at_ns);
    if (wanted > wants && after == NULL)
        mark_job(sla, NJ_SUPPRESS_DELETED, job, at_ns);
    else if (wanted > wants && completed)
        mark_job(sla, NJ_SUPPRESS_COMPLETED, job, at_ns);
    else if (wanted > wants && after->object->paused)
        mark_job(sla, NJ_SUPPRESS_SCALE_DOWN, job, at_ns);
    if (before != NULL)
        nj_sla_feed_behind(sla, before);
    if (after != NULL)
        nj_sla_feed_behind(sla, after);
}

void nj_sla_workload_change(void *data, const struct nj_workloads_item *before,
                            const struct nj_workloads_item *after, int64_t at_ns)
{
    struct nj_sla *sla = data;
    if (sla->stopped)
        return;
    if ((after != NULL ? after : before)->kind == NJ_WORKLOADS_JOB) {
        if (sla->ready)
            job_change(sla, before, after, at_ns);
        nj_sla_settle(sla);
        return;
    }
    nj_rollouts_change(sla->rollouts, sla->workloads, before, after, at_ns);
    if (!stands_alone(after != NULL ? after : before) || !sla->ready) {
        nj_sla_settle(sla);
        return;
    }
    bool other = before == NULL || after == NULL || before->object->desired != after->object->desired ||
                 labels_differ(before->object, after->object) || objectives_differ(before, after);
    /* A DaemonSet wants more or fewer when nodes come and go. */
    if (before != NULL && after != NULL && before->object->desired != after->object->desired &&
        after->kind != NJ_WORKLOADS_DAEMON_SET)
        note_scaling(sla, before, after, at_ns);
    if (after == NULL)
        workload_gone(sla, before, at_ns);
    else if (before == NULL)
        mark_starting(sla, after);
    if (other && before != NULL)
        nj_sla_feed_behind(sla, before);
    if (other && after != NULL)
        nj_sla_feed_behind(sla, after);
    if (after != NULL)
        nj_sla_feed_workload(sla, after);
    nj_sla_settle(sla);
}

/* --- what was stored, and is no more */

struct unseen {
    struct nj_sla *sla;
    struct nj_interval *items;
    size_t count;
};

static void note_unseen(void *data, const struct nj_interval *now)
{
    struct unseen *unseen = data;
    const struct nj_model_service *view = NULL;
    const char *slash = strchr(now->service, '/');
    enum nj_workloads_kind kind;
    bool there = false;
    if (slash == NULL) {
        view = nj_model_service(unseen->sla->options.model, now->namespace, now->service);
        there = view != NULL && view->service != NULL;
    } else {
        NJ_CLEANUP_FREE char *name = nj_strndup(now->service, (size_t)(slash - now->service));
        there = nj_workloads_kind_parse(name, &kind) == 0 &&
                nj_workloads_find(unseen->sla->workloads, kind, now->namespace, slash + 1) != NULL;
    }
    if (there)
        return;
    unseen->items = nj_realloc(unseen->items, unseen->count + 1, sizeof(*unseen->items));
    unseen->items[unseen->count] = *now;
    unseen->items[unseen->count].namespace = nj_strdup(now->namespace);
    unseen->items[unseen->count].service = nj_strdup(now->service);
    unseen->count++;
}

/* Deleted while nobody looked: it was there until somebody did last. */
void nj_sla_end_unseen(struct nj_sla *sla)
{
    struct unseen unseen = {.sla = sla};
    nj_tracker_each(sla->services, note_unseen, &unseen);
    nj_tracker_each(sla->owns, note_unseen, &unseen);
    for (size_t i = 0; i < unseen.count; i++) {
        struct nj_interval *item = &unseen.items[i];
        if (strchr(item->service, '/') == NULL)
            gone(sla, item->namespace, item->service, item->seen_ns);
        else
            nj_tracker_gone(sla->owns, item->namespace, item->service, item->seen_ns);
        free((char *)item->namespace);
        free((char *)item->service);
    }
    free(unseen.items);
}
