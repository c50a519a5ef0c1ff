#include "collector/notify/render.h"

#include <inttypes.h>
#include <string.h>

#include "collector/notify/escape.h"
#include "collector/notify/pipeline.h"
#include "collector/notify/words.h"
#include "common/base/str.h"

enum {
    LOG_LINE_BYTES = 500, /* a longer line is cut, so that it does not hide the others */
    LOG_LINE_BYTES_MIN = 16,
    LOG_HEAD_BYTES = 64,
    LOG_QUOTE_BYTES = 3, /* "> " and the line's end */
};

/* How many bytes a field's value may have: the first at which the message fits. */
static const size_t field_bytes[] = {600, 300, 160, 80, 40};

/* A message under construction. */
struct sheet {
    const struct nj_render *how;
    size_t field_max;
    struct nj_buf *out;
};

static bool is_markdown(const struct nj_render *how)
{
    return how->format == NJ_CHANNEL_MARKDOWN;
}

static const char *word(const struct nj_render *how, enum nj_word which)
{
    return nj_word(how->language, which);
}

static void escaped(const struct sheet *sheet, const char *text, size_t max)
{
    nj_escape(sheet->out, nj_str(text), strlen(nj_str(text)), max, is_markdown(sheet->how));
}

static void field_begin(const struct sheet *sheet, enum nj_word label)
{
    nj_buf_append_str(sheet->out, word(sheet->how, label));
    nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_COLON));
}

static void field(const struct sheet *sheet, enum nj_word label, const char *value)
{
    field_begin(sheet, label);
    escaped(sheet, nj_str(value)[0] == '\0' ? "-" : value, sheet->field_max);
    nj_buf_append_char(sheet->out, '\n');
}

static void field_if(const struct sheet *sheet, enum nj_word label, const char *value)
{
    if (nj_str(value)[0] != '\0')
        field(sheet, label, value);
}

static void title(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    const struct nj_render *how = sheet->how;
    bool resolved = alert->transition == NJ_TRANSITION_RESOLVED;
    const char *color = resolved ? "info" : incident->severity == NJ_SEVERITY_INFO ? "comment" : "warning";
    const char *mark =
        resolved ? word(how, NJ_WORD_RESOLVED) : nj_words_severity(how->language, incident->severity);
    if (is_markdown(how))
        nj_buf_printf(sheet->out, "**<font color=\"%s\">", color);
    nj_buf_printf(sheet->out, how->language == NJ_LANGUAGE_ZH ? "【%s】" : "[%s] ", mark);
    if (alert->again)
        nj_buf_append_str(sheet->out, word(how, NJ_WORD_AGAIN));
    if (alert->escalated)
        nj_buf_append_str(sheet->out, word(how, NJ_WORD_ESCALATED));
    nj_buf_printf(sheet->out,
                  how->language == NJ_LANGUAGE_ZH ? "%s：" : "%s: ", nj_words_title(how->language, incident));
    if (nj_str(incident->namespace)[0] != '\0') { /* a node has none */
        escaped(sheet, incident->namespace, sheet->field_max);
        nj_buf_append_char(sheet->out, '/');
    }
    escaped(sheet, incident->workload, sheet->field_max);
    nj_buf_append_str(sheet->out, is_markdown(how) ? "</font>**\n" : "\n");
}

static void workload_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    field_begin(sheet, NJ_WORD_WORKLOAD);
    escaped(sheet, incident->workload_kind, sheet->field_max);
    nj_buf_append_char(sheet->out, '/');
    escaped(sheet, incident->workload, sheet->field_max);
    nj_buf_append_char(sheet->out, '\n');
}

static void container_field(const struct sheet *sheet, const struct nj_alert *alert)
{
    if (nj_str(alert->incident->container)[0] == '\0')
        return;
    const char *type = alert->crash == NULL ? "" : alert->crash->crash.container_type;
    field_begin(sheet, NJ_WORD_CONTAINER);
    escaped(sheet, alert->incident->container, sheet->field_max);
    if (nj_streq(type, "init") || nj_streq(type, "sidecar")) {
        nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_OPEN));
        nj_buf_append_str(
            sheet->out, word(sheet->how, nj_streq(type, "init") ? NJ_WORD_INIT_CONTAINER : NJ_WORD_SIDECAR));
        nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_CLOSE));
    }
    nj_buf_append_char(sheet->out, '\n');
}

/* All that fail, or the pod that it was about last. */
static void targets_field(const struct sheet *sheet, const struct nj_alert *alert)
{
    if (nj_str(alert->targets)[0] != '\0')
        field(sheet, NJ_WORD_TARGETS, alert->targets);
    else
        field_if(sheet, NJ_WORD_POD, alert->incident->pod);
}

static void where(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    field(sheet, NJ_WORD_GROUP, alert->group);
    field(sheet, NJ_WORD_CLUSTER, incident->cluster);
    bool of_node = incident->kind == NJ_INCIDENT_NODE_PROBES || incident->kind == NJ_INCIDENT_NODE ||
                   incident->kind == NJ_INCIDENT_CAPACITY || incident->kind == NJ_INCIDENT_REGISTRY;
    if (!of_node) { /* nor of a registry */
        field(sheet, NJ_WORD_PROJECT, incident->project);
        field(sheet, NJ_WORD_NAMESPACE, incident->namespace);
        workload_field(sheet, incident);
    }
    targets_field(sheet, alert);
    container_field(sheet, alert);
    if (strchr(nj_str(alert->targets), ',') == NULL) /* several may be on several */
        field_if(sheet, NJ_WORD_NODE, incident->node);
}

static void reason_field(const struct sheet *sheet, enum nj_word label, const struct nj_incident *incident)
{
    struct nj_buf reason = {0};
    nj_words_reason(sheet->how->language, incident, &reason);
    field(sheet, label, nj_buf_str(&reason));
    nj_buf_done(&reason);
}

static void count_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    field_begin(sheet, NJ_WORD_COUNT);
    nj_buf_printf(sheet->out, "%" PRIu64, incident->count);
    if (incident->lost > 0)
        nj_buf_printf(sheet->out,
                      sheet->how->language == NJ_LANGUAGE_ZH ? "（另有 %" PRIu64 " 次重启未逐一看到）"
                                                             : " (and %" PRIu64
                                                               " restarts that were not seen one by one)",
                      incident->lost);
    nj_buf_append_char(sheet->out, '\n');
}

static void time_field(const struct sheet *sheet, enum nj_word label, int64_t time_ns)
{
    field_begin(sheet, label);
    nj_words_time(time_ns, sheet->out);
    nj_buf_append_char(sheet->out, '\n');
}

static void restarts_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    if (nj_str(incident->crash_id)[0] == '\0')
        return;
    field_begin(sheet, NJ_WORD_RESTARTS);
    nj_buf_printf(sheet->out, "%d", (int)incident->restart_count);
    if (incident->crash_loop) {
        nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_OPEN));
        nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_CRASH_LOOP));
        nj_buf_append_str(sheet->out, word(sheet->how, NJ_WORD_CLOSE));
    }
    nj_buf_append_char(sheet->out, '\n');
}

static void number_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    field_begin(sheet, NJ_WORD_NUMBER);
    nj_buf_printf(sheet->out, "#%" PRId64 "\n", incident->id);
}

static void status_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    if (incident->status == 0)
        return;
    field_begin(sheet, NJ_WORD_STATUS);
    nj_buf_printf(sheet->out, "%d\n", (int)incident->status);
}

/* It has worsened, for a service is down because of it. */
static void services_down_fields(const struct sheet *sheet, const struct nj_alert *alert)
{
    const char *services = nj_str(alert->incident->services_down);
    if (services[0] == '\0')
        return;
    if (alert->transition == NJ_TRANSITION_WORSENED)
        field(sheet, NJ_WORD_CHANGE, word(sheet->how, NJ_WORD_CHANGE_DOWN));
    field(sheet, NJ_WORD_SERVICES_DOWN, services);
}

/* What fails, in which step, what was expected, and what came instead. */
static void checks_opened(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    struct nj_buf targets = {0};
    nj_words_targets(sheet->how->language, incident, &targets);
    title(sheet, alert);
    where(sheet, alert);
    if (alert->transition == NJ_TRANSITION_WORSENED && nj_str(incident->services_down)[0] == '\0')
        field(sheet, NJ_WORD_CHANGE, word(sheet->how, NJ_WORD_CHANGE_WORSENED));
    services_down_fields(sheet, alert);
    field(sheet, NJ_WORD_REASON, nj_buf_str(&targets));
    field_if(sheet, NJ_WORD_STEP, incident->step);
    field_if(sheet, NJ_WORD_CAUSE, nj_words_check_cause(sheet->how->language, incident->cause));
    field_if(sheet, NJ_WORD_EXPECTED, incident->expected);
    field_if(sheet, NJ_WORD_GOT, incident->got);
    status_field(sheet, incident);
    field_if(sheet, NJ_WORD_BODY, incident->body);
    field_if(sheet, NJ_WORD_MONITOR, incident->monitor);
    time_field(sheet, NJ_WORD_FIRST, incident->first_ns);
    time_field(sheet, NJ_WORD_LAST, incident->last_ns);
    number_field(sheet, incident);
    nj_buf_done(&targets);
}

static void evictions_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    if (incident->evictions == 0)
        return;
    field_begin(sheet, NJ_WORD_EVICTIONS);
    nj_buf_printf(sheet->out, "%" PRIu64 "\n", incident->evictions);
}

/* How much, how fast, until when, and whose process. */
static void figure_fields(const struct sheet *sheet, const struct nj_incident *incident)
{
    const enum nj_language language = sheet->how->language;
    struct nj_buf text = {0};
    if (nj_words_value(incident, &text))
        field(sheet, incident->kind == NJ_INCIDENT_OOM_KILL ? NJ_WORD_MEMORY : NJ_WORD_VALUE,
              nj_buf_str(&text));
    else /* it has the figures */
        field_if(sheet, NJ_WORD_MESSAGE, incident->message);
    nj_buf_clear(&text);
    if (incident->per_hour > 0) {
        nj_words_pace(language, incident, &text);
        field(sheet, NJ_WORD_PACE, nj_buf_str(&text));
    }
    nj_buf_clear(&text);
    if (incident->reaches_ns > 0) {
        nj_words_reaches(language, incident, &text);
        field(sheet, NJ_WORD_REACHES, nj_buf_str(&text));
    }
    nj_buf_clear(&text);
    nj_words_process(incident, &text);
    field_if(sheet, NJ_WORD_PROCESS, nj_buf_str(&text));
    nj_buf_done(&text);
}

static void figures_opened(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    struct nj_incident bare = *incident; /* the value has a line of its own */
    bare.value = 0;
    title(sheet, alert);
    where(sheet, alert);
    if (alert->transition == NJ_TRANSITION_WORSENED && nj_str(incident->services_down)[0] == '\0')
        field(sheet, NJ_WORD_CHANGE, word(sheet->how, NJ_WORD_CHANGE_CRITICAL));
    services_down_fields(sheet, alert);
    reason_field(sheet, NJ_WORD_REASON, &bare);
    figure_fields(sheet, incident);
    evictions_field(sheet, incident);
    count_field(sheet, incident);
    time_field(sheet, NJ_WORD_FIRST, incident->first_ns);
    time_field(sheet, NJ_WORD_LAST, incident->last_ns);
    number_field(sheet, incident);
}

static void change_field(const struct sheet *sheet, enum nj_word label, const char *from, const char *to)
{
    struct nj_buf text = {0};
    nj_words_change(sheet->how->language, from, to, &text);
    field_if(sheet, label, nj_buf_str(&text));
    nj_buf_done(&text);
}

static void outage_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    if (incident->outage_ns <= 0 || incident->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        return; /* an outage itself has lasted for it */
    field_begin(sheet, NJ_WORD_OUTAGE);
    nj_words_duration(sheet->how->language, incident->outage_ns, sheet->out);
    nj_buf_append_char(sheet->out, '\n');
}

static void budget_field(const struct sheet *sheet, const struct nj_incident *incident)
{
    struct nj_buf text = {0};
    if (incident->kind != NJ_INCIDENT_SLO_BURN)
        return;
    nj_words_budget(sheet->how->language, incident, &text);
    field(sheet, NJ_WORD_BUDGET, nj_buf_str(&text));
    nj_buf_done(&text);
}

/* What is not available since when and why, or what was rolled out, what differs and how it ended. */
static void services_opened(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    bool of_rollout = incident->kind == NJ_INCIDENT_ROLLOUT_FAILED;
    title(sheet, alert);
    where(sheet, alert);
    if (alert->transition == NJ_TRANSITION_WORSENED)
        field(sheet, NJ_WORD_CHANGE,
              word(sheet->how, of_rollout ? NJ_WORD_CHANGE_DOWN : NJ_WORD_CHANGE_CRITICAL));
    if (of_rollout)
        change_field(sheet, NJ_WORD_REVISION, incident->rollout_from, incident->rollout);
    reason_field(sheet, NJ_WORD_REASON, incident);
    if (of_rollout)
        change_field(sheet, NJ_WORD_IMAGE, incident->image_from, incident->image);
    field_if(sheet, NJ_WORD_DIFFERENCE, incident->difference);
    if (incident->kind != NJ_INCIDENT_SLO_BURN) /* whose figures have lines of their own */
        field_if(sheet, NJ_WORD_MESSAGE, incident->message);
    budget_field(sheet, incident);
    outage_field(sheet, incident);
    time_field(sheet, NJ_WORD_FIRST, incident->first_ns);
    time_field(sheet, NJ_WORD_LAST, incident->last_ns);
    number_field(sheet, incident);
}

static void opened(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    title(sheet, alert);
    where(sheet, alert);
    services_down_fields(sheet, alert);
    reason_field(sheet, NJ_WORD_REASON, incident);
    field_if(sheet, NJ_WORD_MESSAGE, incident->message);
    restarts_field(sheet, incident);
    count_field(sheet, incident);
    time_field(sheet, NJ_WORD_FIRST, incident->first_ns);
    time_field(sheet, NJ_WORD_LAST, incident->last_ns);
    if (incident->kind != NJ_INCIDENT_IMAGE_PULL)
        field_if(sheet, NJ_WORD_IMAGE, incident->image);
    number_field(sheet, incident);
}

static void resolved(const struct sheet *sheet, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    title(sheet, alert);
    where(sheet, alert);
    field(sheet, NJ_WORD_ENDED, nj_words_cause(sheet->how->language, incident->resolved_cause));
    field_begin(sheet, NJ_WORD_LASTED);
    nj_words_duration(sheet->how->language, incident->resolved_ns - incident->first_ns, sheet->out);
    nj_buf_append_char(sheet->out, '\n');
    count_field(sheet, incident);
    evictions_field(sheet, incident);
    if (incident->kind == NJ_INCIDENT_ROLLOUT_FAILED)
        change_field(sheet, NJ_WORD_REVISION, incident->rollout_from, incident->rollout);
    budget_field(sheet, incident);
    outage_field(sheet, incident);
    reason_field(sheet, NJ_WORD_LAST_REASON, incident);
    time_field(sheet, NJ_WORD_FIRST, incident->first_ns);
    time_field(sheet, NJ_WORD_LAST, incident->last_ns);
    time_field(sheet, NJ_WORD_ENDED_AT, incident->resolved_ns);
    number_field(sheet, incident);
}

void nj_mentions_each(const char *mentions, void (*each)(void *data, const char *user, size_t len),
                      void *data)
{
    for (const char *at = nj_str(mentions); *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len > 0)
            each(data, at, len);
        at += len + (at[len] == ',' ? 1 : 0);
    }
}

struct mention_line {
    struct nj_buf *out;
    size_t max;
};

static void add_mention(void *data, const char *user, size_t len)
{
    struct mention_line *line = data;
    if (line->out->len + len + strlen("<@>") <= line->max)
        nj_buf_printf(line->out, "<@%.*s>", (int)len, user);
}

/* The link and who is mentioned: what must survive when room is short, as far as it is no flood itself. */
static void append_tail(const struct nj_render *how, enum nj_word label, const char *url,
                        const char *mentions, struct nj_buf *out)
{
    if (url[0] != '\0' && strlen(url) <= how->max_bytes / 4)
        nj_buf_printf(out, is_markdown(how) ? "[%s](%s)\n" : "%s %s\n", word(how, label), url);
    if (is_markdown(how)) {
        struct mention_line line = {.out = out, .max = how->max_bytes / 2};
        nj_mentions_each(mentions, add_mention, &line);
    }
    if (out->len > 0 && out->data[out->len - 1] == '\n')
        out->data[--out->len] = '\0';
}

/* Links that work without a login: acknowledge while it is open, and say of what use it was. */
static void append_links(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out)
{
    static const struct {
        const char *path;
        enum nj_word label;
    } links[] = {{"ack", NJ_WORD_ACKNOWLEDGE}, {"mark", NJ_WORD_FEEDBACK}};
    size_t base = strlen(nj_str(how->public_url));
    struct nj_buf line = {.max = how->max_bytes / 4};
    while (base > 0 && how->public_url[base - 1] == '/')
        base--;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]) && how->pipeline != NULL && base > 0; i++) {
        char token[NJ_LINK_TOKEN_MAX];
        bool of_use = i > 0 || (alert->transition != NJ_TRANSITION_RESOLVED &&
                                alert->incident->state == NJ_INCIDENT_OPEN);
        if (!of_use)
            continue;
        nj_link_token(how->pipeline, links[i].path, alert->incident->id, token);
        nj_buf_printf(
            &line, is_markdown(how) ? "[%s](%.*s/%s/%" PRId64 "?t=%s) " : "%s %.*s/%s/%" PRId64 "?t=%s\n",
            word(how, links[i].label), (int)base, how->public_url, links[i].path, alert->incident->id, token);
    }
    if (line.len > 0 && !line.overflowed) {
        nj_buf_append(out, line.data, line.len - 1);
        nj_buf_append_char(out, '\n');
    }
    nj_buf_done(&line);
}

/* Where the last line before `end` begins. `end` is behind the last character or at a '\n'. */
static size_t line_start(const char *text, size_t end)
{
    while (end > 0 && text[end - 1] != '\n')
        end--;
    return end;
}

static void append_log_head(const struct nj_render *how, const struct nj_log_text *log, int64_t shown,
                            struct nj_buf *out)
{
    const char *more = log->cut ? "+" : "";
    if (how->language == NJ_LANGUAGE_ZH)
        nj_buf_printf(out, "日志末尾（%" PRId64 "/%" PRIu32 "%s 行）：\n", shown, log->lines, more);
    else
        nj_buf_printf(out, "End of the log (%" PRId64 " of %" PRIu32 "%s lines):\n", shown, log->lines, more);
}

/* The log's last lines, as many as fit into `room` bytes. Each is quoted, so that none can pass for a field.
 */
static void append_log(const struct nj_render *how, const struct nj_log_text *log, size_t room,
                       struct nj_buf *out)
{
    if (room < LOG_HEAD_BYTES + LOG_QUOTE_BYTES + LOG_LINE_BYTES_MIN)
        return;
    room -= LOG_HEAD_BYTES;
    struct nj_buf lines = {0}; /* last line first */
    size_t end = log->len;
    int64_t shown = 0;
    while (end > 0 && shown < how->log_lines) {
        if (log->text[end - 1] == '\n')
            end--;
        size_t start = line_start(log->text, end);
        size_t left = lines.len + LOG_QUOTE_BYTES < room ? room - lines.len - LOG_QUOTE_BYTES : 0;
        size_t max = left < LOG_LINE_BYTES ? left : LOG_LINE_BYTES;
        struct nj_buf line = {0};
        nj_buf_append_str(&line, "> ");
        nj_escape(&line, log->text + start, end - start, max, is_markdown(how));
        nj_buf_append_char(&line, '\n');
        /* The very last line is shown even when it must be cut to fit; of the others only whole ones are. */
        bool fits =
            lines.len + line.len <= room && (shown == 0 || max == LOG_LINE_BYTES || end - start <= max);
        if (fits) {
            nj_buf_append(&line, nj_buf_str(&lines), lines.len);
            nj_buf_done(&lines);
            lines = line;
            shown++;
        } else {
            nj_buf_done(&line);
            break;
        }
        end = start;
    }
    if (shown > 0) {
        append_log_head(how, log, shown, out);
        nj_buf_append(out, nj_buf_str(&lines), lines.len);
    }
    nj_buf_done(&lines);
}

static void append_log_or_why_not(const struct nj_render *how, const struct nj_alert *alert, size_t room,
                                  struct nj_buf *out)
{
    if (alert->crash == NULL || alert->transition != NJ_TRANSITION_OPENED)
        return;
    const struct nj_log_text *log = &alert->crash->crash.log;
    if (log->len > 0) {
        append_log(how, log, room, out);
        return;
    }
    struct nj_buf line = {0};
    struct sheet sheet = {.how = how, .field_max = LOG_LINE_BYTES, .out = &line};
    field(&sheet, NJ_WORD_LOG, log->missing);
    if (line.len <= room)
        nj_buf_append(out, nj_buf_str(&line), line.len);
    nj_buf_done(&line);
}

/* Drops whole lines from the end until at most `max` bytes are left. */
static void drop_lines(struct nj_buf *text, size_t max)
{
    while (text->len > max) {
        size_t start = text->len == 0 ? 0 : line_start(text->data, text->len - 1);
        text->len = start == 0 ? nj_utf8_cut(text->data, text->len, max) : start;
        text->data[text->len] = '\0';
    }
}

void nj_render_alert(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out)
{
    struct nj_buf head = {0}, tail = {0}, url = {0};
    nj_incident_url(alert->incident, how->public_url, &url);
    const char *mentions = alert->transition != NJ_TRANSITION_RESOLVED ? alert->mentions : "";
    append_links(how, alert, &tail);
    append_tail(how, NJ_WORD_DETAIL, nj_buf_str(&url), mentions, &tail);
    for (size_t i = 0; i < sizeof(field_bytes) / sizeof(field_bytes[0]); i++) {
        nj_buf_clear(&head);
        const struct sheet sheet = {.how = how, .field_max = field_bytes[i], .out = &head};
        if (alert->transition == NJ_TRANSITION_RESOLVED)
            resolved(&sheet, alert);
        else if (nj_incident_is_of_checks(alert->incident->kind))
            checks_opened(&sheet, alert);
        else if (nj_words_is_of_services(alert->incident->kind))
            services_opened(&sheet, alert);
        else if (nj_words_is_of_figures(alert->incident->kind))
            figures_opened(&sheet, alert);
        else
            opened(&sheet, alert);
        if (head.len + tail.len <= how->max_bytes)
            break;
    }
    drop_lines(&head, how->max_bytes - tail.len);
    append_log_or_why_not(how, alert, how->max_bytes - tail.len - head.len, &head);
    if (tail.len == 0 && head.len > 0 && head.data[head.len - 1] == '\n')
        head.data[--head.len] = '\0';
    nj_buf_append(out, nj_buf_str(&head), head.len);
    nj_buf_append(out, nj_buf_str(&tail), tail.len);
    nj_buf_done(&head);
    nj_buf_done(&tail);
    nj_buf_done(&url);
}
