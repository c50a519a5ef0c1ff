/*
 * What both programs do with their command line: --config FILE, --check-config, --print-config, --version,
 * --help, and
 * --KEY=VALUE (or --KEY VALUE) for every key of the config table, dotted as in the table:
 * --crash.log_lines=500.
 */
#ifndef NJ_BASE_CLI_H
#define NJ_BASE_CLI_H

#include <stddef.h>

#include "common/base/config.h"

enum nj_cli_action {
    NJ_CLI_RUN,  /* run with the options below */
    NJ_CLI_EXIT, /* answered already (--help, --version, --check-config, --print-config, a bad flag): exit
                    with status */
};

/* Exit statuses, those of sysexits.h. */
enum nj_cli_status {
    NJ_CLI_OK = 0,
    NJ_CLI_USAGE = 64,
    NJ_CLI_IO = 74, /* the answer could not be written */
    NJ_CLI_CONFIG = 78,
};

/* A flag of one program alone, listed in --help after the common ones. */
struct nj_cli_extra {
    const char *name;     /* "clock-file" */
    const char *argument; /* "PATH"; NULL for a flag without one */
    const char *help;
    const char
        *value; /* out: borrowed from argv; the name for a flag without argument; kept when not given */
};

struct nj_cli {
    const char *program; /* "nightjar-agent" */
    const char *summary; /* one line for --help */
    const struct nj_config_field *table;
    size_t config_size; /* sizeof the struct that the table describes */
    /* Checks what no single field can, for --check-config and --print-config; may be NULL. 0 or a negative
     * errno with a text. */
    int (*check)(const void *config, struct nj_err *err);
    struct nj_cli_extra *extras; /* terminated by one without name; may be NULL */

    /* Set by nj_cli_parse(): */
    const char *config_path; /* NULL: none given */
    struct nj_config_flag *flags;
    size_t flags_count;
    int status; /* an enum nj_cli_status */
};

/* Reads argv, which must live as long as `cli`; answers go to stdout, faults to stderr. The settings are not
 * loaded for NJ_CLI_RUN: the caller does that, with config_path and flags, and again on SIGHUP. */
enum nj_cli_action nj_cli_parse(struct nj_cli *cli, int argc, char **argv);

/* Frees the flags. */
void nj_cli_done(struct nj_cli *cli);

#endif
