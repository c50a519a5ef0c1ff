#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/base/sample_config.h"

/* The caller frees. */
static char *print(const struct nj_config_field *table, const void *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(nj_config_print(table, config, out), 0);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void load(const char *text, struct sample_config *config)
{
    struct nj_err err;
    memset(config, 0, sizeof(*config));
    if (nj_config_load_text(sample_table, "t.yaml", text, strlen(text), NULL, 0, config, &err) != 0)
        fail_msg("%s\n%s", err.text, text);
}

static void assert_strings_equal(const struct nj_config_strings *a, const struct nj_config_strings *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->items[i], b->items[i]);
}

static void assert_configs_equal(const struct sample_config *a, const struct sample_config *b)
{
    assert_string_equal(a->cluster, b->cluster);
    assert_true(a->workers == b->workers);
    assert_true(a->serial == b->serial);
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->format, b->format);
    assert_true(a->crash.log_lines == b->crash.log_lines);
    assert_true(a->crash.log_bytes == b->crash.log_bytes);
    assert_true(a->crash.stable_after_ns == b->crash.stable_after_ns);
    assert_true(a->crash.unbounded_ns == b->crash.unbounded_ns);
    assert_string_equal(a->crash.redact.pattern, b->crash.redact.pattern);
    assert_strings_equal(&a->patterns, &b->patterns);
    assert_strings_equal(&a->zones, &b->zones);
    assert_strings_equal(&a->labels, &b->labels);
    assert_int_equal(a->routes.count, b->routes.count);
    for (size_t i = 0; i < a->routes.count; i++) {
        const struct sample_route *left = (const struct sample_route *)a->routes.items + i;
        const struct sample_route *right = (const struct sample_route *)b->routes.items + i;
        assert_string_equal(left->group, right->group);
        assert_strings_equal(&left->channels, &right->channels);
        assert_true(left->wait_ns == right->wait_ns);
        assert_string_equal(left->match.namespace, right->match.namespace);
        assert_int_equal(left->match.exact, right->match.exact);
    }
}

/* What is printed loads back to the same values. */
static void check_round_trip(const struct sample_config *config)
{
    NJ_CLEANUP_FREE char *text = print(sample_table, config);
    struct sample_config back;
    load(text, &back);
    assert_configs_equal(config, &back);
    NJ_CLEANUP_FREE char *again = print(sample_table, &back);
    assert_string_equal(text, again);
    nj_config_done(sample_table, &back);
}

static void prints_defaults_with_help_and_ranges(void **state)
{
    (void)state;
    struct sample_config config;
    load("", &config);
    NJ_CLEANUP_FREE char *text = print(sample_table, &config);
    assert_non_null(strstr(text, "# name of the cluster (text; default default)\ncluster: \"default\"\n\n"));
    assert_non_null(strstr(text, "\n# crashes\ncrash:\n"));
    assert_non_null(
        strstr(text, "\n  # how many of the last lines of a crashed container's log are captured, at most, "
                     "of all its\n  # files together (whole number, 1 to 100000; default 1000)\n"
                     "  log_lines: 1000\n"));
    assert_non_null(
        strstr(text, "  # how many bytes (size, 1KiB to 64MiB; default 256KiB)\n  log_bytes: 256KiB\n"));
    assert_non_null(strstr(text, "(duration, 1s to 1d; default 10m)\n  stable_after: 10m\n"));
    assert_non_null(strstr(text, "(json, text or off)\nformat: \"json\"\n"));
    assert_non_null(strstr(text, "zones:\n  - \"a\"\n  - \"b\"\n"));
    assert_non_null(strstr(text, "labels: {}\n"));
    assert_non_null(strstr(text, "# - wait: how long to wait (duration, 1s to 1h; default 30s)\n"));
    assert_non_null(strstr(text, "# - match.exact: no pattern (true or false"));
    assert_non_null(strstr(text, "\nroutes: []\n"));
    check_round_trip(&config);
    nj_config_done(sample_table, &config);
}

static void prints_lists_of_sections(void **state)
{
    (void)state;
    struct sample_config config;
    load("routes: [{group: ops, channels: [a]}, {match: {exact: true}}]\nlabels: {a: 1}\npatterns: "
         "[]\nzones: []",
         &config);
    NJ_CLEANUP_FREE char *text = print(sample_table, &config);
    assert_non_null(strstr(text, "\nroutes:\n"
                                 "  - group: \"ops\"\n"
                                 "    channels:\n"
                                 "      - \"a\"\n"
                                 "    wait: 30s\n"
                                 "    match:\n"
                                 "      namespace: \"*\"\n"
                                 "      exact: false\n"
                                 "  - group: \"\"\n"
                                 "    channels: []\n"));
    check_round_trip(&config);
    nj_config_done(sample_table, &config);
}

static void keeps_texts_that_look_like_something_else(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "null",
        "~",
        "true",
        "5",
        "1.5e3",
        "- a",
        "a: b",
        "# no",
        "a #b",
        "[a]",
        "{a}",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@all",
        "`a`",
        "'a'",
        "\"a\"",
        "\\",
        "\\n",
        " a ",
        "\ta\t",
        "a\nb",
        "a\r\nb\n",
        "\x01\x1b\x7f",
        "---",
        "...",
        "a,b",
        "<<",
        "=",
        "?",
        "\xE4\xBC\x81\xE4\xB8\x9A",
        "\xC2\x80\xC2\x85\xC2\x9F\xC2\xA0",
        "\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xA7",
        "\357\273\277a",
        "\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBF\xBD",
        "\xF0\x9F\x8C\x99",
        "\xF4\x8F\xBF\xBF",
        "\xED\x9F\xBF\xEE\x80\x80",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sample_config config;
        load("routes: [{}]\nlabels: {k: v}\npatterns: [x]\n", &config);
        free(config.cluster);
        config.cluster = nj_strdup(texts[i]);
        free(config.patterns.items[0]);
        config.patterns.items[0] = nj_strdup(texts[i]);
        free(config.labels.items[1]);
        config.labels.items[1] = nj_strdup(texts[i]);
        struct sample_route *route = config.routes.items;
        free(route->group);
        route->group = nj_strdup(texts[i]);
        check_round_trip(&config);
        nj_config_done(sample_table, &config);
    }
}

static void keeps_every_character(void **state)
{
    (void)state;
    struct nj_buf text = {0};
    for (unsigned code = 1; code < 0x11000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        char utf8[4];
        size_t len = 0;
        if (code < 0x80) {
            utf8[len++] = (char)code;
        } else if (code < 0x800) {
            utf8[len++] = (char)(0xC0 | code >> 6);
        } else if (code < 0x10000) {
            utf8[len++] = (char)(0xE0 | code >> 12);
            utf8[len++] = (char)(0x80 | (code >> 6 & 63));
        } else {
            utf8[len++] = (char)(0xF0 | code >> 18);
            utf8[len++] = (char)(0x80 | (code >> 12 & 63));
            utf8[len++] = (char)(0x80 | (code >> 6 & 63));
        }
        if (code >= 0x80)
            utf8[len++] = (char)(0x80 | (code & 63));
        assert_int_equal(nj_buf_append(&text, utf8, len), 0);
    }
    struct sample_config config;
    load("", &config);
    free(config.cluster);
    config.cluster = nj_buf_take(&text);
    check_round_trip(&config);
    nj_config_done(sample_table, &config);
}

static void keeps_the_longest_map_key(void **state)
{
    (void)state;
    struct sample_config config;
    load("labels: {k: v}", &config);
    char *key = nj_calloc(NJ_CONFIG_MAP_KEY_MAX + 1, 1);
    memset(key, '"', NJ_CONFIG_MAP_KEY_MAX); /* doubled when printed */
    free(config.labels.items[0]);
    config.labels.items[0] = key;
    check_round_trip(&config);
    nj_config_done(sample_table, &config);
}

static void keeps_odd_numbers(void **state)
{
    (void)state;
    struct sample_config config;
    load("serial: -9223372036854775808\nworkers: -1\nformat: \"off\"\n"
         "crash: {log_bytes: 1025, stable_after: 1m0s1ns, unbounded: 106751d23h47m16s854ms775us807ns}",
         &config);
    assert_true(config.crash.unbounded_ns == INT64_MAX);
    check_round_trip(&config);
    nj_config_done(sample_table, &config);
}

static void says_when_the_output_fails(void **state)
{
    (void)state;
    struct sample_config config;
    load("", &config);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(nj_config_print(sample_table, &config, full), -EIO);
    (void)fclose(full);
    nj_config_done(sample_table, &config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_defaults_with_help_and_ranges),
        cmocka_unit_test(prints_lists_of_sections),
        cmocka_unit_test(keeps_texts_that_look_like_something_else),
        cmocka_unit_test(keeps_every_character),
        cmocka_unit_test(keeps_the_longest_map_key),
        cmocka_unit_test(keeps_odd_numbers),
        cmocka_unit_test(says_when_the_output_fails),
    };
    return cmocka_run_group_tests_name("config_print", tests, NULL, NULL);
}
