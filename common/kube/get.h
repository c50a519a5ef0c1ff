/*
 * One object, once: a GET of it, or of its metadata alone, in the encoding that the server has. Loop thread
 * only.
 */
#ifndef NJ_KUBE_GET_H
#define NJ_KUBE_GET_H

#include "common/kube/client.h"
#include "common/kube/objects.h"

struct nj_kube_get_options {
    const char *api_version, *plural; /* "v1", "apps/v1"; "deployments" */
    const char *namespace, *name;     /* whatever they hold, they are segments of the path */
    enum nj_kube_kind kind;           /* NJ_KUBE_META: only the metadata is asked for */
    int64_t timeout_ns;               /* real time */
    /* Once, from the loop, also with -ECANCELED after nj_http_cancel(). `object` is NULL unless the server
     * answered 200 with an object that can be read; borrowed, like the result. */
    void (*on_done)(void *data, const struct nj_http_result *result, const struct nj_kube_object *object);
    void *data;
};

/* 0, or as nj_kube_client_start(); -EINVAL also for a name that is a path of its own ("..", ""). */
int nj_kube_get(struct nj_kube_client *client, const struct nj_kube_get_options *options,
                struct nj_http_request **ret_request, struct nj_err *err);

#endif
