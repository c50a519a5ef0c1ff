/*
 * What a node's figures are told as: when a trouble begins, gets worse and is over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/inspect/node_trouble.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

enum { TOLD_MAX = 16, TEXT_MAX = 512, TICK_S = 10, START_S = 1000000 };

/* What was told in one round, as "KIND(DETAIL) LEVEL SEVERITY" or "KIND(DETAIL) over". */
struct fixture {
    struct nj_node_troubles *troubles;
    struct nj_node_figures node;
    char told[TOLD_MAX][TEXT_MAX];
    struct nj_trouble last;
    char message[TEXT_MAX], process[NJ_COMMAND_MAX];
    size_t count;
};

static void on_trouble(void *data, const struct nj_trouble *trouble)
{
    struct fixture *f = data;
    assert_true(f->count < TOLD_MAX);
    char *text = f->told[f->count++];
    if (trouble->over)
        (void)snprintf(text, TEXT_MAX, "%s(%s) over", nj_trouble_kind_name(trouble->kind), trouble->detail);
    else
        (void)snprintf(text, TEXT_MAX, "%s(%s) %d %s", nj_trouble_kind_name(trouble->kind), trouble->detail,
                       trouble->level, trouble->severity);
    f->last = *trouble;
    (void)snprintf(f->message, sizeof(f->message), "%s", trouble->message);
    (void)snprintf(f->process, sizeof(f->process), "%s", trouble->process);
}

/* A node that is well; its disk has 100 GiB and as many inodes in thousands. */
static struct fixture *begin(void)
{
    struct fixture *f = NJ_NEW(struct fixture);
    f->troubles = nj_node_troubles_new();
    f->node = (struct nj_node_figures){
        .at_ns = NJ_HOUR,
        .wall_ns = START_S * NJ_SEC,
        .threads = 500,
        .pid_max = 1000,
        .host_zombies = 0,
        .files = 10,
        .files_max = INT64_MAX,
        .conntrack = 100,
        .conntrack_max = 1000,
        .clock_synchronized = true,
        .mounts = {{.path = "/", .size = INT64_C(100) << 30, .inodes = 100000, .inodes_free = 90000}},
        .mounts_count = 1,
    };
    f->node.mounts[0].available = f->node.mounts[0].size / 2;
    return f;
}

static void end(struct fixture *f)
{
    nj_node_troubles_free(f->troubles);
    free(f);
}

/* The next round tells this, and only this; NULL: nothing. */
static void expect(struct fixture *f, const char *told)
{
    f->count = 0;
    f->node.at_ns += TICK_S * NJ_SEC;
    f->node.wall_ns += TICK_S * NJ_SEC;
    nj_node_troubles_update(f->troubles, &f->node, on_trouble, f);
    if (told == NULL) {
        if (f->count > 0)
            fail_msg("told: %s", f->told[0]);
        return;
    }
    assert_int_equal(f->count, 1);
    assert_string_equal(f->told[0], told);
}

static void fill_disk(struct fixture *f, int per_cent)
{
    f->node.mounts[0].available = f->node.mounts[0].size / 100 * (uint64_t)(100 - per_cent);
}

static void test_well(void **state)
{
    (void)state;
    struct fixture *f = begin();
    for (int i = 0; i < 100; i++)
        expect(f, NULL);
    end(f);
    nj_node_troubles_free(NULL);
}

static void test_disk_fills_and_is_cleared(void **state)
{
    (void)state;
    struct fixture *f = begin();
    fill_disk(f, 84);
    expect(f, NULL);
    fill_disk(f, 86);
    expect(f, "node_disk_full(/) 85 warning");
    assert_string_equal(f->message, "/ is 86 % full: 14.0 GiB of 100 GiB are left");
    int64_t since_ns = f->last.since_ns;
    assert_int_equal(since_ns, f->node.wall_ns);
    assert_true(f->last.value == (double)(f->node.mounts[0].size - f->node.mounts[0].available));
    assert_true(f->last.limit == (double)f->node.mounts[0].size);
    expect(f, NULL);
    fill_disk(f, 81); /* swings, and is told once */
    expect(f, NULL);
    fill_disk(f, 90);
    expect(f, NULL);
    fill_disk(f, 96);
    expect(f, "node_disk_full(/) 95 critical");
    assert_int_equal(f->last.since_ns, since_ns);
    fill_disk(f, 89);
    expect(f, NULL);
    fill_disk(f, 97); /* as bad as it has been */
    expect(f, NULL);
    fill_disk(f, 79);
    expect(f, "node_disk_full(/) over");
    assert_string_equal(f->message, "/ is only 79 % full: 21.0 GiB of 100 GiB are left");
    assert_int_equal(f->last.since_ns, since_ns);
    assert_int_equal(f->last.level, 0);
    expect(f, NULL);
    fill_disk(f, 100);
    expect(f, "node_disk_full(/) 95 critical"); /* a new one */
    assert_true(f->last.since_ns > since_ns);
    end(f);
}

static void test_inodes(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.mounts[0].inodes_free = 4999;
    expect(f, "node_inodes_full(/) 95 critical");
    assert_string_equal(f->message, "/ has used 95 % of its inodes: 4999 of 100000 are left");
    f->node.mounts[0].inodes = f->node.mounts[0].inodes_free = NJ_UNKNOWN;
    expect(f, NULL); /* not known: as it was */
    f->node.mounts[0].inodes = 1000;
    f->node.mounts[0].inodes_free = 1000;
    expect(f, "node_inodes_full(/) over");
    end(f);
}

static void test_mount_that_goes(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.mounts[1] = f->node.mounts[0];
    (void)snprintf(f->node.mounts[1].path, sizeof(f->node.mounts[1].path), "/data");
    f->node.mounts[1].available = 0;
    f->node.mounts_count = 2;
    expect(f, "node_disk_full(/data) 95 critical");
    f->node.mounts_count = 0; /* unreadable for a moment */
    expect(f, NULL);
    f->node.mounts_count = 2;
    expect(f, NULL);
    f->node.mounts_count = 1;
    expect(f, "node_disk_full(/data) over");
    expect(f, NULL);
    /* What is only read is full by nature. */
    f->node.mounts_count = 2;
    f->node.mounts[1].read_only = true;
    expect(f, NULL);
    f->node.mounts[1].read_only = false;
    expect(f, "node_disk_full(/data) 95 critical");
    f->node.mounts[1].read_only = true;
    expect(f, "node_disk_full(/data) over");
    end(f);
}

static void test_tables(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.conntrack = 800;
    expect(f, "node_conntrack_full() 80 warning");
    assert_string_equal(f->message,
                        "800 of 1000 entries for tracked connections are in use (80 %): when there are "
                        "none left, new connections are dropped");
    f->node.conntrack = 1000;
    expect(f, "node_conntrack_full() 95 critical");
    f->node.conntrack = NJ_UNKNOWN; /* the module was unloaded: nobody knows */
    expect(f, NULL);
    f->node.conntrack = 749;
    expect(f, "node_conntrack_full() over");
    f->node.threads = 999;
    expect(f, "node_pids_full() 95 critical");
    f->node.threads = 10;
    expect(f, "node_pids_full() over");
    f->node.files_max = 12;
    expect(f, "node_files_full() 80 warning");
    f->node.files_max = NJ_UNKNOWN;
    expect(f, NULL);
    f->node.files_max = 0;
    expect(f, NULL);
    end(f);
}

static void test_zombies(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.host_zombies = 1000;
    expect(f, NULL);
    f->node.host_zombies = 1001;
    f->node.zombie_parent = (struct nj_inspect_process){.pid = 77, .command = "sloppy"};
    expect(f, "node_zombies() 0 warning");
    assert_string_equal(
        f->message,
        "1001 processes outside of pods are zombies: sloppy (pid 77) does not wait for most of them");
    assert_string_equal(f->process, "sloppy");
    assert_int_equal(f->last.pid, 77);
    f->node.host_zombies = 960;
    expect(f, NULL);
    f->node.host_zombies = NJ_UNKNOWN;
    expect(f, NULL);
    f->node.host_zombies = 950;
    expect(f, "node_zombies() over");
    end(f);
}

static void test_clock_that_is_off(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.clock_offset_ns = 500 * NJ_MS;
    expect(f, NULL);
    f->node.clock_offset_ns = -501 * NJ_MS;
    expect(f, "node_clock(offset) 0 warning");
    f->node.clock_offset_ns = 300 * NJ_MS;
    expect(f, NULL);
    f->node.clock_offset_ns = INT64_MIN;
    expect(f, NULL);
    f->node.clock_offset_ns = 100 * NJ_MS;
    expect(f, "node_clock(offset) over");
    end(f);
}

static void test_clock_that_nobody_sets(void **state)
{
    (void)state;
    struct fixture *f = begin();
    expect(f, NULL);
    f->node.clock_synchronized = false;
    int64_t since_ns = f->node.wall_ns + TICK_S * NJ_SEC;
    for (int i = 0; i < 600 / TICK_S; i++)
        expect(f, NULL);
    expect(f, "node_clock(unsynchronized) 0 warning");
    assert_int_equal(f->last.since_ns, since_ns);
    assert_string_equal(f->message,
                        "the clock has not been synchronized for 10 minutes: is the time service running?");
    expect(f, NULL);
    f->node.clock_synchronized = true;
    expect(f, "node_clock(unsynchronized) over");
    /* Now and then for a while is no trouble. */
    for (int i = 0; i < 200; i++) {
        f->node.clock_synchronized = i % 50 == 0;
        expect(f, NULL);
    }
    end(f);

    /* One that never was synchronized is not told every time the agent starts. */
    f = begin();
    f->node.clock_synchronized = false;
    for (int i = 0; i < 1200 / TICK_S; i++)
        expect(f, NULL);
    end(f);
}

/* Several at once, each told by itself. */
static void test_all_at_once(void **state)
{
    (void)state;
    struct fixture *f = begin();
    f->node.conntrack = 1000;
    f->node.threads = 1000;
    f->node.host_zombies = 5000;
    f->node.clock_offset_ns = NJ_SEC;
    f->node.files_max = 10;
    fill_disk(f, 99);
    f->node.mounts[0].inodes_free = 0;
    for (int round = 0; round < 2; round++) {
        f->count = 0;
        nj_node_troubles_update(f->troubles, &f->node, on_trouble, f);
        assert_int_equal(f->count, round == 0 ? 7 : 0);
    }
    struct fixture *well = begin();
    f->node = well->node;
    end(well);
    nj_node_troubles_update(f->troubles, &f->node, on_trouble, f);
    assert_int_equal(f->count, 7);
    for (size_t i = 0; i < f->count; i++)
        assert_non_null(strstr(f->told[i], " over"));
    end(f);
}

/* What an earlier process told is not told again, and ends. */
static void test_restored(void **state)
{
    (void)state;
    const struct nj_trouble disk = {
        .kind = NJ_TROUBLE_NODE_DISK_FULL, .detail = "/", .level = 85, .since_ns = 5};
    const struct nj_trouble gone = {
        .kind = NJ_TROUBLE_NODE_DISK_FULL, .detail = "/gone", .level = 85, .since_ns = 5};
    const struct nj_trouble clock = {
        .kind = NJ_TROUBLE_NODE_CLOCK, .detail = "unsynchronized", .since_ns = 5};
    struct fixture *f = begin();
    nj_node_troubles_restore(f->troubles, &disk, f->node.at_ns);
    nj_node_troubles_restore(f->troubles, &clock, f->node.at_ns);
    f->node.clock_synchronized = false;
    fill_disk(f, 82);
    expect(f, NULL);
    fill_disk(f, 96);
    expect(f, "node_disk_full(/) 95 critical");
    fill_disk(f, 50);
    expect(f, "node_disk_full(/) over");
    assert_int_equal(f->last.since_ns, 5);
    f->node.clock_synchronized = true;
    expect(f, "node_clock(unsynchronized) over");
    nj_node_troubles_restore(f->troubles, &gone, f->node.at_ns);
    expect(f, "node_disk_full(/gone) over");
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well),
        cmocka_unit_test(test_disk_fills_and_is_cleared),
        cmocka_unit_test(test_inodes),
        cmocka_unit_test(test_mount_that_goes),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_zombies),
        cmocka_unit_test(test_clock_that_is_off),
        cmocka_unit_test(test_clock_that_nobody_sets),
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
