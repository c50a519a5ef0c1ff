#include "collector/notify/wecom.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/escape.h"
#include "collector/notify/wecom_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { TOKEN_LIFE_S = 7200, NOT_TOLD_BYTES_MAX = 80 };

static const struct {
    int64_t errcode;
    enum nj_outcome_kind kind;
    const char *words;
} errcodes[] = {
    {-1, NJ_OUTCOME_RETRY, "WeCom is busy"},
    {6000, NJ_OUTCOME_RETRY, "WeCom is busy with the same data"},
    {45033, NJ_OUTCOME_RETRY, "too many requests at once"},
    {40014, NJ_OUTCOME_TOKEN, "the access token is not valid"},
    {41001, NJ_OUTCOME_TOKEN, "the access token is missing"},
    {42001, NJ_OUTCOME_TOKEN, "the access token has expired"},
    {40001, NJ_OUTCOME_BROKEN, "the corp secret is wrong: correct secret_file, then reload"},
    {40013, NJ_OUTCOME_BROKEN, "the corp id is wrong: correct corp_id, then reload"},
    {40056, NJ_OUTCOME_BROKEN, "the agent id is wrong: correct agent_id, then reload"},
    {40091, NJ_OUTCOME_BROKEN, "the secret is wrong: correct secret_file, then reload"},
    {45009, NJ_OUTCOME_WAIT, "over the rate that WeCom allows"},
    {45002, NJ_OUTCOME_TOO_LONG, "the message is too long"},
    {40058, NJ_OUTCOME_TOO_LONG, "the message is not valid, maybe too long"},
    {44004, NJ_OUTCOME_REFUSED, "the message is empty"},
    {45001, NJ_OUTCOME_REFUSED, "the file is too large or too small"},
    {60020, NJ_OUTCOME_DOWN, "this machine's address is not among the application's trusted ones"},
    {81013, NJ_OUTCOME_REFUSED, "none of the users, parties and tags can be told"},
    {93000, NJ_OUTCOME_DOWN, "the robot is gone, or its URL is wrong"},
    {93004, NJ_OUTCOME_DOWN, "the robot is disabled"},
    {93008, NJ_OUTCOME_DOWN, "the robot is not in the group"},
};

static size_t find_errcode(int64_t errcode)
{
    size_t i = 0;
    while (i < sizeof(errcodes) / sizeof(errcodes[0]) && errcodes[i].errcode != errcode)
        i++;
    return i;
}

enum nj_outcome_kind nj_wecom_outcome(int64_t errcode)
{
    size_t i = find_errcode(errcode);
    return i < sizeof(errcodes) / sizeof(errcodes[0]) ? errcodes[i].kind : NJ_OUTCOME_REFUSED;
}

static char *copy_text(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string) ||
        json_object_get_string_len(value) == 0)
        return NULL;
    return nj_strdup(json_object_get_string(value));
}

static void read_not_told(struct json_object *object, struct nj_wecom_answer *answer)
{
    static const char *const names[] = {"invaliduser", "invalidparty", "invalidtag", "unlicenseduser"};
    struct nj_buf list = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *text = copy_text(object, names[i]);
        if (text != NULL) {
            nj_buf_printf(&list, "%s%s ", list.len == 0 ? "" : ", ", names[i]);
            nj_escape(&list, text, strlen(text), NOT_TOLD_BYTES_MAX, false);
        }
        free(text);
    }
    if (list.len > 0)
        answer->not_told = nj_buf_take(&list);
    nj_buf_done(&list);
}

void nj_wecom_read_answer(const char *body, size_t len, struct nj_wecom_answer *ret_answer)
{
    *ret_answer = (struct nj_wecom_answer){0};
    struct json_tokener *tokener = json_tokener_new();
    if (tokener == NULL)
        return;
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object =
        json_tokener_parse_ex(tokener, body, len > NJ_ANSWER_BYTES_MAX ? NJ_ANSWER_BYTES_MAX : (int)len);
    struct json_object *errcode = NULL, *expires = NULL;
    if (json_object_is_type(object, json_type_object) &&
        json_object_object_get_ex(object, "errcode", &errcode) &&
        json_object_is_type(errcode, json_type_int)) {
        ret_answer->valid = true;
        ret_answer->errcode = json_object_get_int64(errcode);
        ret_answer->access_token = copy_text(object, "access_token");
        ret_answer->media_id = copy_text(object, "media_id");
        ret_answer->expires_in_s = TOKEN_LIFE_S;
        if (json_object_object_get_ex(object, "expires_in", &expires))
            ret_answer->expires_in_s = json_object_get_int64(expires);
        read_not_told(object, ret_answer);
    }
    json_object_put(object);
    json_tokener_free(tokener);
}

void nj_wecom_answer_done(struct nj_wecom_answer *answer)
{
    nj_secret_free(answer->access_token);
    free(answer->media_id);
    free(answer->not_told);
    *answer = (struct nj_wecom_answer){0};
}

/* WeCom's own words (errmsg) are left out: they quote the robot's key. */
static void say_errcode(const struct nj_target *target, int64_t errcode, struct nj_outcome *ret_outcome)
{
    size_t i = find_errcode(errcode);
    const char *words = i < sizeof(errcodes) / sizeof(errcodes[0])
                            ? errcodes[i].words
                            : "see https://developer.work.weixin.qq.com/document/path/90313";
    nj_outcome_set(ret_outcome, nj_wecom_outcome(errcode), "%s: errcode %" PRId64 ": %s", target->ops->name,
                   errcode, words);
}

static void take_token(const struct nj_target *target, struct nj_sending *sending,
                       struct nj_wecom_answer *answer, struct nj_outcome *ret_outcome)
{
    if (answer->access_token == NULL) {
        nj_outcome_set(ret_outcome, NJ_OUTCOME_RETRY, "%s: the answer to gettoken holds no token",
                       target->ops->name);
        return;
    }
    nj_secret_free(sending->token);
    sending->token = answer->access_token;
    answer->access_token = NULL;
    int64_t life_s = answer->expires_in_s;
    sending->token_life_ns = life_s < 0 ? 0 : life_s > TOKEN_LIFE_S ? TOKEN_LIFE_S * NJ_SEC : life_s * NJ_SEC;
    nj_outcome_set(ret_outcome, NJ_OUTCOME_NEXT, "token");
}

static void take_media(const struct nj_target *target, struct nj_sending *sending,
                       struct nj_wecom_answer *answer, struct nj_outcome *ret_outcome)
{
    if (answer->media_id == NULL) {
        nj_outcome_set(ret_outcome, NJ_OUTCOME_RETRY, "%s: the answer to the upload holds no media_id",
                       target->ops->name);
        return;
    }
    free(sending->media_id);
    sending->media_id = answer->media_id;
    answer->media_id = NULL;
    nj_outcome_set(ret_outcome, NJ_OUTCOME_NEXT, "uploaded");
}

/* An answer that is not WeCom's: of a proxy, or cut. */
static void say_no_answer(const struct nj_target *target, enum nj_step step,
                          const struct nj_http_result *result, struct nj_outcome *ret_outcome)
{
    if (result->status >= 200 && result->status < 300)
        nj_outcome_set(ret_outcome, step == NJ_STEP_SEND ? NJ_OUTCOME_UNCERTAIN : NJ_OUTCOME_RETRY,
                       "%s: the answer is not WeCom's", target->ops->name);
    else
        nj_outcome_set(ret_outcome, NJ_OUTCOME_DOWN, "%s: HTTP status %ld: is the URL right?",
                       target->ops->name, result->status);
}

void nj_wecom_answer_step(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                          const struct nj_http_result *result, struct nj_outcome *ret_outcome)
{
    struct nj_wecom_answer answer;
    nj_wecom_read_answer(result->body, result->body_len, &answer);
    if (!answer.valid)
        say_no_answer(target, step, result, ret_outcome);
    else if (answer.errcode != 0)
        say_errcode(target, answer.errcode, ret_outcome);
    else if (step == NJ_STEP_TOKEN)
        take_token(target, sending, &answer, ret_outcome);
    else if (step == NJ_STEP_UPLOAD)
        take_media(target, sending, &answer, ret_outcome);
    else if (answer.not_told != NULL)
        nj_outcome_set(ret_outcome, NJ_OUTCOME_PARTLY, "%s: some were not told: %s", target->ops->name,
                       answer.not_told);
    else
        nj_outcome_set(ret_outcome, NJ_OUTCOME_DONE, "%s", "");
    nj_wecom_answer_done(&answer);
}

static bool mentions_all(const char *mentions)
{
    for (const char *at = nj_str(mentions); *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == strlen("@all") && memcmp(at, "@all", len) == 0)
            return true;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return false;
}

enum nj_channel_format nj_wecom_format(const struct nj_target *target, const char *mentions)
{
    bool is_robot = target->ops == &nj_wecom_robot;
    if (target->config.format == NJ_CHANNEL_TEXT || (is_robot && mentions_all(mentions)))
        return NJ_CHANNEL_TEXT;
    return NJ_CHANNEL_MARKDOWN;
}

size_t nj_wecom_max_bytes(const struct nj_target *target, const char *mentions)
{
    bool large = target->ops == &nj_wecom_robot && nj_wecom_format(target, mentions) == NJ_CHANNEL_MARKDOWN;
    return large ? NJ_WECOM_ROBOT_MARKDOWN_BYTES : NJ_WECOM_TEXT_BYTES;
}

static struct nj_render how(const struct nj_target *target, const struct nj_terms *terms,
                            const char *mentions)
{
    size_t max = nj_wecom_max_bytes(target, mentions);
    if (terms->max_bytes != 0 && terms->max_bytes < max)
        max = terms->max_bytes;
    return (struct nj_render){.language = terms->language,
                              .max_parts = terms->max_parts,
                              .pipeline = terms->pipeline,
                              .format = nj_wecom_format(target, mentions),
                              .max_bytes = max < NJ_RENDER_BYTES_MIN ? NJ_RENDER_BYTES_MIN : max,
                              .public_url = terms->public_url,
                              .log_lines = terms->log_lines};
}

void nj_wecom_render(const struct nj_target *target, const struct nj_terms *terms,
                     const struct nj_alert *alert, struct nj_buf *out)
{
    const struct nj_render render = how(target, terms, alert->mentions);
    struct nj_alert shown = *alert;
    if (target->ops != &nj_wecom_robot)
        shown.mentions = ""; /* an application's message has its readers, not mentions */
    nj_render_alert(&render, &shown, out);
}

void nj_wecom_render_digest(const struct nj_target *target, const struct nj_terms *terms,
                            const char *mentions, const struct nj_alert *alerts, size_t count,
                            struct nj_buf *out)
{
    const struct nj_render render = how(target, terms, mentions);
    struct nj_alert *shown = nj_calloc(count + 1, sizeof(*shown));
    for (size_t i = 0; i < count; i++) {
        shown[i] = alerts[i];
        if (target->ops != &nj_wecom_robot)
            shown[i].mentions = "";
    }
    nj_render_digest(&render, shown, count, out);
    free(shown);
}

void nj_wecom_content(const struct nj_target *target, const struct nj_delivery *delivery, struct nj_buf *body)
{
    const char *type =
        nj_wecom_format(target, delivery->mentions) == NJ_CHANNEL_MARKDOWN ? "markdown" : "text";
    nj_buf_printf(body, "\"msgtype\":\"%s\",\"%s\":{\"content\":", type, type);
    nj_json_append_string(body, delivery->text, delivery->text_len);
}
