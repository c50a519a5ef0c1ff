/*
 * Whatever a container logs and Kubernetes says, a message keeps its limit, is valid UTF-8, and holds no
 * markup but the alert's own.
 *
 * Input: a byte that chooses language, format and limit, then texts that end with a zero byte: log, message,
 * reason, names. What is missing is empty.
 */
#include "collector/notify/render.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/fuzz/input.h"

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        found++;
    return found;
}

static void check_message(const char *text, size_t len, const struct nj_render *how)
{
    check(len > 0 && len <= how->max_bytes);
    check(nj_utf8_valid(text, len));
    char *copy = nj_strndup(text, len);
    bool markdown = how->format == NJ_CHANNEL_MARKDOWN;
    check(count(copy, "<@") <= (markdown ? 1 : 0));
    check(count(copy, "<font") <= (markdown ? 1 : 0));
    check(count(copy, "<a") == 0);
    if (markdown) {
        check(count(copy, "](") <= 1);
        check(count(copy, "`") == 0);
    }
    free(copy);
}

static void check_all(const struct nj_render *how, struct nj_alert *alert)
{
    struct nj_buf out = {0};
    nj_render_alert(how, alert, &out);
    check_message(nj_buf_str(&out), out.len, how);
    nj_buf_clear(&out);
    struct nj_alert alerts[3] = {*alert, *alert, *alert};
    alerts[1].transition = NJ_TRANSITION_RESOLVED;
    alerts[2].group = "other";
    nj_render_digest(how, alerts, 3, &out);
    size_t parts = nj_render_parts(nj_buf_str(&out));
    check(parts <= NJ_RENDER_PARTS_MAX);
    for (size_t i = 0; i < parts; i++) {
        size_t len = 0;
        const char *part = nj_render_part(nj_buf_str(&out), i, &len);
        check_message(part, len, how);
    }
    nj_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TEXTS = 12 };
    static const size_t limits[] = {256, 512, 2048, 4096};
    if (size == 0)
        return 0;
    uint8_t choice = data[0];
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    char *texts[TEXTS];
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = take(&at, &left);
    const struct nj_incident incident = {.id = 7,
                                         .kind = (enum nj_incident_kind)((choice >> 4) % 7),
                                         .severity = NJ_SEVERITY_CRITICAL,
                                         .message = texts[1],
                                         .reason = texts[2],
                                         .cluster = texts[3],
                                         .project = texts[4],
                                         .namespace = texts[5],
                                         .workload_kind = texts[6],
                                         .workload = texts[7],
                                         .pod = texts[8],
                                         .container = texts[9],
                                         .image = texts[10],
                                         .node = texts[11],
                                         .crash_id = "c",
                                         .resolved_cause = texts[2]};
    struct nj_store_crash crash = {.crash = {.container_type = "init"}};
    crash.crash.log =
        (struct nj_log_text){.text = texts[0], .len = strlen(texts[0]), .lines = 1, .missing = texts[1]};
    struct nj_alert alert = {.incident = &incident,
                             .transition = NJ_TRANSITION_OPENED,
                             .crash = &crash,
                             .group = texts[4],
                             .mentions = "li"};
    const struct nj_render how = {.language = (choice & 1) != 0 ? NJ_LANGUAGE_EN : NJ_LANGUAGE_ZH,
                                  .format = (choice & 2) != 0 ? NJ_CHANNEL_TEXT : NJ_CHANNEL_MARKDOWN,
                                  .max_bytes = limits[choice >> 2 & 3],
                                  .public_url = "http://n.example",
                                  .log_lines = 20};
    check_all(&how, &alert);
    for (size_t i = 0; i < TEXTS; i++)
        free(texts[i]);
    return 0;
}
