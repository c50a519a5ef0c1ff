/*
 * A program from its command line to its end, as the one who runs it sees it: exit statuses, signals,
 * reloads. Each test runs a small daemon in a child of its own.
 */
#include "common/loop/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

enum { TEXT_MAX = 64 * 1024, ARGS_MAX = 8, PATIENCE_MS = 30 * 1000 };

/* ---- the daemon, in the child; it tells on stdout what is done with it */

struct settings {
    int64_t value;
    char *name, *trouble;
    int level, format;
};

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"json", "text", NULL};
static const struct nj_config_field table[] = {
    {.key = "value",
     .type = NJ_CONFIG_INT,
     .offset = offsetof(struct settings, value),
     .fallback = "3",
     .min = 1,
     .max = 10,
     .help = "a number"},
    {.key = "name", .type = NJ_CONFIG_STRING, .offset = offsetof(struct settings, name), .help = "a name"},
    {.key = "trouble",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct settings, trouble),
     .help = "what goes wrong"},
    {.key = "level",
     .type = NJ_CONFIG_ENUM,
     .offset = offsetof(struct settings, level),
     .fallback = "info",
     .choices = levels,
     .help = "of the log"},
    {.key = "format",
     .type = NJ_CONFIG_ENUM,
     .offset = offsetof(struct settings, format),
     .fallback = "text",
     .choices = formats,
     .help = "of the log"},
    {0},
};

struct state {
    const struct settings *settings, *first;
    struct nj_timer drain;
    void (*on_stopped)(void *data);
    void *on_stopped_data;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)fflush(stdout);
}

static int check(const void *config, struct nj_err *err)
{
    const struct settings *settings = config;
    return nj_streq(settings->name, "taken") ? nj_err_set(err, -EINVAL, "name: \"taken\" is taken") : 0;
}

static void log_settings(const void *config, enum nj_log_level *ret_level, enum nj_log_format *ret_format)
{
    const struct settings *settings = config;
    *ret_level = (enum nj_log_level)settings->level;
    *ret_format = (enum nj_log_format)settings->format;
}

static void on_drained(struct nj_timer *timer)
{
    struct state *state = timer->data;
    say("drained\n");
    state->on_stopped(state->on_stopped_data);
    free(state);
}

static int start(struct nj_loop *loop, const void *config, void **ret_state, struct nj_err *err)
{
    const struct settings *settings = config;
    if (nj_streq(settings->trouble, "start"))
        return nj_err_set(err, -EADDRINUSE, "port 1 is taken");
    if (nj_streq(settings->trouble, "signal")) {
        say("starting\n");
        nj_loop_run(loop); /* as one does that waits for its modules' ends */
    }
    struct state *state = calloc(1, sizeof(*state));
    assert_non_null(state);
    state->settings = state->first = settings;
    nj_timer_init(&state->drain, loop, on_drained, state);
    struct rlimit files;
    mode_t mask = umask(0);
    (void)umask(mask);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(kill(getpid(), SIGPIPE), 0); /* ignored */
    say("started with %d, umask %o, %s files\n", (int)settings->value, (unsigned)mask,
        files.rlim_cur == files.rlim_max ? "all" : "few");
    *ret_state = state;
    return 0;
}

static int reload(void *data, const void *config, struct nj_err *err)
{
    struct state *state = data;
    const struct settings *settings = config;
    if (nj_streq(settings->trouble, "reload"))
        return nj_err_set(err, -EINVAL, "channels cannot change now");
    /* The settings of before, and of the start, are still there. */
    say("reloaded from %d to %d, started with %d\n", (int)state->settings->value, (int)settings->value,
        (int)state->first->value);
    state->settings = settings;
    return 0;
}

static void stop(void *data, void (*on_stopped)(void *data), void *on_stopped_data)
{
    struct state *state = data;
    state->on_stopped = on_stopped;
    state->on_stopped_data = on_stopped_data;
    if (!nj_streq(state->settings->trouble, "stop"))
        nj_timer_start(&state->drain, 20 * NJ_MS, 0);
    say("stopping with %d\n", (int)state->settings->value);
}

static const char *const live[] = {"name", NULL};

static const struct nj_daemon daemon_under_test = {
    .program = "nightjar-test",
    .summary = "Does nothing, at length.",
    .table = table,
    .live = live,
    .config_size = sizeof(struct settings),
    .check = check,
    .log_settings = log_settings,
    .start = start,
    .reload = reload,
    .stop = stop,
};

/* ---- the one who runs it */

struct run {
    pid_t child;
    int out, err;
    char said[TEXT_MAX], logged[TEXT_MAX];
    size_t said_len, logged_len;
    char folder[64], config[96];
};

static int setup(void **state)
{
    struct run *run = calloc(1, sizeof(*run));
    assert_non_null(run);
    (void)snprintf(run->folder, sizeof(run->folder), "/tmp/nj-daemon-XXXXXX");
    assert_non_null(mkdtemp(run->folder));
    (void)snprintf(run->config, sizeof(run->config), "%s/test.yaml", run->folder);
    *state = run;
    return 0;
}

static int teardown(void **state)
{
    struct run *run = *state;
    (void)unlink(run->config);
    assert_int_equal(rmdir(run->folder), 0);
    free(run);
    return 0;
}

static void write_config(const struct run *run, const char *text)
{
    FILE *file = fopen(run->config, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Starts it with these arguments, NULL at the end. */
static void launch(struct run *run, const char *first, ...)
{
    char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t) "nightjar-test"};
    int argc = 1, out[2], err[2];
    va_list args;
    va_start(args, first);
    for (const char *arg = first; arg != NULL; arg = va_arg(args, const char *)) {
        assert_true(argc <= ARGS_MAX);
        argv[argc++] = (char *)(uintptr_t)arg;
    }
    va_end(args);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    (void)fflush(NULL);
    run->said_len = run->logged_len = 0;
    run->child = fork();
    assert_true(run->child >= 0);
    if (run->child == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        exit(nj_daemon_run(&daemon_under_test, argc, argv)); /* with the sanitizer's look for leaks */
    }
    assert_int_equal(close(out[1]), 0);
    assert_int_equal(close(err[1]), 0);
    run->out = out[0];
    run->err = err[0];
}

/* Reads what there is; false when nothing more can come. */
static bool read_some(int fd, char *text, size_t *len)
{
    ssize_t got = read(fd, text + *len, TEXT_MAX - 1 - *len);
    if (got > 0)
        *len += (size_t)got;
    text[*len] = '\0';
    return got > 0;
}

/* Until `text` was said (or logged), or until both ends are closed when it is NULL. */
static void listen_for(struct run *run, const char *said, const char *logged)
{
    bool open[2] = {true, true};
    run->said[run->said_len] = run->logged[run->logged_len] = '\0';
    while ((said == NULL || strstr(run->said, said) == NULL) &&
           (logged == NULL || strstr(run->logged, logged) == NULL) && (open[0] || open[1])) {
        struct pollfd fds[2] = {{.fd = open[0] ? run->out : -1, .events = POLLIN},
                                {.fd = open[1] ? run->err : -1, .events = POLLIN}};
        if (poll(fds, 2, PATIENCE_MS) <= 0)
            fail_msg("silence after \"%s\" and \"%s\"", run->said, run->logged);
        if (fds[0].revents != 0)
            open[0] = read_some(run->out, run->said, &run->said_len);
        if (fds[1].revents != 0)
            open[1] = read_some(run->err, run->logged, &run->logged_len);
    }
    if ((said != NULL && strstr(run->said, said) == NULL) ||
        (logged != NULL && strstr(run->logged, logged) == NULL))
        fail_msg("it said \"%s\" and logged \"%s\"", run->said, run->logged);
}

static void wait_said(struct run *run, const char *text)
{
    listen_for(run, text, NULL);
}

static void wait_logged(struct run *run, const char *text)
{
    listen_for(run, NULL, text);
}

static void send_signal(const struct run *run, int number)
{
    assert_int_equal(kill(run->child, number), 0);
}

/* Its exit status, once all was read. */
static int finish(struct run *run)
{
    int status = 0;
    listen_for(run, NULL, NULL);
    assert_int_equal(waitpid(run->child, &status, 0), run->child);
    assert_int_equal(close(run->out), 0);
    assert_int_equal(close(run->err), 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_heard(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

static void assert_not_heard(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" in: %s", part, text);
}

/* ---- answers instead of running */

static void help_and_version_end_with_0(void **state)
{
    struct run *run = *state;
    launch(run, "--help", NULL);
    assert_int_equal(finish(run), 0);
    assert_heard(run->said, "Does nothing, at length.");
    assert_heard(run->said, "--value");
    assert_heard(run->said, "--clock-file");
    assert_string_equal(run->logged, "");
    launch(run, "--version", NULL);
    assert_int_equal(finish(run), 0);
    assert_heard(run->said, "nightjar-test");
    assert_heard(run->said, NJ_VERSION);
}

static void a_command_line_that_is_wrong_ends_with_64(void **state)
{
    struct run *run = *state;
    launch(run, "--valeu=4", NULL);
    assert_int_equal(finish(run), 64);
    assert_heard(run->logged, "valeu");
    assert_string_equal(run->said, "");
    launch(run, "--config", NULL);
    assert_int_equal(finish(run), 64);
    launch(run, "stray", NULL);
    assert_int_equal(finish(run), 64);
}

static void settings_that_are_wrong_end_with_78(void **state)
{
    struct run *run = *state;
    write_config(run, "name: x\nvalue: 11\n");
    launch(run, "--config", run->config, NULL);
    assert_int_equal(finish(run), 78);
    assert_heard(run->logged, "nightjar-test: ");
    assert_heard(run->logged, "test.yaml:2: value: ");
    assert_not_heard(run->said, "started");
    launch(run, "--config", "/nonexistent.yaml", NULL);
    assert_int_equal(finish(run), 78);
    assert_heard(run->logged, "/nonexistent.yaml");
    launch(run, "--name=taken", NULL); /* which no single field can know */
    assert_int_equal(finish(run), 78);
    assert_heard(run->logged, "is taken");
    launch(run, "--check-config", "--name=taken", NULL);
    assert_int_equal(finish(run), 78);
    launch(run, "--check-config", "--name=free", NULL);
    assert_int_equal(finish(run), 0);
    assert_not_heard(run->said, "started");
}

static void a_start_that_fails_ends_with_1(void **state)
{
    struct run *run = *state;
    launch(run, "--trouble=start", NULL);
    assert_int_equal(finish(run), 1);
    assert_heard(run->logged, "port 1 is taken");
    launch(run, "--clock-file=/nonexistent/clock", NULL);
    assert_int_equal(finish(run), 1);
    assert_heard(run->logged, "/nonexistent/clock");
    assert_not_heard(run->said, "started");
}

/* ---- signals */

static void a_running_one_is_prepared(void **state)
{
    struct run *run = *state;
    launch(run, "--value=7", NULL);
    wait_said(run, "started with 7, umask 77, all files\n");
    send_signal(run, SIGTERM);
    assert_int_equal(finish(run), 0);
}

static void sigterm_and_sigint_drain_and_end_with_0(void **state)
{
    struct run *run = *state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        launch(run, NULL);
        wait_said(run, "started with 3");
        send_signal(run, signals[i]);
        assert_int_equal(finish(run), 0);
        assert_heard(run->said, "stopping with 3\ndrained\n");
        assert_heard(run->logged, "draining");
        assert_not_heard(run->logged, "left a handle open");
    }
}

static void a_second_one_ends_it_at_once(void **state)
{
    struct run *run = *state;
    static const int signals[][2] = {{SIGTERM, SIGTERM}, {SIGTERM, SIGINT}, {SIGINT, SIGTERM}};
    for (int i = 0; i < 3; i++) {
        launch(run, "--trouble=stop", NULL); /* it never ends draining */
        wait_said(run, "started");
        send_signal(run, signals[i][0]);
        wait_said(run, "stopping");
        send_signal(run, SIGHUP); /* too late for that */
        send_signal(run, signals[i][1]);
        assert_int_equal(finish(run), 128 + signals[i][1]);
        assert_not_heard(run->said, "drained");
        assert_not_heard(run->said, "reloaded");
    }
}

static void one_that_comes_while_it_starts_ends_it(void **state)
{
    struct run *run = *state;
    launch(run, "--trouble=signal", NULL);
    wait_said(run, "starting");
    send_signal(run, SIGHUP); /* nothing to reload yet */
    send_signal(run, SIGTERM);
    assert_int_equal(finish(run), 128 + SIGTERM);
    assert_not_heard(run->said, "stopping");
}

static void sighup_puts_good_settings_in_force(void **state)
{
    struct run *run = *state;
    write_config(run, "value: 4\n");
    launch(run, "--config", run->config, NULL);
    wait_said(run, "started with 4");
    write_config(run, "value: 5\n");
    send_signal(run, SIGHUP);
    wait_said(run, "reloaded from 4 to 5, started with 4\n");
    wait_logged(run, "settings reloaded");
    assert_heard(run->logged, "value differs from what was started with: restart");
    assert_not_heard(run->logged, "has changed");
    run->logged_len = 0;
    write_config(run, "value: 6\nname: other\n");
    send_signal(run, SIGHUP);
    wait_said(run, "reloaded from 5 to 6, started with 4\n");
    wait_logged(run, "settings reloaded");
    assert_heard(run->logged, "value differs from what was started with: restart");
    assert_heard(run->logged, "name has changed");
    send_signal(run, SIGTERM);
    assert_int_equal(finish(run), 0);
    assert_heard(run->said, "stopping with 6");
}

static void flags_stay_over_the_file_after_a_reload(void **state)
{
    struct run *run = *state;
    write_config(run, "value: 4\n");
    launch(run, "--config", run->config, "--value=9", NULL);
    wait_said(run, "started with 9");
    write_config(run, "value: 5\n");
    send_signal(run, SIGHUP);
    wait_said(run, "reloaded from 9 to 9");
    send_signal(run, SIGTERM);
    assert_int_equal(finish(run), 0);
}

static void bad_settings_leave_the_old_ones_in_force(void **state)
{
    struct run *run = *state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"value: 99\n", "test.yaml:1: value: "},
        {"valeu: 5\n", "valeu"},
        {"{", "test.yaml"},
        {"name: taken\n", "is taken"},                   /* no single field's fault */
        {"trouble: reload\n", "channels cannot change"}, /* no fault of the settings themselves */
    };
    write_config(run, "value: 4\n");
    launch(run, "--config", run->config, NULL);
    wait_said(run, "started with 4");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_config(run, cases[i].text);
        send_signal(run, SIGHUP);
        wait_logged(run, cases[i].said);
        wait_logged(run, "the old settings stay in force");
        run->logged_len = 0;
    }
    assert_int_equal(unlink(run->config), 0);
    send_signal(run, SIGHUP);
    wait_logged(run, "test.yaml");
    write_config(run, "value: 8\n"); /* and good ones are taken again */
    send_signal(run, SIGHUP);
    wait_said(run, "reloaded from 4 to 8");
    send_signal(run, SIGTERM);
    assert_int_equal(finish(run), 0);
    assert_heard(run->said, "stopping with 8");
}

static void the_log_follows_the_settings(void **state)
{
    struct run *run = *state;
    write_config(run, "format: text\n");
    launch(run, "--config", run->config, NULL);
    wait_said(run, "started");
    write_config(run, "format: json\n");
    send_signal(run, SIGHUP);
    wait_logged(run, "settings reloaded");
    assert_heard(run->logged, "{\"");
    write_config(run, "level: error\n");
    send_signal(run, SIGHUP);
    wait_said(run, "reloaded from 3 to 3, started with 3\nreloaded");
    send_signal(run, SIGTERM);
    run->logged_len = 0;
    assert_int_equal(finish(run), 0);
    assert_not_heard(run->logged, "draining");
}

static void it_runs_by_a_replays_clock(void **state)
{
    struct run *run = *state;
    const int64_t noon_ns = INT64_C(1795251600000000000);
    FILE *file = fopen(run->config, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(&noon_ns, sizeof(noon_ns), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    launch(run, "--clock-file", run->config, NULL);
    wait_said(run, "started");
    send_signal(run, SIGTERM);
    wait_said(run, "stopping"); /* and drains for ever: this clock stands still */
    const int64_t later_ns = noon_ns + NJ_SEC;
    int fd = open(run->config, O_WRONLY);
    assert_true(fd >= 0);
    assert_not_heard(run->said, "drained");
    assert_int_equal(pwrite(fd, &later_ns, sizeof(later_ns), 0), sizeof(later_ns));
    assert_int_equal(close(fd), 0);
    assert_int_equal(finish(run), 0);
    assert_heard(run->said, "drained");
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(help_and_version_end_with_0),
        CASE(a_command_line_that_is_wrong_ends_with_64),
        CASE(settings_that_are_wrong_end_with_78),
        CASE(a_start_that_fails_ends_with_1),
        CASE(a_running_one_is_prepared),
        CASE(sigterm_and_sigint_drain_and_end_with_0),
        CASE(a_second_one_ends_it_at_once),
        CASE(one_that_comes_while_it_starts_ends_it),
        CASE(sighup_puts_good_settings_in_force),
        CASE(flags_stay_over_the_file_after_a_reload),
        CASE(bad_settings_leave_the_old_ones_in_force),
        CASE(the_log_follows_the_settings),
        CASE(it_runs_by_a_replays_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
