/*
 * Whatever is written as a monitor's spec is either refused with a text that says where, or means the same
 * when it is read again.
 *
 * Input: the JSON.
 */
#include "common/base/str.h"
#include "common/probe/spec.h"
#include "tests/fuzz/input.h"

static void check_step(const struct nj_step *step)
{
    check(step->name[0] != '\0' && nj_utf8_valid(step->name, strlen(step->name)));
    check(step->path[0] == '\0' || step->path[0] == '/');
    check(strpbrk(step->path, "\r\n \t#") == NULL);
    for (size_t i = 0; i < step->headers_count; i++) {
        check(strpbrk(step->headers[i].name, "\r\n: ") == NULL);
        check(strpbrk(step->headers[i].value, "\r\n") == NULL);
    }
    for (size_t i = 0; i < step->expect.statuses_count; i++)
        check(step->expect.statuses[i].from >= 100 &&
              step->expect.statuses[i].from <= step->expect.statuses[i].to &&
              step->expect.statuses[i].to <= 599);
}

static void check_spec(const struct nj_spec *spec)
{
    check(spec->steps_count > 0 && spec->steps_count <= NJ_SPEC_STEPS_MAX);
    check(spec->interval_ns > 0 && spec->timeout_ns > 0);
    check(!spec->steps[0].is_finally);
    for (size_t i = 0; i < spec->steps_count; i++)
        check_step(&spec->steps[i]);
    if (spec->target.kind == NJ_TARGET_URL)
        check(strpbrk(spec->target.host, "/@?#[] ") == NULL && spec->target.port != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    int rc = nj_spec_parse("spec", (const char *)data, size, true, &spec, &err);
    if (rc < 0) {
        check(spec == NULL && err.code == rc && nj_str_starts(err.text, "spec"));
        check(nj_utf8_valid(err.text, strlen(err.text)));
        return 0;
    }
    check_spec(spec);
    struct nj_spec *again = NULL;
    check(spec->json_len == size);
    check(nj_spec_parse("spec", spec->json, spec->json_len, true, &again, NULL) == 0);
    check(again->steps_count == spec->steps_count);
    nj_spec_unref(again);
    nj_spec_unref(spec);
    return 0;
}
