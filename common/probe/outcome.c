/* What is kept of a run: each step's outcome, with its secrets hidden. */
#include <arpa/inet.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/prober_internal.h"

void nj_outcomes_init(struct nj_probe_run *run)
{
    const struct nj_spec *spec = run->spec;
    run->outcomes = nj_arena_zalloc(&run->arena, spec->steps_count, sizeof(*run->outcomes));
    if (run->outcomes == NULL)
        nj_out_of_memory();
    for (size_t i = 0; i < spec->steps_count; i++) {
        run->outcomes[i] =
            (struct nj_step_outcome){.name = spec->steps[i].name,
                                     .kind = nj_step_kind_name(spec->steps[i].kind),
                                     .expected = "",
                                     .got = "",
                                     .request = "",
                                     .address = "",
                                     .http_version = "",
                                     .body = "",
                                     .certificate = {.subject = "", .issuer = "", .names = ""}};
        for (int phase = 0; phase < NJ_PHASES; phase++)
            run->outcomes[i].phase_ns[phase] = -1;
    }
    run->started_ns = uv_hrtime();
    run->deadline_ns = run->started_ns + (uint64_t)spec->timeout_ns;
    run->result = (struct nj_result){.steps = run->outcomes,
                                     .steps_count = spec->steps_count,
                                     .started_ns = nj_loop_wall_ns(run->prober->options.loop),
                                     .attempts = 1};
}

/* Into the run's arena, without secrets; "" when there is no room left. */
static const char *hidden(struct nj_probe_run *run, const char *text, size_t len, size_t max)
{
    if (len == 0)
        return "";
    struct nj_buf out = {0};
    nj_vars_hide(run->vars, run->prober->options.redactor, text, len, &out);
    const char *kept =
        nj_arena_strndup(&run->arena, nj_buf_str(&out), nj_utf8_cut(nj_buf_str(&out), out.len, max));
    nj_buf_done(&out);
    return nj_str(kept);
}

static const char *hidden_text(struct nj_probe_run *run, const char *text)
{
    return hidden(run, text, strlen(text), NJ_EVIDENCE_TEXT_MAX - 1);
}

static const char *request_text(struct nj_probe_run *run)
{
    const struct nj_step *step = nj_run_step(run);
    const struct nj_hop *hop = &run->hop;
    bool ipv6 = strchr(hop->host, ':') != NULL;
    struct nj_buf text = {0};
    switch (step->kind) {
    case NJ_STEP_HTTP:
        (void)nj_buf_printf(&text, ipv6 ? "%s %s://[%s]:%u%s" : "%s %s://%s:%u%s", hop->method, hop->scheme,
                            hop->host, hop->port, hop->path);
        break;
    case NJ_STEP_TCP:
        (void)nj_buf_printf(&text, ipv6 ? "%s [%s]:%u" : "%s %s:%u", step->tls ? "TLS" : "TCP", hop->host,
                            hop->port);
        break;
    case NJ_STEP_GRPC:
        (void)nj_buf_printf(&text, ipv6 ? "gRPC health \"%s\" [%s]:%u" : "gRPC health \"%s\" %s:%u",
                            step->grpc_service, hop->host, hop->port);
        break;
    case NJ_STEP_DNS:
        (void)nj_buf_printf(&text, ipv6 ? "%s %s @[%s]:%u" : "%s %s @%s:%u", step->dns_type, step->dns_name,
                            hop->host, hop->port);
        break;
    }
    const char *kept = hidden_text(run, nj_buf_str(&text));
    nj_buf_done(&text);
    return kept;
}

static const char *address_text(struct nj_probe_run *run)
{
    const struct sockaddr_storage *address = &run->step_run.request.address;
    char numeric[INET6_ADDRSTRLEN] = "";
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof(v4));
    memcpy(&v6, address, sizeof(v6));
    struct nj_buf text = {0};
    if (address->ss_family == AF_INET && inet_ntop(AF_INET, &v4.sin_addr, numeric, sizeof(numeric)) != NULL)
        (void)nj_buf_printf(&text, "%s:%u", numeric, ntohs(v4.sin_port));
    else if (address->ss_family == AF_INET6 &&
             inet_ntop(AF_INET6, &v6.sin6_addr, numeric, sizeof(numeric)) != NULL)
        (void)nj_buf_printf(&text, "[%s]:%u", numeric, ntohs(v6.sin6_port));
    const char *kept = nj_str(nj_arena_strndup(&run->arena, nj_buf_str(&text), text.len));
    nj_buf_done(&text);
    return kept;
}

void nj_outcome_take(struct nj_probe_run *run, const struct nj_verdict *verdict)
{
    const struct nj_step_response *response = &run->step_run.response;
    struct nj_step_outcome *outcome = &run->outcomes[run->index];
    outcome->ok = verdict->cause == NJ_CAUSE_NONE;
    outcome->cause = verdict->cause;
    outcome->phase = response->phase;
    outcome->total_ns = (int64_t)(uv_hrtime() - run->step_started_ns);
    memcpy(outcome->phase_ns, run->phase_ns, sizeof(outcome->phase_ns));
    outcome->request = request_text(run);
    outcome->address = address_text(run);
    outcome->status = response->status;
    outcome->http_version = response->http_version;
    outcome->bytes = (int64_t)response->body_len;
    if (response->certificate.present) {
        outcome->certificate = response->certificate;
        outcome->certificate.subject = hidden_text(run, response->certificate.subject);
        outcome->certificate.issuer = hidden_text(run, response->certificate.issuer);
        outcome->certificate.names = hidden_text(run, response->certificate.names);
    }
    if (outcome->ok)
        return;
    outcome->expected = hidden_text(run, verdict->expected);
    outcome->got = hidden_text(run, verdict->got);
    /* Hidden before it is cut: half a secret would not be known as one. */
    size_t len = response->body_len < (size_t)4 * NJ_EVIDENCE_BODY_MAX ? response->body_len
                                                                       : (size_t)4 * NJ_EVIDENCE_BODY_MAX;
    outcome->body = hidden(run, response->body, len, NJ_EVIDENCE_BODY_MAX);
}

void nj_result_finish(struct nj_probe_run *run)
{
    struct nj_result *result = &run->result;
    result->total_ns = (int64_t)(uv_hrtime() - run->started_ns);
    result->ok = true;
    for (size_t i = 0; i < result->steps_count && result->ok; i++) {
        if (!run->outcomes[i].ran || run->outcomes[i].ok)
            continue;
        result->ok = false;
        result->cause = run->outcomes[i].cause;
        result->failed = &run->outcomes[i];
    }
}
