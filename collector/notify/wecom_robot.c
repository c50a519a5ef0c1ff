/* Group robots: one URL with a key, no token. */
#include <errno.h>
#include <string.h>

#include "collector/notify/wecom.h"
#include "collector/notify/wecom_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

#define SEND_PATH "/webhook/send?"

static int read_secrets(struct nj_target *target, struct nj_err *err)
{
    int rc = nj_channel_read_url(target, &target->url, err);
    if (rc < 0)
        return rc;
    const char *path = strstr(target->url, SEND_PATH);
    if (path == NULL || strstr(path, "key=") == NULL) {
        return nj_err_set(err, -EINVAL,
                          "notify.channels \"%s\": url_file: %s: must hold a robot's whole webhook URL, "
                          "https://.../cgi-bin/webhook/send?key=...",
                          target->config.name, target->config.url_file);
    }
    target->upload_url = nj_asprintf("%.*s/webhook/upload_media?%s&type=file", (int)(path - target->url),
                                     target->url, path + strlen(SEND_PATH));
    return 0;
}

static enum nj_step next_step(const struct nj_target *target, const struct nj_sending *sending)
{
    (void)target;
    return sending->delivery->file != NULL && sending->media_id == NULL ? NJ_STEP_UPLOAD : NJ_STEP_SEND;
}

static void append_user(void *data, const char *user, size_t len)
{
    struct nj_buf *body = data;
    if (body->data[body->len - 1] != '[')
        nj_buf_append_char(body, ',');
    nj_json_append_string(body, user, len);
}

static void request(const struct nj_target *target, const struct nj_sending *sending, enum nj_step step,
                    struct nj_channel_request *request)
{
    request->method = "POST";
    if (step == NJ_STEP_UPLOAD) {
        request->is_upload = true;
        nj_buf_append_str(&request->url, target->upload_url);
        return;
    }
    nj_buf_append_str(&request->url, target->url);
    nj_channel_request_header(request, "Content-Type", "application/json");
    struct nj_buf *body = &request->body;
    nj_buf_append_char(body, '{');
    if (sending->media_id != NULL) {
        nj_buf_append_str(body, "\"msgtype\":\"file\",\"file\":{\"media_id\":");
        nj_json_append_string(body, sending->media_id, strlen(sending->media_id));
    } else {
        const struct nj_delivery *delivery = sending->delivery;
        nj_wecom_content(target, delivery, body);
        if (nj_wecom_format(target, delivery->mentions) == NJ_CHANNEL_TEXT &&
            nj_str(delivery->mentions)[0] != '\0') {
            nj_buf_append_str(body, ",\"mentioned_list\":[");
            nj_mentions_each(delivery->mentions, append_user, body);
            nj_buf_append_char(body, ']');
        }
    }
    nj_buf_append_str(body, "}}");
}

const struct nj_channel_ops nj_wecom_robot = {
    .name = "wecom_robot",
    .takes_files = true,
    .read_secrets = read_secrets,
    .max_bytes = nj_wecom_max_bytes,
    .render = nj_wecom_render,
    .render_digest = nj_wecom_render_digest,
    .next_step = next_step,
    .request = request,
    .answer = nj_wecom_answer_step,
};
