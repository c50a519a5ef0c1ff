/* The outbox when the disk fails, is full, or the process is killed: nothing half done, nothing lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/agent/faulty_vfs.h"
#include "tests/unit/agent/outbox_samples.h"

enum { TEXT = 65536, KILLS = 25, STEPS = 5, BIG_LOG = 700 << 10 };

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
}

static void remove_folder(const struct outbox_folder *place)
{
    empty_folder(place->folder);
    (void)rmdir(place->folder);
}

static int add_up_record(void *data, const struct nj_outbox_record *record)
{
    char *text = data;
    size_t at = strlen(text);
    (void)snprintf(text + at, TEXT - at, " %s=%.*s", record->key, (int)record->len,
                   (const char *)record->value);
    return 0;
}

/* Everything that is in the outbox, events and records, as text; the caller frees it. */
static char *contents(struct nj_outbox *outbox)
{
    char *text = malloc(TEXT);
    assert_non_null(text);
    (void)queued_after(outbox, 0, text, TEXT);
    assert_int_equal(nj_outbox_load(outbox, add_up_record, text, NULL), 0);
    return text;
}

static void assert_contents(struct nj_outbox *outbox, const char *wanted)
{
    char *text = contents(outbox);
    assert_string_equal(text, wanted);
    free(text);
}

/* One of the steps of an agent's life. `log` makes the events as large as wanted. */
static int take_step(struct nj_outbox *outbox, int number, const char *log)
{
    struct nj_event two[] = {crash_event("a", log), crash_event("b", log)}, one = crash_event("c", log);
    struct nj_outbox_record first[] = {{"x", "1", 1}, {"y", "1", 1}},
                            second[] = {{"x", "2", 1}, {"y", NULL, 0}};
    switch (number) {
    case 0:
        return nj_outbox_append(outbox, two, 2, first, 2, NULL);
    case 1:
        return nj_outbox_append(outbox, &one, 1, second, 2, NULL);
    case 2:
        return nj_outbox_ack(outbox, 2, NULL);
    case 3:
        return nj_outbox_put_number(outbox, "request", 99, NULL);
    default:
        return nj_outbox_continue_above(outbox, 10, NULL);
    }
}

/* Takes all steps on a disk that fails; each step that fails must have changed nothing, and succeeds once the
 * disk is well. Returns how many calls the disk had. */
static int live_through(struct faulty_disk *disk, const char *log)
{
    struct outbox_folder place;
    uint64_t number = 0;
    struct faulty_disk fault = *disk;
    make_folder(&place);
    *disk = (struct faulty_disk){0};
    struct nj_outbox *outbox = open_outbox(&place, NULL);
    *disk = fault;
    for (int i = 0; i < STEPS; i++) {
        char *before = contents(outbox);
        struct nj_outbox_stats stats, stats_after;
        nj_outbox_stats(outbox, &stats);
        int rc = take_step(outbox, i, log);
        if (rc != 0) {
            assert_int_equal(rc, fault.code == SQLITE_FULL ? -ENOSPC : -EIO);
            assert_contents(outbox, before);
            nj_outbox_stats(outbox, &stats_after);
            assert_memory_equal(&stats, &stats_after, sizeof(stats));
            disk->fail_from = 0;
            assert_int_equal(take_step(outbox, i, log), 0);
        }
        free(before);
    }
    fault = *disk;
    *disk = (struct faulty_disk){0};
    for (int i = 0; i < 2; i++) {
        assert_contents(outbox, "11:c x=2");
        assert_int_equal(nj_outbox_get_number(outbox, "request", &number, NULL), 0);
        assert_true(number == 99);
        nj_outbox_close(outbox);
        outbox = open_outbox(&place, NULL);
    }
    nj_outbox_close(outbox);
    remove_folder(&place);
    *disk = fault;
    return fault.calls;
}

static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};
enum { CODES = sizeof(codes) / sizeof(codes[0]) };

static void test_each_failing_write_in_turn_changes_nothing(void **state)
{
    (void)state;
    struct faulty_disk disk = {0};
    faulty_vfs_install(&disk);
    for (int i = 0; i < 2 * CODES; i++) {
        int from = 0;
        do {
            disk = (struct faulty_disk){.fail_from = ++from, .code = codes[i / 2], .fail_once = i % 2 == 0};
            (void)live_through(&disk, "log\n");
        } while (disk.failed > 0);
        assert_true(from > 20); /* there were as many that could fail */
    }
    faulty_vfs_remove();
}

/* Large enough that the write-ahead log is brought into the database on the way. */
static void test_failing_writes_of_large_events_change_nothing(void **state)
{
    (void)state;
    struct faulty_disk disk = {0};
    char *log = malloc(BIG_LOG + 1);
    assert_non_null(log);
    memset(log, 'x', BIG_LOG);
    log[BIG_LOG] = '\0';
    faulty_vfs_install(&disk);
    int calls = live_through(&disk, log);
    assert_true(calls > 500);
    for (int i = 0; i < 30; i++) {
        disk = (struct faulty_disk){
            .fail_from = 1 + calls * i / 30, .code = codes[i % CODES], .fail_once = i % 2 == 0};
        (void)live_through(&disk, log);
        assert_true(disk.failed > 0);
    }
    faulty_vfs_remove();
    free(log);
}

static void test_each_failing_write_while_it_is_made_leaves_a_usable_file(void **state)
{
    (void)state;
    struct faulty_disk disk = {0};
    int failures = 0, rc;
    faulty_vfs_install(&disk);
    do {
        struct outbox_folder place;
        struct nj_outbox *outbox = NULL;
        make_folder(&place);
        struct nj_outbox_options options = options_of(&place);
        disk = (struct faulty_disk){.fail_from = failures + 1, .code = SQLITE_FULL};
        rc = nj_outbox_open(&options, &outbox, NULL, NULL);
        nj_outbox_close(outbox);
        if (rc != 0) {
            assert_int_equal(rc, -ENOSPC);
            failures++;
        }
        disk = (struct faulty_disk){0};
        struct nj_outbox_found found;
        outbox = open_outbox(&place, &found);
        assert_int_equal(found.created, rc != 0);
        assert_false(found.damaged);
        nj_outbox_close(outbox);
        remove_folder(&place);
    } while (rc != 0);
    assert_true(failures > 10);
    faulty_vfs_remove();
}

/* Appends events 1, 2, ... with a record "last" that says the number, until the disk is full. Returns the
 * number of the one that did not fit. */
static int fill(struct nj_outbox *outbox, int from, const char *log)
{
    for (int i = from;; i++) {
        char id[16];
        int len = snprintf(id, sizeof(id), "%06d", i);
        struct nj_event event = crash_event(id, log);
        struct nj_outbox_record record = {"last", id, (size_t)len};
        struct nj_err err = {0};
        int rc = nj_outbox_append(outbox, &event, 1, &record, 1, &err);
        if (rc == 0)
            continue;
        assert_int_equal(rc, -ENOSPC);
        assert_true(err.text[0] != '\0');
        return i;
    }
}

static int note_last(void *data, const struct nj_outbox_record *record)
{
    char text[16] = "";
    assert_string_equal(record->key, "last");
    assert_true(record->len < sizeof(text));
    memcpy(text, record->value, record->len);
    *(int *)data = (int)strtol(text, NULL, 10);
    return 0;
}

/* Events first..last are there, each once and in order, and the record says so too. */
static void assert_sequence(struct nj_outbox *outbox, int first, int last)
{
    struct nj_outbox_page page = {0};
    struct nj_arena arena;
    int noted = 0;
    nj_arena_init(&arena, SIZE_MAX);
    assert_int_equal(nj_outbox_read(outbox, 0, SAMPLE_EVENTS, SAMPLE_BYTES, &page, NULL), 0);
    assert_int_equal(page.count, last - first + 1);
    for (size_t i = 0; i < page.count; i++) {
        struct nj_event event;
        nj_arena_reset(&arena);
        assert_int_equal(nj_event_decode(page.events[i].bytes, page.events[i].len, &arena, &event, NULL), 0);
        assert_int_equal(strtol(event.id, NULL, 10), first + (int)i);
        assert_true(page.events[i].seq == (uint64_t)first + i);
    }
    assert_int_equal(nj_outbox_load(outbox, note_last, &noted, NULL), 0);
    assert_int_equal(noted, last);
    struct nj_outbox_stats stats;
    nj_outbox_stats(outbox, &stats);
    assert_true(stats.events == page.count && stats.bytes == page.bytes.len);
    nj_outbox_page_done(&page);
    nj_arena_done(&arena);
}

static void write_ballast(const char *path, size_t bytes)
{
    static const char zeroes[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t done = 0; done < bytes; done += sizeof(zeroes))
        assert_int_equal(write(fd, zeroes, sizeof(zeroes)), sizeof(zeroes));
    (void)close(fd);
}

static void test_a_full_disk_costs_nothing_but_time(void **state)
{
    (void)state;
    struct outbox_folder place;
    char ballast[PATH_BYTES], log[3001];
    memset(log, 'x', sizeof(log) - 1);
    log[sizeof(log) - 1] = '\0';
    make_folder(&place);
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", place.folder);
    /* In a mount namespace of this process's own: the file system is gone with it. */
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", place.folder, "tmpfs", 0, "size=2m") < 0) {
        print_message("no right to mount a small file system: the limit on files' size stands in for it\n");
        (void)rmdir(place.folder);
        skip();
    }
    write_ballast(ballast, 1 << 20);
    struct nj_outbox *outbox = open_outbox(&place, NULL);
    int failed = fill(outbox, 1, log);
    assert_true(failed > 10);
    assert_sequence(outbox, 1, failed - 1);
    assert_int_equal(fill(outbox, failed, log), failed); /* still full, still nothing half done */
    assert_sequence(outbox, 1, failed - 1);

    assert_int_equal(unlink(ballast), 0);
    int failed_again = fill(outbox, failed, log);
    assert_true(failed_again > failed + 10);
    assert_sequence(outbox, 1, failed_again - 1);
    nj_outbox_close(outbox); /* on a disk that is full */
    outbox = open_outbox(&place, NULL);
    assert_sequence(outbox, 1, failed_again - 1);
    nj_outbox_close(outbox);
    assert_int_equal(umount(place.folder), 0);
    (void)rmdir(place.folder);
}

static void test_a_limit_on_file_sizes_costs_nothing_but_time(void **state)
{
    (void)state;
    struct outbox_folder place;
    struct rlimit limit, old;
    make_folder(&place);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct nj_outbox *outbox = open_outbox(&place, NULL);
    limit = (struct rlimit){.rlim_cur = 256 << 10, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int failed = fill(outbox, 1, "log\n");
    assert_true(failed > 5);
    assert_int_equal(fill(outbox, failed, "log\n"), failed);
    limit.rlim_cur = 512 << 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int failed_again = fill(outbox, failed, "log\n");
    assert_true(failed_again > failed);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_sequence(outbox, 1, failed_again - 1);
    nj_outbox_close(outbox);
    outbox = open_outbox(&place, NULL);
    assert_sequence(outbox, 1, failed_again - 1);
    nj_outbox_close(outbox);
    remove_folder(&place);
}

/* The child's life: it goes on where the file is, acknowledging half of what is queued now and then, and
 * writes a byte after each step. Never returns; no cmocka in here. */
static void live_until_killed(const struct outbox_folder *place, int pipe_fd)
{
    struct nj_outbox_options options = options_of(place);
    struct nj_outbox *outbox = NULL;
    struct nj_outbox_stats stats;
    if (nj_outbox_open(&options, &outbox, NULL, NULL) != 0)
        _exit(2);
    for (;;) {
        char id[16], byte = 'a';
        nj_outbox_stats(outbox, &stats);
        int len = snprintf(id, sizeof(id), "%06d", (int)stats.last_seq + 1);
        struct nj_event event = crash_event(id, "log\n");
        struct nj_outbox_record record = {"last", id, (size_t)len};
        if (nj_outbox_append(outbox, &event, 1, &record, 1, NULL) != 0)
            _exit(3);
        if (stats.events > 40) {
            byte = 'k';
            if (nj_outbox_ack(outbox, stats.last_seq - 20, NULL) != 0)
                _exit(4);
        }
        if (write(pipe_fd, &byte, 1) != 1)
            _exit(5);
    }
}

/* Lets a child live for `steps` steps and a little, kills it, and returns how many steps it told of. */
static int live_and_be_killed(const struct outbox_folder *place, int steps, long nanoseconds)
{
    int pipe_fds[2], status = 0, told = 0;
    char byte;
    struct timespec moment = {.tv_nsec = nanoseconds};
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        live_until_killed(place, pipe_fds[1]);
    (void)close(pipe_fds[1]);
    while (told < steps && read(pipe_fds[0], &byte, 1) == 1)
        told++;
    (void)nanosleep(&moment, NULL); /* into the middle of a step, wherever that is */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(pipe_fds[0], &byte, 1) == 1)
        told++;
    (void)close(pipe_fds[0]);
    return told;
}

static void test_killed_at_any_moment_it_agrees_with_itself(void **state)
{
    (void)state;
    struct outbox_folder place;
    unsigned seed = (unsigned)time(NULL);
    const char *given = getenv("NJ_TEST_SEED");
    if (given != NULL)
        seed = (unsigned)strtoul(given, NULL, 10);
    print_message("seed %u (NJ_TEST_SEED=%u repeats it)\n", seed, seed);
    make_folder(&place);
    uint64_t told = 0;
    for (int i = 0; i < KILLS; i++) {
        int steps = rand_r(&seed) % 20;
        told += (uint64_t)live_and_be_killed(&place, steps, rand_r(&seed) % 3000000);
        struct nj_outbox_found found;
        struct nj_outbox *outbox = open_outbox(&place, &found);
        struct nj_outbox_stats stats;
        nj_outbox_stats(outbox, &stats);
        assert_false(found.damaged);
        assert_true(stats.last_seq >= told); /* what was said to be kept is kept */
        if (stats.last_seq > 0)
            assert_sequence(outbox, (int)(stats.last_seq - stats.events + 1), (int)stats.last_seq);
        told = stats.last_seq;
        nj_outbox_close(outbox);
    }
    assert_true(told > KILLS);
    remove_folder(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_write_in_turn_changes_nothing),
        cmocka_unit_test(test_failing_writes_of_large_events_change_nothing),
        cmocka_unit_test(test_each_failing_write_while_it_is_made_leaves_a_usable_file),
        cmocka_unit_test(test_a_full_disk_costs_nothing_but_time),
        cmocka_unit_test(test_a_limit_on_file_sizes_costs_nothing_but_time),
        cmocka_unit_test(test_killed_at_any_moment_it_agrees_with_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
