#include "collector/import/import.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/import/monitor.h"
#include "common/base/alloc.h"
#include "common/base/cli.h"
#include "common/base/str.h"

enum { STATUS_DATA = 65, STATUS_NO_INPUT = 66, OUT_MAX = 256 << 20 };

const char *nj_import_format_name(enum nj_import_format format)
{
    static const char *const names[NJ_IMPORT_FORMATS] = {"blackbox", "gatus", "uptime-kuma", "csv"};
    return names[format];
}

static int read_tree(const char *path, struct json_object **ret_tree, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_tree_read_file(path, &text, &len, err);
    if (rc < 0)
        return rc;
    rc = nj_tree_parse(text, len, ret_tree, err);
    free(text);
    if (rc < 0)
        nj_err_wrap(err, "%s", path);
    return rc;
}

static int import_csv(struct nj_import *import, const char *path, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_tree_read_file(path, &text, &len, err);
    if (rc < 0)
        return rc;
    rc = nj_import_csv(import, text, len, err);
    if (rc < 0)
        nj_err_wrap(err, "%s", path);
    free(text);
    return rc;
}

static int import_file(struct nj_import *import, const char *path, struct json_object *modules,
                       struct nj_err *err)
{
    struct json_object *tree = NULL;
    import->file = path;
    if (import->options->format == NJ_IMPORT_CSV)
        return import_csv(import, path, err);
    int rc = read_tree(path, &tree, err);
    if (rc < 0)
        return rc;
    if (import->options->format == NJ_IMPORT_BLACKBOX)
        rc = nj_import_blackbox(import, tree, modules, err);
    else if (import->options->format == NJ_IMPORT_GATUS)
        rc = nj_import_gatus(import, tree, err);
    else
        rc = nj_import_uptime_kuma(import, tree, err);
    json_object_put(tree);
    if (rc < 0)
        nj_err_wrap(err, "%s", path);
    return rc;
}

/* Hosts outside the cluster are probed only when the collector's owner allows it. */
static void note_hosts(struct nj_import *import)
{
    struct nj_buf hosts = {0};
    json_object_object_foreach(import->hosts, host, unused)
    {
        (void)unused;
        (void)nj_buf_printf(&hosts, "%s%s", hosts.len == 0 ? "" : ", ", host);
    }
    if (hosts.len > 0)
        (void)nj_buf_printf(
            import->notes,
            "hosts outside the cluster: the collector's setting probes.allowed_hosts must have [%s]\n",
            nj_buf_str(&hosts));
    nj_buf_done(&hosts);
}

int nj_import(const struct nj_import_options *options, struct nj_buf *out, struct nj_buf *notes,
              size_t *ret_count, struct nj_err *err)
{
    struct nj_import import = {.options = options, .out = out, .notes = notes};
    struct json_object *modules = NULL;
    int rc = options->modules == NULL ? 0 : read_tree(options->modules, &modules, err);
    import.names = json_object_new_object();
    import.hosts = json_object_new_object();
    for (size_t i = 0; i < options->files_count && rc == 0; i++)
        rc = import_file(&import, options->files[i], modules, err);
    note_hosts(&import);
    json_object_put(modules);
    json_object_put(import.names);
    json_object_put(import.hosts);
    *ret_count = import.written;
    return rc;
}

/* ---- The command */

static const char usage[] =
    "Usage: nightjar-collector import --from=FORMAT [OPTION...] FILE...\n"
    "\n"
    "Turns another monitor's checks into ApiMonitor manifests on stdout, for `kubectl apply -f -`. What "
    "could not be\n"
    "carried over is named on stderr.\n"
    "\n"
    "  --from=blackbox      FILE is a Prometheus configuration or a file_sd file with targets\n"
    "    --modules=FILE     blackbox_exporter's configuration, with the modules\n"
    "    --module=NAME      for targets that name none (http_2xx)\n"
    "  --from=gatus         FILE is Gatus' configuration\n"
    "  --from=uptime-kuma   FILE is Uptime Kuma's JSON backup\n"
    "  --from=csv           FILE has a header line: "
    "name,url,namespace,interval,timeout,method,status,contains,group,severity\n"
    "  --namespace=NS       of monitors whose target is no Service of the cluster (default)\n";

static const char *option_value(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, name, len) == 0 && argument[len] == '=' ? argument + len + 1 : NULL;
}

static int say_usage(const char *format, const char *what)
{
    (void)fprintf(stderr, "nightjar-collector import: ");
    (void)fprintf(stderr, "%s%s (try --help)\n", format, what);
    return NJ_CLI_USAGE;
}

static bool take_format(struct nj_import_options *options, const char *name)
{
    for (int format = 0; format < NJ_IMPORT_FORMATS; format++) {
        if (nj_streq(name, nj_import_format_name((enum nj_import_format)format))) {
            options->format = (enum nj_import_format)format;
            return true;
        }
    }
    return false;
}

/* An exit status, or -1 to go on. */
static int parse_arguments(int argc, char **argv, struct nj_import_options *options, const char **files)
{
    bool has_format = false;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i], *value = NULL;
        if (nj_streq(argument, "--help") || nj_streq(argument, "-h")) {
            (void)fputs(usage, stdout);
            return NJ_CLI_OK;
        }
        if ((value = option_value(argument, "--from")) != NULL) {
            has_format = take_format(options, value);
            if (!has_format)
                return say_usage("--from is blackbox, gatus, uptime-kuma or csv, not ", value);
        } else if ((value = option_value(argument, "--modules")) != NULL) {
            options->modules = value;
        } else if ((value = option_value(argument, "--module")) != NULL) {
            options->module = value;
        } else if ((value = option_value(argument, "--namespace")) != NULL) {
            options->namespace = value;
        } else if (argument[0] == '-') {
            return say_usage("unknown option ", argument);
        } else {
            files[options->files_count++] = argument;
        }
    }
    if (!has_format)
        return say_usage("--from is missing", "");
    if (options->files_count == 0)
        return say_usage("a FILE is missing", "");
    if (options->format == NJ_IMPORT_BLACKBOX && options->modules == NULL)
        return say_usage("--modules=FILE is missing: targets alone do not say what to check", "");
    return -1;
}

static int run(const struct nj_import_options *options)
{
    struct nj_buf out = {.max = OUT_MAX}, notes = {.max = OUT_MAX};
    struct nj_err err = {0};
    size_t count = 0;
    int rc = nj_import(options, &out, &notes, &count, &err);
    int status = NJ_CLI_OK;
    (void)fputs(nj_buf_str(&notes), stderr);
    if (rc < 0) {
        (void)fprintf(stderr, "nightjar-collector import: %s\n", err.text);
        status = rc == -EBADMSG ? STATUS_DATA : STATUS_NO_INPUT;
    } else {
        (void)fprintf(stderr, "%zu monitors\n", count);
        if (fputs(nj_buf_str(&out), stdout) == EOF || fflush(stdout) == EOF) {
            (void)fprintf(stderr, "nightjar-collector import: stdout: %s\n", strerror(errno));
            status = NJ_CLI_IO;
        }
    }
    nj_buf_done(&out);
    nj_buf_done(&notes);
    return status;
}

int nj_import_main(int argc, char **argv)
{
    const char **files = nj_calloc((size_t)argc + 1, sizeof(*files));
    struct nj_import_options options = {.namespace = "default", .files = files};
    int status = parse_arguments(argc, argv, &options, files);
    if (status < 0)
        status = run(&options);
    free(files);
    return status;
}
