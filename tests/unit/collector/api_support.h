/*
 * The API on a real store and a real socket, a client that says exactly what the test wants and keeps all it
 * hears, and a look into JSON answers. Product time stands at noon_ns unless the test moves it.
 */
#ifndef NJ_TEST_COLLECTOR_API_SUPPORT_H
#define NJ_TEST_COLLECTOR_API_SUPPORT_H

#include <json-c/json.h>
#include <pthread.h>

#include "collector/api/internal.h"
#include "collector/capacity/capacity.h"
#include "collector/notify/pipeline.h"
#include "collector/probes/probes.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/support.h"

/* Stands in for the collector's probing: has the monitors that the test gives it, and says what it is asked.
 */
struct nj_probes {
    const struct nj_monitor_view *monitors; /* by id */
    size_t count;
    int refuses; /* nj_probes_test() answers with this, and `words` */
    const char *words;
    /* The latest spec that was tried. */
    char *namespace, *spec;
    int started, cancelled;
    void (*on_done)(void *data, const struct nj_probes_test_outcome *outcomes, size_t count);
    void *data;
};

/* Stands in for what is known of nodes, by name. */
struct nj_capacity {
    const struct nj_capacity_node_view *nodes;
    size_t nodes_count;
    const char *const *namespaces;
    const struct nj_capacity_sum *sums; /* of the namespaces */
    size_t namespaces_count;
    const struct nj_capacity_pod_view *pods; /* of any node */
    size_t pods_count;
    struct nj_capacity_summary summary;
};

struct api_setup {
    struct test_loop *test;
    volatile int64_t clock;
    struct folder folder;
    struct nj_store *writer, *reader;
    struct nj_worker *worker; /* the reader's and the writer's */
    struct nj_pipeline *pipeline;
    struct nj_metrics *metrics;
    struct nj_collector_config config; /* may be changed before api_open() */
    size_t max_queued;                 /* of the worker */
    size_t max_answer_bytes;
    struct nj_probes *probes;     /* NULL: none */
    struct nj_capacity *capacity; /* NULL: none */
    const char *more_metrics;     /* NULL: none */
    double objective;             /* of Service shop/web; 0: none */
    struct nj_api *api;           /* NULL: not open */
    bool closed;
    bool ready;
    int collected;
    /* Holds the worker back: see api_hold(). */
    pthread_mutex_t gate;
    struct nj_job gate_job;
    bool held;
    int gate_runs;
};

int api_setup(void **state); /* *state becomes a struct api_setup *, not open yet */
int api_teardown(void **state);
#define api_case(function) cmocka_unit_test_setup_teardown(function, api_setup, api_teardown)

void api_open(struct api_setup *setup);
void api_close(struct api_setup *setup);

/* A file in the test's folder; the path lives as long as the setup's config. */
char *api_file(struct api_setup *setup, const char *name, const char *text);

/* The worker runs nothing until api_release(). */
void api_hold(struct api_setup *setup);
void api_release(struct api_setup *setup);

/* One transaction each. */
void api_put_incident(struct api_setup *setup, const struct nj_incident *incident);
void api_put_crash(struct api_setup *setup, const struct nj_store_crash *crash);
void api_begin(struct api_setup *setup);
void api_commit(struct api_setup *setup);

/* ---- the client */

struct reply {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char *request;
    struct nj_buf bytes;
    bool ended, closed;
    bool stalled;     /* reads nothing */
    int status;       /* after reply_wait() */
    const char *body; /* likewise; terminated */
    size_t body_len;
    json_object *json; /* likewise, when it is JSON */
};

/* Sends "METHOD TARGET HTTP/1.1", the header lines (each ended with \r\n; NULL: "Host: localhost") and
 * "Connection: close". */
void reply_start(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
                 const char *headers);
/* With a body, whose length and type (NULL: none) are among the headers. */
void reply_start_body(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
                      const char *headers, const char *type, const char *body);
void reply_wait(struct api_setup *setup, struct reply *reply); /* until the server has closed */
void reply_wait_text(struct api_setup *setup, struct reply *reply, const char *text);
void reply_leave(struct api_setup *setup, struct reply *reply); /* the client goes */
void reply_done(struct api_setup *setup, struct reply *reply);

/* Start and wait. */
void request(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
             const char *headers);
void get(struct api_setup *setup, struct reply *reply, const char *target);

/* The whole line "Name: value" is there. */
bool reply_has(const struct reply *reply, const char *header_line);

/* A problem+json of this status, whose detail has `text` in it; done with the reply. */
void assert_problem(struct api_setup *setup, struct reply *reply, int status, const char *text);
void assert_get_problem(struct api_setup *setup, const char *target, int status, const char *text);

/* Field of an object as text: "" for null. */
const char *field(json_object *object, const char *name);

/* The items' `name` fields: "3 2 1 "; checks 200. The cursor of the next page goes to `ret_cursor` (of 32
 * bytes; "" for none) when that is not NULL. */
void get_list(struct api_setup *setup, const char *target, const char *name, struct nj_buf *ret_list,
              char *ret_cursor);
void assert_list(struct api_setup *setup, const char *target, const char *name, const char *expected);

/* A metric's value; -1 when it is not there. */
int64_t api_metric(struct api_setup *setup, const char *series);

#endif
