/* Step after step of a run. A step that is over leads to the next by nj_chain_go_on(), at most 32 deep. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/str.h"
#include "common/probe/prober_internal.h"

enum { HEADERS_MAX = NJ_SPEC_ITEMS_MAX + 8, COOKIE_HEADER_MAX = 16 * 1024 };

const struct nj_step *nj_run_step(const struct nj_probe_run *run)
{
    return &run->spec->steps[run->index];
}

int64_t nj_run_left_ns(const struct nj_probe_run *run)
{
    uint64_t now_ns = uv_hrtime();
    return now_ns >= run->deadline_ns ? 0 : (int64_t)(run->deadline_ns - now_ns);
}

/* The step is over, with what the verdict says. */
static void step_end(struct nj_probe_run *run, const struct nj_verdict *verdict)
{
    nj_outcome_take(run, verdict);
    if (verdict->cause != NJ_CAUSE_NONE && !nj_run_step(run)->continue_on_failure)
        run->failed = true;
    run->index++;
    nj_chain_go_on(run);
}

static const char *expectation(const struct nj_probe_run *run, enum nj_cause cause)
{
    static const char *const answers[] = {[NJ_STEP_HTTP] = "an HTTP response",
                                          [NJ_STEP_TCP] = "a TCP connection",
                                          [NJ_STEP_GRPC] = "an answer of the gRPC health service",
                                          [NJ_STEP_DNS] = "a DNS answer"};
    switch (cause) {
    case NJ_CAUSE_RESOLVE:
        return "a name that is known";
    case NJ_CAUSE_CERTIFICATE:
        return "a certificate that is valid, trusted and for this name";
    case NJ_CAUSE_TLS:
        return "a TLS handshake";
    case NJ_CAUSE_REDIRECT:
        return "at most 5 redirects, none to where this check may not go";
    case NJ_CAUSE_FORBIDDEN:
        return "a host that may be probed";
    case NJ_CAUSE_VARIABLE:
        return "variables with values that fit";
    default:
        return answers[nj_run_step(run)->kind];
    }
}

/* Nothing that could be judged came. */
static void step_failed(struct nj_probe_run *run)
{
    const struct nj_step_response *response = &run->step_run.response;
    struct nj_verdict verdict = {.cause = response->cause};
    char limit[NJ_UNIT_TEXT_MAX];
    if (response->cause == NJ_CAUSE_TIMEOUT)
        (void)snprintf(verdict.expected, sizeof(verdict.expected), "%s within %s",
                       expectation(run, response->cause), nj_duration_format(run->spec->timeout_ns, limit));
    else
        (void)snprintf(verdict.expected, sizeof(verdict.expected), "%s", expectation(run, response->cause));
    (void)snprintf(verdict.got, sizeof(verdict.got), "%s", response->got);
    step_end(run, &verdict);
}

void nj_chain_fail(struct nj_probe_run *run, enum nj_cause cause, enum nj_phase phase, const char *format,
                   ...)
{
    struct nj_step_response *response = &run->step_run.response;
    response->cause = cause;
    response->phase = phase;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(response->got, sizeof(response->got), format, arguments);
    va_end(arguments);
    step_failed(run);
}

/* The step's time does not count what judging takes. */
static void step_judge(struct nj_probe_run *run)
{
    const struct nj_step *step = nj_run_step(run);
    struct nj_step_response *response = &run->step_run.response;
    int64_t latency_ns = (int64_t)(uv_hrtime() - run->step_started_ns);
    struct nj_verdict verdict = {0};
    nj_judge(step, &run->spec->tls, response, latency_ns, nj_loop_wall_ns(run->prober->options.loop),
             run->vars, &verdict);
    if (verdict.cause == NJ_CAUSE_NONE)
        nj_extract_all(step, response, run->vars, &verdict);
    response->phase = NJ_PHASE_CHECK;
    run->phase_ns[NJ_PHASE_CHECK] = (int64_t)(uv_hrtime() - run->step_started_ns) - latency_ns;
    step_end(run, &verdict);
}

static void take_cookies(struct nj_probe_run *run)
{
    const struct nj_step_response *response = &run->step_run.response;
    int64_t now_ns = nj_loop_wall_ns(run->prober->options.loop);
    for (size_t i = 0; i < response->headers_count; i++) {
        if (strcasecmp(response->headers[i].name, "Set-Cookie") == 0)
            nj_cookies_take(run->cookies, run->hop.host, run->hop.path, response->headers[i].value, now_ns);
    }
}

static void add_phases(struct nj_probe_run *run)
{
    for (int i = 0; i < NJ_PHASES; i++) {
        int64_t took_ns = run->step_run.response.phase_ns[i];
        if (took_ns >= 0)
            run->phase_ns[i] = (run->phase_ns[i] < 0 ? 0 : run->phase_ns[i]) + took_ns;
    }
}

static void on_step_done(struct nj_step_run *step_run)
{
    struct nj_probe_run *run = step_run->chain_data;
    const struct nj_step_response *response = &step_run->response;
    run->running = NULL;
    add_phases(run);
    bool nobody = response->cause == NJ_CAUSE_REFUSED || response->cause == NJ_CAUSE_UNREACHABLE;
    if (nobody && response->phase == NJ_PHASE_CONNECT && run->hop.address_next < run->hop.addresses_count) {
        nj_chain_connect(run);
        return;
    }
    if (response->cause != NJ_CAUSE_NONE) {
        step_failed(run);
        return;
    }
    enum nj_redirect redirect = NJ_REDIRECT_NONE;
    if (nj_run_step(run)->kind == NJ_STEP_HTTP) {
        take_cookies(run);
        redirect = nj_hop_redirect(run);
    }
    if (redirect == NJ_REDIRECT_FOLLOW)
        nj_hop_begin(run);
    else if (redirect == NJ_REDIRECT_REFUSED)
        step_failed(run);
    else
        step_judge(run);
}

/* "name: value" lines that go out, as the step and the run make them. */
struct headers {
    struct nj_probe_run *run;
    const char *lines[HEADERS_MAX + 1];
    size_t count;
};

static int add_header(struct headers *headers, const char *name, const char *value)
{
    struct nj_buf line = {0};
    (void)nj_buf_printf(&line, "%s: %s", name, value);
    const char *kept = nj_arena_strndup(&headers->run->step_arena, nj_buf_str(&line), line.len);
    nj_buf_done(&line);
    if (kept == NULL || headers->count == HEADERS_MAX)
        return -ENOMEM;
    headers->lines[headers->count++] = kept;
    return 0;
}

static bool step_has(const struct nj_step *step, const char *name)
{
    for (size_t i = 0; i < step->headers_count; i++) {
        if (strcasecmp(step->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

bool nj_step_names_host(const struct nj_step *step)
{
    return step_has(step, "Host");
}

/* What was meant for the step's own host and may be a secret. */
static bool is_personal(const struct nj_spec_pair *header)
{
    static const char *const names[] = {"Host", "Authorization", "Cookie", "Proxy-Authorization"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(header->name, names[i]) == 0)
            return true;
    }
    return strstr(header->value, "${") != NULL;
}

/* Those of the step; its Cookie header is `cookies`' beginning. */
static int add_own_headers(struct headers *headers, const struct nj_step *step, struct nj_buf *cookies,
                           struct nj_err *err)
{
    const struct nj_probe_run *run = headers->run;
    int rc = 0;
    for (size_t i = 0; i < step->headers_count && rc == 0; i++) {
        const struct nj_spec_pair *header = &step->headers[i];
        if (run->hop.is_foreign && is_personal(header))
            continue;
        struct nj_buf value = {0};
        rc = nj_vars_expand(run->vars, NJ_PLACE_HEADER, header->value, &value, err);
        if (rc == 0 && strcasecmp(header->name, "Cookie") == 0)
            rc = nj_buf_append_str(cookies, nj_buf_str(&value));
        else if (rc == 0)
            rc = add_header(headers, header->name, nj_buf_str(&value));
        nj_buf_done(&value);
    }
    return rc;
}

static bool looks_like_json(const char *body)
{
    body += strspn(body, " \t\r\n");
    return body[0] == '{' || body[0] == '[';
}

static int add_usual_headers(struct headers *headers, const struct nj_step *step,
                             const struct nj_buf *cookies)
{
    const struct nj_probe_run *run = headers->run;
    const struct nj_hop *hop = &run->hop;
    const char *user_agent = run->prober->options.user_agent;
    int rc = 0;
    if (hop->authority[0] != '\0' && (hop->is_foreign || !nj_step_names_host(step)))
        rc = add_header(headers, "Host", hop->authority);
    if (rc == 0 && user_agent != NULL && !step_has(step, "User-Agent"))
        rc = add_header(headers, "User-Agent", user_agent);
    if (rc == 0 && !step_has(step, "Connection"))
        rc = add_header(headers, "Connection", "close");
    if (rc == 0 && looks_like_json(hop->body) && !step_has(step, "Content-Type"))
        rc = add_header(headers, "Content-Type", "application/json");
    if (rc == 0 && cookies->len > 0)
        rc = add_header(headers, "Cookie", nj_buf_str(cookies));
    return rc;
}

/* NULL: with the words in err. */
static const char *const *make_headers(struct nj_probe_run *run, struct nj_err *err)
{
    const struct nj_step *step = nj_run_step(run);
    struct headers headers = {.run = run};
    struct nj_buf cookies = {.max = COOKIE_HEADER_MAX};
    int rc = add_own_headers(&headers, step, &cookies, err);
    if (rc == 0) {
        if (cookies.len > 0)
            (void)nj_buf_append_str(&cookies, "; ");
        size_t before = cookies.len;
        nj_cookies_write(run->cookies, run->hop.host, run->hop.path, strcmp(run->hop.scheme, "https") == 0,
                         nj_loop_wall_ns(run->prober->options.loop), &cookies);
        if (cookies.len == before && before > 0)
            cookies.data[cookies.len -= 2] = '\0';
        rc = add_usual_headers(&headers, step, &cookies);
        if (rc < 0)
            rc = nj_err_set(err, -ENOMEM, "the headers are too large");
    }
    nj_buf_done(&cookies);
    const char **lines = rc < 0 ? NULL : nj_arena_zalloc(&run->step_arena, headers.count + 1, sizeof(*lines));
    for (size_t i = 0; lines != NULL && i < headers.count; i++)
        lines[i] = headers.lines[i];
    return lines;
}

/* A body is read for somebody, or only its beginning as evidence. */
static bool wants_body(const struct nj_step *step)
{
    const struct nj_expect *expect = &step->expect;
    if (step->kind != NJ_STEP_HTTP || expect->bodies_count > 0 || expect->jsons_count > 0 ||
        expect->min_bytes >= 0 || expect->max_bytes >= 0)
        return true;
    for (size_t i = 0; i < step->extracts_count; i++) {
        if (step->extracts[i].from == NJ_EXTRACT_JSON || step->extracts[i].from == NJ_EXTRACT_REGEX)
            return true;
    }
    return false;
}

static void reset_response(struct nj_step_response *response)
{
    *response = (struct nj_step_response){.http_version = "",
                                          .body = "",
                                          .word = "",
                                          .certificate = {.subject = "", .issuer = "", .names = ""}};
    for (int i = 0; i < NJ_PHASES; i++)
        response->phase_ns[i] = -1;
}

void nj_chain_connect(struct nj_probe_run *run)
{
    struct nj_step_run *step_run = &run->step_run;
    struct nj_step_request *request = &step_run->request;
    struct nj_err err = {0};
    request->timeout_ns = nj_run_left_ns(run);
    if (request->timeout_ns == 0) {
        nj_chain_fail(run, NJ_CAUSE_TIMEOUT, NJ_PHASE_CONNECT, "no time was left");
        return;
    }
    reset_response(&step_run->response);
    request->scheme = run->hop.scheme;
    request->host = run->hop.host;
    request->port = run->hop.port;
    request->address = run->hop.addresses[run->hop.address_next++];
    request->method = run->hop.method;
    request->path = run->hop.path;
    request->body = run->hop.body;
    request->headers = make_headers(run, &err);
    if (request->headers == NULL) {
        nj_chain_fail(run, NJ_CAUSE_VARIABLE, NJ_PHASE_CHECK, "%s", err.text);
        return;
    }
    run->running = nj_step_prober_of(nj_run_step(run)->kind);
    if (run->running == NULL)
        (void)nj_err_set(&err, -ENOTSUP, "no prober for such a step");
    if (run->running == NULL || run->running->start(step_run, &err) < 0) {
        run->running = NULL;
        nj_chain_fail(run, NJ_CAUSE_INTERNAL, NJ_PHASE_CONNECT, "%s", err.text);
    }
}

/* A text of the step with its variables, in the step's arena. */
static int expand(struct nj_probe_run *run, enum nj_place place, const char *template, const char **ret_text,
                  size_t *ret_len, struct nj_err *err)
{
    struct nj_buf text = {.max = NJ_VARS_TEXT_MAX};
    int rc = nj_vars_expand(run->vars, place, template, &text, err);
    const char *kept = rc < 0 ? NULL : nj_arena_strndup(&run->step_arena, nj_buf_str(&text), text.len);
    if (rc == 0 && kept == NULL)
        rc = nj_err_set(err, -EMSGSIZE, "the text is too long");
    if (rc == 0) {
        *ret_text = kept;
        *ret_len = text.len;
    }
    nj_buf_done(&text);
    return rc;
}

static int expand_all(struct nj_probe_run *run, const struct nj_step *step, struct nj_err *err)
{
    struct nj_hop *hop = &run->hop;
    struct nj_step_request *request = &run->step_run.request;
    size_t len = 0;
    if (step->kind == NJ_STEP_TCP)
        return expand(run, NJ_PLACE_TEXT, step->send, &request->send, &request->send_len, err);
    if (step->kind != NJ_STEP_HTTP)
        return 0;
    int rc = 0;
    if (step->path[0] != '\0')
        rc = expand(run, NJ_PLACE_PATH, step->path, &hop->path, &len, err);
    return rc < 0 ? rc : expand(run, NJ_PLACE_BODY, step->body, &hop->body, &len, err);
}

/* "host" or "host:port", an IPv6 literal in brackets: the host. */
static const char *host_of_authority(struct nj_probe_run *run, const char *authority)
{
    if (authority[0] == '[')
        return nj_str(nj_arena_strndup(&run->step_arena, authority + 1, strcspn(authority + 1, "]")));
    return nj_str(nj_arena_strndup(&run->step_arena, authority, strcspn(authority, ":")));
}

/* The same host under another name is another host: that a monitor may reach one does not mean the other. A
 * Service's own pods may be asked for whatever name they serve. */
static bool may_name_host(const struct nj_probe_run *run, const struct nj_step *step)
{
    for (size_t i = 0; i < step->headers_count; i++) {
        const struct nj_spec_pair *header = &step->headers[i];
        if (strcasecmp(header->name, "Host") != 0)
            continue;
        if (strstr(header->value, "${") != NULL)
            return false;
        const char *own = run->target.authority[0] == '\0' ? run->target.host : run->target.authority;
        if (run->spec->target.kind == NJ_TARGET_INGRESS && strcasecmp(header->value, own) != 0)
            return false;
        if (run->target.trust == NJ_TRUST_ALLOWED && strcasecmp(header->value, own) != 0 &&
            !nj_host_allowed(header->value, run->target.port, run->prober->options.allowed,
                             run->prober->options.allowed_count))
            return false;
    }
    return true;
}

static void step_begin(struct nj_probe_run *run)
{
    const struct nj_step *step = nj_run_step(run);
    const struct nj_probe_target *target = &run->target;
    nj_arena_reset(&run->step_arena);
    run->step_started_ns = uv_hrtime();
    for (int i = 0; i < NJ_PHASES; i++)
        run->phase_ns[i] = -1;
    run->step_run =
        (struct nj_step_run){.prober = run->prober,
                             .loop = run->prober->options.loop,
                             .arena = &run->step_arena,
                             .request = {.step = step,
                                         .tls = &run->spec->tls,
                                         .ca_pem = run->ca_pem,
                                         .send = "",
                                         .max_body_bytes = run->prober->options.max_response_bytes,
                                         .wants_body = wants_body(step)},
                             .done = on_step_done,
                             .chain_data = run};
    reset_response(&run->step_run.response);
    run->hop = (struct nj_hop){
        .scheme = target->scheme,
        .host = target->authority[0] == '\0' ? target->host : host_of_authority(run, target->authority),
        .authority = target->authority,
        .port = target->port,
        .path = target->path[0] == '\0' ? "/" : target->path,
        .method = step->method,
        .body = ""};
    run->outcomes[run->index].ran = true;
    struct nj_err err = {0};
    if (expand_all(run, step, &err) < 0)
        nj_chain_fail(run, NJ_CAUSE_VARIABLE, NJ_PHASE_CHECK, "%s", err.text);
    else if (!may_name_host(run, step))
        nj_chain_fail(run, NJ_CAUSE_FORBIDDEN, NJ_PHASE_CHECK, "a Host header that names another host");
    else
        nj_hop_begin(run);
}

void nj_chain_go_on(struct nj_probe_run *run)
{
    const struct nj_spec *spec = run->spec;
    while (run->index < spec->steps_count && run->failed && !nj_run_step(run)->is_finally)
        run->index++;
    if (run->index == spec->steps_count) {
        nj_run_end(run);
        return;
    }
    if (nj_run_step(run)->is_finally && !run->in_finally) {
        run->in_finally = true;
        run->deadline_ns = uv_hrtime() + (uint64_t)spec->timeout_ns;
    }
    step_begin(run);
}
