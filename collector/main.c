#include "collector/collector.h"
#include "collector/config.h"
#include "collector/import/import.h"
#include "collector/secrets.h"
#include "common/base/str.h"
#include "common/loop/daemon.h"

static int check(const void *config, struct nj_err *err)
{
    return nj_collector_config_check(config, err);
}

static void log_settings(const void *config, enum nj_log_level *ret_level, enum nj_log_format *ret_format)
{
    const struct nj_collector_config *settings = config;
    *ret_level = (enum nj_log_level)settings->log.level;
    *ret_format = (enum nj_log_format)settings->log.format;
}

static int start(struct nj_loop *loop, const void *config, void **ret_state, struct nj_err *err)
{
    struct nj_collector *collector = NULL;
    int rc = nj_collector_start(loop, config, &collector, err);
    *ret_state = collector;
    return rc;
}

static int reload(void *state, const void *config, struct nj_err *err)
{
    return nj_collector_reload(state, config, err);
}

static void stop(void *state, void (*on_stopped)(void *data), void *data)
{
    nj_collector_stop(state, on_stopped, data);
}

int main(int argc, char **argv)
{
    if (argc > 1 && nj_streq(argv[1], "create-secrets"))
        return nj_create_secrets_main(argc - 2, argv + 2);
    if (argc > 1 && nj_streq(argv[1], "import"))
        return nj_import_main(argc - 2, argv + 2);
    static const struct nj_daemon daemon = {
        .program = "nightjar-collector",
        .summary =
            "Receives what the agents saw, folds it into incidents, tells people once, and serves REST.",
        .table = nj_collector_config_table,
        .live = nj_collector_live_settings,
        .config_size = sizeof(struct nj_collector_config),
        .check = check,
        .log_settings = log_settings,
        .start = start,
        .reload = reload,
        .stop = stop,
    };
    return nj_daemon_run(&daemon, argc, argv);
}
