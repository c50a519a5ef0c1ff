/*
 * The collector's own watches against a small API server on the same loop: projects of namespaces, pods that
 * no node takes, and what became of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cluster/namespaces.h"
#include "collector/cluster/unscheduled.h"
#include "collector/cluster/whereabouts.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/loop/httpd.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/support.h"

enum { QUEUED_MAX = 1 << 20, TEXT_BYTES = 2048 };

struct api {
    struct test_loop *test;
    struct folder folder;
    struct nj_httpd *httpd;
    struct nj_http *http;
    struct nj_kube_client *client;
    const char *items; /* of the next lists */
    struct nj_httpd_stream *watch;
    int watches;
    const char *found; /* items of a list by name; NULL: 500 */
    int looked;
    char looked_at[TEXT_BYTES];
    struct nj_httpd_request *kept; /* a question that is not answered */
    bool keep_questions;

    struct nj_namespaces *namespaces;
    struct nj_unscheduled *unscheduled;
    struct nj_buf told; /* "stuck a Deployment/web no node fits;cleared a scheduled;" */
    bool closed;
    volatile int64_t now_ns;
};

static void reply_list(struct nj_httpd_request *request, const char *kind, const char *items)
{
    char *body =
        nj_asprintf("{\"kind\":\"%s\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"10\"},"
                    "\"items\":[%s]}",
                    kind, items);
    nj_httpd_reply(request, 200, "application/json", NULL, body, strlen(body));
    free(body);
}

static void on_watch_ended(void *data)
{
    struct api *api = data;
    api->watch = NULL;
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct api *api = data;
    const char *path = nj_httpd_path(request);
    const char *name = nj_httpd_query(request, "fieldSelector");
    if (strstr(path, "/namespaces/") != NULL) {
        api->looked++;
        (void)snprintf(api->looked_at, sizeof(api->looked_at), "%s %s", path, nj_str(name));
        if (api->keep_questions)
            api->kept = request;
        else if (api->found == NULL)
            nj_httpd_reply(request, 500, "text/plain", NULL, "", 0);
        else
            reply_list(request, "PodList", api->found);
        return;
    }
    if (!nj_streq(nj_httpd_query(request, "watch"), "true") &&
        !nj_streq(nj_httpd_query(request, "watch"), "1")) {
        reply_list(request, nj_str_ends(path, "/pods") ? "PodList" : "NamespaceList", api->items);
        return;
    }
    api->watch = nj_httpd_reply_stream(request, "application/json", QUEUED_MAX, on_watch_ended, api);
    api->watches++;
}

static int setup(void **state)
{
    void *test = NULL;
    struct api *api = NJ_NEW(struct api);
    struct nj_err err = {0};
    (void)test_loop_setup(&test);
    api->test = test;
    api->items = "";
    begin_folder(&api->folder);
    const struct nj_httpd_options options = {.listen = "127.0.0.1:0",
                                             .max_connections = 16,
                                             .max_body_bytes = 1024,
                                             .idle_timeout_s = 60,
                                             .handle = handle,
                                             .data = api};
    assert_int_equal(0, nj_httpd_start(&api->test->loop, &options, &api->httpd, NULL));
    char path[PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/kubeconfig", api->folder.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(
        file,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: c, "
        "user: u}\n"
        "clusters:\n- name: c\n  cluster: {server: \"http://127.0.0.1:%d\"}\nusers:\n- name: u\n  user: {}\n",
        nj_httpd_port(api->httpd));
    assert_int_equal(0, fclose(file));
    api->http = nj_http_new(&api->test->loop, 8);
    if (nj_kube_client_new(&api->test->loop, api->http, path, &api->client, &err) < 0)
        fail_msg("%s", err.text);
    *state = api;
    return 0;
}

static void close_and_wait(struct api *api, void (*close)(struct api *api))
{
    api->closed = false;
    close(api);
    test_run_until(api->test, &api->closed);
}

static void close_unscheduled(struct api *api)
{
    nj_unscheduled_close(api->unscheduled, test_set_flag, &api->closed);
    api->unscheduled = NULL;
}

static void close_namespaces(struct api *api)
{
    nj_namespaces_close(api->namespaces, test_set_flag, &api->closed);
}

static void close_http(struct api *api)
{
    nj_http_close(api->http, test_set_flag, &api->closed);
}

static void close_httpd(struct api *api)
{
    nj_httpd_close(api->httpd, test_set_flag, &api->closed);
}

static int teardown(void **state)
{
    struct api *api = *state;
    void *test = api->test;
    close_and_wait(api, close_unscheduled);
    close_and_wait(api, close_namespaces);
    close_and_wait(api, close_http);
    nj_kube_client_free(api->client);
    if (api->kept != NULL)
        nj_httpd_reply(api->kept, 200, "text/plain", NULL, "", 0);
    close_and_wait(api, close_httpd);
    end_folder(&api->folder);
    nj_buf_done(&api->told);
    free(api);
    return test_loop_teardown(&test);
}

static void run_until_watching(struct api *api, int watches)
{
    while (api->watches < watches)
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
}

static void send_event(struct api *api, const char *type, const char *object)
{
    char *line = nj_asprintf("{\"type\":\"%s\",\"object\":%s}\n", type, object);
    assert_int_equal(0, nj_httpd_stream_write(api->watch, line, strlen(line)));
    free(line);
}

/* --- Namespaces. --- */

#define NAMESPACE(name, uid, version, meta)                                                                  \
    "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid       \
    "\",\"resourceVersion\":\"" version "\"" meta "}}"
#define ANNOTATED(value) ",\"annotations\":{\"field.cattle.io/projectId\":\"" value "\"}"
#define LABELLED(value) ",\"labels\":{\"field.cattle.io/projectId\":\"" value "\"}"

static void start_namespaces(struct api *api, const char *items)
{
    const struct nj_namespaces_options options = {
        .loop = &api->test->loop, .client = api->client, .project_key = "field.cattle.io/projectId"};
    api->items = items;
    assert_int_equal(0, nj_namespaces_start(&options, &api->namespaces, NULL));
    run_until_watching(api, 1);
}

static void assert_project(struct api *api, const char *namespace, const char *expected)
{
    char project[NJ_PROJECT_MAX];
    nj_namespaces_project(api->namespaces, namespace, project);
    assert_string_equal(expected, project);
}

static void run_until_project(struct api *api, const char *namespace, const char *expected)
{
    char project[NJ_PROJECT_MAX];
    do {
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
        nj_namespaces_project(api->namespaces, namespace, project);
    } while (strcmp(project, expected) != 0);
}

static void a_namespace_names_its_project_by_label_or_annotation(void **state)
{
    struct api *api = *state;
    start_namespaces(api,
                     NAMESPACE("shop", "1", "5", ANNOTATED("c-abc:p-shop")) "," NAMESPACE(
                         "bank", "2", "6", LABELLED("p-bank")) "," NAMESPACE("kube-system", "3", "7", ""));
    assert_true(nj_namespaces_synced(api->namespaces));
    assert_project(api, "shop", "p-shop");
    assert_project(api, "bank", "p-bank");
    assert_project(api, "kube-system", "");
    assert_project(api, "nowhere", "");
}

static void a_projects_change_and_a_namespaces_end_are_followed(void **state)
{
    struct api *api = *state;
    start_namespaces(api, NAMESPACE("shop", "1", "5", ANNOTATED("c-abc:p-shop")));
    send_event(api, "MODIFIED", NAMESPACE("shop", "1", "11", ANNOTATED("c-abc:p-other")));
    run_until_project(api, "shop", "p-other");
    send_event(api, "ADDED", NAMESPACE("new", "2", "12", LABELLED("p-new")));
    run_until_project(api, "new", "p-new");
    send_event(api, "MODIFIED", NAMESPACE("new", "2", "13", ""));
    run_until_project(api, "new", "");
    /* Made anew under its name. */
    send_event(api, "ADDED", NAMESPACE("shop", "3", "14", LABELLED("p-third")));
    run_until_project(api, "shop", "p-third");
    send_event(api, "DELETED", NAMESPACE("shop", "1", "15", ""));
    send_event(api, "DELETED", NAMESPACE("shop", "3", "16", ""));
    run_until_project(api, "shop", "");
}

static void note_going(void *data, const char *namespace)
{
    (void)nj_buf_printf(data, "%s;", namespace);
}

static void assert_going(struct api *api, const char *expected)
{
    struct nj_buf going = {0};
    nj_namespaces_each_going(api->namespaces, note_going, &going);
    assert_string_equal(expected, nj_buf_str(&going));
    nj_buf_done(&going);
}

static void run_until_going_changes(struct api *api, const char *expected)
{
    while (!nj_namespaces_going_changed(api->namespaces, api->now_ns))
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
    assert_going(api, expected);
}

/* The watch breaks with "410 Gone", and time passes until it lists anew. */
static void list_anew(struct api *api, const char *items)
{
    int watches = api->watches;
    api->items = items;
    send_event(api, "ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}");
    while (api->watches == watches) {
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
        api->now_ns += NJ_MS;
    }
}

#define GOING ",\"deletionTimestamp\":\"2026-11-21T09:00:00Z\""

static void a_namespace_that_is_being_deleted_is_named_until_a_while_after_its_end(void **state)
{
    struct api *api = *state;
    api->now_ns = noon_ns;
    api->test->clock.replay = &api->now_ns;
    start_namespaces(api, NAMESPACE("shop", "1", "5", "") "," NAMESPACE("bank", "2", "6", GOING));
    assert_true(nj_namespaces_going_changed(api->namespaces, noon_ns));
    assert_false(nj_namespaces_going_changed(api->namespaces, noon_ns));
    assert_going(api, "bank;");
    send_event(api, "MODIFIED", NAMESPACE("shop", "1", "11", GOING));
    run_until_going_changes(api, "bank;shop;");
    send_event(api, "DELETED", NAMESPACE("shop", "1", "12", GOING));
    send_event(api, "ADDED", NAMESPACE("zoo", "3", "13", GOING)); /* read after that */
    run_until_going_changes(api, "bank;shop;zoo;");
    assert_false(nj_namespaces_going_changed(api->namespaces, noon_ns + NJ_NAMESPACES_GONE_NS - 1));
    assert_true(nj_namespaces_going_changed(api->namespaces, noon_ns + NJ_NAMESPACES_GONE_NS));
    assert_going(api, "bank;zoo;");
    /* Made anew under its name. */
    send_event(api, "DELETED", NAMESPACE("zoo", "3", "14", GOING));
    send_event(api, "ADDED", NAMESPACE("zoo", "4", "15", ""));
    run_until_going_changes(api, "bank;");
    /* Of what is gone from a list the uid alone is known. */
    list_anew(api, NAMESPACE("zoo", "4", "15", ""));
    assert_going(api, "bank;");
    assert_true(nj_namespaces_going_changed(api->namespaces, noon_ns + NJ_DAY));
    assert_going(api, "");
}

static void without_an_api_server_no_namespace_has_a_project(void **state)
{
    struct api *api = *state;
    const struct nj_namespaces_options options = {.loop = &api->test->loop, .project_key = "x"};
    assert_int_equal(0, nj_namespaces_start(&options, &api->namespaces, NULL));
    assert_true(nj_namespaces_synced(api->namespaces));
    assert_project(api, "shop", "");
}

/* --- Pods without a node. --- */

#define POD(uid, version, meta, conditions)                                                                  \
    "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web-" uid "\",\"namespace\":\"shop\"," \
    "\"uid\":\"" uid "\",\"resourceVersion\":\"" version                                                     \
    "\",\"creationTimestamp\":\"2026-11-21T08:59:00Z\"" meta                                                 \
    "},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"nginx\"}]},\"status\":{\"conditions\":"         \
    "[" conditions "]}}"
#define OF_DEPLOYMENT                                                                                        \
    ",\"labels\":{\"pod-template-hash\":\"5f7c9\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","        \
    "\"kind\":\"ReplicaSet\",\"name\":\"web-5f7c9\",\"uid\":\"r\",\"controller\":true}]"
#define DELETING ",\"deletionTimestamp\":\"2026-11-21T09:00:00Z\""
#define UNSCHEDULABLE_SINCE(time, message)                                                                   \
    "{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"" message    \
    "\",\"lastTransitionTime\":\"" time "\"}"
/* Since noon_ns. */
#define UNSCHEDULABLE UNSCHEDULABLE_SINCE("2026-11-21T09:00:00Z", "no node fits")
#define GATED                                                                                                \
    "{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"SchedulingGated\",\"message\":\"\"}"

static void on_event(void *data, const struct nj_event *event)
{
    static const char *const causes[] = {
        [NJ_CLEARED_DELETED] = "deleted", [NJ_CLEARED_SCHEDULED] = "scheduled"};
    struct api *api = data;
    const struct nj_subject *subject = &event->subject;
    assert_string_equal("shop", subject->namespace);
    assert_string_equal("", subject->node);
    assert_string_equal("", subject->container);
    if (event->type == NJ_EVENT_STUCK) {
        assert_string_equal("Unschedulable", event->stuck.reason);
        (void)nj_buf_printf(&api->told, "stuck %s %s/%s %s;", subject->pod_uid, subject->workload_kind,
                            subject->workload, event->stuck.message);
    } else {
        assert_int_equal(NJ_EVENT_CLEARED, event->type);
        (void)nj_buf_printf(&api->told, "cleared %s %s;", subject->pod_uid, causes[event->cleared.cause]);
    }
}

static void new_unscheduled_of(struct api *api, size_t max_pods, struct nj_metrics *metrics)
{
    const struct nj_unscheduled_options options = {.loop = &api->test->loop,
                                                   .client = api->client,
                                                   .metrics = metrics,
                                                   .after_ns = 30 * NJ_SEC,
                                                   .max_pods = max_pods,
                                                   .on_event = on_event,
                                                   .data = api};
    api->now_ns = noon_ns + NJ_SEC;
    api->test->clock.replay = &api->now_ns;
    api->unscheduled = nj_unscheduled_new(&options);
}

static void new_unscheduled(struct api *api)
{
    new_unscheduled_of(api, 100, NULL);
}

static void start_unscheduled(struct api *api, const char *items)
{
    api->items = items;
    assert_int_equal(0, nj_unscheduled_start(api->unscheduled, NULL));
    run_until_watching(api, 1);
}

static void run_until_told(struct api *api, const char *expected)
{
    while (strcmp(nj_buf_str(&api->told), expected) != 0) {
        if (strncmp(nj_buf_str(&api->told), expected, api->told.len) != 0)
            fail_msg("\"%s\" instead of \"%s\"", nj_buf_str(&api->told), expected);
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
    }
    nj_buf_clear(&api->told);
}

/* What has been sent is read, nothing was said of it, and nothing is when time goes by: a pod that has waited
 * for long already is told at once, after what came before it. */
static void assert_nothing_told(struct api *api)
{
    send_event(api, "ADDED",
               POD("last", "99", "", UNSCHEDULABLE_SINCE("2026-11-21T08:59:00Z", "no node fits")));
    run_until_told(api, "stuck last Pod/web-last no node fits;");
    api->now_ns += 60 * NJ_SEC;
    send_event(api, "ADDED",
               POD("later", "100", "", UNSCHEDULABLE_SINCE("2026-11-21T08:59:00Z", "no node fits")));
    run_until_told(api, "stuck later Pod/web-later no node fits;");
    test_run_some(api->test);
    assert_string_equal("", nj_buf_str(&api->told));
}

static void a_pod_that_no_node_takes_is_told_after_a_while(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", OF_DEPLOYMENT, UNSCHEDULABLE));
    assert_true(nj_unscheduled_synced(api->unscheduled));
    test_run_some(api->test);
    assert_string_equal("", nj_buf_str(&api->told));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Deployment/web no node fits;");
    /* Once. One that has waited for long already is told at once. */
    send_event(api, "MODIFIED", POD("a", "11", OF_DEPLOYMENT, UNSCHEDULABLE));
    send_event(api, "ADDED", POD("b", "12", "", UNSCHEDULABLE));
    run_until_told(api, "stuck b Pod/web-b no node fits;");
}

static void gated_and_ending_pods_are_not_told(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(
        api, POD("a", "5", "", GATED) "," POD("b", "6", DELETING, UNSCHEDULABLE) "," POD("c", "7", "", ""));
    assert_nothing_told(api);
    /* The gate is opened, and no node fits. */
    send_event(api, "MODIFIED", POD("a", "101", "", UNSCHEDULABLE));
    run_until_told(api, "stuck a Pod/web-a no node fits;");
}

static void one_that_gets_a_node_is_told_apart_from_one_that_goes(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE) "," POD("b", "6", "", UNSCHEDULABLE) "," POD(
                               "c", "7", "", UNSCHEDULABLE) "," POD("d", "8", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;stuck b Pod/web-b no node fits;"
                        "stuck c Pod/web-c no node fits;stuck d Pod/web-d no node fits;");
    /* The server tells both in the state they had before, and is asked. */
    api->found = POD("a", "11", "", "");
    send_event(api, "DELETED", POD("a", "11", "", UNSCHEDULABLE));
    run_until_told(api, "cleared a scheduled;");
    assert_string_equal("/api/v1/namespaces/shop/pods metadata.name=web-a", api->looked_at);
    api->found = "";
    send_event(api, "DELETED", POD("b", "12", "", UNSCHEDULABLE));
    run_until_told(api, "cleared b deleted;");
    /* Another pod of its name is another pod. */
    api->found = POD("a", "11", "", "");
    send_event(api, "DELETED", POD("c", "13", "", UNSCHEDULABLE));
    run_until_told(api, "cleared c deleted;");
    api->found = NULL;
    send_event(api, "DELETED", POD("d", "14", "", UNSCHEDULABLE));
    run_until_told(api, "cleared d scheduled;");
    assert_int_equal(4, api->looked);
}

static void one_whose_deletion_was_seen_needs_no_question(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;");
    send_event(api, "MODIFIED", POD("a", "11", DELETING, UNSCHEDULABLE));
    send_event(api, "DELETED", POD("a", "12", DELETING, UNSCHEDULABLE));
    run_until_told(api, "cleared a deleted;");
    assert_int_equal(0, api->looked);
}

static void one_that_was_never_told_leaves_without_a_word(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE));
    send_event(api, "DELETED", POD("a", "11", "", UNSCHEDULABLE));
    assert_nothing_told(api);
    assert_int_equal(0, api->looked);
}

static void after_a_restart_what_is_still_there_is_not_told_again_and_the_rest_is_over(void **state)
{
    struct api *api = *state;
    const struct nj_subject still = {.namespace = "shop",
                                     .pod = "web-a",
                                     .pod_uid = "a",
                                     .workload_kind = "Pod",
                                     .workload = "web-a",
                                     .container = ""};
    struct nj_subject gone = still, scheduled = still;
    gone.pod_uid = "g";
    gone.pod = "web-g";
    scheduled.pod_uid = "s";
    scheduled.pod = "../secrets";
    new_unscheduled(api);
    nj_unscheduled_remember(api->unscheduled, &still);
    nj_unscheduled_remember(api->unscheduled, &gone);
    nj_unscheduled_remember(api->unscheduled, &gone);
    nj_unscheduled_remember(api->unscheduled, &scheduled);
    api->now_ns = noon_ns + NJ_MIN;
    api->found = "";
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE));
    /* The last one's name is none: nobody is asked about it. */
    run_until_told(api, "cleared s scheduled;cleared g deleted;");
    assert_int_equal(1, api->looked);
}

static void what_lasts_is_told_again_with_its_words_of_then(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE) "," POD("b", "6", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;stuck b Pod/web-b no node fits;");
    send_event(api, "MODIFIED",
               POD("a", "11", "", UNSCHEDULABLE_SINCE("2026-11-21T09:00:00Z", "still none")));
    send_event(api, "MODIFIED", POD("b", "12", "", GATED));
    api->now_ns += 5 * NJ_MIN - 2 * NJ_SEC;
    send_event(api, "ADDED", POD("c", "13", "", UNSCHEDULABLE));
    run_until_told(api, "stuck c Pod/web-c no node fits;");
    api->now_ns += 2 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a still none;");
    api->now_ns += 5 * NJ_MIN;
    run_until_told(api, "stuck a Pod/web-a still none;stuck c Pod/web-c no node fits;");
}

static void a_servers_clock_that_is_ahead_does_not_delay_it_for_ever(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE_SINCE("2026-11-21T10:00:00Z", "no node fits")));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    test_run_some(api->test);
    assert_string_equal("", nj_buf_str(&api->told));
    api->now_ns = noon_ns + 31 * NJ_SEC; /* seen a second after noon */
    run_until_told(api, "stuck a Pod/web-a no node fits;");
}

static void pods_beyond_the_bound_are_counted_once_and_followed_when_there_is_room(void **state)
{
    struct api *api = *state;
    struct nj_metrics *metrics = nj_metrics_new();
    struct nj_counter *ignored =
        nj_metrics_counter(metrics, "nightjar_unscheduled_pods_ignored_total", "",
                           "Pods without a node that were not followed because of the bound.");
    new_unscheduled_of(api, 2, metrics);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE) "," POD("b", "6", "", UNSCHEDULABLE) "," POD(
                               "c", "7", "", UNSCHEDULABLE) "," POD("d", "8", "", UNSCHEDULABLE));
    send_event(api, "MODIFIED", POD("c", "11", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;stuck b Pod/web-b no node fits;");
    assert_int_equal(2, nj_counter_get(ignored));
    api->found = "";
    send_event(api, "DELETED", POD("a", "12", "", UNSCHEDULABLE));
    send_event(api, "MODIFIED", POD("c", "13", "", UNSCHEDULABLE));
    run_until_told(api, "stuck c Pod/web-c no node fits;cleared a deleted;");
    assert_int_equal(2, nj_counter_get(ignored));
    close_and_wait(api, close_unscheduled);
    nj_metrics_free(metrics);
}

static void what_left_between_two_lists_is_asked_about(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE) "," POD("b", "6", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;stuck b Pod/web-b no node fits;");
    api->found = "";
    list_anew(api, POD("b", "6", "", UNSCHEDULABLE));
    run_until_told(api, "cleared a deleted;"); /* and b is not told anew */
}

static void projects_follow_a_list_that_is_read_anew(void **state)
{
    struct api *api = *state;
    api->now_ns = noon_ns;
    api->test->clock.replay = &api->now_ns;
    start_namespaces(api, NAMESPACE("shop", "1", "5", LABELLED("p-shop")) "," NAMESPACE("bank", "2", "6",
                                                                                        LABELLED("p-bank")));
    /* One went, one was made anew under its name. */
    list_anew(api, NAMESPACE("bank", "3", "9", LABELLED("p-new")));
    run_until_project(api, "shop", "");
    assert_project(api, "bank", "p-new");
}

static void closing_in_the_middle_of_a_question_tells_nothing(void **state)
{
    struct api *api = *state;
    new_unscheduled(api);
    start_unscheduled(api, POD("a", "5", "", UNSCHEDULABLE));
    api->now_ns = noon_ns + 30 * NJ_SEC;
    run_until_told(api, "stuck a Pod/web-a no node fits;");
    api->keep_questions = true;
    send_event(api, "DELETED", POD("a", "11", "", UNSCHEDULABLE));
    while (api->kept == NULL)
        (void)uv_run(&api->test->loop.uv, UV_RUN_ONCE);
    close_and_wait(api, close_unscheduled);
    assert_string_equal("", nj_buf_str(&api->told));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_namespace_names_its_project_by_label_or_annotation),
        TEST(a_projects_change_and_a_namespaces_end_are_followed),
        TEST(a_namespace_that_is_being_deleted_is_named_until_a_while_after_its_end),
        TEST(without_an_api_server_no_namespace_has_a_project),
        TEST(a_pod_that_no_node_takes_is_told_after_a_while),
        TEST(gated_and_ending_pods_are_not_told),
        TEST(one_that_gets_a_node_is_told_apart_from_one_that_goes),
        TEST(one_whose_deletion_was_seen_needs_no_question),
        TEST(one_that_was_never_told_leaves_without_a_word),
        TEST(after_a_restart_what_is_still_there_is_not_told_again_and_the_rest_is_over),
        TEST(what_lasts_is_told_again_with_its_words_of_then),
        TEST(a_servers_clock_that_is_ahead_does_not_delay_it_for_ever),
        TEST(pods_beyond_the_bound_are_counted_once_and_followed_when_there_is_room),
        TEST(what_left_between_two_lists_is_asked_about),
        TEST(projects_follow_a_list_that_is_read_anew),
        TEST(closing_in_the_middle_of_a_question_tells_nothing),
    };
    return cmocka_run_group_tests_name("collector/cluster", tests, NULL, NULL);
}
