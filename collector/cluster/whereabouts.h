/*
 * What became of a pod that left a watch's selection. The server tells such a pod as DELETED, in the state it
 * had before (k8s.io/apiserver, storage/cacher, convertToWatchEvent): whether it got a node or is gone must
 * be asked. Asks by a list of the one name, for which the right to list pods is enough. Loop thread only.
 */
#ifndef NJ_CLUSTER_WHEREABOUTS_H
#define NJ_CLUSTER_WHEREABOUTS_H

#include <stdbool.h>

#include "common/kube/client.h"

struct nj_whereabouts;

enum nj_whereabout {
    NJ_WHEREABOUT_UNKNOWN, /* the server could not be asked */
    NJ_WHEREABOUT_ON_NODE,
    NJ_WHEREABOUT_GONE,
};

/* At most `max` questions are under way at once. */
struct nj_whereabouts *nj_whereabouts_new(struct nj_kube_client *client, size_t max);

/* on_answer() is called once, from the loop. False: not asked (too many questions, or no names of
 * Kubernetes), and not called. */
bool nj_whereabouts_ask(struct nj_whereabouts *whereabouts, const char *namespace, const char *name,
                        const char *uid, void (*on_answer)(void *data, enum nj_whereabout answer),
                        void *data);

/* What is still asked is answered with UNKNOWN, then on_closed is called; at once when nothing is. */
void nj_whereabouts_close(struct nj_whereabouts *whereabouts, void (*on_closed)(void *data), void *data);

#endif
