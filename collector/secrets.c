#include "collector/secrets.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/kube/client.h"
#include "common/kube/decode.h"

enum {
    SECRET_BYTES = 32,
    SECRET_HEX = 2 * SECRET_BYTES + 1,
    SECRET_ENTRIES_MAX = 2,
    REQUEST_TIMEOUT_S = 15,
    STATUS_ARENA_MAX = 1 << 20,
};

static const struct secret {
    const char *name;
    const char *keys[SECRET_ENTRIES_MAX];
} secrets[] = {
    {.name = "nightjar-key", .keys = {"key"}},
    {.name = "nightjar-api", .keys = {"read-token", "write-token"}},
};

struct creation {
    struct nj_loop loop;
    struct nj_clock clock;
    struct nj_http *http;
    struct nj_kube_client *client;
    const char *namespace;
    size_t next;
    int status;
};

static void create_next(struct creation *creation);

static void on_http_closed(void *data)
{
    nj_loop_stop(data);
}

static void finish(struct creation *creation, int status)
{
    creation->status = status;
    nj_http_close(creation->http, on_http_closed, &creation->loop);
    creation->http = NULL;
}

static void say_refusal(const struct creation *creation, const char *name,
                        const struct nj_http_result *result)
{
    struct nj_arena arena;
    struct nj_kube_status status = {0};
    nj_arena_init(&arena, STATUS_ARENA_MAX);
    bool told =
        nj_kube_decode_status(NJ_KUBE_JSON, result->body, result->body_len, &arena, &status, NULL) == 0;
    fprintf(stderr, "nightjar-collector: creating Secret %s/%s: the API server answered %ld%s%s%s\n",
            creation->namespace, name, result->status, told ? ": " : "", told ? status.message : "",
            result->status == 403 ? " (needed: `create` on secrets in this namespace)" : "");
    nj_arena_done(&arena);
}

static void on_created(void *data, const struct nj_http_result *result)
{
    struct creation *creation = data;
    const char *name = secrets[creation->next].name;
    if (result->error != 0) {
        fprintf(stderr, "nightjar-collector: creating Secret %s/%s: %s\n", creation->namespace, name,
                result->err.text);
        finish(creation, 1);
        return;
    }
    if (result->status == 201) {
        printf("secret/%s created\n", name);
    } else if (result->status == 409) {
        printf("secret/%s unchanged\n", name);
    } else {
        say_refusal(creation, name, result);
        finish(creation, 1);
        return;
    }
    creation->next++;
    create_next(creation);
}

/* A Secret's manifest with fresh random values; the text is wiped by the caller. */
static void manifest(const struct secret *secret, struct nj_buf *out)
{
    (void)nj_buf_printf(
        out,
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"type\":\"Opaque\",\"metadata\":{\"name\":\"%s\","
        "\"labels\":{\"app.kubernetes.io/part-of\":\"nightjar\"}},\"stringData\":{",
        secret->name);
    for (size_t i = 0; i < SECRET_ENTRIES_MAX && secret->keys[i] != NULL; i++) {
        unsigned char bytes[SECRET_BYTES];
        char hex[SECRET_HEX];
        randombytes_buf(bytes, sizeof(bytes));
        (void)nj_buf_printf(out, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", secret->keys[i],
                            sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes)));
        sodium_memzero(bytes, sizeof(bytes));
        sodium_memzero(hex, sizeof(hex));
    }
    (void)nj_buf_append_str(out, "}}");
}

static void create_next(struct creation *creation)
{
    if (creation->next == sizeof(secrets) / sizeof(secrets[0])) {
        finish(creation, 0);
        return;
    }
    struct nj_buf body = {0};
    NJ_CLEANUP_FREE char *path = nj_asprintf("/api/v1/namespaces/%s/secrets", creation->namespace);
    manifest(&secrets[creation->next], &body);
    struct nj_http_options options = {
        .method = "POST",
        .body = body.data,
        .body_len = body.len,
        .timeout_ns = REQUEST_TIMEOUT_S * NJ_SEC,
        .on_done = on_created,
        .data = creation,
    };
    struct nj_err err = {0};
    int rc = nj_kube_client_start(creation->client, path, "application/json", &options, NULL, &err);
    sodium_memzero(body.data, body.capacity);
    nj_buf_done(&body);
    if (rc < 0) {
        fprintf(stderr, "nightjar-collector: %s\n", err.text);
        finish(creation, 1);
    }
}

static int run(const char *namespace, const char *kubeconfig)
{
    struct creation creation = {.namespace = namespace, .status = 1};
    struct nj_err err = {0};
    nj_clock_init(&creation.clock);
    if (sodium_init() < 0 || nj_loop_init(&creation.loop, &creation.clock) < 0) {
        fputs("nightjar-collector: out of memory\n", stderr);
        return 1;
    }
    creation.http = nj_http_new(&creation.loop, 1);
    if (creation.http == NULL ||
        nj_kube_client_new(&creation.loop, creation.http, kubeconfig, &creation.client, &err) < 0) {
        fprintf(stderr, "nightjar-collector: %s\n", creation.http == NULL ? "out of memory" : err.text);
        nj_http_close(creation.http, NULL, NULL);
    } else {
        create_next(&creation);
        nj_loop_run(&creation.loop);
    }
    nj_kube_client_free(creation.client);
    (void)nj_loop_close(&creation.loop);
    return creation.status;
}

static bool is_dns_label(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= 63 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int nj_create_secrets_main(int argc, char **argv)
{
    const char *namespace = NULL;
    const char *kubeconfig = "";
    for (int i = 0; i < argc; i++) {
        if (nj_str_starts(argv[i], "--namespace=")) {
            namespace = argv[i] + strlen("--namespace=");
        } else if (nj_str_starts(argv[i], "--kubeconfig=")) {
            kubeconfig = argv[i] + strlen("--kubeconfig=");
        } else {
            fprintf(stderr,
                    "nightjar-collector: create-secrets: unknown argument '%s'\n"
                    "usage: nightjar-collector create-secrets --namespace=NAMESPACE [--kubeconfig=FILE]\n",
                    argv[i]);
            return 64;
        }
    }
    if (namespace == NULL || !is_dns_label(namespace)) {
        fputs("nightjar-collector: create-secrets: --namespace=NAMESPACE is needed\n", stderr);
        return 64;
    }
    return run(namespace, kubeconfig);
}
