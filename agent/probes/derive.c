#include "agent/probes/derive.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    TIMEOUT_S = 5, /* of a check by default */
    TIMEOUT_MAX_S = 60,
    INTERVAL_S = 10,
    HEADERS_MAX = 64, /* NJ_SPEC_ITEMS_MAX */
};

const char *nj_derive_tcp(void)
{
    return "{\"steps\":[{\"name\":\"connect\",\"tcp\":{}}]}";
}

static bool is_tcp(const struct nj_container_port *port)
{
    return strcmp(port->protocol, "TCP") == 0;
}

/* A JSON string in which "${" stands for itself. */
static void append_literal(struct nj_buf *out, const char *text)
{
    struct nj_buf literal = {0};
    for (const char *c = text; *c != '\0'; c++) {
        if (c[0] == '$' && c[1] == '{')
            (void)nj_buf_append_char(&literal, '$');
        (void)nj_buf_append_char(&literal, *c);
    }
    (void)nj_json_append_string(out, nj_buf_str(&literal), literal.len);
    nj_buf_done(&literal);
}

static void append_string(struct nj_buf *out, const char *text)
{
    (void)nj_json_append_string(out, text, strlen(text));
}

/* The kubelet gives up after the probe's own timeout, which may be longer than a check's usual one. */
static void append_times(struct nj_buf *out, const struct nj_pod_probe *probe)
{
    int timeout_s = probe->timeout_seconds > TIMEOUT_S ? probe->timeout_seconds : TIMEOUT_S;
    timeout_s = timeout_s < TIMEOUT_MAX_S ? timeout_s : TIMEOUT_MAX_S;
    (void)nj_buf_printf(out, "\"interval\":\"%ds\",\"timeout\":\"%ds\"",
                        timeout_s > INTERVAL_S ? timeout_s : INTERVAL_S, timeout_s);
}

static void append_http(struct nj_buf *out, const struct nj_pod_probe *probe)
{
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s%s", probe->path[0] == '/' ? "" : "/", probe->path);
    (void)nj_buf_append_str(out, "\"http\":{\"path\":");
    append_literal(out, path);
    (void)nj_buf_append_str(out, ",\"followRedirects\":false");
    for (size_t i = 0; i < probe->headers_count && i < HEADERS_MAX; i++) {
        (void)nj_buf_append_str(out, i == 0 ? ",\"headers\":[{\"name\":" : ",{\"name\":");
        append_string(out, probe->headers[i].key);
        (void)nj_buf_append_str(out, ",\"value\":");
        append_literal(out, probe->headers[i].value);
        (void)nj_buf_append_char(out, '}');
    }
    (void)nj_buf_append_str(out, probe->headers_count > 0 ? "]}" : "}");
}

static uint16_t port_of(const struct nj_container_spec *container, const struct nj_pod_probe *probe)
{
    if (probe->port_name[0] == '\0')
        return probe->port;
    for (size_t i = 0; i < container->ports_count; i++) {
        if (strcmp(container->ports[i].name, probe->port_name) == 0 && is_tcp(&container->ports[i]))
            return container->ports[i].number;
    }
    return 0;
}

void nj_derive_from_probe(const struct nj_container_spec *container, const struct nj_pod_probe *probe,
                          const char *name, struct nj_buf *out, struct nj_derived *ret_derived)
{
    *ret_derived = (struct nj_derived){.scheme = "", .json = ""};
    uint16_t port = port_of(container, probe);
    bool made_by_network = probe->kind == NJ_POD_PROBE_HTTP || probe->kind == NJ_POD_PROBE_TCP ||
                           probe->kind == NJ_POD_PROBE_GRPC;
    if (port == 0 || !made_by_network)
        return;
    bool is_https = probe->kind == NJ_POD_PROBE_HTTP && strcmp(probe->scheme, "HTTPS") == 0;
    (void)nj_buf_append_char(out, '{');
    append_times(out, probe);
    if (is_https)
        (void)nj_buf_append_str(out, ",\"tls\":{\"insecureSkipVerify\":true}");
    (void)nj_buf_append_str(out, ",\"steps\":[{\"name\":");
    append_string(out, name);
    (void)nj_buf_append_char(out, ',');
    if (probe->kind == NJ_POD_PROBE_HTTP) {
        append_http(out, probe);
    } else if (probe->kind == NJ_POD_PROBE_GRPC) {
        (void)nj_buf_append_str(out, "\"grpc\":{\"service\":");
        append_string(out, probe->service);
        (void)nj_buf_append_char(out, '}');
    } else {
        (void)nj_buf_append_str(out, "\"tcp\":{}");
    }
    (void)nj_buf_append_str(out, "}]}");
    ret_derived->port = port;
    ret_derived->json = nj_buf_str(out);
    if (probe->kind == NJ_POD_PROBE_HTTP)
        ret_derived->scheme = is_https ? "https" : "http";
}

/* One that is made at another address than the pod's says nothing of what its Service reaches. */
static bool try_probe(const struct nj_container_spec *container, const struct nj_pod_probe *probe,
                      const char *name, struct nj_buf *out, struct nj_derived *ret_derived)
{
    if (container->type != NJ_CONTAINER_APP || probe->kind == NJ_POD_PROBE_NONE || probe->host[0] != '\0')
        return false;
    nj_derive_from_probe(container, probe, name, out, ret_derived);
    return ret_derived->port != 0;
}

void nj_derive_from_probes(const struct nj_pod_object *pod, struct nj_buf *out,
                           struct nj_derived *ret_derived)
{
    *ret_derived = (struct nj_derived){.scheme = "", .json = ""};
    for (size_t i = 0; i < pod->containers_count; i++) {
        if (try_probe(&pod->containers[i], &pod->containers[i].readiness, "readiness probe", out,
                      ret_derived))
            return;
    }
    for (size_t i = 0; i < pod->containers_count; i++) {
        if (try_probe(&pod->containers[i], &pod->containers[i].liveness, "liveness probe", out, ret_derived))
            return;
    }
}

static bool has_ports(const struct nj_container_spec *container)
{
    return container->type == NJ_CONTAINER_APP || container->type == NJ_CONTAINER_SIDECAR;
}

static uint16_t metrics_port(const struct nj_kube_meta *meta, const struct nj_pod_object *pod)
{
    int64_t number = 0;
    const char *written = nj_kube_annotation(meta, "prometheus.io/port");
    if (written != NULL)
        return nj_parse_int(written, 1, UINT16_MAX, &number) == 0 ? (uint16_t)number : 0;
    uint16_t first = 0;
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_spec *container = &pod->containers[i];
        for (size_t j = 0; has_ports(container) && j < container->ports_count; j++) {
            if (!is_tcp(&container->ports[j]))
                continue;
            if (strcmp(container->ports[j].name, "metrics") == 0)
                return container->ports[j].number;
            first = first == 0 ? container->ports[j].number : first;
        }
    }
    return first;
}

void nj_derive_metrics(const struct nj_kube_meta *meta, const struct nj_pod_object *pod, struct nj_buf *out,
                       struct nj_derived *ret_derived)
{
    *ret_derived = (struct nj_derived){.scheme = "", .json = ""};
    uint16_t port = metrics_port(meta, pod);
    if (!nj_streq(nj_kube_annotation(meta, "prometheus.io/scrape"), "true") || port == 0)
        return;
    const char *path = nj_str(nj_kube_annotation(meta, "prometheus.io/path"));
    bool is_https = nj_streq(nj_kube_annotation(meta, "prometheus.io/scheme"), "https");
    NJ_CLEANUP_FREE char *full =
        nj_asprintf("%s%s", path[0] == '/' ? "" : "/", path[0] == '\0' ? "metrics" : path);
    (void)nj_buf_append_str(out, "{\"steps\":[{\"name\":\"metrics page\",\"http\":{\"path\":");
    append_literal(out, full);
    (void)nj_buf_append_str(out, "},\"expect\":{\"status\":[200]}}]");
    (void)nj_buf_append_str(out, is_https ? ",\"tls\":{\"insecureSkipVerify\":true}}" : "}");
    *ret_derived =
        (struct nj_derived){.port = port, .scheme = is_https ? "https" : "http", .json = nj_buf_str(out)};
}
