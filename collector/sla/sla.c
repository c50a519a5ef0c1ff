#include "collector/sla/sla.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum { TICK_S = 1, SLO_EVERY = 60 /* ticks */ };

int64_t nj_sla_time(const struct nj_sla *sla)
{
    return nj_loop_wall_ns(sla->options.loop);
}

/* Everything is known until now. While pods are still asked what was before, a gap is not filled yet. */
static bool looks(const struct nj_sla *sla)
{
    return sla->ready && !sla->blind && sla->asks == NULL;
}

void nj_sla_settle(struct nj_sla *sla)
{
    if (sla->stopped)
        return;
    if (sla->first_write != NULL && looks(sla))
        nj_sla_write_alive(sla);
    nj_sla_flush(sla);
    nj_sla_publish(sla);
}

/* --- what the trackers say */

static void on_service_interval(void *data, const struct nj_interval *interval)
{
    struct nj_sla *sla = data;
    nj_sla_write_interval(sla, "Service", interval);
    nj_slo_interval(sla->slo, interval);
    if (interval->until_ns == 0)
        nj_sla_outage_state(sla, interval);
}

/* A workload is tracked as "KIND/NAME". */
static void on_workload_interval(void *data, const struct nj_interval *interval)
{
    struct nj_sla *sla = data;
    struct nj_interval own = *interval;
    enum nj_workloads_kind kind;
    const char *slash = strchr(interval->service, '/');
    if (slash == NULL)
        return;
    NJ_CLEANUP_FREE char *name = nj_strndup(interval->service, (size_t)(slash - interval->service));
    own.service = slash + 1;
    if (nj_workloads_kind_parse(name, &kind) == 0)
        nj_sla_write_interval(sla, nj_workloads_kind_name(kind), &own);
}

static void on_recause(void *data, const char *namespace, const char *reference, enum nj_outage_cause cause,
                       const char *detail)
{
    struct nj_sla *sla = data;
    nj_sla_write_recause(sla, namespace, reference, cause, detail);
    nj_slo_recause(sla->slo, namespace, reference, cause);
}

/* Both trackers say it; the record is the same. */
static void on_recause_again(void *data, const char *namespace, const char *reference,
                             enum nj_outage_cause cause, const char *detail)
{
    (void)data;
    (void)namespace;
    (void)reference;
    (void)cause;
    (void)detail;
}

/* --- time */

/* Since when the endpoints cannot be seen; 0: they can. At first the Services are needed, too: those that are
 * missing then are gone. */
static int64_t broken_since(const struct nj_sla *sla)
{
    int64_t slices_ns = nj_model_broken_ns(sla->options.model, NJ_MODEL_SLICES);
    return slices_ns > 0 || sla->looked ? slices_ns
                                        : nj_model_broken_ns(sla->options.model, NJ_MODEL_SERVICES);
}

static void look_again(struct nj_sla *sla)
{
    sla->blind = false;
    nj_slo_blind(sla->slo, 0);
    if (!sla->looked)
        nj_sla_end_unseen(sla);
    sla->looked = true;
    nj_sla_feed_all(sla);
}

static void look_at_watch(struct nj_sla *sla)
{
    int64_t broken_ns = broken_since(sla);
    if (broken_ns == 0 && sla->blind) {
        look_again(sla);
    } else if (broken_ns > 0 && !sla->blind && nj_sla_time(sla) - broken_ns > NJ_SLA_BLIND_NS) {
        sla->blind = true;
        nj_counter_add(sla->gaps, 1);
        nj_slo_blind(sla->slo, broken_ns);
        nj_tracker_blind(sla->services, broken_ns);
        nj_tracker_blind(sla->owns, broken_ns);
    }
}

static void on_tick(struct nj_timer *timer)
{
    struct nj_sla *sla = timer->data;
    if (!sla->ready)
        return;
    look_at_watch(sla);
    nj_sla_look_at_nodes(sla);
    nj_sla_look_at_windows(sla);
    nj_sla_rollouts_tick(sla);
    nj_sla_outages_tell(sla);
    nj_sla_marks_tick(sla);
    /* Not before it is known what burnt before the start. */
    if (sla->ticks++ % SLO_EVERY == 0 && !sla->blind && !sla->reading)
        nj_slo_tick(sla->slo, nj_sla_time(sla));
    if (looks(sla) && sla->writing == 0)
        nj_sla_write_alive(sla);
    nj_sla_settle(sla);
}

/* --- the start */

static void try_ready(struct nj_sla *sla)
{
    if (sla->ready || sla->stopped || !sla->model_synced || !sla->workloads_synced)
        return;
    sla->ready = true;
    sla->held_changed = true;
    nj_rollouts_synced(sla->rollouts, sla->workloads, nj_sla_time(sla));
    nj_sla_look_at_nodes(sla);
    nj_sla_look_at_windows(sla);
    look_at_watch(sla);
    nj_sla_settle(sla);
}

void nj_sla_model_synced(struct nj_sla *sla)
{
    sla->model_synced = true;
    try_ready(sla);
}

static void on_workloads_synced(void *data)
{
    struct nj_sla *sla = data;
    sla->workloads_synced = true;
    try_ready(sla);
}

static void on_workloads_trouble(void *data, const struct nj_err *err)
{
    struct nj_sla *sla = data;
    if (sla->options.on_trouble != NULL)
        sla->options.on_trouble(sla->options.data, err);
}

static void load_interval(void *data, const char *kind, const struct nj_interval *interval)
{
    struct nj_sla *sla = data;
    if (interval->seen_ns > sla->seen_ns)
        sla->seen_ns = interval->seen_ns;
    if (nj_streq(kind, "Service")) {
        nj_tracker_load(sla->services, interval);
        if (interval->state == NJ_SERVICE_DOWN)
            nj_sla_outage_state(sla, interval);
        nj_slo_interval(sla->slo, interval);
        return;
    }
    NJ_CLEANUP_FREE char *name = nj_asprintf("%s/%s", kind, interval->service);
    struct nj_interval own = *interval;
    own.service = name;
    nj_tracker_load(sla->owns, &own);
}

static void make_metrics(struct nj_sla *sla)
{
    struct nj_metrics *metrics = sla->options.metrics;
    if (metrics == NULL)
        return;
    sla->services_gauge =
        nj_metrics_gauge(metrics, "nightjar_sla_services", "", "Services whose availability is followed.");
    sla->workloads_gauge =
        nj_metrics_gauge(metrics, "nightjar_sla_workloads", "", "Workloads whose availability is followed.");
    sla->left_out = nj_metrics_gauge(metrics, "nightjar_sla_left_out", "",
                                     "Times that a Service or workload was not followed because of "
                                     "sla.max_services, or a rollout because too many run.");
    sla->rollouts_gauge = nj_metrics_gauge(metrics, "nightjar_rollouts_running", "", "Rollouts that go on.");
    sla->namespaces_gauge = nj_metrics_gauge(
        metrics, "nightjar_namespaces_going", "",
        "Namespaces that are being deleted or were a moment ago: what they take along is held back.");
    for (int i = NJ_ROLLOUT_DONE; i < NJ_ROLLOUT_OUTCOMES; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "outcome=\"%s\"",
                       nj_rollout_outcome_name((enum nj_rollout_outcome)i));
        sla->rollouts_total[i] = nj_metrics_counter(metrics, "nightjar_rollouts_total", labels,
                                                    "Rollouts that ended, by outcome.");
    }
    sla->gaps = nj_metrics_counter(metrics, "nightjar_sla_gaps_total", "",
                                   "Times that the watch of EndpointSlices was broken for longer than 5 s.");
    sla->asked = nj_metrics_counter(metrics, "nightjar_sla_gap_questions_total", "",
                                    "Services whose pods were asked since when they are ready.");
    sla->unfetched = nj_metrics_counter(metrics, "nightjar_rollout_templates_missing_total", "",
                                        "Rollouts of which the two templates could not be compared.");
    sla->forgotten_marks =
        nj_metrics_counter(metrics, "nightjar_sla_marks_forgotten_total", "",
                           "Scalings and deletions that were no longer remembered as a reason to hold back.");
}

static void on_slo_event(void *data, const struct nj_event *event)
{
    struct nj_sla *sla = data;
    sla->options.on_event(sla->options.data, event);
}

static void make_cores(struct nj_sla *sla)
{
    double objective = 0;
    (void)nj_slo_parse(sla->config->sla.objective, &objective);
    const struct nj_slo_options slo = {.cluster = sla->cluster,
                                       .objective = objective,
                                       .window_ns = sla->config->sla.window_ns,
                                       .on_event = on_slo_event,
                                       .data = sla};
    sla->slo = nj_slo_new(&slo);
    struct nj_tracker_options tracker = {.max_services = (size_t)sla->config->sla.max_services,
                                         .max_facts = NJ_SLA_FACTS_MAX,
                                         .on_interval = on_service_interval,
                                         .on_recause = on_recause,
                                         .maintenance = nj_sla_maintenance,
                                         .data = sla};
    sla->services = nj_tracker_new(&tracker);
    tracker.on_interval = on_workload_interval;
    tracker.on_recause = on_recause_again;
    sla->owns = nj_tracker_new(&tracker);
}

static int load(struct nj_sla *sla, struct nj_err *err)
{
    struct nj_store *store = sla->options.store;
    int rc = nj_sla_rollouts_start(sla, err);
    if (rc == 0)
        rc = store->ops->load_open_intervals(store, sla->cluster, load_interval, sla, err);
    sla->blind = true; /* until everything was listed */
    nj_slo_blind(sla->slo, sla->seen_ns > 0 ? sla->seen_ns : nj_sla_time(sla));
    return rc;
}

/* --- what was before, for the budgets: read aside, as it can be much */

struct history {
    struct nj_job job;
    struct nj_sla *sla;
    char *cluster;
    int64_t from_ns;
    struct nj_interval *items;
    size_t count, room;
};

static int take_history(void *data, const char *kind, const struct nj_interval *interval)
{
    struct history *history = data;
    (void)kind;
    if (history->count == history->room) {
        history->room = history->room == 0 ? 1024 : 2 * history->room;
        history->items = nj_realloc(history->items, history->room, sizeof(*history->items));
    }
    struct nj_interval *item = &history->items[history->count++];
    *item = *interval;
    item->namespace = nj_strdup(interval->namespace);
    item->service = nj_strdup(interval->service);
    item->reference = nj_strdup(interval->reference);
    item->cluster = item->detail = "";
    return 0;
}

static void read_history(struct nj_job *job)
{
    struct history *history = job->data;
    struct nj_store *store = history->sla->options.store;
    const struct nj_interval_filter filter = {
        .cluster = history->cluster, .kind = "Service", .from_ns = history->from_ns};
    struct nj_err err;
    /* Without it budgets count from now on. */
    (void)store->ops->each_interval(store, &filter, take_history, history, &err);
}

static void history_done(struct nj_job *job)
{
    struct history *history = job->data;
    struct nj_sla *sla = history->sla;
    for (size_t i = 0; i < history->count; i++) {
        if (!sla->stopped)
            nj_slo_history(sla->slo, &history->items[i]);
        free((char *)history->items[i].namespace);
        free((char *)history->items[i].service);
        free((char *)history->items[i].reference);
    }
    free(history->items);
    free(history->cluster);
    free(history);
    sla->reading = false;
    nj_sla_ended(sla);
}

static void ask_history(struct nj_sla *sla)
{
    if (sla->options.reader == NULL)
        return;
    struct history *history = NJ_NEW(struct history);
    history->sla = sla;
    history->cluster = nj_strdup(sla->cluster);
    history->from_ns = nj_sla_time(sla) - sla->config->sla.window_ns;
    history->job = (struct nj_job){.run = read_history, .done = history_done, .data = history};
    sla->reading = nj_worker_submit(sla->options.reader, &history->job) == 0;
    if (!sla->reading) {
        free(history->cluster);
        free(history);
    }
}

int nj_sla_start(const struct nj_sla_options *options, struct nj_sla **ret_sla, struct nj_err *err)
{
    struct nj_sla *sla = NJ_NEW(struct nj_sla);
    sla->options = *options;
    sla->config = options->config;
    sla->cluster = nj_strdup(options->config->cluster);
    sla->last_write = &sla->first_write;
    nj_timer_init(&sla->tick, options->loop, on_tick, sla);
    make_metrics(sla);
    make_cores(sla);
    const struct nj_rollback_options rollback = {.loop = options->loop,
                                                 .client = options->client,
                                                 .metrics = options->metrics,
                                                 .enabled = sla->config->rollback.enabled,
                                                 .max_per_hour = sla->config->rollback.max_per_hour,
                                                 .on_result = nj_sla_rolled_back,
                                                 .data = sla};
    sla->rollback = nj_rollback_new(&rollback);
    sla->maintenance = nj_maintenance_new(&sla->config->sla.maintenance, err);
    int rc = sla->maintenance == NULL ? -EINVAL : load(sla, err);
    const struct nj_workloads_options workloads = {.loop = options->loop,
                                                   .client = options->client,
                                                   .metrics = options->metrics,
                                                   .max_objects = (size_t)sla->config->sla.max_objects,
                                                   .on_change = nj_sla_workload_change,
                                                   .on_synced = on_workloads_synced,
                                                   .on_trouble = on_workloads_trouble,
                                                   .data = sla};
    if (rc == 0)
        rc = nj_workloads_start(&workloads, &sla->workloads, err);
    if (rc < 0) {
        nj_sla_stop(sla);
        nj_sla_close(sla, NULL, NULL);
        return rc;
    }
    ask_history(sla);
    nj_timer_start(&sla->tick, TICK_S * NJ_SEC, TICK_S * NJ_SEC);
    *ret_sla = sla;
    return 0;
}

void nj_sla_remember(struct nj_sla *sla, const struct nj_incident *incident)
{
    if (incident->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        nj_sla_outage_remember(sla, incident->namespace, incident->workload, incident->first_ns);
    else if (incident->kind == NJ_INCIDENT_ROLLOUT_FAILED)
        nj_sla_rollout_remember(sla, incident);
    else if (incident->kind == NJ_INCIDENT_SLO_BURN)
        nj_slo_remember(sla->slo, incident->namespace, incident->workload, incident->first_ns);
}

void nj_sla_reload(struct nj_sla *sla, const struct nj_collector_config *config)
{
    struct nj_maintenance *maintenance = nj_maintenance_new(&config->sla.maintenance, NULL);
    sla->config = config;
    nj_rollback_set(sla->rollback, config->rollback.enabled, config->rollback.max_per_hour);
    if (maintenance == NULL) /* which the settings' check has seen */
        return;
    nj_maintenance_free(sla->maintenance);
    sla->maintenance = maintenance;
    sla->windows_until_ns = 0;
    nj_sla_look_at_windows(sla);
    nj_sla_settle(sla);
}

bool nj_sla_synced(const struct nj_sla *sla)
{
    return nj_workloads_synced(sla->workloads);
}

/* --- what is asked */

double nj_sla_objective(const struct nj_sla *sla, const char *namespace, const char *name)
{
    return nj_slo_objective(sla->slo, namespace, name);
}

int nj_sla_exposition(struct nj_sla *sla, struct nj_buf *out)
{
    nj_gauge_set(sla->services_gauge, (int64_t)nj_tracker_count(sla->services));
    nj_gauge_set(sla->workloads_gauge, (int64_t)nj_tracker_count(sla->owns));
    nj_gauge_set(sla->rollouts_gauge, (int64_t)nj_rollouts_count(sla->rollouts));
    nj_gauge_set(sla->left_out,
                 (int64_t)(nj_tracker_left_out(sla->services) + nj_tracker_left_out(sla->owns) +
                           nj_rollouts_left_out(sla->rollouts)));
    /* Without what was before the start the figures would be better than they are. */
    return sla->reading ? 0 : nj_slo_exposition(sla->slo, nj_sla_time(sla), out);
}

/* --- the end */

void nj_sla_stop(struct nj_sla *sla)
{
    if (sla == NULL || sla->stopped)
        return;
    if (looks(sla))
        nj_sla_write_alive(sla);
    nj_sla_flush(sla);
    sla->stopped = true;
    nj_timer_stop(&sla->tick);
    nj_sla_asks_done(sla);
    nj_sla_templates_done(sla);
}

void nj_sla_ended(struct nj_sla *sla)
{
    if (!sla->closed || sla->reading || sla->asks != NULL || sla->templates != NULL)
        return;
    void (*on_closed)(void *data) = sla->on_closed;
    void *data = sla->on_closed_data;
    nj_sla_writes_done(sla);
    nj_sla_outages_done(sla);
    nj_sla_facts_done(sla);
    nj_sla_held_done(sla);
    nj_sla_rollouts_done(sla);
    nj_slo_free(sla->slo);
    nj_maintenance_free(sla->maintenance);
    nj_tracker_free(sla->services);
    nj_tracker_free(sla->owns);
    free(sla->cluster);
    free(sla);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_rollback_closed(void *data)
{
    struct nj_sla *sla = data;
    sla->closed = true;
    nj_sla_ended(sla);
}

static void on_workloads_closed(void *data)
{
    struct nj_sla *sla = data;
    nj_rollback_close(sla->rollback, on_rollback_closed, sla);
}

void nj_sla_close(struct nj_sla *sla, void (*on_closed)(void *data), void *data)
{
    if (sla == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    sla->on_closed = on_closed;
    sla->on_closed_data = data;
    nj_workloads_close(sla->workloads, on_workloads_closed, sla);
}
