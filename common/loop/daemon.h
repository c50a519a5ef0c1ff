/*
 * A long-running program from its command line to its end: settings, logs, signals, the loop. What the two
 * programs have in common; what they do is behind start(), reload() and stop().
 *
 * SIGTERM and SIGINT drain: stop() is called, and the process ends with 0 when that is done; a second one
 * ends it at once with 128 + the signal's number, as does one that comes within start(). SIGHUP reads the
 * settings again: good ones are given to reload(), bad ones are logged and the old ones stay. The log names
 * each setting that has changed, and each that waits for a restart.
 */
#ifndef NJ_LOOP_DAEMON_H
#define NJ_LOOP_DAEMON_H

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/loop/loop.h"

struct nj_daemon {
    const char *program; /* "nightjar-agent" */
    const char *summary; /* one line for --help */
    const struct nj_config_field *table;
    const char *const *live; /* beginnings of the keys that reload() puts in force, NULL-terminated */
    size_t config_size;
    int (*check)(const void *config, struct nj_err *err); /* what no single field can check; may be NULL */
    void (*log_settings)(const void *config, enum nj_log_level *ret_level, enum nj_log_format *ret_format);

    /* `config` stays valid until the process ends, also after a reload. 0, or a negative errno with a text:
     * the process then ends with 1. */
    int (*start)(struct nj_loop *loop, const void *config, void **ret_state, struct nj_err *err);
    /* 0: the new settings are in force. Negative: nothing changed. */
    int (*reload)(void *state, const void *config, struct nj_err *err);
    /* Drains and closes every handle, then calls on_stopped(data) once. */
    void (*stop)(void *state, void (*on_stopped)(void *data), void *data);
};

/* Returns the exit status: 0, 1, 64 (command line) or 78 (settings). */
int nj_daemon_run(const struct nj_daemon *daemon, int argc, char **argv);

#endif
