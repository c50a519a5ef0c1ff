#include "collector/probes/monitors.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/kubeconfig.h"

static const char PROBE[] = "nightjar.dev/probe";
static const char PROBE_PATH[] = "nightjar.dev/probe-path";
static const char PROBE_PORT[] = "nightjar.dev/probe-port";
static const char PROBE_INTERVAL[] = "nightjar.dev/probe-interval";

/* What a Service's own address is asked for unasked: does anybody accept a connection. */
static const char CONNECT[] = "{\"steps\":[{\"name\":\"connect\",\"tcp\":{}}]}";

struct nj_monitor *nj_monitor_new(enum nj_monitor_source source, const char *id, const char *namespace,
                                  const char *name)
{
    struct nj_monitor *monitor = NJ_NEW(struct nj_monitor);
    monitor->source = source;
    monitor->id = nj_strdup(id);
    monitor->namespace = nj_strdup(namespace);
    monitor->name = nj_strdup(name);
    monitor->service = nj_strdup("");
    monitor->workload_kind = "ApiMonitor";
    monitor->workload = nj_strdup(name);
    monitor->description = nj_strdup("");
    monitor->json = nj_strdup("");
    monitor->trouble_text = nj_strdup("");
    return monitor;
}

void nj_target_free(struct nj_target *target)
{
    free(target->id);
    free(target->name);
    free(target->host);
    free(target->path);
    free(target->authority);
    free(target);
}

struct nj_probe_target nj_target_probe(const struct nj_target *target)
{
    return (struct nj_probe_target){.host = target->host,
                                    .port = target->port,
                                    .scheme = target->scheme,
                                    .path = target->path,
                                    .authority = target->authority,
                                    .trust = target->trust};
}

const char *nj_target_address(const struct nj_target *target, char address[NJ_TARGET_ADDRESS_MAX])
{
    const char *format = strchr(target->host, ':') != NULL ? "[%s]:%u" : "%s:%u";
    (void)snprintf(address, NJ_TARGET_ADDRESS_MAX, format, target->host, target->port);
    return address;
}

void nj_monitor_free(struct nj_monitor *monitor)
{
    if (monitor == NULL)
        return;
    for (struct nj_target *target; (target = monitor->targets) != NULL;) {
        DL_DELETE(monitor->targets, target);
        nj_target_free(target);
    }
    for (size_t i = 0; i < monitor->secrets_count; i++) {
        free((char *)monitor->secrets[i].name);
        nj_kube_wipe((char *)monitor->secrets[i].value);
    }
    free(monitor->secrets);
    free(monitor->ca_pem);
    free(monitor->plan_ports);
    nj_spec_unref(monitor->spec);
    free(monitor->id);
    free(monitor->namespace);
    free(monitor->name);
    free(monitor->service);
    free(monitor->workload);
    free(monitor->description);
    free(monitor->json);
    free(monitor->trouble_text);
    free(monitor);
}

static void set(char **to, const char *text)
{
    free(*to);
    *to = nj_strdup(text);
}

void nj_monitor_set_trouble(struct nj_monitor *monitor, enum nj_monitor_trouble trouble, const char *format,
                            ...)
{
    if (monitor->trouble != NJ_MONITOR_NONE)
        return;
    struct nj_buf text = {.max = NJ_ERR_TEXT_MAX};
    char line[NJ_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    (void)nj_utf8_append_lossy(&text, line, strlen(line));
    monitor->trouble = trouble;
    free(monitor->trouble_text);
    monitor->trouble_text = nj_buf_take(&text);
}

struct nj_target *nj_monitor_add_target(struct nj_monitor *monitor, const char *id, const char *name,
                                        const struct nj_probe_target *from)
{
    struct nj_target *target;
    DL_FOREACH (monitor->targets, target) {
        if (nj_streq(target->id, id))
            return NULL;
    }
    if (monitor->targets_count >= NJ_MONITOR_TARGETS_MAX) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_BOUND, "only %d of its targets are checked",
                               NJ_MONITOR_TARGETS_MAX);
        return NULL;
    }
    target = NJ_NEW(struct nj_target);
    target->id = nj_strdup(id);
    target->name = nj_strdup(name);
    target->host = nj_strdup(from->host);
    target->port = from->port;
    target->scheme = nj_streq(from->scheme, "https") ? "https" : "http";
    target->path = nj_strdup(from->path);
    target->authority = nj_strdup(from->authority);
    target->trust = from->trust;
    target->monitor = monitor;
    DL_APPEND(monitor->targets, target);
    monitor->targets_count++;
    return target;
}

/* --- Ports of a Service. --- */

static bool is_tcp(const struct nj_service_port *port)
{
    return nj_streq(port->protocol, "TCP");
}

static bool is_asked_for(const struct nj_spec_target *target, const struct nj_service_port *port)
{
    if (!is_tcp(port))
        return false;
    if (*nj_str(target->port_name) != '\0')
        return nj_streq(target->port_name, port->name);
    return target->port == 0 || target->port == port->number;
}

static void choose_ports(struct nj_monitor *monitor, const struct nj_service_object *service)
{
    const struct nj_spec_target *target = &monitor->spec->target;
    monitor->plan_ports = nj_calloc(service->ports_count + 1, sizeof(*monitor->plan_ports));
    for (size_t i = 0; i < service->ports_count; i++) {
        const struct nj_service_port *port = &service->ports[i];
        if (is_asked_for(target, port))
            monitor->plan_ports[monitor->plan_ports_count++] =
                (struct nj_plan_port){.name = port->name,
                                      .number = port->number,
                                      .target_name = port->target_name,
                                      .target_number = port->target_number,
                                      .app_protocol = port->app_protocol};
    }
}

static void describe_service(struct nj_monitor *monitor)
{
    const struct nj_spec_target *target = &monitor->spec->target;
    free(monitor->description);
    if (*nj_str(target->port_name) != '\0')
        monitor->description = nj_asprintf("service %s:%s", monitor->service, target->port_name);
    else if (target->port != 0)
        monitor->description = nj_asprintf("service %s:%u", monitor->service, target->port);
    else
        monitor->description = nj_asprintf("service %s", monitor->service);
}

static bool is_external(const struct nj_model_service *service)
{
    return nj_streq(service->service->type, "ExternalName");
}

/* What of the Service is checked here, and what by the agents. */
static void resolve_service(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                            const struct nj_model_service *service)
{
    const struct nj_spec_target *target = &monitor->spec->target;
    describe_service(monitor);
    if (service == NULL || service->service == NULL) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "there is no Service %s in namespace %s",
                               monitor->service, monitor->namespace);
        return;
    }
    if (is_external(service)) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND,
                               "the Service %s is an ExternalName: name its host as a URL", service->name);
        return;
    }
    choose_ports(monitor, service->service);
    if (monitor->plan_ports_count == 0) {
        if (*nj_str(target->port_name) != '\0')
            nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "the Service %s has no TCP port named %s",
                                   service->name, target->port_name);
        else if (target->port != 0)
            nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "the Service %s has no TCP port %u",
                                   service->name, target->port);
        else
            nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "the Service %s has no TCP port",
                                   service->name);
        return;
    }
    nj_monitor_service_targets(context, monitor, service);
    if (monitor->spec->scope == NJ_SCOPE_SERVICE)
        return;
    monitor->plan_selector = service->service->selector;
    monitor->plan_selector_count = service->service->selector_count;
    monitor->plan_families = service->service->ip_families;
    monitor->plan_families_count = service->service->ip_families_count;
}

static void resolve_ingress(const struct nj_monitors_context *context, struct nj_monitor *monitor)
{
    const char *name = monitor->spec->target.name;
    const struct nj_model_ingress *ingress = context->ingress(context->data, monitor->namespace, name);
    free(monitor->description);
    monitor->description = nj_asprintf("ingress %s", name);
    if (ingress == NULL)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_NOT_FOUND, "there is no Ingress %s in namespace %s", name,
                               monitor->namespace);
    else
        nj_monitor_ingress_targets(context, monitor, ingress);
}

/* --- Secrets. --- */

static void take_secret(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                        const char *secret, const char *key, char **ret_value)
{
    const char *text = "";
    *ret_value = NULL;
    switch (context->secret(context->data, monitor->namespace, secret, key, &text)) {
    case NJ_SECRET_READY:
        *ret_value = nj_strdup(text);
        break;
    case NJ_SECRET_PENDING:
        monitor->pending = true;
        break;
    default:
        nj_monitor_set_trouble(monitor, NJ_MONITOR_SECRET, "%s", text);
    }
}

static void resolve_secrets(const struct nj_monitors_context *context, struct nj_monitor *monitor)
{
    const struct nj_spec *spec = monitor->spec;
    monitor->secrets = nj_calloc(spec->variables_count + 1, sizeof(*monitor->secrets));
    for (size_t i = 0; i < spec->variables_count; i++) {
        const struct nj_spec_variable *variable = &spec->variables[i];
        char *value = NULL;
        if (*nj_str(variable->secret_name) == '\0')
            continue;
        take_secret(context, monitor, variable->secret_name, variable->secret_key, &value);
        if (value == NULL)
            continue;
        struct nj_probe_value *secret = &monitor->secrets[monitor->secrets_count++];
        secret->name = nj_strdup(variable->name);
        secret->value = value;
    }
    if (*nj_str(spec->tls.ca_secret_name) != '\0')
        take_secret(context, monitor, spec->tls.ca_secret_name, spec->tls.ca_secret_key, &monitor->ca_pem);
}

static void drop_targets(struct nj_monitor *monitor)
{
    for (struct nj_target *target; (target = monitor->targets) != NULL;) {
        DL_DELETE(monitor->targets, target);
        nj_target_free(target);
    }
    monitor->targets_count = 0;
}

/* Everything that a valid spec asks for. */
static void resolve(const struct nj_monitors_context *context, struct nj_monitor *monitor)
{
    const struct nj_spec_target *target = &monitor->spec->target;
    switch (target->kind) {
    case NJ_TARGET_SERVICE:
        set(&monitor->service, target->name);
        set(&monitor->workload, target->name);
        monitor->workload_kind = "Service";
        resolve_service(context, monitor, context->service(context->data, monitor->namespace, target->name));
        break;
    case NJ_TARGET_INGRESS:
        set(&monitor->workload, target->name);
        monitor->workload_kind = "Ingress";
        resolve_ingress(context, monitor);
        break;
    default:
        set(&monitor->description, target->url);
        nj_monitor_url_target(context, monitor);
    }
    resolve_secrets(context, monitor);
    if (monitor->suspended || monitor->pending || monitor->trouble == NJ_MONITOR_SECRET)
        drop_targets(monitor);
    if (monitor->suspended || monitor->pending)
        monitor->plan_selector_count = 0;
}

/* --- The kinds of monitors. --- */

bool nj_monitor_take_spec(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                          const char *where, const char *json, size_t len)
{
    struct nj_err err = {0};
    struct nj_spec *known = context->known(context->data, monitor->id, json, len);
    free(monitor->json);
    monitor->json = nj_strndup(json, len);
    if (known != NULL) {
        monitor->spec = nj_spec_ref(known);
        return true;
    }
    if (nj_spec_parse(where, json, len, true, &monitor->spec, &err) == 0)
        return true;
    nj_monitor_set_trouble(monitor, NJ_MONITOR_INVALID, "%s", err.text);
    return false;
}

struct nj_monitor *nj_monitor_of_custom(const struct nj_monitors_context *context,
                                        const struct nj_model_monitor *custom)
{
    NJ_CLEANUP_FREE char *id = nj_asprintf("apimonitor.%s.%s", custom->namespace, custom->name);
    struct nj_monitor *monitor = nj_monitor_new(NJ_SOURCE_MONITOR, id, custom->namespace, custom->name);
    monitor->generation = custom->generation;
    if (!nj_monitor_take_spec(context, monitor, "spec", custom->spec, custom->spec_len))
        return monitor;
    monitor->suspended = monitor->spec->suspend;
    resolve(context, monitor);
    return monitor;
}

struct nj_monitor *nj_monitor_of_spec(const struct nj_monitors_context *context, const char *namespace,
                                      const char *name, struct nj_spec *spec)
{
    struct nj_monitor *monitor = nj_monitor_new(NJ_SOURCE_MONITOR, name, namespace, name);
    monitor->spec = nj_spec_ref(spec);
    resolve(context, monitor);
    return monitor;
}

bool nj_monitor_replaces(const struct nj_monitor *monitor, enum nj_target_kind kind, const char *name)
{
    return monitor->spec != NULL && monitor->spec->target.kind == kind &&
           nj_streq(monitor->spec->target.name, name);
}

static const char *annotation(const struct nj_model_service *service, const char *key)
{
    for (size_t i = 0; i < service->annotations_count; i++) {
        if (nj_streq(service->annotations[i].key, key))
            return service->annotations[i].value;
    }
    return NULL;
}

static void append_json(struct nj_buf *out, const char *before, const char *text)
{
    (void)nj_buf_append_str(out, before);
    (void)nj_json_append_string(out, text, strlen(text));
}

/* The spec that a Service's annotations stand for. */
static void annotated_spec(const struct nj_model_service *service, const char *kind, struct nj_buf *out)
{
    const char *port = annotation(service, PROBE_PORT);
    const char *path = annotation(service, PROBE_PATH);
    const char *interval = annotation(service, PROBE_INTERVAL);
    int64_t number = 0;
    append_json(out, "{\"target\":{\"service\":{\"name\":", service->name);
    if (port != NULL && nj_parse_int(port, 1, UINT16_MAX, &number) == 0)
        (void)nj_buf_printf(out, ",\"port\":%d", (int)number);
    else if (port != NULL)
        append_json(out, ",\"port\":", port);
    if (nj_streq(kind, "https"))
        (void)nj_buf_append_str(out, ",\"scheme\":\"https\"");
    (void)nj_buf_append_str(out, "}}");
    if (interval != NULL)
        append_json(out, ",\"interval\":", interval);
    if (nj_str_starts(kind, "http")) {
        append_json(out, ",\"steps\":[{\"http\":{\"path\":", path == NULL ? "/" : path);
        (void)nj_buf_append_str(out, "}}]}");
    } else {
        (void)nj_buf_printf(out, ",\"steps\":[{\"%s\":{}}]}", kind);
    }
}

static void resolve_annotated(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                              const struct nj_model_service *service, const char *kind)
{
    static const char *const kinds[] = {"http", "https", "tcp", "grpc"};
    struct nj_buf json = {.max = NJ_SPEC_BYTES_MAX};
    bool known = false;
    monitor->source = NJ_SOURCE_ANNOTATION;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        known |= nj_streq(kinds[i], kind);
    if (!known) {
        nj_monitor_set_trouble(monitor, NJ_MONITOR_INVALID,
                               "the annotation %s of Service %s: \"%.64s\" is none of off, http, https, tcp, "
                               "grpc",
                               PROBE, service->name, kind);
        return;
    }
    annotated_spec(service, kind, &json);
    NJ_CLEANUP_FREE char *where = nj_asprintf("annotations of Service %s", service->name);
    if (nj_monitor_take_spec(context, monitor, where, nj_buf_str(&json), json.len))
        resolve(context, monitor);
    nj_buf_done(&json);
}

static void resolve_derived(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                            const struct nj_model_service *service)
{
    struct nj_err err = {0};
    struct nj_spec *known = context->known(context->data, monitor->id, CONNECT, sizeof(CONNECT) - 1);
    if (known != NULL)
        monitor->spec = nj_spec_ref(known);
    else if (nj_spec_parse("spec", CONNECT, sizeof(CONNECT) - 1, false, &monitor->spec, &err) < 0)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_INVALID, "%s", err.text);
    if (monitor->spec != NULL)
        resolve_service(context, monitor, service);
}

static bool has_tcp_port(const struct nj_service_object *service)
{
    for (size_t i = 0; i < service->ports_count; i++) {
        if (is_tcp(&service->ports[i]))
            return true;
    }
    return false;
}

struct nj_monitor *nj_monitor_of_service(const struct nj_monitors_context *context,
                                         const struct nj_model_service *service, bool derive)
{
    const char *kind = nj_str(annotation(service, PROBE));
    if (service->service == NULL || is_external(service) || !has_tcp_port(service->service) ||
        nj_streq(kind, "off") || (*kind == '\0' && !derive))
        return NULL;
    NJ_CLEANUP_FREE char *id = nj_asprintf("service.%s.%s", service->namespace, service->name);
    struct nj_monitor *monitor = nj_monitor_new(NJ_SOURCE_DERIVED, id, service->namespace, service->name);
    set(&monitor->service, service->name);
    monitor->workload_kind = "Service";
    if (*kind != '\0')
        resolve_annotated(context, monitor, service, kind);
    else
        resolve_derived(context, monitor, service);
    return monitor;
}

bool nj_monitor_plan(const struct nj_monitor *monitor, struct nj_plan_pair *pairs,
                     struct nj_plan_check *ret_check)
{
    if (monitor->plan_selector_count == 0 || monitor->spec == NULL)
        return false;
    struct nj_plan_pair *secrets = pairs + monitor->plan_selector_count;
    for (size_t i = 0; i < monitor->plan_selector_count; i++)
        pairs[i] = (struct nj_plan_pair){monitor->plan_selector[i].key, monitor->plan_selector[i].value};
    for (size_t i = 0; i < monitor->secrets_count; i++)
        secrets[i] = (struct nj_plan_pair){monitor->secrets[i].name, monitor->secrets[i].value};
    *ret_check = (struct nj_plan_check){
        .monitor = monitor->id,
        .source = monitor->source,
        .service = monitor->service,
        .selector = pairs,
        .selector_count = monitor->plan_selector_count,
        .ports = monitor->plan_ports,
        .ports_count = monitor->plan_ports_count,
        .spec = monitor->json,
        .secrets = secrets,
        .secrets_count = monitor->secrets_count,
        .ca_pem = nj_str(monitor->ca_pem),
        .families = monitor->plan_families,
        .families_count = monitor->plan_families_count,
        .trouble = monitor->trouble == NJ_MONITOR_SECRET ? monitor->trouble_text : "",
    };
    return true;
}
