#include "common/probe/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/probe/json_value.h"
#include "common/probe/pattern.h"
#include "common/probe/verdict.h"

enum {
    STATUS_OK_FROM = 200,
    STATUS_OK_TO = 399,
    SHOWN_MAX = 240 /* bytes of a value in a verdict */
};

/* ---- words */

static void print(char *text, const char *format, va_list arguments)
{
    int len = vsnprintf(text, NJ_EVIDENCE_TEXT_MAX, format, arguments);
    if (len >= NJ_EVIDENCE_TEXT_MAX) {
        size_t cut = nj_utf8_cut(text, NJ_EVIDENCE_TEXT_MAX - 1, NJ_EVIDENCE_TEXT_MAX - 4);
        memcpy(text + cut, "...", 4);
    }
}

void nj_verdict_set(struct nj_verdict *verdict, enum nj_cause cause, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    verdict->cause = cause;
    print(verdict->expected, format, arguments);
    va_end(arguments);
}

void nj_verdict_got(struct nj_verdict *verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(verdict->got, format, arguments);
    va_end(arguments);
}

void nj_verdict_got_text(struct nj_verdict *verdict, const char *text, size_t len, const char *empty)
{
    if (len == 0) {
        nj_verdict_got(verdict, "%s", empty);
        return;
    }
    char shown[SHOWN_MAX + 1];
    size_t cut = nj_utf8_cut(text, len, SHOWN_MAX);
    memcpy(shown, text, cut);
    for (size_t i = 0; i < cut; i++) {
        if ((unsigned char)shown[i] < 0x20)
            shown[i] = ' ';
    }
    shown[cut] = '\0';
    nj_verdict_got(verdict, "\"%s%s\"", shown, cut < len ? "..." : "");
}

/* "/ok/", or "\"ok\"". */
static const char *pattern_words(const struct nj_pattern *pattern, bool absent)
{
    switch (nj_pattern_kind(pattern)) {
    case NJ_PATTERN_REGEX:
        return absent ? "does not match /%s/" : "matches /%s/";
    case NJ_PATTERN_CONTAINS:
        return absent ? "does not contain \"%s\"" : "contains \"%s\"";
    default:
        return "is \"%s\"";
    }
}

static void expect_pattern(struct nj_verdict *verdict, enum nj_cause cause, const char *what,
                           const struct nj_pattern *pattern, bool absent)
{
    /* The words are one of a few constants, so that no text of a spec is a format. */
    char words[NJ_EVIDENCE_TEXT_MAX];
    const char *format = pattern_words(pattern, absent);
    size_t before = (size_t)(strstr(format, "%s") - format);
    (void)snprintf(words, sizeof(words), "%.*s%.400s%s", (int)before, format, nj_pattern_text(pattern),
                   format + before + 2);
    nj_verdict_set(verdict, cause, "%s %s", what, words);
}

/* ---- the parts of an answer */

static void judge_status(const struct nj_step *step, const struct nj_step_response *response,
                         struct nj_verdict *verdict)
{
    static const struct nj_status_range usual = {STATUS_OK_FROM, STATUS_OK_TO};
    const struct nj_status_range *ranges = step->expect.statuses;
    size_t count = step->expect.statuses_count;
    if (count == 0) {
        ranges = &usual;
        count = 1;
    }
    struct nj_buf words = {.max = NJ_EVIDENCE_TEXT_MAX - 16};
    for (size_t i = 0; i < count; i++) {
        if (response->status >= ranges[i].from && response->status <= ranges[i].to) {
            nj_buf_done(&words);
            return;
        }
        (void)nj_buf_printf(&words, "%s%u", i == 0 ? "" : ", ", ranges[i].from);
        if (ranges[i].to != ranges[i].from)
            (void)nj_buf_printf(&words, "-%u", ranges[i].to);
    }
    nj_verdict_set(verdict, NJ_CAUSE_STATUS, "status %s", nj_buf_str(&words));
    nj_verdict_got(verdict, "%" PRId32, response->status);
    nj_buf_done(&words);
}

static void judge_word(const char *what, const char *expected, const struct nj_step_response *response,
                       struct nj_verdict *verdict)
{
    if (nj_streq(response->word, expected))
        return;
    nj_verdict_set(verdict, NJ_CAUSE_ANSWER, "%s %s", what, expected);
    nj_verdict_got(verdict, "%s", nj_str(response->word)[0] == '\0' ? "none" : response->word);
}

static void got_records(struct nj_verdict *verdict, const struct nj_step_response *response)
{
    struct nj_buf words = {.max = NJ_EVIDENCE_TEXT_MAX};
    for (size_t i = 0; i < response->records_count && words.len < NJ_EVIDENCE_TEXT_MAX / 2; i++)
        (void)nj_buf_printf(&words, "%s%.200s", i == 0 ? "" : ", ", response->records[i]);
    nj_verdict_got(verdict, "%s", words.len == 0 ? "no record" : nj_buf_str(&words));
    nj_buf_done(&words);
}

static void got_too_long(struct nj_verdict *verdict, size_t len)
{
    nj_verdict_got(verdict, "the pattern takes too long on %zu bytes", len);
}

static void judge_records(const struct nj_step *step, const struct nj_step_response *response,
                          struct nj_pattern_budget *budget, struct nj_verdict *verdict)
{
    for (size_t i = 0; i < step->expect.answers_count && verdict->cause == NJ_CAUSE_NONE; i++) {
        const struct nj_body_expect *answer = &step->expect.answers[i];
        size_t len = 0;
        int rc = 0;
        for (size_t j = 0; j < response->records_count && rc == 0; j++) {
            len = strlen(response->records[j]);
            rc = nj_pattern_match(answer->pattern, response->records[j], len, budget, NULL);
        }
        if (rc >= 0 && (rc == 1) != answer->absent)
            continue;
        expect_pattern(verdict, NJ_CAUSE_ANSWER, answer->absent ? "each record" : "a record", answer->pattern,
                       answer->absent);
        if (rc < 0)
            got_too_long(verdict, len);
        else
            got_records(verdict, response);
    }
}

/* Of headers with one name one has to fit. */
static void judge_header(const struct nj_header_expect *expect, const struct nj_step_response *response,
                         struct nj_pattern_budget *budget, struct nj_verdict *verdict)
{
    const struct nj_step_header *last = NULL;
    char what[NJ_EVIDENCE_TEXT_MAX];
    int rc = 0;
    for (size_t i = 0; i < response->headers_count && rc == 0; i++) {
        const struct nj_step_header *header = &response->headers[i];
        if (strcasecmp(header->name, expect->name) != 0)
            continue;
        last = header;
        if (!expect->absent && expect->pattern == NULL)
            return;
        if (!expect->absent)
            rc = nj_pattern_match(expect->pattern, header->value, strlen(header->value), budget, NULL);
    }
    if (rc == 1 || (expect->absent && last == NULL))
        return;
    (void)snprintf(what, sizeof(what), "header %s", expect->name);
    if (expect->pattern != NULL)
        expect_pattern(verdict, NJ_CAUSE_HEADER, what, expect->pattern, false);
    else
        nj_verdict_set(verdict, NJ_CAUSE_HEADER, "%s is %s", what, expect->absent ? "absent" : "present");
    if (last == NULL)
        nj_verdict_got(verdict, "no such header");
    else if (rc < 0)
        got_too_long(verdict, strlen(last->value));
    else
        nj_verdict_got_text(verdict, last->value, strlen(last->value), "\"\"");
}

static void judge_size(const struct nj_expect *expect, const struct nj_step_response *response,
                       struct nj_verdict *verdict)
{
    int64_t size = (int64_t)response->body_len;
    if (expect->min_bytes >= 0 && size < expect->min_bytes)
        nj_verdict_set(verdict, NJ_CAUSE_SIZE, "at least %" PRId64 " bytes", expect->min_bytes);
    else if (expect->max_bytes >= 0 && (size > expect->max_bytes || response->body_cut))
        nj_verdict_set(verdict, NJ_CAUSE_SIZE, "at most %" PRId64 " bytes", expect->max_bytes);
    else
        return;
    nj_verdict_got(verdict, "%s%" PRId64 " bytes", response->body_cut ? "more than " : "", size);
}

static void judge_body(const struct nj_step *step, const struct nj_step_response *response,
                       struct nj_pattern_budget *budget, struct nj_verdict *verdict)
{
    const char *what = step->kind == NJ_STEP_TCP ? "answer" : "body";
    for (size_t i = 0; i < step->expect.bodies_count && verdict->cause == NJ_CAUSE_NONE; i++) {
        const struct nj_body_expect *expect = &step->expect.bodies[i];
        int rc = nj_pattern_match(expect->pattern, response->body, response->body_len, budget, NULL);
        bool undecided = rc == 0 && response->body_cut;
        if (rc >= 0 && (rc == 1) != expect->absent && !undecided)
            continue;
        expect_pattern(verdict, undecided ? NJ_CAUSE_TOO_LARGE : NJ_CAUSE_BODY, what, expect->pattern,
                       expect->absent);
        if (rc < 0)
            got_too_long(verdict, response->body_len);
        else if (undecided)
            nj_verdict_got(verdict, "more than %zu bytes", response->body_len);
        else
            nj_verdict_got_text(verdict, response->body, response->body_len, "nothing");
    }
}

/* ---- JSON */

static void expect_json(struct nj_verdict *verdict, const struct nj_json_expect *json)
{
    static const char *const words[] = {
        [NJ_COMPARE_EQ] = "equals",
        [NJ_COMPARE_NE] = "does not equal",
        [NJ_COMPARE_LT] = "is less than",
        [NJ_COMPARE_LE] = "is at most",
        [NJ_COMPARE_GT] = "is greater than",
        [NJ_COMPARE_GE] = "is at least",
        [NJ_COMPARE_MATCHES] = "matches",
        [NJ_COMPARE_EXISTS] = "exists",
        [NJ_COMPARE_ABSENT] = "does not exist",
    };
    const char *pointer = json->pointer[0] == '\0' ? "" : " ";
    if (json->compare == NJ_COMPARE_MATCHES)
        nj_verdict_set(verdict, NJ_CAUSE_JSON, "JSON%s%s matches /%s/", pointer, json->pointer,
                       nj_pattern_text(json->pattern));
    else
        nj_verdict_set(verdict, NJ_CAUSE_JSON, "JSON%s%s %s%s%s", pointer, json->pointer,
                       words[json->compare], json->value[0] == '\0' ? "" : " ", json->value);
}

static bool orders(enum nj_compare compare, int order)
{
    switch (compare) {
    case NJ_COMPARE_LT:
        return order < 0;
    case NJ_COMPARE_LE:
        return order <= 0;
    case NJ_COMPARE_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* 1, 0, or a negative errno with a text. */
static int compare_json(const struct nj_json_expect *json, struct json_object *value,
                        const struct nj_vars *vars, struct nj_pattern_budget *budget, struct nj_err *err)
{
    if (json->compare == NJ_COMPARE_MATCHES) {
        size_t len = 0;
        const char *text = nj_json_text(value, &len);
        int rc = nj_pattern_match(json->pattern, text, len, budget, NULL);
        return rc < 0 ? nj_err_set(err, rc, "the pattern takes too long on %zu bytes", len) : rc;
    }
    struct json_object *expected = NULL;
    int rc = nj_json_parse(json->value, strlen(json->value), &expected);
    if (rc < 0)
        return nj_err_set(err, rc, "what it is compared with is no JSON");
    if (json->compare == NJ_COMPARE_EQ || json->compare == NJ_COMPARE_NE) {
        rc = nj_json_equal(expected, value, vars, err);
        if (rc >= 0)
            rc = (rc == 1) == (json->compare == NJ_COMPARE_EQ) ? 1 : 0;
    } else {
        rc = nj_json_is_number(value) && orders(json->compare, nj_json_compare(value, expected)) ? 1 : 0;
    }
    json_object_put(expected);
    return rc;
}

static void judge_member(const struct nj_json_expect *json, struct json_object *root,
                         const struct nj_vars *vars, struct nj_pattern_budget *budget,
                         struct nj_verdict *verdict)
{
    struct json_object *value = NULL;
    struct nj_err err = {0};
    bool found = nj_json_find(root, json->pointer, &value);
    int rc;
    if (json->compare == NJ_COMPARE_EXISTS || json->compare == NJ_COMPARE_ABSENT)
        rc = found == (json->compare == NJ_COMPARE_EXISTS) ? 1 : 0;
    else if (!found)
        rc = json->compare == NJ_COMPARE_NE ? 1 : 0;
    else
        rc = compare_json(json, value, vars, budget, &err);
    if (rc == 1)
        return;
    expect_json(verdict, json);
    if (rc < 0) {
        if (rc != -EAGAIN)
            verdict->cause = NJ_CAUSE_VARIABLE;
        nj_verdict_got(verdict, "%s", err.text);
    } else if (!found) {
        nj_verdict_got(verdict, "no such member");
    } else if (json_object_is_type(value, json_type_string)) {
        nj_verdict_got_text(verdict, json_object_get_string(value), (size_t)json_object_get_string_len(value),
                            "\"\"");
    } else {
        nj_verdict_got(
            verdict, "%.240s",
            json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

static void judge_jsons(const struct nj_expect *expect, const struct nj_step_response *response,
                        const struct nj_vars *vars, struct nj_pattern_budget *budget,
                        struct nj_verdict *verdict)
{
    struct json_object *root = NULL;
    if (expect->jsons_count == 0)
        return;
    if (response->body_cut || nj_json_parse(response->body, response->body_len, &root) < 0) {
        expect_json(verdict, &expect->jsons[0]);
        if (response->body_cut) {
            verdict->cause = NJ_CAUSE_TOO_LARGE;
            nj_verdict_got(verdict, "more than %zu bytes", response->body_len);
        } else {
            nj_verdict_got(verdict, "the body is no JSON");
        }
        return;
    }
    for (size_t i = 0; i < expect->jsons_count && verdict->cause == NJ_CAUSE_NONE; i++)
        judge_member(&expect->jsons[i], root, vars, budget, verdict);
    json_object_put(root);
}

/* ---- the whole */

static void judge_latency(const struct nj_expect *expect, int64_t latency_ns, struct nj_verdict *verdict)
{
    char text[NJ_UNIT_TEXT_MAX];
    if (expect->max_latency_ns == 0 || latency_ns <= expect->max_latency_ns)
        return;
    nj_verdict_set(verdict, NJ_CAUSE_LATENCY, "at most %s", nj_duration_format(expect->max_latency_ns, text));
    nj_verdict_got(verdict, "%s", nj_duration_format((latency_ns + NJ_MS - 1) / NJ_MS * NJ_MS, text));
}

static void judge_certificate(const struct nj_spec_tls *tls, const struct nj_peer_certificate *certificate,
                              int64_t now_ns, struct nj_verdict *verdict)
{
    char text[NJ_TIME_TEXT_MAX];
    if (tls->min_days_left == 0 || !certificate->present)
        return;
    int64_t left_ns = certificate->not_after_ns - now_ns;
    if (left_ns >= tls->min_days_left * NJ_DAY)
        return;
    nj_verdict_set(verdict, NJ_CAUSE_EXPIRY, "a certificate that is valid for another %" PRId64 " days",
                   tls->min_days_left);
    nj_verdict_got(verdict, "it %s on %s, %" PRId64 " days from now", left_ns < 0 ? "expired" : "expires",
                   nj_time_format(certificate->not_after_ns, text), left_ns / NJ_DAY);
}

static void judge_answer(const struct nj_step *step, const struct nj_step_response *response,
                         struct nj_pattern_budget *budget, struct nj_verdict *verdict)
{
    if (step->kind == NJ_STEP_HTTP)
        judge_status(step, response, verdict);
    else if (step->kind == NJ_STEP_GRPC)
        judge_word("gRPC status", step->expect.grpc_status, response, verdict);
    else if (step->kind == NJ_STEP_DNS)
        judge_word("rcode", step->expect.dns_rcode, response, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_records(step, response, budget, verdict);
}

void nj_judge(const struct nj_step *step, const struct nj_spec_tls *tls,
              const struct nj_step_response *response, int64_t latency_ns, int64_t now_ns,
              const struct nj_vars *vars, struct nj_verdict *ret_verdict)
{
    struct nj_verdict *verdict = ret_verdict;
    const struct nj_expect *expect = &step->expect;
    struct nj_pattern_budget budget = {0};
    *verdict = (struct nj_verdict){.cause = NJ_CAUSE_NONE};
    judge_answer(step, response, &budget, verdict);
    for (size_t i = 0; i < expect->headers_count && verdict->cause == NJ_CAUSE_NONE; i++)
        judge_header(&expect->headers[i], response, &budget, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_size(expect, response, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_body(step, response, &budget, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_jsons(expect, response, vars, &budget, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_latency(expect, latency_ns, verdict);
    if (verdict->cause == NJ_CAUSE_NONE)
        judge_certificate(tls, &response->certificate, now_ns, verdict);
}
