#include "tests/unit/kube/apiserver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/kube/client_internal.h"
#include "common/kube/watch_internal.h"
#include "kubernetes.pb-c.h"

enum { TURNS_MAX = 50000 };

static int version_of(int i)
{
    return API_FIRST_VERSION + 1 + i;
}

static const char *uid_text(int uid, char text[40])
{
    (void)snprintf(text, 40, "0956c9a8-8fd6-4ec4-acd4-%012x", (unsigned)uid);
    return text;
}

/* ---- objects in both encodings */

static void put_field(struct nj_buf *out, int number, const void *bytes, size_t len)
{
    assert_int_equal(nj_buf_append_char(out, (char)(number << 3 | 2)), 0);
    size_t left = len;
    do {
        assert_int_equal(nj_buf_append_char(out, (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0))), 0);
        left >>= 7;
    } while (left > 0);
    assert_int_equal(nj_buf_append(out, bytes, len), 0);
}

static void wrap(struct nj_buf *out, const struct nj_buf *raw)
{
    assert_int_equal(nj_buf_append(out, "k8s\0\x0a\0", 6), 0);
    put_field(out, 2, nj_buf_str(raw), raw->len);
}

/* uid < 0: a bookmark's object, with its version alone. */
static void put_object(const struct api *api, int uid, int version, struct nj_buf *out)
{
    char uid_buf[40], version_text[16], name[16];
    (void)uid_text(uid, uid_buf);
    (void)snprintf(version_text, sizeof(version_text), "%d", version);
    (void)snprintf(name, sizeof(name), "pod-%d", uid);
    if (!api->protobuf) {
        if (uid < 0)
            (void)nj_buf_printf(out, "{\"metadata\":{\"resourceVersion\":\"%s\"}}", version_text);
        else
            (void)nj_buf_printf(out,
                                "{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"}}",
                                name, uid_buf, version_text);
        return;
    }
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    meta.resourceversion = version_text;
    if (uid >= 0) {
        meta.name = name;
        meta.uid = uid_buf;
    }
    unsigned char packed[256];
    put_field(out, 1, packed, k8s__object_meta__pack(&meta, packed));
}

static void put_event(const struct api *api, const char *type, const struct nj_buf *object,
                      struct nj_buf *out)
{
    if (!api->protobuf) {
        (void)nj_buf_printf(out, "{\"type\":\"%s\",\"object\":%s}\n", type, nj_buf_str(object));
        return;
    }
    struct nj_buf wrapped = {0}, extension = {0}, event = {0};
    wrap(&wrapped, object);
    put_field(&extension, 1, wrapped.data, wrapped.len);
    put_field(&event, 1, type, strlen(type));
    put_field(&event, 2, extension.data, extension.len);
    unsigned char length[4];
    for (int i = 0; i < 4; i++)
        length[i] = (unsigned char)(event.len >> (24 - 8 * i));
    assert_int_equal(nj_buf_append(out, length, 4), 0);
    assert_int_equal(nj_buf_append(out, event.data, event.len), 0);
    nj_buf_done(&wrapped);
    nj_buf_done(&extension);
    nj_buf_done(&event);
}

/* ---- answers */

struct sending {
    uv_write_t write;
    char bytes[];
};

static void on_sent(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

void api_send(struct test_peer *peer, const void *bytes, size_t len)
{
    if (uv_is_closing((uv_handle_t *)&peer->tcp) || len == 0)
        return;
    struct sending *sending = calloc(1, sizeof(*sending) + len);
    assert_non_null(sending);
    memcpy(sending->bytes, bytes, len);
    sending->write.data = sending;
    uv_buf_t buf = uv_buf_init(sending->bytes, (unsigned)len);
    assert_int_equal(uv_write(&sending->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_sent), 0);
}

void api_answer(struct test_peer *peer, const char *status, const char *headers, const char *content_type,
                const void *body, size_t len)
{
    struct nj_buf head = {0};
    (void)nj_buf_printf(&head, "HTTP/1.1 %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status,
                        headers, content_type, len);
    api_send(peer, head.data, head.len);
    api_send(peer, body, len);
    nj_buf_done(&head);
}

void api_refuse(struct test_peer *peer, const char *status, const char *headers, const char *body)
{
    api_answer(peer, status, headers, "application/json", body, strlen(body));
}

static const char *content_type(const struct api *api, bool stream)
{
    if (!api->protobuf)
        return "application/json";
    return stream ? "application/vnd.kubernetes.protobuf;stream=watch"
                  : "application/vnd.kubernetes.protobuf";
}

void api_begin(struct api *api, struct test_peer *peer)
{
    struct nj_buf head = {0};
    (void)nj_buf_printf(&head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
                        content_type(api, true));
    api_send(peer, head.data, head.len);
    nj_buf_done(&head);
}

void api_chunk(struct test_peer *peer, const void *bytes, size_t len)
{
    struct nj_buf chunk = {0};
    (void)nj_buf_printf(&chunk, "%zx\r\n", len);
    assert_int_equal(nj_buf_append(&chunk, bytes, len), 0);
    assert_int_equal(nj_buf_append(&chunk, "\r\n", 2), 0);
    api_send(peer, chunk.data, chunk.len);
    nj_buf_done(&chunk);
}

void api_event(struct api *api, struct test_peer *peer, int i)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    const struct api_change *change = &api->history[i];
    struct nj_buf object = {0}, event = {0};
    put_object(api, change->type == NJ_WATCH_BOOKMARK ? -1 : change->uid, version_of(i), &object);
    put_event(api, names[change->type], &object, &event);
    api_chunk(peer, event.data, event.len);
    nj_buf_done(&object);
    nj_buf_done(&event);
}

void api_error_event(struct api *api, struct test_peer *peer, int code, const char *reason)
{
    struct nj_buf object = {0}, event = {0};
    if (api->protobuf) {
        K8s__Status status = K8S__STATUS__INIT;
        status.has_code = 1;
        status.code = code;
        status.reason = (char *)reason;
        unsigned char packed[256];
        assert_int_equal(nj_buf_append(&object, packed, k8s__status__pack(&status, packed)), 0);
    } else {
        (void)nj_buf_printf(&object, "{\"kind\":\"Status\",\"code\":%d,\"reason\":\"%s\"}", code, reason);
    }
    put_event(api, "ERROR", &object, &event);
    api_chunk(peer, event.data, event.len);
    nj_buf_done(&object);
    nj_buf_done(&event);
}

void api_end(struct test_peer *peer)
{
    api_send(peer, "0\r\n\r\n", 5);
}

/* The server's own picture after the first `now` changes. */
static void server_picture(const struct api *api, int now, int picture[API_UIDS])
{
    memset(picture, 0, API_UIDS * sizeof(picture[0]));
    for (int i = 0; i < now; i++) {
        const struct api_change *change = &api->history[i];
        if (change->type != NJ_WATCH_BOOKMARK)
            picture[change->uid] = change->type == NJ_WATCH_DELETED ? 0 : version_of(i);
    }
}

void api_page(struct api *api, struct test_peer *peer, int from, int to, const char *continue_token)
{
    int picture[API_UIDS];
    struct nj_buf body = {0}, raw = {0}, item = {0};
    char version[16];
    server_picture(api, api->now, picture);
    if (api->listed_now < 0)
        api->listed_now = api->now;
    (void)snprintf(version, sizeof(version), "%d", API_FIRST_VERSION + api->now);
    if (api->protobuf) {
        K8s__ListMeta meta = K8S__LIST_META__INIT;
        meta.resourceversion = version;
        meta.continue_ = (char *)continue_token;
        unsigned char packed[256];
        put_field(&raw, 1, packed, k8s__list_meta__pack(&meta, packed));
    } else {
        (void)nj_buf_printf(
            &raw,
            "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"%s\",\"continue\":\"%s\"},"
            "\"items\":[",
            version, continue_token == NULL ? "" : continue_token);
    }
    int items = 0;
    for (int uid = from; uid < to; uid++) {
        if (picture[uid] == 0)
            continue;
        nj_buf_clear(&item);
        put_object(api, uid, picture[uid], &item);
        if (api->protobuf)
            put_field(&raw, 2, item.data, item.len);
        else
            (void)nj_buf_printf(&raw, "%s%s", items == 0 ? "" : ",", item.data);
        items++;
    }
    if (api->protobuf) {
        wrap(&body, &raw);
    } else {
        assert_int_equal(nj_buf_append(&body, raw.data, raw.len), 0);
        assert_int_equal(nj_buf_append_str(&body, "]}\n"), 0);
    }
    api_answer(peer, "200 OK", "", content_type(api, false), body.data, body.len);
    nj_buf_done(&body);
    nj_buf_done(&raw);
    nj_buf_done(&item);
}

void api_serve(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (!request->watch) {
        api_page(api, peer, 0, API_UIDS, NULL);
        return;
    }
    int after = atoi(request->version); /* NOLINT(cert-err34-c): the test's own digits */
    api_begin(api, peer);
    for (int i = 0; i < api->history_len; i++) {
        if (version_of(i) <= after)
            continue;
        if (api->now < i + 1)
            api->now = i + 1;
        api_event(api, peer, i);
        if (api->after_event != NULL && !api->after_event(api, peer, i))
            return;
    }
}

/* ---- requests */

static void copy_between(const char *text, const char *mark, const char *stops, char *out, size_t size)
{
    const char *found = strstr(text, mark);
    out[0] = '\0';
    if (found == NULL)
        return;
    found += strlen(mark);
    (void)snprintf(out, size, "%.*s", (int)strcspn(found, stops), found);
}

static void on_request(struct test_peer *peer)
{
    struct api *api = peer->server->data;
    assert_int_equal(uv_tcp_nodelay(&peer->tcp, 1), 0); /* else each small answer waits for the one before */
    assert_in_range(api->requests_len, 0, API_REQUESTS_MAX - 1);
    struct api_request *request = &api->requests[api->requests_len++];
    *request = (struct api_request){.at_ns = api->clock};
    copy_between(peer->request, "GET ", " ", request->target, sizeof(request->target));
    copy_between(peer->request, "Accept: ", "\r", request->accept, sizeof(request->accept));
    copy_between(peer->request, "Authorization: ", "\r", request->authorization,
                 sizeof(request->authorization));
    copy_between(request->target, "resourceVersion=", "&", request->version, sizeof(request->version));
    copy_between(request->target, "limit=", "&", request->limit, sizeof(request->limit));
    copy_between(request->target, "continue=", "&", request->continue_token, sizeof(request->continue_token));
    request->watch = strstr(request->target, "watch=true") != NULL;
    api->lists += !request->watch;
    api->watches += request->watch;
    if (api->intercept == NULL || !api->intercept(api, peer, request))
        api_serve(api, peer, request);
}

/* ---- the handler */

static bool called_back(struct api *api)
{
    assert_false(api->closed);
    if (api->close_in > 0 && --api->close_in == 0) {
        nj_watch_close(api->watch, test_set_flag, &api->closed);
        api->watch = NULL;
        return false;
    }
    return true;
}

static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct api *api = data;
    char text[40];
    int uid = 0;
    while (uid < API_UIDS && strcmp(uid_text(uid, text), object->meta.uid) != 0)
        uid++;
    assert_in_range(uid, 0, API_UIDS - 1);
    assert_in_range(api->told_len, 0, (int)(sizeof(api->told) / sizeof(api->told[0])) - 1);
    int version = atoi(object->meta.resource_version); /* NOLINT(cert-err34-c): the test's own digits */
    api->told[api->told_len++] = (struct api_told){.type = type, .uid = uid, .version = version};
    /* The order that the header promises. */
    if (type == NJ_WATCH_ADDED)
        assert_int_equal(api->picture[uid], 0);
    else
        assert_int_not_equal(api->picture[uid], 0);
    if (version != 0)
        assert_true(version > api->picture[uid]);
    api->picture[uid] = type == NJ_WATCH_DELETED ? 0 : version;
    (void)called_back(api);
}

static void on_synced(void *data)
{
    struct api *api = data;
    api->synced++;
    (void)called_back(api);
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct api *api = data;
    api->troubles++;
    assert_int_not_equal(err->code, 0);
    (void)snprintf(api->last_trouble, sizeof(api->last_trouble), "%s", err->text);
    (void)called_back(api);
}

/* ---- life */

int api_setup(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    assert_non_null(api);
    void *test = NULL;
    assert_int_equal(test_loop_setup(&test), 0);
    api->test = test;
    api->clock = 1000 * NJ_SEC;
    api->listed_now = -1;
    api->test->clock.replay = &api->clock;
    char host[INET_ADDRSTRLEN];
    test_server_start_at(&api->server, test_own_host(host), api->test, on_request, api);
    api->http = nj_http_new(&api->test->loop, 8);
    assert_non_null(api->http);
    api->metrics = nj_metrics_new();
    char server[64];
    (void)snprintf(server, sizeof(server), "http://%s:%d", host, api->server.port);
    struct nj_kubeconfig config = {.server = strdup(server)};
    struct nj_err err;
    assert_int_equal(nj_kube_client_from_config(&api->test->loop, api->http, &config, &api->client, &err), 0);
    *state = api;
    return 0;
}

void api_default_history(struct api *api, int now)
{
    static const struct api_change history[] = {
        {NJ_WATCH_ADDED, 0},    {NJ_WATCH_ADDED, 1},    {NJ_WATCH_ADDED, 2},    {NJ_WATCH_MODIFIED, 0},
        {NJ_WATCH_ADDED, 3},    {NJ_WATCH_MODIFIED, 1}, {NJ_WATCH_DELETED, 2},  {NJ_WATCH_BOOKMARK, 0},
        {NJ_WATCH_MODIFIED, 3}, {NJ_WATCH_DELETED, 0},  {NJ_WATCH_ADDED, 4},    {NJ_WATCH_MODIFIED, 4},
        {NJ_WATCH_DELETED, 3},  {NJ_WATCH_MODIFIED, 4}, {NJ_WATCH_BOOKMARK, 0}, {NJ_WATCH_ADDED, 5},
    };
    memcpy(api->history, history, sizeof(history));
    api->history_len = sizeof(history) / sizeof(history[0]);
    api->now = now;
}

struct nj_watch_options api_options(struct api *api)
{
    return (struct nj_watch_options){.path = "/api/v1/pods",
                                     .kind = NJ_KUBE_META,
                                     .encoding = api->protobuf ? NJ_KUBE_PROTOBUF : NJ_KUBE_JSON,
                                     .metrics = api->metrics,
                                     .on_object = on_object,
                                     .on_synced = on_synced,
                                     .on_trouble = on_trouble,
                                     .data = api};
}

void api_start(struct api *api, const struct nj_watch_options *options)
{
    struct nj_err err;
    assert_int_equal(nj_watch_start(&api->test->loop, api->client, options, &api->watch, &err), 0);
}

void api_start_default(struct api *api)
{
    struct nj_watch_options options = api_options(api);
    api_start(api, &options);
}

/* What the watch waits for comes at its very instant. */
static void on_turn(uv_timer_t *timer)
{
    struct api *api = timer->data;
    if (api->watch == NULL)
        return;
    if (api->watch->timer.armed && api->watch->timer.due_ns > api->clock)
        api->clock = api->watch->timer.due_ns;
    if (api->reset != NULL && api->watch->version != NULL &&
        strtol(api->watch->version, NULL, 10) >= api->reset_at) {
        test_peer_reset(api->reset);
        api->reset = NULL;
    }
}

void api_run_until(struct api *api, bool (*condition)(struct api *api))
{
    uv_timer_t turn;
    assert_int_equal(uv_timer_init(&api->test->loop.uv, &turn), 0);
    turn.data = api;
    assert_int_equal(uv_timer_start(&turn, on_turn, 1, 1), 0);
    int turns = 0;
    while (!condition(api) && ++turns < TURNS_MAX)
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&turn, NULL);
    (void)uv_run(&api->test->loop.uv, UV_RUN_NOWAIT);
    if (turns == TURNS_MAX)
        fail_msg("stuck after %d requests, %d told; last trouble: %s", api->requests_len, api->told_len,
                 api->last_trouble);
}

static bool is_closed(struct api *api)
{
    return api->closed;
}

int api_teardown(void **state)
{
    struct api *api = *state;
    if (api->watch != NULL) {
        int told = api->told_len, synced = api->synced, troubles = api->troubles;
        nj_watch_close(api->watch, test_set_flag, &api->closed);
        assert_false(api->closed); /* never from inside */
        api->watch = NULL;         /* which product time may not look at any more */
        api_run_until(api, is_closed);
        assert_int_equal(api->told_len, told);
        assert_int_equal(api->synced, synced);
        assert_int_equal(api->troubles, troubles);
    }
    nj_kube_client_free(api->client);
    bool http_closed = false;
    nj_http_close(api->http, test_set_flag, &http_closed);
    test_run_until(api->test, &http_closed);
    test_server_close(&api->server);
    nj_metrics_free(api->metrics);
    void *test = api->test;
    int rc = test_loop_teardown(&test);
    free(api);
    return rc;
}

static bool has_requests(struct api *api)
{
    return api->requests_len >= api->requests_wanted;
}

void api_run_requests(struct api *api, int requests)
{
    api->requests_wanted = requests;
    api_run_until(api, has_requests);
}

static bool at_end(struct api *api)
{
    char version[16];
    (void)snprintf(version, sizeof(version), "%d", API_FIRST_VERSION + api->history_len);
    return api->watch->version != NULL && strcmp(api->watch->version, version) == 0 && !api->watch->listing &&
           api->watch->request != NULL;
}

void api_run_to_end(struct api *api)
{
    api_run_until(api, at_end);
}

void api_check(struct api *api, bool complete)
{
    int picture[API_UIDS], at[API_UIDS] = {0}, count = 0;
    server_picture(api, api->now, picture);
    for (int uid = 0; uid < API_UIDS; uid++) {
        assert_int_equal(api->picture[uid], picture[uid]);
        count += picture[uid] != 0;
    }
    assert_int_equal(nj_watch_count(api->watch), count);
    for (int i = 0; i < api->told_len; i++) {
        const struct api_told *told = &api->told[i];
        if (told->version == 0) { /* a deletion that a list found out */
            assert_int_equal(told->type, NJ_WATCH_DELETED);
            assert_false(complete);
            continue;
        }
        const struct api_change *change = &api->history[told->version - API_FIRST_VERSION - 1];
        assert_int_equal(change->uid, told->uid);
        assert_true(told->version > at[told->uid]);
        at[told->uid] = told->version;
    }
    if (!complete)
        return;
    /* The first list, then every change after it, one by one and in the server's order. */
    int i = 0;
    while (i < api->told_len && api->told[i].version <= API_FIRST_VERSION + api->listed_now)
        i++;
    for (int k = api->listed_now; k < api->history_len; k++) {
        if (api->history[k].type == NJ_WATCH_BOOKMARK)
            continue;
        assert_in_range(i, 0, api->told_len - 1);
        assert_int_equal(api->told[i].version, version_of(k));
        assert_int_equal(api->told[i].type, api->history[k].type);
        i++;
    }
    assert_int_equal(i, api->told_len);
}

static uint64_t reason_count(struct api *api, const char *name, const char *reason)
{
    char line[160];
    struct nj_buf text = {0};
    (void)snprintf(line, sizeof(line), "nightjar_kube_%s_total{resource=\"pods\",reason=\"%s\"} ", name,
                   reason);
    assert_int_equal(nj_metrics_render(api->metrics, &text), 0);
    const char *found = strstr(text.data, line);
    uint64_t count = found == NULL ? 0 : strtoull(found + strlen(line), NULL, 10);
    nj_buf_done(&text);
    return count;
}

uint64_t api_errors(struct api *api, const char *reason)
{
    return reason_count(api, "errors", reason);
}

uint64_t api_relists(struct api *api, const char *reason)
{
    return reason_count(api, "relist", reason);
}
