#include "common/kube/watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/decode_internal.h"
#include "common/kube/watch_internal.h"

enum {
    OBJECT_MAX_DEFAULT = 4 * 1024 * 1024, /* bytes; etcd's own bound is 1.5 MiB */
    ARENA_FACTOR = 16, /* decoded, an object of many tiny fields is larger than its bytes */
    PAGE_SIZE_DEFAULT = 500,
    MESSAGE_MAX = 400, /* bytes of a server's message in a text for people */
};

static const int64_t SILENCE_DEFAULT = 180 * NJ_SEC;
static const int64_t SHORT_WATCH = NJ_SEC;
static const int64_t RETRY_AFTER_MAX = 5 * NJ_MIN;
static const int64_t RETRY_AFTER_JITTER = 800 * NJ_MS;

/* What a failure means. */
struct failure {
    const char *reason;     /* of the metrics */
    bool relist;            /* else the watch is only made again */
    bool now;               /* without a wait: the next request asks for something else */
    bool expired;           /* a watch from a version too old */
    int64_t retry_after_ns; /* -1: the backoff decides */
};

void nj_watch_set(char **to, const char *text)
{
    char *copy = nj_str(text)[0] == '\0' ? NULL : nj_strdup(text);
    free(*to);
    *to = copy;
}

uint32_t nj_watch_random(void)
{
    uint32_t value;
    /* Never blocks and never fails once the system is up; jitter needs no more than that. */
    if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
        value = (uint32_t)uv_hrtime();
    return value;
}

void nj_watch_count_reason(struct nj_watch *watch, const char *name, const char *help, const char *reason)
{
    if (watch->options.metrics == NULL)
        return;
    char *full_name = nj_asprintf("nightjar_kube_%s_total", name);
    char *labels = nj_asprintf("%s,reason=\"%s\"", watch->labels, reason);
    nj_counter_add(nj_metrics_counter(watch->options.metrics, full_name, labels, help), 1);
    free(full_name);
    free(labels);
}

static void make_metrics(struct nj_watch *watch)
{
    static const char *const types[NJ_WATCH_EVENT_TYPES] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK",
                                                            "ERROR"};
    const char *slash = strrchr(watch->options.path, '/');
    watch->labels = nj_asprintf("resource=\"%s\"", slash == NULL ? watch->options.path : slash + 1);
    struct nj_metrics *metrics = watch->options.metrics;
    if (metrics == NULL)
        return;
    const char *labels = watch->labels;
    watch->lists =
        nj_metrics_counter(metrics, "nightjar_kube_list_total", labels, "Lists asked for, each page.");
    watch->watches = nj_metrics_counter(metrics, "nightjar_kube_watch_total", labels, "Watches asked for.");
    for (int i = 0; i < NJ_WATCH_EVENT_TYPES; i++) {
        char *typed = nj_asprintf("%s,type=\"%s\"", labels, types[i]);
        watch->events[i] =
            nj_metrics_counter(metrics, "nightjar_kube_events_total", typed, "Events received from watches.");
        free(typed);
    }
    watch->last_heard = nj_metrics_gauge(metrics, "nightjar_kube_last_heard_timestamp_seconds", labels,
                                         "When the API server was last heard.");
    watch->objects = nj_metrics_gauge(metrics, "nightjar_kube_objects", labels, "Objects known.");
}

static void trouble(struct nj_watch *watch, const struct nj_err *err)
{
    if (watch->options.on_trouble != NULL)
        watch->options.on_trouble(watch->options.data, err);
}

static void schedule(struct nj_watch *watch, const struct failure *failure)
{
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    /* A server that was away for long comes back with a short memory: what it was waited for meanwhile must
     * not put off the list that it asks for. */
    struct nj_backoff *backoff = failure->expired ? &watch->expiry : &watch->backoff;
    int64_t delay_ns = nj_backoff_next(backoff, now_ns, nj_watch_random());
    if (failure->retry_after_ns >= 0) {
        delay_ns = failure->retry_after_ns > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : failure->retry_after_ns;
        delay_ns += nj_watch_random() % RETRY_AFTER_JITTER;
    }
    if (failure->now)
        delay_ns = 0;
    nj_timer_start(&watch->timer, delay_ns, 0);
}

static void go_on(struct nj_watch *watch)
{
    struct nj_err err;
    if (nj_watch_request(watch, &err) == 0)
        return;
    nj_watch_count_reason(watch, "errors", "Failures of lists and watches.", "start");
    trouble(watch, &err);
    if (!watch->closed)
        schedule(watch, &(struct failure){.retry_after_ns = -1});
}

static void finish_close(struct nj_watch *watch)
{
    void (*on_closed)(void *data) = watch->on_closed;
    void *data = watch->on_closed_data;
    nj_watch_request_done(watch);
    nj_known_done(&watch->known);
    nj_arena_done(&watch->arena);
    free((char *)watch->options.path);
    free((char *)watch->options.field_selector);
    free((char *)watch->options.label_selector);
    free(watch->version);
    free(watch->floor);
    free(watch->continue_token);
    free(watch->labels);
    free(watch);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_watch *watch = timer->data;
    if (watch->closed)
        finish_close(watch);
    else
        go_on(watch);
}

/* -EACCES and -ENOENT are for a kind that cannot be watched here: no right, or no such resource. */
static int code_of(long status)
{
    return status == 403 ? -EACCES : status == 404 ? -ENOENT : -EREMOTEIO;
}

/* What the API server said, or what came instead of an answer. */
static void describe(struct nj_watch *watch, const struct nj_http_result *result,
                     const struct nj_kube_status *status, struct nj_err *err)
{
    const char *verb = watch->listing ? "list" : "watch";
    const char *path = watch->options.path;
    if (watch->stop != NJ_STOP_NONE) {
        *err = watch->stop_err;
        (void)nj_err_wrap(err, "%s %s", verb, path);
    } else if (result->error != 0) {
        *err = result->err;
        (void)nj_err_wrap(err, "%s %s", verb, path);
    } else if (result->status == 200) {
        (void)nj_err_set(err, -EPIPE, "%s %s: the server ended it at once", verb, path);
    } else {
        size_t len = nj_utf8_cut(status->message, strlen(status->message), MESSAGE_MAX);
        (void)nj_err_set(err, code_of(result->status), "%s %s: the server answered %ld%s%.*s%s", verb, path,
                         result->status, len == 0 ? "" : ": ", (int)len, status->message,
                         result->status == 403 ? "; grant it: see the ClusterRole" : "");
    }
}

static const char *reason_of(int code)
{
    if (code == 401)
        return "unauthorized";
    if (code == 403)
        return "forbidden";
    if (code == 404)
        return "not_found";
    if (code == 410)
        return "expired";
    if (code == 429)
        return "throttled";
    return code >= 500 ? "server" : "refused";
}

static bool is_expired(long code, const struct nj_kube_status *status)
{
    return code == 410 || nj_streq(status->reason, "Expired") || nj_streq(status->reason, "Gone");
}

/* A failed list is made again. What changes is the version it is asked from. */
static void fail_list(struct nj_watch *watch, long code, const struct nj_kube_status *status,
                      struct failure *failure)
{
    bool expired = is_expired(code, status);
    const char *version = watch->decoder == NULL ? "" : nj_list_decoder_resource_version(watch->decoder);
    if (watch->told > 0 && version[0] != '\0')
        nj_watch_set(&watch->floor, version);
    if (expired && watch->continue_token != NULL) {
        failure->now = !watch->unlimited;
        watch->unlimited = true; /* as client-go's pager does */
    } else if (expired || status->too_large_resource_version) {
        failure->now = !watch->version_unusable;
        watch->version_unusable = true;
        if (!expired)
            failure->reason = "too_large_version";
    }
    nj_watch_set(&watch->continue_token, NULL);
}

static void fail(struct nj_watch *watch, const struct nj_http_result *result)
{
    static const struct nj_kube_status no_status = {.reason = "", .message = ""};
    struct nj_kube_status status = no_status;
    struct failure failure = {.relist = true, .retry_after_ns = -1};
    long code = result->error == 0 ? result->status : 0;
    if (watch->stop == NJ_STOP_ERROR_EVENT) {
        code = watch->refusal.code;
        status.too_large_resource_version = watch->refusal.too_large_resource_version;
        status.retry_after_seconds = watch->refusal.retry_after_seconds;
    } else if (code != 0 && code != 200) {
        (void)nj_watch_error_status(watch, &status);
    }

    if (watch->stop == NJ_STOP_DECODE)
        failure.reason = "decode";
    else if (code == 200)
        failure.reason = "short";
    else if (code != 0)
        failure.reason = reason_of((int)code);
    else
        failure.reason = result->error == -ECONNREFUSED ? "connection_refused"
                         : result->error == -ETIMEDOUT  ? "timeout"
                                                        : "transport";
    if (code == 429 || code >= 500) {
        failure.retry_after_ns = result->retry_after_ns;
        if (failure.retry_after_ns < 0 && status.retry_after_seconds > 0)
            failure.retry_after_ns = status.retry_after_seconds * NJ_SEC;
    }
    /* Nothing was missed where the server only was not there or asked to come later: no need to list. */
    if (result->error == -ECONNREFUSED || code == 429 ||
        (failure.retry_after_ns >= 0 && watch->stop == NJ_STOP_NONE && !status.too_large_resource_version))
        failure.relist = watch->listing;

    failure.expired = !watch->listing && is_expired(code, &status);

    struct nj_err err;
    describe(watch, result, &status, &err);
    if (watch->listing)
        fail_list(watch, code, &status, &failure);
    nj_arena_reset(&watch->arena);
    nj_watch_count_reason(watch, "errors", "Failures of lists and watches.", failure.reason);
    if (failure.relist)
        nj_watch_count_reason(watch, "relist", "Lists made again after a failure.", failure.reason);
    watch->listing = failure.relist;
    nj_watch_request_done(watch);
    trouble(watch, &err);
    if (!watch->closed)
        schedule(watch, &failure);
}

/* Tells what was deleted while nobody watched. */
static void sweep(struct nj_watch *watch)
{
    struct nj_kube_object object = nj_kube_object_empty(watch->options.kind);
    size_t cursor = 0;
    char *uid;
    while (!watch->closed && (uid = nj_known_take_stale(&watch->known, watch->generation, &cursor)) != NULL) {
        object.meta.uid = uid;
        nj_gauge_set(watch->objects, (int64_t)watch->known.count);
        watch->options.on_object(watch->options.data, NJ_WATCH_DELETED, &object);
        free(uid);
    }
}

static void list_done(struct nj_watch *watch, const struct nj_list_end *end)
{
    if (end->continue_token[0] != '\0') {
        if (watch->continue_token == NULL && watch->version == NULL && watch->floor == NULL &&
            !watch->version_unusable)
            watch->paginated = true;
        if (watch->told > 0)
            nj_watch_set(&watch->floor, end->resource_version);
        nj_watch_set(&watch->continue_token, end->continue_token);
        go_on(watch);
        return;
    }
    nj_watch_set(&watch->version, end->resource_version);
    nj_watch_set(&watch->floor, NULL);
    nj_watch_set(&watch->continue_token, NULL);
    watch->version_unusable = false;
    watch->unlimited = false;
    nj_watch_request_done(watch);
    sweep(watch);
    if (watch->closed)
        return;
    watch->synced = true;
    watch->options.on_synced(watch->options.data);
    if (watch->closed)
        return;
    watch->listing = false;
    go_on(watch);
}

void nj_watch_on_end(struct nj_watch *watch, const struct nj_http_result *result)
{
    if (watch->closed) {
        finish_close(watch);
        return;
    }
    if (watch->listing) {
        struct nj_list_end end;
        if (result->error != 0 || result->status != 200) {
            fail(watch, result);
        } else if (nj_list_decoder_end(watch->decoder, &end, &watch->stop_err) < 0) {
            watch->stop = NJ_STOP_DECODE;
            fail(watch, result);
        } else {
            list_done(watch, &end);
        }
        return;
    }
    /* A stream that was there and ended, cleanly or not, is taken up where it ended. */
    bool streamed = watch->status == 200 && watch->stop == NJ_STOP_NONE;
    bool too_short = watch->told == 0 && nj_loop_mono_ns(watch->loop) - watch->started_ns < SHORT_WATCH;
    if (!streamed || too_short) {
        fail(watch, result);
        return;
    }
    /* No trouble yet: an API server that was started anew sends no bookmarks of what has not changed since
     * (k8s.io/apiserver, storage/cacher, dispatchEvents). A peer that is dead fails the next request. */
    if (result->error == -ETIMEDOUT)
        nj_watch_count_reason(watch, "errors", "Failures of lists and watches.", "silence");
    go_on(watch);
}

int nj_watch_start(struct nj_loop *loop, struct nj_kube_client *client,
                   const struct nj_watch_options *options, struct nj_watch **ret_watch, struct nj_err *err)
{
    assert(options->on_object != NULL && options->on_synced != NULL);
    if (options->path == NULL || options->path[0] != '/' || strpbrk(options->path, "?#\"\\ \r\n") != NULL)
        return nj_err_set(err, -EINVAL, "watch '%s': not a path of the API", nj_str(options->path));
    struct nj_watch *watch = NJ_NEW(struct nj_watch);
    watch->loop = loop;
    watch->client = client;
    watch->options = *options;
    watch->options.path = nj_strdup(options->path);
    watch->options.field_selector = nj_strdup(options->field_selector);
    watch->options.label_selector = nj_strdup(options->label_selector);
    if (options->max_object_bytes == 0)
        watch->options.max_object_bytes = OBJECT_MAX_DEFAULT;
    if (options->page_size == 0)
        watch->options.page_size = PAGE_SIZE_DEFAULT;
    if (options->silence_ns == 0)
        watch->options.silence_ns = SILENCE_DEFAULT;
    watch->listing = true;
    nj_arena_init(&watch->arena, watch->options.max_object_bytes * ARENA_FACTOR);
    nj_timer_init(&watch->timer, loop, on_timer, watch);
    make_metrics(watch);
    nj_timer_start(&watch->timer, 0, 0);
    *ret_watch = watch;
    return 0;
}

bool nj_watch_synced(const struct nj_watch *watch)
{
    return watch->synced;
}

size_t nj_watch_count(const struct nj_watch *watch)
{
    return watch->known.count;
}

int64_t nj_watch_last_heard_ns(const struct nj_watch *watch)
{
    return watch->last_heard_ns;
}

void nj_watch_close(struct nj_watch *watch, void (*on_closed)(void *data), void *data)
{
    if (watch == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    assert(!watch->closed);
    watch->closed = true;
    watch->on_closed = on_closed;
    watch->on_closed_data = data;
    nj_timer_stop(&watch->timer);
    if (watch->request != NULL)
        nj_http_cancel(watch->request);
    else
        nj_timer_start(&watch->timer, 0, 0);
}
