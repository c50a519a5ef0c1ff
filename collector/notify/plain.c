/* What webhooks and Alertmanager have in common. See channel.h. */
#include "collector/notify/channel.h"
#include "common/base/str.h"

enum { STATUS_UNAUTHORIZED = 401, STATUS_FORBIDDEN = 403 };

int nj_plain_read_secrets(struct nj_target *target, struct nj_err *err)
{
    int rc = nj_channel_read_url(target, &target->url, err);
    if (rc == 0 && nj_str(target->config.secret_file)[0] != '\0')
        rc = nj_channel_read_secret(target, "secret_file", target->config.secret_file, &target->secret, err);
    return rc;
}

size_t nj_plain_max_bytes(const struct nj_target *target, const char *mentions)
{
    (void)target;
    (void)mentions;
    return SIZE_MAX;
}

enum nj_step nj_plain_next_step(const struct nj_target *target, const struct nj_sending *sending)
{
    (void)target;
    (void)sending;
    return NJ_STEP_SEND;
}

void nj_plain_request(const struct nj_target *target, const struct nj_sending *sending,
                      struct nj_channel_request *request)
{
    request->method = "POST";
    nj_channel_request_header(request, "Content-Type", "application/json");
    nj_channel_request_authorize(request, target);
    nj_buf_append(&request->body, sending->delivery->text, sending->delivery->text_len);
}

void nj_plain_answer(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                     const struct nj_http_result *result, struct nj_outcome *ret_outcome)
{
    (void)sending;
    (void)step;
    bool locked = result->status == STATUS_UNAUTHORIZED || result->status == STATUS_FORBIDDEN;
    if (result->status >= 200 && result->status < 300)
        nj_outcome_set(ret_outcome, NJ_OUTCOME_DONE, "%s", "");
    else if (locked) /* no message is at fault: they wait for a right secret */
        nj_outcome_set(ret_outcome, NJ_OUTCOME_DOWN, "%s: HTTP status %ld: secret_file or user is not right",
                       target->ops->name, result->status);
    else
        nj_outcome_set(ret_outcome, NJ_OUTCOME_REFUSED, "%s: HTTP status %ld", target->ops->name,
                       result->status);
}
