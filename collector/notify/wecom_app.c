/* Application messages: a token from corp id and secret, then messages to users, parties and tags. */
#include <inttypes.h>
#include <string.h>

#include "collector/notify/wecom.h"
#include "collector/notify/wecom_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

static int read_secrets(struct nj_target *target, struct nj_err *err)
{
    return nj_channel_read_secret(target, "secret_file", target->config.secret_file, &target->secret, err);
}

static enum nj_step next_step(const struct nj_target *target, const struct nj_sending *sending)
{
    (void)target;
    if (sending->token == NULL)
        return NJ_STEP_TOKEN;
    return sending->delivery->file != NULL && sending->media_id == NULL ? NJ_STEP_UPLOAD : NJ_STEP_SEND;
}

static void append_receivers(struct nj_buf *body, const char *name, const struct nj_config_strings *list)
{
    if (list->count == 0)
        return;
    struct nj_buf joined = {0};
    for (size_t i = 0; i < list->count; i++)
        nj_buf_printf(&joined, "%s%s", i == 0 ? "" : "|", list->items[i]);
    nj_buf_printf(body, "\"%s\":", name);
    nj_json_append_string(body, nj_buf_str(&joined), joined.len);
    nj_buf_append_char(body, ',');
    nj_buf_done(&joined);
}

static void append_url(const struct nj_target *target, const char *path, struct nj_buf *url)
{
    size_t len = strlen(target->config.api_url);
    while (len > 0 && target->config.api_url[len - 1] == '/')
        len--;
    nj_buf_append(url, target->config.api_url, len);
    nj_buf_append_str(url, path);
}

static void token_request(const struct nj_target *target, struct nj_channel_request *request)
{
    request->method = "GET";
    append_url(target, "/cgi-bin/gettoken?corpid=", &request->url);
    (void)nj_url_append(&request->url, target->config.corp_id, strlen(target->config.corp_id));
    nj_buf_append_str(&request->url, "&corpsecret=");
    (void)nj_url_append(&request->url, target->secret, strlen(target->secret));
}

static void request(const struct nj_target *target, const struct nj_sending *sending, enum nj_step step,
                    struct nj_channel_request *request)
{
    if (step == NJ_STEP_TOKEN) {
        token_request(target, request);
        return;
    }
    request->method = "POST";
    request->is_upload = step == NJ_STEP_UPLOAD;
    append_url(target,
               request->is_upload ? "/cgi-bin/media/upload?type=file&access_token="
                                  : "/cgi-bin/message/send?access_token=",
               &request->url);
    (void)nj_url_append(&request->url, sending->token, strlen(sending->token));
    if (request->is_upload)
        return;
    nj_channel_request_header(request, "Content-Type", "application/json");
    struct nj_buf *body = &request->body;
    nj_buf_append_char(body, '{');
    append_receivers(body, "touser", &target->config.to_users);
    append_receivers(body, "toparty", &target->config.to_parties);
    append_receivers(body, "totag", &target->config.to_tags);
    nj_buf_printf(body, "\"agentid\":%" PRId64 ",", target->config.agent_id);
    if (sending->media_id != NULL) {
        nj_buf_append_str(body, "\"msgtype\":\"file\",\"file\":{\"media_id\":");
        nj_json_append_string(body, sending->media_id, strlen(sending->media_id));
    } else {
        nj_wecom_content(target, sending->delivery, body);
    }
    nj_buf_printf(body, "},\"enable_duplicate_check\":1,\"duplicate_check_interval\":%d}",
                  NJ_WECOM_DUPLICATE_S);
}

const struct nj_channel_ops nj_wecom_app = {
    .name = "wecom_app",
    .drops_duplicates_ns = NJ_WECOM_DUPLICATE_S * NJ_SEC,
    .takes_files = true,
    .read_secrets = read_secrets,
    .max_bytes = nj_wecom_max_bytes,
    .render = nj_wecom_render,
    .render_digest = nj_wecom_render_digest,
    .next_step = next_step,
    .request = request,
    .answer = nj_wecom_answer_step,
};
