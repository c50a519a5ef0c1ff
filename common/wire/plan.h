/*
 * What an agent is to check: for each namespace that has pods on its node, the collector's monitors that
 * concern pods, with the selectors by which the agent finds its own. Travels in an acknowledgement when the
 * agent's copy is old.
 *
 * A namespace's part is encoded once, when it changes, and the plan for an agent is its namespaces' parts one
 * after the other (protobuf's repeated fields may be concatenated); its version is a hash over the parts.
 * Parts may hold secrets: they travel sealed and are never stored or logged.
 */
#ifndef NJ_WIRE_PLAN_H
#define NJ_WIRE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

enum {
    NJ_PLAN_BYTES_MAX = 2 << 20, /* of an encoded plan; namespaces that do not fit are left out and counted */
    NJ_PLAN_NAMESPACES_MAX = 1024,
    NJ_PLAN_CHECKS_MAX = 8192, /* of one namespace */
    NJ_PLAN_VERSION_MAX = 65,
};

enum nj_monitor_source {
    NJ_SOURCE_MONITOR,    /* an ApiMonitor */
    NJ_SOURCE_ANNOTATION, /* the Service's nightjar.dev/probe annotations */
    NJ_SOURCE_DERIVED,    /* the pods' own probes, else TCP */
    NJ_SOURCE_METRICS,    /* prometheus.io/scrape */
    NJ_SOURCE_BUILTIN,
    NJ_SOURCES,
};
const char *nj_monitor_source_name(enum nj_monitor_source source); /* "apimonitor", "annotation", "derived",
                                                                    * "metrics", "builtin" */
int nj_monitor_source_parse(const char *name, enum nj_monitor_source *ret_source);

struct nj_plan_pair {
    const char *name, *value;
};

struct nj_plan_port { /* of the Service: the pod's is found by target_name among its containers' ports, else
                         by number */
    const char *name;
    uint16_t number;
    const char *target_name; /* "": target_number */
    uint16_t target_number;
    const char *app_protocol; /* "http", "https", "grpc", ... "" */
};

struct nj_plan_check {
    const char *monitor; /* id */
    enum nj_monitor_source source;
    const char *service;
    const struct nj_plan_pair *selector; /* all must match; never empty */
    size_t selector_count;
    const struct nj_plan_port *ports; /* the TCP ones that are to be checked */
    size_t ports_count;
    const char *spec;                   /* JSON of common/probe/spec.h; "": derive it from the pod */
    const struct nj_plan_pair *secrets; /* variables that came from Secrets */
    size_t secrets_count;
    const char *ca_pem;          /* "" */
    const char *const *families; /* "IPv4", "IPv6": which of a pod's addresses; none: its first */
    size_t families_count;
    const char *trouble; /* why it cannot be run (a Secret that may not be read); "" */
};

struct nj_plan_namespace {
    const char *name;
    bool derive; /* pods with prometheus.io/scrape are checked too */
    const struct nj_plan_check *checks;
    size_t checks_count;
};

struct nj_plan {
    const char *version; /* "": there is none */
    const struct nj_plan_namespace *namespaces;
    size_t namespaces_count;
};

/* Appends one namespace's part, to be concatenated. -EOVERFLOW past the bound of `out`. */
int nj_plan_namespace_encode(const struct nj_plan_namespace *namespace, struct nj_buf *out);
/* Appends the field that gives the parts their version: the end of a plan's bytes. */
int nj_plan_version_encode(const char *version, struct nj_buf *out);

#endif
