#include "collector/ingest/ingest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/ingest/group.h"
#include "common/base/alloc.h"
#include "common/wire/batch.h"

enum {
    GROUP_PACKETS_MAX = 512,             /* of one transaction */
    QUEUED_BYTES_MAX = 64 * 1024 * 1024, /* of the packets that wait; beyond, reading pauses */
    UPKEEP_EVERY_S = 5,
    RETRY_AFTER_S = 1, /* after a transaction that failed, or a worker that was full */
    LOCAL_EVENTS_MAX = 10000,
    LOCAL_WRITES_MAX = 65536,
};

struct nj_ingest {
    struct nj_ingest_options options;
    struct nj_group_worker *group_worker;
    struct nj_replier *replier;
    struct nj_packet *first, **last;
    size_t queued, queued_bytes;
    struct nj_local_event *first_local, **last_local;
    size_t locals, writes; /* that wait or are on the worker: events, and writes */
    struct nj_group group; /* the one on the worker */
    struct nj_job job;
    struct nj_timer upkeep, retry;
    bool upkeep_due, held, full, paused, busy, waiting, closing, replier_closed;
    int rc; /* of the last transaction */
    struct nj_err err;
    struct nj_counter *packets, *pauses, *dropped_locals, *dropped_writes;
    struct nj_gauge *depth, *connections;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void pump(struct nj_ingest *ingest);

static size_t packet_bytes(const struct nj_packet *packet)
{
    size_t len = 0;
    (void)nj_message_bytes(packet->message, &len);
    return len;
}

static void free_packet(struct nj_packet *packet)
{
    nj_message_free(packet->message);
    nj_buf_done(&packet->reply);
    free(packet);
}

static void end_local(struct nj_ingest *ingest, struct nj_local_event *local, bool committed)
{
    struct nj_ingest_write *write = local->write;
    if (write == NULL)
        ingest->locals--;
    else
        ingest->writes--;
    nj_buf_done(&local->bytes);
    free(local->event);
    free(local);
    if (write != NULL)
        write->done(write, committed);
}

static void append_local(struct nj_ingest *ingest, struct nj_local_event *local)
{
    *ingest->last_local = local;
    ingest->last_local = &local->next;
}

/* Whether the collector's own events go into the next group. */
static bool locals_may_go(const struct nj_ingest *ingest)
{
    return !ingest->waiting && (!ingest->held || ingest->closing);
}

/* Whether packets are read. */
static void update_pause(struct nj_ingest *ingest)
{
    bool paused = ingest->held || ingest->full || ingest->closing;
    if (ingest->paused == paused || ingest->replier == NULL)
        return;
    ingest->paused = paused;
    nj_replier_pause(ingest->replier, paused);
}

static void on_message(void *data, struct nj_message *message)
{
    struct nj_ingest *ingest = data;
    struct nj_packet *packet = NJ_NEW(struct nj_packet);
    packet->message = message;
    *ingest->last = packet;
    ingest->last = &packet->next;
    ingest->queued++;
    ingest->queued_bytes += packet_bytes(packet);
    nj_counter_add(ingest->packets, 1);
    if (!ingest->full &&
        (ingest->queued >= ingest->options.max_queued || ingest->queued_bytes >= QUEUED_BYTES_MAX)) {
        ingest->full = true;
        nj_counter_add(ingest->pauses, 1);
        update_pause(ingest);
    }
    pump(ingest);
}

/* Takes from the queue what one transaction shall hold. */
static void fill_group(struct nj_ingest *ingest)
{
    struct nj_group *group = &ingest->group;
    struct nj_packet **last = &group->packets;
    *group = (struct nj_group){0};
    for (size_t count = 0; ingest->first != NULL && count < GROUP_PACKETS_MAX; count++) {
        struct nj_packet *packet = ingest->first;
        ingest->queued_bytes -= packet_bytes(packet);
        ingest->first = packet->next;
        packet->next = NULL;
        *last = packet;
        last = &packet->next;
        ingest->queued--;
    }
    if (ingest->first == NULL)
        ingest->last = &ingest->first;
    if (locals_may_go(ingest)) {
        group->locals = ingest->first_local;
        ingest->first_local = NULL;
        ingest->last_local = &ingest->first_local;
    }
    group->upkeep = ingest->upkeep_due;
    ingest->upkeep_due = false;
}

/* Puts packets back to the front of the queue. */
static void return_packets(struct nj_ingest *ingest, struct nj_packet **packets)
{
    struct nj_packet **last = packets;
    if (*packets == NULL)
        return;
    for (; *last != NULL; last = &(*last)->next) {
        ingest->queued++;
        ingest->queued_bytes += packet_bytes(*last);
    }
    *last = ingest->first;
    if (ingest->first == NULL)
        ingest->last = last;
    ingest->first = *packets;
    *packets = NULL;
}

static void return_locals(struct nj_ingest *ingest)
{
    struct nj_local_event **last = &ingest->group.locals;
    if (*last == NULL)
        return;
    while (*last != NULL)
        last = &(*last)->next;
    *last = ingest->first_local;
    if (ingest->first_local == NULL)
        ingest->last_local = last;
    ingest->first_local = ingest->group.locals;
    ingest->group.locals = NULL;
}

static void work(struct nj_job *job)
{
    struct nj_ingest *ingest = job->data;
    nj_group_work(ingest->group_worker, &ingest->group);
}

static void answer(struct nj_ingest *ingest)
{
    struct nj_packet *next;
    for (struct nj_packet *packet = ingest->group.packets; packet != NULL; packet = next) {
        next = packet->next;
        if (packet->reply.len > 0 && ingest->replier != NULL)
            (void)nj_replier_reply(ingest->replier, nj_message_route(packet->message), packet->reply.data,
                                   packet->reply.len);
        free_packet(packet);
    }
    ingest->group.packets = NULL;
}

static void tell_changes(struct nj_ingest *ingest)
{
    struct nj_group *group = &ingest->group;
    if (group->changed_count > 0 && ingest->options.on_changed != NULL)
        ingest->options.on_changed(ingest->options.data, group->changed, group->changed_count);
    for (size_t i = 0; i < group->changed_count; i++)
        nj_incident_done(&group->changed[i]);
    free(group->changed);
    group->changed = NULL;
    group->changed_count = 0;
}

static void tell_targets(struct nj_ingest *ingest)
{
    struct nj_group *group = &ingest->group;
    if (group->targets_count > 0)
        ingest->options.on_targets(ingest->options.data, group->targets, group->targets_count);
    for (size_t i = 0; i < group->targets_count; i++)
        nj_store_target_done(&group->targets[i]);
    free(group->targets);
    group->targets = NULL;
    group->targets_count = 0;
}

static void wait_a_little(struct nj_ingest *ingest)
{
    ingest->waiting = true;
    nj_timer_start(&ingest->retry, RETRY_AFTER_S * NJ_SEC, 0);
}

static void finish_locals(struct nj_ingest *ingest)
{
    struct nj_local_event *next;
    if (ingest->rc < 0 && ingest->group.locals != NULL && !ingest->closing) {
        return_locals(ingest);
        wait_a_little(ingest);
        return;
    }
    for (struct nj_local_event *local = ingest->group.locals; local != NULL; local = next) {
        next = local->next;
        end_local(ingest, local, ingest->rc == 0);
    }
    ingest->group.locals = NULL;
}

static void done(struct nj_job *job)
{
    struct nj_ingest *ingest = job->data;
    ingest->rc = ingest->group.rc;
    ingest->err = ingest->group.err;
    if (ingest->group.more_upkeep && !ingest->closing)
        ingest->upkeep_due = true;
    answer(ingest);
    return_packets(ingest, &ingest->group.left);
    finish_locals(ingest);
    tell_changes(ingest);
    tell_targets(ingest);
    nj_group_tell_facts(&ingest->group, ingest->options.on_facts, ingest->options.data);
    nj_group_tell_minutes(&ingest->group, ingest->options.on_minute, ingest->options.data);
    if (ingest->queued <= ingest->options.max_queued / 2 && ingest->queued_bytes < QUEUED_BYTES_MAX / 2) {
        ingest->full = false;
        update_pause(ingest);
    }
    ingest->busy = false; /* not before: those who are told may bring more */
    pump(ingest);
}

static void finish_close(struct nj_ingest *ingest)
{
    void (*on_closed)(void *data) = ingest->on_closed;
    void *data = ingest->on_closed_data;
    struct nj_local_event *next;
    for (struct nj_local_event *local = ingest->first_local; local != NULL; local = next) {
        next = local->next;
        end_local(ingest, local, false);
    }
    nj_group_worker_free(ingest->group_worker);
    free(ingest);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_replier_closed(void *data)
{
    struct nj_ingest *ingest = data;
    ingest->replier = NULL;
    finish_close(ingest);
}

/* Hands over the next group when the worker is free; at the end, closes the socket once everything is
 * answered. */
static void pump(struct nj_ingest *ingest)
{
    if (ingest->busy || ingest->replier_closed)
        return;
    bool something =
        ingest->first != NULL || ingest->upkeep_due || (ingest->first_local != NULL && locals_may_go(ingest));
    if (something && !(ingest->closing && ingest->waiting)) {
        fill_group(ingest);
        ingest->job = (struct nj_job){.run = work, .done = done, .data = ingest};
        if (nj_worker_submit(ingest->options.writer, &ingest->job) == 0) {
            ingest->busy = true;
            return;
        }
        return_packets(ingest, &ingest->group.packets);
        return_locals(ingest);
        ingest->upkeep_due = ingest->group.upkeep;
        if (!ingest->closing)
            wait_a_little(ingest);
    }
    if (ingest->closing) {
        ingest->replier_closed = true;
        nj_replier_close(ingest->replier, on_replier_closed, ingest);
    }
}

static void on_upkeep(struct nj_timer *timer)
{
    struct nj_ingest *ingest = timer->data;
    ingest->upkeep_due = true;
    pump(ingest);
}

void nj_ingest_review(struct nj_ingest *ingest)
{
    ingest->upkeep_due = true; /* whose tick asks */
    pump(ingest);
}

static void on_retry(struct nj_timer *timer)
{
    struct nj_ingest *ingest = timer->data;
    ingest->waiting = false;
    pump(ingest);
}

static void make_metrics(struct nj_ingest *ingest, struct nj_group_metrics *group)
{
    static const char *const rejections[NJ_REJECTIONS] = {"format",      "key",    "authentication", "size",
                                                          "compression", "decode", "version",        "replay",
                                                          "agents",      "store"};
    static const char *const events[NJ_EVENT_TYPES] = {
        "",        "crash",    "lost_crashes", "stuck", "cleared", "pod_failure",    "check",
        "rollups", "oom_kill", "trouble",      "usage", "outage",  "rollout_failed", "slo"};
    static const double seconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
    static const double packets[] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 512};
    struct nj_metrics *metrics = ingest->options.metrics;
    char labels[64];
    if (metrics == NULL)
        return;
    ingest->packets =
        nj_metrics_counter(metrics, "nightjar_ingest_packets_total", "", "Packets from agents.");
    ingest->pauses =
        nj_metrics_counter(metrics, "nightjar_ingest_pauses_total", "",
                           "Times that reading paused because ingest.max_queued packets waited.");
    ingest->dropped_locals =
        nj_metrics_counter(metrics, "nightjar_ingest_dropped_local_events_total", "",
                           "The collector's own events dropped because too many waited.");
    ingest->dropped_writes =
        nj_metrics_counter(metrics, "nightjar_ingest_dropped_local_writes_total", "",
                           "What the collector itself had to store, dropped because too much waited.");
    ingest->depth =
        nj_metrics_gauge(metrics, "nightjar_ingest_queue_depth", "", "Packets that wait for the writer.");
    ingest->connections =
        nj_metrics_gauge(metrics, "nightjar_ingest_connections", "", "Connections of agents.");
    for (int i = 0; i < NJ_REJECTIONS; i++) {
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", rejections[i]);
        group->rejected[i] = nj_metrics_counter(metrics, "nightjar_ingest_rejected_packets_total", labels,
                                                "Packets that were not taken, by reason.");
    }
    for (int i = NJ_EVENT_CRASH; i < NJ_EVENT_TYPES; i++) {
        (void)snprintf(labels, sizeof(labels), "type=\"%s\"", events[i]);
        group->events[i] =
            nj_metrics_counter(metrics, "nightjar_ingest_events_total", labels, "Events taken, by type.");
    }
    group->duplicates = nj_metrics_counter(metrics, "nightjar_ingest_duplicate_events_total", "",
                                           "Events that were known already.");
    group->unknown = nj_metrics_counter(metrics, "nightjar_ingest_unknown_states_total", "",
                                        "Checks in a state that this collector does not know.");
    group->foreign =
        nj_metrics_counter(metrics, "nightjar_ingest_foreign_troubles_total", "",
                           "Troubles of a node that an agent told and that were not its own to tell.");
    group->usage_items = nj_metrics_counter(metrics, "nightjar_ingest_usage_items_total", "",
                                            "Minutes of containers' and nodes' use that were stored.");
    group->untold_minutes =
        nj_metrics_counter(metrics, "nightjar_ingest_untold_rollups_total", "",
                           "Minutes that were stored, but too large to be told to the forecast and to remote "
                           "write.");
    group->untold_facts =
        nj_metrics_counter(metrics, "nightjar_ingest_untold_facts_total", "",
                           "Crashes and other facts that were stored, but too many at once to be looked at "
                           "as causes of outages.");
    group->plans =
        nj_metrics_counter(metrics, "nightjar_ingest_plans_total", "", "Plans of checks given to agents.");
    group->late_plans = nj_metrics_counter(metrics, "nightjar_ingest_late_plans_total", "",
                                           "Plans that had to wait for the agent's next request.");
    group->gaps = nj_metrics_counter(metrics, "nightjar_ingest_sequence_gaps_total", "",
                                     "Places where an agent's sequence numbers skipped some.");
    group->commits =
        nj_metrics_counter(metrics, "nightjar_ingest_commits_total", "", "Transactions committed.");
    group->failed_commits =
        nj_metrics_counter(metrics, "nightjar_ingest_failed_commits_total", "", "Transactions that failed.");
    group->commit_seconds = nj_metrics_histogram(metrics, "nightjar_ingest_commit_seconds", "",
                                                 "Time of writing and committing a group.", seconds,
                                                 sizeof(seconds) / sizeof(seconds[0]));
    group->group_packets =
        nj_metrics_histogram(metrics, "nightjar_ingest_group_packets", "", "Packets in a group.", packets,
                             sizeof(packets) / sizeof(packets[0]));
    group->streams = nj_metrics_gauge(metrics, "nightjar_ingest_streams", "", "Agents' streams in memory.");
    group->agents_heard =
        nj_metrics_gauge(metrics, "nightjar_agents", "state=\"heard\"", "Agents, by whether they are heard.");
    group->agents_silent = nj_metrics_gauge(metrics, "nightjar_agents", "state=\"silent\"",
                                            "Agents, by whether they are heard.");
    group->store_bytes =
        nj_metrics_gauge(metrics, "nightjar_store_bytes", "", "Size of the database on disk.");
    group->evicted_incidents = nj_metrics_gauge(metrics, "nightjar_incidents_evicted", "",
                                                "Incidents resolved because incident.max_open was reached.");
    group->forgotten_subjects =
        nj_metrics_gauge(metrics, "nightjar_incident_subjects_forgotten", "",
                         "Subjects forgotten because incident.max_subjects was reached.");
    for (int i = 0; i < NJ_SUPPRESSIONS; i++) {
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", nj_suppression_name((enum nj_suppression)i));
        group->suppressed[i] = nj_metrics_counter(metrics, "nightjar_incidents_suppressed_total", labels,
                                                  "Incidents of which nobody was told at first, by reason.");
    }
    group->held_back = nj_metrics_gauge(metrics, "nightjar_incidents_suppressed", "",
                                        "Open incidents of which nobody is told for now.");
    for (int kind = 0; kind < NJ_INCIDENT_KINDS; kind++) {
        (void)snprintf(labels, sizeof(labels), "kind=\"%s\"",
                       nj_incident_kind_name((enum nj_incident_kind)kind));
        group->open[kind] =
            nj_metrics_gauge(metrics, "nightjar_incidents_open", labels, "Open incidents, by kind.");
    }
}

int nj_ingest_start(const struct nj_ingest_options *options, struct nj_ingest **ret_ingest,
                    struct nj_err *err)
{
    struct nj_group_metrics metrics = {0};
    struct nj_ingest *ingest = NJ_NEW(struct nj_ingest);
    ingest->options = *options;
    ingest->last = &ingest->first;
    ingest->last_local = &ingest->first_local;
    make_metrics(ingest, &metrics);
    int rc = nj_group_worker_new(options, &metrics, &ingest->group_worker, err);
    if (rc == 0 && options->listen != NULL) {
        struct nj_replier_options replier = {
            .url = options->listen,
            .max_message_bytes = options->max_packet_bytes,
            .on_message = on_message,
            .data = ingest,
        };
        rc = nj_replier_start(options->loop, &replier, &ingest->replier, err);
        if (rc < 0) {
            nj_group_worker_free(ingest->group_worker);
            nj_err_wrap(err, "ingest.listen");
        }
    }
    if (rc < 0) {
        free(ingest);
        return rc;
    }
    nj_timer_init(&ingest->upkeep, options->loop, on_upkeep, ingest);
    nj_timer_init(&ingest->retry, options->loop, on_retry, ingest);
    nj_timer_start(&ingest->upkeep, UPKEEP_EVERY_S * NJ_SEC, UPKEEP_EVERY_S * NJ_SEC);
    *ret_ingest = ingest;
    return 0;
}

void nj_ingest_hold(struct nj_ingest *ingest, bool held)
{
    ingest->held = held;
    update_pause(ingest);
    pump(ingest);
}

void nj_ingest_local_event(struct nj_ingest *ingest, const struct nj_event *event)
{
    struct nj_local_event *local = NJ_NEW(struct nj_local_event);
    local->event = nj_event_copy(event);
    if (ingest->locals >= LOCAL_EVENTS_MAX ||
        (local->event == NULL && nj_event_encode(event, &local->bytes) < 0)) {
        nj_counter_add(ingest->dropped_locals, 1);
        nj_buf_done(&local->bytes);
        free(local->event);
        free(local);
        return;
    }
    ingest->locals++;
    append_local(ingest, local);
    pump(ingest);
}

void nj_ingest_local_write(struct nj_ingest *ingest, struct nj_ingest_write *write)
{
    if (ingest->writes >= LOCAL_WRITES_MAX) {
        nj_counter_add(ingest->dropped_writes, 1);
        write->done(write, false);
        return;
    }
    struct nj_local_event *local = NJ_NEW(struct nj_local_event);
    local->write = write;
    ingest->writes++;
    append_local(ingest, local);
    pump(ingest);
}

void nj_ingest_each_subject(struct nj_ingest *ingest, enum nj_incident_kind kind,
                            void (*on_subject)(void *data, const struct nj_incident *incident,
                                               const struct nj_incident_subject *subject),
                            void *data)
{
    nj_engine_each_subject(nj_group_engine(ingest->group_worker), kind, ingest->options.cluster, on_subject,
                           data);
}

bool nj_ingest_healthy(const struct nj_ingest *ingest, struct nj_err *ret_err)
{
    if (ingest->rc < 0 && ret_err != NULL)
        *ret_err = ingest->err;
    return ingest->rc == 0;
}

void nj_ingest_collect(struct nj_ingest *ingest)
{
    nj_gauge_set(ingest->depth, (int64_t)ingest->queued);
    if (ingest->replier != NULL)
        nj_gauge_set(ingest->connections, (int64_t)nj_replier_counts(ingest->replier).connections_open);
}

void nj_ingest_close(struct nj_ingest *ingest, void (*on_closed)(void *data), void *data)
{
    if (ingest == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    ingest->closing = true;
    ingest->on_closed = on_closed;
    ingest->on_closed_data = data;
    ingest->upkeep_due = true; /* what agents said last is written */
    nj_timer_stop(&ingest->upkeep);
    nj_timer_stop(&ingest->retry);
    update_pause(ingest);
    pump(ingest);
}
