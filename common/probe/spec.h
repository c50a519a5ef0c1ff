/*
 * What is to be checked, as people write it: the `spec` of an ApiMonitor
 * (deploy/manifests/base/apimonitor-crd.yaml), parsed and checked once and then run on any number of targets.
 *
 * The same JSON is a custom resource's spec, travels to the agents in a plan, is what a derived check is
 * written as, and is what REST's test runs: this parser is the only reader. An unknown field, a wrong type, a
 * value out of range, a regular expression that does not compile, a variable that no earlier step sets, is an
 * error that names the field: "spec.steps[1].expect.status[0]: '2x' is no status: 200, or a class such as
 * 2xx". Durations are strings: "500ms", "10s", "1m30s".
 *
 * A spec is immutable and counted: one owner more by nj_spec_ref(), one less by nj_spec_unref(). Loop thread
 * only. Strings are never NULL, arrays may be NULL when their count is 0; everything belongs to the spec.
 */
#ifndef NJ_PROBE_SPEC_H
#define NJ_PROBE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum {
    NJ_SPEC_BYTES_MAX = 64 << 10, /* of its JSON */
    NJ_SPEC_STEPS_MAX = 32,       /* steps and finally together */
    NJ_SPEC_ITEMS_MAX = 64,       /* of any other list in it */
    NJ_SPEC_REGEX_MAX = 1024,     /* bytes of a regular expression (PCRE2, matched with a limit) */
};

enum nj_target_kind { NJ_TARGET_SERVICE, NJ_TARGET_INGRESS, NJ_TARGET_URL };
enum nj_scope { NJ_SCOPE_BOTH, NJ_SCOPE_SERVICE, NJ_SCOPE_PODS };
const char *nj_scope_name(enum nj_scope scope); /* "both", "service", "pods" */

struct nj_spec_target {
    enum nj_target_kind kind;
    const char *name;      /* of the Service or Ingress, in the monitor's own namespace */
    const char *port_name; /* of the Service's port; "": by number */
    uint16_t port;         /* 0 and port_name "": every TCP port of the Service */
    const char *scheme;    /* "http", "https"; of a Service's http steps; a URL's own ("tcp", "dns", ...) */
    const char *url; /* NJ_TARGET_URL: http, https, tcp://host:port, dns://server or dns: (the resolver's
                        own), grpc(s):// */
    /* Of a URL, taken apart, with its port or its scheme's usual one in `port`: */
    const char *host; /* without brackets; "" for "dns:" */
    const char *path; /* with its query; "/" by default */
};

struct nj_spec_pair {
    const char *name, *value; /* the value may hold ${variables} */
};

/* A value that is known before the first step: written down, or a key of a Secret in the monitor's namespace.
 */
struct nj_spec_variable {
    const char *name, *value;
    const char *secret_name, *secret_key; /* "": `value` is it */
};

enum nj_step_kind { NJ_STEP_HTTP, NJ_STEP_TCP, NJ_STEP_GRPC, NJ_STEP_DNS };
const char *nj_step_kind_name(enum nj_step_kind kind); /* "http", "tcp", "grpc", "dns" */

enum nj_http_version { NJ_HTTP_ANY, NJ_HTTP_1_1, NJ_HTTP_2 };

enum nj_extract_from { NJ_EXTRACT_JSON, NJ_EXTRACT_REGEX, NJ_EXTRACT_HEADER, NJ_EXTRACT_COOKIE };

struct nj_pattern; /* a compiled regular expression: pattern.h */

struct nj_extract {
    const char *variable;
    enum nj_extract_from from;
    const char *what;           /* JSON pointer (RFC 6901), regular expression, header or cookie name */
    struct nj_pattern *pattern; /* NJ_EXTRACT_REGEX: its group 1, or the whole match where it has none */
};

struct nj_status_range {
    uint16_t from, to; /* both included */
};

struct nj_header_expect {
    const char *name;
    struct nj_pattern *pattern; /* NULL: only its presence, or absence, matters */
    bool absent;
};

enum nj_compare {
    NJ_COMPARE_EQ,
    NJ_COMPARE_NE,
    NJ_COMPARE_LT,
    NJ_COMPARE_LE,
    NJ_COMPARE_GT,
    NJ_COMPARE_GE,
    NJ_COMPARE_MATCHES,
    NJ_COMPARE_EXISTS,
    NJ_COMPARE_ABSENT
};

struct nj_json_expect {
    const char *pointer; /* RFC 6901 */
    enum nj_compare compare;
    const char *value;          /* JSON text; strings may hold ${variables} */
    struct nj_pattern *pattern; /* MATCHES */
};

struct nj_body_expect {
    struct nj_pattern *pattern;
    bool absent; /* it must not match */
};

struct nj_expect {
    const struct nj_status_range *statuses; /* HTTP; none: 200 to 399 */
    size_t statuses_count;
    const struct nj_header_expect *headers;
    size_t headers_count;
    const struct nj_body_expect *bodies; /* HTTP's body, TCP's answer */
    size_t bodies_count;
    const struct nj_json_expect *jsons;
    size_t jsons_count;
    int64_t min_bytes, max_bytes; /* of the body; -1: any */
    int64_t max_latency_ns;       /* of the step; 0: any */
    const char *grpc_status;      /* "SERVING" by default */
    const struct nj_body_expect
        *answers; /* DNS: each must match (or, absent, match none of) the answer's records as text */
    size_t answers_count;
    const char *dns_rcode; /* "NOERROR" by default, "NXDOMAIN", ... */
};

struct nj_step {
    const char *name; /* unique; "step 1" by default */
    enum nj_step_kind kind;
    bool continue_on_failure;
    bool is_finally;
    /* HTTP; `path` starts with '/' and replaces a URL target's own; path, header values and body may hold
     * ${variables} */
    const char *method, *path, *body;
    const struct nj_spec_pair *headers;
    size_t headers_count;
    enum nj_http_version version;
    bool follow_redirects;
    /* TCP: sent after connecting, or "" to wait for the peer's greeting; expect.bodies says what must come */
    const char *send;
    bool tls; /* also of gRPC: asked for, or the target is grpcs:// or a Service with scheme https */
    /* gRPC health (grpc.health.v1.Health/Check): the service's name, "" for the server as a whole */
    const char *grpc_service;
    /* DNS */
    const char *dns_name, *dns_type; /* "A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS" */
    bool dns_tcp;
    const struct nj_extract *extracts;
    size_t extracts_count;
    struct nj_expect expect;
};

struct nj_spec_tls {
    bool insecure_skip_verify;
    const char *server_name; /* sent and verified; "": the Host header's name, else the target's */
    const char *ca_pem;      /* trusted instead of the system's; "": the system's */
    const char *ca_secret_name, *ca_secret_key; /* where it comes from instead; "" */
    int64_t min_days_left;                      /* of the peer's certificate; 0: any as long as it is valid */
};

struct nj_spec_alert {
    const char *group;    /* alert group; "": by the routes */
    const char *severity; /* "info", "warning", "critical"; "warning" by default */
    int64_t failures;     /* so many failing runs ... */
    int64_t window_ns;    /* ... within so long; 0: in a row */
    int64_t successes;    /* so many passing runs in a row end it */
};

struct nj_spec {
    struct nj_spec_target target;
    enum nj_scope scope;
    bool suspend;
    int64_t interval_ns, timeout_ns;         /* of a whole run, all steps but `finally` */
    int64_t retries_count, retries_delay_ns; /* a failing run is tried again so often before it counts */
    const struct nj_spec_variable *variables;
    size_t variables_count;
    const struct nj_step *steps; /* at least one; then those of `finally` */
    size_t steps_count;
    struct nj_spec_tls tls;
    struct nj_spec_alert alert;
    const char *json; /* as it was read */
    size_t json_len;
    /* private: */
    void *memory;
    size_t owners;
};

/* `where` stands before the field in errors ("spec"). Without `target` when needs_target is false (a derived
 * check, whose target is known otherwise). 0, -EINVAL, -E2BIG. */
int nj_spec_parse(const char *where, const char *json, size_t len, bool needs_target,
                  struct nj_spec **ret_spec, struct nj_err *err);
struct nj_spec *nj_spec_ref(struct nj_spec *spec);
void nj_spec_unref(struct nj_spec *spec); /* takes NULL */

#endif
