#include "collector/sla/tracker.h"

#include <string.h>
#include <utlist.h>

#include "collector/sla/tracker_internal.h"
#include "common/base/str.h"

void nj_tracked_replace(char **text, const char *with)
{
    if (*text != NULL && nj_streq(*text, with))
        return;
    free(*text);
    *text = nj_strdup(nj_str(with));
}

struct nj_tracker *nj_tracker_new(const struct nj_tracker_options *options)
{
    struct nj_tracker *tracker = NJ_NEW(struct nj_tracker);
    tracker->options = *options;
    return tracker;
}

static void service_free(struct nj_tracked *service)
{
    free(service->key);
    free(service->namespace);
    free(service->name);
    free(service->detail);
    free(service->reference);
    free(service->other_detail);
    free(service->other_reference);
    free(service->workload_kind);
    free(service->workload);
    free(service->endpoints);
    free(service->lost);
    free(service);
}

void nj_tracker_free(struct nj_tracker *tracker)
{
    struct nj_tracked *service = NULL, *next_service = NULL;
    struct nj_standing *standing = NULL, *next_standing = NULL;
    struct nj_fact *fact = NULL, *next_fact = NULL;
    if (tracker == NULL)
        return;
    HASH_ITER (hh, tracker->services, service, next_service) {
        NJ_TABLE_REMOVE(tracker->services, service);
        service_free(service);
    }
    HASH_ITER (hh, tracker->standing, standing, next_standing)
        nj_standing_free(tracker, standing);
    DL_FOREACH_SAFE (tracker->facts, fact, next_fact)
        nj_fact_free(fact);
    free(tracker);
}

static struct nj_tracked *find(const struct nj_tracker *tracker, const char *namespace, const char *name)
{
    struct nj_tracked *service = NULL;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s", namespace, name);
    HASH_FIND_STR(tracker->services, key, service);
    return service;
}

static struct nj_tracked *add(struct nj_tracker *tracker, const char *namespace, const char *name)
{
    struct nj_tracked *service = find(tracker, namespace, name);
    if (service != NULL)
        return service;
    if (HASH_COUNT(tracker->services) >= tracker->options.max_services) {
        tracker->left_out++;
        return NULL;
    }
    service = NJ_NEW(struct nj_tracked);
    service->key = nj_asprintf("%s/%s", namespace, name);
    service->namespace = nj_strdup(namespace);
    service->name = nj_strdup(name);
    service->detail = nj_strdup("");
    service->reference = nj_strdup("");
    service->other_detail = nj_strdup("");
    service->other_reference = nj_strdup("");
    service->workload_kind = nj_strdup("");
    service->workload = nj_strdup("");
    service->scaled = -1;
    HASH_ADD_KEYPTR(hh, tracker->services, service->key, strlen(service->key), service);
    return service;
}

void nj_tracked_tell(struct nj_tracker *tracker, struct nj_tracked *service)
{
    struct nj_interval *now = &service->now;
    now->cluster = "";
    now->namespace = service->namespace;
    now->service = service->name;
    now->detail = service->detail;
    now->reference = service->reference;
    tracker->options.on_interval(tracker->options.data, now);
}

/* The present interval ends, and another begins. An interval without a length is written over. */
void nj_tracked_begin(struct nj_tracker *tracker, struct nj_tracked *service, enum nj_service_state state,
                      int64_t at_ns)
{
    struct nj_interval before = service->now;
    if (service->known) {
        if (at_ns < before.from_ns)
            at_ns = before.from_ns;
        if (at_ns > before.from_ns) {
            service->now.until_ns = service->now.seen_ns = at_ns;
            nj_tracked_tell(tracker, service);
        }
    }
    service->now = (struct nj_interval){.from_ns = at_ns, .seen_ns = at_ns, .state = state, .desired = -1};
    service->known = true;
    service->other_cause = NJ_OUTAGE_BY_NOTHING;
    service->windows_ns = at_ns;
    nj_tracked_set_cause(service, NJ_OUTAGE_BY_NOTHING, "", "");
}

void nj_tracker_load(struct nj_tracker *tracker, const struct nj_interval *open)
{
    struct nj_tracked *service = add(tracker, open->namespace, open->service);
    if (service == NULL)
        return;
    service->now = *open;
    service->now.until_ns = 0;
    service->known = true;
    service->was_up = open->cause != NJ_OUTAGE_BY_STARTING;
    service->windows_ns = open->seen_ns;
    nj_tracked_set_cause(service, open->cause, open->detail, open->reference);
    service->now.cluster = "";
    service->now.namespace = service->namespace; /* what it was read into is gone soon */
    service->now.service = service->name;
    service->now.detail = service->detail;
    service->now.reference = service->reference;
}

void nj_tracked_set_cause(struct nj_tracked *service, enum nj_outage_cause cause, const char *detail,
                          const char *reference)
{
    service->now.cause = cause;
    nj_tracked_replace(&service->detail, detail);
    nj_tracked_replace(&service->reference, reference);
}

static enum nj_service_state state_of(const struct nj_tracker_service *given, int32_t *ret_ready,
                                      int32_t *ret_serving)
{
    int32_t ready = 0, serving = 0;
    bool drains = false;
    for (size_t i = 0; i < given->endpoints_count; i++) {
        ready += given->endpoints[i].ready ? 1 : 0;
        serving += given->endpoints[i].serving ? 1 : 0;
        drains |= given->endpoints[i].serving && given->endpoints[i].terminating;
    }
    *ret_ready = ready;
    *ret_serving = serving;
    if (given->by_design)
        return NJ_SERVICE_NONE_BY_DESIGN;
    if (ready > 0)
        return ready >= given->desired ? NJ_SERVICE_UP : NJ_SERVICE_DEGRADED;
    if (drains)
        return NJ_SERVICE_DRAINING;
    return given->desired == 0 ? NJ_SERVICE_SCALED_TO_ZERO : NJ_SERVICE_DOWN;
}

static const struct nj_tracked_endpoint *find_endpoint(const struct nj_tracked_endpoint *endpoints,
                                                       size_t count, uint64_t pod)
{
    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].pod == pod)
            return &endpoints[i];
    }
    return NULL;
}

/* Endpoints that were ready, and are not any more, as they are now. Where nothing is known of before, those
 * that are not ready tell the most. */
static size_t find_lost(struct nj_tracked *service, const struct nj_tracked_endpoint *endpoints, size_t count,
                        struct nj_tracked_endpoint *ret_lost)
{
    size_t lost = 0;
    for (size_t i = 0; !service->looked && i < count && lost < NJ_TRACKER_LOST_MAX; i++) {
        if (!endpoints[i].ready)
            ret_lost[lost++] = endpoints[i];
    }
    for (size_t i = 0; service->looked && i < service->endpoints_count && lost < NJ_TRACKER_LOST_MAX; i++) {
        const struct nj_tracked_endpoint *before = &service->endpoints[i];
        if (!before->ready)
            continue;
        const struct nj_tracked_endpoint *after = find_endpoint(endpoints, count, before->pod);
        if (after != NULL && after->ready)
            continue;
        ret_lost[lost] = *before;
        /* One that is gone at once was deleted. */
        ret_lost[lost].terminating = after == NULL || after->terminating;
        lost++;
    }
    return lost;
}

static struct nj_tracked_endpoint *copy_endpoints(const struct nj_tracker_service *given)
{
    struct nj_tracked_endpoint *endpoints = nj_calloc(given->endpoints_count + 1, sizeof(*endpoints));
    for (size_t i = 0; i < given->endpoints_count; i++)
        endpoints[i] = (struct nj_tracked_endpoint){.pod = nj_tracker_hash(given->endpoints[i].pod_uid),
                                                    .node = nj_tracker_hash(given->endpoints[i].node),
                                                    .ready = given->endpoints[i].ready,
                                                    .terminating = given->endpoints[i].terminating};
    return endpoints;
}

/* The slice of which one change, and nothing else, has happened since the interval was seen; NULL: none. */
static const struct nj_tracker_slice *changed_slice(const struct nj_tracked *service,
                                                    const struct nj_tracker_service *given)
{
    if (!service->known || service->now.state == NJ_SERVICE_UNKNOWN)
        return NULL;
    for (size_t i = 0; i < given->slices_count; i++) {
        if (given->slices[i].print_before == service->now.print)
            return &given->slices[i];
    }
    return NULL;
}

/* When the latest change of the slices was; 0: not known. The trigger of an earlier change, or of slices that
 * an earlier Service of the name has left behind, says nothing of this one: where what is wanted changes, or
 * a pod is deleted, the newest trigger stays as it was. */
static int64_t trigger_of(const struct nj_tracked *service, const struct nj_tracker_service *given)
{
    const struct nj_tracker_slice *changed = changed_slice(service, given);
    if (changed != NULL)
        return changed->trigger_ns;
    bool news =
        given->trigger_ns > service->trigger_ns && (service->known || given->trigger_ns > given->created_ns);
    return news ? given->trigger_ns : 0;
}

static int64_t time_of(const struct nj_tracked *service, const struct nj_tracker_service *given)
{
    int64_t trigger_ns = trigger_of(service, given);
    bool late = trigger_ns != 0 && given->at_ns - trigger_ns > NJ_TRACKER_LATE_NS;
    /* Where the present state was told late, too, and nothing dates it, arrivals at least keep its length. */
    return late && (!service->known || trigger_ns >= service->now.from_ns) ? trigger_ns : given->at_ns;
}

/* After a time in which nobody looked. */
static bool is_dated(const struct nj_tracked *service, int64_t trigger_ns, int64_t at_ns)
{
    return trigger_ns > service->now.seen_ns && trigger_ns < at_ns;
}

bool nj_tracker_wants_ready_since(const struct nj_tracker *tracker, const struct nj_tracker_service *given)
{
    const struct nj_tracked *service = find(tracker, given->namespace, given->name);
    int32_t ready = 0, serving = 0;
    if (service == NULL || !service->known || service->looked || service->now.print == given->print ||
        given->at_ns - service->now.seen_ns <= NJ_TRACKER_GAP_NS)
        return false;
    const struct nj_tracker_slice *changed = changed_slice(service, given);
    return changed == NULL || (state_of(given, &ready, &serving) != service->now.state &&
                               !is_dated(service, changed->trigger_ns, given->at_ns));
}

/* What happened while nobody looked. Returns when the present state began. */
static int64_t fill_gap(struct nj_tracker *tracker, struct nj_tracked *service,
                        const struct nj_tracker_service *given, enum nj_service_state state,
                        int64_t ready_since_ns)
{
    int64_t seen_ns = service->now.seen_ns, changed_ns = given->at_ns;
    bool was_unknown = service->now.state == NJ_SERVICE_UNKNOWN;
    const struct nj_tracker_slice *changed = changed_slice(service, given);
    int64_t trigger_ns = changed != NULL ? changed->trigger_ns : given->trigger_ns;
    bool once = changed != NULL, dated = is_dated(service, trigger_ns, given->at_ns);
    bool available = state == NJ_SERVICE_UP || state == NJ_SERVICE_DEGRADED;
    if (!was_unknown && service->now.print == given->print)
        return service->now.state == state ? seen_ns : given->at_ns;
    if (once && service->now.state == state)
        return seen_ns;
    /* Triggers and transitions have whole seconds: within such a one, arrival is as near. */
    if (dated && given->at_ns - trigger_ns >= NJ_SEC)
        changed_ns = trigger_ns;
    if (available && ready_since_ns > 0 && given->at_ns - ready_since_ns >= NJ_SEC &&
        ready_since_ns < changed_ns)
        changed_ns = ready_since_ns > seen_ns ? ready_since_ns : seen_ns;
    if (!was_unknown && !(once && dated) && changed_ns - seen_ns > NJ_TRACKER_GAP_NS) {
        nj_tracked_begin(tracker, service, NJ_SERVICE_UNKNOWN, seen_ns);
        nj_tracked_tell(tracker, service);
    }
    return changed_ns;
}

static void add_lost(struct nj_tracked *service, const struct nj_tracked_endpoint *lost, size_t count)
{
    size_t room = NJ_TRACKER_LOST_MAX - service->lost_count;
    if (count > room)
        count = room;
    if (count == 0)
        return;
    service->lost = nj_realloc(service->lost, service->lost_count + count, sizeof(*lost));
    memcpy(service->lost + service->lost_count, lost, count * sizeof(*lost));
    service->lost_count += count;
}

/* The state is the same: only numbers may have changed. `first`: at the first look what was lost is a guess,
 * which is no better than what was known before. */
static void go_on(struct nj_tracker *tracker, struct nj_tracked *service,
                  const struct nj_tracker_service *given, int32_t ready, int32_t serving,
                  const struct nj_tracked_endpoint *lost, size_t lost_count, bool first)
{
    struct nj_interval *now = &service->now;
    bool changed = now->print != given->print;
    now->print = given->print;
    now->seen_ns = given->at_ns;
    if (ready < now->min_ready)
        now->min_ready = ready;
    now->ready = ready;
    now->serving = serving;
    now->desired = given->desired;
    add_lost(service, lost, lost_count);
    if (lost_count > 0 && !first && nj_service_is_unwell(now->state) &&
        given->at_ns - now->from_ns <= NJ_TRACKER_SETTLE_NS)
        changed |= nj_tracked_choose_again(tracker, service);
    if (changed)
        nj_tracked_tell(tracker, service);
}

static void change(struct nj_tracker *tracker, struct nj_tracked *service,
                   const struct nj_tracker_service *given, enum nj_service_state state, int64_t at_ns)
{
    bool was_unwell = service->known && nj_service_is_unwell(service->now.state);
    nj_tracked_cut(tracker, service, at_ns);
    bool meant = service->now.cause == NJ_OUTAGE_BY_MAINTENANCE;
    enum nj_outage_cause cause = meant ? service->other_cause : service->now.cause;
    NJ_CLEANUP_FREE char *detail = nj_strdup(meant ? service->other_detail : service->detail);
    NJ_CLEANUP_FREE char *reference = nj_strdup(meant ? service->other_reference : service->reference);
    int32_t desired = service->now.desired;
    nj_tracked_begin(tracker, service, state, at_ns);
    service->now.desired = given->desired;
    if (state == NJ_SERVICE_UP || at_ns - given->created_ns > NJ_TRACKER_STARTING_NS)
        service->was_up = true;
    if (!nj_service_is_unwell(state))
        return;
    /* What follows from what was lost before has the same cause; but wanting more is a scaling, and where
     * nothing is wanted any more nothing is amiss. */
    service->inherits = was_unwell && service->lost_count == 0 && desired == given->desired &&
                        state != NJ_SERVICE_SCALED_TO_ZERO;
    if (service->inherits)
        nj_tracked_set_cause(service, cause, detail, reference);
    nj_tracked_choose(tracker, service);
    nj_tracked_put_window(tracker, service);
}

void nj_tracker_service(struct nj_tracker *tracker, const struct nj_tracker_service *given,
                        int64_t ready_since_ns)
{
    struct nj_tracked *service = add(tracker, given->namespace, given->name);
    int32_t ready = 0, serving = 0;
    struct nj_tracked_endpoint lost[NJ_TRACKER_LOST_MAX];
    if (service == NULL)
        return;
    enum nj_service_state state = state_of(given, &ready, &serving);
    struct nj_tracked_endpoint *endpoints = copy_endpoints(given);
    size_t lost_count = find_lost(service, endpoints, given->endpoints_count, lost);
    free(service->endpoints);
    service->endpoints = endpoints;
    service->endpoints_count = given->endpoints_count;
    nj_tracked_replace(&service->workload_kind, given->workload_kind);
    nj_tracked_replace(&service->workload, given->workload);
    int64_t at_ns = time_of(service, given);
    bool first = !service->looked, fresh = !service->known;
    /* What was wanted long ago explains nothing. */
    bool late = first && given->at_ns - service->now.seen_ns > NJ_TRACKER_LOOK_BACK_NS;
    int32_t wanted = fresh || late ? -1 : service->now.desired;
    if (first && !fresh)
        at_ns = fill_gap(tracker, service, given, state, ready_since_ns);
    else if (service->is_new && nj_service_is_unwell(service->now.state) &&
             at_ns - service->now.from_ns < NJ_TRACKER_NEW_NS)
        at_ns = service->now.from_ns;
    service->looked = true;
    if (given->trigger_ns > service->trigger_ns)
        service->trigger_ns = given->trigger_ns;
    if (service->known && service->now.state == state) {
        go_on(tracker, service, given, ready, serving, lost, lost_count, first);
        return;
    }
    service->lost_count = 0;
    add_lost(service, lost, lost_count);
    service->guessed = first && service->known;
    service->scaled = wanted;
    change(tracker, service, given, state, at_ns);
    service->is_new = fresh && given->at_ns - given->created_ns < NJ_TRACKER_LATE_NS;
    service->now.ready = service->now.min_ready = ready;
    service->now.serving = serving;
    service->now.print = given->print;
    service->now.backfilled = service->now.from_ns < given->at_ns;
    service->now.seen_ns = given->at_ns > service->now.from_ns ? given->at_ns : service->now.from_ns;
    nj_tracked_tell(tracker, service);
}

void nj_tracker_gone(struct nj_tracker *tracker, const char *namespace, const char *name, int64_t at_ns)
{
    struct nj_tracked *service = find(tracker, namespace, name);
    if (service == NULL)
        return;
    if (service->known) {
        /* Nobody knows how long it was there when nobody looked. */
        if (!service->looked && at_ns - service->now.seen_ns > NJ_TRACKER_GAP_NS)
            at_ns = service->now.seen_ns;
        /* Kubernetes keeps a slice of each Service, with endpoints or without: they were gone because it was.
         */
        if (service->looked && service->now.print == 0 && nj_service_is_unwell(service->now.state) &&
            at_ns - service->now.from_ns <= NJ_TRACKER_SETTLE_NS)
            at_ns = service->now.from_ns;
        nj_tracked_cut(tracker, service, at_ns);
        if (at_ns < service->now.from_ns)
            at_ns = service->now.from_ns;
        service->now.until_ns = service->now.seen_ns = at_ns;
        nj_tracked_tell(tracker, service);
    }
    NJ_TABLE_REMOVE(tracker->services, service);
    service_free(service);
}

void nj_tracker_blind(struct nj_tracker *tracker, int64_t at_ns)
{
    struct nj_tracked *service = NULL, *next = NULL;
    HASH_ITER (hh, tracker->services, service, next) {
        if (!service->looked)
            continue;
        service->looked = false;
        if (at_ns > service->now.seen_ns)
            service->now.seen_ns = at_ns;
    }
}

const struct nj_interval *nj_tracker_now(const struct nj_tracker *tracker, const char *namespace,
                                         const char *name)
{
    const struct nj_tracked *service = find(tracker, namespace, name);
    return service == NULL || !service->known ? NULL : &service->now;
}

void nj_tracker_each(const struct nj_tracker *tracker,
                     void (*each)(void *data, const struct nj_interval *now), void *data)
{
    struct nj_tracked *service = NULL, *next = NULL;
    HASH_ITER (hh, tracker->services, service, next) {
        if (service->known)
            each(data, &service->now);
    }
}

size_t nj_tracker_count(const struct nj_tracker *tracker)
{
    return HASH_COUNT(tracker->services);
}

uint64_t nj_tracker_left_out(const struct nj_tracker *tracker)
{
    return tracker->left_out;
}
