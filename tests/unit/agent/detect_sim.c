#include "tests/unit/agent/detect_sim.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

static char *copy(const char *text)
{
    return nj_strdup(text == NULL ? "" : text);
}

static void copy_event(struct sim_event *to, const struct nj_finding *finding)
{
    const struct nj_event *event = finding->event;
    *to = (struct sim_event){.type = event->type,
                             .at_ns = event->at_ns,
                             .namespace = copy(event->subject.namespace),
                             .pod = copy(event->subject.pod),
                             .uid = copy(event->subject.pod_uid),
                             .workload_kind = copy(event->subject.workload_kind),
                             .workload = copy(event->subject.workload),
                             .container = copy(event->subject.container),
                             .directory_uid = copy(finding->directory_uid),
                             .owner_kind = copy(finding->owner.kind),
                             .owner_name = copy(finding->owner.name),
                             .first_told = finding->first_told,
                             .previous = finding->previous,
                             .attempts_count = finding->attempts_count};
    assert_string_equal(event->subject.node, "node1");
    assert_int_equal(strlen(event->id), NJ_EVENT_ID_MAX - 1);
    memcpy(to->id, event->id, NJ_EVENT_ID_MAX);
    for (int i = 0; i < finding->attempts_count; i++)
        to->attempts[i] = finding->attempts[i];
    switch (event->type) {
    case NJ_EVENT_CRASH:
        to->container_id = copy(event->crash.container_id);
        to->container_type = copy(event->crash.container_type);
        to->reason = copy(event->crash.reason);
        to->message = copy(event->crash.message);
        to->image = copy(event->crash.image);
        to->exit_code = event->crash.exit_code;
        to->attempt = event->crash.attempt;
        to->restart_count = event->crash.restart_count;
        to->started_ns = event->crash.started_ns;
        to->finished_ns = event->crash.finished_ns;
        assert_true(finding->attempts_count > 0);
        assert_int_equal(finding->attempts[0], event->crash.attempt);
        break;
    case NJ_EVENT_LOST_CRASHES:
        to->count = event->lost.count;
        break;
    case NJ_EVENT_STUCK:
        to->reason = copy(event->stuck.reason);
        to->message = copy(event->stuck.message);
        to->image = copy(event->stuck.image);
        to->since_ns = event->stuck.since_ns;
        break;
    case NJ_EVENT_CLEARED:
        to->cause = event->cleared.cause;
        break;
    case NJ_EVENT_POD_FAILURE:
        to->reason = copy(event->failure.reason);
        to->message = copy(event->failure.message);
        break;
    case NJ_EVENT_CHECK:
    case NJ_EVENT_ROLLUPS:
    case NJ_EVENT_OOM_KILL:
    case NJ_EVENT_TROUBLE:
    case NJ_EVENT_USAGE:
    case NJ_EVENT_OUTAGE:
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
}

static void free_event(struct sim_event *event)
{
    char *texts[] = {event->namespace,      event->pod,       event->uid,
                     event->workload_kind,  event->workload,  event->container,
                     event->reason,         event->message,   event->container_id,
                     event->container_type, event->image,     event->directory_uid,
                     event->owner_kind,     event->owner_name};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
}

static void free_finding(struct sim_finding *finding)
{
    if (finding->has_event)
        free_event(&finding->event);
    free(finding->record.key);
    free(finding->record.value);
}

static void on_finding(void *data, const struct nj_finding *finding)
{
    struct sim *sim = data;
    sim->queue = nj_realloc(sim->queue, sim->queued + 1, sizeof(*sim->queue));
    struct sim_finding *to = &sim->queue[sim->queued++];
    *to = (struct sim_finding){.has_event = finding->event != NULL};
    assert_true(finding->event != NULL || finding->record.key != NULL);
    if (finding->event != NULL)
        copy_event(&to->event, finding);
    if (finding->record.key != NULL) {
        to->record.key = nj_strdup(finding->record.key);
        if (finding->record.value != NULL)
            to->record.value = nj_strndup(finding->record.value, finding->record.len);
    }
    if (!sim->hold)
        sim_commit(sim, SIZE_MAX);
}

static void start(struct sim *sim)
{
    sim->options.on_finding = on_finding;
    sim->options.data = sim;
    sim->detector = nj_detector_new(&sim->options);
    for (size_t i = 0; i < sim->records_count; i++) {
        const struct sim_record *record = &sim->records[i];
        if (record->value != NULL)
            assert_int_equal(nj_detector_load_state(sim->detector,
                                                    &(struct nj_outbox_record){record->key, record->value,
                                                                               strlen(record->value)},
                                                    NULL),
                             0);
    }
}

void sim_init(struct sim *sim, int64_t watched_since_ns)
{
    *sim = (struct sim){.options = {.node = "node1",
                                    .watched_since_ns = watched_since_ns,
                                    .times = {.image_ns = 30 * NJ_SEC,
                                              .config_ns = 30 * NJ_SEC,
                                              .start_ns = 30 * NJ_SEC,
                                              .other_ns = 10 * NJ_MIN,
                                              .stable_after_ns = 5 * NJ_MIN}}};
    start(sim);
}

void sim_done(struct sim *sim)
{
    nj_detector_free(sim->detector);
    for (size_t i = 0; i < sim->queued; i++)
        free_finding(&sim->queue[i]);
    for (size_t i = 0; i < sim->events_count; i++)
        free_event(&sim->events[i]);
    for (size_t i = 0; i < sim->records_count; i++) {
        free(sim->records[i].key);
        free(sim->records[i].value);
    }
    free(sim->queue);
    free(sim->events);
    free(sim->records);
}

static void put_record(struct sim *sim, struct sim_record *record)
{
    for (size_t i = 0; i < sim->records_count; i++) {
        if (strcmp(sim->records[i].key, record->key) == 0) {
            free(sim->records[i].value);
            sim->records[i].value = record->value;
            free(record->key);
            return;
        }
    }
    sim->records = nj_realloc(sim->records, sim->records_count + 1, sizeof(*sim->records));
    sim->records[sim->records_count++] = *record;
}

void sim_commit(struct sim *sim, size_t count)
{
    if (count > sim->queued)
        count = sim->queued;
    for (size_t i = 0; i < count; i++) {
        struct sim_finding *finding = &sim->queue[i];
        if (finding->has_event) {
            sim->events = nj_realloc(sim->events, sim->events_count + 1, sizeof(*sim->events));
            sim->events[sim->events_count++] = finding->event;
        }
        if (finding->record.key != NULL)
            put_record(sim, &finding->record);
    }
    sim->queued -= count;
    if (sim->queued > 0)
        memmove(sim->queue, sim->queue + count, sim->queued * sizeof(*sim->queue));
}

void sim_kill(struct sim *sim, size_t commit)
{
    sim_commit(sim, commit);
    for (size_t i = 0; i < sim->queued; i++)
        free_finding(&sim->queue[i]);
    sim->queued = 0;
    nj_detector_free(sim->detector);
    start(sim);
}

void sim_run_until(struct sim *sim, int64_t now_ns)
{
    int64_t due_ns = 0;
    while ((due_ns = nj_detector_next_due(sim->detector)) <= now_ns)
        nj_detector_tick(sim->detector, due_ns);
}

static bool is_first(const struct sim *sim, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(sim->events[i].id, sim->events[at].id) == 0)
            return false;
    }
    return true;
}

static bool matches(const struct sim_event *event, enum nj_event_type type, const char *pod,
                    const char *container)
{
    return event->type == type && (pod == NULL || strncmp(event->pod, pod, strlen(pod)) == 0) &&
           (container == NULL || strcmp(event->container, container) == 0);
}

size_t sim_count(const struct sim *sim, enum nj_event_type type, const char *pod, const char *container)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->events_count; i++)
        count += matches(&sim->events[i], type, pod, container) && is_first(sim, i);
    return count;
}

const struct sim_event *sim_get(const struct sim *sim, enum nj_event_type type, const char *pod,
                                const char *container, size_t n)
{
    const struct sim_event *found = NULL;
    for (size_t i = 0; i < sim->events_count && found == NULL; i++) {
        if (matches(&sim->events[i], type, pod, container) && is_first(sim, i) && n-- == 0)
            found = &sim->events[i];
    }
    if (found == NULL) {
        fail_msg("there is no such event of type %d for %s", type, pod == NULL ? "any pod" : pod);
        abort();
    }
    for (const struct sim_event *event = found; event < sim->events + sim->events_count; event++) {
        if (strcmp(event->id, found->id) == 0)
            found = event;
    }
    return found;
}

const struct sim_event *sim_last(const struct sim *sim)
{
    assert_true(sim->events_count > 0);
    return &sim->events[sim->events_count - 1];
}

unsigned sim_lost(const struct sim *sim)
{
    unsigned count = 0;
    for (size_t i = 0; i < sim->events_count; i++) {
        if (sim->events[i].type == NJ_EVENT_LOST_CRASHES && is_first(sim, i))
            count += sim->events[i].count;
    }
    return count;
}
