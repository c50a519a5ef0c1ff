/*
 * How long Deployments give a rollout to make progress: asked of the API server once, shared by their pods,
 * and remembered for a while. Nothing is listed or watched. Private to agent/probes; loop thread.
 */
#ifndef NJ_PROBES_DEADLINE_H
#define NJ_PROBES_DEADLINE_H

#include "common/kube/client.h"
#include "common/loop/loop.h"

struct nj_deadlines;

/* on_known(): one that was not known yet is, or cannot be. A NULL client: nothing can be. */
struct nj_deadlines *nj_deadlines_new(struct nj_loop *loop, struct nj_kube_client *client,
                                      void (*on_known)(void *data), void *data);

/* progressDeadlineSeconds; 0: it has none, or none that can be known, or it is not known yet and being asked
 * for. */
int64_t nj_deadlines_get(struct nj_deadlines *deadlines, const char *namespace, const char *name);

/* on_known() is not called any more. on_closed() may be called at once. Takes NULL. */
void nj_deadlines_close(struct nj_deadlines *deadlines, void (*on_closed)(void *data), void *data);

#endif
