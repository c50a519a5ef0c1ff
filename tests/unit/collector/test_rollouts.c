/*
 * Rollouts: of the recorded session, of StatefulSets and DaemonSets, and of random histories that a slow
 * reference judges afterwards.
 */
#include "collector/sla/rollouts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cluster/workloads_internal.h"
#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

enum { STORED_MAX = 512, LINES_MAX = 1024 };

/* A core with what a store keeps of it. */
struct bench {
    struct nj_workloads *workloads;
    struct nj_rollouts *rollouts;
    struct nj_rollouts_record *stored[STORED_MAX]; /* by id */
    int wanted[STORED_MAX];                        /* differences */
    size_t max_rollouts;
    bool closing;
};

static void on_rollout(void *data, const struct nj_rollout *rollout)
{
    struct bench *bench = data;
    assert_in_range(rollout->id, 1, STORED_MAX - 1);
    assert_string_equal(rollout->cluster, "lab");
    assert_true(rollout->began_ns > 0);
    assert_true((rollout->ended_ns == 0) ==
                (rollout->outcome == NJ_ROLLOUT_RUNNING ||
                 (rollout->outcome == NJ_ROLLOUT_FAILED && rollout->ended_ns == 0)));
    assert_true((rollout->failed_ns != 0) == (rollout->reason[0] != '\0'));
    nj_rollouts_record_free(bench->stored[rollout->id]);
    bench->stored[rollout->id] = nj_rollouts_record_new(rollout);
}

static void on_wanted(void *data, const struct nj_rollout *rollout)
{
    struct bench *bench = data;
    assert_in_range(rollout->id, 1, STORED_MAX - 1);
    bench->wanted[rollout->id]++;
}

static void on_change(void *data, const struct nj_workloads_item *before,
                      const struct nj_workloads_item *after, int64_t at_ns)
{
    struct bench *bench = data;
    nj_rollouts_change(bench->rollouts, bench->workloads, before, after, at_ns);
}

static void open_core(struct bench *bench)
{
    struct nj_rollouts_options options = {.cluster = "lab",
                                          .max_rollouts = bench->max_rollouts,
                                          .on_rollout = on_rollout,
                                          .on_difference_wanted = on_wanted,
                                          .data = bench};
    bench->rollouts = nj_rollouts_new(&options, 1);
}

static void begin_bench(struct bench *bench)
{
    struct nj_workloads_options workloads = {.max_objects = 1000, .on_change = on_change, .data = bench};
    *bench = (struct bench){.max_rollouts = 100};
    bench->workloads = nj_workloads_new(&workloads);
    open_core(bench);
}

static void end_bench(struct bench *bench)
{
    nj_rollouts_free(bench->rollouts);
    nj_workloads_free(bench->workloads);
    for (size_t i = 0; i < STORED_MAX; i++)
        nj_rollouts_record_free(bench->stored[i]);
}

static int setup(void **state)
{
    struct bench *bench = NJ_NEW(struct bench);
    begin_bench(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    end_bench(*state);
    free(*state);
    return 0;
}

static const struct nj_rollout *stored(const struct bench *bench, int64_t id)
{
    return bench->stored[id] == NULL ? NULL : &bench->stored[id]->view;
}

static int count_stored(const struct bench *bench)
{
    int count = 0;
    for (size_t i = 0; i < STORED_MAX; i++)
        count += bench->stored[i] != NULL;
    return count;
}

struct again {
    struct bench *bench;
    int64_t at_ns;
};

static void tell_again(void *data, const struct nj_workloads_item *item)
{
    struct again *again = data;
    nj_rollouts_change(again->bench->rollouts, again->bench->workloads, NULL, item, again->at_ns);
}

/* The collector starts anew with what was stored, and lists the cluster. */
static void restart(struct bench *bench, int64_t at_ns)
{
    struct again again = {bench, at_ns};
    nj_rollouts_free(bench->rollouts);
    open_core(bench);
    for (size_t i = 0; i < STORED_MAX; i++) {
        if (bench->stored[i] != NULL)
            nj_rollouts_load(bench->rollouts, &bench->stored[i]->view);
    }
    nj_workloads_each(bench->workloads, tell_again, &again);
    nj_rollouts_synced(bench->rollouts, bench->workloads, at_ns);
}

static int64_t time_of(const char *text)
{
    int64_t ns = 0;
    assert_int_equal(0, nj_time_parse(text, strlen(text), &ns));
    return ns;
}

static void assert_near(int64_t ns, const char *text, int64_t within_ms)
{
    int64_t expected = time_of(text);
    int64_t apart = ns > expected ? ns - expected : expected - ns;
    if (apart > within_ms * NJ_MS)
        fail_msg("%" PRId64 " ms from %s", (ns - expected) / NJ_MS, text);
}

/* ---- the recorded session */

struct line {
    int64_t at_ns;
    enum nj_kube_kind kind;
    const char *event;
    size_t len;
};

struct recording {
    struct nj_buf files[4];
    struct line lines[LINES_MAX];
    size_t count;
};

static void read_file(const char *resource, const char *name, struct nj_buf *out)
{
    char path[512], piece[65536];
    size_t got;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", NJ_RECORDINGS, resource, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        assert_int_equal(nj_buf_append(out, piece, got), 0);
    assert_int_equal(fclose(file), 0);
}

static void read_watch(struct recording *recording, struct nj_buf *file, enum nj_kube_kind kind)
{
    static const char at[] = "{\"at\":\"", event[] = "\"event\":";
    for (char *line = file->data; line != NULL && line < file->data + file->len;) {
        char *newline = memchr(line, '\n', (size_t)(file->data + file->len - line));
        size_t len = (size_t)((newline == NULL ? file->data + file->len : newline) - line);
        char *found = memmem(line, len, event, sizeof(event) - 1);
        char *quote = memchr(line + sizeof(at) - 1, '"', len);
        assert_true(found != NULL && quote != NULL && recording->count < LINES_MAX);
        struct line *to = &recording->lines[recording->count++];
        *to = (struct line){.kind = kind, .event = found + sizeof(event) - 1};
        to->len = (size_t)(line + len - 1 - to->event); /* without the closing brace */
        assert_int_equal(
            0, nj_time_parse(line + sizeof(at) - 1, (size_t)(quote - line) - sizeof(at) + 1, &to->at_ns));
        line = newline == NULL ? NULL : newline + 1;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns ? 1 : x->event < y->event ? -1 : 1;
}

static void open_recording(struct recording *recording)
{
    *recording = (struct recording){.count = 0};
    read_file("deployments", "list.json", &recording->files[0]);
    read_file("replicasets", "list.json", &recording->files[1]);
    read_file("deployments", "watch.ndjson", &recording->files[2]);
    read_file("replicasets", "watch.ndjson", &recording->files[3]);
    read_watch(recording, &recording->files[2], NJ_KUBE_DEPLOYMENT);
    read_watch(recording, &recording->files[3], NJ_KUBE_REPLICA_SET);
    assert_true(recording->count > 200);
    qsort(recording->lines, recording->count, sizeof(recording->lines[0]), by_time);
}

static void close_recording(struct recording *recording)
{
    for (size_t i = 0; i < 4; i++)
        nj_buf_done(&recording->files[i]);
}

static int take_listed(void *data, const struct nj_kube_object *object)
{
    struct bench *bench = data;
    nj_workloads_take(bench->workloads, NJ_WATCH_ADDED, object, time_of("2026-11-21T09:13:20Z"));
    return 0;
}

static void take_list(struct bench *bench, const struct nj_buf *bytes, enum nj_kube_kind kind)
{
    struct nj_list_decoder *decoder =
        nj_list_decoder_new(NJ_KUBE_JSON, kind, (size_t)4 << 20, take_listed, bench);
    assert_int_equal(nj_list_decoder_feed(decoder, bytes->data, bytes->len, NULL), 0);
    nj_list_decoder_free(decoder);
}

static void take_lists(struct bench *bench, const struct recording *recording)
{
    take_list(bench, &recording->files[0], NJ_KUBE_DEPLOYMENT);
    take_list(bench, &recording->files[1], NJ_KUBE_REPLICA_SET);
    nj_rollouts_synced(bench->rollouts, bench->workloads, time_of("2026-11-21T09:13:20Z"));
}

static void take_line(struct bench *bench, const struct line *line, int64_t at_ns)
{
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_kube_status status;
    enum nj_watch_event_type type;
    struct nj_err err = {0};
    nj_arena_init(&arena, 4 << 20);
    if (nj_kube_decode_event(NJ_KUBE_JSON, line->kind, line->event, line->len, &arena, &type, &object,
                             &status, &err) < 0)
        fail_msg("%s", err.text);
    if (type != NJ_WATCH_BOOKMARK)
        nj_workloads_take(bench->workloads, type, &object, at_ns);
    nj_arena_done(&arena);
}

#define WEB "shop", "Deployment", "web"

static void assert_recorded(const struct bench *bench)
{
    const struct nj_rollout *good = stored(bench, 1), *bad = stored(bench, 2), *undo = stored(bench, 3);
    assert_int_equal(count_stored(bench), 3);
    for (int i = 1; i <= 3; i++)
        assert_string_equal(stored(bench, i)->workload, "web");

    assert_int_equal(good->outcome, NJ_ROLLOUT_DONE);
    assert_near(good->began_ns, "2026-11-21T09:14:21.8Z", 20);
    assert_near(good->ended_ns, "2026-11-21T09:14:24.042Z", 1);
    assert_int_equal(good->failed_ns, 0);
    assert_string_equal(good->revision, "2");
    assert_string_equal(good->from_revision, "1");
    assert_string_equal(good->template_hash, "5694fcdf4f");
    assert_string_equal(good->from_hash, "599f48dd69");
    assert_string_equal(good->changed_by, "kubectl-set");
    assert_int_equal(good->min_available, 2);

    assert_near(bad->began_ns, "2026-11-21T09:17:02.3Z", 50);
    assert_near(bad->ended_ns, "2026-11-21T09:17:52.4Z", 100);
    assert_int_equal(bad->outcome, NJ_ROLLOUT_ROLLED_BACK);
    assert_true(bad->failed_ns != 0 && bad->failed_ns <= bad->ended_ns);
    assert_string_equal(bad->revision, "3");
    assert_string_equal(bad->from_revision, "2");
    assert_int_equal(bad->min_available, 0);

    assert_int_equal(undo->outcome, NJ_ROLLOUT_DONE);
    assert_near(undo->began_ns, "2026-11-21T09:17:52.4Z", 100);
    assert_near(undo->ended_ns, "2026-11-21T09:17:53.68Z", 10);
    assert_int_equal(undo->failed_ns, 0);
    assert_string_equal(undo->template_hash, "5694fcdf4f");
    for (int i = 1; i <= 3; i++)
        assert_true(bench->wanted[i] >= 1);
}

static void the_recorded_rollouts_are_three_and_the_scalings_none(void **state)
{
    struct bench *bench = *state;
    struct recording recording;
    open_recording(&recording);
    take_lists(bench, &recording);
    for (size_t i = 0; i < recording.count; i++)
        take_line(bench, &recording.lines[i], recording.lines[i].at_ns);
    assert_recorded(bench);
    assert_string_equal(stored(bench, 2)->reason, "RolledBack");
    assert_null(nj_rollouts_running(bench->rollouts, WEB));
    assert_int_equal(nj_rollouts_count(bench->rollouts), 0);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(bench->wanted[i], 1);
    close_recording(&recording);
}

/* Watches of different kinds are in no order among each other. */
static void replica_sets_may_come_later_or_earlier(void **state)
{
    (void)state;
    struct recording recording;
    open_recording(&recording);
    for (int late = 0; late < 2; late++) {
        struct bench bench;
        struct line *lines = nj_calloc(recording.count, sizeof(*lines));
        memcpy(lines, recording.lines, recording.count * sizeof(*lines));
        for (size_t i = 0; i < recording.count; i++) {
            if (lines[i].kind == (late ? NJ_KUBE_REPLICA_SET : NJ_KUBE_DEPLOYMENT))
                lines[i].at_ns += 60 * NJ_MS;
        }
        qsort(lines, recording.count, sizeof(lines[0]), by_time);
        begin_bench(&bench);
        take_lists(&bench, &recording);
        for (size_t i = 0; i < recording.count; i++)
            take_line(&bench, &lines[i],
                      lines[i].at_ns - (lines[i].kind == NJ_KUBE_DEPLOYMENT && !late ? 60 * NJ_MS : 0));
        assert_recorded(&bench);
        end_bench(&bench);
        free(lines);
    }
    close_recording(&recording);
}

static void a_restart_at_any_step_makes_no_difference(void **state)
{
    (void)state;
    struct recording recording;
    open_recording(&recording);
    for (size_t at = 0; at < recording.count; at++) {
        /* Only what is about the rollouts' workload can matter. */
        if (memmem(recording.lines[at].event, 400, "\"name\":\"web", 11) == NULL)
            continue;
        struct bench bench;
        begin_bench(&bench);
        take_lists(&bench, &recording);
        for (size_t i = 0; i < recording.count; i++) {
            take_line(&bench, &recording.lines[i], recording.lines[i].at_ns);
            if (i == at)
                restart(&bench, recording.lines[i].at_ns);
        }
        assert_recorded(&bench);
        end_bench(&bench);
    }
    close_recording(&recording);
}

static void an_outage_that_outlasts_the_allowance_is_a_failure_at_once(void **state)
{
    struct bench *bench = *state;
    struct recording recording;
    int64_t down_ns = time_of("2026-11-21T09:17:02.404Z"), up_ns = time_of("2026-11-21T09:17:53.646Z");
    bool down = false, up = false;
    int64_t tick_ns = 0;
    open_recording(&recording);
    take_lists(bench, &recording);
    for (size_t i = 0; i < recording.count; i++) {
        int64_t at_ns = recording.lines[i].at_ns;
        for (tick_ns = tick_ns == 0 ? at_ns : tick_ns; tick_ns < at_ns; tick_ns += NJ_SEC) {
            if (!down && tick_ns > down_ns)
                nj_rollouts_service(bench->rollouts, WEB, false, 30 * NJ_SEC, down_ns);
            down = down || tick_ns > down_ns;
            nj_rollouts_tick(bench->rollouts, tick_ns);
        }
        if (!up && at_ns > up_ns) {
            up = true;
            nj_rollouts_service(bench->rollouts, WEB, true, 30 * NJ_SEC, up_ns);
        }
        take_line(bench, &recording.lines[i], at_ns);
    }
    assert_recorded(bench);
    const struct nj_rollout *bad = stored(bench, 2), *undo = stored(bench, 3);
    assert_string_equal(bad->reason, "Outage");
    assert_near(bad->failed_ns, "2026-11-21T09:17:33Z", 1500);
    assert_non_null(strstr(bad->message, "not been available for 30s"));
    /* The outage is counted to the one that it falls into. */
    assert_in_range(bad->outage_ns, 49 * NJ_SEC, 51 * NJ_SEC);
    assert_in_range(undo->outage_ns, NJ_SEC, 2 * NJ_SEC);
    assert_int_equal(stored(bench, 1)->outage_ns, 0);
    close_recording(&recording);
}

/* ---- made-up ones */

static void take(struct bench *bench, enum nj_watch_event_type type, enum nj_kube_kind kind, const char *text,
                 int64_t at_ns)
{
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_err err = {0};
    nj_arena_init(&arena, 1 << 20);
    if (nj_kube_decode(NJ_KUBE_JSON, kind, text, strlen(text), &arena, &object, &err) < 0)
        fail_msg("%s: %s", err.text, text);
    nj_workloads_take(bench->workloads, type, &object, at_ns);
    nj_arena_done(&arena);
}

struct deployment {
    int revision, generation, observed, desired, replicas, updated, available;
    const char *image;
    const char *condition; /* more of the status; "" */
};

static void put_deployment(struct bench *bench, const struct deployment *d, int64_t at_ns)
{
    char text[2048];
    (void)snprintf(
        text, sizeof(text),
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u\",\"generation\":%d,"
        "\"annotations\":{\"deployment.kubernetes.io/revision\":\"%d\"}},\"spec\":{\"replicas\":%d,"
        "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}},\"status\":{"
        "\"observedGeneration\":%d,\"replicas\":%d,\"updatedReplicas\":%d,\"availableReplicas\":%d%s}}",
        d->generation, d->revision, d->desired, d->image, d->observed, d->replicas, d->updated, d->available,
        d->condition == NULL ? "" : d->condition);
    take(bench, NJ_WATCH_MODIFIED, NJ_KUBE_DEPLOYMENT, text, at_ns);
}

static void put_replica_set(struct bench *bench, const char *hash, int revision, int created_s, int available,
                            int64_t at_ns)
{
    char text[1024];
    (void)snprintf(
        text, sizeof(text),
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-%s\",\"uid\":\"%s\",\"creationTimestamp\":"
        "\"2026-11-21T%02d:%02d:%02dZ\",\"labels\":{\"pod-template-hash\":\"%s\"},\"annotations\":{"
        "\"deployment.kubernetes.io/revision\":\"%d\"},\"ownerReferences\":[{\"kind\":\"Deployment\","
        "\"name\":\"web\",\"controller\":true}]},\"status\":{\"availableReplicas\":%d}}",
        hash, hash, created_s / 3600, created_s / 60 % 60, created_s % 60, hash, revision, available);
    take(bench, NJ_WATCH_MODIFIED, NJ_KUBE_REPLICA_SET, text, at_ns);
}

static int64_t second(int s)
{
    return time_of("2026-11-21T00:00:00Z") + s * NJ_SEC;
}

#define SETTLED(rev, gen)                                                                                    \
    &(struct deployment)                                                                                     \
    {                                                                                                        \
        .revision = (rev), .generation = (gen), .observed = (gen), .desired = 2, .replicas = 2,              \
        .updated = 2, .available = 2, .image = "web:1"                                                       \
    }

/* Revision 1 stands; 2 is rolled out from second 10 on. */
static void begin_rollout(struct bench *bench)
{
    put_replica_set(bench, "aaa", 1, 1, 2, second(1));
    put_deployment(bench, SETTLED(1, 1), second(1));
    nj_rollouts_synced(bench->rollouts, bench->workloads, second(2));
    put_replica_set(bench, "bbb", 2, 10, 0, second(10));
    put_deployment(bench,
                   &(struct deployment){.revision = 2,
                                        .generation = 2,
                                        .observed = 2,
                                        .desired = 2,
                                        .replicas = 3,
                                        .updated = 1,
                                        .available = 2,
                                        .image = "web:2"},
                   second(10));
    assert_non_null(nj_rollouts_running(bench->rollouts, WEB));
}

static int64_t trouble(struct bench *bench, const char *pod, const char *reason, int s)
{
    return nj_rollouts_pod_trouble(bench->rollouts, WEB, pod, reason, "FATAL: no config", second(s));
}

static void new_pods_that_crash_again_and_again_are_a_failure(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    assert_string_equal(stored(bench, 1)->images, "c=web:2");
    assert_string_equal(stored(bench, 1)->from_images, "c=web:1");
    assert_int_equal(trouble(bench, "web-aaa-x1", "Error", 11), 0); /* an old one's crash is its own */
    assert_int_equal(trouble(bench, "web-bbb-x1", "Error", 12), 1);
    assert_int_equal(trouble(bench, "web-bbb-x2", "Error", 13), 1);
    assert_int_equal(trouble(bench, "web-bbb-x1", "Error", 14), 1);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    assert_int_equal(trouble(bench, "web-bbb-x1", "Error", 15), 1);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_FAILED);
    assert_int_equal(stored(bench, 1)->crashes, 4);
    assert_int_equal(stored(bench, 1)->failed_ns, second(15));
    assert_string_equal(stored(bench, 1)->reason, "CrashLoop");
    assert_string_equal(stored(bench, 1)->message,
                        "pod web-bbb-x1 crashes again and again (Error): FATAL: no config");
    nj_rollouts_set_told(bench->rollouts, 1);
    assert_true(stored(bench, 1)->told);
    /* It gets done after all. */
    put_deployment(bench, SETTLED(2, 2), second(60));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    assert_int_equal(stored(bench, 1)->failed_ns, second(15));
    assert_int_equal(trouble(bench, "web-bbb-x1", "Error", 61), 0);
}

static void what_cannot_start_is_a_failure_at_once(void **state)
{
    static const struct {
        const char *reason, *told;
    } rows[] = {{"CrashLoopBackOff", "CrashLoop"},
                {"ImagePullBackOff", "ImagePullBackOff"},
                {"CreateContainerConfigError", "CreateContainerConfigError"},
                {NJ_ROLLOUT_CHECK_FAILED, "CheckFailed"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;
        begin_bench(&bench);
        begin_rollout(&bench);
        assert_int_equal(trouble(&bench, "web-bbb-x1", "Unschedulable", 11), 1);
        assert_int_equal(stored(&bench, 1)->failed_ns, 0);
        assert_int_equal(trouble(&bench, "web-bbb-x1", rows[i].reason, 12), 1);
        assert_string_equal(stored(&bench, 1)->reason, rows[i].told);
        assert_int_equal(stored(&bench, 1)->failed_ns, second(12));
        end_bench(&bench);
    }
}

static void the_deadline_is_the_deployments_own(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    struct deployment late = {.revision = 2,
                              .generation = 2,
                              .observed = 2,
                              .desired = 2,
                              .replicas = 3,
                              .updated = 1,
                              .available = 2,
                              .image = "web:2",
                              .condition =
                                  ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\","
                                  "\"reason\":\"ProgressDeadlineExceeded\",\"message\":\"has timed out\","
                                  "\"lastTransitionTime\":\"2026-11-20T00:00:00Z\"}]"};
    put_deployment(bench, &late, second(20)); /* of the one before */
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    late.condition = ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":"
                     "\"ProgressDeadlineExceeded\",\"message\":\"has timed out\","
                     "\"lastTransitionTime\":\"2026-11-21T00:00:30Z\"}]";
    put_deployment(bench, &late, second(30));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_FAILED);
    assert_string_equal(stored(bench, 1)->reason, "ProgressDeadlineExceeded");
    assert_string_equal(stored(bench, 1)->message, "has timed out");
    nj_rollouts_tick(bench->rollouts, second(4000));
    assert_string_equal(stored(bench, 1)->reason, "ProgressDeadlineExceeded");
}

static void another_template_supersedes_and_is_no_failure(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    put_replica_set(bench, "ccc", 3, 20, 0, second(20));
    put_deployment(bench, SETTLED(3, 3), second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_SUPERSEDED);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    assert_int_equal(stored(bench, 1)->ended_ns, second(20));
    assert_string_equal(stored(bench, 2)->from_revision, "2");
    assert_string_equal(stored(bench, 2)->from_hash, "bbb");
}

static void what_was_undone_after_new_pods_worked_has_not_failed(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    put_replica_set(bench, "bbb", 2, 10, 1, second(15));
    put_replica_set(bench, "aaa", 3, 1, 1, second(20));
    put_deployment(bench, SETTLED(3, 3), second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_ROLLED_BACK);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_DONE);
}

static void whether_it_was_undone_may_be_known_later(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    struct deployment undone = *SETTLED(3, 3);
    undone.observed = 2;
    put_deployment(bench, &undone, second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_SUPERSEDED);
    put_replica_set(bench, "aaa", 3, 1, 2, second(21));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_ROLLED_BACK);
    assert_string_equal(stored(bench, 1)->reason, "RolledBack");
    assert_string_equal(stored(bench, 2)->template_hash, "aaa");
}

static void a_paused_one_goes_on_when_it_is_resumed(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    struct deployment paused = {.revision = 2,
                                .generation = 3,
                                .observed = 3,
                                .desired = 2,
                                .replicas = 3,
                                .updated = 1,
                                .available = 2,
                                .image = "web:3",
                                .condition =
                                    ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"Unknown\","
                                    "\"reason\":\"DeploymentPaused\"}]"};
    put_deployment(bench, &paused, second(20)); /* its template changes while it is paused: nothing yet */
    nj_rollouts_tick(bench->rollouts, second(3000));
    assert_int_equal(count_stored(bench), 1);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    put_deployment(bench, SETTLED(3, 4), second(3001));
    assert_int_equal(count_stored(bench), 2);
    assert_int_equal(stored(bench, 2)->began_ns, second(3001));
}

static void a_replica_set_that_is_made_anew_is_no_rollout(void **state)
{
    struct bench *bench = *state;
    put_replica_set(bench, "aaa", 1, 1, 2, second(1));
    put_deployment(bench, SETTLED(1, 1), second(1));
    put_replica_set(bench, "aaa", 2, 5, 0, second(5));
    put_deployment(bench, SETTLED(2, 1), second(5));
    assert_int_equal(count_stored(bench), 0);
}

static void a_new_workload_and_one_that_is_deleted_are_none(void **state)
{
    struct bench *bench = *state;
    nj_rollouts_synced(bench->rollouts, bench->workloads, second(0));
    struct deployment fresh = {.revision = 1, .generation = 1, .desired = 2, .image = "web:1"};
    put_deployment(bench, &fresh, second(1));
    put_replica_set(bench, "aaa", 1, 1, 0, second(1));
    put_deployment(bench, SETTLED(1, 1), second(5));
    take(bench, NJ_WATCH_DELETED, NJ_KUBE_DEPLOYMENT, "{\"metadata\":{\"uid\":\"u\"}}", second(6));
    assert_int_equal(count_stored(bench), 0);
}

static void deleting_the_workload_ends_its_rollout(void **state)
{
    struct bench *bench = *state;
    begin_rollout(bench);
    take(bench, NJ_WATCH_DELETED, NJ_KUBE_DEPLOYMENT, "{\"metadata\":{\"uid\":\"u\"}}", second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_SUPERSEDED);
    assert_int_equal(stored(bench, 1)->ended_ns, second(20));
    assert_int_equal(nj_rollouts_count(bench->rollouts), 0);
    /* Also while nobody looked. */
    struct bench other;
    begin_bench(&other);
    begin_rollout(&other);
    nj_rollouts_free(other.rollouts);
    open_core(&other);
    nj_rollouts_load(other.rollouts, stored(&other, 1));
    nj_rollouts_synced(other.rollouts, other.workloads, second(30));
    assert_int_equal(stored(&other, 1)->ended_ns, second(30));
    end_bench(&other);
}

static void what_began_while_nobody_looked_is_recognised(void **state)
{
    struct bench *bench = *state;
    struct deployment under_way = {.revision = 2,
                                   .generation = 2,
                                   .observed = 2,
                                   .desired = 2,
                                   .replicas = 3,
                                   .updated = 1,
                                   .available = 2,
                                   .image = "web:2",
                                   .condition =
                                       ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"True\","
                                       "\"reason\":\"ReplicaSetUpdated\"}]"};
    put_deployment(bench, &under_way, second(30));
    put_replica_set(bench, "bbb", 2, 10, 0, second(30));
    put_replica_set(bench, "aaa", 1, 1, 2, second(30));
    nj_rollouts_synced(bench->rollouts, bench->workloads, second(31));
    assert_int_equal(count_stored(bench), 1);
    assert_int_equal(stored(bench, 1)->began_ns, second(10));
    assert_string_equal(stored(bench, 1)->from_revision, "1");
    assert_string_equal(stored(bench, 1)->from_hash, "aaa");
    put_deployment(bench, SETTLED(2, 2), second(40));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    /* A whole one between two runs of the collector. */
    nj_rollouts_free(bench->rollouts);
    bench->rollouts = NULL;
    struct nj_workloads_options options = {.max_objects = 10, .on_change = on_change, .data = bench};
    nj_workloads_free(bench->workloads);
    bench->workloads = nj_workloads_new(&options);
    open_core(bench);
    nj_rollouts_load(bench->rollouts, stored(bench, 1));
    put_deployment(bench, SETTLED(3, 3), second(60));
    put_replica_set(bench, "ccc", 3, 50, 2, second(60));
    nj_rollouts_synced(bench->rollouts, bench->workloads, second(61));
    assert_int_equal(count_stored(bench), 2);
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_DONE);
}

static void the_bound_holds(void **state)
{
    struct bench *bench = *state;
    nj_rollouts_free(bench->rollouts);
    bench->max_rollouts = 0;
    open_core(bench);
    put_deployment(bench, SETTLED(1, 1), second(1));
    put_deployment(bench, SETTLED(2, 2), second(2));
    assert_int_equal(count_stored(bench), 0);
    assert_int_equal(nj_rollouts_left_out(bench->rollouts), 1);
}

/* ---- StatefulSets and DaemonSets */

static void put_stateful_set(struct bench *bench, const char *current, const char *update, int partition,
                             int updated, int ready, int64_t at_ns)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"db\",\"uid\":\"d\",\"generation\":1},"
                   "\"spec\":{\"replicas\":3,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":%d}}},"
                   "\"status\":{\"observedGeneration\":1,\"replicas\":3,\"updatedReplicas\":%d,"
                   "\"readyReplicas\":%d,\"availableReplicas\":%d,\"currentRevision\":\"%s\","
                   "\"updateRevision\":\"%s\"}}",
                   partition, updated, ready, ready, current, update);
    take(bench, NJ_WATCH_MODIFIED, NJ_KUBE_STATEFUL_SET, text, at_ns);
}

#define DB "shop", "StatefulSet", "db"

static void a_stateful_set_changes_from_the_highest_pod_down(void **state)
{
    struct bench *bench = *state;
    put_stateful_set(bench, "db-1", "db-1", 0, 3, 3, second(1));
    put_stateful_set(bench, "db-1", "db-2", 0, 0, 3, second(10));
    put_stateful_set(bench, "db-1", "db-2", 0, 1, 2, second(11));
    const struct nj_rollout *running = nj_rollouts_running(bench->rollouts, DB);
    assert_non_null(running);
    assert_string_equal(running->from_revision, "db-1");
    assert_int_equal(bench->wanted[1], 1);
    assert_true(nj_rollouts_is_new_pod(bench->rollouts, DB, "db-2"));
    assert_false(nj_rollouts_is_new_pod(bench->rollouts, DB, "db-1"));
    assert_false(nj_rollouts_is_new_pod(bench->rollouts, DB, "db-x"));
    assert_int_equal(nj_rollouts_pod_trouble(bench->rollouts, DB, "db-0", "Error", "", second(12)), 0);
    assert_int_equal(nj_rollouts_pod_trouble(bench->rollouts, DB, "db-2", "Error", "", second(12)), 1);
    put_stateful_set(bench, "db-1", "db-2", 0, 3, 2, second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    put_stateful_set(bench, "db-2", "db-2", 0, 3, 3, second(21));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    assert_int_equal(stored(bench, 1)->min_available, 2);
    assert_int_equal(stored(bench, 1)->crashes, 1);
}

static void a_canary_is_done_and_its_promotion_another(void **state)
{
    struct bench *bench = *state;
    put_stateful_set(bench, "db-1", "db-1", 2, 3, 3, second(1));
    put_stateful_set(bench, "db-1", "db-2", 2, 0, 3, second(10));
    put_stateful_set(bench, "db-1", "db-2", 2, 1, 3, second(15));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    put_stateful_set(bench, "db-1", "db-2", 0, 1, 3, second(20));
    assert_int_equal(count_stored(bench), 2);
    put_stateful_set(bench, "db-2", "db-2", 0, 3, 3, second(30));
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_DONE);
    assert_string_equal(stored(bench, 2)->from_revision, "db-1");
}

static void a_stateful_set_that_stands_still_has_failed_and_may_be_undone(void **state)
{
    struct bench *bench = *state;
    put_stateful_set(bench, "db-1", "db-1", 0, 3, 3, second(1));
    put_stateful_set(bench, "db-1", "db-2", 0, 0, 3, second(10));
    put_stateful_set(bench, "db-1", "db-2", 0, 1, 2, second(20));
    nj_rollouts_tick(bench->rollouts, second(619));
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    nj_rollouts_tick(bench->rollouts, second(620));
    assert_string_equal(stored(bench, 1)->reason, "NoProgress");
    put_stateful_set(bench, "db-1", "db-1", 0, 3, 2, second(700));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_ROLLED_BACK);
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_RUNNING);
}

static void put_daemon_set(struct bench *bench, int template, int generation, int observed, int updated,
                           int available, const char *image, int64_t at_ns)
{
    char text[1024];
    (void)snprintf(
        text, sizeof(text),
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"log\",\"uid\":\"l\",\"generation\":%d,"
        "\"annotations\":{\"deprecated.daemonset.template.generation\":\"%d\"}},\"spec\":{"
        "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}},\"status\":{"
        "\"observedGeneration\":%d,\"desiredNumberScheduled\":5,\"currentNumberScheduled\":5,"
        "\"updatedNumberScheduled\":%d,\"numberReady\":%d,\"numberAvailable\":%d}}",
        generation, template, image, observed, updated, available, available);
    take(bench, NJ_WATCH_MODIFIED, NJ_KUBE_DAEMON_SET, text, at_ns);
}

#define LOG "shop", "DaemonSet", "log"

static void a_daemon_set_changes_node_by_node(void **state)
{
    struct bench *bench = *state;
    put_daemon_set(bench, 1, 1, 1, 5, 5, "log:1", second(1));
    assert_int_equal(nj_rollouts_pod_trouble(bench->rollouts, LOG, "log-old", "Error", "", second(5)), 0);
    put_daemon_set(bench, 1, 2, 2, 5, 5, "log:1", second(8)); /* something else of its spec */
    assert_int_equal(count_stored(bench), 0);
    put_daemon_set(bench, 2, 3, 2, 5, 5, "log:2", second(10));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    put_daemon_set(bench, 2, 3, 3, 1, 4, "log:2", second(11));
    /* One that crashed before is an old one. */
    assert_int_equal(
        nj_rollouts_pod_trouble(bench->rollouts, LOG, "log-old", "CrashLoopBackOff", "", second(12)), 0);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    assert_int_equal(
        nj_rollouts_pod_trouble(bench->rollouts, LOG, "log-new", "CrashLoopBackOff", "", second(13)), 1);
    assert_string_equal(stored(bench, 1)->reason, "CrashLoop");
    put_daemon_set(bench, 3, 4, 3, 1, 4, "log:1", second(20));
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_ROLLED_BACK);
    put_daemon_set(bench, 3, 4, 4, 5, 5, "log:1", second(30));
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_DONE);
    assert_int_equal(stored(bench, 2)->min_available, 4);
}

/* ---- random histories */

/* A Deployment as its controller would drive it, and what its rollouts truly were. */
enum { TEMPLATES_MAX = 24, TRUTHS_MAX = 64, HISTORIES = 300, OPERATIONS = 60 };

struct truth {
    int from, to;
    int began_s, ended_s, failed_s; /* 0: not */
    uint32_t crashes;
    enum nj_rollout_outcome outcome;
    bool brought_one;
};

struct world {
    struct bench bench;
    uint32_t random;
    int now_s;
    struct {
        int created_s, revision;
    } templates[TEMPLATES_MAX];
    int templates_count, current;
    int revision, generation, desired;
    int fresh, fresh_available, old; /* pods of the current template, and of others */
    bool late;                       /* Progressing says that the deadline has passed */
    uint32_t crashes_seen;           /* of the one pod, since the collector started */
    struct truth truths[TRUTHS_MAX];
    int truths_count;
};

static uint32_t draw(struct world *world, uint32_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 17;
    world->random ^= world->random << 5;
    return world->random % below;
}

static struct truth *going_on(struct world *world)
{
    struct truth *last = world->truths_count == 0 ? NULL : &world->truths[world->truths_count - 1];
    return last == NULL || last->ended_s != 0 ? NULL : last;
}

static const char *hash_name(int template, char name[8])
{
    (void)snprintf(name, 8, "h%02d", template);
    return name;
}

static void tell_replica_set(struct world *world, int available)
{
    char name[8];
    put_replica_set(&world->bench, hash_name(world->current, name), world->templates[world->current].revision,
                    world->templates[world->current].created_s, available, second(world->now_s));
}

static void tell_deployment(struct world *world, int revision, bool observed)
{
    char image[16], condition[256] = "";
    (void)snprintf(image, sizeof(image), "web:%d", world->current);
    if (world->late)
        (void)snprintf(condition, sizeof(condition),
                       ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":"
                       "\"ProgressDeadlineExceeded\",\"lastTransitionTime\":\"2026-11-21T%02d:%02d:%02dZ\"}]",
                       world->now_s / 3600, world->now_s / 60 % 60, world->now_s % 60);
    put_deployment(&world->bench,
                   &(struct deployment){.revision = revision,
                                        .generation = world->generation,
                                        .observed = world->generation - !observed,
                                        .desired = world->desired,
                                        .replicas = world->fresh + world->old,
                                        .updated = world->fresh,
                                        .available = world->fresh_available + world->old,
                                        .image = image,
                                        .condition = condition},
                   second(world->now_s));
}

/* The reference: what a change of the template makes of the rollout before. */
static void judge_before(struct world *world, int to)
{
    struct truth *before = going_on(world);
    if (before == NULL)
        return;
    bool undone = to == before->from || world->templates[to].created_s < before->began_s;
    before->ended_s = world->now_s;
    before->outcome = undone                  ? NJ_ROLLOUT_ROLLED_BACK
                      : before->failed_s != 0 ? NJ_ROLLOUT_FAILED
                                              : NJ_ROLLOUT_SUPERSEDED;
    if (undone && !before->brought_one && before->failed_s == 0)
        before->failed_s = world->now_s;
}

static void judge_done(struct world *world)
{
    struct truth *truth = going_on(world);
    if (truth != NULL && world->fresh_available > 0)
        truth->brought_one = true;
    if (truth == NULL || world->fresh_available < world->desired || world->old > 0)
        return;
    truth->ended_s = world->now_s;
    truth->outcome = NJ_ROLLOUT_DONE;
}

static void change_template(struct world *world, int to)
{
    int old_revision = world->revision;
    bool late = draw(world, 3) == 0;
    if (to == world->current || world->truths_count == TRUTHS_MAX)
        return;
    if (to == world->templates_count)
        world->templates[world->templates_count++].created_s = world->now_s;
    judge_before(world, to);
    world->truths[world->truths_count++] = (struct truth){
        .from = world->current, .to = to, .began_s = world->now_s, .outcome = NJ_ROLLOUT_RUNNING};
    world->crashes_seen = 0;
    /* The server takes the spec, the controller gives it a revision, then writes the status. */
    world->current = to;
    world->generation++;
    world->late = false;
    tell_deployment(world, old_revision, false);
    world->templates[to].revision = ++world->revision;
    if (!late)
        tell_replica_set(world, 0);
    tell_deployment(world, world->revision, false);
    world->fresh = world->fresh_available = 0;
    world->old = world->desired;
    if (late)
        tell_replica_set(world, 0);
    tell_deployment(world, world->revision, true);
    judge_done(world);
}

static void progress(struct world *world)
{
    if (going_on(world) == NULL)
        return;
    if (world->fresh < world->desired && (draw(world, 2) == 0 || world->fresh == world->fresh_available)) {
        world->fresh++;
    } else {
        world->fresh_available++;
        world->old = world->desired - world->fresh_available;
    }
    if (draw(world, 2) == 0) {
        tell_replica_set(world, world->fresh_available);
        tell_deployment(world, world->revision, true);
    } else {
        tell_deployment(world, world->revision, true);
        tell_replica_set(world, world->fresh_available);
    }
    judge_done(world);
}

static void scale(struct world *world)
{
    if (going_on(world) != NULL)
        return;
    world->desired = (int)draw(world, 5);
    world->generation++;
    tell_deployment(world, world->revision, false);
    world->fresh = world->fresh_available = world->desired;
    tell_deployment(world, world->revision, true);
    tell_replica_set(world, world->fresh_available);
}

static void crash(struct world *world, bool old)
{
    struct truth *truth = going_on(world);
    char pod[32], name[8];
    int template = old && truth != NULL ? truth->from : world->current;
    (void)snprintf(pod, sizeof(pod), "web-%s-x", hash_name(template, name));
    int64_t id = trouble(&world->bench, pod, "Error", world->now_s);
    assert_int_equal(id, truth == NULL || old ? 0 : world->truths_count);
    if (truth == NULL || old)
        return;
    truth->crashes++;
    if (++world->crashes_seen >= NJ_ROLLOUTS_LOOP && truth->failed_s == 0) {
        truth->failed_s = world->now_s;
        truth->outcome = NJ_ROLLOUT_FAILED;
    }
}

static void pass_deadline(struct world *world)
{
    struct truth *truth = going_on(world);
    if (truth == NULL || world->late)
        return;
    world->late = true;
    tell_deployment(world, world->revision, true);
    if (truth->failed_s == 0) {
        truth->failed_s = world->now_s;
        truth->outcome = NJ_ROLLOUT_FAILED;
    }
    world->late = false; /* the condition stays, but its time is told once */
}

static void operate(struct world *world)
{
    world->now_s += 3 + (int)draw(world, 20);
    switch (draw(world, 16)) {
    case 0:
    case 1:
        change_template(world, world->templates_count < TEMPLATES_MAX ? world->templates_count : 0);
        break;
    case 2:
        change_template(world, (int)draw(world, (uint32_t)world->templates_count));
        break;
    case 3:
        scale(world);
        break;
    case 4:
    case 5:
        crash(world, false);
        break;
    case 6:
        crash(world, true);
        break;
    case 7:
        pass_deadline(world);
        break;
    case 8:
        restart(&world->bench, second(world->now_s));
        world->crashes_seen = 0; /* whose they were is not stored */
        break;
    default:
        progress(world);
        break;
    }
}

static void assert_truths(const struct world *world)
{
    char name[8];
    assert_int_equal(count_stored(&world->bench), world->truths_count);
    for (int i = 0; i < world->truths_count; i++) {
        const struct truth *truth = &world->truths[i];
        const struct nj_rollout *rollout = stored(&world->bench, i + 1);
        assert_int_equal(rollout->outcome, truth->outcome);
        assert_int_equal(rollout->began_ns, second(truth->began_s));
        assert_int_equal(rollout->ended_ns, truth->ended_s == 0                ? 0
                                            : truth->ended_s == truth->began_s ? second(truth->ended_s) + 1
                                                                               : second(truth->ended_s));
        assert_int_equal(rollout->failed_ns / NJ_SEC,
                         truth->failed_s == 0 ? 0 : second(truth->failed_s) / NJ_SEC);
        assert_int_equal(rollout->crashes, truth->crashes);
        assert_string_equal(rollout->template_hash, hash_name(truth->to, name));
        assert_string_equal(rollout->from_hash, hash_name(truth->from, name));
    }
}

static void random_histories_are_judged_as_they_were(void **state)
{
    (void)state;
    struct world *world = NJ_NEW(struct world);
    for (uint32_t seed = 1; seed <= HISTORIES; seed++) {
        *world = (struct world){.random = seed * 2654435761u,
                                .now_s = 5,
                                .templates = {{.created_s = 5, .revision = 1}},
                                .templates_count = 1,
                                .revision = 1,
                                .generation = 1,
                                .desired = 2,
                                .fresh = 2,
                                .fresh_available = 2};
        begin_bench(&world->bench);
        tell_replica_set(world, world->fresh_available);
        tell_deployment(world, 1, true);
        nj_rollouts_synced(world->bench.rollouts, world->bench.workloads, second(6));
        for (int i = 0; i < OPERATIONS; i++) {
            operate(world);
            assert_truths(world);
        }
        end_bench(&world->bench);
    }
    free(world);
}

static void the_allowance_is_what_the_probes_give(void **state)
{
    (void)state;
    struct nj_container_spec containers[] = {{.type = NJ_CONTAINER_APP}, {.type = NJ_CONTAINER_APP}};
    struct nj_workload_object object = {
        .containers = containers, .containers_count = 2, .progress_deadline_seconds = 100};
    assert_int_equal(nj_rollouts_allowance_ns(&object), 30 * NJ_SEC);
    containers[1].readiness = (struct nj_pod_probe){.kind = NJ_POD_PROBE_HTTP,
                                                    .initial_delay_seconds = 10,
                                                    .period_seconds = 10,
                                                    .failure_threshold = 3,
                                                    .timeout_seconds = 1};
    assert_int_equal(nj_rollouts_allowance_ns(&object), 41 * NJ_SEC);
    containers[1].startup = containers[1].readiness;
    assert_int_equal(nj_rollouts_allowance_ns(&object), 82 * NJ_SEC);
    object.min_ready_seconds = 30;
    assert_int_equal(nj_rollouts_allowance_ns(&object), 100 * NJ_SEC);
    object.progress_deadline_seconds = 0;
    assert_int_equal(nj_rollouts_allowance_ns(&object), 112 * NJ_SEC);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_recorded_rollouts_are_three_and_the_scalings_none),
        CASE(replica_sets_may_come_later_or_earlier),
        CASE(a_restart_at_any_step_makes_no_difference),
        CASE(an_outage_that_outlasts_the_allowance_is_a_failure_at_once),
        CASE(new_pods_that_crash_again_and_again_are_a_failure),
        CASE(what_cannot_start_is_a_failure_at_once),
        CASE(the_deadline_is_the_deployments_own),
        CASE(another_template_supersedes_and_is_no_failure),
        CASE(what_was_undone_after_new_pods_worked_has_not_failed),
        CASE(whether_it_was_undone_may_be_known_later),
        CASE(a_paused_one_goes_on_when_it_is_resumed),
        CASE(a_replica_set_that_is_made_anew_is_no_rollout),
        CASE(a_new_workload_and_one_that_is_deleted_are_none),
        CASE(deleting_the_workload_ends_its_rollout),
        CASE(what_began_while_nobody_looked_is_recognised),
        CASE(the_bound_holds),
        CASE(a_stateful_set_changes_from_the_highest_pod_down),
        CASE(a_canary_is_done_and_its_promotion_another),
        CASE(a_stateful_set_that_stands_still_has_failed_and_may_be_undone),
        CASE(a_daemon_set_changes_node_by_node),
        CASE(random_histories_are_judged_as_they_were),
        CASE(the_allowance_is_what_the_probes_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
