/*
 * List, then watch, for ever, with the manners of client-go's reflector (tools/cache/reflector.go): what to
 * list and from which version, paging, bookmarks, resuming, both kinds of 410, "too large resource version",
 * 429 and Retry-After, jittered backoff from 0.8 s to 30 s, a silent peer. Knows uid and version of every
 * object it has told, so that a list after a broken watch is told as the difference: ADDED, MODIFIED and
 * DELETED for what changed, nothing for the rest.
 *
 * Invariant: for each uid the handler sees ADDED, MODIFIED..., DELETED in this order, and no version twice in
 * a row. Loop thread only.
 */
#ifndef NJ_KUBE_WATCH_H
#define NJ_KUBE_WATCH_H

#include "common/base/metrics.h"
#include "common/kube/client.h"
#include "common/kube/decode.h"

struct nj_watch;

struct nj_watch_options {
    const char *path;           /* "/api/v1/pods", "/apis/nightjar.dev/v1alpha1/apimonitors" */
    const char *field_selector; /* NULL: none */
    const char *label_selector;
    enum nj_kube_kind kind;
    enum nj_kube_encoding encoding;
    size_t max_object_bytes;    /* 0: 4 MiB; a larger one ends the list or watch with an error */
    int page_size;              /* 0: 500 */
    int64_t silence_ns;         /* real time without a byte after which the peer counts as dead; 0: 180 s */
    struct nj_metrics *metrics; /* may be NULL; nightjar_kube_* labelled with the path's last segment */

    /* An object came, changed or went. For a DELETED found by a relist only object->meta.uid is set.
     * Borrowed. */
    void (*on_object)(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object);
    /* A whole list has been told: from now on the handler's picture is complete. After each list. */
    void (*on_synced)(void *data);
    /* Something went wrong and will be tried again; for logs and readiness. -EACCES: no right to it, -ENOENT:
     * the server has no such resource. May be NULL. */
    void (*on_trouble)(void *data, const struct nj_err *err);
    void *data;
};

int nj_watch_start(struct nj_loop *loop, struct nj_kube_client *client,
                   const struct nj_watch_options *options, struct nj_watch **ret_watch, struct nj_err *err);

bool nj_watch_synced(const struct nj_watch *watch);
size_t nj_watch_count(const struct nj_watch *watch); /* objects known */
/* When the server was last heard, monotonic by the loop's clock; 0: never. */
int64_t nj_watch_last_heard_ns(const struct nj_watch *watch);

/* No callback but on_closed follows. Takes NULL: on_closed is then called at once. */
void nj_watch_close(struct nj_watch *watch, void (*on_closed)(void *data), void *data);

#endif
