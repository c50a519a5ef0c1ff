/*
 * The generic webhook: one JSON object by POST, for other systems.
 *
 *     {"version":1,"transition":"opened","group":"...","mentions":["..."],"incident":{REST's incident},
 *      "crash":{...} or null,"log":{"lines":N,"cut":bool,"tail":"..."} or null}
 *     {"version":1,"transition":"digest","alerts":[{"transition":"opened","group":"...","incident":{...}},
 * ...]}
 *
 * `Idempotency-Key` is the same for every attempt of a message and of no other. Any 2xx is success.
 */
#include <inttypes.h>
#include <string.h>

#include "collector/notify/channel.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { LOG_TAIL_BYTES_MAX = 16 << 10, KEY_LIFE_H = 24 };

static void add_text(struct nj_buf *out, const char *name, const char *text)
{
    nj_buf_printf(out, ",\"%s\":", name);
    nj_json_append_string(out, nj_str(text), strlen(nj_str(text)));
}

static void add_time(struct nj_buf *out, const char *name, int64_t time_ns)
{
    char text[NJ_TIME_TEXT_MAX];
    if (time_ns == 0)
        nj_buf_printf(out, ",\"%s\":null", name);
    else
        nj_buf_printf(out, ",\"%s\":\"%s\"", name, nj_time_format(time_ns, text));
}

static void add_crash(struct nj_buf *out, const struct nj_store_crash *record)
{
    if (record == NULL) {
        nj_buf_append_str(out, ",\"crash\":null");
        return;
    }
    const struct nj_crash *crash = &record->crash;
    nj_buf_append_str(out, ",\"crash\":{\"id\":");
    nj_json_append_string(out, nj_str(record->id), strlen(nj_str(record->id)));
    add_text(out, "pod", record->subject.pod);
    add_text(out, "podUid", record->subject.pod_uid);
    add_text(out, "node", record->subject.node);
    add_text(out, "container", record->subject.container);
    add_text(out, "containerId", crash->container_id);
    add_text(out, "containerType", crash->container_type);
    add_text(out, "image", crash->image);
    add_text(out, "reason", crash->reason);
    add_text(out, "message", crash->message);
    nj_buf_printf(out, ",\"exitCode\":%d,\"signal\":%d,\"attempt\":%d,\"restartCount\":%d",
                  (int)crash->exit_code, (int)crash->signal, (int)crash->attempt, (int)crash->restart_count);
    nj_buf_printf(out, ",\"memoryLimitBytes\":%" PRId64, crash->memory_limit_bytes);
    add_time(out, "startedAt", crash->started_ns);
    add_time(out, "finishedAt", crash->finished_ns);
    nj_buf_append_char(out, '}');
}

/* Where the last `lines` lines begin, of at most LOG_TAIL_BYTES_MAX bytes. */
static size_t tail_start(const char *text, size_t len, int64_t lines)
{
    size_t start = len;
    while (start > 0 && len - start < LOG_TAIL_BYTES_MAX) {
        bool line_ends = text[start - 1] == '\n' && start < len;
        if (line_ends && --lines <= 0)
            break;
        start--;
    }
    /* Not within a character. */
    while (start < len && ((unsigned char)text[start] & 0xC0) == 0x80)
        start++;
    return start;
}

static void add_log(struct nj_buf *out, const struct nj_store_crash *record, int64_t lines)
{
    if (record == NULL || record->crash.log.len == 0) {
        nj_buf_append_str(out, ",\"log\":null");
        return;
    }
    const struct nj_log_text *log = &record->crash.log;
    size_t start = lines == 0 ? log->len : tail_start(log->text, log->len, lines);
    nj_buf_printf(out, ",\"log\":{\"lines\":%" PRIu32 ",\"cut\":%s,\"tail\":", log->lines,
                  log->cut ? "true" : "false");
    nj_json_append_string(out, log->text + start, log->len - start);
    nj_buf_append_char(out, '}');
}

static void add_user(void *data, const char *user, size_t len)
{
    struct nj_buf *out = data;
    if (out->data[out->len - 1] != '[')
        nj_buf_append_char(out, ',');
    nj_json_append_string(out, user, len);
}

static void render(const struct nj_target *target, const struct nj_terms *terms, const struct nj_alert *alert,
                   struct nj_buf *out)
{
    (void)target;
    nj_buf_printf(out, "{\"version\":1,\"transition\":\"%s\"", nj_transition_name(alert->transition));
    add_text(out, "group", alert->group);
    nj_buf_append_str(out, ",\"mentions\":[");
    nj_mentions_each(alert->mentions, add_user, out);
    nj_buf_append_str(out, "],\"incident\":");
    nj_incident_json(alert->incident, terms->public_url, out);
    add_crash(out, alert->crash);
    add_log(out, alert->crash, terms->log_lines);
    nj_buf_append_char(out, '}');
}

static void render_digest(const struct nj_target *target, const struct nj_terms *terms, const char *mentions,
                          const struct nj_alert *alerts, size_t count, struct nj_buf *out)
{
    (void)target;
    (void)mentions;
    nj_buf_append_str(out, "{\"version\":1,\"transition\":\"digest\",\"alerts\":[");
    for (size_t i = 0; i < count; i++) {
        nj_buf_printf(out, "%s{\"transition\":\"%s\"", i == 0 ? "" : ",",
                      nj_transition_name(alerts[i].transition));
        add_text(out, "group", alerts[i].group);
        nj_buf_append_str(out, ",\"incident\":");
        nj_incident_json(alerts[i].incident, terms->public_url, out);
        nj_buf_append_char(out, '}');
    }
    nj_buf_append_str(out, "]}");
}

static void request(const struct nj_target *target, const struct nj_sending *sending, enum nj_step step,
                    struct nj_channel_request *request)
{
    (void)step;
    nj_plain_request(target, sending, request);
    nj_buf_append_str(&request->url, target->url);
    nj_channel_request_header(request, "Idempotency-Key", sending->delivery->key);
}

const struct nj_channel_ops nj_webhook = {
    .name = "webhook",
    .drops_duplicates_ns = KEY_LIFE_H * NJ_HOUR,
    .read_secrets = nj_plain_read_secrets,
    .max_bytes = nj_plain_max_bytes,
    .render = render,
    .render_digest = render_digest,
    .next_step = nj_plain_next_step,
    .request = request,
    .answer = nj_plain_answer,
};
