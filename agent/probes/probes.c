#include "agent/probes/probes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "agent/probes/probes_internal.h"
#include "common/base/str.h"
#include "common/kube/workload.h"

enum {
    TARGET_TEXT = 320, /* "pod/UID/PORT/FAMILY" */
    ARENA_MAX = 4 << 20,
};

/* A wall clock may be set: allowances are looked at again after this at the latest. */
static const int64_t longest_sleep_ns = NJ_MIN;

/* --- what the pods and the plan give together --- */

struct matching {
    struct nj_node_probes *probes;
    struct nj_node_pod *pod;
    size_t found;
};

static void want_target(void *data, const struct nj_match *match)
{
    struct matching *matching = data;
    const struct nj_plan_check *check = match->check;
    const struct nj_node_pod *pod = matching->pod;
    char target[TARGET_TEXT];
    NJ_CLEANUP_FREE char *metrics =
        check != NULL ? NULL : nj_asprintf("metrics.%s.%s", pod->facts->meta.namespace, pod->workload);
    (void)snprintf(target, sizeof(target), "pod/%s/%d/%s", pod->uid, match->port, match->family);
    struct nj_wanted wanted = {
        .source = check != NULL ? check->source : NJ_SOURCE_METRICS,
        .monitor = check != NULL ? check->monitor : metrics,
        .target = target,
        .service = check != NULL ? check->service : "",
        .component = "",
        .host = match->address,
        .port = match->port,
        .service_port = match->service_port,
        .scheme = match->scheme,
        .json = match->json,
        .ca_pem = check != NULL ? check->ca_pem : "",
        .secrets = check != NULL ? check->secrets : NULL,
        .secrets_count = check != NULL ? check->secrets_count : 0,
    };
    matching->found++;
    struct nj_node_target *made = nj_target_want(matching->probes, matching->pod, &wanted);
    /* A pod's own probe that our spec does not take still shows that it listens there. */
    if (made == NULL && check != NULL && check->spec[0] == '\0' &&
        strcmp(match->json, nj_derive_tcp()) != 0) {
        wanted.json = nj_derive_tcp();
        wanted.scheme = "";
        (void)nj_target_want(matching->probes, matching->pod, &wanted);
    }
}

static void find_workload(struct nj_node_pod *pod);

static void match_pod(struct nj_node_pod *pod)
{
    struct nj_node_probes *probes = pod->probes;
    struct matching matching = {.probes = probes, .pod = pod};
    const struct nj_plan_namespace *namespace = nj_plan_copy_find(probes->plan, pod->facts->meta.namespace);
    for (size_t i = 0; namespace != NULL && i < namespace->checks_count; i++)
        nj_match_check(&namespace->checks[i], pod->facts, want_target, &matching);
    if (namespace != NULL && namespace->derive && pod->facts->metrics.port != 0 && !pod->facts->over) {
        find_workload(pod);
        if (pod->workload != NULL)
            nj_match_metrics(pod->facts, want_target, &matching);
        matching.found++;
    }
    nj_targets_sweep(probes, &pod->targets);
    bool may_be_new = probes->plan != NULL && matching.found == 0 && pod->facts->ips_count > 0 &&
                      !pod->facts->over && !pod->asked_plan;
    if (may_be_new && probes->synced) {
        pod->asked_plan = true; /* its Service may be as new as the pod */
        probes->options.on_interest(probes->options.data);
    }
}

/* --- starting pods --- */

static void on_workload(struct nj_owner_request *request, const char *kind, const char *name);
static int64_t look_at_start(struct nj_node_pod *pod);
static void arm_allowance(struct nj_node_probes *probes, int64_t until_ns);

static void set_workload(struct nj_node_pod *pod, const char *kind, const char *name)
{
    pod->workload_kind = nj_strdup(kind);
    pod->workload = nj_strdup(name);
}

static void find_workload(struct nj_node_pod *pod)
{
    const struct nj_kube_owner *owner = nj_kube_controller(&pod->facts->meta);
    const char *kind = NULL;
    const char *name = NULL;
    if (pod->asked_owner)
        return;
    pod->asked_owner = true;
    struct nj_owner_query query = {.namespace = pod->facts->meta.namespace,
                                   .pod = pod->facts->meta.name,
                                   .api_version = owner == NULL ? "" : owner->api_version,
                                   .kind = owner == NULL ? "" : owner->kind,
                                   .name = owner == NULL ? "" : owner->name,
                                   .uid = owner == NULL ? "" : owner->uid,
                                   .template_hash =
                                       nj_str(nj_kube_label(&pod->facts->meta, "pod-template-hash"))};
    pod->owner_request = (struct nj_owner_request){.done = on_workload, .data = pod};
    if (nj_owners_resolve(pod->probes->options.owners, &query, &pod->owner_request, &kind, &name))
        set_workload(pod, kind, name);
}

static int64_t deadline_of(struct nj_node_pod *pod)
{
    if (pod->facts->allowance.ready || pod->facts->allowance.began_ns == 0 || pod->targets == NULL)
        return 0;
    find_workload(pod);
    if (!nj_streq(pod->workload_kind, "Deployment"))
        return 0;
    return nj_deadlines_get(pod->probes->deadlines, pod->facts->meta.namespace, pod->workload);
}

/* Until when it is starting, wall: 0 when it is not, INT64_MAX when only a change of the pod ends it. */
static int64_t look_at_start(struct nj_node_pod *pod)
{
    struct nj_node_probes *probes = pod->probes;
    int64_t until_ns = nj_allowance_until(&pod->facts->allowance, deadline_of(pod));
    bool starting = !pod->facts->over && until_ns > nj_loop_wall_ns(probes->options.loop);
    if (starting != pod->starting) {
        struct nj_node_target *target = NULL;
        pod->starting = starting;
        nj_gauge_add(probes->metrics.starting, starting ? 1 : -1);
        DL_FOREACH (pod->targets, target) {
            nj_target_hold(target, starting);
        }
    }
    return starting ? until_ns : 0;
}

static void look_at_starts(struct nj_node_probes *probes)
{
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    int64_t first_ns = INT64_MAX;
    HASH_ITER (hh, probes->pods, pod, next) {
        int64_t until_ns = look_at_start(pod);
        if (until_ns != 0 && until_ns < first_ns)
            first_ns = until_ns;
    }
    nj_timer_stop(&probes->allowance_timer);
    probes->allowance_due_ns = 0;
    arm_allowance(probes, first_ns);
}

/* The timer fires at that time at the latest. */
static void arm_allowance(struct nj_node_probes *probes, int64_t until_ns)
{
    int64_t now_ns = nj_loop_wall_ns(probes->options.loop);
    if (until_ns == INT64_MAX || until_ns == 0)
        return;
    int64_t delay_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    if (delay_ns > longest_sleep_ns)
        delay_ns = longest_sleep_ns;
    int64_t due_ns = nj_loop_mono_ns(probes->options.loop) + delay_ns;
    if (probes->allowance_due_ns != 0 && probes->allowance_due_ns <= due_ns)
        return;
    probes->allowance_due_ns = due_ns;
    nj_timer_start(&probes->allowance_timer, delay_ns, 0);
}

static void on_allowance(struct nj_timer *timer)
{
    look_at_starts(timer->data);
}

static void on_deadline_known(void *data)
{
    look_at_starts(data);
}

static void update_pod(struct nj_node_pod *pod)
{
    match_pod(pod);
    arm_allowance(pod->probes, look_at_start(pod));
}

static void on_workload(struct nj_owner_request *request, const char *kind, const char *name)
{
    struct nj_node_pod *pod = request->data;
    set_workload(pod, kind, name);
    update_pod(pod);
}

/* --- pods --- */

static bool is_first_of_namespace(struct nj_node_probes *probes, const struct nj_node_pod *added)
{
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    HASH_ITER (hh, probes->pods, pod, next) {
        if (pod != added && !pod->facts->over &&
            strcmp(pod->facts->meta.namespace, added->facts->meta.namespace) == 0)
            return false;
    }
    return true;
}

static uint64_t hash_workload(const struct nj_pod_facts *facts)
{
    const struct nj_kube_owner *owner = nj_kube_controller(&facts->meta);
    struct nj_workload workload;
    char text[3 * NJ_WORKLOAD_NAME_MAX];
    nj_workload_guess(owner == NULL ? "" : owner->kind, owner == NULL ? "" : owner->name,
                      nj_str(nj_kube_label(&facts->meta, "pod-template-hash")), facts->meta.name, &workload);
    int len = snprintf(text, sizeof(text), "%s/%s/%s", facts->meta.namespace, workload.kind, workload.name);
    return nj_hash64(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static struct nj_node_pod *add_pod(struct nj_node_probes *probes, const struct nj_kube_object *object)
{
    size_t len = strlen(object->meta.uid);
    struct nj_node_pod *pod = nj_calloc(1, sizeof(*pod) + len + 1);
    memcpy(pod->uid, object->meta.uid, len);
    pod->probes = probes;
    pod->facts = nj_pod_facts_new(object, NULL, probes->shares_host);
    pod->workload_hash = hash_workload(pod->facts);
    HASH_ADD_KEYPTR(hh, probes->pods, pod->uid, len, pod);
    return pod;
}

/* Its targets have gone. */
static void free_pod(struct nj_node_pod *pod)
{
    struct nj_node_probes *probes = pod->probes;
    nj_owners_cancel(&pod->owner_request);
    if (pod->starting)
        nj_gauge_add(probes->metrics.starting, -1);
    NJ_TABLE_REMOVE(probes->pods, pod);
    free(pod->facts);
    free(pod->workload_kind);
    free(pod->workload);
    free(pod);
}

static void forget_namespaces(struct nj_node_probes *probes)
{
    free(probes->namespaces);
    probes->namespaces = NULL;
    probes->namespaces_count = 0;
}

static void remove_pod(struct nj_node_pod *pod)
{
    struct nj_node_probes *probes = pod->probes;
    bool matters = pod->facts->is_kube_proxy || pod->facts->builtin.name != NULL;
    forget_namespaces(probes);
    nj_targets_sweep(probes, &pod->targets);
    free_pod(pod);
    if (matters)
        nj_components_match(probes);
}

static void put_pod(struct nj_node_probes *probes, struct nj_node_pod *pod,
                    const struct nj_kube_object *object)
{
    bool is_new = pod == NULL;
    bool host_changed = nj_components_note_host(probes, object->pod.host_ip);
    bool mattered = !is_new && (pod->facts->is_kube_proxy || pod->facts->builtin.name != NULL);
    if (is_new) {
        pod = add_pod(probes, object);
    } else {
        struct nj_pod_facts *before = pod->facts;
        pod->facts = nj_pod_facts_new(object, before, probes->shares_host);
        free(before);
    }
    forget_namespaces(probes);
    update_pod(pod);
    if (host_changed || mattered || pod->facts->is_kube_proxy || pod->facts->builtin.name != NULL)
        nj_components_match(probes);
    if (is_new && probes->synced && !pod->facts->over && is_first_of_namespace(probes, pod))
        probes->options.on_interest(probes->options.data);
}

void nj_node_probes_pod(struct nj_node_probes *probes, enum nj_watch_event_type type,
                        const struct nj_kube_object *object)
{
    struct nj_node_pod *pod = NULL;
    HASH_FIND(hh, probes->pods, object->meta.uid, strlen(object->meta.uid), pod);
    if (type == NJ_WATCH_ADDED || type == NJ_WATCH_MODIFIED)
        put_pod(probes, pod, object);
    else if (type == NJ_WATCH_DELETED && pod != NULL)
        remove_pod(pod);
}

void nj_node_probes_synced(struct nj_node_probes *probes)
{
    if (!probes->synced && probes->pods != NULL)
        probes->options.on_interest(probes->options.data);
    probes->synced = true;
}

/* --- the plan --- */

void nj_node_probes_set_plan(struct nj_node_probes *probes, const struct nj_plan *plan)
{
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    struct nj_plan_copy *before = probes->plan;
    probes->plan = nj_plan_copy_new(plan);
    HASH_ITER (hh, probes->pods, pod, next) {
        update_pod(pod);
    }
    nj_plan_copy_free(before);
}

const char *nj_node_probes_plan_version(const struct nj_node_probes *probes)
{
    return probes->plan == NULL ? "" : probes->plan->plan.version;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *nj_node_probes_namespaces(struct nj_node_probes *probes, size_t *ret_count)
{
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    if (probes->namespaces == NULL) {
        size_t count = 0;
        probes->namespaces = nj_calloc(HASH_COUNT(probes->pods) + 1, sizeof(*probes->namespaces));
        HASH_ITER (hh, probes->pods, pod, next) {
            if (!pod->facts->over)
                probes->namespaces[count++] = pod->facts->meta.namespace;
        }
        qsort(probes->namespaces, count, sizeof(*probes->namespaces), by_text);
        for (size_t i = 0; i < count; i++) {
            if (i == 0 || strcmp(probes->namespaces[i], probes->namespaces[i - 1]) != 0)
                probes->namespaces[probes->namespaces_count++] = probes->namespaces[i];
        }
    }
    *ret_count = probes->namespaces_count;
    return probes->namespaces;
}

void nj_node_probes_set_redactor(struct nj_node_probes *probes, const struct nj_redactor *redactor)
{
    nj_prober_set_redactor(probes->prober, redactor);
}

int nj_node_probes_expose(const struct nj_node_probes *probes, struct nj_buf *out)
{
    return nj_exposition_write(probes->exposition, out);
}

/* --- life --- */

static void on_judge(struct nj_timer *timer)
{
    nj_tell_judge(timer->data);
}

static void on_pack(struct nj_timer *timer)
{
    nj_tell_flush(timer->data);
}

static void add_metrics(struct nj_node_probes *probes, struct nj_metrics *metrics)
{
    if (metrics == NULL)
        return;
    probes->metrics.targets =
        nj_metrics_gauge(metrics, "nightjar_agent_probe_targets", "", "Targets that are probed from here.");
    probes->metrics.starting =
        nj_metrics_gauge(metrics, "nightjar_agent_probe_pods_starting", "",
                         "Pods that are starting: that their checks fail is not told yet.");
    probes->metrics.held_back =
        nj_metrics_gauge(metrics, "nightjar_agent_probe_targets_held_back", "",
                         "Failing targets that are not told because the node's checks all fail.");
    probes->metrics.node_fails = nj_metrics_gauge(metrics, "nightjar_agent_probe_node_failing", "",
                                                  "1 while all checks of the node's pods fail.");
    probes->metrics.events = nj_metrics_counter(metrics, "nightjar_agent_probe_events_total", "",
                                                "Changes of targets' states that were told.");
    probes->metrics.bad_specs =
        nj_metrics_counter(metrics, "nightjar_agent_probe_refused_total", "reason=\"spec\"",
                           "Checks that could not be made, by reason.");
    probes->metrics.refused =
        nj_metrics_counter(metrics, "nightjar_agent_probe_refused_total", "reason=\"limit\"",
                           "Checks that could not be made, by reason.");
}

int nj_node_probes_new(const struct nj_node_probes_options *options, struct nj_node_probes **ret_probes,
                       struct nj_err *err)
{
    struct nj_prober_options prober = {.loop = options->loop,
                                       .max_response_bytes = options->max_response_bytes,
                                       .max_connections = options->max_concurrent,
                                       .redactor = options->redactor,
                                       .user_agent = "nightjar/" NJ_VERSION};
    struct nj_node_probes *probes = NJ_NEW(struct nj_node_probes);
    probes->options = *options;
    probes->prober = nj_prober_new(&prober);
    if (probes->prober == NULL) {
        free(probes);
        return nj_err_set(err, -ENOMEM, "no memory to set up the probes");
    }
    struct nj_checks_options checks = {.loop = options->loop,
                                       .prober = probes->prober,
                                       .metrics = options->metrics,
                                       .max_checks = options->max_checks,
                                       .max_concurrent = options->max_concurrent,
                                       .max_starts_per_s = options->max_starts_per_s,
                                       .on_result = nj_tell_result,
                                       .on_rollup = nj_tell_rollup,
                                       .data = probes};
    probes->checks = nj_checks_new(&checks);
    probes->exposition = nj_exposition_new(options->max_checks);
    probes->deadlines = nj_deadlines_new(options->loop, options->client, on_deadline_known, probes);
    probes->node = nj_strdup(options->node);
    probes->options.node = probes->node;
    probes->started_ns = nj_loop_wall_ns(options->loop);
    nj_timer_init(&probes->allowance_timer, options->loop, on_allowance, probes);
    nj_timer_init(&probes->judge_timer, options->loop, on_judge, probes);
    nj_timer_init(&probes->pack.timer, options->loop, on_pack, probes);
    nj_arena_init(&probes->pack.arena, ARENA_MAX);
    add_metrics(probes, options->metrics);
    nj_components_read_resolver(probes);
    probes->options.resolv_conf = NULL;
    nj_components_match(probes);
    *ret_probes = probes;
    return 0;
}

static void on_part_closed(void *data)
{
    struct nj_node_probes *probes = data;
    if (--probes->open_parts > 0)
        return;
    void (*on_closed)(void *data) = probes->on_closed;
    void *on_closed_data = probes->on_closed_data;
    free(probes->node);
    free(probes->host_ip);
    free(probes);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_node_probes_close(struct nj_node_probes *probes, void (*on_closed)(void *data), void *data)
{
    if (probes == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    probes->closing = true;
    probes->on_closed = on_closed;
    probes->on_closed_data = data;
    nj_timer_stop(&probes->allowance_timer);
    nj_timer_stop(&probes->judge_timer);
    nj_checks_free(probes->checks);
    nj_tell_flush(probes);
    nj_timer_stop(&probes->pack.timer);
    nj_arena_done(&probes->pack.arena);
    nj_targets_free(probes);
    HASH_ITER (hh, probes->pods, pod, next) {
        free_pod(pod);
    }
    nj_exposition_free(probes->exposition);
    nj_plan_copy_free(probes->plan);
    nj_buf_done(&probes->dns_host);
    nj_buf_done(&probes->dns_json);
    nj_buf_done(&probes->domain);
    forget_namespaces(probes);
    probes->open_parts = 2;
    nj_deadlines_close(probes->deadlines, on_part_closed, probes);
    nj_prober_close(probes->prober, on_part_closed, probes);
}
