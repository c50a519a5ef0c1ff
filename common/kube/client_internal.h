/*
 * A client from a configuration in memory, for its own file and for tests. Private to common/kube.
 */
#ifndef NJ_KUBE_CLIENT_INTERNAL_H
#define NJ_KUBE_CLIENT_INTERNAL_H

#include "common/kube/client.h"
#include "common/kube/kubeconfig.h"

/* Takes the configuration's contents, also on failure. */
int nj_kube_client_from_config(struct nj_loop *loop, struct nj_http *http, struct nj_kubeconfig *take_config,
                               struct nj_kube_client **ret_client, struct nj_err *err);

#endif
