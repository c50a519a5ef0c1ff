#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/cli.h"
#include "common/base/str.h"
#include "tests/unit/base/capture.h"
#include "tests/unit/base/sample_config.h"

/* What a run of the program would give. */
struct run {
    struct nj_cli cli;
    struct nj_cli_extra extras[3];
    enum nj_cli_action action;
    char *out, *err;
};

static int refuse_cluster_bad(const void *config, struct nj_err *err)
{
    const struct sample_config *sample = config;
    return nj_streq(sample->cluster, "bad") ? nj_err_set(err, -EINVAL, "cluster: bad is a bad name") : 0;
}

/* `arguments` ends with NULL and must live as long as the run. */
static void run(struct run *run, const char *const *arguments)
{
    char *argv[16] = {(char *)"nightjar-test"};
    int argc = 1;
    for (; arguments[argc - 1] != NULL; argc++) {
        assert_true(argc < 15);
        argv[argc] = (char *)arguments[argc - 1];
    }
    *run = (struct run){
        .cli = {.program = "nightjar-test",
                .summary = "Watches nothing.",
                .table = sample_table,
                .config_size = sizeof(struct sample_config),
                .check = refuse_cluster_bad,
                .extras = run->extras},
        .extras = {{.name = "clock-file", .argument = "PATH", .help = "take the time from PATH"},
                   {.name = "once", .help = "stop when everything is done"}},
    };
    struct capture out;
    struct capture err;
    capture_start(&out, STDOUT_FILENO);
    capture_start(&err, STDERR_FILENO);
    run->action = nj_cli_parse(&run->cli, argc, argv);
    run->err = capture_end(&err);
    run->out = capture_end(&out);
}

static void run_done(struct run *run)
{
    nj_cli_done(&run->cli);
    free(run->out);
    free(run->err);
}

#define RUN(run_pointer, ...) run(run_pointer, (const char *const[]){__VA_ARGS__, NULL})

static void check_usage_error(const char *const *arguments, const char *expected)
{
    struct run result;
    run(&result, arguments);
    assert_int_equal(result.action, NJ_CLI_EXIT);
    assert_int_equal(result.cli.status, 64);
    NJ_CLEANUP_FREE char *text = nj_asprintf("nightjar-test: %s\nTry 'nightjar-test --help'.\n", expected);
    assert_string_equal(result.err, text);
    assert_string_equal(result.out, "");
    run_done(&result);
}
#define CHECK_USAGE_ERROR(expected, ...) check_usage_error((const char *const[]){__VA_ARGS__, NULL}, expected)

static void runs_without_arguments(void **state)
{
    (void)state;
    struct run result;
    RUN(&result, NULL);
    assert_int_equal(result.action, NJ_CLI_RUN);
    assert_null(result.cli.config_path);
    assert_int_equal(result.cli.flags_count, 0);
    run_done(&result);
}

static void takes_values_with_and_without_equals(void **state)
{
    (void)state;
    struct run result;
    RUN(&result, "--config", "a.yaml", "--crash.log_lines=5", "--cluster", "--x=y", "--clock-file=/c=d",
        "--once", "--patterns=");
    assert_int_equal(result.action, NJ_CLI_RUN);
    assert_string_equal(result.cli.config_path, "a.yaml");
    assert_int_equal(result.cli.flags_count, 3);
    assert_string_equal(result.cli.flags[0].key, "crash.log_lines");
    assert_string_equal(result.cli.flags[0].value, "5");
    assert_string_equal(result.cli.flags[1].key, "cluster");
    assert_string_equal(result.cli.flags[1].value, "--x=y");
    assert_string_equal(result.cli.flags[2].key, "patterns");
    assert_string_equal(result.cli.flags[2].value, "");
    assert_string_equal(result.extras[0].value, "/c=d");
    assert_string_equal(result.extras[1].value, "once");
    run_done(&result);
}

static void prints_its_version(void **state)
{
    (void)state;
    struct run result;
    RUN(&result, "--version");
    assert_int_equal(result.action, NJ_CLI_EXIT);
    assert_int_equal(result.cli.status, 0);
    assert_string_equal(result.out, "nightjar-test " NJ_VERSION "\n");
    run_done(&result);
}

static void prints_help_for_every_flag(void **state)
{
    (void)state;
    struct run result;
    RUN(&result, "--help");
    assert_int_equal(result.action, NJ_CLI_EXIT);
    assert_int_equal(result.cli.status, 0);
    assert_true(nj_str_starts(result.out, "Usage: nightjar-test [OPTION]...\nWatches nothing.\n\n"));
    static const char *const parts[] = {
        "\n  --config FILE           read settings from FILE",
        "\n  --check-config          check",
        "\n  --print-config          print",
        "\n  --version               print",
        "\n  --help                  print",
        "\n  --clock-file PATH       take the time from PATH\n",
        "\n  --once                  stop when everything is done\n",
        "\n  --crash.log_bytes\n        how many bytes (size, 1KiB to 64MiB; default 256KiB)\n",
        "\n  --format\n        of the log (json, text or off)\n",
        "\n  --zones\n        with a default (list of texts; default [a, b])\n",
        "\n  labels\n        keys and values (keys with values, at most 3; in the file only)\n",
        "\n  routes\n        who is told what (list, at most 20; in the file only)\n",
        "\n  routes[].wait\n        how long to wait (duration, 1s to 1h; default 30s)\n",
        "\n  routes[].match.namespace\n        pattern (text; default *)\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(result.out, parts[i]) == NULL)
            fail_msg("not in the help: %s", parts[i]);
    }
    for (const char *line = result.out; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    run_done(&result);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    CHECK_USAGE_ERROR("unknown flag --crash.log_line; did you mean --crash.log_lines?", "--crash.log_line=5");
    CHECK_USAGE_ERROR("unknown flag --log_lines; did you mean --crash.log_lines?", "--log_lines", "5");
    CHECK_USAGE_ERROR("unknown flag --chek-config; did you mean --check-config?", "--chek-config");
    CHECK_USAGE_ERROR("unknown flag --clock-fil; did you mean --clock-file?", "--clock-fil", "x");
    CHECK_USAGE_ERROR("unknown flag --zzzzzzzz", "--zzzzzzzz");
    CHECK_USAGE_ERROR("unknown flag --", "--=x");
    CHECK_USAGE_ERROR("unexpected argument 'run'", "run");
    CHECK_USAGE_ERROR("unexpected argument '-v'", "-v");
    CHECK_USAGE_ERROR("unexpected argument '--'", "--");
    CHECK_USAGE_ERROR("unexpected argument ''", "");
}

static void says_when_a_value_is_missing_or_too_much(void **state)
{
    (void)state;
    CHECK_USAGE_ERROR("--config needs a value: FILE", "--config");
    CHECK_USAGE_ERROR("--clock-file needs a value: PATH", "--once", "--clock-file");
    CHECK_USAGE_ERROR("--crash.log_lines needs a value", "--crash.log_lines");
    CHECK_USAGE_ERROR("--help takes no value", "--help=yes");
    CHECK_USAGE_ERROR("--once takes no value", "--once=");
    CHECK_USAGE_ERROR("--routes: can be set in the configuration file only", "--routes=a");
    CHECK_USAGE_ERROR(
        "--crash: can be set in the configuration file only; it is a section, its settings have flags "
        "of their own",
        "--crash=a");
}

static char *write_file(const char *text)
{
    char *path = nj_strdup("/tmp/nj-cli-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    return path;
}

static void checks_settings(void **state)
{
    (void)state;
    struct run result;
    RUN(&result, "--check-config");
    assert_int_equal(result.cli.status, 0);
    assert_string_equal(result.out, "OK: defaults and flags\n");
    run_done(&result);

    NJ_CLEANUP_FREE char *path = write_file("\ncluster: bad\n");
    RUN(&result, "--check-config", "--config", path, "--cluster=good");
    assert_int_equal(result.action, NJ_CLI_EXIT);
    assert_int_equal(result.cli.status, 0);
    NJ_CLEANUP_FREE char *ok = nj_asprintf("OK: %s\n", path);
    assert_string_equal(result.out, ok);
    run_done(&result);

    RUN(&result, "--check-config", "--config", path);
    assert_int_equal(result.cli.status, 78);
    NJ_CLEANUP_FREE char *bad = nj_asprintf("nightjar-test: %s: cluster: bad is a bad name\n", path);
    assert_string_equal(result.err, bad);
    assert_string_equal(result.out, "");
    run_done(&result);

    RUN(&result, "--config", path, "--workers=100", "--check-config");
    assert_int_equal(result.cli.status, 78);
    assert_string_equal(result.err, "nightjar-test: --workers: 100 is out of range, -1 to 64 are allowed\n");
    run_done(&result);
    (void)unlink(path);

    RUN(&result, "--config", path, "--check-config");
    assert_int_equal(result.cli.status, 78);
    NJ_CLEANUP_FREE char *gone = nj_asprintf("nightjar-test: %s: No such file or directory\n", path);
    assert_string_equal(result.err, gone);
    run_done(&result);
}

static void prints_settings_that_can_be_loaded_again(void **state)
{
    (void)state;
    struct run first;
    RUN(&first, "--print-config", "--cluster", "a: \"b\"", "--crash.log_bytes=1Mi");
    assert_int_equal(first.action, NJ_CLI_EXIT);
    assert_int_equal(first.cli.status, 0);
    assert_non_null(strstr(first.out, "\n  log_bytes: 1MiB\n"));
    NJ_CLEANUP_FREE char *path = write_file(first.out);
    struct run second;
    RUN(&second, "--print-config", "--config", path);
    assert_string_equal(second.err, "");
    assert_string_equal(second.out, first.out);
    (void)unlink(path);
    run_done(&first);
    run_done(&second);
}

static void says_when_the_answer_cannot_be_written(void **state)
{
    (void)state;
    static const char *const flags[] = {"--help", "--version", "--check-config", "--print-config"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        (void)fflush(stdout);
        int saved = dup(STDOUT_FILENO);
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_int_equal(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
        (void)close(full);
        struct capture err;
        capture_start(&err, STDERR_FILENO);
        char *argv[] = {(char *)"nightjar-test", (char *)flags[i], NULL};
        struct nj_cli cli = {
            .program = "nightjar-test", .table = sample_table, .config_size = sizeof(struct sample_config)};
        enum nj_cli_action action = nj_cli_parse(&cli, 2, argv);
        clearerr(stdout);
        assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
        (void)close(saved);
        NJ_CLEANUP_FREE char *text = capture_end(&err);
        assert_int_equal(action, NJ_CLI_EXIT);
        assert_int_equal(cli.status, 74);
        assert_string_equal(text, "nightjar-test: cannot write to standard output\n");
        nj_cli_done(&cli);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_without_arguments),
        cmocka_unit_test(takes_values_with_and_without_equals),
        cmocka_unit_test(prints_its_version),
        cmocka_unit_test(prints_help_for_every_flag),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(says_when_a_value_is_missing_or_too_much),
        cmocka_unit_test(checks_settings),
        cmocka_unit_test(prints_settings_that_can_be_loaded_again),
        cmocka_unit_test(says_when_the_answer_cannot_be_written),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
