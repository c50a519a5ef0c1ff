/*
 * The connection to one API server: where it is, what to trust, who to be.
 *
 * From a kubeconfig file (current context; client certificates, token, tokenFile, embedded or by file) or
 * from the pod it runs in (KUBERNETES_SERVICE_HOST and _PORT, /var/run/secrets/kubernetes.io/serviceaccount).
 * A token file is read again every minute and on 401, the CA file every 5 minutes. TLS is verified, also for
 * a host given by IP. `exec` and auth-provider plugins are refused with a text that says so. Loop thread
 * only.
 */
#ifndef NJ_KUBE_CLIENT_H
#define NJ_KUBE_CLIENT_H

#include "common/loop/http.h"
#include "common/loop/loop.h"

struct nj_kube_client;

/* `kubeconfig` "" or NULL: in-cluster. 0, or negative with a text that names the file and what is missing. */
int nj_kube_client_new(struct nj_loop *loop, struct nj_http *http, const char *kubeconfig,
                       struct nj_kube_client **ret_client, struct nj_err *err);
void nj_kube_client_free(struct nj_kube_client *client); /* after its requests have ended */

/* Where it is, for logs: "https://10.0.0.1:443". */
const char *nj_kube_client_server(const struct nj_kube_client *client);

/* Starts a request to `path` ("/api/v1/pods?..."), with credentials and `accept`; options' url, headers and
 * tls are filled in here, and a body is JSON. A 401 makes the next request read the token anew. */
int nj_kube_client_start(struct nj_kube_client *client, const char *path, const char *accept,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err);

/* Server-side apply: a PATCH of `options->body`, the object with the fields that are the caller's. The path's
 * query names the fieldManager. */
int nj_kube_client_apply(struct nj_kube_client *client, const char *path,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err);

/* A PATCH by RFC 6902: `options->body` is the list of operations. */
int nj_kube_client_patch(struct nj_kube_client *client, const char *path,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err);

/* How others that talk to the server themselves (a check of its health) may do it: NULL where nothing is set.
 * The token is a secret. Borrowed until the next request. */
struct nj_kube_identity {
    const char *ca_pem, *server_name, *token;
    bool insecure_skip_verify;
};
struct nj_kube_identity nj_kube_client_identity(struct nj_kube_client *client);

#endif
