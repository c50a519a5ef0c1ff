#include "common/kube/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/client_internal.h"

static const char SERVICE_ACCOUNT_DIR[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static const int64_t TOKEN_AGE_MAX = NJ_MIN;
static const int64_t CA_AGE_MAX = 5 * NJ_MIN;

struct nj_kube_client {
    struct nj_loop *loop;
    struct nj_http *http;
    struct nj_kubeconfig config;
    char *token;                       /* from the kubeconfig or its file; NULL: none */
    char *ca;                          /* PEM; NULL: the system's */
    int64_t token_read_ns, ca_read_ns; /* monotonic */
    bool token_refused;                /* by a 401 since it was read */
};

/* Stands between the HTTP client and the caller to see a 401 pass. */
struct call {
    struct nj_kube_client *client;
    int (*on_status)(void *data, long status, const char *content_type, int64_t retry_after_ns);
    int (*on_data)(void *data, const char *bytes, size_t len);
    void (*on_done)(void *data, const struct nj_http_result *result);
    void *data;
};

/* A header's value is one line of printable characters. */
static int check_token(const char *token, const char *path, struct nj_err *err)
{
    for (const char *c = token; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c))
            return nj_err_set(err, -EINVAL, "%s: not a token: it holds a space or control character", path);
    }
    return token[0] == '\0' ? nj_err_set(err, -EINVAL, "%s: the token is empty", path) : 0;
}

static int read_token(struct nj_kube_client *client, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_kube_read_file(client->config.token_file, &text, &len, err);
    if (rc < 0)
        return nj_err_wrap(err, "token file");
    size_t used = strlen(text);
    while (used > 0 && isspace((unsigned char)text[used - 1]))
        text[--used] = '\0';
    rc = check_token(text, client->config.token_file, err);
    if (rc < 0) {
        nj_kube_wipe(text);
        return rc;
    }
    nj_kube_wipe(client->token);
    client->token = text;
    client->token_read_ns = nj_loop_mono_ns(client->loop);
    client->token_refused = false;
    return 0;
}

static int read_ca(struct nj_kube_client *client, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_kube_read_file(client->config.ca_file, &text, &len, err);
    if (rc < 0)
        return nj_err_wrap(err, "certificate authority");
    if (strstr(text, "-----BEGIN") == NULL) {
        free(text);
        return nj_err_set(err, -EINVAL, "certificate authority: %s: holds no PEM certificate",
                          client->config.ca_file);
    }
    free(client->ca);
    client->ca = text;
    client->ca_read_ns = nj_loop_mono_ns(client->loop);
    return 0;
}

/* Reads again what may have changed. A file that cannot be read now leaves what was read before: it may be in
 * the middle of its rotation, and a server that no longer likes the old one says so. */
static void refresh(struct nj_kube_client *client)
{
    int64_t now_ns = nj_loop_mono_ns(client->loop);
    if (client->config.token_file != NULL &&
        (client->token_refused || now_ns - client->token_read_ns >= TOKEN_AGE_MAX))
        (void)read_token(client, NULL);
    if (client->config.ca_file != NULL && now_ns - client->ca_read_ns >= CA_AGE_MAX)
        (void)read_ca(client, NULL);
}

int nj_kube_client_from_config(struct nj_loop *loop, struct nj_http *http, struct nj_kubeconfig *take_config,
                               struct nj_kube_client **ret_client, struct nj_err *err)
{
    struct nj_kube_client *client = NJ_NEW(struct nj_kube_client);
    client->loop = loop;
    client->http = http;
    client->config = *take_config;
    *take_config = (struct nj_kubeconfig){0};
    int rc = 0;
    if (client->config.token_file != NULL)
        rc = read_token(client, err);
    else if (client->config.token != NULL)
        rc = check_token(client->config.token, "the kubeconfig's token", err);
    if (rc == 0 && client->config.ca_file != NULL)
        rc = read_ca(client, err);
    if (rc < 0) {
        nj_kube_client_free(client);
        return rc;
    }
    if (client->config.token != NULL)
        client->token = nj_strdup(client->config.token);
    if (client->config.ca_pem != NULL)
        client->ca = nj_strdup(client->config.ca_pem);
    *ret_client = client;
    return 0;
}

int nj_kube_client_new(struct nj_loop *loop, struct nj_http *http, const char *kubeconfig,
                       struct nj_kube_client **ret_client, struct nj_err *err)
{
    struct nj_kubeconfig config;
    int rc = nj_str(kubeconfig)[0] != '\0' ? nj_kubeconfig_load(kubeconfig, &config, err)
                                           : nj_kubeconfig_in_cluster(getenv("KUBERNETES_SERVICE_HOST"),
                                                                      getenv("KUBERNETES_SERVICE_PORT"),
                                                                      SERVICE_ACCOUNT_DIR, &config, err);
    return rc < 0 ? rc : nj_kube_client_from_config(loop, http, &config, ret_client, err);
}

void nj_kube_client_free(struct nj_kube_client *client)
{
    if (client == NULL)
        return;
    nj_kubeconfig_done(&client->config);
    nj_kube_wipe(client->token);
    free(client->ca);
    free(client);
}

const char *nj_kube_client_server(const struct nj_kube_client *client)
{
    return client->config.server;
}

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct call *call = data;
    if (status == 401)
        call->client->token_refused = true;
    return call->on_status == NULL ? 0 : call->on_status(call->data, status, content_type, retry_after_ns);
}

static int on_data(void *data, const char *bytes, size_t len)
{
    struct call *call = data;
    return call->on_data(call->data, bytes, len);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct call *call = data;
    call->on_done(call->data, result);
    free(call);
}

struct nj_kube_identity nj_kube_client_identity(struct nj_kube_client *client)
{
    refresh(client);
    return (struct nj_kube_identity){.ca_pem = client->ca,
                                     .server_name = client->config.server_name,
                                     .token = client->token,
                                     .insecure_skip_verify = client->config.insecure_skip_verify};
}

static int start(struct nj_kube_client *client, const char *path, const char *accept,
                 const char *content_type, const struct nj_http_options *options,
                 struct nj_http_request **ret_request, struct nj_err *err)
{
    refresh(client);
    char *url = nj_asprintf("%s%s", client->config.server, path);
    char *accept_header = nj_asprintf("Accept: %s", accept);
    char *authorization =
        client->token == NULL ? NULL : nj_asprintf("Authorization: Bearer %s", client->token);
    const char *headers[4] = {accept_header};
    size_t header_count = 1;
    if (authorization != NULL)
        headers[header_count++] = authorization;
    if (options->body_len > 0)
        headers[header_count] = content_type;
    const struct nj_http_tls tls = {.ca_pem = client->ca,
                                    .cert_file = client->config.cert_file,
                                    .cert_pem = client->config.cert_pem,
                                    .key_file = client->config.key_file,
                                    .key_pem = client->config.key_pem,
                                    .server_name = client->config.server_name,
                                    .insecure_skip_verify = client->config.insecure_skip_verify};
    struct call *call = NJ_NEW(struct call);
    *call = (struct call){.client = client,
                          .on_status = options->on_status,
                          .on_data = options->on_data,
                          .on_done = options->on_done,
                          .data = options->data};
    struct nj_http_options with = *options;
    with.url = url;
    with.headers = headers;
    with.tls = &tls;
    with.follow_redirects = false;
    with.on_status = on_status;
    with.on_data = options->on_data == NULL ? NULL : on_data;
    with.on_done = on_done;
    with.data = call;
    int rc = nj_http_start(client->http, &with, ret_request, err);
    if (rc < 0)
        free(call);
    free(url);
    free(accept_header);
    nj_kube_wipe(authorization);
    return rc;
}

int nj_kube_client_start(struct nj_kube_client *client, const char *path, const char *accept,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err)
{
    return start(client, path, accept, "Content-Type: application/json", options, ret_request, err);
}

int nj_kube_client_apply(struct nj_kube_client *client, const char *path,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err)
{
    struct nj_http_options patch = *options;
    patch.method = "PATCH";
    return start(client, path, "application/json", "Content-Type: application/apply-patch+yaml", &patch,
                 ret_request, err);
}

int nj_kube_client_patch(struct nj_kube_client *client, const char *path,
                         const struct nj_http_options *options, struct nj_http_request **ret_request,
                         struct nj_err *err)
{
    struct nj_http_options patch = *options;
    patch.method = "PATCH";
    patch.fresh_connection = true; /* not to arrive twice */
    return start(client, path, "application/json", "Content-Type: application/json-patch+json", &patch,
                 ret_request, err);
}
