#include "common/probe/result.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"

static const char *const causes[NJ_CAUSES] = {
    [NJ_CAUSE_NONE] = "none",
    [NJ_CAUSE_RESOLVE] = "resolve",
    [NJ_CAUSE_REFUSED] = "refused",
    [NJ_CAUSE_UNREACHABLE] = "unreachable",
    [NJ_CAUSE_TIMEOUT] = "timeout",
    [NJ_CAUSE_RESET] = "reset",
    [NJ_CAUSE_TLS] = "tls",
    [NJ_CAUSE_CERTIFICATE] = "certificate",
    [NJ_CAUSE_EXPIRY] = "expiry",
    [NJ_CAUSE_PROTOCOL] = "protocol",
    [NJ_CAUSE_TOO_LARGE] = "too_large",
    [NJ_CAUSE_REDIRECT] = "redirect",
    [NJ_CAUSE_FORBIDDEN] = "forbidden",
    [NJ_CAUSE_STATUS] = "status",
    [NJ_CAUSE_HEADER] = "header",
    [NJ_CAUSE_BODY] = "body",
    [NJ_CAUSE_JSON] = "json",
    [NJ_CAUSE_SIZE] = "size",
    [NJ_CAUSE_LATENCY] = "latency",
    [NJ_CAUSE_ANSWER] = "answer",
    [NJ_CAUSE_EXTRACT] = "extract",
    [NJ_CAUSE_VARIABLE] = "variable",
    [NJ_CAUSE_INTERNAL] = "internal",
};

const char *nj_cause_name(enum nj_cause cause)
{
    return causes[cause];
}

int nj_cause_parse(const char *name, enum nj_cause *ret_cause)
{
    for (size_t i = 0; i < NJ_CAUSES; i++) {
        if (strcmp(causes[i], name) == 0) {
            *ret_cause = (enum nj_cause)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *nj_phase_name(enum nj_phase phase)
{
    static const char *const names[NJ_PHASES] = {
        [NJ_PHASE_RESOLVE] = "resolve",       [NJ_PHASE_CONNECT] = "connect",   [NJ_PHASE_TLS] = "tls",
        [NJ_PHASE_FIRST_BYTE] = "first_byte", [NJ_PHASE_TRANSFER] = "transfer", [NJ_PHASE_CHECK] = "check",
    };
    return names[phase];
}

/* How much of it fits, tried in this order. */
enum detail {
    DETAIL_ALL,
    DETAIL_FAILED_BODY, /* the body of the step that failed only */
    DETAIL_NO_BODY,
    DETAIL_FAILED_TEXTS, /* of other steps their names and outcomes only */
    DETAIL_SHORT,        /* and of the failed one's texts the beginning */
    DETAILS
};

enum { SHORT_TEXT_MAX = 128 };

static void append_text(struct nj_buf *out, const char *key, const char *text, enum detail detail)
{
    size_t len = strlen(text);
    if (detail == DETAIL_SHORT)
        len = nj_utf8_cut(text, len, SHORT_TEXT_MAX);
    (void)nj_buf_printf(out, ",\"%s\":", key);
    (void)nj_json_append_string(out, text, len);
}

/* Milliseconds with three decimals: what a person reads, without a float's digits. */
static void append_ms(struct nj_buf *out, int64_t ns)
{
    int64_t us = ns < 0 ? 0 : ns / 1000;
    (void)nj_buf_printf(out, "%" PRId64 ".%03" PRId64, us / 1000, us % 1000);
}

static void append_time(struct nj_buf *out, const char *key, int64_t wall_ns)
{
    char text[NJ_TIME_TEXT_MAX];
    (void)nj_buf_printf(out, "\"%s\":\"%s\"", key, nj_time_format(wall_ns, text));
}

static void append_certificate(struct nj_buf *out, const struct nj_peer_certificate *certificate,
                               enum detail detail)
{
    if (!certificate->present) {
        (void)nj_buf_append_str(out, ",\"certificate\":null");
        return;
    }
    (void)nj_buf_append_str(out, ",\"certificate\":{");
    append_time(out, "notBefore", certificate->not_before_ns);
    (void)nj_buf_append_char(out, ',');
    append_time(out, "notAfter", certificate->not_after_ns);
    append_text(out, "subject", nj_str(certificate->subject), detail);
    append_text(out, "issuer", nj_str(certificate->issuer), detail);
    append_text(out, "names", nj_str(certificate->names), detail);
    (void)nj_buf_append_char(out, '}');
}

static void append_phases(struct nj_buf *out, const struct nj_step_outcome *step)
{
    bool first = true;
    (void)nj_buf_append_str(out, ",\"phasesMs\":{");
    for (size_t i = 0; i < NJ_PHASES; i++) {
        if (step->phase_ns[i] < 0)
            continue;
        (void)nj_buf_printf(out, "%s\"%s\":", first ? "" : ",", nj_phase_name((enum nj_phase)i));
        append_ms(out, step->phase_ns[i]);
        first = false;
    }
    (void)nj_buf_append_char(out, '}');
}

static void append_step(struct nj_buf *out, const struct nj_step_outcome *step, bool is_failed,
                        enum detail detail)
{
    (void)nj_buf_append_str(out, "{\"name\":");
    (void)nj_json_append_string(out, step->name, strlen(step->name));
    append_text(out, "kind", step->kind, DETAIL_ALL);
    (void)nj_buf_printf(out, ",\"ran\":%s,\"ok\":%s", step->ran ? "true" : "false",
                        step->ok ? "true" : "false");
    append_text(out, "cause", nj_cause_name(step->cause), DETAIL_ALL);
    if (detail < DETAIL_FAILED_TEXTS || is_failed) {
        bool has_body = detail == DETAIL_ALL || (detail == DETAIL_FAILED_BODY && is_failed);
        append_text(out, "phase", step->ok || !step->ran ? "" : nj_phase_name(step->phase), DETAIL_ALL);
        append_text(out, "expected", step->expected, detail);
        append_text(out, "got", step->got, detail);
        append_text(out, "request", step->request, detail);
        append_text(out, "address", step->address, detail);
        (void)nj_buf_printf(out, ",\"status\":%" PRId32, step->status);
        append_text(out, "httpVersion", step->http_version, detail);
        (void)nj_buf_printf(out, ",\"bytes\":%" PRId64, step->bytes);
        append_text(out, "body", has_body ? step->body : "", detail);
        append_phases(out, step);
        append_certificate(out, &step->certificate, detail);
    }
    (void)nj_buf_append_str(out, ",\"durationMs\":");
    append_ms(out, step->total_ns);
    (void)nj_buf_append_char(out, '}');
}

static void append_result(struct nj_buf *out, const struct nj_result *result, enum detail detail)
{
    (void)nj_buf_printf(out, "{\"ok\":%s", result->ok ? "true" : "false");
    append_text(out, "cause", nj_cause_name(result->cause), DETAIL_ALL);
    (void)nj_buf_append_char(out, ',');
    append_time(out, "startedAt", result->started_ns);
    (void)nj_buf_append_str(out, ",\"durationMs\":");
    append_ms(out, result->total_ns);
    (void)nj_buf_printf(out, ",\"attempts\":%" PRId32 ",\"steps\":[", result->attempts);
    for (size_t i = 0; i < result->steps_count; i++) {
        if (i > 0)
            (void)nj_buf_append_char(out, ',');
        append_step(out, &result->steps[i], &result->steps[i] == result->failed, detail);
    }
    (void)nj_buf_append_str(out, "]}");
}

int nj_result_json(const struct nj_result *result, struct nj_buf *out)
{
    struct nj_buf json = {.max = NJ_EVIDENCE_JSON_MAX};
    int rc = -EOVERFLOW;
    for (size_t detail = DETAIL_ALL; detail < DETAILS && rc == -EOVERFLOW; detail++) {
        nj_buf_clear(&json);
        append_result(&json, result, (enum detail)detail);
        rc = nj_buf_check(&json);
    }
    if (rc == 0)
        rc = nj_buf_append(out, nj_buf_str(&json), json.len);
    nj_buf_done(&json);
    return rc;
}
