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

/* A flag of one program alone, listed in --help after the common ones. */
struct nj_cli_extra {
    const char *name;     /* "clock-file" */
    const char *argument; /* "PATH" */
    const char *help;
    const char *value; /* out: borrowed from argv */
};

struct nj_cli {
    const char *program; /* "nightjar-agent" */
    const char *summary; /* one line for --help */
    const struct nj_config_field *table;
    struct nj_cli_extra *extras; /* terminated by one without name; may be NULL */

    /* Set by nj_cli_parse(): */
    const char *config_path; /* NULL: none given */
    struct nj_config_flag *flags;
    size_t flags_count;
    int status; /* sysexits-like: 0, 64 (usage) or 78 (configuration) */
};

enum nj_cli_action nj_cli_parse(struct nj_cli *cli, int argc, char **argv);
void nj_cli_done(struct nj_cli *cli);

#endif
