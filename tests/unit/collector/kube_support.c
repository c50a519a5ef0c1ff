#include "tests/unit/collector/kube_support.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { QUEUED_MAX = 1 << 20, BODY_MAX = 1 << 16, CONNECTIONS_MAX = 32 };

static void on_watch_ended(void *data)
{
    ((struct fake_resource *)data)->watch = NULL;
}

static void on_silence_ended(void *data)
{
    (void)data;
}

static void answer_resource(struct fake_resource *resource, struct nj_httpd_request *request)
{
    if (resource->items == NULL) {
        nj_httpd_reply(request, resource->status, "text/plain", NULL, "", 0);
        return;
    }
    if (nj_httpd_query(request, "watch") != NULL) {
        resource->watch =
            nj_httpd_reply_stream(request, "application/json", QUEUED_MAX, on_watch_ended, resource);
        resource->watches++;
        return;
    }
    char *body =
        nj_asprintf("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"10\"},"
                    "\"items\":[%s]}",
                    resource->items);
    nj_httpd_reply(request, 200, "application/json", NULL, body, strlen(body));
    free(body);
}

static void take_patch(struct fake_kube *fake, struct nj_httpd_request *request)
{
    size_t len = 0;
    const char *body = nj_httpd_body(request, &len);
    nj_buf_clear(&fake->patched);
    (void)nj_buf_printf(&fake->patched, "%s %s %s %s %.*s", nj_httpd_path(request),
                        nj_str(nj_httpd_query(request, "fieldManager")),
                        nj_str(nj_httpd_query(request, "force")),
                        nj_str(nj_httpd_header(request, "Content-Type")), (int)len, body);
    bool dry = nj_httpd_query(request, "dryRun") != NULL;
    fake->patches += dry ? 0 : 1;
    fake->dry_runs += dry ? 1 : 0;
    nj_httpd_reply(request, dry ? fake->dry_run_status : fake->patch_status, "application/json", NULL, "{}",
                   2);
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct fake_kube *fake = data;
    const char *path = nj_httpd_path(request);
    const char *slash = strrchr(path, '/');
    if (nj_streq(nj_httpd_method(request), "PATCH")) {
        take_patch(fake, request);
        return;
    }
    if (nj_streq(fake->silent, slash + 1)) {
        /* The head comes, and then nothing. */
        (void)nj_httpd_reply_stream(request, "application/json", QUEUED_MAX, on_silence_ended, NULL);
        return;
    }
    for (size_t i = 0; i < FAKE_OBJECTS_MAX; i++) {
        struct fake_object *object = &fake->objects[i];
        if (nj_streq(object->path, path)) {
            object->asked++;
            nj_httpd_reply(request, object->status, "application/json", NULL, object->body,
                           strlen(object->body));
            return;
        }
    }
    for (size_t i = 0; i < FAKE_RESOURCES_MAX; i++) {
        if (fake->resources[i].name != NULL && nj_streq(fake->resources[i].name, slash + 1)) {
            answer_resource(&fake->resources[i], request);
            return;
        }
    }
    nj_httpd_reply(request, 404, "text/plain", NULL, "", 0);
}

void fake_kube_start(struct fake_kube *fake)
{
    void *test = NULL;
    struct nj_err err = {0};
    (void)test_loop_setup(&test);
    *fake = (struct fake_kube){.test = test, .patch_status = 200, .dry_run_status = 200};
    begin_folder(&fake->folder);
    const struct nj_httpd_options options = {.listen = "127.0.0.1:0",
                                             .max_connections = CONNECTIONS_MAX,
                                             .max_body_bytes = BODY_MAX,
                                             .idle_timeout_s = 60,
                                             .handle = handle,
                                             .data = fake};
    assert_int_equal(0, nj_httpd_start(&fake->test->loop, &options, &fake->httpd, NULL));
    char path[PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/kubeconfig", fake->folder.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n"
            "  context: {cluster: c, user: u}\nclusters:\n- name: c\n"
            "  cluster: {server: \"http://127.0.0.1:%d\"}\nusers:\n- name: u\n  user: {}\n",
            nj_httpd_port(fake->httpd));
    assert_int_equal(0, fclose(file));
    fake->http = nj_http_new(&fake->test->loop, CONNECTIONS_MAX);
    if (nj_kube_client_new(&fake->test->loop, fake->http, path, &fake->client, &err) < 0)
        fail_msg("%s", err.text);
}

void fake_kube_stop(struct fake_kube *fake)
{
    void *test = fake->test;
    nj_http_close(fake->http, test_set_flag, &fake->closed);
    test_run_until(fake->test, &fake->closed);
    nj_kube_client_free(fake->client);
    fake->closed = false;
    nj_httpd_close(fake->httpd, test_set_flag, &fake->closed);
    test_run_until(fake->test, &fake->closed);
    end_folder(&fake->folder);
    nj_buf_done(&fake->patched);
    (void)test_loop_teardown(&test);
}

struct fake_resource *fake_resource(struct fake_kube *fake, const char *name, const char *items)
{
    for (size_t i = 0; i < FAKE_RESOURCES_MAX; i++) {
        struct fake_resource *resource = &fake->resources[i];
        if (resource->name != NULL && !nj_streq(resource->name, name))
            continue;
        resource->name = name;
        resource->items = items;
        return resource;
    }
    fail_msg("too many resources");
    return NULL;
}

struct fake_object *fake_object(struct fake_kube *fake, const char *path, unsigned status, const char *body)
{
    for (size_t i = 0; i < FAKE_OBJECTS_MAX; i++) {
        struct fake_object *object = &fake->objects[i];
        if (object->path != NULL && !nj_streq(object->path, path))
            continue;
        object->path = path;
        object->status = status;
        object->body = body;
        return object;
    }
    fail_msg("too many objects");
    return NULL;
}

void fake_kube_set_time(struct fake_kube *fake, int64_t now_ns)
{
    fake->now_ns = now_ns;
    fake->test->clock.replay = &fake->now_ns;
}

void fake_send(struct fake_resource *resource, const char *type, const char *object)
{
    char *line = nj_asprintf("{\"type\":\"%s\",\"object\":%s}\n", type, object);
    assert_int_equal(0, nj_httpd_stream_write(resource->watch, line, strlen(line)));
    free(line);
}

void fake_run_once(struct fake_kube *fake)
{
    (void)uv_run(&fake->test->loop.uv, fake->test->clock.replay == NULL ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (fake->test->clock.replay != NULL)
        fake->now_ns += NJ_MS;
}
