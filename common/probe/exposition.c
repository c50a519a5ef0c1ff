#include "common/probe/exposition.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum value {
    SUCCESS,
    DURATION,
    IP_PROTOCOL,
    DNS_LOOKUP,
    STATUS,
    RESOLVE,
    CONNECT,
    TLS,
    PROCESSING,
    TRANSFER,
    CONTENT_LENGTH,
    VERSION,
    SSL,
    REGEX,
    EXPIRY,
    VALUES
};

/* Names and help are blackbox_exporter's; those of one family stand together. */
static const struct row {
    const char *name, *help, *labels;
} rows[VALUES] = {
    [SUCCESS] = {"probe_success", "Displays whether or not the probe was a success", ""},
    [DURATION] = {"probe_duration_seconds", "Returns how long the probe took to complete in seconds", ""},
    [IP_PROTOCOL] = {"probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", ""},
    [DNS_LOOKUP] = {"probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds",
                    ""},
    [STATUS] = {"probe_http_status_code", "Response HTTP status code", ""},
    [RESOLVE] = {"probe_http_duration_seconds",
                 "Duration of http request by phase, summed over all redirects", ",phase=\"resolve\""},
    [CONNECT] = {"probe_http_duration_seconds", "", ",phase=\"connect\""},
    [TLS] = {"probe_http_duration_seconds", "", ",phase=\"tls\""},
    [PROCESSING] = {"probe_http_duration_seconds", "", ",phase=\"processing\""},
    [TRANSFER] = {"probe_http_duration_seconds", "", ",phase=\"transfer\""},
    [CONTENT_LENGTH] = {"probe_http_content_length", "Length of http content response", ""},
    [VERSION] = {"probe_http_version", "Returns the version of HTTP of the probe response", ""},
    [SSL] = {"probe_http_ssl", "Indicates if SSL was used for the final redirect", ""},
    [REGEX] = {"probe_failed_due_to_regex", "Indicates if probe failed due to regex", ""},
    [EXPIRY] = {"probe_ssl_earliest_cert_expiry", "Returns earliest SSL cert expiry in unixtime", ""},
};

struct target {
    char *id;
    char *labels;          /* escaped, without braces */
    double values[VALUES]; /* NAN: not of this target */
    UT_hash_handle hh;
};

struct nj_exposition {
    struct target *targets; /* by id, in the order of their coming */
    size_t max_targets;
    uint64_t left_out;
};

struct nj_exposition *nj_exposition_new(size_t max_targets)
{
    struct nj_exposition *exposition = NJ_NEW(struct nj_exposition);
    exposition->max_targets = max_targets;
    return exposition;
}

static void drop(struct nj_exposition *exposition, struct target *target)
{
    NJ_TABLE_REMOVE(exposition->targets, target);
    free(target->id);
    free(target->labels);
    free(target);
}

void nj_exposition_free(struct nj_exposition *exposition)
{
    if (exposition == NULL)
        return;
    while (exposition->targets != NULL)
        drop(exposition, exposition->targets);
    free(exposition);
}

static void put_label(struct nj_buf *out, const char *name, const char *value)
{
    (void)nj_buf_printf(out, "%s%s=\"", out->len == 0 ? "" : ",", name);
    for (const char *c = nj_str(value); *c != '\0'; c++) {
        if (*c == '\n') {
            (void)nj_buf_append_str(out, "\\n");
            continue;
        }
        if (*c == '\\' || *c == '"')
            (void)nj_buf_append_char(out, '\\');
        (void)nj_buf_append_char(out, *c);
    }
    (void)nj_buf_append_char(out, '"');
}

static char *labels_text(const struct nj_exposition_labels *labels)
{
    struct nj_buf text = {0};
    put_label(&text, "monitor", labels->monitor);
    put_label(&text, "target", labels->target);
    put_label(&text, "namespace", labels->namespace);
    put_label(&text, "service", labels->service);
    put_label(&text, "pod", labels->pod);
    (void)nj_buf_printf(&text, labels->port == 0 ? ",port=\"\"" : ",port=\"%u\"", (unsigned)labels->port);
    return nj_buf_take(&text);
}

static double seconds(int64_t ns)
{
    return ns < 0 ? 0 : (double)ns / (double)NJ_SEC;
}

static void take_http(const struct nj_step_outcome *step, double values[VALUES])
{
    values[STATUS] = step->status;
    values[RESOLVE] = seconds(step->phase_ns[NJ_PHASE_RESOLVE]);
    values[CONNECT] = seconds(step->phase_ns[NJ_PHASE_CONNECT]);
    values[TLS] = seconds(step->phase_ns[NJ_PHASE_TLS]);
    values[PROCESSING] = seconds(step->phase_ns[NJ_PHASE_FIRST_BYTE]);
    values[TRANSFER] = seconds(step->phase_ns[NJ_PHASE_TRANSFER]);
    values[CONTENT_LENGTH] = (double)step->bytes;
    values[VERSION] = strtod(step->http_version, NULL);
    values[SSL] = step->certificate.present || step->phase_ns[NJ_PHASE_TLS] >= 0;
}

/* Of several steps the last of each kind that ran; a certificate's expiry is the earliest. */
static void take_step(const struct nj_step_outcome *step, double values[VALUES])
{
    if (!step->ran)
        return;
    if (step->address[0] != '\0')
        values[IP_PROTOCOL] = step->address[0] == '[' ? 6 : 4;
    if (step->phase_ns[NJ_PHASE_RESOLVE] >= 0)
        values[DNS_LOOKUP] = seconds(step->phase_ns[NJ_PHASE_RESOLVE]);
    if (strcmp(step->kind, "http") == 0)
        take_http(step, values);
    if (strcmp(step->kind, "http") == 0 || strcmp(step->kind, "tcp") == 0)
        values[REGEX] = 0;
    if (step->certificate.present) {
        int64_t whole_seconds = step->certificate.not_after_ns / NJ_SEC;
        double expiry = (double)whole_seconds;
        if (isnan(values[EXPIRY]) || expiry < values[EXPIRY])
            values[EXPIRY] = expiry;
    }
}

static void take_result(const struct nj_result *result, double values[VALUES])
{
    for (int i = 0; i < VALUES; i++)
        values[i] = NAN;
    values[SUCCESS] = result->ok;
    values[DURATION] = seconds(result->total_ns);
    for (size_t i = 0; i < result->steps_count; i++)
        take_step(&result->steps[i], values);
    if (!isnan(values[REGEX]))
        values[REGEX] = result->cause == NJ_CAUSE_BODY || result->cause == NJ_CAUSE_HEADER;
}

void nj_exposition_put(struct nj_exposition *exposition, const char *id,
                       const struct nj_exposition_labels *labels, const struct nj_result *result)
{
    struct target *target;
    HASH_FIND_STR(exposition->targets, id, target);
    if (target == NULL && HASH_COUNT(exposition->targets) >= exposition->max_targets) {
        exposition->left_out++;
        return;
    }
    if (target == NULL) {
        target = NJ_NEW(struct target);
        target->id = nj_strdup(id);
        target->labels = labels_text(labels);
        HASH_ADD_KEYPTR(hh, exposition->targets, target->id, strlen(target->id), target);
    }
    take_result(result, target->values);
}

void nj_exposition_remove(struct nj_exposition *exposition, const char *id)
{
    struct target *target;
    HASH_FIND_STR(exposition->targets, id, target);
    if (target != NULL)
        drop(exposition, target);
}

/* Fifteen digits: a point in time in seconds is whole, and a tenth is "0.1". */
static void write_row(const struct nj_exposition *exposition, int row, bool *headed, struct nj_buf *out)
{
    for (const struct target *target = exposition->targets; target != NULL; target = target->hh.next) {
        if (isnan(target->values[row]))
            continue;
        if (!*headed)
            (void)nj_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", rows[row].name, rows[row].help,
                                rows[row].name);
        *headed = true;
        (void)nj_buf_printf(out, "%s{%s%s} %.15g\n", rows[row].name, target->labels, rows[row].labels,
                            target->values[row]);
    }
}

int nj_exposition_write(const struct nj_exposition *exposition, struct nj_buf *out)
{
    bool headed = false;
    for (int row = 0; row < VALUES; row++) {
        if (row > 0 && strcmp(rows[row].name, rows[row - 1].name) != 0)
            headed = false;
        write_row(exposition, row, &headed, out);
    }
    (void)nj_buf_printf(
        out,
        "# HELP nightjar_probe_series_left_out_total Results of targets beyond probes.max_checks.\n"
        "# TYPE nightjar_probe_series_left_out_total counter\n"
        "nightjar_probe_series_left_out_total %llu\n",
        (unsigned long long)exposition->left_out);
    return nj_buf_check(out) == 0 ? 0 : -EOVERFLOW;
}
