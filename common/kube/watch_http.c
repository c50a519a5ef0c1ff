#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/watch_internal.h"

enum {
    ERROR_BODY_MAX = 64 * 1024, /* bytes; of a refusal's Status */
    TIMEOUT_LEAST_S = 300,      /* of a watch, told to the server; and as much again by chance */
};

static const int64_t LIST_SILENCE = NJ_MIN; /* real time: the server's own limit for a request */

/* For metadata alone a server is asked for PartialObjectMetadata, which saves most of an object; one that
 * does not know how gives whole objects. JSON is the last choice: custom resources have no protobuf form. */
#define PARTIAL(type) "as=" type ";g=meta.k8s.io;v=v1"
#define PROTOBUF "application/vnd.kubernetes.protobuf"

static const char *accept_of(const struct nj_watch *watch)
{
    bool json = watch->options.encoding == NJ_KUBE_JSON;
    if (watch->options.kind != NJ_KUBE_META) {
        if (json)
            return "application/json";
        return watch->listing ? PROTOBUF ",application/json" : PROTOBUF ";stream=watch,application/json";
    }
    if (watch->listing)
        return json ? "application/json;" PARTIAL("PartialObjectMetadataList") ",application/json"
                    : PROTOBUF ";" PARTIAL("PartialObjectMetadataList") "," PROTOBUF ",application/json";
    return json ? "application/json;" PARTIAL("PartialObjectMetadata") ",application/json"
                : PROTOBUF ";stream=watch;" PARTIAL("PartialObjectMetadata") "," PROTOBUF
                                                                             ";stream=watch,application/json";
}

/* Adds "name=value" to a query, the value percent-encoded (RFC 3986); nothing for an empty one. */
static void add_query(struct nj_buf *path, const char *name, const char *value)
{
    if (nj_str(value)[0] == '\0')
        return;
    (void)nj_buf_printf(path, "%s%s=", strchr(nj_buf_str(path), '?') == NULL ? "?" : "&", name);
    (void)nj_url_append(path, value, strlen(value));
}

static const char *list_version(const struct nj_watch *watch)
{
    if (watch->version_unusable)
        return "";
    if (watch->floor != NULL)
        return watch->floor;
    return watch->version == NULL ? "0" : watch->version;
}

static void add_list_query(const struct nj_watch *watch, struct nj_buf *path)
{
    char limit[16];
    (void)snprintf(limit, sizeof(limit), "%d", watch->options.page_size);
    if (watch->continue_token != NULL) { /* which holds the version, that may not be given beside it */
        add_query(path, "limit", limit);
        add_query(path, "continue", watch->continue_token);
        return;
    }
    const char *version = list_version(watch);
    add_query(path, "resourceVersion", version);
    /* A list from a version comes from the server's cache, but only without a limit. */
    bool from_cache = version[0] != '\0' && !nj_streq(version, "0");
    if (!watch->unlimited && (!from_cache || watch->paginated))
        add_query(path, "limit", limit);
}

static void add_watch_query(const struct nj_watch *watch, struct nj_buf *path)
{
    char timeout[16];
    (void)snprintf(timeout, sizeof(timeout), "%u",
                   TIMEOUT_LEAST_S + nj_watch_random() % (TIMEOUT_LEAST_S + 1));
    add_query(path, "watch", "true");
    add_query(path, "allowWatchBookmarks", "true");
    add_query(path, "resourceVersion", watch->version);
    add_query(path, "timeoutSeconds", timeout);
}

static int64_t now_ns(const struct nj_watch *watch)
{
    return nj_loop_mono_ns(watch->loop);
}

static void heard(struct nj_watch *watch)
{
    watch->last_heard_ns = now_ns(watch);
    nj_gauge_set(watch->last_heard, nj_loop_wall_ns(watch->loop) / NJ_SEC);
}

static int stop(struct nj_watch *watch, enum nj_watch_stop why)
{
    watch->stop = why;
    return -ECANCELED;
}

/* Tells what is new about an object. False when the handler has closed the watch. */
static bool tell(struct nj_watch *watch, bool deleted, const struct nj_kube_object *object)
{
    enum nj_watch_event_type type = NJ_WATCH_DELETED;
    if (object->meta.uid[0] == '\0') {
        nj_watch_count_reason(watch, "errors", "Failures of lists and watches.", "no_uid");
        return true;
    }
    if (deleted) {
        if (!nj_known_remove(&watch->known, object->meta.uid))
            return true;
    } else {
        enum nj_known_change change =
            nj_known_put(&watch->known, object->meta.uid, object->meta.resource_version, watch->generation);
        if (change == NJ_KNOWN_SAME)
            return true;
        type = change == NJ_KNOWN_NEW ? NJ_WATCH_ADDED : NJ_WATCH_MODIFIED;
    }
    nj_gauge_set(watch->objects, (int64_t)watch->known.count);
    watch->options.on_object(watch->options.data, type, object);
    return !watch->closed;
}

static int on_item(void *data, const struct nj_kube_object *object)
{
    struct nj_watch *watch = data;
    watch->told++;
    return tell(watch, false, object) ? 0 : stop(watch, NJ_STOP_CLOSED);
}

/* A watch that began without a version starts with made-up ADDEDs whose versions do not ascend: none of them
 * may become the place to go on from. Any other event says that they are over. */
static void take_version(struct nj_watch *watch, enum nj_watch_event_type type, const char *version)
{
    if (type != NJ_WATCH_ADDED)
        watch->ordered = true;
    if (watch->ordered && version[0] != '\0')
        nj_watch_set(&watch->version, version);
}

static int on_event(void *data, const void *bytes, size_t len)
{
    struct nj_watch *watch = data;
    enum nj_watch_event_type type;
    struct nj_kube_object object;
    struct nj_kube_status status;
    int rc = nj_kube_decode_event(watch->encoding, watch->options.kind, bytes, len, &watch->arena, &type,
                                  &object, &status, &watch->stop_err);
    if (rc < 0) {
        nj_arena_reset(&watch->arena);
        return stop(watch, NJ_STOP_DECODE);
    }
    nj_counter_add(watch->events[type], 1);
    watch->told++;
    if (type == NJ_WATCH_ERROR) {
        watch->refusal = status;
        (void)nj_err_set(&watch->stop_err, -EPROTO, "%d %s: %s", (int)status.code, status.reason,
                         status.message);
        nj_arena_reset(&watch->arena);
        return stop(watch, NJ_STOP_ERROR_EVENT);
    }
    take_version(watch, type, object.meta.resource_version);
    bool go_on = type == NJ_WATCH_BOOKMARK || tell(watch, type == NJ_WATCH_DELETED, &object);
    nj_arena_reset(&watch->arena);
    return go_on ? 0 : stop(watch, NJ_STOP_CLOSED);
}

static bool type_is(const char *content_type, const char *wanted)
{
    return strncasecmp(nj_str(content_type), wanted, strlen(wanted)) == 0;
}

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    (void)retry_after_ns; /* also in the result */
    struct nj_watch *watch = data;
    heard(watch);
    watch->status = status;
    watch->encoding = type_is(content_type, PROTOBUF) ? NJ_KUBE_PROTOBUF : NJ_KUBE_JSON;
    if (status != 200)
        return 0;
    if (watch->encoding == NJ_KUBE_JSON && !type_is(content_type, "application/json")) {
        (void)nj_err_set(&watch->stop_err, -EPROTO, "the answer is '%s', not Kubernetes' JSON or protobuf",
                         nj_str(content_type));
        return stop(watch, NJ_STOP_DECODE);
    }
    if (watch->listing)
        watch->decoder = nj_list_decoder_new(watch->encoding, watch->options.kind,
                                             watch->options.max_object_bytes, on_item, watch);
    else
        watch->framer =
            nj_watch_framer_new(watch->encoding, watch->options.max_object_bytes, on_event, watch);
    return 0;
}

static int on_data(void *data, const char *bytes, size_t len)
{
    struct nj_watch *watch = data;
    struct nj_err err = {0};
    int rc = 0;
    heard(watch);
    if (watch->decoder != NULL) {
        rc = nj_list_decoder_feed(watch->decoder, bytes, len, &err);
    } else if (watch->framer != NULL) {
        rc = nj_watch_framer_feed(watch->framer, bytes, len, &err);
    } else {
        size_t room = ERROR_BODY_MAX - watch->error_body.len;
        (void)nj_buf_append(&watch->error_body, bytes, len < room ? len : room);
    }
    if (rc < 0 && watch->stop == NJ_STOP_NONE) {
        watch->stop_err = err;
        return stop(watch, NJ_STOP_DECODE);
    }
    return rc;
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_watch *watch = data;
    watch->request = NULL;
    nj_watch_on_end(watch, result);
}

void nj_watch_request_done(struct nj_watch *watch)
{
    nj_list_decoder_free(watch->decoder);
    nj_watch_framer_free(watch->framer);
    watch->decoder = NULL;
    watch->framer = NULL;
    nj_buf_done(&watch->error_body);
    watch->stop = NJ_STOP_NONE;
    watch->status = 0;
    watch->told = 0;
}

int nj_watch_request(struct nj_watch *watch, struct nj_err *err)
{
    struct nj_buf path = {0};
    (void)nj_buf_append_str(&path, watch->options.path);
    add_query(&path, "fieldSelector", watch->options.field_selector);
    add_query(&path, "labelSelector", watch->options.label_selector);
    if (watch->listing) {
        add_list_query(watch, &path);
        if (watch->continue_token == NULL)
            watch->generation++;
        nj_counter_add(watch->lists, 1);
    } else {
        add_watch_query(watch, &path);
        watch->ordered = watch->version != NULL && !nj_streq(watch->version, "0");
        nj_counter_add(watch->watches, 1);
    }
    nj_watch_request_done(watch);
    watch->started_ns = now_ns(watch);
    int64_t silence_ns = watch->options.silence_ns;
    const struct nj_http_options options = {
        .idle_timeout_ns = watch->listing && silence_ns > LIST_SILENCE ? LIST_SILENCE : silence_ns,
        .on_status = on_status,
        .on_data = on_data,
        .on_done = on_done,
        .data = watch,
    };
    int rc = nj_kube_client_start(watch->client, nj_buf_str(&path), accept_of(watch), &options,
                                  &watch->request, err);
    nj_buf_done(&path);
    return rc;
}

bool nj_watch_error_status(struct nj_watch *watch, struct nj_kube_status *ret_status)
{
    return watch->error_body.len > 0 &&
           nj_kube_decode_status(watch->encoding, watch->error_body.data, watch->error_body.len,
                                 &watch->arena, ret_status, NULL) == 0;
}
