/*
 * An API server in the test's own hands: a history of changes to objects, of which the first `now` have
 * happened, served as lists and watches in both encodings; a test steps in front of it to cause faults.
 * Product time is the test's: it stands still while a request is under way and jumps to the end of the
 * watch's waits.
 */
#ifndef NJ_TESTS_UNIT_KUBE_APISERVER_H
#define NJ_TESTS_UNIT_KUBE_APISERVER_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "tests/unit/loop/server.h"

enum { API_HISTORY_MAX = 64, API_REQUESTS_MAX = 2048, API_UIDS = 16, API_FIRST_VERSION = 100 };

/* Change i has the version API_FIRST_VERSION + 1 + i. */
struct api_change {
    enum nj_watch_event_type type; /* BOOKMARK: no object */
    int uid;                       /* below API_UIDS */
};

struct api_request {
    bool watch;
    char target[512]; /* "/api/v1/pods?limit=500" */
    char accept[256];
    char authorization[128];
    char version[32]; /* "" when not given */
    char limit[16], continue_token[64];
    int64_t at_ns; /* product time */
};

struct api_told {
    enum nj_watch_event_type type;
    int uid;
    int version; /* 0: not told */
};

struct api {
    struct test_loop *test;
    struct test_server server;
    volatile int64_t clock;
    struct nj_http *http;
    struct nj_kube_client *client;
    struct nj_metrics *metrics;
    struct nj_watch *watch;
    bool protobuf;

    struct api_change history[API_HISTORY_MAX];
    int history_len, now;
    struct api_request requests[API_REQUESTS_MAX];
    int requests_len, lists, watches;
    int requests_wanted; /* by api_run_requests() */
    int listed_now;      /* `now` when the first list was served; -1: not yet */

    /* Handles a request instead of the server; false: it shall. */
    bool (*intercept)(struct api *api, struct test_peer *peer, const struct api_request *request);
    /* After change `i` went to a watch; false: the fault has been done, no more of this stream. */
    bool (*after_event)(struct api *api, struct test_peer *peer, int i);

    struct test_peer
        *reset; /* to be reset once the watch has the version `reset_at`: what a reset overtakes is lost */
    int reset_at;

    /* What the handler was told. */
    struct api_told told[4096];
    int told_len, synced, troubles;
    char last_trouble[NJ_ERR_TEXT_MAX];
    int picture[API_UIDS]; /* version of each object the handler holds; 0: none */
    int close_in;          /* closes the watch from inside the callback that is this many ahead; 0: never */
    bool closed;
};

int api_setup(void **state); /* *state becomes a struct api * */
int api_teardown(void **state);

/* A usual life of a few objects, of which `now` changes have happened. */
void api_default_history(struct api *api, int now);

/* The options of the test's watch: of /api/v1/pods as metadata. */
struct nj_watch_options api_options(struct api *api);
void api_start(struct api *api, const struct nj_watch_options *options);
void api_start_default(struct api *api);

/* Until the condition holds; product time jumps over the watch's waits. */
void api_run_until(struct api *api, bool (*condition)(struct api *api));
void api_run_requests(struct api *api, int requests);
/* Until the watch has everything up to the history's end. */
void api_run_to_end(struct api *api);

/* Fails unless the handler's picture is the server's, and each object's versions were told in order, once
 * each, from ADDED to DELETED. `complete`: and none was left out. */
void api_check(struct api *api, bool complete);

uint64_t api_errors(struct api *api, const char *reason);
uint64_t api_relists(struct api *api, const char *reason);

/* Answers, for intercept(). */
void api_send(struct test_peer *peer, const void *bytes, size_t len);
void api_answer(struct test_peer *peer, const char *status, const char *headers, const char *content_type,
                const void *body, size_t len);
void api_refuse(struct test_peer *peer, const char *status, const char *headers, const char *body);
void api_begin(struct api *api, struct test_peer *peer); /* a stream */
void api_chunk(struct test_peer *peer, const void *bytes, size_t len);
void api_event(struct api *api, struct test_peer *peer, int i); /* change i */
void api_error_event(struct api *api, struct test_peer *peer, int code, const char *reason);
void api_end(struct test_peer *peer); /* cleanly */
void api_serve(struct api *api, struct test_peer *peer, const struct api_request *request);
/* Only the objects [from, to) of the list, with the continue token; NULL: the last page. */
void api_page(struct api *api, struct test_peer *peer, int from, int to, const char *continue_token);

#define api_case(function) cmocka_unit_test_setup_teardown(function, api_setup, api_teardown)

#endif
