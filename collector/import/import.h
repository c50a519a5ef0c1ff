/*
 * `nightjar-collector import`: turns the checks of another monitor into ApiMonitor manifests on stdout.
 *
 * What cannot be carried over is named, one line each, on stderr: "FILE: CHECK: what, and what to do". A
 * check of which nothing is left is left out whole, and nothing is written that the collector itself would
 * refuse. No secret is copied: a password or token becomes a reference to a Secret, and the line says which
 * one to make.
 */
#ifndef NJ_IMPORT_IMPORT_H
#define NJ_IMPORT_IMPORT_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum nj_import_format {
    NJ_IMPORT_BLACKBOX, /* blackbox_exporter's modules with a Prometheus configuration or file_sd targets */
    NJ_IMPORT_GATUS,    /* Gatus' config.yaml */
    NJ_IMPORT_UPTIME_KUMA, /* Uptime Kuma's JSON backup */
    NJ_IMPORT_CSV,         /* a header line, then a check a line */
    NJ_IMPORT_FORMATS,
};
const char *
nj_import_format_name(enum nj_import_format format); /* "blackbox", "gatus", "uptime-kuma", "csv" */

struct nj_import_options {
    enum nj_import_format format;
    const char *modules;   /* BLACKBOX: the file with the modules */
    const char *module;    /* BLACKBOX: for targets that name none (file_sd); NULL: "http_2xx" */
    const char *namespace; /* of monitors whose target is in none */
    const char *const *files;
    size_t files_count;
};

/* Appends manifests to `out` and notes to `notes`. 0, or negative when a file cannot be read or is no such
 * file; *ret_count is how many monitors were written. */
int nj_import(const struct nj_import_options *options, struct nj_buf *out, struct nj_buf *notes,
              size_t *ret_count, struct nj_err *err);

/* `argv` after the subcommand. Returns the exit status: 0, 64 for usage, 65 for a file that is none of this
 * format, 66 for one that cannot be read, 74 when stdout cannot be written. */
int nj_import_main(int argc, char **argv);

#endif
