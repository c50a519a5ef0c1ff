/*
 * The node's pods: watches those with spec.nodeName = this node, feeds the crash detector and who else wants
 * to know, and wakes the detector when time alone brings something about. Trouble with the API server is
 * logged once when it begins and once when it is over; the watch goes on by itself. Loop thread only.
 */
#ifndef NJ_PODS_PODS_H
#define NJ_PODS_PODS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/crash/detect.h"
#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/kube/client.h"
#include "common/loop/loop.h"

struct nj_pods;

struct nj_pods_options {
    struct nj_loop *loop; /* these four are borrowed until on_closed() */
    struct nj_kube_client *client;
    struct nj_detector *detector;
    struct nj_metrics *metrics; /* may be NULL */
    const char *node;           /* copied */
    /* After the detector, what the watch tells: see struct nj_watch_options. May be NULL. */
    void (*on_object)(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object);
    void (*on_synced)(void *data);
    void *data;
};

int nj_pods_start(const struct nj_pods_options *options, struct nj_pods **ret_pods, struct nj_err *err);

/* The detector's times have changed: look again at what is due. */
void nj_pods_wake(struct nj_pods *pods);

bool nj_pods_synced(const struct nj_pods *pods);
size_t nj_pods_count(const struct nj_pods *pods);
/* What is wrong at the moment; NULL: nothing is known to be. */
const char *nj_pods_trouble(const struct nj_pods *pods);

/* The detector is not called any more from here on. Takes NULL. */
void nj_pods_close(struct nj_pods *pods, void (*on_closed)(void *data), void *data);

#endif
