/*
 * The whole agent in one process: what it needs to start, what it says about itself, what a reload does, how
 * it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "tests/unit/agent/fake_api.h"

struct fixture {
    struct test_loop *test;
    struct fake_api api; /* its client asks the agent */
    struct nj_agent_config config;
    struct nj_agent *agent;
    char key[128], kubeconfig[128], outbox[128];
    int port;

    bool answered;
    long status;
    char body[65536];
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A port that nobody listens on, for as long as the test is lucky; only the message depends on it. */
static int free_port(void)
{
    return test_free_port();
}

static void load(struct fixture *f, struct nj_agent_config *ret_config, const char *key, const char *value)
{
    char listen[64];
    char url[64];
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", f->port);
    (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", free_port());
    struct nj_config_flag flags[] = {{"node", "node1"},
                                     {"kubernetes.kubeconfig", f->kubeconfig},
                                     {"collector.url", url},
                                     {"collector.key_file", f->key},
                                     {"collector.reply_timeout", "200ms"},
                                     {"outbox.path", f->outbox},
                                     {"http.listen", listen},
                                     {key, value}};
    struct nj_err err = {0};
    if (nj_config_load(nj_agent_config_table, NULL, flags, key == NULL ? 7 : 8, ret_config, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    nj_log_set(NJ_LOG_ERROR, NJ_LOG_TEXT);
    fake_api_open(&f->api, f->test);
    (void)snprintf(f->key, sizeof(f->key), "%s/key", f->api.folder);
    (void)snprintf(f->kubeconfig, sizeof(f->kubeconfig), "%s/kubeconfig", f->api.folder);
    (void)snprintf(f->outbox, sizeof(f->outbox), "%s/outbox.db", f->api.folder);
    write_file(f->key, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    f->port = free_port();
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    bool stopped = false;
    nj_agent_stop(f->agent, test_set_flag, &stopped);
    test_run_until(f->test, &stopped);
    f->agent = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->agent != NULL)
        stop(f);
    nj_config_done(nj_agent_config_table, &f->config);
    fake_api_close(&f->api);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static void start(struct fixture *f)
{
    struct nj_err err = {0};
    load(f, &f->config, NULL, NULL);
    if (nj_agent_start(&f->test->loop, &f->config, &f->agent, &err) < 0)
        fail_msg("%s", err.text);
}

/* It does not start, says why, and leaves nothing open (teardown looks). */
static void expect_refusal(struct fixture *f, const char *key, const char *value, const char *said)
{
    struct nj_err err = {0};
    load(f, &f->config, key, value);
    assert_true(nj_agent_start(&f->test->loop, &f->config, &f->agent, &err) < 0);
    assert_null(f->agent);
    if (strstr(err.text, said) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, said);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct fixture *f = data;
    f->status = result->status;
    (void)snprintf(f->body, sizeof(f->body), "%s", result->body == NULL ? "" : result->body);
    f->answered = true;
}

static const char *get(struct fixture *f, const char *method, const char *path)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->port, path);
    struct nj_http_options options = {.method = method, .url = url, .on_done = on_done, .data = f};
    f->answered = false;
    assert_int_equal(nj_http_start(f->api.http, &options, NULL, NULL), 0);
    test_run_until(f->test, &f->answered);
    return f->body;
}

static void test_missing_key_file(void **state)
{
    struct fixture *f = *state;
    expect_refusal(f, "collector.key_file", "/nowhere/key", "/nowhere/key");
}

static void test_bad_key_file(void **state)
{
    struct fixture *f = *state;
    write_file(f->key, "too short\n");
    expect_refusal(f, NULL, NULL, "collector.key_file");
}

static void test_no_folder_for_the_outbox(void **state)
{
    struct fixture *f = *state;
    expect_refusal(f, "outbox.path", "/nowhere/outbox.db", "/nowhere/outbox.db");
}

static void test_missing_kubeconfig(void **state)
{
    struct fixture *f = *state;
    expect_refusal(f, "kubernetes.kubeconfig", "/nowhere/kubeconfig", "/nowhere/kubeconfig");
}

static void test_address_in_use(void **state)
{
    struct fixture *f = *state;
    int port = 0;
    int fd = test_listen(&port);
    f->port = port;
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    expect_refusal(f, NULL, NULL, address);
    test_close(fd);
}

/* One outbox is one agent's. */
static void test_outbox_of_another_process(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct nj_agent_config config = {0};
    struct nj_agent *second = NULL;
    struct nj_err err = {0};
    int port = f->port;
    f->port = free_port();
    load(f, &config, NULL, NULL);
    f->port = port;
    assert_int_equal(nj_agent_start(&f->test->loop, &config, &second, &err), -EBUSY);
    nj_config_done(nj_agent_config_table, &config);
}

/* Without API server and collector it runs, and says what is missing. */
static void test_alone(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, "/api/v1/pods", 503, "application/json", "{}");
    start(f);
    assert_string_equal(get(f, NULL, "/livez"), "ok\n");
    assert_int_equal(f->status, 200);
    const char *body = get(f, NULL, "/readyz");
    while (strstr(body, "503") == NULL)
        body = get(f, NULL, "/readyz");
    assert_int_equal(f->status, 503);
    assert_non_null(strstr(body, "[-]watch failed: "));
    assert_non_null(strstr(body, "[+]outbox ok\n"));
    assert_non_null(strstr(body, "[-]collector failed: "));
    assert_non_null(strstr(body, "readyz check failed\n"));
    body = get(f, NULL, "/metrics");
    assert_non_null(strstr(body, "nightjar_agent_pods_synced 0\n"));
    assert_non_null(strstr(body, "process_resident_memory_bytes "));
    (void)get(f, NULL, "/");
    assert_int_equal(f->status, 404);
    (void)get(f, "DELETE", "/metrics");
    assert_int_equal(f->status, 405);
}

static void start_with(struct fixture *f, const char *key, const char *value)
{
    struct nj_err err = {0};
    load(f, &f->config, key, value);
    if (nj_agent_start(&f->test->loop, &f->config, &f->agent, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_the_node_is_inspected(void **state)
{
    struct fixture *f = *state;
    start_with(f, "inspect.interval", "100ms");
    const char *body = get(f, NULL, "/metrics");
    while (strstr(body, "\nnode_memory_MemTotal_bytes ") == NULL)
        body = get(f, NULL, "/metrics");
    assert_non_null(strstr(body, "\nnightjar_inspect_scan_seconds_count "));
    assert_non_null(strstr(body, "\nnightjar_loop_stall_seconds_count "));
}

static void test_inspection_can_be_switched_off(void **state)
{
    struct fixture *f = *state;
    start_with(f, "inspect.enabled", "false");
    const char *body = get(f, NULL, "/metrics");
    assert_null(strstr(body, "nightjar_inspect_"));
    assert_non_null(strstr(body, "nightjar_agent_pods_synced "));
}

/* Crashes are captured and pods probed all the same. */
static void test_a_node_that_cannot_be_inspected_is_still_watched(void **state)
{
    struct fixture *f = *state;
    start_with(f, "inspect.proc", "/nowhere");
    assert_string_equal(get(f, NULL, "/livez"), "ok\n");
    assert_null(strstr(get(f, NULL, "/metrics"), "nightjar_inspect_"));
}

static void test_reload(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct nj_agent_config next = {0};
    struct nj_err err = {0};
    load(f, &next, "crash.log_lines", "5");
    assert_int_equal(nj_agent_reload(f->agent, &next, &err), 0);
    struct nj_agent_config bad = {0};
    load(f, &bad, "crash.redact", "(unclosed");
    assert_int_equal(nj_agent_config_check(&bad, &err), -EINVAL);
    assert_non_null(strstr(err.text, "crash.redact"));
    assert_true(nj_agent_reload(f->agent, &bad, &err) < 0);
    assert_string_equal(get(f, NULL, "/livez"), "ok\n");
    stop(f);
    nj_config_done(nj_agent_config_table, &next);
    nj_config_done(nj_agent_config_table, &bad);
}

/* Stopped before anything has come to an end. */
static void test_stopped_at_once(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, "/api/v1/pods", 200, "application/json", "")->hold = true;
    start(f);
    stop(f);
}

struct changes {
    char live[256], restart[256];
};

static void note_change(void *data, const char *key, bool live)
{
    struct changes *changes = data;
    char *text = live ? changes->live : changes->restart;
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(changes->live) - len, "%s ", key);
}

static void test_which_settings_need_a_restart(void **state)
{
    struct fixture *f = *state;
    static const char before_text[] = "crash: {redact: [a, b]}\n";
    static const char after_text[] =
        "cluster: prod\nlog: {level: debug}\nhttp: {max_connections: 5}\n"
        "crash: {redact: [a, c], log_bytes: 1MiB, redact_defaults: false, log_dir: /x}\n"
        "stuck: {image: 1m}\ncollector: {heartbeat: 20s}\n";
    struct nj_agent_config before = {0};
    struct nj_agent_config after = {0};
    struct changes changes = {0};
    (void)f;
    assert_int_equal(nj_config_load_text(nj_agent_config_table, "a", before_text, strlen(before_text), NULL,
                                         0, &before, NULL),
                     0);
    assert_int_equal(nj_config_load_text(nj_agent_config_table, "b", after_text, strlen(after_text), NULL, 0,
                                         &after, NULL),
                     0);
    nj_config_compare(nj_agent_config_table, &before, &before, nj_agent_live_settings, note_change, &changes);
    assert_string_equal(changes.live, "");
    assert_string_equal(changes.restart, "");
    nj_config_compare(nj_agent_config_table, &before, &after, nj_agent_live_settings, note_change, &changes);
    assert_string_equal(changes.live,
                        "log.level crash.log_bytes crash.redact_defaults crash.redact stuck.image ");
    assert_string_equal(changes.restart, "cluster collector.heartbeat crash.log_dir http.max_connections ");
    nj_config_done(nj_agent_config_table, &before);
    nj_config_done(nj_agent_config_table, &after);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_missing_key_file),
        T(test_bad_key_file),
        T(test_no_folder_for_the_outbox),
        T(test_missing_kubeconfig),
        T(test_address_in_use),
        T(test_outbox_of_another_process),
        T(test_alone),
        T(test_the_node_is_inspected),
        T(test_inspection_can_be_switched_off),
        T(test_a_node_that_cannot_be_inspected_is_still_watched),
        T(test_reload),
        T(test_stopped_at_once),
        T(test_which_settings_need_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
