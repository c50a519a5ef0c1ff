/* Digests, and messages cut into parts. See render.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/escape.h"
#include "collector/notify/render.h"
#include "collector/notify/words.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NAME_BYTES = 160,
    REASON_BYTES = 120,
    FOLDED_MIN = 3,      /* alerts with one cause that become one line */
    FOLDED_BYTES = 1536, /* of their names in it */
    NUMBER_BYTES = 24,   /* "（12/34）\n" and the like */
    TAIL_SHARE = 4,      /* link and mentions take at most this part of one message */
    MENTIONS_MAX = 4096, /* bytes of the list that is put together */
};

/* Between the parts; nothing that is rendered holds this character. */
#define PART_END '\f'

/* By group, the severe first, then by the incident's number; of one incident the end comes last. */
static int compare(const void *a, const void *b)
{
    const struct nj_alert *one = a;
    const struct nj_alert *other = b;
    int rc = strcmp(nj_str(one->group), nj_str(other->group));
    if (rc == 0)
        rc = (int)other->incident->severity - (int)one->incident->severity;
    if (rc == 0 && one->incident->id != other->incident->id)
        rc = one->incident->id < other->incident->id ? -1 : 1;
    return rc != 0 ? rc : (int)one->transition - (int)other->transition;
}

/* Sorts, and keeps of each incident in a group the latest transition. Returns how many are left. */
static size_t arrange(struct nj_alert *alerts, size_t count)
{
    qsort(alerts, count, sizeof(*alerts), compare);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool superseded = i + 1 < count && alerts[i].incident->id == alerts[i + 1].incident->id &&
                          nj_streq(alerts[i].group, alerts[i + 1].group);
        if (!superseded)
            alerts[kept++] = alerts[i];
    }
    return kept;
}

static void append_title(const struct nj_render *how, const struct nj_alert *alerts, size_t count,
                         struct nj_buf *out)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++)
        ended += alerts[i].transition == NJ_TRANSITION_RESOLVED ? 1 : 0;
    bool markdown = how->format == NJ_CHANNEL_MARKDOWN;
    nj_buf_append_str(out, markdown ? "**<font color=\"warning\">" : "");
    nj_buf_printf(out,
                  how->language == NJ_LANGUAGE_ZH ? "【%s】%zu 条告警，%zu 条恢复"
                                                  : "[%s] %zu alerts, %zu resolved",
                  nj_word(how->language, NJ_WORD_DIGEST), count - ended, ended);
    nj_buf_append_str(out, markdown ? "</font>**\n" : "\n");
}

/* What a digest tells in one line: alerts of one group and cause that stand one after the other. */
struct line {
    const struct nj_alert *alerts;
    size_t count;
};

static void append_kind(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out)
{
    nj_buf_printf(out, how->language == NJ_LANGUAGE_ZH ? "> 【%s】%s " : "> [%s] %s ",
                  alert->transition == NJ_TRANSITION_RESOLVED
                      ? nj_word(how->language, NJ_WORD_RESOLVED)
                      : nj_words_severity(how->language, alert->incident->severity),
                  nj_words_title(how->language, alert->incident));
}

static void append_reason(const struct nj_render *how, const struct nj_incident *incident, struct nj_buf *out)
{
    struct nj_buf reason = {0};
    nj_words_reason(how->language, incident, &reason);
    nj_escape(out, nj_buf_str(&reason), reason.len, REASON_BYTES, how->format == NJ_CHANNEL_MARKDOWN);
    nj_buf_done(&reason);
}

static void append_one(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out)
{
    const struct nj_incident *incident = alert->incident;
    struct nj_buf name = {0};
    nj_incident_full_name(incident, &name);
    append_kind(how, alert, out);
    nj_escape(out, nj_buf_str(&name), name.len, NAME_BYTES, how->format == NJ_CHANNEL_MARKDOWN);
    nj_buf_printf(out, " ×%" PRIu64 "%s", incident->count, nj_word(how->language, NJ_WORD_COLON));
    append_reason(how, incident, out);
    nj_buf_printf(out, " #%" PRId64 "\n", incident->id);
    nj_buf_done(&name);
}

/* "shop/web #3": the cluster stands before, once. */
static void append_name(const struct nj_render *how, const struct nj_incident *incident, struct nj_buf *out)
{
    struct nj_buf name = {0};
    if (nj_str(incident->namespace)[0] != '\0')
        nj_buf_printf(&name, "%s/", incident->namespace);
    nj_buf_append_str(&name, nj_str(incident->workload));
    nj_escape(out, nj_buf_str(&name), name.len, NAME_BYTES, how->format == NJ_CHANNEL_MARKDOWN);
    nj_buf_printf(out, " #%" PRId64, incident->id);
    nj_buf_done(&name);
}

/* The names as far as there is room for them, and how many there are in all. */
static void append_names(const struct nj_render *how, const struct line *line, struct nj_buf *out)
{
    bool chinese = how->language == NJ_LANGUAGE_ZH;
    size_t half = how->max_bytes / 2, start = out->len;
    size_t room = half < FOLDED_BYTES ? half : FOLDED_BYTES;
    for (size_t i = 0; i < line->count; i++) {
        struct nj_buf name = {0};
        append_name(how, line->alerts[i].incident, &name);
        bool fits = out->len - start + name.len <= room;
        if (fits)
            nj_buf_printf(out, "%s%s", i == 0 ? "" : chinese ? "、" : ", ", nj_buf_str(&name));
        nj_buf_done(&name);
        if (!fits) {
            nj_buf_printf(out, chinese ? " 等 %zu 个" : " and %zu more",
                          chinese ? line->count : line->count - i);
            return;
        }
    }
}

static void append_folded(const struct nj_render *how, const struct line *line, struct nj_buf *out)
{
    const struct nj_incident *first = line->alerts[0].incident;
    const char *colon = nj_word(how->language, NJ_WORD_COLON), *cluster = nj_str(first->cluster);
    uint64_t count = 0;
    for (size_t i = 0; i < line->count; i++)
        count += line->alerts[i].incident->count;
    append_kind(how, &line->alerts[0], out);
    nj_escape(out, cluster, strlen(cluster), NAME_BYTES, how->format == NJ_CHANNEL_MARKDOWN);
    nj_buf_printf(
        out, how->language == NJ_LANGUAGE_ZH ? " 共 %zu 个 ×%" PRIu64 "%s" : " %zu of them ×%" PRIu64 "%s",
        line->count, count, colon);
    append_reason(how, first, out);
    nj_buf_append_str(out, colon);
    append_names(how, line, out);
    nj_buf_append_char(out, '\n');
}

static bool has_same_cause(const struct nj_alert *one, const char *reason, const struct nj_alert *other,
                           const char *other_reason)
{
    const struct nj_incident *a = one->incident, *b = other->incident;
    bool ended = one->transition == NJ_TRANSITION_RESOLVED;
    return a->kind == b->kind && a->severity == b->severity &&
           ended == (other->transition == NJ_TRANSITION_RESOLVED) &&
           nj_streq(nj_str(one->group), nj_str(other->group)) &&
           nj_streq(nj_str(a->cluster), nj_str(b->cluster)) && nj_streq(reason, other_reason);
}

/* Moves those of alerts[at]'s cause behind it. Returns how many they are. */
static size_t bring_together(struct nj_alert *alerts, char **reasons, size_t count, size_t at)
{
    size_t end = at + 1;
    for (size_t i = end; i < count; i++) {
        if (!has_same_cause(&alerts[at], reasons[at], &alerts[i], reasons[i]))
            continue;
        const struct nj_alert alert = alerts[i];
        char *reason = reasons[i];
        memmove(&alerts[end + 1], &alerts[end], (i - end) * sizeof(*alerts));
        memmove(&reasons[end + 1], &reasons[end], (i - end) * sizeof(*reasons));
        alerts[end] = alert;
        reasons[end++] = reason;
    }
    return end - at;
}

/* Of the arranged alerts the lines, at most as many as alerts. Returns how many. */
static size_t make_lines(const struct nj_render *how, struct nj_alert *alerts, size_t count,
                         struct line *lines)
{
    char **reasons = nj_calloc(count + 1, sizeof(*reasons));
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        struct nj_buf reason = {0};
        nj_words_reason(how->language, alerts[i].incident, &reason);
        reasons[i] = nj_buf_take(&reason);
    }
    for (size_t at = 0; at < count;) {
        size_t equal = bring_together(alerts, reasons, count, at);
        size_t step = equal >= FOLDED_MIN ? equal : 1;
        for (size_t i = 0; i < equal; i += step)
            lines[made++] = (struct line){.alerts = &alerts[at + i], .count = step};
        at += equal;
    }
    for (size_t i = 0; i < count; i++)
        free(reasons[i]);
    free(reasons);
    return made;
}

static void append_group(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out)
{
    const char *group = nj_str(alert->group)[0] == '\0' ? "-" : alert->group;
    nj_buf_append_str(out, nj_word(how->language, NJ_WORD_GROUP));
    nj_buf_append_str(out, nj_word(how->language, NJ_WORD_COLON));
    nj_escape(out, group, strlen(group), NAME_BYTES, how->format == NJ_CHANNEL_MARKDOWN);
    nj_buf_append_char(out, '\n');
}

static void append_rest(const struct nj_render *how, size_t left, struct nj_buf *out)
{
    if (left > 0)
        nj_buf_printf(out, how->language == NJ_LANGUAGE_ZH ? "另有 %zu 条未列出\n" : "and %zu more\n", left);
}

/* Appends lines while they stay within `room` bytes of `out`. Returns how many alerts were left out. */
static size_t append_lines(const struct nj_render *how, const struct line *lines, size_t count, size_t room,
                           struct nj_buf *out)
{
    bool full = false;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        struct nj_buf line = {0};
        if (i == 0 || !nj_streq(lines[i].alerts->group, lines[i - 1].alerts->group))
            append_group(how, lines[i].alerts, &line);
        if (lines[i].count > 1)
            append_folded(how, &lines[i], &line);
        else
            append_one(how, lines[i].alerts, &line);
        full = full || out->len + line.len > room;
        if (full)
            left += lines[i].count;
        else
            nj_buf_append(out, nj_buf_str(&line), line.len);
        nj_buf_done(&line);
    }
    return left;
}

/* To a comma separated list, each once. */
static void add_once(void *data, const char *user, size_t len)
{
    struct nj_buf *list = data;
    for (const char *at = nj_buf_str(list); *at != '\0';) {
        size_t other = strcspn(at, ",");
        if (other == len && memcmp(at, user, len) == 0)
            return;
        at += other + (at[other] == ',' ? 1 : 0);
    }
    if (list->len + len + 1 <= MENTIONS_MAX)
        nj_buf_printf(list, "%s%.*s", list->len == 0 ? "" : ",", (int)len, user);
}

static void append_mention(void *data, const char *user, size_t len)
{
    nj_buf_printf(data, "<@%.*s>", (int)len, user);
}

/* The link to all incidents, and everybody who is mentioned by an alert that is still open. */
static void append_tail(const struct nj_render *how, const struct nj_alert *alerts, size_t count,
                        struct nj_buf *out)
{
    bool markdown = how->format == NJ_CHANNEL_MARKDOWN;
    size_t len = strlen(nj_str(how->public_url));
    while (len > 0 && how->public_url[len - 1] == '/')
        len--;
    if (len > 0 && len < how->max_bytes / TAIL_SHARE)
        nj_buf_printf(out, markdown ? "[%s](%.*s/)\n" : "%s %.*s/\n", nj_word(how->language, NJ_WORD_ALL),
                      (int)len, how->public_url);
    struct nj_buf mentions = {0};
    for (size_t i = 0; i < count && markdown; i++) {
        if (alerts[i].transition != NJ_TRANSITION_RESOLVED)
            nj_mentions_each(alerts[i].mentions, add_once, &mentions);
    }
    struct nj_buf line = {.max = how->max_bytes / TAIL_SHARE};
    nj_mentions_each(nj_buf_str(&mentions), append_mention, &line);
    nj_buf_append(out, nj_buf_str(&line), line.len);
    nj_buf_done(&mentions);
    nj_buf_done(&line);
}

/* How much of `text` the next part takes. */
static size_t part_len(const char *text, size_t len, size_t max)
{
    assert(max >= 4); /* room for any character */
    if (len <= max)
        return len;
    size_t cut = nj_utf8_cut(text, len, max);
    for (size_t at = cut; at > 0; at--) {
        if (text[at - 1] == '\n')
            return at;
    }
    return cut;
}

static size_t count_parts(const char *text, size_t len, size_t max)
{
    size_t parts = 0;
    for (size_t at = 0; at < len; at += part_len(text + at, len - at, max))
        parts++;
    return parts;
}

void nj_render_split(enum nj_language language, const char *text, size_t len, size_t max, struct nj_buf *out)
{
    if (len <= max) {
        nj_buf_append(out, text, len);
        return;
    }
    size_t room = max - NUMBER_BYTES;
    size_t parts = count_parts(text, len, room);
    size_t at = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t step = part_len(text + at, len - at, room);
        if (i > 0)
            nj_buf_append_char(out, PART_END);
        nj_buf_printf(out, language == NJ_LANGUAGE_ZH ? "（%zu/%zu）\n" : "(%zu/%zu)\n", i + 1, parts);
        size_t trimmed = step > 0 && text[at + step - 1] == '\n' ? step - 1 : step;
        nj_buf_append(out, text + at, trimmed);
        at += step;
    }
}

void nj_render_digest(const struct nj_render *how, const struct nj_alert *alerts, size_t count,
                      struct nj_buf *out)
{
    struct nj_alert *sorted = nj_calloc(count + 1, sizeof(*sorted));
    if (count > 0)
        memcpy(sorted, alerts, count * sizeof(*sorted));
    size_t kept = arrange(sorted, count);
    struct line *lines = nj_calloc(kept + 1, sizeof(*lines));
    size_t lines_count = make_lines(how, sorted, kept, lines);
    struct nj_buf text = {0}, tail = {0};
    append_tail(how, sorted, kept, &tail);
    size_t max_parts = how->max_parts == 0 ? NJ_RENDER_PARTS_MAX : how->max_parts;
    /* Parts end with whole lines, so how much fits into them is known when they are cut. */
    size_t room = how->max_bytes * max_parts;
    do {
        nj_buf_clear(&text);
        append_title(how, sorted, kept, &text);
        append_rest(how, append_lines(how, lines, lines_count, room, &text), &text);
        nj_buf_append(&text, nj_buf_str(&tail), tail.len);
        while (text.data[text.len - 1] == '\n')
            text.data[--text.len] = '\0';
        room -= room / 8;
    } while (text.len > how->max_bytes &&
             count_parts(text.data, text.len, how->max_bytes - NUMBER_BYTES) > max_parts);
    nj_render_split(how->language, text.data, text.len, how->max_bytes, out);
    nj_buf_done(&text);
    nj_buf_done(&tail);
    free(lines);
    free(sorted);
}

size_t nj_render_parts(const char *text)
{
    size_t parts = 1;
    for (const char *at = text; *at != '\0'; at++)
        parts += *at == PART_END ? 1 : 0;
    return parts;
}

const char *nj_render_part(const char *text, size_t index, size_t *ret_len)
{
    const char *at = text;
    for (size_t i = 0; i < index; i++) {
        const char *end = strchr(at, PART_END);
        if (end == NULL)
            break;
        at = end + 1;
    }
    *ret_len = strcspn(at, "\f");
    return at;
}
