/*
 * Alertmanager's own interface: POST /api/v2/alerts, as its clients do
 * (https://prometheus.io/docs/alerting/latest/clients/). Routes, silences and receivers of an existing
 * Alertmanager go on working.
 *
 *     [{"labels":{"alertname":"crash","severity":"warning","cluster":...},"annotations":{"summary":...},
 *       "startsAt":...,"endsAt":...,"generatorURL":...}]
 *
 * Labels say what an alert is, so they hold nothing that changes from event to event. What is open ends a
 * little later than its next repetition; what is over has its end.
 */
#include <inttypes.h>
#include <string.h>

#include "collector/notify/channel.h"
#include "collector/notify/words.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { DROPS_H = 1 };
/* Three repetitions may be lost (NJ_LEDGER_KEEP_NS, a minute each). */
#define OPEN_FOR_NS (4 * NJ_MIN)

static void add_pair(struct nj_buf *out, const char *name, const char *value)
{
    if (nj_str(value)[0] == '\0')
        return; /* an empty label is none */
    nj_buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
    nj_json_append_string(out, value, strlen(value));
}

static void add_labels(struct nj_buf *out, const struct nj_incident *incident)
{
    bool of_node = incident->kind == NJ_INCIDENT_NODE || incident->kind == NJ_INCIDENT_NODE_PROBES;
    bool of_service = nj_streq(incident->workload_kind, "Service");
    nj_buf_append_str(out, "{\"labels\":{");
    add_pair(out, "alertname", nj_incident_kind_name(incident->kind));
    add_pair(out, "severity", nj_severity_name(incident->severity));
    add_pair(out, "cluster", incident->cluster);
    add_pair(out, "project", incident->project);
    add_pair(out, "namespace", incident->namespace);
    add_pair(out, "workload_kind", incident->workload_kind);
    add_pair(out, "workload", incident->workload);
    add_pair(out, "service", of_service ? incident->workload : "");
    add_pair(out, "node", of_node ? incident->workload : "");
    add_pair(out, "container", incident->container);
    nj_buf_append_char(out, '}');
}

static void add_annotations(struct nj_buf *out, const struct nj_terms *terms, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    struct nj_buf text = {0};
    nj_buf_append_str(out, ",\"annotations\":{");
    nj_buf_printf(&text, "%s%s", nj_words_title(terms->language, incident),
                  nj_word(terms->language, NJ_WORD_COLON));
    if (nj_str(incident->namespace)[0] != '\0')
        nj_buf_printf(&text, "%s/", incident->namespace);
    nj_buf_append_str(&text, nj_str(incident->workload));
    add_pair(out, "summary", nj_buf_str(&text));
    nj_buf_clear(&text);
    nj_words_reason(terms->language, incident, &text);
    if (nj_str(incident->message)[0] != '\0')
        nj_buf_printf(&text, "\n%s", incident->message);
    add_pair(out, "description", nj_buf_str(&text));
    add_pair(out, "group", alert->group);
    add_pair(out, "reason", incident->reason);
    add_pair(out, "pod", incident->pod);
    nj_buf_clear(&text);
    nj_buf_printf(&text, "%" PRId64, incident->id);
    add_pair(out, "incident", nj_buf_str(&text));
    nj_buf_done(&text);
    nj_buf_append_char(out, '}');
}

static void add_alert(struct nj_buf *out, const struct nj_terms *terms, const struct nj_alert *alert)
{
    const struct nj_incident *incident = alert->incident;
    char starts[NJ_TIME_TEXT_MAX], ends[NJ_TIME_TEXT_MAX];
    bool over = alert->transition == NJ_TRANSITION_RESOLVED || incident->state == NJ_INCIDENT_RESOLVED;
    int64_t ends_ns = over ? incident->resolved_ns : terms->now_ns + OPEN_FOR_NS;
    add_labels(out, incident);
    add_annotations(out, terms, alert);
    nj_buf_printf(out, ",\"startsAt\":\"%s\",\"endsAt\":\"%s\"",
                  nj_time_format(incident->first_ns < ends_ns ? incident->first_ns : ends_ns - 1, starts),
                  nj_time_format(ends_ns, ends));
    if (nj_str(terms->public_url)[0] != '\0') {
        struct nj_buf url = {0};
        nj_incident_url(incident, terms->public_url, &url);
        nj_buf_append_str(out, ",\"generatorURL\":");
        nj_json_append_string(out, nj_buf_str(&url), url.len);
        nj_buf_done(&url);
    }
    nj_buf_append_char(out, '}');
}

static void render_digest(const struct nj_target *target, const struct nj_terms *terms, const char *mentions,
                          const struct nj_alert *alerts, size_t count, struct nj_buf *out)
{
    (void)target;
    (void)mentions;
    nj_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            nj_buf_append_char(out, ',');
        add_alert(out, terms, &alerts[i]);
    }
    nj_buf_append_char(out, ']');
}

static void render(const struct nj_target *target, const struct nj_terms *terms, const struct nj_alert *alert,
                   struct nj_buf *out)
{
    render_digest(target, terms, "", alert, 1, out);
}

static void request(const struct nj_target *target, const struct nj_sending *sending, enum nj_step step,
                    struct nj_channel_request *request)
{
    (void)step;
    size_t len = strlen(target->url);
    while (len > 0 && target->url[len - 1] == '/')
        len--;
    nj_plain_request(target, sending, request);
    nj_buf_append(&request->url, target->url, len);
    nj_buf_append_str(&request->url, "/api/v2/alerts");
}

const struct nj_channel_ops nj_alertmanager = {
    .name = "alertmanager",
    .drops_duplicates_ns = DROPS_H * NJ_HOUR, /* the same alert again is the same alert */
    .forgets = true,
    .read_secrets = nj_plain_read_secrets,
    .max_bytes = nj_plain_max_bytes,
    .render = render,
    .render_digest = render_digest,
    .next_step = nj_plain_next_step,
    .request = request,
    .answer = nj_plain_answer,
};
