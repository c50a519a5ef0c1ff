/*
 * The targets that the collector checks itself: a Service's addresses, endpoints that no agent knows,
 * Ingresses, URLs.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/probes/monitors.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { ID_BYTES = 1200, PATH_BYTES = 512, HOST_BYTES = 600, HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

static const char *family_of(const char *address)
{
    return is_ipv6(address) ? "IPv6" : "IPv4";
}

static bool is_http(const struct nj_monitor *monitor)
{
    for (size_t i = 0; i < monitor->spec->steps_count; i++) {
        if (monitor->spec->steps[i].kind == NJ_STEP_HTTP)
            return true;
    }
    return false;
}

/* As kube-proxy chooses: ready ones, and in their absence those that serve while they end. */
static bool is_backend(const struct nj_endpoint *endpoint)
{
    return endpoint->ready || (endpoint->serving && endpoint->terminating);
}

static bool has_family(const struct nj_model_slice *slice, bool ipv6)
{
    return nj_streq(slice->slice->address_type, ipv6 ? "IPv6" : "IPv4");
}

bool nj_service_has_backend(const struct nj_model_service *service, bool ipv6)
{
    for (const struct nj_model_slice *slice = service->slices; slice != NULL; slice = slice->next) {
        if (!has_family(slice, ipv6))
            continue;
        for (size_t i = 0; i < slice->slice->endpoints_count; i++) {
            if (is_backend(&slice->slice->endpoints[i]))
                return true;
        }
    }
    return false;
}

/* 010.1.0.1 is one address to Kubernetes and another, or a name, to everybody else. */
static bool is_plain(const char *address)
{
    struct in6_addr bytes;
    return inet_pton(AF_INET, address, &bytes) == 1 || inet_pton(AF_INET6, address, &bytes) == 1;
}

/* Says why, when a hand-made endpoint leads where this namespace has nothing to ask. The controller's own
 * slices follow the selector, which sees this namespace only. */
static bool is_foreign(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                       const struct nj_model_service *service, const struct nj_model_slice *slice,
                       const char *address)
{
    if (slice->managed && service->service->selector_count > 0)
        return false;
    if (!is_plain(address)) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_HOST, "the endpoint %.64s of Service %s is no IP address",
                               address, service->name);
        return true;
    }
    const char *owner = context->address_namespace(context->data, address, service->namespace);
    if (owner == NULL)
        return false;
    nj_monitor_set_trouble(monitor, NJ_MONITOR_HOST, "the endpoint %s of Service %s belongs to namespace %s",
                           address, service->name, owner);
    return true;
}

/* Names in slices (FQDN) are for nobody but a client that resolves them itself. */
static bool has_addresses(const struct nj_model_slice *slice)
{
    return has_family(slice, false) || has_family(slice, true);
}

/* What a Service's address leads to, the collector must be allowed to reach as the namespace's owner is. */
static bool has_foreign_backend(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                                const struct nj_model_service *service)
{
    for (const struct nj_model_slice *slice = service->slices; slice != NULL; slice = slice->next) {
        for (size_t i = 0; has_addresses(slice) && i < slice->slice->endpoints_count; i++) {
            for (size_t a = 0; a < slice->slice->endpoints[i].addresses_count; a++) {
                const char *address = slice->slice->endpoints[i].addresses[a];
                if (is_foreign(context, monitor, service, slice, address))
                    return true;
            }
        }
    }
    return false;
}

/* As a client names it: without the port that its scheme has anyway. */
static void authority_of(const struct nj_monitors_context *context, const struct nj_monitor *monitor,
                         const struct nj_model_service *service, uint16_t port, char authority[HOST_BYTES])
{
    char number[8] = "";
    if (port != (nj_streq(monitor->spec->target.scheme, "https") ? HTTPS_PORT : HTTP_PORT))
        (void)snprintf(number, sizeof(number), ":%u", port);
    (void)snprintf(authority, HOST_BYTES, "%s.%s.svc.%s%s", service->name, service->namespace,
                   context->cluster_domain, number);
}

static void cluster_ip_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                               const struct nj_model_service *service)
{
    char id[ID_BYTES];
    char authority[HOST_BYTES];
    for (size_t i = 0; i < service->service->cluster_ips_count; i++) {
        const char *address = service->service->cluster_ips[i];
        if (nj_streq(address, "None") || !nj_service_has_backend(service, is_ipv6(address)))
            continue;
        for (size_t p = 0; p < monitor->plan_ports_count; p++) {
            uint16_t port = monitor->plan_ports[p].number;
            (void)snprintf(id, sizeof(id), "service/%u/%s", port, family_of(address));
            authority_of(context, monitor, service, port, authority);
            (void)nj_monitor_add_target(monitor, id, service->name,
                                        &(struct nj_probe_target){.host = address,
                                                                  .port = port,
                                                                  .scheme = monitor->spec->target.scheme,
                                                                  .path = "",
                                                                  .authority = authority,
                                                                  .trust = NJ_TRUST_CLUSTER});
        }
    }
}

/* The endpoint's port that a port of the Service leads to: they have the same name. 0: none. */
static uint16_t endpoint_port(const struct nj_model_slice *slice, const char *name)
{
    for (size_t i = 0; i < slice->slice->ports_count; i++) {
        const struct nj_endpoint_port *port = &slice->slice->ports[i];
        if (nj_streq(port->name, name) && nj_streq(port->protocol, "TCP"))
            return port->number;
    }
    return 0;
}

static void endpoint_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                             const struct nj_model_service *service, const struct nj_model_slice *slice,
                             const struct nj_endpoint *endpoint, size_t max)
{
    char id[ID_BYTES];
    char authority[HOST_BYTES];
    for (size_t a = 0; a < endpoint->addresses_count; a++) {
        const char *address = endpoint->addresses[a];
        if (is_foreign(context, monitor, service, slice, address))
            continue;
        for (size_t p = 0; p < monitor->plan_ports_count; p++) {
            uint16_t port = endpoint_port(slice, monitor->plan_ports[p].name);
            if (port == 0 || monitor->targets_count >= max)
                continue;
            (void)snprintf(id, sizeof(id), "endpoint/%s/%u", address, port);
            authority_of(context, monitor, service, monitor->plan_ports[p].number, authority);
            (void)nj_monitor_add_target(monitor, id,
                                        *endpoint->target_name != '\0' ? endpoint->target_name : address,
                                        &(struct nj_probe_target){.host = address,
                                                                  .port = port,
                                                                  .scheme = monitor->spec->target.scheme,
                                                                  .path = "",
                                                                  .authority = authority,
                                                                  .trust = NJ_TRUST_CLUSTER});
        }
    }
}

void nj_monitor_service_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                                const struct nj_model_service *service)
{
    enum nj_scope scope = monitor->spec->scope;
    /* A derived check opens a connection and says nothing of its own: it may go where anybody leads it. */
    bool derived = monitor->source == NJ_SOURCE_DERIVED;
    if (scope != NJ_SCOPE_PODS && (derived || !has_foreign_backend(context, monitor, service)))
        cluster_ip_targets(context, monitor, service);
    if (scope == NJ_SCOPE_SERVICE || service->service->selector_count > 0)
        return;
    for (const struct nj_model_slice *slice = service->slices; slice != NULL; slice = slice->next) {
        for (size_t i = 0; has_addresses(slice) && i < slice->slice->endpoints_count; i++) {
            if (is_backend(&slice->slice->endpoints[i]))
                endpoint_targets(context, monitor, service, slice, &slice->slice->endpoints[i],
                                 NJ_MONITOR_TARGETS_MAX);
        }
    }
}

void nj_monitor_pod_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                            const struct nj_model_service *service, size_t max)
{
    for (const struct nj_model_slice *slice = service->slices; slice != NULL; slice = slice->next) {
        for (size_t i = 0; has_addresses(slice) && i < slice->slice->endpoints_count; i++)
            endpoint_targets(context, monitor, service, slice, &slice->slice->endpoints[i], max);
    }
}

/* A path that is a pattern is asked for as far as it is none: "/shop(/|$)(.*)" as "/shop". */
static void plain_path(const char *path, char *to, size_t size)
{
    size_t len = strcspn(path, "()[]*?+|^$\\ #");
    (void)snprintf(to, size, "%.*s", (int)len, path);
    if (to[0] != '/')
        (void)snprintf(to, size, "/");
}

static const char *ingress_address(const struct nj_ingress_object *ingress)
{
    for (size_t i = 0; i < ingress->addresses_count; i++) {
        if (*ingress->addresses[i] != '\0')
            return ingress->addresses[i];
    }
    return NULL;
}

/* Of a monitor that nobody wrote: the path leads to a Service that has no endpoint now, scaled to zero or
 * with pods of whom is told already. One that does not exist is nobody else's trouble. */
static bool leads_nowhere(const struct nj_monitors_context *context, const struct nj_model_ingress *ingress,
                          const struct nj_ingress_path *path)
{
    const struct nj_model_service *service =
        *nj_str(path->service) == '\0' ? NULL
                                       : context->service(context->data, ingress->namespace, path->service);
    return service != NULL && service->service != NULL && !nj_streq(service->service->type, "ExternalName") &&
           !nj_service_has_backend(service, false) && !nj_service_has_backend(service, true);
}

static size_t count_of_host(const struct nj_monitor *monitor, const char *host)
{
    const struct nj_target *target;
    size_t count = 0;
    DL_FOREACH (monitor->targets, target)
        count += nj_streq(target->authority, host);
    return count;
}

static void ingress_target(struct nj_monitor *monitor, const char *address,
                           const struct nj_ingress_path *path)
{
    char id[ID_BYTES];
    char name[ID_BYTES];
    char plain[PATH_BYTES];
    bool own = monitor->source != NJ_SOURCE_MONITOR;
    const char *asked = monitor->spec->steps[0].path;
    const char *host = *path->host != '\0' ? path->host : address;
    /* Which name a certificate for any host would have, nobody can say unasked. */
    bool tls = path->tls && !(own && *path->host == '\0');
    if (*host == '*') /* any name: which one would do, nobody can say */
        return;
    if (own && *nj_str(asked) != '\0')
        (void)snprintf(plain, sizeof(plain), "%s", asked);
    else
        plain_path(path->path, plain, sizeof(plain));
    if (own && count_of_host(monitor, host) >= NJ_INGRESS_PATHS_MAX) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_BOUND, "only the first %d paths of %s are checked",
                               NJ_INGRESS_PATHS_MAX, host);
        return;
    }
    (void)snprintf(id, sizeof(id), "ingress/%s%s", host, plain);
    (void)snprintf(name, sizeof(name), "%s%s", host, plain);
    (void)nj_monitor_add_target(monitor, id, name,
                                &(struct nj_probe_target){.host = address,
                                                          .port = tls ? HTTPS_PORT : HTTP_PORT,
                                                          .scheme = tls ? "https" : "http",
                                                          .path = plain,
                                                          .authority = host,
                                                          .trust = NJ_TRUST_CLUSTER});
}

void nj_monitor_ingress_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                                const struct nj_model_ingress *ingress)
{
    const char *address = ingress_address(ingress->ingress);
    bool own = monitor->source != NJ_SOURCE_MONITOR;
    size_t asleep = 0;
    if (address == NULL) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "the Ingress %s has no address yet",
                               ingress->name);
        return;
    }
    for (size_t i = 0; i < ingress->ingress->paths_count; i++) {
        const struct nj_ingress_path *path = &ingress->ingress->paths[i];
        if (own && leads_nowhere(context, ingress, path))
            asleep++;
        else
            ingress_target(monitor, address, path);
    }
    if (monitor->targets_count == 0 && asleep == 0)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND,
                               "the Ingress %s has no rule with a host that could be asked", ingress->name);
}

/* The scheme of HTTP steps, where a URL's own may be another. */
static const char *http_scheme(const char *scheme)
{
    return nj_streq(scheme, "https") || nj_streq(scheme, "grpcs") ? "https" : "http";
}

void nj_monitor_url_target(const struct nj_monitors_context *context, struct nj_monitor *monitor)
{
    const struct nj_spec_target *target = &monitor->spec->target;
    /* "dns:" asks the resolver that everybody in the cluster asks. */
    bool resolver = *target->host == '\0';
    if (!resolver && !nj_host_allowed(target->host, target->port, context->allowed, context->allowed_count)) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_HOST,
                               "%s:%u is not allowed: add it to the collector's setting probes.allowed_hosts",
                               target->host, target->port);
        return;
    }
    (void)nj_monitor_add_target(
        monitor, "url", target->url,
        &(struct nj_probe_target){.host = target->host,
                                  .port = target->port,
                                  .scheme = http_scheme(target->scheme),
                                  .path = is_http(monitor) ? target->path : "",
                                  .authority = "",
                                  .trust = resolver ? NJ_TRUST_CLUSTER : NJ_TRUST_ALLOWED});
}
