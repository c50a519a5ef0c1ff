/*
 * What the files of this folder share: a call, from its request to its answer.
 */
#ifndef NJ_API_INTERNAL_H
#define NJ_API_INTERNAL_H

#include "collector/api/api.h"
#include "collector/api/tokens.h"
#include "collector/sla/compute.h"
#include "common/loop/httpd.h"

enum {
    NJ_API_PARAMS_MAX = 16,
    NJ_API_ARGUMENT_MAX = 512, /* bytes of a path's "{...}", with the terminator */
    NJ_API_LIMIT_DEFAULT = 100,
    NJ_API_ANSWER_MAX = 64 * 1024 * 1024,
};

struct nj_api_call;

/* One endpoint of the table in api.c, which is also what the test holds openapi.json against. */
struct nj_api_endpoint {
    const char *path;                         /* two "{...}" segments at most: they become call->argument and
                                                 call->second_argument */
    void (*handle)(struct nj_api_call *call); /* on the loop; ends with one of the nj_api_ functions below */
    const char *params[NJ_API_PARAMS_MAX];    /* the query parameters it knows */
    const char *method;                       /* the only one; NULL: GET and HEAD */
    enum nj_api_access access;
    bool is_page; /* a part of the page, which openapi.json does not describe */
};
extern const struct nj_api_endpoint nj_api_endpoints[];

/* What is to be written; strings are the call's own. */
struct nj_api_writing {
    char *matchers, *author, *reason; /* reason: also an acknowledgement's or a mark's note */
    int64_t from_ns, until_ns;
    bool maintenance, useful, is_ack;
};

struct nj_api_service; /* services.c */

enum nj_api_sla_by { NJ_API_BY_RANGE, NJ_API_BY_DAY, NJ_API_BY_WEEK, NJ_API_BY_MONTH };

/* Availability of a service or workload. */
struct nj_api_sla_call {
    const char *kind; /* "Service", or a workload's */
    const char *namespace, *name, *state;
    enum nj_sla_basis basis;
    enum nj_api_sla_by by;
    const char *zone; /* of days, weeks and months; NULL: UTC */
    int64_t from_ns, until_ns;
    int64_t skip;     /* so many rows of the list were given already */
    double objective; /* 0: none */
    struct nj_api_service *rows;
    size_t rows_count;
};

struct nj_api_call {
    struct nj_api *api;
    struct nj_httpd_request *request;
    const struct nj_collector_config *config; /* in force when the request came */
    char argument[NJ_API_ARGUMENT_MAX];       /* what stood for the path's first "{...}" */
    char second_argument[NJ_API_ARGUMENT_MAX];
    struct nj_job job;

    /* What the query is asked; strings belong to the request. */
    struct nj_incident_filter incidents;
    struct nj_crash_filter crashes;
    struct nj_target_filter targets;
    struct nj_series_filter series;
    struct nj_usage_filter usage;
    struct {
        int by, sort; /* resources.c */
        bool descending, csv;
    } table;
    struct nj_rollout_filter rollouts;
    struct nj_api_sla_call sla;
    int64_t id;
    int64_t now_ns; /* of what is written */
    int limit;
    bool download;
    struct nj_api_writing writing; /* silences.c, acks.c */

    /* Runs on the reader's worker: fills in what follows. A negative errno becomes a problem: -ENOENT 404,
     * -EOVERFLOW 400, others 500. */
    int (*query)(struct nj_api_call *call, struct nj_err *err);
    /* On the loop, after a query that succeeded: completes the body by what only the loop knows. NULL: it is
     * complete. */
    void (*finish)(struct nj_api_call *call);
    struct nj_buf body;
    const char *content_type; /* NULL: application/json */
    unsigned status;          /* of the answer; 0: 200 */
    bool has_form;            /* the page that is answered may send its own form back */
    char disposition[320];    /* Content-Disposition; "" for none */
    const char *allow;        /* of a 405 */
    int64_t cursor;           /* of the last row that was written */
    int rows;
    int rc;
    struct nj_err err;

    /* A spec that is being tried; among the API's `tests` until then. */
    struct nj_probes_test *test;
    struct nj_api_call *prev, *next;
};

struct nj_api {
    struct nj_api_options options;
    struct nj_httpd *httpd;
    struct nj_api_tokens *tokens;
    struct nj_api_stream *streams;
    int64_t streams_count;
    uv_timer_t keepalive;
    void (*on_timer_closed)(struct nj_api *api);
    struct nj_httpd_counts counted; /* what the counters below have of the server's own counts */
    struct nj_counter *refused, *queries_refused, *streams_refused, *slow_readers, *malformed, *too_large,
        *too_slow;
    struct nj_gauge *connections, *streams_open;
    struct nj_api_call *tests; /* list */
    int calls;                 /* on the reader's worker */
    int handles;               /* not closed yet: the server and the timer */
    int64_t links_since_ns;    /* a minute of links that were followed, wall ns */
    int links;
    struct nj_counter *links_refused;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* Hands the call to the reader's worker; the answer follows. */
void nj_api_run(struct nj_api_call *call, int (*query)(struct nj_api_call *call, struct nj_err *err));

/* The same on the writer's worker and store, within a transaction, which is committed unless `query` fails;
 * what deciding knows of silences and marks is read again. Such a query may also return -EINVAL (400),
 * -EEXIST (409). */
void nj_api_run_write(struct nj_api_call *call, int (*query)(struct nj_api_call *call, struct nj_err *err));

/* The request's JSON object, the caller's; NULL after it has answered with a problem. (body.c) */
struct json_object;
struct json_object *nj_api_body(struct nj_api_call *call);
/* A string of it, copied, in place of *ret_text. False after a problem. */
bool nj_api_text(struct nj_api_call *call, struct json_object *value, const char *name, size_t max,
                 char **ret_text);

/* For nj_api_run_write(), of incident call->id: what call->writing says is stored; -ENOENT. (acks.c) */
int nj_api_write_acknowledgement(struct nj_api_call *call, struct nj_acknowledgement *ack, bool *ret_new,
                                 struct nj_err *err);
int nj_api_write_mark(struct nj_api_call *call, struct nj_err *err);

void nj_api_free_call(struct nj_api_call *call);

/* Counts a request by the status it is answered with. */
void nj_api_count(struct nj_api *api, unsigned status);

/* Answers and frees the call. */
void nj_api_answer(struct nj_api_call *call, unsigned status, const char *content_type, const void *body,
                   size_t len);
void nj_api_problem(struct nj_api_call *call, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Parameters. Each returns false after it has answered with a problem that names the parameter and what is
 * allowed. */
const char *nj_api_param(const struct nj_api_call *call, const char *name); /* NULL: not given, or empty */
bool nj_api_param_int(struct nj_api_call *call, const char *name, int64_t min, int64_t max,
                      int64_t *ret_value);
bool nj_api_param_bool(struct nj_api_call *call, const char *name, bool *ret_value); /* "true", "false" */
bool nj_api_param_time(struct nj_api_call *call, const char *name,
                       int64_t *ret_ns); /* RFC 3339, or an age: "2h" */

/* Writing JSON objects by hand: a field with its comma. */
void nj_api_field(struct nj_buf *out, const char *name, const char *value);
void nj_api_field_int(struct nj_buf *out, const char *name, int64_t value);
void nj_api_field_bool(struct nj_buf *out, const char *name, bool value);
void nj_api_field_time(struct nj_buf *out, const char *name, int64_t ns); /* null for 0 */
/* Milliseconds from seconds; null unless known. */
void nj_api_field_ms(struct nj_buf *out, const char *name, bool known, double seconds);
void nj_api_field_double(struct nj_buf *out, const char *name, double value); /* null for no finite number */
/* A share of 1. */
void nj_api_field_share(struct nj_buf *out, const char *name, uint64_t part, uint64_t whole);
/* Likewise, with nine digits: 31 ms of a year. null below 0. */
void nj_api_field_ratio(struct nj_buf *out, const char *name, double ratio);
/* A JSON object as it is; null when the text is none. */
void nj_api_field_json(struct nj_buf *out, const char *name, const char *text);
void nj_api_array_begin(struct nj_buf *out, const char *name);
void nj_api_array_end(struct nj_buf *out);
void nj_api_object_begin(struct nj_buf *out);
void nj_api_object_field_begin(struct nj_buf *out, const char *name);
void nj_api_object_end(struct nj_buf *out);
/* {"items":[ ... ],"nextCursor": "..." or null} */
void nj_api_list_begin(struct nj_buf *out);
void nj_api_list_item(struct nj_api_call *call);
void nj_api_list_end(struct nj_api_call *call);

void nj_api_silences(struct nj_api_call *call);
void nj_api_silence(struct nj_api_call *call);
void nj_api_silence_add(struct nj_api_call *call);
void nj_api_silence_end(struct nj_api_call *call);
void nj_api_acknowledgement(struct nj_api_call *call);
void nj_api_acknowledge(struct nj_api_call *call);
void nj_api_mark(struct nj_api_call *call);
void nj_api_link(struct nj_api_call *call); /* GET and POST of /ack/ID and /mark/ID */
void nj_api_rules(struct nj_api_call *call);
void nj_api_incidents(struct nj_api_call *call);
void nj_api_incident(struct nj_api_call *call);
void nj_api_incident_notifications(struct nj_api_call *call);
void nj_api_notifications(struct nj_api_call *call);
void nj_api_crashes(struct nj_api_call *call);
void nj_api_crash(struct nj_api_call *call);
void nj_api_crash_log(struct nj_api_call *call);
void nj_api_agents(struct nj_api_call *call);
void nj_api_monitors(struct nj_api_call *call);
void nj_api_monitor(struct nj_api_call *call);
void nj_api_monitor_test(struct nj_api_call *call);
void nj_api_nodes(struct nj_api_call *call);
void nj_api_node(struct nj_api_call *call);
void nj_api_namespaces(struct nj_api_call *call);
void nj_api_forecast(struct nj_api_call *call);
void nj_api_series(struct nj_api_call *call);
void nj_api_errors(struct nj_api_call *call);
void nj_api_services(struct nj_api_call *call);
void nj_api_service(struct nj_api_call *call);
void nj_api_service_sla(struct nj_api_call *call);
void nj_api_service_outages(struct nj_api_call *call);
void nj_api_rollouts(struct nj_api_call *call);
void nj_api_rollout(struct nj_api_call *call);
void nj_api_resources(struct nj_api_call *call);
void nj_api_resource_series(struct nj_api_call *call);
void nj_api_recommendations(struct nj_api_call *call);
void nj_api_stream(struct nj_api_call *call);
void nj_api_livez(struct nj_api_call *call);
void nj_api_readyz(struct nj_api_call *call);
void nj_api_metrics(struct nj_api_call *call);
void nj_api_asset(struct nj_api_call *call);
void nj_api_page(struct nj_api_call *call);

/* From where to where a series is asked for: the last hour without a word. False after a problem. */
bool nj_api_param_range(struct nj_api_call *call);
/* The resolution of call->series, from the range when it is not given; the range then begins with a whole
 * step, and has at most 1500. False after a problem. */
bool nj_api_param_step(struct nj_api_call *call, const char *step);

/* services.c. The parameters of one service or workload, whose path names it: kind, basis, from (`range_ns`
 * before `to` without a word), to. False after a problem. */
bool nj_api_param_service(struct nj_api_call *call, int64_t range_ns);
bool nj_api_param_basis(struct nj_api_call *call);
/* -ENOENT with its words when nothing was ever measured of it. */
int nj_api_find_service(struct nj_api_call *call, struct nj_err *err);
/* Each of its intervals within the range; those of too many are refused. */
int nj_api_each_interval(struct nj_api_call *call,
                         int (*on_interval)(void *data, const struct nj_interval *interval), void *data,
                         struct nj_err *err);
void nj_api_services_free(struct nj_api_call *call);

/* monitor_test.c: ends those that run, without their outcome. */
void nj_api_tests_stop(struct nj_api *api);

/* stream.c. on_stopped() follows from the loop. */
void nj_api_streams_publish(struct nj_api *api, const struct nj_incident *incident);
void nj_api_streams_start(struct nj_api *api);
void nj_api_streams_stop(struct nj_api *api, void (*on_stopped)(struct nj_api *api));

/* Files of the page and openapi.json, in the program by CMake; terminated, the length without the terminator.
 */
struct nj_api_asset {
    const char *path, *content_type;
    const unsigned char *bytes;
    const size_t *len;
};
const struct nj_api_asset *nj_api_find_asset(const char *path); /* NULL: none */

#endif
