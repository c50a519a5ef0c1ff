/*
 * Whatever is expected of whatever answer, there is a verdict with words for it, and what a step takes out of
 * an answer is a part of it.
 *
 * Input: a step as JSON, a zero byte, the answer's body.
 */
#include "common/base/alloc.h"
#include "common/probe/judge.h"
#include "tests/fuzz/input.h"

enum { BODY_MAX = 4096 };

static void check_verdict(const struct nj_verdict *verdict)
{
    check(verdict->cause < NJ_CAUSES);
    check(memchr(verdict->expected, 0, sizeof(verdict->expected)) != NULL);
    check(memchr(verdict->got, 0, sizeof(verdict->got)) != NULL);
    if (verdict->cause != NJ_CAUSE_NONE)
        check(verdict->expected[0] != '\0' && verdict->got[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nj_step_header headers[] = {{"Content-Type", "text/html"},
                                                    {"Set-Cookie", "a=b; Path=/"}};
    static const char *const records[] = {"10.0.0.1", "10 mail.example"};
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    if (end == NULL || data + size - end - 1 > BODY_MAX)
        return 0;
    struct nj_spec *spec = NULL;
    char *json = nj_asprintf(
        "{\"variables\":[{\"name\":\"a\",\"value\":\"b\"}],\"steps\":[%s],\"tls\":{\"minDaysLeft\":1}}",
        (const char *)data);
    int rc = nj_spec_parse("spec", json, strlen(json), false, &spec, NULL);
    free(json);
    if (rc < 0)
        return 0;
    /* An exact copy lets the address sanitizer see a read past its end. */
    size_t len = (size_t)(data + size - end - 1);
    char *body = malloc(len == 0 ? 1 : len);
    check(body != NULL);
    memcpy(body, end + 1, len);
    const struct nj_step_response response = {.status = 200,
                                              .http_version = "1.1",
                                              .headers = headers,
                                              .headers_count = 2,
                                              .body = body,
                                              .body_len = len,
                                              .body_cut = len == BODY_MAX,
                                              .records = records,
                                              .records_count = 2,
                                              .word = "SERVING"};
    struct nj_vars *vars = nj_vars_new(spec, NULL, 0);
    struct nj_verdict verdict;
    for (size_t i = 0; i < spec->steps_count; i++) {
        nj_judge(&spec->steps[i], &spec->tls, &response, 1, 1, vars, &verdict);
        check_verdict(&verdict);
        nj_extract_all(&spec->steps[i], &response, vars, &verdict);
        check_verdict(&verdict);
    }
    nj_vars_free(vars);
    nj_spec_unref(spec);
    free(body);
    return 0;
}
