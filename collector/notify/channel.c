#include "collector/notify/channel.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    SECRET_BYTES_MAX = 4096,
    STATUS_TIMEOUT = 408,
    STATUS_TOO_EARLY = 425,
    STATUS_TOO_MANY = 429,
    STATUS_GATEWAY_TIMEOUT = 504
};

static const char *const outcome_names[] = {
    [NJ_OUTCOME_DONE] = "done",           [NJ_OUTCOME_PARTLY] = "partly",
    [NJ_OUTCOME_NEXT] = "next",           [NJ_OUTCOME_TOKEN] = "token",
    [NJ_OUTCOME_RETRY] = "retry",         [NJ_OUTCOME_WAIT] = "wait",
    [NJ_OUTCOME_TOO_LONG] = "too_long",   [NJ_OUTCOME_REFUSED] = "refused",
    [NJ_OUTCOME_DOWN] = "down",           [NJ_OUTCOME_BROKEN] = "broken",
    [NJ_OUTCOME_UNCERTAIN] = "uncertain", [NJ_OUTCOME_RELEASED] = "released",
};

const char *nj_outcome_name(enum nj_outcome_kind kind)
{
    return outcome_names[kind];
}

void nj_outcome_set(struct nj_outcome *outcome, enum nj_outcome_kind kind, const char *format, ...)
{
    *outcome = (struct nj_outcome){.kind = kind, .retry_after_ns = -1};
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return; /* out of memory: without words */
    memcpy(outcome->text, text, nj_utf8_cut(text, (size_t)len, sizeof(outcome->text) - 1));
    free(text);
}

const struct nj_channel_ops *nj_channel_ops_of(int config_type)
{
    switch ((enum nj_channel_type)config_type) {
    case NJ_CHANNEL_WECOM_APP:
        return &nj_wecom_app;
    case NJ_CHANNEL_WEBHOOK:
        return &nj_webhook;
    case NJ_CHANNEL_ALERTMANAGER:
        return &nj_alertmanager;
    case NJ_CHANNEL_WECOM_ROBOT:
        break;
    }
    return &nj_wecom_robot;
}

static void fail_without_answer(const struct nj_target *target, enum nj_step step,
                                const struct nj_http_result *result, struct nj_outcome *ret_outcome)
{
    bool uncertain = step == NJ_STEP_SEND && result->maybe_sent;
    nj_outcome_set(ret_outcome, uncertain ? NJ_OUTCOME_UNCERTAIN : NJ_OUTCOME_RETRY, "%s: %s",
                   target->ops->name, result->err.text);
    ret_outcome->untouched = !uncertain;
}

static bool is_about_load(long status)
{
    return status == STATUS_TIMEOUT || status == STATUS_TOO_EARLY || status == STATUS_TOO_MANY ||
           status >= 500;
}

void nj_channel_answer(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                       const struct nj_http_result *result, struct nj_outcome *ret_outcome)
{
    if (result->error != 0) {
        fail_without_answer(target, step, result, ret_outcome);
    } else if (is_about_load(result->status)) {
        /* A gateway that gave up waiting has passed the message on: nobody knows what became of it. */
        bool uncertain = step == NJ_STEP_SEND && result->status == STATUS_GATEWAY_TIMEOUT;
        nj_outcome_set(ret_outcome, uncertain ? NJ_OUTCOME_UNCERTAIN : NJ_OUTCOME_RETRY,
                       "%s: HTTP status %ld", target->ops->name, result->status);
        ret_outcome->retry_after_ns = result->retry_after_ns;
    } else {
        target->ops->answer(target, sending, step, result, ret_outcome);
    }
}

void nj_channel_request_header(struct nj_channel_request *request, const char *name, const char *value)
{
    size_t i = 0;
    while (request->headers[i] != NULL)
        i++;
    request->headers[i] = nj_asprintf("%s: %s", name, value);
}

static void wipe_buf(struct nj_buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->len);
    nj_buf_done(buf);
}

static void append_basic(struct nj_buf *out, const char *user, const char *password)
{
    struct nj_buf pair = {0};
    nj_buf_printf(&pair, "%s:%s", user, password);
    char *text = nj_calloc(sodium_base64_encoded_len(pair.len, sodium_base64_VARIANT_ORIGINAL), 1);
    (void)sodium_bin2base64(text, sodium_base64_encoded_len(pair.len, sodium_base64_VARIANT_ORIGINAL),
                            (const unsigned char *)pair.data, pair.len, sodium_base64_VARIANT_ORIGINAL);
    nj_buf_printf(out, "Basic %s", text);
    nj_secret_free(text);
    wipe_buf(&pair);
}

void nj_channel_request_authorize(struct nj_channel_request *request, const struct nj_target *target)
{
    struct nj_buf value = {0};
    if (target->secret == NULL)
        return;
    if (nj_str(target->config.user)[0] != '\0')
        append_basic(&value, target->config.user, target->secret);
    else
        nj_buf_printf(&value, "Bearer %s", target->secret);
    nj_channel_request_header(request, "Authorization", nj_buf_str(&value));
    wipe_buf(&value);
}

void nj_channel_request_done(struct nj_channel_request *request)
{
    wipe_buf(&request->url);
    nj_buf_done(&request->body);
    for (size_t i = 0; request->headers[i] != NULL; i++)
        nj_secret_free(request->headers[i]);
    *request = (struct nj_channel_request){0};
}

void nj_sending_done(struct nj_sending *sending)
{
    nj_secret_free(sending->token);
    free(sending->media_id);
    *sending = (struct nj_sending){0};
}

void nj_secret_free(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

int nj_channel_read_secret(const struct nj_target *target, const char *key, const char *path,
                           char **ret_secret, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_config_read_secret(key, path, SECRET_BYTES_MAX, &text, &len, err);
    if (rc < 0)
        return nj_err_wrap(err, "notify.channels \"%s\"", target->config.name), rc;
    if (len == 0 || strlen(text) != len || strpbrk(text, "\r\n") != NULL) {
        nj_secret_free(text);
        return nj_err_set(err, -EINVAL, "notify.channels \"%s\": %s: %s: must hold one line of text",
                          target->config.name, key, path);
    }
    *ret_secret = text;
    return 0;
}

int nj_channel_read_url(const struct nj_target *target, char **ret_url, struct nj_err *err)
{
    char *url = NULL;
    int rc = nj_channel_read_secret(target, "url_file", target->config.url_file, &url, err);
    if (rc < 0)
        return rc;
    if (!nj_str_starts(url, "https://") && !nj_str_starts(url, "http://")) {
        nj_secret_free(url);
        return nj_err_set(
            err, -EINVAL,
            "notify.channels \"%s\": url_file: %s: must hold a URL that begins with https:// or "
            "http://",
            target->config.name, target->config.url_file);
    }
    *ret_url = url;
    return 0;
}
