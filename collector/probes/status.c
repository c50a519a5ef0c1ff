#include "collector/probes/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum { WRITES_MAX = 8 /* at once */, TIMEOUT_S = 10, BODY_MAX = 16 << 10, ANSWER_MAX = 64 << 10 };

static const int64_t GAP_NS = 2 * NJ_SEC;
static const int64_t BACKOFF_MAX_NS = 5 * NJ_MIN;

struct condition {
    const char *status; /* "True", "False", "Unknown"; NULL: not known yet */
    int64_t since_ns;
};

struct status {
    struct nj_statuses *owner;
    char *id, *namespace, *name;
    char *body;    /* as it should be */
    char *written; /* as it was last accepted; NULL: never by this process */
    char *sending;
    struct condition accepted, passing;
    int64_t next_ns; /* monotonic: not before */
    int64_t backoff_ns;
    struct nj_http_request *request;
    bool dropped;
    UT_hash_handle hh;
};

struct nj_statuses {
    struct nj_statuses_options options;
    struct status *statuses;
    size_t writing;
    struct nj_timer timer;
    int64_t armed_ns; /* when it fires, monotonic; INT64_MAX: not */
    struct nj_counter *writes, *failures;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

const char *nj_status_accepted_reason(const struct nj_monitor *monitor)
{
    switch (monitor->trouble) {
    case NJ_MONITOR_INVALID:
        return "Invalid";
    case NJ_MONITOR_NOT_FOUND:
        return "NotFound";
    case NJ_MONITOR_SECRET:
        return "SecretUnreadable";
    case NJ_MONITOR_HOST:
        return "HostNotAllowed";
    default:
        return "Valid";
    }
}

const char *nj_status_passing_reason(const struct nj_status_counts *counts)
{
    if (counts->targets == 0)
        return "NoTargets";
    if (counts->failing == counts->targets)
        return "AllFail";
    return counts->failing > 0 ? "SomeFail" : "AllPass";
}

/* All of them may still be starting: nobody knows yet. */
static const char *passing_status(const struct nj_status_counts *counts)
{
    if (counts->failing > 0)
        return "False";
    return counts->targets == 0 || counts->passing == 0 ? "Unknown" : "True";
}

static void turn(struct condition *condition, const char *status, int64_t now_ns)
{
    if (nj_streq(condition->status, status))
        return;
    condition->status = status;
    condition->since_ns = now_ns;
}

static void field(struct nj_buf *out, const char *before, const char *text)
{
    (void)nj_buf_append_str(out, before);
    (void)nj_json_append_string(out, text, strlen(text));
}

static void append_condition(struct nj_buf *out, const char *type, const struct condition *condition,
                             const char *reason, const char *message, int64_t generation)
{
    char time[NJ_TIME_TEXT_MAX];
    field(out, "{\"type\":", type);
    field(out, ",\"status\":", condition->status);
    field(out, ",\"reason\":", reason);
    field(out, ",\"message\":", message);
    field(out, ",\"lastTransitionTime\":", nj_time_format(condition->since_ns, time));
    (void)nj_buf_printf(out, ",\"observedGeneration\":%lld}", (long long)generation);
}

static void render(const struct status *status, const struct nj_monitor *monitor,
                   const struct nj_status_counts *counts, struct nj_buf *out)
{
    char text[NJ_TIME_TEXT_MAX];
    char message[NJ_TIME_TEXT_MAX * 2];
    field(out, "{\"apiVersion\":\"nightjar.dev/v1alpha1\",\"kind\":\"ApiMonitor\",\"metadata\":{\"name\":",
          monitor->name);
    field(out, ",\"namespace\":", monitor->namespace);
    (void)nj_buf_printf(out,
                        "},\"status\":{\"observedGeneration\":%lld,\"targets\":%zu,\"passing\":%zu,"
                        "\"failing\":%zu,\"starting\":%zu",
                        (long long)monitor->generation, counts->targets, counts->passing, counts->failing,
                        counts->starting);
    if (counts->changed_ns != 0)
        field(out, ",\"lastChangeAt\":", nj_time_format(counts->changed_ns, text));
    field(out, ",\"targetDescription\":", monitor->description);
    (void)nj_buf_append_str(out, ",\"conditions\":[");
    append_condition(out, "Accepted", &status->accepted, nj_status_accepted_reason(monitor),
                     monitor->suspended && *monitor->trouble_text == '\0' ? "suspended"
                                                                          : monitor->trouble_text,
                     monitor->generation);
    (void)snprintf(message, sizeof(message), "%zu of %zu targets fail", counts->failing, counts->targets);
    (void)nj_buf_append_char(out, ',');
    append_condition(out, "Passing", &status->passing, nj_status_passing_reason(counts), message,
                     monitor->generation);
    (void)nj_buf_append_str(out, "]}}");
}

static void free_status(struct status *status)
{
    free(status->id);
    free(status->namespace);
    free(status->name);
    free(status->body);
    free(status->written);
    free(status->sending);
    free(status);
}

static void finish_close(struct nj_statuses *statuses)
{
    void (*on_closed)(void *data) = statuses->on_closed;
    void *data = statuses->on_closed_data;
    free(statuses);
    if (on_closed != NULL)
        on_closed(data);
}

static bool is_due(const struct status *status)
{
    return status->request == NULL && status->body != NULL && !nj_streq(status->body, status->written);
}

static void arm(struct nj_statuses *statuses, int64_t at_ns)
{
    int64_t now_ns = nj_loop_mono_ns(statuses->options.loop);
    statuses->armed_ns = at_ns > now_ns ? at_ns : now_ns;
    nj_timer_start(&statuses->timer, statuses->armed_ns - now_ns, 0);
}

static void schedule(struct nj_statuses *statuses)
{
    int64_t soonest_ns = INT64_MAX;
    for (struct status *status = statuses->statuses; status != NULL; status = status->hh.next) {
        if (is_due(status) && status->next_ns < soonest_ns)
            soonest_ns = status->next_ns;
    }
    if (soonest_ns == INT64_MAX || statuses->writing >= WRITES_MAX || statuses->closing)
        return;
    arm(statuses, soonest_ns);
}

static void hold_off(struct status *status)
{
    status->backoff_ns = status->backoff_ns == 0 ? 2 * GAP_NS : 2 * status->backoff_ns;
    if (status->backoff_ns > BACKOFF_MAX_NS)
        status->backoff_ns = BACKOFF_MAX_NS;
    status->next_ns = nj_loop_mono_ns(status->owner->options.loop) + status->backoff_ns;
    nj_counter_add(status->owner->failures, 1);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct status *status = data;
    struct nj_statuses *owner = status->owner;
    owner->writing--;
    status->request = NULL;
    if (status->dropped) {
        free_status(status);
        if (owner->closing && owner->writing == 0)
            finish_close(owner);
        return;
    }
    if (result->error == 0 && result->status >= 200 && result->status < 300) {
        free(status->written);
        status->written = status->sending;
        status->sending = NULL;
        status->backoff_ns = 0;
        status->next_ns = nj_loop_mono_ns(owner->options.loop) + GAP_NS;
        nj_counter_add(owner->writes, 1);
    } else {
        hold_off(status);
    }
    schedule(owner);
}

static void write_status(struct status *status)
{
    struct nj_statuses *owner = status->owner;
    NJ_CLEANUP_FREE char *path = nj_asprintf("/apis/nightjar.dev/v1alpha1/namespaces/%s/apimonitors/%s/"
                                             "status?fieldManager=nightjar-collector&force=true",
                                             status->namespace, status->name);
    const struct nj_http_options options = {.body = status->body,
                                            .body_len = strlen(status->body),
                                            .timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes = ANSWER_MAX,
                                            .on_done = on_done,
                                            .data = status};
    free(status->sending);
    status->sending = nj_strdup(status->body);
    if (nj_kube_client_apply(owner->options.client, path, &options, &status->request, NULL) < 0) {
        status->request = NULL;
        hold_off(status);
        return;
    }
    owner->writing++;
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_statuses *statuses = timer->data;
    int64_t now_ns = nj_loop_mono_ns(statuses->options.loop);
    statuses->armed_ns = INT64_MAX;
    for (struct status *status = statuses->statuses; status != NULL && statuses->writing < WRITES_MAX;
         status = status->hh.next) {
        if (is_due(status) && status->next_ns <= now_ns)
            write_status(status);
    }
    schedule(statuses);
}

struct nj_statuses *nj_statuses_new(const struct nj_statuses_options *options)
{
    struct nj_statuses *statuses = NJ_NEW(struct nj_statuses);
    statuses->options = *options;
    statuses->armed_ns = INT64_MAX;
    nj_timer_init(&statuses->timer, options->loop, on_timer, statuses);
    if (options->metrics != NULL) {
        statuses->writes = nj_metrics_counter(options->metrics, "nightjar_monitor_status_writes_total", "",
                                              "Statuses of ApiMonitors written.");
        statuses->failures =
            nj_metrics_counter(options->metrics, "nightjar_monitor_status_failures_total", "",
                               "Statuses of ApiMonitors that could not be written, and were put off.");
    }
    return statuses;
}

static struct status *get(struct nj_statuses *statuses, const char *id, const char *namespace,
                          const char *name)
{
    struct status *status = NULL;
    HASH_FIND_STR(statuses->statuses, id, status);
    if (status != NULL)
        return status;
    status = NJ_NEW(struct status);
    status->owner = statuses;
    status->id = nj_strdup(id);
    status->namespace = nj_strdup(namespace);
    status->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, statuses->statuses, status->id, strlen(status->id), status);
    return status;
}

static const char *text_of(struct json_object *object, const char *member)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, member, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

/* One of the conditions that somebody, likely an earlier process, has written. */
static void recall(struct status *status, struct json_object *written, int64_t now_ns)
{
    static const char *const known[] = {"True", "False", "Unknown"};
    const char *type = text_of(written, "type");
    const char *time = text_of(written, "lastTransitionTime");
    struct condition *condition = nj_streq(type, "Accepted")  ? &status->accepted
                                  : nj_streq(type, "Passing") ? &status->passing
                                                              : NULL;
    int64_t since_ns = 0;
    if (condition == NULL || nj_time_parse(time, strlen(time), &since_ns) < 0 || since_ns > now_ns)
        return;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (nj_streq(text_of(written, "status"), known[i]))
            *condition = (struct condition){.status = known[i], .since_ns = since_ns};
    }
}

void nj_statuses_recall(struct nj_statuses *statuses, const struct nj_model_monitor *custom)
{
    int64_t now_ns = nj_loop_wall_ns(statuses->options.loop);
    struct json_object *conditions = NULL;
    if (custom->status_len == 0 || custom->status_len > BODY_MAX)
        return;
    struct json_object *root = json_tokener_parse(custom->status);
    if (json_object_object_get_ex(root, "conditions", &conditions) &&
        json_object_is_type(conditions, json_type_array)) {
        NJ_CLEANUP_FREE char *id = nj_asprintf("apimonitor.%s.%s", custom->namespace, custom->name);
        struct status *status = get(statuses, id, custom->namespace, custom->name);
        for (size_t i = 0; i < json_object_array_length(conditions); i++)
            recall(status, json_object_array_get_idx(conditions, i), now_ns);
    }
    json_object_put(root);
}

void nj_statuses_put(struct nj_statuses *statuses, const struct nj_monitor *monitor,
                     const struct nj_status_counts *counts)
{
    struct status *status = get(statuses, monitor->id, monitor->namespace, monitor->name);
    int64_t now_ns = nj_loop_wall_ns(statuses->options.loop);
    struct nj_buf body = {.max = BODY_MAX};
    turn(&status->accepted, nj_streq(nj_status_accepted_reason(monitor), "Valid") ? "True" : "False", now_ns);
    turn(&status->passing, passing_status(counts), now_ns);
    render(status, monitor, counts, &body);
    if (nj_buf_check(&body) < 0 || nj_streq(nj_buf_str(&body), status->body)) {
        nj_buf_done(&body);
        return;
    }
    free(status->body);
    status->body = nj_buf_take(&body);
    /* One look at this one alone: many change at once. When enough are being written, the end of one goes on.
     */
    int64_t due_ns = nj_loop_mono_ns(statuses->options.loop);
    if (status->next_ns > due_ns)
        due_ns = status->next_ns;
    if (is_due(status) && due_ns < statuses->armed_ns && statuses->writing < WRITES_MAX)
        arm(statuses, due_ns);
}

static void drop(struct nj_statuses *statuses, struct status *status)
{
    NJ_TABLE_REMOVE(statuses->statuses, status);
    if (status->request == NULL) {
        free_status(status);
        return;
    }
    status->dropped = true;
    nj_http_cancel(status->request);
}

void nj_statuses_remove(struct nj_statuses *statuses, const char *id)
{
    struct status *status = NULL;
    HASH_FIND_STR(statuses->statuses, id, status);
    if (status != NULL)
        drop(statuses, status);
}

void nj_statuses_close(struct nj_statuses *statuses, void (*on_closed)(void *data), void *data)
{
    if (statuses == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    struct status *status;
    struct status *next;
    statuses->closing = true;
    statuses->on_closed = on_closed;
    statuses->on_closed_data = data;
    nj_timer_stop(&statuses->timer);
    HASH_ITER (hh, statuses->statuses, status, next)
        drop(statuses, status);
    if (statuses->writing == 0)
        finish_close(statuses);
}
