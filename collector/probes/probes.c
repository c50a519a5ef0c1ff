#include "collector/probes/probes.h"

#include <errno.h>
#include <string.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { CONNECTIONS_PER_RUN = 2, TEST_CONNECTIONS = 32, SECRETS_MAX = 10000 };

/* So long the namespaces' annotations and the Secrets are waited for at the start. */
static const int64_t PATIENCE_NS = 30 * NJ_SEC;

static const char SYSTEM[] = "kube-system";

/* --- what monitors are made from */

static const struct nj_model_service *find_service(void *data, const char *namespace, const char *name)
{
    return nj_model_service(((struct nj_probes *)data)->model, namespace, name);
}

static const struct nj_model_ingress *find_ingress(void *data, const char *namespace, const char *name)
{
    return nj_model_ingress(((struct nj_probes *)data)->model, namespace, name);
}

static const char *address_namespace(void *data, const char *address, const char *besides)
{
    return nj_model_address_namespace(((struct nj_probes *)data)->model, address, besides);
}

static enum nj_secret_answer find_secret(void *data, const char *namespace, const char *name, const char *key,
                                         const char **ret_text)
{
    return nj_secrets_get(((struct nj_probes *)data)->secrets, namespace, name, key, ret_text);
}

static struct nj_spec *find_spec(void *data, const char *id, const char *json, size_t len)
{
    const struct nj_monitor *monitor = nj_probes_find(data, id);
    struct nj_spec *spec = monitor == NULL ? NULL : monitor->spec;
    return spec != NULL && spec->json_len == len && memcmp(spec->json, json, len) == 0 ? spec : NULL;
}

static void set_context(struct nj_probes *probes)
{
    const struct nj_config_strings *allowed = &probes->config->probes.allowed_hosts;
    probes->context = (struct nj_monitors_context){.cluster_domain = probes->config->probes.cluster_domain,
                                                   .allowed = allowed->items,
                                                   .allowed_count = allowed->count,
                                                   .service = find_service,
                                                   .ingress = find_ingress,
                                                   .address_namespace = address_namespace,
                                                   .secret = find_secret,
                                                   .known = find_spec,
                                                   .data = probes};
}

/* --- the start */

static void try_open(struct nj_probes *probes)
{
    if (probes->open || !probes->ready || probes->stopped ||
        (nj_secrets_pending(probes->secrets) > 0 && !probes->impatient))
        return;
    probes->open = true;
    nj_central_sweep(probes);
    nj_plans_open(probes->plans);
}

static void try_ready(struct nj_probes *probes)
{
    if (probes->model == NULL || probes->ready || probes->stopped || !nj_model_synced(probes->model) ||
        (!nj_namespaces_synced(probes->options.namespaces) && !probes->impatient))
        return;
    probes->ready = true;
    nj_probes_rebuild_all(probes);
    try_open(probes);
}

static void on_impatient(struct nj_timer *timer)
{
    struct nj_probes *probes = timer->data;
    probes->impatient = true;
    try_ready(probes);
    try_open(probes);
}

static void on_model_changed(void *data, const char *namespace)
{
    struct nj_probes *probes = data;
    if (!probes->ready)
        return;
    nj_probes_rebuild(probes, namespace);
    if (nj_streq(namespace, SYSTEM))
        nj_builtin_update(probes);
}

static void on_model_synced(void *data)
{
    struct nj_probes *probes = data;
    try_ready(probes);
    if (probes->options.on_synced != NULL)
        probes->options.on_synced(probes->options.data);
}

static void on_model_service(void *data, const char *namespace, const char *name)
{
    struct nj_probes *probes = data;
    if (probes->options.on_service != NULL)
        probes->options.on_service(probes->options.data, namespace, name);
}

static void on_model_trouble(void *data, enum nj_model_kind kind, const struct nj_err *err)
{
    struct nj_probes *probes = data;
    if (probes->options.on_trouble != NULL)
        probes->options.on_trouble(probes->options.data, kind, err);
}

static void on_secrets_changed(void *data, const char *namespace)
{
    struct nj_probes *probes = data;
    nj_tests_continue(probes);
    if (probes->ready)
        nj_probes_rebuild(probes, namespace);
    try_open(probes);
}

/* The API server's token and certificate authority are files that change. */
static void on_minute(struct nj_timer *timer)
{
    nj_builtin_update(timer->data);
}

static int start_model(struct nj_probes *probes, struct nj_err *err)
{
    if (probes->options.client == NULL)
        return 0;
    const struct nj_statuses_options statuses = {
        .loop = probes->options.loop, .client = probes->options.client, .metrics = probes->options.metrics};
    probes->statuses = nj_statuses_new(&statuses);
    const struct nj_model_options model = {.loop = probes->options.loop,
                                           .client = probes->options.client,
                                           .metrics = probes->options.metrics,
                                           .max_objects = (size_t)probes->config->probes.max_objects,
                                           .on_changed = on_model_changed,
                                           .on_service = on_model_service,
                                           .on_synced = on_model_synced,
                                           .on_trouble = on_model_trouble,
                                           .data = probes};
    nj_timer_start(&probes->patience, PATIENCE_NS, 0);
    nj_timer_start(&probes->minute, NJ_MIN, NJ_MIN);
    return nj_model_start(&model, &probes->model, err);
}

static int start_prober(struct nj_probes *probes, struct nj_err *err)
{
    const struct nj_collector_config *config = probes->config;
    int rc = nj_redactor_new(true, NULL, 0, &probes->redactor, err);
    if (rc < 0)
        return rc;
    const struct nj_prober_options options = {
        .loop = probes->options.loop,
        .max_response_bytes = (size_t)config->probes.max_response_bytes,
        .max_connections = (size_t)config->probes.max_concurrent * CONNECTIONS_PER_RUN + TEST_CONNECTIONS,
        .redactor = probes->redactor,
        .allowed = config->probes.allowed_hosts.items,
        .allowed_count = config->probes.allowed_hosts.count,
        .user_agent = "nightjar/" NJ_VERSION};
    probes->prober = nj_prober_new(&options);
    if (probes->prober == NULL)
        return nj_err_set(err, -ENOMEM, "no memory to set up libcurl");
    probes->checks = nj_central_new(probes);
    probes->exposition = nj_exposition_new((size_t)config->probes.max_checks);
    return 0;
}

static void free_all(struct nj_probes *probes)
{
    nj_probes_free_registry(probes);
    nj_exposition_free(probes->exposition);
    nj_states_free(probes->states);
    nj_plans_free(probes->plans);
    nj_redactor_free(probes->redactor);
    nj_events_done(probes);
    free(probes->cluster);
    free(probes);
}

static void add_known(void *data, const struct nj_states_of *states)
{
    nj_probes_know_by_targets(data, states->monitor);
}

int nj_probes_start(const struct nj_probes_options *options, struct nj_probes **ret_probes,
                    struct nj_err *err)
{
    struct nj_probes *probes = NJ_NEW(struct nj_probes);
    probes->options = *options;
    probes->config = options->config;
    probes->cluster = nj_strdup(options->config->cluster);
    probes->started_ns = nj_loop_wall_ns(options->loop);
    if (options->metrics != NULL) {
        probes->monitors_gauge =
            nj_metrics_gauge(options->metrics, "nightjar_monitors", "", "Monitors that are known.");
        probes->monitors_left_out =
            nj_metrics_counter(options->metrics, "nightjar_monitors_left_out_total", "",
                               "Times that a namespace had too many monitors for one of them.");
    }
    nj_events_init(probes);
    nj_timer_init(&probes->patience, options->loop, on_impatient, probes);
    nj_timer_init(&probes->minute, options->loop, on_minute, probes);
    set_context(probes);
    probes->plans = nj_plans_new(options->metrics);
    probes->states = nj_states_new(options->metrics);
    const struct nj_secrets_options secrets = {.loop = options->loop,
                                               .client = options->client,
                                               .max = SECRETS_MAX,
                                               .on_changed = on_secrets_changed,
                                               .data = probes};
    probes->secrets = nj_secrets_new(&secrets);
    int rc = nj_states_load(probes->states, options->store, probes->cluster, err);
    if (rc == 0)
        rc = start_prober(probes, err);
    if (rc == 0)
        rc = start_model(probes, err);
    if (rc < 0) {
        nj_probes_close(probes, NULL, NULL);
        return rc;
    }
    nj_states_each(probes->states, add_known, probes);
    *ret_probes = probes;
    return 0;
}

/* --- changes */

void nj_probes_reload(struct nj_probes *probes, const struct nj_collector_config *config)
{
    probes->config = config;
    set_context(probes);
    nj_prober_set_allowed(probes->prober, config->probes.allowed_hosts.items,
                          config->probes.allowed_hosts.count);
    if (probes->ready)
        nj_probes_rebuild_all(probes);
}

void nj_probes_namespace(struct nj_probes *probes, const char *namespace)
{
    if (probes->ready && namespace != NULL)
        nj_probes_rebuild(probes, namespace);
    else
        try_ready(probes);
}

bool nj_probes_synced(const struct nj_probes *probes)
{
    return probes->model == NULL || nj_model_synced(probes->model);
}

void nj_probes_target(struct nj_probes *probes, const struct nj_store_target *target)
{
    if (!nj_streq(target->cluster, probes->cluster) || !nj_states_put(probes->states, target))
        return;
    struct nj_monitor *monitor = nj_probes_find(probes, target->key.monitor);
    if (monitor == NULL)
        nj_probes_know_by_targets(probes, target->key.monitor);
    else if (monitor->source == NJ_SOURCE_MONITOR)
        nj_probes_write_status(probes, monitor);
    else if (monitor->spec == NULL && *monitor->trouble_text == '\0' &&
             nj_states_of(probes->states, monitor->id) == NULL)
        nj_probes_take_out(probes, monitor);
}

bool nj_probes_plan(struct nj_probes *probes, const char *const *namespaces, size_t namespaces_count,
                    const char *have, struct nj_buf *out)
{
    return nj_plans_append(probes->plans, namespaces, namespaces_count, have, out);
}

void nj_probes_exposition(struct nj_probes *probes, struct nj_buf *out)
{
    (void)nj_exposition_write(probes->exposition, out);
}

struct nj_model *nj_probes_model(struct nj_probes *probes)
{
    return probes->model;
}

/* --- the end */

void nj_probes_stop(struct nj_probes *probes)
{
    if (probes == NULL || probes->stopped)
        return;
    probes->stopped = true;
    for (struct nj_monitor *monitor = probes->monitors; monitor != NULL; monitor = monitor->hh.next)
        nj_central_halt(probes, monitor);
    nj_events_flush(probes);
    nj_timer_stop(&probes->patience);
    nj_timer_stop(&probes->minute);
}

static void close_next(void *data)
{
    struct nj_probes *probes = data;
    void (*on_closed)(void *data) = probes->on_closed;
    void *on_closed_data = probes->on_closed_data;
    switch (probes->step++) {
    case 0:
        nj_model_close(probes->model, close_next, probes);
        break;
    case 1:
        nj_secrets_close(probes->secrets, close_next, probes);
        break;
    case 2:
        nj_statuses_close(probes->statuses, close_next, probes);
        break;
    case 3:
        nj_prober_close(probes->prober, close_next, probes);
        break;
    default:
        free_all(probes);
        if (on_closed != NULL)
            on_closed(on_closed_data);
    }
}

void nj_probes_close(struct nj_probes *probes, void (*on_closed)(void *data), void *data)
{
    if (probes == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    nj_probes_stop(probes);
    nj_tests_cancel_all(probes);
    probes->on_closed = on_closed;
    probes->on_closed_data = data;
    nj_checks_free(probes->checks);
    probes->checks = NULL;
    close_next(probes);
}
