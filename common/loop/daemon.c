#include "common/loop/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/cli.h"

/* Settings that were in force once: modules may still point into them. */
struct settings {
    void *config;
    struct settings *older;
};

struct process {
    const struct nj_daemon *daemon;
    struct nj_cli cli;
    struct nj_clock clock;
    struct nj_loop loop;
    struct settings *settings; /* the newest first */
    void *state;
    bool started, stopping;
    uv_signal_t term, interrupt, hangup;
};

/* Files are for their owner alone, writing to a closed connection is an error and no signal, and as many
 * descriptors may be open as the system allows. */
static void prepare(void)
{
    struct rlimit files;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)umask(077);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int load_settings(struct process *process, void **ret_config, struct nj_err *err)
{
    const struct nj_daemon *daemon = process->daemon;
    void *config = nj_calloc(1, daemon->config_size);
    int rc = nj_config_load(daemon->table, process->cli.config_path, process->cli.flags,
                            process->cli.flags_count, config, err);
    if (rc == 0 && daemon->check != NULL) {
        rc = daemon->check(config, err);
        if (rc < 0)
            nj_config_done(daemon->table, config);
    }
    if (rc < 0) {
        free(config);
        return rc;
    }
    *ret_config = config;
    return 0;
}

static void keep_settings(struct process *process, void *config)
{
    enum nj_log_level level = NJ_LOG_INFO;
    enum nj_log_format format = NJ_LOG_JSON;
    struct settings *settings = NJ_NEW(struct settings);
    settings->config = config;
    settings->older = process->settings;
    process->settings = settings;
    process->daemon->log_settings(config, &level, &format);
    nj_log_set(level, format);
}

static void free_settings(struct process *process)
{
    while (process->settings != NULL) {
        struct settings *settings = process->settings;
        process->settings = settings->older;
        nj_config_done(process->daemon->table, settings->config);
        free(settings->config);
        free(settings);
    }
}

static void close_signals(struct process *process)
{
    uv_close((uv_handle_t *)&process->term, NULL);
    uv_close((uv_handle_t *)&process->interrupt, NULL);
    uv_close((uv_handle_t *)&process->hangup, NULL);
}

static void on_stopped(void *data)
{
    struct process *process = data;
    close_signals(process);
    nj_loop_stop(&process->loop);
}

static void on_stop(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    if (process->stopping || !process->started) /* what does not run yet has nothing to drain */
        _Exit(128 + number);
    process->stopping = true;
    nj_info("main", "stopping on signal %d: draining what is queued", number);
    process->daemon->stop(process->state, on_stopped, process);
}

static void say_restart(void *data, const char *setting, bool live)
{
    (void)data;
    if (!live)
        nj_warn("main", "reload: %s differs from what was started with: restart to put it in force", setting);
}

static void say_changed(void *data, const char *setting, bool live)
{
    (void)data;
    if (live)
        nj_info("main", "reload: %s has changed", setting);
}

static void say_differences(const struct process *process, const void *config)
{
    const struct nj_daemon *daemon = process->daemon;
    const struct settings *first = process->settings;
    while (first->older != NULL)
        first = first->older;
    nj_config_compare(daemon->table, first->config, config, daemon->live, say_restart, NULL);
    nj_config_compare(daemon->table, process->settings->config, config, daemon->live, say_changed, NULL);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    struct nj_err err = {0};
    void *config = NULL;
    (void)number;
    if (process->stopping || !process->started)
        return;
    int rc = load_settings(process, &config, &err);
    if (rc == 0) {
        rc = process->daemon->reload(process->state, config, &err);
        if (rc < 0) {
            nj_config_done(process->daemon->table, config);
            free(config);
        }
    }
    if (rc < 0) {
        nj_error("main", "reload: %s; the old settings stay in force", err.text);
        return;
    }
    say_differences(process, config);
    keep_settings(process, config);
    nj_info("main", "settings reloaded");
}

static int watch_signal(struct process *process, uv_signal_t *handle, uv_signal_cb callback, int number)
{
    int rc = uv_signal_init(&process->loop.uv, handle);
    handle->data = process;
    return rc < 0 ? rc : uv_signal_start(handle, callback, number);
}

static int run(struct process *process, const char *clock_file)
{
    struct nj_err err = {0};
    void *config = NULL;
    if (load_settings(process, &config, &err) < 0) {
        fprintf(stderr, "%s: %s\n", process->daemon->program, err.text);
        return NJ_CLI_CONFIG;
    }
    keep_settings(process, config);
    nj_clock_init(&process->clock);
    if (clock_file != NULL && nj_clock_open_replay(&process->clock, clock_file, &err) < 0) {
        nj_error("main", "%s", err.text);
        return 1;
    }
    if (nj_loop_init(&process->loop, &process->clock) < 0 ||
        watch_signal(process, &process->term, on_stop, SIGTERM) < 0 ||
        watch_signal(process, &process->interrupt, on_stop, SIGINT) < 0 ||
        watch_signal(process, &process->hangup, on_hangup, SIGHUP) < 0) {
        nj_error("main", "the event loop cannot be set up");
        return 1;
    }
    if (process->daemon->start(&process->loop, config, &process->state, &err) < 0) {
        nj_error("main", "%s", err.text);
        close_signals(process);
        (void)nj_loop_close(&process->loop);
        return 1;
    }
    process->started = true;
    nj_loop_run(&process->loop);
    if (nj_loop_close(&process->loop) < 0)
        nj_warn("main", "a module left a handle open");
    nj_clock_close(&process->clock);
    return 0;
}

int nj_daemon_run(const struct nj_daemon *daemon, int argc, char **argv)
{
    struct nj_cli_extra extras[] = {
        {.name = "clock-file",
         .argument = "PATH",
         .help = "take the time from this file, which a replay keeps writing (8 bytes: wall time in ns)"},
        {0},
    };
    struct process process = {
        .daemon = daemon,
        .cli = {.program = daemon->program,
                .summary = daemon->summary,
                .table = daemon->table,
                .config_size = daemon->config_size,
                .check = daemon->check,
                .extras = extras},
    };
    prepare();
    int status = nj_cli_parse(&process.cli, argc, argv) == NJ_CLI_RUN ? run(&process, extras[0].value)
                                                                      : process.cli.status;
    free_settings(&process);
    nj_cli_done(&process.cli);
    return status;
}
