#include "tests/unit/probe/prober_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum { RESPONSE_MAX = 256 * 1024, CONNECTIONS_MAX = 16 };

void probe_setup_start(struct probe_setup *setup, void **state, void (*answer)(struct test_peer *peer))
{
    setup->test = *state;
    setup->closed = false;
    setup->options.loop = &setup->test->loop;
    setup->options.user_agent = "nightjar-test";
    if (setup->options.max_response_bytes == 0)
        setup->options.max_response_bytes = RESPONSE_MAX;
    if (setup->options.max_connections == 0)
        setup->options.max_connections = CONNECTIONS_MAX;
    setup->prober = nj_prober_new(&setup->options);
    assert_non_null(setup->prober);
    setup->server.port = 0;
    if (answer != NULL)
        test_server_start(&setup->server, setup->test, answer, setup);
}

void probe_setup_end(struct probe_setup *setup)
{
    nj_prober_close(setup->prober, test_set_flag, &setup->closed);
    test_run_until(setup->test, &setup->closed);
    if (setup->server.port != 0)
        test_server_close(&setup->server);
}

struct nj_probe_target probe_target(const struct probe_setup *setup)
{
    return (struct nj_probe_target){.host = "127.0.0.1",
                                    .port = (uint16_t)setup->server.port,
                                    .scheme = "http",
                                    .path = "",
                                    .authority = "",
                                    .trust = NJ_TRUST_CLUSTER};
}

struct nj_spec *probe_spec(const char *json)
{
    char *text = nj_strdup(json);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\'')
            *c = '"';
    }
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    int rc = nj_spec_parse("spec", text, strlen(text), false, &spec, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    free(text);
    return spec;
}

static void copy(char *to, size_t room, const char *text)
{
    assert_non_null(text);
    assert_true(snprintf(to, room, "%s", text) < (int)room);
}

void probe_on_done(void *data, const struct nj_result *result)
{
    struct run_seen *seen = data;
    assert_false(seen->done);
    seen->done = true;
    seen->ok = result->ok;
    seen->cause = result->cause;
    seen->total_ns = result->total_ns;
    seen->count = result->steps_count;
    assert_true(result->steps_count <= STEPS_MAX);
    seen->failed = result->failed == NULL ? -1 : (int)(result->failed - result->steps);
    for (size_t i = 0; i < result->steps_count; i++) {
        const struct nj_step_outcome *step = &result->steps[i];
        struct step_seen *to = &seen->steps[i];
        copy(to->name, sizeof(to->name), step->name);
        copy(to->expected, sizeof(to->expected), step->expected);
        copy(to->got, sizeof(to->got), step->got);
        copy(to->request, sizeof(to->request), step->request);
        copy(to->address, sizeof(to->address), step->address);
        copy(to->body, sizeof(to->body), step->body);
        copy(to->version, sizeof(to->version), step->http_version);
        copy(to->subject, sizeof(to->subject), step->certificate.subject);
        copy(to->names, sizeof(to->names), step->certificate.names);
        to->ran = step->ran;
        to->ok = step->ok;
        to->has_certificate = step->certificate.present;
        to->cause = step->cause;
        to->phase = step->phase;
        to->status = step->status;
        to->bytes = step->bytes;
        to->not_after_ns = step->certificate.not_after_ns;
        to->not_before_ns = step->certificate.not_before_ns;
        memcpy(to->phase_ns, step->phase_ns, sizeof(to->phase_ns));
    }
    struct nj_buf json = {0};
    assert_int_equal(nj_result_json(result, &json), 0);
    copy(seen->json, sizeof(seen->json), nj_buf_str(&json));
    nj_buf_done(&json);
}

struct run_seen probe_run_with(struct probe_setup *setup, const char *json, struct nj_probe_target target,
                               const struct nj_probe_value *secrets, size_t secrets_count, const char *ca_pem)
{
    struct nj_spec *spec = probe_spec(json);
    struct run_seen seen = {0};
    const struct nj_probe_request request = {.spec = spec,
                                             .target = target,
                                             .secrets = secrets,
                                             .secrets_count = secrets_count,
                                             .ca_pem = ca_pem,
                                             .on_done = probe_on_done,
                                             .data = &seen};
    struct nj_err err = {0};
    struct nj_probe_run *run = NULL;
    int rc = nj_probe_start(setup->prober, &request, &run, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    nj_spec_unref(spec);
    assert_false(seen.done);
    test_run_until(setup->test, &seen.done);
    return seen;
}

struct run_seen probe_run_at(struct probe_setup *setup, const char *json, struct nj_probe_target target)
{
    return probe_run_with(setup, json, target, NULL, 0, NULL);
}

struct run_seen probe_run(struct probe_setup *setup, const char *json)
{
    return probe_run_at(setup, json, probe_target(setup));
}
