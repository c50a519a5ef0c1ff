/*
 * List and watch against an API server that goes wrong in every way it can.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube/client_internal.h"
#include "common/kube/watch_internal.h"
#include "tests/unit/kube/apiserver.h"

static const char gone[] =
    "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"too old\",\"code\":410}";
static const char too_large[] =
    "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"details\":{\"causes\":"
    "[{\"reason\":\"ResourceVersionTooLarge\"}],\"retryAfterSeconds\":1}}";

/* ---- what is asked for */

static void it_lists_from_the_cache_then_watches_from_there(void **state)
{
    struct api *api = *state;
    struct nj_watch_options options = api_options(api);
    options.field_selector = "spec.nodeName=node 1&x";
    options.label_selector = "app in (a,b)";
    options.encoding = NJ_KUBE_PROTOBUF;
    options.kind = NJ_KUBE_POD;
    api->protobuf = true;
    api_default_history(api, 5);
    api_start(api, &options);
    assert_false(nj_watch_synced(api->watch));
    assert_int_equal(nj_watch_last_heard_ns(api->watch), 0);
    api_run_to_end(api);
    api_check(api, true);
    assert_true(nj_watch_synced(api->watch));
    assert_true(nj_watch_last_heard_ns(api->watch) > 0);
    assert_int_equal(api->synced, 1);
    assert_int_equal(api->troubles, 0);
    assert_int_equal(api->requests_len, 2);
    const struct api_request *list = &api->requests[0], *watch = &api->requests[1];
    assert_string_equal(list->target,
                        "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode%201%26x&labelSelector=app%20in%20"
                        "%28a%2Cb%29&resourceVersion=0&limit=500");
    assert_string_equal(list->accept, "application/vnd.kubernetes.protobuf,application/json");
    assert_string_equal(watch->accept, "application/vnd.kubernetes.protobuf;stream=watch,application/json");
    assert_string_equal(watch->version, "105");
    assert_string_equal(watch->limit, "");
    assert_non_null(strstr(watch->target, "allowWatchBookmarks=true"));
    assert_non_null(strstr(watch->target, "fieldSelector=spec.nodeName%3Dnode%201%26x&"));
    const char *timeout = strstr(watch->target, "timeoutSeconds=");
    assert_non_null(timeout);
    assert_in_range(strtol(timeout + strlen("timeoutSeconds="), NULL, 10), 300, 600);
}

static void for_metadata_it_asks_for_no_more(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api_start_default(api);
    api_run_to_end(api);
    assert_string_equal(api->requests[0].accept,
                        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
    assert_string_equal(api->requests[1].accept,
                        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
}

static void a_path_that_is_none_is_refused(void **state)
{
    struct api *api = *state;
    static const char *const paths[] = {NULL, "", "api/v1/pods", "/api/v1/pods?x=y", "/a\"b", "/a b"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct nj_watch_options options = api_options(api);
        struct nj_watch *watch = NULL;
        struct nj_err err;
        options.path = paths[i];
        assert_int_equal(nj_watch_start(&api->test->loop, api->client, &options, &watch, &err), -EINVAL);
        assert_null(watch);
    }
}

/* ---- a break at every event */

enum breakage { CLEAN_END, CUT, RESET, GONE, GARBAGE, BREAKAGES };

static int break_at, breakage; /* of the run under way */

static bool break_after(struct api *api, struct test_peer *peer, int i)
{
    if (i != break_at)
        return true;
    break_at = -1;
    /* While nobody watches two more changes happen. */
    api->now = api->now + 2 > api->history_len ? api->history_len : api->now + 2;
    switch ((enum breakage)breakage) {
    case CLEAN_END:
        api_end(peer);
        break;
    case CUT: /* in the middle of a chunk, after the beginning of an event */
        api_send(peer, api->protobuf ? "40\r\n\0\0\0\x3c\x0a\x08MODIF" : "40\r\n{\"type\":\"MODI", 15);
        test_peer_close(peer);
        break;
    case RESET:
        api->reset = peer;
        api->reset_at = API_FIRST_VERSION + 1 + i;
        break;
    case GONE:
        api_error_event(api, peer, 410, "Expired");
        api_end(peer);
        break;
    default:
        api_chunk(peer, "\xff\xff\xff\xff garbage\n", 13);
        break;
    }
    return false;
}

static void breaks_at_every_event(bool protobuf, enum breakage how)
{
    enum { LISTED = 3 };
    for (int i = LISTED; i < 16; i++) {
        void *state = NULL;
        assert_int_equal(api_setup(&state), 0);
        struct api *api = state;
        api->protobuf = protobuf;
        api_default_history(api, LISTED);
        api->after_event = break_after;
        break_at = i;
        breakage = how;
        bool resumes = how == CLEAN_END || how == CUT || how == RESET;
        api_start_default(api);
        api_run_requests(api, resumes ? 3 : 4);
        api_run_to_end(api);
        assert_int_equal(break_at, -1);
        if (resumes)
            assert_string_equal(api->last_trouble, "");
        api_check(api, resumes);
        assert_int_equal(api->synced, resumes ? 1 : 2);
        assert_int_equal(api->lists, resumes ? 1 : 2);
        assert_int_equal(api->watches, 2);
        assert_int_equal(api_relists(api, "expired"), how == GONE);
        assert_int_equal(api_relists(api, "decode"), how == GARBAGE);
        if (!resumes) { /* the list was asked from the last version that was seen */
            char version[16];
            (void)snprintf(version, sizeof(version), "%d", API_FIRST_VERSION + 1 + i);
            assert_string_equal(api->requests[2].version, version);
            assert_string_equal(api->requests[2].limit, "");
        }
        assert_int_equal(api_teardown(&state), 0);
    }
}

static void nothing_is_lost_or_doubled_wherever_a_watch_breaks(void **state)
{
    (void)state;
    for (int how = 0; how < BREAKAGES; how++) {
        breaks_at_every_event(false, (enum breakage)how);
        breaks_at_every_event(true, (enum breakage)how);
    }
}

static bool end_after_each(struct api *api, struct test_peer *peer, int i)
{
    (void)i;
    (void)api;
    test_peer_close(peer);
    return false;
}

static void a_watch_that_breaks_after_every_event_still_tells_all(void **state)
{
    struct api *api = *state;
    api_default_history(api, 0);
    api->after_event = end_after_each;
    api_start_default(api);
    api_run_requests(api, api->history_len + 2);
    api_run_to_end(api);
    api_check(api, true);
    assert_int_equal(api->lists, 1);
    assert_int_equal(api->watches, api->history_len + 1);
}

/* ---- lists */

static bool serve_pages(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (request->watch)
        return false;
    assert_string_equal(request->limit, "500");
    if (request->continue_token[0] == '\0') {
        api_page(api, peer, 0, 2, "page two");
    } else {
        assert_string_equal(request->continue_token, "page%20two");
        assert_string_equal(request->version, "");
        assert_int_equal(api->synced, 0);
        api_page(api, peer, 2, API_UIDS, NULL);
    }
    return true;
}

static void pages_are_one_list(void **state)
{
    struct api *api = *state;
    api->protobuf = true;
    api_default_history(api, 6);
    api->intercept = serve_pages;
    api_start_default(api);
    api_run_to_end(api);
    api_check(api, true);
    assert_int_equal(api->lists, 2);
    assert_int_equal(api->synced, 1);
}

static bool serve_pages_and_lose_the_watch(struct api *api, struct test_peer *peer,
                                           const struct api_request *request)
{
    if (request->watch)
        api_refuse(peer, "410 Gone", "", gone);
    else
        api_page(api, peer, 0, API_UIDS, request->continue_token[0] == '\0' ? "page two" : NULL);
    return true;
}

/* A server whose first list from its cache comes in pages has no cache: later lists are paged, too. */
static void where_the_first_list_was_paged_later_ones_are(void **state)
{
    struct api *api = *state;
    api_default_history(api, 6);
    api->intercept = serve_pages_and_lose_the_watch;
    api_start_default(api);
    api_run_requests(api, 5);
    assert_true(api->requests[2].watch);
    assert_false(api->requests[3].watch);
    assert_string_equal(api->requests[3].version, "106");
    assert_string_equal(api->requests[3].limit, "500");
    assert_string_equal(api->requests[4].continue_token, "page%20two");
}

static bool second_page_is_gone(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (request->watch)
        return false;
    if (request->continue_token[0] != '\0') {
        api->now = 9; /* pod 2 went meanwhile */
        api_refuse(peer, "410 Gone", "", gone);
    } else if (request->limit[0] != '\0') {
        api_page(api, peer, 0, 3, "next");
    } else {
        api_page(api, peer, 0, API_UIDS, NULL);
    }
    return true;
}

static void a_continued_page_that_is_gone_leads_to_a_whole_list(void **state)
{
    struct api *api = *state;
    api_default_history(api, 6);
    api->intercept = second_page_is_gone;
    api_start_default(api);
    api_run_to_end(api);
    api_check(api, false);
    assert_int_equal(api->lists, 3);
    assert_string_equal(api->requests[2].limit, "");
    assert_string_equal(api->requests[2].continue_token, "");
    assert_int_equal(api->requests[2].at_ns, api->requests[1].at_ns); /* at once */
    assert_int_equal(api->synced, 1);
}

static bool first_list_is_refused(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (request->watch || request->version[0] == '\0')
        return false;
    api_refuse(peer, api->history[0].uid == 0 ? "410 Gone" : "504 Gateway Timeout", "Retry-After: 1\r\n",
               api->history[0].uid == 0 ? gone : too_large);
    return true;
}

static void a_version_the_server_cannot_list_from_is_given_up(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        void *one = NULL;
        assert_int_equal(api_setup(&one), 0);
        struct api *api = one;
        api_default_history(api, 5);
        if (large == 1)
            api->history[0].uid = 6;
        api->intercept = first_list_is_refused;
        api_start_default(api);
        api_run_requests(api, 3);
        assert_string_equal(api->requests[0].version, "0");
        assert_string_equal(api->requests[1].version, "");
        assert_string_equal(api->requests[1].limit, "500");
        assert_int_equal(api->requests[1].at_ns, api->requests[0].at_ns); /* at once */
        assert_true(api->requests[2].watch);
        assert_int_equal(api_errors(api, large == 1 ? "too_large_version" : "expired"), 1);
        assert_int_equal(api_teardown(&one), 0);
    }
}

static bool every_list_is_gone(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    (void)api;
    (void)request;
    api_refuse(peer, "410 Gone", "", gone);
    return true;
}

static void a_server_that_refuses_every_list_is_not_hammered(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api->intercept = every_list_is_gone;
    api_start_default(api);
    api_run_requests(api, 6);
    for (int i = 2; i < 6; i++)
        assert_true(api->requests[i].at_ns - api->requests[i - 1].at_ns >= 800 * NJ_MS);
}

static bool list_breaks_off(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    static const char part[] =
        "{\"metadata\":{\"resourceVersion\":\"105\"},\"items\":[{\"metadata\":{\"uid\":"
        "\"0956c9a8-8fd6-4ec4-acd4-000000000001\",\"resourceVersion\":\"102\"}},{\"meta";
    if (request->watch || api->lists > 1)
        return false;
    api_begin(api, peer);
    api_chunk(peer, part, sizeof(part) - 1);
    test_peer_close(peer);
    return true;
}

static void after_half_a_list_no_older_one_is_taken(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api->intercept = list_breaks_off;
    api_start_default(api);
    api_run_to_end(api);
    api_check(api, false);
    assert_int_equal(api->synced, 1);
    assert_string_equal(api->requests[1].version, "105");
}

/* ---- refusals of a watch */

static const char *refusal_status, *refusal_headers;

static bool first_watch_is_refused(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (!request->watch || api->watches > 1)
        return false;
    api_refuse(peer, refusal_status, refusal_headers, "{\"kind\":\"Status\",\"message\":\"not you\"}");
    return true;
}

static void refusals_of_a_watch(void **state)
{
    (void)state;
    static const struct {
        const char *status, *headers;
        bool relists;
        int64_t least_wait_ns, most_wait_ns;
        const char *reason;
    } cases[] = {
        {"429 Too Many Requests", "", false, 800 * NJ_MS, 1700 * NJ_MS, "throttled"},
        {"429 Too Many Requests", "Retry-After: 7\r\n", false, 7 * NJ_SEC, 8 * NJ_SEC, "throttled"},
        {"503 Service Unavailable", "Retry-After: 4\r\n", false, 4 * NJ_SEC, 5 * NJ_SEC, "server"},
        {"500 Internal Server Error", "", true, 800 * NJ_MS, 1700 * NJ_MS, "server"},
        {"410 Gone", "", true, 800 * NJ_MS, 1700 * NJ_MS, "expired"},
        {"403 Forbidden", "Retry-After: 9\r\n", true, 800 * NJ_MS, 1700 * NJ_MS, "forbidden"},
        {"401 Unauthorized", "", true, 800 * NJ_MS, 1700 * NJ_MS, "unauthorized"},
        {"404 Not Found", "", true, 800 * NJ_MS, 1700 * NJ_MS, "not_found"},
        {"302 Found", "Location: http://127.0.0.1:1/\r\n", true, 800 * NJ_MS, 1700 * NJ_MS, "refused"},
        {"429 Too Many Requests", "Retry-After: 86400\r\n", false, 5 * NJ_MIN, 5 * NJ_MIN + NJ_SEC,
         "throttled"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *one = NULL;
        assert_int_equal(api_setup(&one), 0);
        struct api *api = one;
        api_default_history(api, 5);
        refusal_status = cases[i].status;
        refusal_headers = cases[i].headers;
        api->intercept = first_watch_is_refused;
        api_start_default(api);
        api_run_to_end(api);
        api_check(api, true);
        assert_int_equal(api->requests[2].watch, !cases[i].relists);
        assert_string_equal(api->requests[2].version, "105");
        int64_t waited_ns = api->requests[2].at_ns - api->requests[1].at_ns;
        assert_in_range(waited_ns, cases[i].least_wait_ns, cases[i].most_wait_ns);
        assert_int_equal(api_errors(api, cases[i].reason), 1);
        assert_int_equal(api_relists(api, cases[i].reason), cases[i].relists);
        assert_int_equal(api->troubles, 1);
        assert_non_null(strstr(api->last_trouble, "watch /api/v1/pods: the server answered"));
        if (strstr(cases[i].status, "403") != NULL)
            assert_non_null(strstr(api->last_trouble, "403: not you; grant it: see the ClusterRole"));
        assert_int_equal(api_teardown(&one), 0);
    }
}

static bool away_and_back_with_a_short_memory(struct api *api, struct test_peer *peer,
                                              const struct api_request *request)
{
    enum { AWAY = 6 };
    if (!request->watch || api->watches > AWAY)
        return false;
    api_refuse(peer, api->watches < AWAY ? "429 Too Many Requests" : "410 Gone", "", "{\"kind\":\"Status\"}");
    return true;
}

/* As an API server does that was started anew: its watch cache begins where it stands. */
static void long_waits_do_not_put_off_the_list_after_them(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api->intercept = away_and_back_with_a_short_memory;
    api_start_default(api);
    api_run_to_end(api);
    assert_int_equal(api->lists, 2);
    assert_false(api->requests[7].watch);
    assert_true(api->requests[6].at_ns - api->requests[5].at_ns >= 12 * NJ_SEC);
    assert_in_range(api->requests[7].at_ns - api->requests[6].at_ns, 800 * NJ_MS, 1700 * NJ_MS);
}

static bool throttled_in_the_stream(struct api *api, struct test_peer *peer,
                                    const struct api_request *request)
{
    if (!request->watch || api->watches > 1)
        return false;
    api_begin(api, peer);
    api_error_event(api, peer, 429, "TooManyRequests");
    api_end(peer);
    return true;
}

static void a_429_inside_a_watch_is_no_reason_to_list(void **state)
{
    struct api *api = *state;
    api->protobuf = true;
    api_default_history(api, 5);
    api->intercept = throttled_in_the_stream;
    api_start_default(api);
    api_run_to_end(api);
    api_check(api, true);
    assert_int_equal(api->lists, 1);
    assert_true(api->requests[2].at_ns - api->requests[1].at_ns >= 800 * NJ_MS);
}

/* ---- ends without an event */

static int64_t quiet_ns;

static bool quiet_watch(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (!request->watch || api->watches > 1)
        return false;
    api_begin(api, peer);
    api->clock += quiet_ns;
    api_end(peer);
    return true;
}

static void a_watch_that_ends_at_once_is_an_error_and_a_quiet_one_is_not(void **state)
{
    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        void *one = NULL;
        assert_int_equal(api_setup(&one), 0);
        struct api *api = one;
        api_default_history(api, 5);
        quiet_ns = quiet == 1 ? 400 * NJ_SEC : 0;
        api->intercept = quiet_watch;
        api_start_default(api);
        api_run_to_end(api);
        api_check(api, true);
        assert_int_equal(api->lists, quiet == 1 ? 1 : 2);
        assert_int_equal(api_errors(api, "short"), quiet == 0);
        assert_int_equal(api->troubles, quiet == 0);
        assert_int_equal(api_teardown(&one), 0);
    }
}

static bool silent_watch(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (!request->watch || api->watches > 1)
        return false;
    api_begin(api, peer);
    api_event(api, peer, api->now++);
    api->watch->options.silence_ns = NJ_MIN; /* of the next one: enough for it on the busiest machine */
    return true;                             /* and nothing more, ever */
}

static void a_silent_peer_is_left_and_the_watch_taken_up(void **state)
{
    struct api *api = *state;
    struct nj_watch_options options = api_options(api);
    options.silence_ns = NJ_SEC;
    api_default_history(api, 5);
    api->intercept = silent_watch;
    api_start(api, &options);
    api_run_requests(api, 3);
    assert_int_equal(api->lists, 1);
    assert_string_equal(api->requests[2].version, "106");
    assert_int_equal(api_errors(api, "silence"), 1);
    assert_int_equal(api->troubles, 0); /* it may have had nothing to say */
}

/* ---- credentials and connection */

static void a_refused_connection_is_no_reason_to_list(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api_start_default(api);
    api_run_to_end(api);
    int watches = api->watches;
    /* The server goes away with its listener. */
    test_server_close(&api->server);
    uint64_t refused = 0;
    for (int turn = 0; refused < 2 && turn < 20000; turn++) {
        (void)uv_run(&api->test->loop.uv, UV_RUN_NOWAIT);
        if (api->watch->request == NULL)
            api->clock += 100 * NJ_MS;
        refused = api_errors(api, "connection_refused");
    }
    assert_true(refused >= 2);
    assert_false(api->watch->listing);
    assert_int_equal(api_relists(api, "connection_refused"), 0);
    assert_int_equal(api->watches, watches);
    assert_int_equal(api->lists, 1);
    api_check(api, true);
    /* A server for the teardown. */
    char host[INET_ADDRSTRLEN];
    test_server_start_at(&api->server, test_own_host(host), api->test, NULL, api);
}

static bool wants_second_token(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    (void)api;
    if (strcmp(request->authorization, "Bearer second") == 0)
        return false;
    api_refuse(peer, "401 Unauthorized", "", "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}");
    return true;
}

static void write_token(const char *path, const char *token)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(token, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *token_path;

static void token_changes_on_trouble(void *data, const struct nj_err *err)
{
    struct api *api = data;
    assert_null(strstr(err->text, "first"));
    if (api->troubles++ == 0)
        write_token(token_path, "second\n");
}

static void a_new_token_is_read_after_a_401_and_after_a_minute(void **state)
{
    struct api *api = *state;
    char path[] = "/tmp/nj-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    test_close(fd);
    token_path = path;
    write_token(path, "first\n");
    struct nj_kubeconfig config = {.server = strdup(nj_kube_client_server(api->client)),
                                   .token_file = strdup(path)};
    nj_kube_client_free(api->client);
    api->client = NULL;
    struct nj_err err;
    assert_int_equal(nj_kube_client_from_config(&api->test->loop, api->http, &config, &api->client, &err), 0);
    struct nj_watch_options options = api_options(api);
    options.on_trouble = token_changes_on_trouble;
    api_default_history(api, 5);
    api->intercept = wants_second_token;
    api_start(api, &options);
    api_run_to_end(api);
    assert_int_equal(api->troubles, 1);
    assert_string_equal(api->requests[0].authorization, "Bearer first");
    assert_string_equal(api->requests[1].authorization, "Bearer second");

    /* Without a 401 it is read again after a minute; a file that is empty for a moment changes nothing. */
    static const struct {
        const char *token;
        int64_t later_ns;
        const char *sent;
    } steps[] = {{"third", 30 * NJ_SEC, "Bearer second"},
                 {"", 31 * NJ_SEC, "Bearer second"},
                 {"fourth\n", 0, "Bearer fourth"}};
    api->intercept = NULL;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        write_token(path, steps[i].token);
        api->clock += steps[i].later_ns;
        nj_http_cancel(api->watch->request); /* the stream breaks; the next request follows */
        api_run_requests(api, api->requests_len + 1);
        assert_string_equal(api->requests[api->requests_len - 1].authorization, steps[i].sent);
    }
    assert_int_equal(remove(path), 0);
}

static void a_token_that_is_none_is_refused_without_quoting_it(void **state)
{
    struct api *api = *state;
    static const char *const tokens[] = {"", "two words", "hunter2\r\nX-Evil: 1"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        struct nj_kubeconfig config = {.server = strdup("http://127.0.0.1:1"), .token = strdup(tokens[i])};
        struct nj_kube_client *client = NULL;
        struct nj_err err;
        assert_int_equal(nj_kube_client_from_config(&api->test->loop, api->http, &config, &client, &err),
                         -EINVAL);
        assert_null(client);
        assert_null(strstr(err.text, "hunter2"));
    }
    struct nj_kubeconfig config = {.server = strdup("https://127.0.0.1:1"),
                                   .ca_file = strdup("/nonexistent/ca.crt")};
    struct nj_kube_client *client = NULL;
    struct nj_err err;
    assert_int_equal(nj_kube_client_from_config(&api->test->loop, api->http, &config, &client, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/ca.crt"));
}

/* ---- odd answers */

static bool html(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    (void)request;
    if (api->lists > 1)
        return false;
    api_answer(peer, "200 OK", "", "text/html", "<html>log in</html>", 19);
    return true;
}

static void a_login_page_is_no_empty_cluster(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api->intercept = html;
    api_start_default(api);
    api_run_to_end(api);
    api_check(api, true);
    assert_int_equal(api->troubles, 1);
    assert_non_null(strstr(api->last_trouble, "text/html"));
}

static void an_object_over_the_bound_ends_the_list_with_words(void **state)
{
    struct api *api = *state;
    struct nj_watch_options options = api_options(api);
    options.max_object_bytes = 32;
    api_default_history(api, 5);
    api_start(api, &options);
    api_run_requests(api, 3);
    assert_non_null(strstr(api->last_trouble, "larger than 32 bytes"));
    assert_int_equal(api->synced, 0);
    assert_int_equal(api->told_len, 0);
}

static bool no_versions(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    static const char list[] = "{\"metadata\":{\"resourceVersion\":\"\"},\"items\":[]}";
    if (!request->watch) {
        api_refuse(peer, "200 OK", "", list);
        return true;
    }
    if (api->watches == 1) {
        assert_string_equal(request->version, "");
        api_begin(api, peer);
        api_event(api, peer, 4); /* ADDED, made up, newer ones first */
        api_event(api, peer, 1);
        api_end(peer);
        return true;
    }
    if (api->watches == 2) {
        assert_string_equal(request->version, "");
        api_begin(api, peer);
        api_event(api, peer, 4);
        api_event(api, peer, 5); /* MODIFIED: real */
        api_end(peer);
        return true;
    }
    return false;
}

static void made_up_events_are_no_place_to_go_on_from(void **state)
{
    struct api *api = *state;
    api_default_history(api, 0);
    api->intercept = no_versions;
    api_start_default(api);
    api_run_requests(api, 4);
    assert_string_equal(api->requests[3].version, "106");
    assert_int_equal(api->told_len >= 3, 1);
}

/* ---- closing */

static bool is_closed(struct api *api)
{
    return api->closed;
}

static void count_close(void *data)
{
    (*(int *)data)++;
}

static void what_was_never_started_is_closed_at_once(void **state)
{
    (void)state;
    int closed = 0;
    nj_watch_close(NULL, count_close, &closed);
    assert_int_equal(closed, 1);
    nj_watch_close(NULL, NULL, NULL);
}

/* In each callback in turn, then between them. */
static void it_can_be_closed_anywhere(void **state)
{
    (void)state;
    for (int at = 1; at < 40; at++) {
        void *one = NULL;
        assert_int_equal(api_setup(&one), 0);
        struct api *api = one;
        api_default_history(api, 3);
        api->after_event = break_after;
        break_at = 8;
        breakage = at % 2 == 0 ? GONE : GARBAGE;
        api->close_in = at;
        api_start_default(api);
        struct nj_watch *watch = api->watch;
        if (at < 12) {
            api_run_until(api, is_closed);
            assert_null(api->watch);
        } else { /* there are not so many callbacks: after some turns of the loop, in whatever state it is
                    then */
            for (int turn = 0; turn < (at - 12) * 4; turn++)
                (void)uv_run(&api->test->loop.uv, UV_RUN_NOWAIT);
        }
        assert_non_null(watch);
        assert_int_equal(api_teardown(&one), 0);
    }
}

static bool end_each_watch(struct api *api, struct test_peer *peer, const struct api_request *request)
{
    if (!request->watch)
        return false;
    api_begin(api, peer);
    api->clock += 2 * NJ_SEC;
    if (api->watches % 2 == 0)
        api_end(peer);
    else
        test_peer_close(peer);
    return true;
}

static void a_thousand_reconnects_leave_nothing_behind(void **state)
{
    struct api *api = *state;
    api_default_history(api, 5);
    api->intercept = end_each_watch;
    api_start_default(api);
    api_run_requests(api, 20);
    int fds = test_count_fds();
    api_run_requests(api, 1020);
    assert_in_range(test_count_fds(), fds - 3, fds + 3);
    assert_int_equal(api->lists, 1);
    assert_int_equal(api->troubles, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(it_lists_from_the_cache_then_watches_from_there),
        api_case(for_metadata_it_asks_for_no_more),
        api_case(a_path_that_is_none_is_refused),
        cmocka_unit_test(nothing_is_lost_or_doubled_wherever_a_watch_breaks),
        api_case(a_watch_that_breaks_after_every_event_still_tells_all),
        api_case(pages_are_one_list),
        api_case(where_the_first_list_was_paged_later_ones_are),
        api_case(a_continued_page_that_is_gone_leads_to_a_whole_list),
        cmocka_unit_test(a_version_the_server_cannot_list_from_is_given_up),
        api_case(a_server_that_refuses_every_list_is_not_hammered),
        api_case(after_half_a_list_no_older_one_is_taken),
        cmocka_unit_test(refusals_of_a_watch),
        api_case(long_waits_do_not_put_off_the_list_after_them),
        api_case(a_429_inside_a_watch_is_no_reason_to_list),
        cmocka_unit_test(a_watch_that_ends_at_once_is_an_error_and_a_quiet_one_is_not),
        api_case(a_silent_peer_is_left_and_the_watch_taken_up),
        api_case(a_refused_connection_is_no_reason_to_list),
        api_case(a_new_token_is_read_after_a_401_and_after_a_minute),
        api_case(a_token_that_is_none_is_refused_without_quoting_it),
        api_case(a_login_page_is_no_empty_cluster),
        api_case(an_object_over_the_bound_ends_the_list_with_words),
        api_case(made_up_events_are_no_place_to_go_on_from),
        cmocka_unit_test(what_was_never_started_is_closed_at_once),
        cmocka_unit_test(it_can_be_closed_anywhere),
        api_case(a_thousand_reconnects_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
