#include "common/kube/get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/decode.h"

#define PROTOBUF "application/vnd.kubernetes.protobuf"
#define PARTIAL ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

enum { BODY_MAX = 2 << 20, ARENA_MAX = 8 << 20 }; /* etcd takes 1.5 MiB */

struct get {
    enum nj_kube_kind kind;
    bool protobuf; /* what the answer is */
    void (*on_done)(void *data, const struct nj_http_result *result, const struct nj_kube_object *object);
    void *data;
};

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct get *get = data;
    (void)status;
    (void)retry_after_ns;
    get->protobuf = nj_str_starts(nj_str(content_type), PROTOBUF);
    return 0;
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct get *get = data;
    struct nj_arena arena;
    struct nj_kube_object object;
    bool read = false;
    nj_arena_init(&arena, ARENA_MAX);
    if (result->error == 0 && result->status == 200 && !result->body_cut)
        read = nj_kube_decode(get->protobuf ? NJ_KUBE_PROTOBUF : NJ_KUBE_JSON, get->kind, result->body,
                              result->body_len, &arena, &object, NULL) == 0;
    get->on_done(get->data, result, read ? &object : NULL);
    nj_arena_done(&arena);
    free(get);
}

static bool is_segment(const char *text)
{
    return text[0] != '\0' && !nj_streq(text, ".") && !nj_streq(text, "..");
}

int nj_kube_get(struct nj_kube_client *client, const struct nj_kube_get_options *options,
                struct nj_http_request **ret_request, struct nj_err *err)
{
    /* A server that does not know PartialObjectMetadata sends the whole object. */
    static const char metadata[] = PROTOBUF PARTIAL ",application/json" PARTIAL ",application/json";
    static const char whole[] = PROTOBUF ",application/json";
    if (!is_segment(options->namespace) || !is_segment(options->name))
        return nj_err_set(err, -EINVAL, "'%s/%s' names no object", options->namespace, options->name);
    struct nj_buf path = {0};
    (void)nj_buf_printf(&path, "%s/%s/namespaces/",
                        strchr(options->api_version, '/') == NULL ? "/api" : "/apis", options->api_version);
    (void)nj_url_append(&path, options->namespace, strlen(options->namespace));
    (void)nj_buf_printf(&path, "/%s/", options->plural);
    (void)nj_url_append(&path, options->name, strlen(options->name));
    struct get *get = NJ_NEW(struct get);
    *get = (struct get){.kind = options->kind, .on_done = options->on_done, .data = options->data};
    const struct nj_http_options http = {.timeout_ns = options->timeout_ns,
                                         .connect_timeout_ns = options->timeout_ns,
                                         .max_body_bytes = BODY_MAX,
                                         .on_status = on_status,
                                         .on_done = on_done,
                                         .data = get};
    int rc = nj_kube_client_start(client, nj_buf_str(&path), options->kind == NJ_KUBE_META ? metadata : whole,
                                  &http, ret_request, err);
    nj_buf_done(&path);
    if (rc < 0)
        free(get);
    return rc;
}
