/*
 * Answers that claim to be WeCom's: whatever they hold, they are read within bounds, and none but an errcode
 * 0 counts as having told people.
 */
#include "collector/notify/wecom.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = nj_calloc(1, size + 1);
    if (size > 0)
        memcpy(body, data, size);
    struct nj_wecom_answer answer;
    nj_wecom_read_answer(body, size, &answer);
    if (!answer.valid)
        check(answer.access_token == NULL && answer.media_id == NULL && answer.not_told == NULL);

    const struct nj_target target = {.ops = &nj_wecom_app};
    const struct nj_delivery delivery = {.key = "k", .text = "t", .text_len = 1, .mentions = ""};
    static const enum nj_step steps[] = {NJ_STEP_TOKEN, NJ_STEP_UPLOAD, NJ_STEP_SEND};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct nj_sending sending = {.delivery = &delivery};
        const struct nj_http_result result = {
            .status = 200, .body = body, .body_len = size, .maybe_sent = true};
        struct nj_outcome outcome = {0};
        nj_channel_answer(&target, &sending, steps[i], &result, &outcome);
        check(nj_utf8_valid(outcome.text, strlen(outcome.text)));
        bool told = outcome.kind == NJ_OUTCOME_DONE || outcome.kind == NJ_OUTCOME_PARTLY;
        check(!told || (answer.valid && answer.errcode == 0));
        check(outcome.kind != NJ_OUTCOME_NEXT || steps[i] != NJ_STEP_SEND);
        nj_sending_done(&sending);
    }
    nj_wecom_answer_done(&answer);
    free(body);
    return 0;
}
