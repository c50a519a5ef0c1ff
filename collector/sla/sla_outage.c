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
    NJ_TABLE_REMOVE(sla->downs, down);
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

static uint64_t hash_of(const char *namespace, const char *kind, const char *workload)
{
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s/%s", namespace, kind, workload);
    return nj_hash64(key, strlen(key));
}

static bool is_headless(const struct nj_sla *sla, const struct nj_sla_down *down)
{
    const struct nj_model_service *view =
        nj_model_service(sla->options.model, down->namespace, down->service);
    return view != NULL && view->service != NULL && view->service->cluster_ips_count > 0 &&
           nj_streq(view->service->cluster_ips[0], "None");
}

/* Several Services of one workload are away together: people hear of one, rather of one with an address. */
static bool speaks_before(const struct nj_sla *sla, const struct nj_sla_down *a, const struct nj_sla_down *b)
{
    bool a_headless = is_headless(sla, a), b_headless = is_headless(sla, b);
    return a_headless != b_headless ? b_headless : strcmp(a->service, b->service) < 0;
}

/* The names of the others that are away with it, " web-headless"; NULL: another speaks for it. */
static char *find_others(const struct nj_sla *sla, const struct nj_sla_down *down)
{
    struct nj_buf names = {0};
    bool speaks = true;
    for (const struct nj_sla_down *other = sla->downs; other != NULL && down->behind != 0 && speaks;
         other = other->hh.next) {
        if (other == down || !other->going || other->behind != down->behind)
            continue;
        speaks = down->told || (!other->told && speaks_before(sla, down, other));
        (void)nj_buf_printf(&names, "%s %s", names.len == 0 ? "" : ",", other->service);
    }
    char *text = speaks ? nj_strdup(nj_buf_str(&names)) : NULL;
    nj_buf_done(&names);
    return text;
}

static void tell(struct nj_sla *sla, struct nj_sla_down *down, const struct nj_interval *now, int64_t over_ns,
                 const char *others)
{
    char id[NJ_EVENT_ID_MAX], since[24];
    bool over = over_ns > 0;
    struct behind behind = workload_behind(sla, down->namespace, down->service);
    NJ_CLEANUP_FREE char *detail = others[0] == '\0'
                                       ? nj_strdup(now == NULL ? "" : now->detail)
                                       : nj_asprintf("%s; with it%s", now == NULL ? "" : now->detail, others);
    (void)snprintf(since, sizeof(since), "%lld", (long long)down->since_ns);
    struct nj_event event = {.at_ns = over ? over_ns : down->since_ns,
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
                                        .detail = detail,
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

static void end(struct nj_sla *sla, struct nj_sla_down *down, int64_t at_ns)
{
    if (down->told)
        tell(sla, down, NULL, at_ns > down->since_ns ? at_ns : down->since_ns, "");
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
            end(sla, down, now->from_ns);
        return;
    }
    if (down == NULL)
        down = add(sla, now->namespace, now->service, now->from_ns);
    struct behind behind = workload_behind(sla, now->namespace, now->service);
    down->behind = behind.name[0] == '\0' ? 0 : hash_of(now->namespace, behind.kind, behind.name);
    down->going = true;
    down->min_ready = now->min_ready;
}

void nj_sla_outage_gone(struct nj_sla *sla, const char *namespace, const char *service, int64_t at_ns)
{
    struct nj_sla_down *down = find(sla, namespace, service);
    if (down != NULL)
        end(sla, down, at_ns);
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
                end(sla, down, now == NULL ? now_ns : now->from_ns); /* over while nobody looked */
            continue;
        }
        if (down->told
                ? down->cause == now->cause
                : now_ns - down->since_ns < sla->config->sla.outage_after_ns || is_wanted_so(now->cause))
            continue;
        NJ_CLEANUP_FREE char *others = find_others(sla, down);
        if (others == NULL)
            continue;
        down->told = true;
        down->cause = now->cause;
        tell(sla, down, now, 0, others);
    }
}

bool nj_sla_is_down(const struct nj_sla *sla, const char *namespace, const char *workload_kind,
                    const char *workload)
{
    uint64_t behind = hash_of(namespace, workload_kind, workload);
    for (const struct nj_sla_down *down = sla->downs; down != NULL; down = down->hh.next) {
        if (down->going && down->behind == behind)
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
