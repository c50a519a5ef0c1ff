/*
 * Services that are not available (by SERVING: terminating pods that serve still do), told as events when it
 * has lasted sla.outage_after, again when its cause is known better, and when it is over.
 */
#include <stdio.h>
#include <string.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

static struct nj_sla_down *find(const struct nj_sla *sla, const char *namespace, const char *service)
{
    struct nj_sla_down *down = NULL;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s", namespace, service);
    HASH_FIND_STR(sla->downs, key, down);
    return down;
}

static struct nj_sla_down *add(struct nj_sla *sla, const char *namespace, const char *service,
                               int64_t since_ns)
{
    struct nj_sla_down *down = NJ_NEW(struct nj_sla_down);
    down->key = nj_asprintf("%s/%s", namespace, service);
    down->namespace = nj_strdup(namespace);
    down->service = nj_strdup(service);
    down->since_ns = since_ns;
    HASH_ADD_KEYPTR(hh, sla->downs, down->key, strlen(down->key), down);
    return down;
}

static void drop(struct nj_sla *sla, struct nj_sla_down *down)
{
    HASH_DEL(sla->downs, down);
    free(down->key);
    free(down->namespace);
    free(down->service);
    free(down);
}

struct behind {
    const char *kind, *name;
};

static void take_first(void *data, const struct nj_workloads_item *item)
{
    struct behind *behind = data;
    if (behind->name[0] == '\0')
        *behind = (struct behind){nj_workloads_kind_name(item->kind), item->name};
}

static struct behind workload_behind(const struct nj_sla *sla, const char *namespace, const char *service)
{
    struct behind behind = {"", ""};
    const struct nj_model_service *view = nj_model_service(sla->options.model, namespace, service);
    if (view != NULL && view->service != NULL)
        nj_workloads_behind(sla->workloads, namespace, view->service->selector, view->service->selector_count,
                            take_first, &behind);
    return behind;
}

static void tell(struct nj_sla *sla, struct nj_sla_down *down, const struct nj_interval *now, bool over)
{
    char id[NJ_EVENT_ID_MAX], since[24];
    struct behind behind = workload_behind(sla, down->namespace, down->service);
    (void)snprintf(since, sizeof(since), "%lld", (long long)down->since_ns);
    struct nj_event event = {.at_ns = over ? nj_sla_time(sla) : down->since_ns,
                             .seen_ns = nj_sla_time(sla),
                             .type = NJ_EVENT_OUTAGE,
                             .subject = {.namespace = down->namespace,
                                         .pod = "",
                                         .pod_uid = "",
                                         .node = "",
                                         .workload_kind = "Service",
                                         .workload = down->service,
                                         .container = ""},
                             .outage = {.over = over,
                                        .cause = nj_outage_cause_name(now == NULL ? down->cause : now->cause),
                                        .detail = now == NULL ? "" : now->detail,
                                        .reference = now == NULL ? "" : now->reference,
                                        .behind_kind = behind.kind,
                                        .behind = behind.name,
                                        .since_ns = down->since_ns,
                                        .min_ready = down->min_ready,
                                        .desired = now == NULL ? -1 : now->desired}};
    /* What is known better later corrects it: the same fact. */
    event.id = nj_event_id(id, "outage", sla->cluster, down->namespace, down->service, since,
                           over ? "over" : "began", NULL);
    nj_sla_flush(sla);
    sla->options.on_event(sla->options.data, &event);
}

static void end(struct nj_sla *sla, struct nj_sla_down *down)
{
    if (down->told)
        tell(sla, down, NULL, true);
    drop(sla, down);
}

void nj_sla_outage_remember(struct nj_sla *sla, const char *namespace, const char *service, int64_t since_ns)
{
    struct nj_sla_down *down = find(sla, namespace, service);
    if (down == NULL)
        down = add(sla, namespace, service, since_ns);
    down->since_ns = since_ns;
    down->told = true;
}

void nj_sla_outage_state(struct nj_sla *sla, const struct nj_interval *now)
{
    struct nj_sla_down *down = find(sla, now->namespace, now->service);
    if (now->state == NJ_SERVICE_UNKNOWN) /* nobody looked: it may go on */
        return;
    if (now->state != NJ_SERVICE_DOWN) {
        if (down != NULL)
            end(sla, down);
        return;
    }
    if (down == NULL)
        down = add(sla, now->namespace, now->service, now->from_ns);
    down->going = true;
    down->min_ready = now->min_ready;
}

void nj_sla_outage_gone(struct nj_sla *sla, const char *namespace, const char *service)
{
    struct nj_sla_down *down = find(sla, namespace, service);
    if (down != NULL)
        end(sla, down);
}

/* Scaled by somebody: nobody wants it, or it is on its way. */
static bool is_wanted_so(enum nj_outage_cause cause)
{
    return cause == NJ_OUTAGE_BY_SCALED_TO_ZERO || cause == NJ_OUTAGE_BY_SCALING;
}

void nj_sla_outages_tell(struct nj_sla *sla)
{
    struct nj_sla_down *down = NULL, *next = NULL;
    int64_t now_ns = nj_sla_time(sla);
    if (sla->blind)
        return;
    HASH_ITER (hh, sla->downs, down, next) {
        const struct nj_interval *now = nj_tracker_now(sla->services, down->namespace, down->service);
        if (!down->going || now == NULL || now->state != NJ_SERVICE_DOWN) {
            if (!nj_sla_is_asking(sla, down->namespace, down->service))
                end(sla, down); /* over while nobody looked */
            continue;
        }
        if (down->told
                ? down->cause == now->cause
                : now_ns - down->since_ns < sla->config->sla.outage_after_ns || is_wanted_so(now->cause))
            continue;
        down->told = true;
        down->cause = now->cause;
        tell(sla, down, now, false);
    }
}

bool nj_sla_is_down(const struct nj_sla *sla, const char *namespace, const char *workload_kind,
                    const char *workload)
{
    for (const struct nj_sla_down *down = sla->downs; down != NULL; down = down->hh.next) {
        struct behind behind = {"", ""};
        if (down->going && nj_streq(down->namespace, namespace))
            behind = workload_behind(sla, down->namespace, down->service);
        if (behind.name[0] != '\0' && nj_streq(behind.kind, workload_kind) && nj_streq(behind.name, workload))
            return true;
    }
    return false;
}

void nj_sla_outages_done(struct nj_sla *sla)
{
    struct nj_sla_down *down = NULL, *next = NULL;
    HASH_ITER (hh, sla->downs, down, next)
        drop(sla, down);
}
