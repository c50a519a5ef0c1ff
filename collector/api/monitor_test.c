/*
 * Trying a spec that is not saved: what every target and step gives, once.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <utlist.h>

#include "collector/api/internal.h"
#include "collector/probes/probes.h"
#include "common/base/str.h"
#include "common/probe/result.h"

static void append_outcome(struct nj_buf *out, const struct nj_probes_test_outcome *outcome)
{
    nj_api_object_begin(out);
    nj_api_field(out, "target", outcome->target_name);
    nj_api_field(out, "address", outcome->address);
    nj_api_field(out, "trouble", outcome->trouble);
    struct nj_buf result = {.max = NJ_EVIDENCE_JSON_MAX};
    if (outcome->result != NULL)
        (void)nj_result_json(outcome->result, &result);
    nj_api_field_json(out, "result", nj_buf_str(&result));
    nj_buf_done(&result);
    nj_api_object_end(out);
}

static void on_done(void *data, const struct nj_probes_test_outcome *outcomes, size_t count)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    bool ok = count > 0;
    DL_DELETE(call->api->tests, call);
    call->test = NULL;
    for (size_t i = 0; i < count; i++)
        ok &= outcomes[i].result != NULL && outcomes[i].result->ok;
    nj_api_object_begin(out);
    nj_api_field_bool(out, "ok", ok);
    nj_api_array_begin(out, "items");
    for (size_t i = 0; i < count; i++)
        append_outcome(out, &outcomes[i]);
    nj_api_array_end(out);
    nj_api_object_end(out);
    nj_api_answer(call, 200, "application/json", nj_buf_str(out), out->len);
}

void nj_api_tests_stop(struct nj_api *api)
{
    for (struct nj_api_call *call; (call = api->tests) != NULL;) {
        DL_DELETE(api->tests, call);
        nj_probes_test_cancel(call->test);
        nj_api_problem(call, 503, "the collector is shutting down");
    }
}

static void answer_refusal(struct nj_api_call *call, int rc, const struct nj_err *err)
{
    unsigned status = 500;
    if (rc == -EINVAL)
        status = 400;
    else if (rc == -ENOENT)
        status = 404;
    else if (rc == -EACCES)
        status = 403;
    else if (rc == -EAGAIN)
        status = 429;
    nj_api_problem(call, status, "%s", err->text[0] != '\0' ? err->text : strerror(-rc));
}

static void start(struct nj_api_call *call, const char *namespace, struct json_object *spec)
{
    struct nj_err err = {0};
    size_t len = 0;
    const char *text = json_object_to_json_string_length(spec, JSON_C_TO_STRING_PLAIN, &len);
    int rc =
        nj_probes_test(call->api->options.probes, namespace, text, len, on_done, call, &call->test, &err);
    if (rc < 0)
        answer_refusal(call, rc, &err);
    else
        DL_APPEND(call->api->tests, call);
}

void nj_api_monitor_test(struct nj_api_call *call)
{
    struct json_object *namespace = NULL, *spec = NULL;
    if (call->api->options.probes == NULL) {
        nj_api_problem(call, 503, "this collector probes nothing");
        return;
    }
    struct json_object *body = nj_api_body(call);
    if (body == NULL)
        return;
    json_object_object_foreach(body, name, value)
    {
        if (strcmp(name, "namespace") == 0)
        namespace = value;
        else if (strcmp(name, "spec") == 0) spec = value;
    }
    if (json_object_object_length(body) != (namespace != NULL) + (spec != NULL))
        nj_api_problem(call, 400, "the body has namespace and spec, and nothing else");
    else if (!json_object_is_type(namespace, json_type_string))
        nj_api_problem(call, 400, "namespace: a string is needed");
    else if (!json_object_is_type(spec, json_type_object))
        nj_api_problem(call, 400, "spec: an object is needed, as in an ApiMonitor");
    else
        start(call, json_object_get_string(namespace), spec);
    (void)json_object_put(body);
}
