/*
 * A watch's inside. watch.c decides what comes next, watch_http.c makes requests and takes their answers
 * apart. Private to common/kube.
 */
#ifndef NJ_KUBE_WATCH_INTERNAL_H
#define NJ_KUBE_WATCH_INTERNAL_H

#include "common/base/buf.h"
#include "common/kube/backoff.h"
#include "common/kube/known.h"
#include "common/kube/watch.h"

enum { NJ_WATCH_EVENT_TYPES = NJ_WATCH_ERROR + 1 };

/* Why a request was ended from this side. */
enum nj_watch_stop { NJ_STOP_NONE, NJ_STOP_DECODE, NJ_STOP_ERROR_EVENT, NJ_STOP_CLOSED };

struct nj_watch {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_watch_options options; /* its strings are owned */
    struct nj_timer timer;           /* the backoff; also calls on_closed() */
    struct nj_backoff backoff;
    struct nj_backoff expiry; /* of watches whose version was too old: no sign of a server in trouble */
    struct nj_known known;
    struct nj_arena arena;
    bool listing; /* the request, or what the timer waits for, is a list, else a watch */
    bool synced, closed;
    int64_t last_heard_ns;

    char *version; /* of the last list or event; NULL: none yet */
    char *floor;   /* of a list that broke off with some items told: the next may not be older; or NULL */
    bool version_unusable; /* a list from it was refused: ask without */
    bool paginated;        /* the first list came in pages: there is no watch cache */
    bool unlimited;        /* a continued page was gone: the whole list in one */
    char *continue_token;  /* of the next page; NULL: a list starts anew */
    uint32_t generation;   /* of the list, for nj_known_take_stale() */
    bool ordered;          /* the watch's versions ascend: see take_version() */

    /* The request under way, or the one that just ended. */
    struct nj_http_request *request;
    long status;
    enum nj_kube_encoding encoding; /* of the answer */
    struct nj_list_decoder *decoder;
    struct nj_watch_framer *framer;
    struct nj_buf error_body;
    size_t told; /* items or events */
    int64_t started_ns;
    enum nj_watch_stop stop;
    struct nj_err stop_err;
    struct nj_kube_status refusal; /* of an ERROR event; its strings are not valid */

    char *labels; /* of the metrics */
    struct nj_counter *lists, *watches, *events[NJ_WATCH_EVENT_TYPES];
    struct nj_gauge *last_heard, *objects;

    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* Starts the list or watch that is due. 0, or why it could not be started. */
int nj_watch_request(struct nj_watch *watch, struct nj_err *err);

/* Frees what belongs to the request that ended. */
void nj_watch_request_done(struct nj_watch *watch);

/* Called when the request has ended, with watch->request NULL already. */
void nj_watch_on_end(struct nj_watch *watch, const struct nj_http_result *result);

/* A Status from the body of a refused request; false when it holds none. Strings belong to watch->arena. */
bool nj_watch_error_status(struct nj_watch *watch, struct nj_kube_status *ret_status);

/* Counts nightjar_kube_NAME_total{resource, reason}. */
void nj_watch_count_reason(struct nj_watch *watch, const char *name, const char *help, const char *reason);

/* Makes `*to` a copy of `text`; "" and NULL become NULL. */
void nj_watch_set(char **to, const char *text);

/* A random number, evenly spread. */
uint32_t nj_watch_random(void);

#endif
