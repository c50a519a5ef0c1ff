/*
 * The check that an Ingress has without anybody writing one: each of its hosts and paths, at its address, as
 * a client would ask. Any answer that is not the server's own failure will do: what a page may say to
 * somebody who is not logged in, its owner knows.
 */
#include <string.h>

#include "collector/probes/monitors.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static const char PROBE[] = "nightjar.dev/probe";
static const char PROBE_PATH[] = "nightjar.dev/probe-path";
static const char PROBE_INTERVAL[] = "nightjar.dev/probe-interval";
/* https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#backend-protocol */
static const char BACKEND_PROTOCOL[] = "nginx.ingress.kubernetes.io/backend-protocol";

static const char *annotation(const struct nj_model_ingress *ingress, const char *key)
{
    for (size_t i = 0; i < ingress->annotations_count; i++) {
        if (nj_streq(ingress->annotations[i].key, key))
            return ingress->annotations[i].value;
    }
    return NULL;
}

static void append_json(struct nj_buf *out, const char *before, const char *text)
{
    (void)nj_buf_append_str(out, before);
    (void)nj_json_append_string(out, text, strlen(text));
}

/* A redirect is an answer too: it may lead to a login page elsewhere. */
static void derived_spec(const struct nj_model_ingress *ingress, struct nj_buf *out)
{
    const char *path = annotation(ingress, PROBE_PATH);
    const char *interval = annotation(ingress, PROBE_INTERVAL);
    append_json(out, "{\"target\":{\"ingress\":{\"name\":", ingress->name);
    (void)nj_buf_append_str(out, "}}");
    if (interval != NULL)
        append_json(out, ",\"interval\":", interval);
    (void)nj_buf_append_str(out, ",\"steps\":[{\"name\":\"answer\",\"http\":{\"followRedirects\":false");
    if (path != NULL)
        append_json(out, ",\"path\":", path);
    (void)nj_buf_append_str(out, "},\"expect\":{\"status\":[\"2xx\",\"3xx\",\"4xx\"]}}]}");
}

/* A page cannot be had of what speaks gRPC. */
static bool speaks_grpc(const struct nj_model_ingress *ingress)
{
    return nj_str_starts(nj_str(annotation(ingress, BACKEND_PROTOCOL)), "GRPC");
}

struct nj_monitor *nj_monitor_of_ingress(const struct nj_monitors_context *context,
                                         const struct nj_model_ingress *ingress, bool derive)
{
    const char *kind = nj_str(annotation(ingress, PROBE));
    bool asked_for = nj_streq(kind, "http");
    if (nj_streq(kind, "off") || (*kind == '\0' && (!derive || speaks_grpc(ingress))))
        return NULL;
    NJ_CLEANUP_FREE char *id = nj_asprintf("ingress.%s.%s", ingress->namespace, ingress->name);
    struct nj_monitor *monitor = nj_monitor_new(asked_for ? NJ_SOURCE_ANNOTATION : NJ_SOURCE_DERIVED, id,
                                                ingress->namespace, ingress->name);
    struct nj_buf json = {.max = NJ_SPEC_BYTES_MAX};
    NJ_CLEANUP_FREE char *where = nj_asprintf("annotations of Ingress %s", ingress->name);
    monitor->workload_kind = "Ingress";
    free(monitor->description);
    monitor->description = nj_asprintf("ingress %s", ingress->name);
    derived_spec(ingress, &json);
    if (*kind != '\0' && !asked_for)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_INVALID,
                               "the annotation %s of Ingress %s: \"%.64s\" is none of off, http", PROBE,
                               ingress->name, kind);
    else if (nj_monitor_take_spec(context, monitor, where, nj_buf_str(&json), json.len))
        nj_monitor_ingress_targets(context, monitor, ingress);
    nj_buf_done(&json);
    return monitor;
}
