#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "tests/unit/base/sample_config.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int load(const char *text, struct sample_config *config, struct nj_err *err)
{
    memset(config, 0, sizeof(*config));
    *err = (struct nj_err){0};
    return nj_config_load_text(sample_table, "t.yaml", text, strlen(text), NULL, 0, config, err);
}

static void load_good(const char *text, struct sample_config *config)
{
    struct nj_err err;
    if (load(text, config, &err) != 0)
        fail_msg("%s", err.text);
}

/* The text is refused with just that error, and nothing is kept. */
static void check_refused(const char *text, const char *expected)
{
    struct sample_config config;
    struct sample_config zero;
    struct nj_err err;
    memset(&zero, 0, sizeof(zero));
    assert_int_equal(load(text, &config, &err), -EINVAL);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.code, -EINVAL);
    assert_memory_equal(&config, &zero, sizeof(config));
    assert_int_equal(nj_config_load_text(sample_table, "t.yaml", text, strlen(text), NULL, 0, &config, NULL),
                     -EINVAL);
}

static void check_strings(const struct nj_config_strings *strings, const char *joined)
{
    struct nj_buf text = {0};
    for (size_t i = 0; i < strings->count; i++)
        assert_int_equal(nj_buf_printf(&text, "%s|", strings->items[i]), 0);
    assert_string_equal(nj_buf_str(&text), joined);
    nj_buf_done(&text);
}

static void check_defaults(const struct sample_config *config)
{
    assert_string_equal(config->cluster, "default");
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->serial, 0);
    assert_true(config->enabled);
    assert_int_equal(config->format, 0);
    assert_int_equal(config->crash.log_lines, 1000);
    assert_int_equal(config->crash.log_bytes, 256 << 10);
    assert_true(config->crash.stable_after_ns == 10 * NJ_MIN);
    assert_string_equal(config->crash.redact.pattern, "");
    check_strings(&config->patterns, "");
    check_strings(&config->zones, "a|b|");
    check_strings(&config->labels, "");
    assert_int_equal(config->routes.count, 0);
}

static void has_defaults_without_a_file(void **state)
{
    (void)state;
    struct sample_config config = {0};
    struct nj_err err;
    assert_int_equal(nj_config_load(sample_table, NULL, NULL, 0, &config, &err), 0);
    check_defaults(&config);
    nj_config_done(sample_table, &config);
    assert_null(config.cluster);
    nj_config_done(sample_table, &config);
}

static void keeps_the_defaults_for_what_the_file_leaves_out(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "# only a comment\n",
                                        "---\n",
                                        "{}",
                                        "~",
                                        "crash:\n",
                                        "crash:\n  redact:\nroutes:\nlabels:\nzones:\n",
                                        "\357\273\277crash: {}\n"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct sample_config config;
        load_good(texts[i], &config);
        check_defaults(&config);
        nj_config_done(sample_table, &config);
    }
}

static void reads_every_type(void **state)
{
    (void)state;
    struct sample_config config;
    load_good("cluster: \"生产 1\"\n"
              "workers: -1\n"
              "serial: -9223372036854775808\n"
              "enabled: false\n"
              "format: text\n"
              "crash:\n"
              "  log_lines: 500\n"
              "  log_bytes: 1MiB # not 1 MB\n"
              "  stable_after: '1m30s'\n"
              "  redact: {pattern: 'a: b'}\n"
              "patterns:\n"
              "- one\n"
              "- 2\n"
              "- \"null\"\n"
              "zones: []\n"
              "labels: {app: web, replicas: 3, canary: true, }\n"
              "routes:\n"
              "  - group: ops\n"
              "    channels: [a, b]\n"
              "  - wait: 5m\n"
              "    match: {namespace: shop-*, exact: true}\n",
              &config);
    assert_string_equal(config.cluster, "生产 1");
    assert_int_equal(config.workers, -1);
    assert_true(config.serial == INT64_MIN);
    assert_false(config.enabled);
    assert_int_equal(config.format, 1);
    assert_int_equal(config.crash.log_lines, 500);
    assert_int_equal(config.crash.log_bytes, 1 << 20);
    assert_true(config.crash.stable_after_ns == 90 * NJ_SEC);
    assert_string_equal(config.crash.redact.pattern, "a: b");
    check_strings(&config.patterns, "one|2|null|");
    check_strings(&config.zones, "");
    check_strings(&config.labels, "app|web|replicas|3|canary|true|");
    assert_int_equal(config.routes.count, 2);
    const struct sample_route *routes = config.routes.items;
    assert_string_equal(routes[0].group, "ops");
    check_strings(&routes[0].channels, "a|b|");
    assert_true(routes[0].wait_ns == 30 * NJ_SEC);
    assert_string_equal(routes[0].match.namespace, "*");
    assert_false(routes[0].match.exact);
    assert_string_equal(routes[1].group, "");
    assert_int_equal(routes[1].channels.count, 0);
    assert_true(routes[1].wait_ns == 5 * NJ_MIN);
    assert_string_equal(routes[1].match.namespace, "shop-*");
    assert_true(routes[1].match.exact);
    nj_config_done(sample_table, &config);
}

static void reads_block_texts(void **state)
{
    (void)state;
    struct sample_config config;
    load_good("cluster: |\n  two\n  lines\ncrash:\n  redact:\n    pattern: >-\n      folded\n      text\n",
              &config);
    assert_string_equal(config.cluster, "two\nlines\n");
    assert_string_equal(config.crash.redact.pattern, "folded text");
    nj_config_done(sample_table, &config);
}

static void names_line_key_and_range_of_a_bad_value(void **state)
{
    (void)state;
    check_refused("crash:\n\n  log_lines: 0\n",
                  "t.yaml:3: crash.log_lines: 0 is out of range, 1 to 100000 are allowed");
    check_refused("crash: {log_lines: 100001}",
                  "t.yaml:1: crash.log_lines: 100001 is out of range, 1 to 100000 are allowed");
    check_refused("crash: {log_lines: 99999999999999999999}",
                  "t.yaml:1: crash.log_lines: 99999999999999999999 is out of range, 1 to 100000 are allowed");
    check_refused("workers: -2", "t.yaml:1: workers: -2 is out of range, -1 to 64 are allowed");
    check_refused("serial: 9223372036854775808", "t.yaml:1: serial: 9223372036854775808 is too large");
    check_refused("crash: {log_bytes: 65MiB}",
                  "t.yaml:1: crash.log_bytes: 65MiB is out of range, 1KiB to 64MiB are allowed");
    check_refused("crash: {stable_after: 2d}",
                  "t.yaml:1: crash.stable_after: 2d is out of range, 1s to 1d are allowed");
    check_refused("crash: {unbounded: 0}",
                  "t.yaml:1: crash.unbounded: 0 is out of range, 1s or more is allowed");
    check_refused("routes: [{}, {wait: 1ms}]",
                  "t.yaml:1: routes[1].wait: 1ms is out of range, 1s to 1h are allowed");
}

static void says_what_a_wrong_type_should_be(void **state)
{
    (void)state;
    check_refused("crash: {log_lines: many}", "t.yaml:1: crash.log_lines: \"many\" is not a whole number");
    check_refused("crash: {log_lines: 1.5}", "t.yaml:1: crash.log_lines: \"1.5\" is not a whole number");
    check_refused("crash: {log_lines: \"5\"}",
                  "t.yaml:1: crash.log_lines: a whole number without quotes is needed");
    check_refused("enabled: 'true'", "t.yaml:1: enabled: true or false without quotes is needed");
    check_refused("enabled: yes", "t.yaml:1: enabled: \"yes\" is neither true nor false");
    check_refused("crash: {log_bytes: 1mb}",
                  "t.yaml:1: crash.log_bytes: \"1mb\" is not a size such as 4096, 256KiB or 2GiB");
    check_refused("crash: {stable_after: 10}",
                  "t.yaml:1: crash.stable_after: \"10\" is not a duration such as 250ms, 30s or 1h30m");
    check_refused("format: JSON", "t.yaml:1: format: \"JSON\" is unknown, use json, text or off");
    check_refused("cluster: [a]", "t.yaml:1: cluster: a single value is needed (text)");
    check_refused("crash: {log_lines: {}}",
                  "t.yaml:1: crash.log_lines: a single value is needed (whole number, 1 to 100000)");
    check_refused("cluster:\nworkers: 1",
                  "t.yaml:1: cluster: a value is missing; leave the line out to have the default (text)");
    check_refused(
        "enabled: ~",
        "t.yaml:1: enabled: a value is missing; leave the line out to have the default (true or false)");
    check_refused("crash: 5", "t.yaml:1: crash: settings are needed, each as \"key: value\"");
    check_refused("patterns: a", "t.yaml:1: patterns: a list is needed, such as [a, b]");
    check_refused("patterns: [a, [b]]", "t.yaml:1: patterns[1]: a text is needed");
    check_refused("patterns:\n- a\n-\n", "t.yaml:3: patterns[1]: a text is missing");
    check_refused("labels: [a]", "t.yaml:1: labels: keys with values are needed");
    check_refused("labels: {a: {}}", "t.yaml:1: labels: a key's value must be a single value");
    check_refused("labels: {[a]: b}", "t.yaml:1: labels: a key must be a text");
    check_refused("labels: {\"\": b}", "t.yaml:1: labels: a key is empty");
    check_refused("labels: {\"a\\nb\": b}",
                  "t.yaml:1: labels: a key with a control character is not allowed");
    check_refused("routes: {group: a}",
                  "t.yaml:1: routes: a list of sections is needed, each starting with \"- \"");
    check_refused("routes: [a]", "t.yaml:1: routes[0]: settings are needed, each as \"key: value\"");
    check_refused("- a", "t.yaml:1: settings are needed, each as \"key: value\"");
    check_refused("just text", "t.yaml:1: settings are needed, each as \"key: value\"");
    check_refused("{[a]: b}", "t.yaml:1: a key must be a text");
}

static void hints_at_the_right_name_of_an_unknown_key(void **state)
{
    (void)state;
    check_refused("crash:\n  log_line: 5",
                  "t.yaml:2: crash.log_line: no such setting; did you mean log_lines?");
    check_refused("clutser: a", "t.yaml:1: clutser: no such setting; did you mean cluster?");
    check_refused("log_lines: 5", "t.yaml:1: log_lines: no such setting; did you mean crash.log_lines?");
    check_refused("routes: [{groop: a}]", "t.yaml:1: routes[0].groop: no such setting; did you mean group?");
    check_refused("something_else: a", "t.yaml:1: something_else: no such setting");
    check_refused("Cluster: a", "t.yaml:1: Cluster: no such setting; did you mean cluster?");
    check_refused("\"evil\\e[31m\\nkey\": a", "t.yaml:1: evil?[31m?key: no such setting");
    check_refused("<<: {a: b}", "t.yaml:1: <<: no such setting");
}

static void refuses_a_key_that_stands_twice(void **state)
{
    (void)state;
    check_refused("cluster: a\nworkers: 1\ncluster: a\n", "t.yaml:3: cluster: stands twice, first in line 1");
    check_refused("crash:\n  log_lines: 1\n  log_lines: 2\n",
                  "t.yaml:3: crash.log_lines: stands twice, first in line 2");
    check_refused("labels: {a: 1, a: 2}", "t.yaml:1: labels: the key \"a\" stands twice");
}

static void refuses_yaml_that_says_something_else_than_it_shows(void **state)
{
    (void)state;
    check_refused("cluster: &name a",
                  "t.yaml:1: cluster: YAML anchors (&name) are not supported, write the value "
                  "out where it is needed");
    check_refused("crash: &c {}",
                  "t.yaml:1: crash: YAML anchors (&name) are not supported, write the value out "
                  "where it is needed");
    check_refused("patterns: &p []",
                  "t.yaml:1: patterns: YAML anchors (&name) are not supported, write the value "
                  "out where it is needed");
    check_refused("cluster: *name",
                  "t.yaml:1: cluster: YAML aliases (*name) are not supported, write the value out");
    check_refused("cluster: !!str 5",
                  "t.yaml:1: cluster: YAML tags (!name) are not supported, leave the tag out");
    check_refused("patterns: [!x a]",
                  "t.yaml:1: patterns[0]: YAML tags (!name) are not supported, leave the tag out");
    check_refused("cluster: a\n---\ncluster: b\n", "t.yaml:2: a second document (---) is not allowed");
    check_refused("cluster: \"a\\0b\"", "t.yaml:1: cluster: a NUL character is not allowed");
}

static void refuses_broken_yaml_with_its_line(void **state)
{
    (void)state;
    static const char *const texts[] = {"a: 1\nb: [\n",
                                        "cluster: a\n\t- b",
                                        "cluster: \"a\nb",
                                        "cluster: a: b",
                                        "cluster: a\n\xFF\n",
                                        "cluster: a\n\x01",
                                        "}",
                                        "cluster: {a",
                                        "%TAG ! x\n--- a",
                                        "cluster: \xEF\xBF\xBE"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct sample_config broken;
        struct nj_err why;
        assert_int_equal(load(texts[i], &broken, &why), -EINVAL);
        assert_true(nj_str_starts(why.text, "t.yaml:"));
        assert_true(why.text[7] >= '1' && why.text[7] <= '9');
    }
    struct sample_config config = {0};
    struct nj_err err;
    assert_int_equal(
        nj_config_load_text(sample_table, "t.yaml", "cluster: a\n\0", 12, NULL, 0, &config, &err), -EINVAL);
    assert_string_equal(err.text, "t.yaml:2: not valid YAML: control characters are not allowed");
    check_refused("cluster: a\nworkers: 1\n\xFF\n", "t.yaml:3: not valid YAML: invalid leading UTF-8 octet");
}

static void bounds_lists_and_nesting(void **state)
{
    (void)state;
    check_refused("routes: [{channels: [a, b, c, d]}]",
                  "t.yaml:1: routes[0].channels: has too many entries, at most 3 are allowed");
    check_refused("labels: {a: 1, b: 2, c: 3, d: 4}",
                  "t.yaml:1: labels: has too many entries, at most 3 are allowed");
    check_refused("routes: [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]",
                  "t.yaml:1: routes: has too many entries, at most 20 are allowed");

    struct nj_buf text = {0};
    assert_int_equal(nj_buf_append_str(&text, "zones: [x"), 0);
    for (int i = 0; i < NJ_CONFIG_ITEMS_MAX; i++)
        assert_int_equal(nj_buf_append_str(&text, ", x"), 0);
    assert_int_equal(nj_buf_append_str(&text, "]"), 0);
    check_refused(text.data, "t.yaml:1: zones: has too many entries, at most 1000 are allowed");

    nj_buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(nj_buf_append_char(&text, i % 2 == 0 ? '[' : '{'), 0);
    struct sample_config config;
    struct nj_err err;
    assert_int_equal(load(text.data, &config, &err), -EINVAL);

    nj_buf_clear(&text);
    assert_int_equal(nj_buf_append_str(&text, "cluster: a\n#"), 0);
    while (text.len <= NJ_CONFIG_FILE_MAX)
        assert_int_equal(nj_buf_append_char(&text, 'x'), 0);
    check_refused(text.data, "t.yaml: is larger than 1048576 bytes");

    nj_buf_clear(&text);
    assert_int_equal(nj_buf_append_str(&text, "labels: {"), 0);
    for (int i = 0; i <= NJ_CONFIG_MAP_KEY_MAX; i++)
        assert_int_equal(nj_buf_append_char(&text, 'k'), 0);
    assert_int_equal(nj_buf_append_str(&text, ": v}"), 0);
    check_refused(text.data, "t.yaml:1: labels: a key is too long");
    nj_buf_done(&text);
}

static int load_flags(const struct nj_config_flag *flags, size_t count, struct sample_config *config,
                      struct nj_err *err)
{
    static const char text[] = "crash: {log_lines: 5}\nzones: [x]\n";
    memset(config, 0, sizeof(*config));
    return nj_config_load_text(sample_table, "t.yaml", text, strlen(text), flags, count, config, err);
}

static void puts_flags_over_the_file(void **state)
{
    (void)state;
    const struct nj_config_flag flags[] = {
        {"crash.log_lines", "6"},
        {"crash.log_lines", "7"},
        {"cluster", "b"},
        {"enabled", "false"},
        {"format", "off"},
        {"crash.log_bytes", "2KiB"},
        {"crash.stable_after", "1h"},
        {"zones", "north,south,"
                  "east"},
        {"patterns", ""},
        {"crash.redact.pattern", "a,b"},
    };
    struct sample_config config;
    struct nj_err err = {0};
    assert_int_equal(load_flags(flags, COUNT_OF(flags), &config, &err), 0);
    assert_int_equal(config.crash.log_lines, 7);
    assert_string_equal(config.cluster, "b");
    assert_false(config.enabled);
    assert_int_equal(config.format, 2);
    assert_int_equal(config.crash.log_bytes, 2048);
    assert_true(config.crash.stable_after_ns == NJ_HOUR);
    check_strings(&config.zones, "north|south|east|");
    check_strings(&config.patterns, "");
    assert_string_equal(config.crash.redact.pattern, "a,b");
    nj_config_done(sample_table, &config);
}

static void names_the_flag_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        struct nj_config_flag flag;
        const char *expected;
    } cases[] = {
        {{"crash.log_lines", "0"}, "--crash.log_lines: 0 is out of range, 1 to 100000 are allowed"},
        {{"crash.log_lines", ""}, "--crash.log_lines: \"\" is not a whole number"},
        {{"crash.log_line", "1"}, "--crash.log_line: no such setting; did you mean --crash.log_lines?"},
        {{"crash", "1"}, "--crash: is a section; set one of its settings, such as --crash.log_lines"},
        {{"crash.log_lines.x", "1"}, "--crash.log_lines.x: no such setting; did you mean --crash.log_lines?"},
        {{"crash.", "1"}, "--crash.: no such setting; did you mean --crash?"},
        {{"", "1"}, "--: no such setting"},
        {{"labels", "a"}, "--labels: can be set in the configuration file only"},
        {{"routes", "a"}, "--routes: can be set in the configuration file only"},
        {{"routes.group", "a"}, "--routes.group: can be set in the configuration file only"},
        {{"patterns", "a,"}, "--patterns: the text behind the last comma is missing"},
        {{"cluster", "a\xFF"}, "--cluster: \"a\xEF\xBF\xBD\" is not valid UTF-8"},
        {{"patterns", "a,\xFF"}, "--patterns: \"\xEF\xBF\xBD\" is not valid UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample_config config;
        struct nj_err err = {0};
        assert_int_equal(load_flags(&cases[i].flag, 1, &config, &err), -EINVAL);
        assert_string_equal(err.text, cases[i].expected);
        assert_null(config.cluster);
    }
}

static void finds_a_default_that_is_not_allowed(void **state)
{
    (void)state;
    static const struct nj_config_field table[] = {
        {.key = "n", .type = NJ_CONFIG_INT, .fallback = "0", .min = 1, .max = 2}, {0}};
    int64_t config = 0;
    struct nj_err err = {0};
    assert_int_equal(nj_config_load(table, NULL, NULL, 0, &config, &err), -EINVAL);
    assert_string_equal(err.text, "default of n: 0 is out of range, 1 to 2 are allowed");
}

/* A folder for one test, and files in it. */
static char *make_folder(void)
{
    char *folder = nj_strdup("/tmp/nj-config-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static char *write_file(const char *folder, const char *name, const char *text, size_t len)
{
    char *path = nj_asprintf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    (void)close(fd);
    return path;
}

static void remove_folder(char *folder, const char *const *names)
{
    for (; *names != NULL; names++) {
        NJ_CLEANUP_FREE char *path = nj_asprintf("%s/%s", folder, *names);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}

static void reads_a_file_and_names_it_in_errors(void **state)
{
    (void)state;
    static const char *const names[] = {"a.yaml", NULL};
    char *folder = make_folder();
    NJ_CLEANUP_FREE char *path = write_file(folder, names[0], "cluster: x\n", 11);
    struct sample_config config = {0};
    struct nj_err err = {0};
    assert_int_equal(nj_config_load(sample_table, path, NULL, 0, &config, &err), 0);
    assert_string_equal(config.cluster, "x");
    nj_config_done(sample_table, &config);

    free(write_file(folder, names[0], "\nclustr: x\n", 11));
    assert_int_equal(nj_config_load(sample_table, path, NULL, 0, &config, &err), -EINVAL);
    NJ_CLEANUP_FREE char *expected =
        nj_asprintf("%s:2: clustr: no such setting; did you mean cluster?", path);
    assert_string_equal(err.text, expected);

    assert_int_equal(truncate(path, NJ_CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(nj_config_load(sample_table, path, NULL, 0, &config, &err), -EFBIG);
    assert_true(nj_str_ends(err.text, "a.yaml: is larger than 1048576 bytes"));
    assert_int_equal(nj_config_load(sample_table, "/nowhere/a.yaml", NULL, 0, &config, &err), -ENOENT);
    assert_string_equal(err.text, "/nowhere/a.yaml: No such file or directory");
    assert_int_equal(nj_config_load(sample_table, "/tmp", NULL, 0, &config, &err), -EISDIR);
    assert_string_equal(err.text, "/tmp: Is a directory");
    assert_null(config.cluster);
    remove_folder(folder, names);
}

static void check_secret(const char *folder, const char *contents, size_t len, const char *expected,
                         size_t expected_len)
{
    NJ_CLEANUP_FREE char *path = write_file(folder, "token", contents, len);
    struct nj_err err = {0};
    char *text = NULL;
    size_t text_len = 0;
    assert_int_equal(nj_config_read_secret("api.read_token_file", path, 64, &text, &text_len, &err), 0);
    assert_int_equal(text_len, expected_len);
    assert_memory_equal(text, expected, expected_len + 1);
    free(text);
}

static void reads_secrets_without_their_newline(void **state)
{
    (void)state;
    static const char *const names[] = {"token", NULL};
    char *folder = make_folder();
    check_secret(folder, "s3cret", 6, "s3cret", 6);
    check_secret(folder, "s3cret\n", 7, "s3cret", 6);
    check_secret(folder, "s3cret\r\n", 8, "s3cret", 6);
    check_secret(folder, "s3cret\n\n", 8, "s3cret\n", 7);
    check_secret(folder, "s3cret\r", 7, "s3cret\r", 7);
    check_secret(folder, " a\nb", 4, " a\nb", 4);
    check_secret(folder, "a\0b", 3, "a\0b", 3);
    remove_folder(folder, names);
}

static void follows_the_links_of_a_mounted_secret(void **state)
{
    (void)state;
    static const char *const names[] = {"key", "..data", "real", NULL};
    char *folder = make_folder();
    free(write_file(folder, "real", "k\n", 2));
    NJ_CLEANUP_FREE char *data = nj_asprintf("%s/..data", folder);
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/key", folder);
    assert_int_equal(symlink("real", data), 0);
    assert_int_equal(symlink("..data", key), 0);
    char *text = NULL;
    size_t len = 0;
    struct nj_err err;
    assert_int_equal(nj_config_read_secret("key_file", key, 64, &text, &len, &err), 0);
    assert_string_equal(text, "k");
    free(text);
    remove_folder(folder, names);
}

static void names_setting_and_path_but_never_the_secret(void **state)
{
    (void)state;
    static const char *const names[] = {"token", NULL};
    char *folder = make_folder();
    NJ_CLEANUP_FREE char *path = write_file(folder, names[0], "hunter2hunter2", 14);
    struct nj_err err = {0};
    char *text = NULL;
    size_t len = 7;
    assert_int_equal(nj_config_read_secret("api.token_file", path, 13, &text, &len, &err), -EFBIG);
    NJ_CLEANUP_FREE char *too_large = nj_asprintf("api.token_file: %s: is larger than 13 bytes", path);
    assert_string_equal(err.text, too_large);
    assert_int_equal(nj_config_read_secret("api.token_file", path, 14, &text, &len, &err), 0);
    free(text);
    text = NULL;
    len = 7;
    free(write_file(folder, names[0], "\n", 1));
    assert_int_equal(nj_config_read_secret("api.token_file", path, 13, &text, &len, &err), -EINVAL);
    NJ_CLEANUP_FREE char *empty = nj_asprintf("api.token_file: %s: is empty", path);
    assert_string_equal(err.text, empty);
    assert_int_equal(nj_config_read_secret("k", "/nowhere/token", 13, &text, &len, &err), -ENOENT);
    assert_string_equal(err.text, "k: /nowhere/token: No such file or directory");
    assert_int_equal(nj_config_read_secret("k", folder, 13, &text, &len, &err), -EISDIR);
    assert_null(text);
    assert_int_equal(len, 7);
    remove_folder(folder, names);
}

static void note_difference(void *data, const char *key, bool live)
{
    struct nj_buf *told = data;
    assert_int_equal(0, nj_buf_printf(told, "%s%s ", key, live ? " (live)" : ""));
}

static void tells_which_settings_differ(void **state)
{
    (void)state;
    static const char before_text[] =
        "cluster: a\nworkers: 3\nenabled: true\nformat: json\n"
        "crash: {log_lines: 5, log_bytes: 2KiB, redact: {pattern: x}}\n"
        "patterns: [x, y]\nzones: [x]\nlabels: {k: v}\n"
        "routes: [{group: g, channels: [c], match: {namespace: n}}, {group: h}]\n";
    static const char *const live[] = {"crash.", "routes", NULL};
    static const struct {
        const char *from, *to; /* in the text */
        const char *told;
    } cases[] = {
        {"cluster: a", "cluster: b", "cluster "},
        {"workers: 3", "workers: 4", "workers "},
        {"enabled: true", "enabled: false", "enabled "},
        {"format: json", "format: text", "format "},
        {"log_lines: 5", "log_lines: 6", "crash.log_lines (live) "},
        {"log_bytes: 2KiB", "log_bytes: 2048", ""},
        {"pattern: x", "pattern: y", "crash.redact.pattern (live) "},
        {"[x, y]", "[x, z]", "patterns "},
        {"[x, y]", "[x]", "patterns "},
        {"{k: v}", "{k: w}", "labels "},
        {"namespace: n", "namespace: m", "routes (live) "},
        {"channels: [c]", "channels: [d]", "routes (live) "},
        {", {group: h}", "", "routes (live) "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *at = strstr(before_text, cases[i].from);
        assert_non_null(at);
        NJ_CLEANUP_FREE char *after_text = nj_asprintf("%.*s%s%s", (int)(at - before_text), before_text,
                                                       cases[i].to, at + strlen(cases[i].from));
        struct sample_config before, after;
        struct nj_buf told = {0};
        load_good(before_text, &before);
        load_good(after_text, &after);
        nj_config_compare(sample_table, &before, &after, live, note_difference, &told);
        assert_string_equal(cases[i].told, nj_buf_str(&told));
        nj_buf_done(&told);
        nj_config_done(sample_table, &before);
        nj_config_done(sample_table, &after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults_without_a_file),
        cmocka_unit_test(keeps_the_defaults_for_what_the_file_leaves_out),
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_block_texts),
        cmocka_unit_test(names_line_key_and_range_of_a_bad_value),
        cmocka_unit_test(says_what_a_wrong_type_should_be),
        cmocka_unit_test(hints_at_the_right_name_of_an_unknown_key),
        cmocka_unit_test(refuses_a_key_that_stands_twice),
        cmocka_unit_test(refuses_yaml_that_says_something_else_than_it_shows),
        cmocka_unit_test(refuses_broken_yaml_with_its_line),
        cmocka_unit_test(bounds_lists_and_nesting),
        cmocka_unit_test(puts_flags_over_the_file),
        cmocka_unit_test(names_the_flag_that_is_wrong),
        cmocka_unit_test(finds_a_default_that_is_not_allowed),
        cmocka_unit_test(reads_a_file_and_names_it_in_errors),
        cmocka_unit_test(reads_secrets_without_their_newline),
        cmocka_unit_test(follows_the_links_of_a_mounted_secret),
        cmocka_unit_test(names_setting_and_path_but_never_the_secret),
        cmocka_unit_test(tells_which_settings_differ),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
