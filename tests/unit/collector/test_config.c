/*
 * The collector's settings: what they are by default, and what is refused with which words.
 */
#include "collector/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

static int load(const char *text, struct nj_collector_config *config, struct nj_err *err)
{
    *config = (struct nj_collector_config){0};
    int rc = nj_config_load_text(nj_collector_config_table, "collector.yaml", text, strlen(text), NULL, 0,
                                 config, err);
    if (rc < 0)
        return rc;
    rc = nj_collector_config_check(config, err);
    if (rc < 0)
        nj_config_done(nj_collector_config_table, config);
    return rc;
}

static void assert_refused(const char *text, const char *words)
{
    struct nj_collector_config config;
    struct nj_err err = {0};
    int rc = load(text, &config, &err);
    if (rc >= 0)
        fail_msg("taken: %s", text);
    assert_int_equal(-EINVAL, rc);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void assert_taken(const char *text)
{
    struct nj_collector_config config;
    struct nj_err err = {0};
    if (load(text, &config, &err) < 0)
        fail_msg("%s", err.text);
    nj_config_done(nj_collector_config_table, &config);
}

static void the_defaults_are_sensible_and_pass_the_check(void **state)
{
    struct nj_collector_config config;
    (void)state;
    assert_int_equal(0, load("", &config, NULL));
    assert_string_equal("default", config.cluster);
    assert_true(config.kubernetes.enabled);
    assert_string_equal("field.cattle.io/projectId", config.kubernetes.project_key);
    assert_int_equal(30 * NJ_SEC, config.kubernetes.unschedulable_after_ns);
    assert_string_equal("tcp://0.0.0.0:7645", config.ingest.listen);
    assert_string_equal("/etc/nightjar/key/key", config.ingest.key_file);
    assert_int_equal(8 << 20, config.ingest.max_plain_bytes);
    assert_true(config.probes.derive);
    assert_true(config.probes.builtin);
    assert_int_equal(0, config.probes.allowed_hosts.count);
    assert_string_equal("cluster.local", config.probes.cluster_domain);
    assert_int_equal(15 * NJ_MIN, config.probes.target_silent_after_ns);
    assert_int_equal(48 * NJ_HOUR, config.store.points_minute_ns);
    assert_int_equal(48 * NJ_HOUR, config.store.usage_minute_ns);
    assert_int_equal(35 * NJ_DAY, config.store.usage_hour_ns);
    assert_int_equal(400 * NJ_DAY, config.store.usage_day_ns);
    assert_int_equal(400 * NJ_DAY, config.store.points_day_ns);
    assert_string_equal("/var/lib/nightjar/collector.db", config.store.path);
    assert_int_equal(30 * NJ_DAY, config.store.crashes_ns);
    assert_int_equal(14 * NJ_DAY, config.store.logs_ns);
    assert_int_equal(90 * NJ_DAY, config.store.incidents_ns);
    assert_int_equal(400 * NJ_DAY, config.store.intervals_ns);
    assert_int_equal(400 * NJ_DAY, config.store.rollouts_ns);
    assert_int_equal(7 * NJ_DAY, config.store.agents_ns);
    assert_string_equal("127.0.0.1:8645", config.api.listen);
    assert_int_equal(NJ_LANGUAGE_ZH, config.notify.language);
    assert_int_equal(0, config.notify.channels.count);
    nj_config_done(nj_collector_config_table, &config);
}

static const char everything[] = "cluster: prod\n"
                                 "notify:\n"
                                 "  language: en\n"
                                 "  channels:\n"
                                 "  - name: robot\n"
                                 "    url_file: /etc/robot\n"
                                 "    failover: app\n"
                                 "  - name: app\n"
                                 "    type: wecom_app\n"
                                 "    corp_id: ww1\n"
                                 "    agent_id: 1000002\n"
                                 "    secret_file: /etc/secret\n"
                                 "    to_users: [li, wang]\n"
                                 "    failover: hook\n"
                                 "  - name: hook\n"
                                 "    type: webhook\n"
                                 "    url_file: /etc/hook\n"
                                 "    rate_per_minute: 600\n"
                                 "  routes:\n"
                                 "  - group: shop\n"
                                 "    namespace: shop-*\n"
                                 "    severity: warning\n"
                                 "    channels: [robot, hook]\n"
                                 "    mentions: [\"@all\"]\n"
                                 "    proceed: true\n"
                                 "  - channels: [app]\n"
                                 "    resolved: false\n";

static void channels_and_routes_are_read(void **state)
{
    struct nj_collector_config config;
    struct nj_err err = {0};
    (void)state;
    if (load(everything, &config, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(3, config.notify.channels.count);
    const struct nj_channel_config *channels = config.notify.channels.items;
    assert_int_equal(NJ_CHANNEL_WECOM_ROBOT, channels[0].type);
    assert_int_equal(NJ_CHANNEL_MARKDOWN, channels[0].format);
    assert_int_equal(20, channels[0].rate_per_minute);
    assert_true(channels[0].attach_log);
    assert_false(channels[0].resend_uncertain);
    assert_string_equal("app", channels[0].failover);
    assert_int_equal(NJ_CHANNEL_WECOM_APP, channels[1].type);
    assert_string_equal("https://qyapi.weixin.qq.com", channels[1].api_url);
    assert_int_equal(2, channels[1].to_users.count);
    assert_int_equal(600, channels[2].rate_per_minute);
    assert_int_equal(2, config.notify.routes.count);
    const struct nj_route_config *routes = config.notify.routes.items;
    assert_string_equal("shop-*", routes[0].namespace);
    assert_true(routes[0].resolved);
    assert_true(routes[0].proceed);
    assert_false(routes[1].resolved);
    assert_false(routes[1].proceed);
    nj_config_done(nj_collector_config_table, &config);
}

static void what_is_printed_loads_again(void **state)
{
    struct nj_collector_config config, again;
    char *text = NULL, *text_again = NULL;
    size_t len = 0;
    struct nj_err err = {0};
    (void)state;
    assert_int_equal(0, load(everything, &config, NULL));
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(0, nj_config_print(nj_collector_config_table, &config, out));
    assert_int_equal(0, fclose(out));
    if (load(text, &again, &err) < 0)
        fail_msg("%s", err.text);
    out = open_memstream(&text_again, &len);
    assert_int_equal(0, nj_config_print(nj_collector_config_table, &again, out));
    assert_int_equal(0, fclose(out));
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    nj_config_done(nj_collector_config_table, &config);
    nj_config_done(nj_collector_config_table, &again);
}

#define CHANNELS(text) "notify:\n  channels:\n" text
#define ROBOT(name) "  - {name: " name ", url_file: /u}\n"

static void channels_that_cannot_work_are_refused(void **state)
{
    (void)state;
    assert_refused(CHANNELS("  - {url_file: /u}\n"), "notify.channels[0]: name is missing");
    assert_refused(CHANNELS(ROBOT("a") ROBOT("b") ROBOT("a")), "the name \"a\" is used twice");
    assert_refused(CHANNELS("  - {name: a}\n"), "a wecom_robot needs url_file");
    assert_refused(CHANNELS("  - {name: a, type: webhook}\n"), "a webhook needs url_file");
    assert_refused(CHANNELS("  - {name: a, type: wecom_app, agent_id: 1, secret_file: /s, to_tags: [t]}\n"),
                   "needs corp_id, agent_id and secret_file");
    assert_refused(CHANNELS("  - {name: a, type: wecom_app, corp_id: c, secret_file: /s, to_tags: [t]}\n"),
                   "needs corp_id, agent_id and secret_file");
    assert_refused(CHANNELS("  - {name: a, type: wecom_app, corp_id: c, agent_id: 1, to_tags: [t]}\n"),
                   "needs corp_id, agent_id and secret_file");
    assert_refused(CHANNELS("  - {name: a, type: wecom_app, corp_id: c, agent_id: 1, secret_file: /s}\n"),
                   "to_users, to_parties or to_tags");
    assert_refused(CHANNELS("  - {name: a, type: pigeon, url_file: /u}\n"), "wecom_robot");
}

static void a_fail_over_must_lead_somewhere(void **state)
{
    (void)state;
    assert_refused(CHANNELS("  - {name: a, url_file: /u, failover: b}\n"),
                   "names \"b\", which is no channel");
    assert_refused(CHANNELS("  - {name: a, url_file: /u, failover: a}\n"), "go in a circle");
    assert_refused(
        CHANNELS("  - {name: a, url_file: /u, failover: b}\n  - {name: b, url_file: /u, failover: a}\n"),
        "go in a circle");
    assert_refused(
        CHANNELS("  - {name: z, url_file: /u, failover: a}\n  - {name: a, url_file: /u, failover: b}\n"
                 "  - {name: b, url_file: /u, failover: a}\n"),
        "go in a circle");
    assert_taken(
        CHANNELS("  - {name: a, url_file: /u, failover: c}\n  - {name: b, url_file: /u, failover: c}\n"
                 "  - {name: c, url_file: /u}\n"));
}

#define ROUTES(text) CHANNELS(ROBOT("a")) "  routes:\n" text

static void routes_that_tell_nobody_are_refused(void **state)
{
    (void)state;
    assert_refused(ROUTES("  - {group: g}\n"), "notify.routes[0]: channels is empty");
    assert_refused(ROUTES("  - {channels: [a]}\n  - {channels: [b]}\n"),
                   "notify.routes[1]: \"b\" is no channel");
    assert_refused(ROUTES("  - {channels: [a, a]}\n"), "named twice");
    assert_refused(ROUTES("  - {channels: [a], severity: awful}\n"), "not info, warning or critical");
    assert_taken(ROUTES("  - {channels: [a], severity: critical}\n"));
}

static void without_a_token_the_api_listens_on_loopback_only(void **state)
{
    static const char *const outside[] = {":8645",
                                          "0.0.0.0:8645",
                                          "10.0.0.1:8645",
                                          "[::]:8645",
                                          "example.com:80",
                                          "8645",
                                          "127.0.0.1.example.com:80",
                                          "128.0.0.1:80"};
    static const char *const inside[] = {"127.0.0.1:8645", "127.8.9.1:80", "[::1]:8645", "localhost:8645"};
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        (void)snprintf(text, sizeof(text), "api: {listen: \"%s\"}\n", outside[i]);
        assert_refused(text, "api.listen: without api.read_token_file or api.write_token_file");
        (void)snprintf(text, sizeof(text), "api: {listen: \"%s\", write_token_file: /t}\n", outside[i]);
        assert_taken(text);
        (void)snprintf(text, sizeof(text), "api: {listen: \"%s\", read_token_file: /t}\n", outside[i]);
        assert_taken(text);
    }
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        (void)snprintf(text, sizeof(text), "api: {listen: \"%s\"}\n", inside[i]);
        assert_taken(text);
    }
}

static void settings_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    assert_refused("cluster: \"\"\n", "cluster: must not be empty");
    assert_refused("ingest: {max_packet_bytes: 32MiB}\n", "ingest.max_plain_bytes: must not be less");
    assert_refused("store: {logs: 60d}\n", "store.logs: must not be longer than store.crashes");
    assert_refused("ingest: {max_plain_bytes: 1MiB}\n", "out of range");
    assert_refused("store: {crashes: 1m}\n", "out of range");
    assert_refused("store: {crash: 1d}\n", "store.crash");
}

static void hosts_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_taken("probes: {allowed_hosts: [api.example.com, \"*.example.com:443\", 10.1.0.0/16]}");
    assert_refused("probes: {allowed_hosts: [\"https://api.example.com/\"]}", "probes.allowed_hosts[0]");
    assert_refused("probes: {cluster_domain: \"\"}", "probes.cluster_domain");
}

static void remote_write_needs_a_url_without_secrets(void **state)
{
    (void)state;
    assert_taken(
        "remote_write: {url: \"https://metrics.example/api/v1/write?a=b@c\", secret_file: /s, user: u}");
    assert_taken("remote_write: {url: \"http://[::1]:9090/api/v1/write\"}");
    assert_refused("remote_write: {url: \"ftp://metrics.example/\"}",
                   "remote_write.url: must begin with http");
    assert_refused("remote_write: {url: \"http:///api\"}", "remote_write.url: must begin with http");
    assert_refused("remote_write: {url: \"https://u:p@metrics.example/\"}",
                   "remote_write.url: must hold no user");
    assert_refused("remote_write: {url: \"https://metrics.example/\", user: u}", "remote_write.user: needs");
    assert_refused("remote_write: {secret_file: /s}", "remote_write.url: is missing");
}

struct changes {
    struct nj_buf live, restart;
};

static void note_change(void *data, const char *key, bool live)
{
    struct changes *changes = data;
    assert_int_equal(0, nj_buf_printf(live ? &changes->live : &changes->restart, "%s ", key));
}

static void a_reload_takes_over_who_is_told_and_what_is_checked(void **state)
{
    struct nj_collector_config before, after;
    struct changes changes = {0};
    (void)state;
    assert_int_equal(0, load("", &before, NULL));
    assert_int_equal(0, load("cluster: prod\nlog: {level: debug}\ningest: {silent_after: 1m}\n"
                             "store: {logs: 1d}\nprobes: {derive: false, allowed_hosts: [a], max_checks: 5}\n"
                             "sla: {outage_after: 1m, objective: \"99\", maintenance: [{schedule: daily "
                             "03:00-04:00}]}\nrollback: {enabled: true}\nincident: {max_open: 5}\n"
                             "notify: {language: en, digest: {zone: \"+08:00\"},"
                             " channels: [{name: w, type: webhook, url_file: /u}]}\n"
                             "api: {max_streams: 5, max_connections: 5}\n",
                             &after, NULL));
    nj_config_compare(nj_collector_config_table, &before, &after, nj_collector_live_settings, note_change,
                      &changes);
    assert_string_equal(
        "log.level probes.derive probes.allowed_hosts sla.outage_after sla.maintenance "
        "rollback.enabled notify.language notify.digest.zone notify.channels api.max_streams ",
        nj_buf_str(&changes.live));
    assert_string_equal("cluster ingest.silent_after store.logs probes.max_checks sla.objective "
                        "incident.max_open api.max_connections ",
                        nj_buf_str(&changes.restart));
    nj_buf_done(&changes.live);
    nj_buf_done(&changes.restart);
    nj_config_done(nj_collector_config_table, &before);
    nj_config_done(nj_collector_config_table, &after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_sensible_and_pass_the_check),
        cmocka_unit_test(channels_and_routes_are_read),
        cmocka_unit_test(what_is_printed_loads_again),
        cmocka_unit_test(channels_that_cannot_work_are_refused),
        cmocka_unit_test(a_fail_over_must_lead_somewhere),
        cmocka_unit_test(routes_that_tell_nobody_are_refused),
        cmocka_unit_test(without_a_token_the_api_listens_on_loopback_only),
        cmocka_unit_test(hosts_that_are_none_are_refused),
        cmocka_unit_test(remote_write_needs_a_url_without_secrets),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_reload_takes_over_who_is_told_and_what_is_checked),
    };
    return cmocka_run_group_tests_name("collector/config", tests, NULL, NULL);
}
