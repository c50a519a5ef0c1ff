/* Rollouts: what the core says of them, to the store, to the trackers as causes, and as failures to people.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/sla/sla_internal.h"
#include "common/base/log.h"
#include "common/base/str.h"

enum { WORDS_MAX = 5000 /* workloads whose latest crash is remembered */ };

/* So long a failure may wait for what comes of rolling it back: less than NJ_SUPPRESS_SETTLE_NS, in which
 * what it brings is held back all the same. */
#define WAIT_NS (5 * NJ_SEC)

static const char *revision_text(const struct nj_rollout *rollout)
{
    return rollout->revision[0] == '\0' ? "?" : rollout->revision;
}

static char *describe(const struct nj_rollout *rollout)
{
    bool known = rollout->changed_by[0] != '\0';
    return nj_asprintf("revision %s of %s/%s%s%s", revision_text(rollout), rollout->workload_kind,
                       rollout->workload, known ? " by " : "", rollout->changed_by);
}

static char *key_of(const char *namespace, const char *kind, const char *workload)
{
    return nj_asprintf("%s/%s/%s", namespace, kind, workload);
}

/* --- the failures that people know of */

static struct nj_sla_failed *find_failed(const struct nj_sla *sla, const char *key)
{
    struct nj_sla_failed *failed = NULL;
    HASH_FIND_STR(sla->failed, key, failed);
    return failed;
}

static void add_failed(struct nj_sla *sla, const char *key)
{
    if (find_failed(sla, key) != NULL)
        return;
    struct nj_sla_failed *failed = NJ_NEW(struct nj_sla_failed);
    failed->key = nj_strdup(key);
    HASH_ADD_KEYPTR(hh, sla->failed, failed->key, strlen(failed->key), failed);
}

static void drop_failed(struct nj_sla *sla, struct nj_sla_failed *failed)
{
    NJ_TABLE_REMOVE(sla->failed, failed);
    free(failed->key);
    free(failed);
}

void nj_sla_rollout_remember(struct nj_sla *sla, const struct nj_incident *incident)
{
    NJ_CLEANUP_FREE char *key = key_of(incident->namespace, incident->workload_kind, incident->workload);
    add_failed(sla, key);
}

/* --- last words */

static void drop_words(struct nj_sla *sla, struct nj_sla_words *words)
{
    NJ_TABLE_REMOVE(sla->words, words);
    free(words->key);
    free(words->pod);
    free(words->crash_id);
    free(words->text);
    free(words);
}

void nj_sla_rollout_words(struct nj_sla *sla, const struct nj_event *event)
{
    const struct nj_subject *subject = &event->subject;
    struct nj_sla_words *words = NULL;
    if (!nj_rollouts_is_new_pod(sla->rollouts, subject->namespace, subject->workload_kind, subject->workload,
                                subject->pod))
        return;
    char *key = key_of(subject->namespace, subject->workload_kind, subject->workload);
    HASH_FIND_STR(sla->words, key, words);
    if (words != NULL)
        drop_words(sla, words);
    else if (HASH_COUNT(sla->words) >= WORDS_MAX)
        drop_words(sla, sla->words);
    words = NJ_NEW(struct nj_sla_words);
    words->key = key;
    words->pod = nj_strdup(subject->pod);
    words->crash_id = nj_strdup(event->id);
    words->text = nj_strdup(event->crash.message);
    HASH_ADD_KEYPTR(hh, sla->words, words->key, strlen(words->key), words);
}

/* --- events */

static struct nj_sla_rollout *find_running(const struct nj_sla *sla, int64_t id)
{
    struct nj_sla_rollout *found = NULL;
    HASH_FIND(hh, sla->running, &id, sizeof(id), found);
    return found;
}

static void tell(struct nj_sla *sla, const struct nj_rollout *rollout, bool over)
{
    char id[NJ_EVENT_ID_MAX], number[24];
    const struct nj_sla_words *words = NULL;
    NJ_CLEANUP_FREE char *key = key_of(rollout->namespace, rollout->workload_kind, rollout->workload);
    HASH_FIND_STR(sla->words, key, words);
    bool spoke =
        words != NULL && nj_rollouts_is_new_pod(sla->rollouts, rollout->namespace, rollout->workload_kind,
                                                rollout->workload, words->pod);
    (void)snprintf(number, sizeof(number), "%lld", (long long)rollout->id);
    struct nj_event event = {.at_ns = over ? nj_sla_time(sla) : rollout->failed_ns,
                             .seen_ns = nj_sla_time(sla),
                             .type = NJ_EVENT_ROLLOUT_FAILED,
                             .subject = {.namespace = rollout->namespace,
                                         .pod = "",
                                         .pod_uid = "",
                                         .node = "",
                                         .workload_kind = rollout->workload_kind,
                                         .workload = rollout->workload,
                                         .container = ""},
                             .rollout = {.over = over,
                                         .revision = rollout->revision,
                                         .from_revision = rollout->from_revision,
                                         .template_hash = rollout->template_hash,
                                         .images = rollout->images,
                                         .from_images = rollout->from_images,
                                         .difference = rollout->difference,
                                         .reason = rollout->reason,
                                         .message = rollout->message,
                                         .pod = spoke ? words->pod : "",
                                         .crash_id = spoke ? words->crash_id : "",
                                         .down = nj_sla_is_down(sla, rollout->namespace,
                                                                rollout->workload_kind, rollout->workload),
                                         .outage_ns = rollout->outage_ns,
                                         .began_ns = rollout->began_ns}};
    event.id = nj_event_id(id, "rollout", sla->cluster, rollout->namespace, rollout->workload_kind,
                           rollout->workload, number, over ? "over" : "failed", NULL);
    nj_sla_flush(sla);
    sla->options.on_event(sla->options.data, &event);
}

/* Once what came of rolling it back is known: one message says both. */
static void tell_failure(struct nj_sla *sla, struct nj_sla_rollout *running, const struct nj_rollout *rollout)
{
    running->waits_ns = 0;
    running->told_ns = nj_sla_time(sla);
    tell(sla, rollout, false);
    nj_rollouts_set_told(sla->rollouts, rollout->id);
}

void nj_sla_rolled_back(void *data, const struct nj_rollback_result *result)
{
    struct nj_sla *sla = data;
    NJ_CLEANUP_FREE char *key = key_of(result->namespace, result->workload_kind, result->workload);
    if (result->rolled_back)
        nj_info("sla", "rollout %" PRId64 " of %s: %s", result->rollout, key, result->text);
    else
        nj_warn("sla", "rollout %" PRId64 " of %s: %s", result->rollout, key, result->text);
    nj_rollouts_set_rollback(sla->rollouts, result->rollout, result->text);
    struct nj_sla_rollout *running = find_running(sla, result->rollout);
    const struct nj_rollout *rollout = nj_rollouts_find(sla->rollouts, result->rollout);
    if (running != NULL && rollout != NULL && running->waits_ns > 0)
        tell_failure(sla, running, rollout);
    else if (rollout != NULL && rollout->ended_ns > 0 && find_failed(sla, key) != NULL)
        tell(sla, rollout, false); /* the watch told the template that came back before */
    nj_sla_flush(sla);
}

static void tell_trackers(struct nj_sla *sla, const struct nj_rollout *rollout,
                          enum nj_tracker_fact_kind kind, int64_t at_ns)
{
    char reference[32];
    NJ_CLEANUP_FREE char *detail = describe(rollout);
    (void)snprintf(reference, sizeof(reference), "rollout/%lld", (long long)rollout->id);
    const struct nj_tracker_fact fact = {.kind = kind,
                                         .at_ns = at_ns,
                                         .namespace = rollout->namespace,
                                         .workload_kind = rollout->workload_kind,
                                         .workload = rollout->workload,
                                         .detail = detail,
                                         .reference = reference};
    nj_sla_fact(sla, &fact);
}

/* --- the table of those that go on */

static void set_allowance(struct nj_sla *sla, struct nj_sla_rollout *running)
{
    enum nj_workloads_kind kind;
    const struct nj_workloads_item *item = NULL;
    if (sla->workloads != NULL && nj_workloads_kind_parse(running->kind, &kind) == 0)
        item = nj_workloads_find(sla->workloads, kind, running->namespace, running->workload);
    if (item == NULL)
        return;
    running->allowance_ns = nj_rollouts_allowance_ns(item->object);
    running->deadline_ns = item->object->progress_deadline_seconds * NJ_SEC;
    running->by_hand = nj_streq(item->object->strategy, "OnDelete");
}

static struct nj_sla_rollout *add_running(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    struct nj_sla_rollout *running = NJ_NEW(struct nj_sla_rollout);
    running->id = rollout->id;
    running->namespace = nj_strdup(rollout->namespace);
    running->kind = nj_strdup(rollout->workload_kind);
    running->workload = nj_strdup(rollout->workload);
    running->template_hash = nj_strdup(rollout->template_hash);
    running->began_ns = rollout->began_ns;
    HASH_ADD(hh, sla->running, id, sizeof(running->id), running);
    return running;
}

static void drop_running(struct nj_sla *sla, struct nj_sla_rollout *running)
{
    NJ_TABLE_REMOVE(sla->running, running);
    free(running->namespace);
    free(running->kind);
    free(running->workload);
    free(running->template_hash);
    nj_sla_rollout_services_forget(running);
    free(running);
}

/* A new one. One that changes by hand explains nothing by having begun: its pods' ends are told as what they
 * are, deletions. */
static struct nj_sla_rollout *take_new(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    struct nj_sla_rollout *running = add_running(sla, rollout);
    set_allowance(sla, running);
    running->explains = !running->by_hand;
    if (running->explains)
        tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_BEGAN, rollout->began_ns);
    return running;
}

/* What an earlier process patched before it ended, and told nobody. */
static void take_own(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    const struct nj_sla_rollout *other = NULL;
    if (!nj_streq(rollout->changed_by, NJ_ROLLBACK_MANAGER))
        return;
    for (other = sla->running; other != NULL; other = other->hh.next) {
        if (other->failed && !other->considered && other->id != rollout->id &&
            nj_streq(other->namespace, rollout->namespace) && nj_streq(other->kind, rollout->workload_kind) &&
            nj_streq(other->workload, rollout->workload))
            break;
    }
    if (other == NULL)
        return;
    NJ_CLEANUP_FREE char *text = nj_asprintf("rolled back, now as revision %s", revision_text(rollout));
    const struct nj_rollback_result result = {.rollout = other->id,
                                              .namespace = rollout->namespace,
                                              .workload_kind = rollout->workload_kind,
                                              .workload = rollout->workload,
                                              .rolled_back = true,
                                              .text = text};
    nj_sla_rolled_back(sla, &result);
}

static void take_failure(struct nj_sla *sla, struct nj_sla_rollout *running, const struct nj_rollout *rollout)
{
    NJ_CLEANUP_FREE char *key = key_of(rollout->namespace, rollout->workload_kind, rollout->workload);
    bool goes_on = sla->workloads != NULL && rollout->ended_ns == 0;
    running->failed = true;
    running->considered = true;
    tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_FAILED, rollout->failed_ns);
    add_failed(sla, key);
    if (goes_on && rollout->difference[0] == '\0') /* it could not be had when it began */
        nj_sla_template_fetch(sla, rollout);
    running->waits_ns = nj_sla_time(sla);
    if (!goes_on || !nj_rollback_consider(sla->rollback, sla->workloads, rollout))
        tell_failure(sla, running, rollout);
}

static void take_end(struct nj_sla *sla, struct nj_sla_rollout *running, const struct nj_rollout *rollout)
{
    NJ_CLEANUP_FREE char *key = key_of(rollout->namespace, rollout->workload_kind, rollout->workload);
    struct nj_sla_failed *failed = find_failed(sla, key);
    running->ended_ns = rollout->ended_ns;
    if (running->waits_ns > 0)
        tell_failure(sla, running, rollout);
    nj_counter_add(sla->rollouts_total[rollout->outcome], 1);
    tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_DONE, rollout->ended_ns);
    if (failed != NULL && rollout->outcome == NJ_ROLLOUT_DONE) {
        tell(sla, rollout, true);
        drop_failed(sla, failed);
    }
}

static void on_rollout(void *data, const struct nj_rollout *rollout)
{
    struct nj_sla *sla = data;
    struct nj_sla_rollout *running = find_running(sla, rollout->id);
    bool is_new = running == NULL;
    nj_sla_write_rollout(sla, rollout);
    nj_rollback_note(sla->rollback, rollout);
    if (is_new && rollout->ended_ns > 0) /* more is known of one that has ended long ago */
        return;
    if (is_new)
        running = take_new(sla, rollout);
    else
        set_allowance(sla, running);
    if (!nj_streq(running->template_hash, rollout->template_hash)) {
        free(running->template_hash);
        running->template_hash = nj_strdup(rollout->template_hash);
    }
    if (running->updated != rollout->updated) {
        running->updated = rollout->updated;
        running->changed_ns = nj_sla_time(sla);
    }
    if (is_new) {
        nj_sla_rollout_services_look_at(sla, running);
        take_own(sla, rollout);
    }
    if (rollout->failed_ns > 0 && !running->failed)
        take_failure(sla, running, rollout);
    else if (running->failed && rollout->ended_ns == 0 && running->waits_ns == 0)
        tell(sla, rollout, false); /* more is known: what differs, the last words, what came of a rollback */
    if (rollout->ended_ns > 0 && running->ended_ns == 0)
        take_end(sla, running, rollout);
    sla->held_changed = true;
}

static void on_difference_wanted(void *data, const struct nj_rollout *rollout)
{
    nj_sla_template_fetch(data, rollout);
}

/* One that failed, and is to be told: rolling it back takes its time, or an earlier process ended before it
 * was rolled back, or told. */
static void resume(struct nj_sla *sla, struct nj_sla_rollout *running)
{
    const struct nj_rollout *rollout = nj_rollouts_find(sla->rollouts, running->id);
    if (running->allowance_ns == 0) /* loaded, before its workload was known */
        set_allowance(sla, running);
    if (rollout != NULL && running->by_hand && running->explains) {
        running->explains = false;
        tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_DONE, nj_sla_time(sla));
    }
    if (rollout == NULL || !running->failed)
        return;
    if (!running->considered) {
        running->considered = true;
        running->waits_ns = rollout->told ? 0 : nj_sla_time(sla);
        if (!nj_rollback_resume(sla->rollback, sla->workloads, rollout) && !rollout->told)
            tell_failure(sla, running, rollout);
    } else if (running->waits_ns > 0 && nj_sla_time(sla) - running->waits_ns > WAIT_NS) {
        tell_failure(sla, running, rollout);
    }
}

bool nj_sla_rollout_holds(const struct nj_sla *sla, const struct nj_sla_rollout *rollout)
{
    int64_t allowance_ns =
        rollout->allowance_ns > NJ_ROLLOUTS_ALLOWANCE_NS ? rollout->allowance_ns : NJ_ROLLOUTS_ALLOWANCE_NS;
    return !rollout->by_hand ||
           (rollout->changed_ns > 0 && nj_sla_time(sla) - rollout->changed_ns <= allowance_ns);
}

void nj_sla_rollouts_tick(struct nj_sla *sla)
{
    struct nj_sla_rollout *running = NULL, *next = NULL;
    int64_t now_ns = nj_sla_time(sla);
    nj_rollouts_tick(sla->rollouts, now_ns);
    nj_sla_rollout_services_look(sla);
    HASH_ITER (hh, sla->running, running, next) {
        if (running->ended_ns == 0) {
            resume(sla, running);
            continue;
        }
        if (now_ns - running->ended_ns <= NJ_SUPPRESS_SETTLE_NS)
            continue;
        drop_running(sla, running);
        sla->held_changed = true;
    }
}

/* --- the start */

/* The core begins with the next id, which is known when all was read. */
struct loading {
    struct nj_rollout *items;
    size_t count;
};

static void copy_rollout(struct nj_rollout *copy, const struct nj_rollout *rollout)
{
    *copy = *rollout;
    const char **texts[] = {
        &copy->cluster,       &copy->namespace,     &copy->workload_kind, &copy->workload, &copy->revision,
        &copy->from_revision, &copy->template_hash, &copy->from_hash,     &copy->images,   &copy->from_images,
        &copy->difference,    &copy->changed_by,    &copy->change_cause,  &copy->reason,   &copy->message};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = nj_strdup(*texts[i]);
}

static void free_rollout(struct nj_rollout *copy)
{
    const char *texts[] = {copy->cluster,      copy->namespace,     copy->workload_kind, copy->workload,
                           copy->revision,     copy->from_revision, copy->template_hash, copy->from_hash,
                           copy->images,       copy->from_images,   copy->difference,    copy->changed_by,
                           copy->change_cause, copy->reason,        copy->message};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free((char *)texts[i]);
}

static void keep(void *data, const struct nj_rollout *rollout)
{
    struct loading *loading = data;
    loading->items = nj_realloc(loading->items, loading->count + 1, sizeof(*loading->items));
    copy_rollout(&loading->items[loading->count++], rollout);
}

/* What goes on is the cause of what it brings, as before. */
static void load(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    nj_rollouts_load(sla->rollouts, rollout);
    nj_rollback_note(sla->rollback, rollout);
    if (rollout->ended_ns > 0)
        return;
    /* Whether its pods change by hand is not known before the workload is. */
    struct nj_sla_rollout *running = add_running(sla, rollout);
    running->updated = rollout->updated;
    running->explains = true;
    tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_BEGAN, rollout->began_ns);
    if (rollout->failed_ns == 0)
        return;
    running->failed = true;
    running->told_ns = rollout->told ? rollout->failed_ns : 0;
    tell_trackers(sla, rollout, NJ_FACT_ROLLOUT_FAILED, rollout->failed_ns);
}

int nj_sla_rollouts_start(struct nj_sla *sla, struct nj_err *err)
{
    struct loading loading = {0};
    struct nj_store *store = sla->options.store;
    int64_t next_id = 1;
    int rc = store->ops->load_rollouts(store, sla->cluster, &next_id, keep, &loading, err);
    const struct nj_rollouts_options options = {.cluster = sla->cluster,
                                                .max_rollouts = NJ_SLA_ROLLOUTS_MAX,
                                                .on_rollout = on_rollout,
                                                .on_difference_wanted = on_difference_wanted,
                                                .data = sla};
    sla->rollouts = nj_rollouts_new(&options, next_id);
    for (size_t i = 0; i < loading.count; i++) {
        if (rc == 0)
            load(sla, &loading.items[i]);
        free_rollout(&loading.items[i]);
    }
    free(loading.items);
    return rc;
}

void nj_sla_rollouts_done(struct nj_sla *sla)
{
    struct nj_sla_rollout *running = NULL, *next_running = NULL;
    struct nj_sla_failed *failed = NULL, *next_failed = NULL;
    struct nj_sla_words *words = NULL, *next_words = NULL;
    HASH_ITER (hh, sla->running, running, next_running)
        drop_running(sla, running);
    HASH_ITER (hh, sla->failed, failed, next_failed)
        drop_failed(sla, failed);
    HASH_ITER (hh, sla->words, words, next_words)
        drop_words(sla, words);
    nj_rollouts_free(sla->rollouts);
}
