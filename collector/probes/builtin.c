/*
 * The cluster's own components, as the collector reaches them: the API server where it is asked everything
 * else, with its certificate's expiry; the scheduler, the controller manager and etcd where kube-system has a
 * Service for them. Their static pods, and what every node has, are the agents'.
 */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static const char SYSTEM[] = "kube-system";

enum {
    CERTIFICATE_DAYS = 14,
    ID_BYTES = 320,
    SCHEDULER_PORT = 10259,
    MANAGER_PORT = 10257,
    ETCD_PORT = 2381
};

/* Where a component answers health checks of anybody by default, and what its Services are called. */
static const struct component {
    const char *name, *label;
    uint16_t port; /* of its endpoint */
    const char *scheme, *path;
} components[] = {
    {"scheduler", "kube-scheduler", SCHEDULER_PORT, "https", "/healthz"},
    {"controller-manager", "kube-controller-manager", MANAGER_PORT, "https", "/healthz"},
    {"etcd", "etcd", ETCD_PORT, "http", "/health"},
};

enum { COMPONENTS = sizeof(components) / sizeof(components[0]) };

static struct nj_monitor *new_component(const char *name, const char *json, struct nj_err *err)
{
    NJ_CLEANUP_FREE char *id = nj_asprintf("builtin.%s", name);
    struct nj_monitor *monitor = nj_monitor_new(NJ_SOURCE_BUILTIN, id, SYSTEM, name);
    monitor->workload_kind = "Component";
    free(monitor->json);
    monitor->json = nj_strdup(json);
    if (nj_spec_parse(id, json, strlen(json), false, &monitor->spec, err) < 0)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_INVALID, "%s", err->text);
    return monitor;
}

static void set_description(struct nj_monitor *monitor, const char *text)
{
    free(monitor->description);
    monitor->description = nj_strdup(text);
}

/* --- the API server */

static void apiserver_json(const struct nj_kube_identity *identity, struct nj_buf *out)
{
    (void)nj_buf_append_str(out, "{\"interval\":\"10s\",");
    if (identity->token != NULL)
        (void)nj_buf_append_str(out, "\"variables\":[{\"name\":\"token\",\"valueFrom\":{\"secretKeyRef\":{"
                                     "\"name\":\"nightjar-collector\",\"key\":\"token\"}}}],");
    (void)nj_buf_append_str(out, "\"steps\":[{\"name\":\"readyz\",\"http\":{\"path\":\"/readyz\"");
    if (identity->token != NULL)
        (void)nj_buf_append_str(out,
                                ",\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer ${token}\"}]");
    /* Whom it does not know it refuses, and is alive. */
    (void)nj_buf_printf(out, "},\"expect\":{\"status\":[200%s]}}],\"tls\":{\"minDaysLeft\":%d",
                        identity->token != NULL ? "" : ",401,403", CERTIFICATE_DAYS);
    if (identity->insecure_skip_verify)
        (void)nj_buf_append_str(out, ",\"insecureSkipVerify\":true");
    if (identity->server_name != NULL) {
        (void)nj_buf_append_str(out, ",\"serverName\":");
        (void)nj_json_append_string(out, identity->server_name, strlen(identity->server_name));
    }
    (void)nj_buf_append_str(out, "},\"alert\":{\"severity\":\"critical\"}}");
}

static bool split_server(const char *server, struct nj_probe_target *target, char *host, size_t size)
{
    bool tls = nj_str_starts(server, "https://");
    int64_t port = tls ? 443 : 80;
    const char *at = strstr(server, "://");
    if (at == NULL)
        return false;
    at += strlen("://");
    bool literal = *at == '[';
    at += literal;
    size_t len = strcspn(at, literal ? "]" : ":/");
    const char *rest = at + len + literal;
    (void)snprintf(host, size, "%.*s", (int)len, at);
    if (*rest == ':') {
        char number[8];
        (void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(rest + 1, "/"), rest + 1);
        if (nj_parse_int(number, 1, UINT16_MAX, &port) < 0)
            return false;
    }
    *target = (struct nj_probe_target){.host = host,
                                       .port = (uint16_t)port,
                                       .scheme = tls ? "https" : "http",
                                       .path = "/readyz",
                                       .authority = "",
                                       .trust = NJ_TRUST_CLUSTER};
    return true;
}

static struct nj_monitor *make_apiserver(struct nj_probes *probes)
{
    struct nj_kube_identity identity = nj_kube_client_identity(probes->options.client);
    struct nj_buf json = {.max = NJ_SPEC_BYTES_MAX};
    struct nj_probe_target target;
    char host[ID_BYTES];
    struct nj_err err = {0};
    apiserver_json(&identity, &json);
    struct nj_monitor *monitor = new_component("apiserver", nj_buf_str(&json), &err);
    nj_buf_done(&json);
    set_description(monitor, nj_kube_client_server(probes->options.client));
    if (identity.ca_pem != NULL)
        monitor->ca_pem = nj_strdup(identity.ca_pem);
    if (identity.token != NULL) {
        monitor->secrets = NJ_NEW(struct nj_probe_value);
        *monitor->secrets = (struct nj_probe_value){nj_strdup("token"), nj_strdup(identity.token)};
        monitor->secrets_count = 1;
    }
    if (monitor->spec != NULL &&
        split_server(nj_kube_client_server(probes->options.client), &target, host, sizeof(host)))
        (void)nj_monitor_add_target(monitor, "url", "apiserver", &target);
    return monitor;
}

/* --- behind Services of kube-system */

static bool names(const struct nj_model_service *service, const struct component *component)
{
    const char *tail = strstr(service->name, component->label);
    if (tail != NULL && nj_streq(tail, component->label)) /* "RELEASE-kube-prometheus-kube-etcd" too */
        return true;
    for (size_t i = 0; service->service != NULL && i < service->service->selector_count; i++) {
        if (nj_streq(service->service->selector[i].key, "component") &&
            nj_streq(service->service->selector[i].value, component->label))
            return true;
    }
    return false;
}

struct search {
    struct nj_monitor *monitors[COMPONENTS];
};

static void add_slice(struct nj_monitor *monitor, const struct component *component,
                      const struct nj_model_slice *slice)
{
    char id[ID_BYTES];
    bool listens = false;
    for (size_t i = 0; i < slice->slice->ports_count; i++)
        listens |= slice->slice->ports[i].number == component->port;
    for (size_t i = 0; listens && i < slice->slice->endpoints_count; i++) {
        const struct nj_endpoint *endpoint = &slice->slice->endpoints[i];
        for (size_t a = 0; a < endpoint->addresses_count; a++) {
            (void)snprintf(id, sizeof(id), "endpoint/%s/%u", endpoint->addresses[a], component->port);
            (void)nj_monitor_add_target(
                monitor, id, *endpoint->target_name != '\0' ? endpoint->target_name : endpoint->addresses[a],
                &(struct nj_probe_target){.host = endpoint->addresses[a],
                                          .port = component->port,
                                          .scheme = component->scheme,
                                          .path = component->path,
                                          .authority = "",
                                          .trust = NJ_TRUST_CLUSTER});
        }
    }
}

static void on_service(void *data, const struct nj_model_service *service)
{
    struct search *search = data;
    for (size_t i = 0; i < COMPONENTS; i++) {
        if (!names(service, &components[i]))
            continue;
        for (const struct nj_model_slice *slice = service->slices; slice != NULL; slice = slice->next)
            add_slice(search->monitors[i], &components[i], slice);
    }
}

static struct nj_monitor *make_component(const struct component *component)
{
    struct nj_err err = {0};
    /* Their certificates are their own: what counts is that they answer. */
    NJ_CLEANUP_FREE char *json = nj_asprintf("{\"steps\":[{\"name\":\"health\",\"http\":{\"path\":\"%s\"}}],"
                                             "\"tls\":{\"insecureSkipVerify\":true}}",
                                             component->path);
    struct nj_monitor *monitor = new_component(component->name, json, &err);
    set_description(monitor, component->label);
    return monitor;
}

static void take_out(struct nj_probes *probes, const char *id)
{
    struct nj_monitor *old = nj_probes_find(probes, id);
    if (old != NULL)
        nj_probes_take_out(probes, old);
}

static void take_out_all(struct nj_probes *probes)
{
    take_out(probes, "builtin.apiserver");
    for (size_t i = 0; i < COMPONENTS; i++) {
        NJ_CLEANUP_FREE char *id = nj_asprintf("builtin.%s", components[i].name);
        take_out(probes, id);
    }
}

/* One that is reachable nowhere is not there: its static pods may be checked by the agents. */
static void put(struct nj_probes *probes, struct nj_monitor *take_monitor)
{
    if (take_monitor->targets != NULL) {
        nj_probes_put(probes, NULL, take_monitor);
        return;
    }
    take_out(probes, take_monitor->id);
    nj_monitor_free(take_monitor);
}

void nj_builtin_update(struct nj_probes *probes)
{
    struct search search;
    if (probes->model == NULL || !probes->ready || probes->stopped)
        return;
    if (!probes->config->probes.builtin) {
        take_out_all(probes);
        return;
    }
    for (size_t i = 0; i < COMPONENTS; i++)
        search.monitors[i] = make_component(&components[i]);
    nj_model_each_service(probes->model, SYSTEM, on_service, &search);
    put(probes, make_apiserver(probes));
    for (size_t i = 0; i < COMPONENTS; i++)
        put(probes, search.monitors[i]);
}
