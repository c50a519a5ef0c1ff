/* The durable queue: what it keeps, what it gives up, and what it finds again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "common/base/str.h"
#include "tests/unit/agent/outbox_samples.h"

enum { TEXT = 4096 };

struct fixture {
    struct outbox_folder place;
    struct nj_outbox *outbox;
    struct nj_outbox_found found;
    struct nj_err err;
    char text[TEXT];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    make_folder(&fixture->place);
    fixture->outbox = open_outbox(&fixture->place, &fixture->found);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_outbox_close(fixture->outbox);
    DIR *dir = opendir(fixture->place.folder);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(fixture->place.folder);
    free(fixture);
    return 0;
}

static void reopen(struct fixture *fixture)
{
    nj_outbox_close(fixture->outbox);
    fixture->outbox = open_outbox(&fixture->place, &fixture->found);
}

/* Opens again with other bounds. */
static void reopen_bounded(struct fixture *fixture, uint64_t max_bytes, uint64_t max_events)
{
    struct nj_outbox_options options = options_of(&fixture->place);
    options.max_bytes = max_bytes;
    options.max_events = max_events;
    nj_outbox_close(fixture->outbox);
    fixture->outbox = NULL;
    assert_int_equal(nj_outbox_open(&options, &fixture->outbox, &fixture->found, &fixture->err), 0);
}

static const char *queued(struct fixture *fixture)
{
    return queued_after(fixture->outbox, 0, fixture->text, sizeof(fixture->text));
}

static void append_ids(struct fixture *fixture, const char *ids)
{
    for (; *ids != '\0'; ids++) {
        char id[2] = {*ids, '\0'};
        struct nj_event event = crash_event(id, "log\n");
        append_one(fixture->outbox, &event);
    }
}

static struct nj_outbox_stats stats_of(const struct fixture *fixture)
{
    struct nj_outbox_stats stats;
    nj_outbox_stats(fixture->outbox, &stats);
    return stats;
}

static void test_a_new_outbox_is_empty_and_has_a_name_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_stats stats = stats_of(fixture);
    assert_true(fixture->found.created);
    assert_false(fixture->found.damaged);
    assert_int_equal(strlen(nj_outbox_stream(fixture->outbox)), NJ_OUTBOX_STREAM);
    assert_true(nj_outbox_created_ns(fixture->outbox) > 0);
    assert_true(stats.events == 0 && stats.bytes == 0 && stats.last_seq == 0 && stats.damaged == 0);
    assert_string_equal(queued(fixture), "");
    struct stat info;
    assert_int_equal(stat(fixture->place.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_events_are_kept_in_order_until_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    append_ids(fixture, "abc");
    assert_string_equal(queued(fixture), "1:a 2:b 3:c");
    assert_int_equal(nj_outbox_ack(fixture->outbox, 2, &fixture->err), 0);
    assert_string_equal(queued(fixture), "3:c");
    assert_true(stats_of(fixture).events == 1);
    assert_int_equal(nj_outbox_ack(fixture->outbox, UINT64_MAX, &fixture->err), 0);
    assert_string_equal(queued(fixture), "");
    assert_true(stats_of(fixture).bytes == 0);
    append_ids(fixture, "d"); /* numbers are never used twice, even when the queue was empty */
    assert_string_equal(queued(fixture), "4:d");
}

static void test_everything_is_there_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    char stream[NJ_OUTBOX_STREAM + 1];
    int64_t created_ns = nj_outbox_created_ns(fixture->outbox);
    (void)snprintf(stream, sizeof(stream), "%s", nj_outbox_stream(fixture->outbox));
    append_ids(fixture, "abc");
    assert_int_equal(nj_outbox_ack(fixture->outbox, 3, &fixture->err), 0);
    append_ids(fixture, "de");
    struct nj_outbox_stats before = stats_of(fixture);
    reopen(fixture);
    struct nj_outbox_stats after = stats_of(fixture);
    assert_false(fixture->found.created);
    assert_string_equal(nj_outbox_stream(fixture->outbox), stream);
    assert_true(nj_outbox_created_ns(fixture->outbox) == created_ns);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_string_equal(queued(fixture), "4:d 5:e");
    append_ids(fixture, "f");
    assert_string_equal(queued(fixture), "4:d 5:e 6:f");
}

static void test_two_outboxes_never_share_a_name(void **state)
{
    struct fixture *fixture = *state;
    struct outbox_folder other = fixture->place;
    (void)snprintf(other.path, sizeof(other.path), "%s/other.db", other.folder);
    struct nj_outbox *outbox = open_outbox(&other, NULL);
    assert_string_not_equal(nj_outbox_stream(outbox), nj_outbox_stream(fixture->outbox));
    nj_outbox_close(outbox);
}

static int collect_record(void *data, const struct nj_outbox_record *record)
{
    struct fixture *fixture = data;
    size_t at = strlen(fixture->text);
    (void)snprintf(fixture->text + at, sizeof(fixture->text) - at, "%s=%.*s ", record->key, (int)record->len,
                   (const char *)record->value);
    return 0;
}

static const char *records(struct fixture *fixture)
{
    fixture->text[0] = '\0';
    assert_int_equal(nj_outbox_load(fixture->outbox, collect_record, fixture, &fixture->err), 0);
    return fixture->text;
}

static int refuse_record(void *data, const struct nj_outbox_record *record)
{
    (void)data;
    (void)record;
    return -ECANCELED;
}

static void test_records_are_put_replaced_and_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_record first[] = {{"pod/2", "two", 3}, {"pod/1", "one", 3}, {"pod/3", "", 0}};
    struct nj_outbox_record second[] = {{"pod/2", NULL, 0}, {"pod/1", "ONE!", 4}, {"pod/9", NULL, 0}};
    assert_int_equal(nj_outbox_append(fixture->outbox, NULL, 0, first, 3, &fixture->err), 0);
    assert_string_equal(records(fixture), "pod/1=one pod/2=two pod/3= ");
    assert_int_equal(nj_outbox_append(fixture->outbox, NULL, 0, second, 3, &fixture->err), 0);
    reopen(fixture);
    assert_string_equal(records(fixture), "pod/1=ONE! pod/3= ");
    assert_int_equal(nj_outbox_load(fixture->outbox, refuse_record, fixture, &fixture->err), -ECANCELED);
    assert_string_equal(records(fixture), "pod/1=ONE! pod/3= ");
}

static void test_a_refused_append_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event events[] = {crash_event("a", "log\n"), crash_event("", "log\n")};
    struct nj_outbox_record record = {"pod/1", "one", 3}, no_key = {"", "x", 1};
    struct nj_outbox_stats before = stats_of(fixture), after;
    assert_int_equal(nj_outbox_append(fixture->outbox, events, 2, &record, 1, &fixture->err), -EINVAL);
    assert_non_null(strstr(fixture->err.text, "cannot be encoded"));
    assert_int_equal(nj_outbox_append(fixture->outbox, events, 1, &no_key, 1, &fixture->err), -EINVAL);
    record.len = NJ_OUTBOX_VALUE_MAX + 1;
    assert_int_equal(nj_outbox_append(fixture->outbox, events, 1, &record, 1, &fixture->err), -EINVAL);
    after = stats_of(fixture);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_string_equal(queued(fixture), "");
    assert_string_equal(records(fixture), "");
    append_ids(fixture, "a");
    assert_string_equal(queued(fixture), "1:a");
}

static void test_a_correction_takes_the_place_of_what_was_not_yet_read(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event correction = crash_event("a", "a longer log\n");
    append_ids(fixture, "ab");
    append_one(fixture->outbox, &correction);
    /* Before what came after it: a crash and its end keep their order. */
    assert_string_equal(queued(fixture), "1:a 2:b");
    struct nj_outbox_stats before = stats_of(fixture);
    reopen(fixture);
    assert_true(stats_of(fixture).bytes == before.bytes);
}

static void test_a_correction_follows_what_may_have_been_sent(void **state)
{
    struct fixture *fixture = *state;
    append_ids(fixture, "ab");
    assert_string_equal(queued(fixture), "1:a 2:b"); /* reads */
    append_ids(fixture, "a");
    assert_string_equal(queued(fixture), "1:a 2:b 3:a");
    append_ids(fixture, "c");
    reopen(fixture); /* an earlier process may have sent everything */
    append_ids(fixture, "c");
    assert_string_equal(queued(fixture), "1:a 2:b 3:a 4:c 5:c");
}

static void test_a_correction_without_a_log_keeps_the_log(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event correction = crash_event("a", "");
    append_ids(fixture, "a");
    append_one(fixture->outbox, &correction);
    assert_string_equal(queued(fixture), "1:a 2:a");
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *sqlite = NULL;
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void test_a_full_queue_gives_up_the_oldest_of_the_least_valuable(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event stuck_1 = stuck_event("s"), stuck_2 = stuck_event("t");
    reopen_bounded(fixture, SAMPLE_BYTES, 4);
    append_ids(fixture, "a");
    append_one(fixture->outbox, &stuck_1);
    append_one(fixture->outbox, &stuck_2);
    append_ids(fixture, "bc");
    assert_string_equal(queued(fixture), "1:a 3:t 4:b 5:c"); /* the older of the two states went */
    append_ids(fixture, "d");
    assert_string_equal(queued(fixture), "1:a 4:b 5:c 6:d");
    append_ids(fixture, "e");
    assert_string_equal(queued(fixture), "4:b 5:c 6:d 7:e"); /* only then a crash */
    append_one(fixture->outbox, &stuck_1);
    assert_string_equal(queued(fixture), "4:b 5:c 6:d 7:e");
    reopen(fixture);
    struct nj_outbox_stats stats = stats_of(fixture);
    assert_true(stats.dropped[NJ_OUTBOX_CONDITION] == 3);
    assert_true(stats.dropped[NJ_OUTBOX_FAILURE] == 1);
    assert_true(stats.events == 4);
}

static void test_minutes_of_checks_go_first_and_their_states_with_conditions(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event stuck = stuck_event("s"), rollup_1 = rollups_event("m"), rollup_2 = rollups_event("n");
    struct nj_event check = check_event("k");
    reopen_bounded(fixture, SAMPLE_BYTES, 4);
    append_one(fixture->outbox, &stuck);
    append_one(fixture->outbox, &rollup_1);
    append_one(fixture->outbox, &check);
    append_one(fixture->outbox, &rollup_2);
    append_ids(fixture, "a");
    assert_string_equal(queued(fixture), "1:s 3:k 4:n 5:a");
    append_ids(fixture, "b");
    assert_string_equal(queued(fixture), "1:s 3:k 5:a 6:b");
    append_ids(fixture, "c");
    assert_string_equal(queued(fixture), "3:k 5:a 6:b 7:c"); /* only then a condition */
    append_ids(fixture, "d");
    assert_string_equal(queued(fixture), "5:a 6:b 7:c 8:d");
    reopen(fixture);
    struct nj_outbox_stats stats = stats_of(fixture);
    assert_true(stats.dropped[NJ_OUTBOX_ROLLUP] == 2);
    assert_true(stats.dropped[NJ_OUTBOX_CONDITION] == 2);
    assert_true(stats.dropped[NJ_OUTBOX_FAILURE] == 0);
}

static struct nj_event inspected_event(enum nj_event_type type, const char *id)
{
    struct nj_event event = {.id = id, .type = type};
    if (type == NJ_EVENT_OOM_KILL)
        event.oom_kill.count = 1;
    else if (type == NJ_EVENT_TROUBLE)
        event.trouble.kind = NJ_TROUBLE_NEAR_FDS;
    else
        event.usage.parts = 1;
    return event;
}

static void test_minutes_of_use_go_first_then_troubles_and_oom_kills_last(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event use_1 = inspected_event(NJ_EVENT_USAGE, "u"), rollup = rollups_event("m");
    struct nj_event use_2 = inspected_event(NJ_EVENT_USAGE, "v");
    struct nj_event trouble = inspected_event(NJ_EVENT_TROUBLE, "t");
    struct nj_event oom = inspected_event(NJ_EVENT_OOM_KILL, "o");
    reopen_bounded(fixture, SAMPLE_BYTES, 4);
    append_one(fixture->outbox, &oom);
    append_one(fixture->outbox, &trouble);
    append_one(fixture->outbox, &use_1);
    append_one(fixture->outbox, &rollup);
    append_one(fixture->outbox, &use_2);
    assert_string_equal(queued(fixture), "1:o 2:t 4:m 5:v"); /* of minutes, the oldest */
    append_ids(fixture, "ab");
    assert_string_equal(queued(fixture), "1:o 2:t 6:a 7:b");
    append_ids(fixture, "c");
    assert_string_equal(queued(fixture), "1:o 6:a 7:b 8:c");
    append_ids(fixture, "d");
    assert_string_equal(queued(fixture), "6:a 7:b 8:c 9:d");
    struct nj_outbox_stats stats = stats_of(fixture);
    assert_true(stats.dropped[NJ_OUTBOX_ROLLUP] == 3);
    assert_true(stats.dropped[NJ_OUTBOX_CONDITION] == 1);
    assert_true(stats.dropped[NJ_OUTBOX_FAILURE] == 1);
}

/* What a minute takes is what its bytes are: of many, the bound keeps the latest. */
static void test_minutes_of_use_keep_to_the_bound_in_bytes(void **state)
{
    enum { PODS = 20, PLACEMENT = 1000, MINUTE_BYTES = PODS * PLACEMENT, MANY = 2 * PODS };
    struct fixture *fixture = *state;
    char placement[PLACEMENT + 1];
    struct nj_usage_pod pods[PODS];
    memset(placement, ' ', PLACEMENT);
    placement[PLACEMENT] = '\0';
    for (int i = 0; i < PODS; i++)
        pods[i] = (struct nj_usage_pod){.pod_uid = "u", .placement = placement};
    reopen_bounded(fixture, 64 << 10, SAMPLE_EVENTS);
    for (int id = 'a'; id <= 'f'; id++) {
        char text[2] = {(char)id, '\0'};
        struct nj_event event = inspected_event(NJ_EVENT_USAGE, text);
        event.usage.pods = pods;
        event.usage.pods_count = PODS;
        append_one(fixture->outbox, &event);
        assert_in_range(stats_of(fixture).bytes, MINUTE_BYTES, 64 << 10);
    }
    assert_string_equal(queued(fixture), "4:d 5:e 6:f");
    assert_true(stats_of(fixture).dropped[NJ_OUTBOX_ROLLUP] == 3);
    /* One that never fits is counted and holds up nothing. */
    struct nj_usage_pod large[MANY];
    for (int i = 0; i < MANY; i++)
        large[i] = pods[0];
    struct nj_event event = inspected_event(NJ_EVENT_USAGE, "g");
    event.usage.pods = large;
    event.usage.pods_count = MANY;
    append_one(fixture->outbox, &event);
    append_ids(fixture, "h");
    assert_string_equal(queued(fixture), "4:d 5:e 6:f 7:h");
    assert_true(stats_of(fixture).dropped[NJ_OUTBOX_ROLLUP] == 4);
}

static void test_a_file_from_before_there_were_checks_keeps_its_order(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event stuck = stuck_event("s"), rollup = rollups_event("m");
    append_ids(fixture, "a");
    append_one(fixture->outbox, &stuck);
    append_one(fixture->outbox, &rollup);
    nj_outbox_close(fixture->outbox);
    /* These are the numbers that such a file has. */
    run_sql(fixture->place.path, "CREATE TABLE ok (x CHECK (x));"
                                 "INSERT INTO ok SELECT count(*) FROM event WHERE id = 'a' AND class = 1;"
                                 "INSERT INTO ok SELECT count(*) FROM event WHERE id = 's' AND class = 0;");
    fixture->outbox = open_outbox(&fixture->place, &fixture->found);
    assert_string_equal(queued(fixture), "1:a 2:s 3:m");
}

static void test_the_bound_in_bytes_holds(void **state)
{
    struct fixture *fixture = *state;
    char *log = malloc(20001);
    assert_non_null(log);
    memset(log, 'x', 20000);
    log[20000] = '\0';
    reopen_bounded(fixture, 64 << 10, SAMPLE_EVENTS);
    for (int id = 'a'; id <= 'f'; id++) {
        char text[2] = {(char)id, '\0'};
        struct nj_event event = crash_event(text, log);
        append_one(fixture->outbox, &event);
        assert_true(stats_of(fixture).bytes <= 64 << 10);
    }
    assert_string_equal(queued(fixture), "4:d 5:e 6:f");
    assert_true(stats_of(fixture).dropped[NJ_OUTBOX_FAILURE] == 3);
    free(log);
}

static void test_a_queue_made_smaller_shrinks_with_the_next_event(void **state)
{
    struct fixture *fixture = *state;
    append_ids(fixture, "abcdef");
    reopen_bounded(fixture, SAMPLE_BYTES, 2);
    append_ids(fixture, "g");
    assert_string_equal(queued(fixture), "6:f 7:g");
    assert_true(stats_of(fixture).dropped[NJ_OUTBOX_FAILURE] == 5);
}

static void test_an_event_larger_than_fits_loses_its_log(void **state)
{
    struct fixture *fixture = *state;
    char *log = malloc(NJ_EVENT_BYTES_MAX + 1);
    struct nj_outbox_page page = {0};
    struct nj_arena arena;
    struct nj_event got;
    assert_non_null(log);
    memset(log, 'x', NJ_EVENT_BYTES_MAX);
    log[NJ_EVENT_BYTES_MAX] = '\0';
    struct nj_event event = crash_event("a", log), hopeless = crash_event("b", "");
    hopeless.crash.message = log;
    append_one(fixture->outbox, &event);
    append_one(fixture->outbox, &hopeless);
    append_ids(fixture, "c");
    assert_string_equal(queued(fixture), "1:a 2:c");
    assert_true(stats_of(fixture).dropped[NJ_OUTBOX_FAILURE] == 1);
    nj_arena_init(&arena, 1 << 20);
    assert_int_equal(nj_outbox_read(fixture->outbox, 0, 1, 1000, &page, &fixture->err), 0);
    assert_int_equal(nj_event_decode(page.events[0].bytes, page.events[0].len, &arena, &got, &fixture->err),
                     0);
    assert_int_equal(got.crash.log.len, 0);
    assert_non_null(strstr(got.crash.log.missing, "larger"));
    assert_int_equal(got.crash.exit_code, 3);
    nj_outbox_page_done(&page);
    nj_arena_done(&arena);
    free(log);
}

static void test_reading_keeps_to_its_bounds_but_always_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_page page = {0};
    append_ids(fixture, "abcdef");
    size_t each = stats_of(fixture).bytes / 6;
    assert_int_equal(nj_outbox_read(fixture->outbox, 0, 4, SAMPLE_BYTES, &page, &fixture->err), 0);
    assert_int_equal(page.count, 4);
    assert_int_equal(nj_outbox_read(fixture->outbox, 1, 100, 3 * each, &page, &fixture->err), 0);
    assert_int_equal(page.count, 3);
    assert_true(page.events[0].seq == 2);
    assert_int_equal(nj_outbox_read(fixture->outbox, 0, 100, 1, &page, &fixture->err), 0);
    assert_int_equal(page.count, 1);
    assert_int_equal(nj_outbox_read(fixture->outbox, 6, 100, SAMPLE_BYTES, &page, &fixture->err), 0);
    assert_int_equal(page.count, 0);
    assert_int_equal(nj_outbox_read(fixture->outbox, UINT64_MAX, 100, SAMPLE_BYTES, &page, &fixture->err), 0);
    assert_int_equal(page.count, 0);
    nj_outbox_page_done(&page);
}

static void test_a_restored_copy_continues_above_what_was_committed(void **state)
{
    struct fixture *fixture = *state;
    append_ids(fixture, "abc");
    assert_int_equal(nj_outbox_ack(fixture->outbox, 1, &fixture->err), 0);
    assert_int_equal(nj_outbox_continue_above(fixture->outbox, 3, &fixture->err), 0);
    assert_string_equal(queued(fixture), "2:b 3:c"); /* nothing is unknown: nothing changes */
    assert_int_equal(nj_outbox_continue_above(fixture->outbox, 50, &fixture->err), 0);
    assert_string_equal(queued(fixture), "51:b 52:c");
    append_ids(fixture, "d");
    reopen(fixture);
    append_ids(fixture, "e");
    assert_string_equal(queued(fixture), "51:b 52:c 53:d 54:e");
    assert_int_equal(nj_outbox_continue_above(fixture->outbox, UINT64_MAX, &fixture->err), -EINVAL);
    assert_int_equal(nj_outbox_ack(fixture->outbox, 60, &fixture->err), 0);
    assert_int_equal(nj_outbox_continue_above(fixture->outbox, 100, &fixture->err), 0);
    append_ids(fixture, "f");
    assert_string_equal(queued(fixture), "101:f");
}

static void test_an_untouched_outbox_continues_above_too(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(nj_outbox_continue_above(fixture->outbox, 9, &fixture->err), 0);
    reopen(fixture);
    append_ids(fixture, "a");
    assert_string_equal(queued(fixture), "10:a");
}

static void test_numbers_outlive_the_process(void **state)
{
    struct fixture *fixture = *state;
    uint64_t value = 7;
    assert_int_equal(nj_outbox_get_number(fixture->outbox, "request", &value, &fixture->err), 0);
    assert_true(value == 0);
    assert_int_equal(nj_outbox_put_number(fixture->outbox, "request", 1024, &fixture->err), 0);
    assert_int_equal(nj_outbox_put_number(fixture->outbox, "request", UINT64_MAX, &fixture->err), 0);
    reopen(fixture);
    assert_int_equal(nj_outbox_get_number(fixture->outbox, "request", &value, &fixture->err), 0);
    assert_true(value == UINT64_MAX);
}

static void test_only_one_process_has_the_outbox(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_options options = options_of(&fixture->place);
    struct nj_outbox *second = NULL;
    append_ids(fixture, "a");
    assert_int_equal(nj_outbox_open(&options, &second, NULL, &fixture->err), -EBUSY);
    assert_non_null(strstr(fixture->err.text, "another process"));
    assert_null(second);
    append_ids(fixture, "b");
    assert_string_equal(queued(fixture), "1:a 2:b");
}

static void test_options_out_of_range_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_options options = options_of(&fixture->place);
    struct nj_outbox *outbox = NULL;
    options.max_events = 0;
    assert_int_equal(nj_outbox_open(&options, &outbox, NULL, &fixture->err), -EINVAL);
    options = options_of(&fixture->place);
    options.max_bytes = 1000;
    assert_int_equal(nj_outbox_open(&options, &outbox, NULL, &fixture->err), -EINVAL);
    options = options_of(&fixture->place);
    options.path = "/nonexistent/folder/outbox.db";
    assert_int_equal(nj_outbox_open(&options, &outbox, NULL, &fixture->err), -ENOENT);
    assert_non_null(strstr(fixture->err.text, "/nonexistent/folder"));
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    (void)close(fd);
}

static int count_copies(const struct fixture *fixture)
{
    int count = 0;
    DIR *dir = opendir(fixture->place.folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += nj_str_starts(entry->d_name, "outbox.db.corrupt-");
    (void)closedir(dir);
    return count;
}

/* Opens what was damaged and checks that a new stream has begun. */
static void assert_begun_anew(struct fixture *fixture, const char *old_stream)
{
    fixture->outbox = open_outbox(&fixture->place, &fixture->found);
    assert_true(fixture->found.created);
    assert_true(fixture->found.damaged);
    assert_int_equal(access(fixture->found.moved_to, F_OK), 0);
    assert_true(nj_str_starts(fixture->found.moved_to, fixture->place.path));
    assert_string_not_equal(nj_outbox_stream(fixture->outbox), old_stream);
    assert_true(stats_of(fixture).damaged == 1);
    append_ids(fixture, "z");
    assert_string_equal(queued(fixture), "1:z");
    reopen(fixture);
    assert_false(fixture->found.damaged);
    assert_true(stats_of(fixture).damaged == 1);
    assert_string_equal(queued(fixture), "1:z");
}

static void test_a_damaged_file_is_moved_aside_and_a_new_one_begun(void **state)
{
    struct fixture *fixture = *state;
    char stream[NJ_OUTBOX_STREAM + 1], garbage[8192];
    memset(garbage, 0x5a, sizeof(garbage));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char id[32];
            (void)snprintf(id, sizeof(id), "event-%d", i);
            struct nj_event event = crash_event(id, "log\n");
            append_one(fixture->outbox, &event);
        }
        (void)snprintf(stream, sizeof(stream), "%s", nj_outbox_stream(fixture->outbox));
        nj_outbox_close(fixture->outbox);
        if (round == 0)
            overwrite(fixture->place.path, 0, garbage, 100); /* the header */
        else if (round == 1)
            overwrite(fixture->place.path, 8192, garbage, sizeof(garbage)); /* pages in the middle */
        else
            assert_int_equal(truncate(fixture->place.path, 10000), 0);
        assert_begun_anew(fixture, stream);
        assert_int_equal(count_copies(fixture), 1);
    }
}

static void test_a_file_that_is_no_database_is_moved_aside(void **state)
{
    struct fixture *fixture = *state;
    nj_outbox_close(fixture->outbox);
    fixture->outbox = NULL;
    assert_int_equal(unlink(fixture->place.path), 0);
    char text[2048];
    memset(text, 't', sizeof(text));
    overwrite(fixture->place.path, 0, text, sizeof(text));
    assert_begun_anew(fixture, "");
}

static void test_an_outbox_that_misses_a_table_is_moved_aside(void **state)
{
    struct fixture *fixture = *state;
    nj_outbox_close(fixture->outbox);
    run_sql(fixture->place.path, "DROP TABLE record");
    assert_begun_anew(fixture, "");
}

static void test_another_programs_database_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_options options = options_of(&fixture->place);
    char path[PATH_BYTES];
    struct nj_outbox *outbox = NULL;
    (void)snprintf(path, sizeof(path), "%s/other.db", fixture->place.folder);
    run_sql(path, "CREATE TABLE precious (x); INSERT INTO precious VALUES (1);");
    options.path = path;
    assert_int_equal(nj_outbox_open(&options, &outbox, NULL, &fixture->err), -EINVAL);
    assert_non_null(strstr(fixture->err.text, "another program"));
    run_sql(path, "SELECT x FROM precious");
    assert_int_equal(count_copies(fixture), 0);
}

static void test_a_newer_outbox_is_refused_and_kept(void **state)
{
    struct fixture *fixture = *state;
    struct nj_outbox_options options = options_of(&fixture->place);
    append_ids(fixture, "a");
    nj_outbox_close(fixture->outbox);
    fixture->outbox = NULL;
    run_sql(fixture->place.path, "PRAGMA user_version=2");
    assert_int_equal(nj_outbox_open(&options, &fixture->outbox, NULL, &fixture->err), -ENOTSUP);
    assert_non_null(strstr(fixture->err.text, "newer version"));
    run_sql(fixture->place.path, "PRAGMA user_version=1");
    fixture->outbox = open_outbox(&fixture->place, &fixture->found);
    assert_string_equal(queued(fixture), "1:a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_outbox_is_empty_and_has_a_name_of_its_own),
        TEST(test_events_are_kept_in_order_until_acknowledged),
        TEST(test_everything_is_there_after_a_restart),
        TEST(test_two_outboxes_never_share_a_name),
        TEST(test_records_are_put_replaced_and_deleted),
        TEST(test_a_refused_append_changes_nothing),
        TEST(test_a_correction_takes_the_place_of_what_was_not_yet_read),
        TEST(test_a_correction_follows_what_may_have_been_sent),
        TEST(test_a_correction_without_a_log_keeps_the_log),
        TEST(test_a_full_queue_gives_up_the_oldest_of_the_least_valuable),
        TEST(test_minutes_of_checks_go_first_and_their_states_with_conditions),
        TEST(test_minutes_of_use_go_first_then_troubles_and_oom_kills_last),
        TEST(test_minutes_of_use_keep_to_the_bound_in_bytes),
        TEST(test_a_file_from_before_there_were_checks_keeps_its_order),
        TEST(test_the_bound_in_bytes_holds),
        TEST(test_a_queue_made_smaller_shrinks_with_the_next_event),
        TEST(test_an_event_larger_than_fits_loses_its_log),
        TEST(test_reading_keeps_to_its_bounds_but_always_goes_on),
        TEST(test_a_restored_copy_continues_above_what_was_committed),
        TEST(test_an_untouched_outbox_continues_above_too),
        TEST(test_numbers_outlive_the_process),
        TEST(test_only_one_process_has_the_outbox),
        TEST(test_options_out_of_range_are_refused),
        TEST(test_a_damaged_file_is_moved_aside_and_a_new_one_begun),
        TEST(test_a_file_that_is_no_database_is_moved_aside),
        TEST(test_an_outbox_that_misses_a_table_is_moved_aside),
        TEST(test_another_programs_database_is_left_alone),
        TEST(test_a_newer_outbox_is_refused_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
