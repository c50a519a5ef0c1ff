/*
 * Which container a cgroup's path names, and what is read of cgroups of either version, in trees of files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/cgroup.h"
#include "agent/inspect/cgroup_internal.h"
#include "tests/unit/agent/fake_tree.h"
#include "tests/unit/test.h"

#define ID "3f4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071829"
#define OTHER "00000000000000000000000000000000000000000000000000000000000000aa"
#define UID "0b6d9b7e-2f3c-4a58-9d31-5f8f0c3a1e77"
#define UID_ "0b6d9b7e_2f3c_4a58_9d31_5f8f0c3a1e77"
#define HASH "3d41ee5ea1c9b1b6e0a5d1a5f8f0c3a1"

static const struct {
    const char *path, *pod_uid, *id; /* NULL: the host's */
} places[] = {
    /* systemd's driver */
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID
     ".scope",
     UID, ID},
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope", UID,
     ID},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", UID, ID},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", UID, ID}, /* crun */
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH ".slice/cri-containerd-" ID
     ".scope",
     HASH, ID}, /* a static pod */
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", UID, ""},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice", UID, ""},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope/init.scope", UID, ID},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope/system.slice/sshd.service", UID,
     ID},
    /* the kubelet names for systemd, containerd does not use it */
    {"/system.slice/containerd.service/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID, UID, ID},
    {"/kubepods-pod" UID_ ".slice:cri-containerd:" ID, UID, ID},
    {"/kubepods-pod" UID_ ".slice:crio-conmon:" ID, UID, ""},
    {"/kubepods-pod" UID_ ".slice:" ID, UID, ID},
    {"/kubepods-pod" UID_ ".slice:", UID, ""},
    /* cgroupfs */
    {"/kubepods/burstable/pod" UID "/" ID, UID, ID},
    {"/kubepods/besteffort/pod" UID "/" ID, UID, ID},
    {"/kubepods/pod" UID "/" ID, UID, ID},
    {"/kubepods/pod" UID "/crio-" ID, UID, ID},
    {"/kubepods/pod" UID "/crio-conmon-" ID, UID, ""},
    {"/kubepods/pod" UID "/crio-conmon-" ID "/x", UID, ""},
    {"/kubepods/burstable/pod" HASH "/" ID, HASH, ID},
    {"/kubepods/pod" UID, UID, ""},
    {"/kubepods/pod" UID "/kata_" ID, UID, ""},
    {"/kubepods/pod" UID "/" ID "/nested/deeper", UID, ID},
    /* with something before */
    {"/docker/" OTHER "/kubelet/kubepods/burstable/pod" UID "/" ID, UID, ID},
    {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
     "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
     UID, ID}, /* kind */
    {"/actions_job/" OTHER "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope", UID, ID},
    {"kubepods/pod" UID "/" ID, UID, ID},
    {"//kubepods//burstable///pod" UID "//" ID "/", UID, ID},
    /* cut by the reader's cgroup namespace */
    {"/../../kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope", UID, ID},
    {"/../../../kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope", UID, ID},
    {"/../../kubepods/burstable/pod" UID "/" ID, UID, ID},
    {"/../../../besteffort/pod" UID "/" ID, UID, ID},
    {"/../../pod" UID "/" ID, UID, ID},
    /* the first pod counts: what a container nests in itself is its own */
    {"/kubepods/pod" UID "/" ID "/docker/" OTHER "/kubepods/podffffffff-0000/" OTHER, UID, ID},
    /* the host's, and what looks like a pod and is none */
    {"/", NULL, NULL},
    {"", NULL, NULL},
    {"/init.scope", NULL, NULL},
    {"/system.slice/kubelet.service", NULL, NULL},
    {"/system.slice/crio-conmon-" ID ".scope", NULL, NULL},
    {"/system.slice/docker-" ID ".scope", NULL, NULL},
    {"/kubepods", NULL, NULL},
    {"/kubepods.slice/kubepods-burstable.slice", NULL, NULL},
    {"/kubepods/burstable", NULL, NULL},
    {"/kubepods/pod/" ID, NULL, NULL},
    {"/kubepods-pod.slice/crio-" ID ".scope", NULL, NULL},
    {"/machine.slice/libpod-" ID ".scope", NULL, NULL},
    {"/user/pod" UID "/" ID, NULL, NULL},
    {"/podman/pod" UID "/" ID, NULL, NULL},
    {"/burstable/pod" UID "/" ID, NULL, NULL},
    {"/mykubepods-pod" UID_ ".slice/crio-" ID ".scope", NULL, NULL},
    {"/kubepods/pod" UID "%s%n/" ID, NULL, NULL},
    {"/kubepods/pod../" ID, NULL, NULL},
    {"/kubepods/pod" ID "ff/" ID, NULL, NULL}, /* a uid too long */
    /* in a pod, in no container */
    {"/kubepods/pod" UID "/" ID ID "f", UID, ""}, /* an id too long */
    {"/kubepods/pod" UID "/ABCDEF0123456789", UID, ""},
    {"/kubepods/pod" UID "/abc", UID, ""},
    {"/kubepods/pod" UID "/..", UID, ""},
    {"/kubepods/pod" UID "/-", UID, ""},
    {"/kubepods/pod" UID "/.scope", UID, ""},
};

static void every_shape_of_a_path_names_its_container(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct nj_cgroup_place place = {.pod_uid = "untouched"};
        bool is_pod = nj_cgroup_place(places[i].path, &place);
        if (is_pod != (places[i].pod_uid != NULL))
            fail_msg("%s: %s", places[i].path, is_pod ? "taken for a pod's" : "not taken for a pod's");
        assert_string_equal(place.pod_uid, is_pod ? places[i].pod_uid : "untouched");
        if (is_pod && strcmp(place.container_id, places[i].id) != 0)
            fail_msg("%s: container '%s'", places[i].path, place.container_id);
    }
}

static void values_are_exact_or_unknown(void **state)
{
    (void)state;
    assert_int_equal(nj_cgroup_number("123\n"), 123);
    assert_int_equal(nj_cgroup_number("18446744073709551614"), UINT64_MAX - 1);
    static const char *const none[] = {"",   "max\n", "-1\n",  "18446744073709551616", "12x", "1 2", "\n",
                                       " 1", "0x10",  "1\n2\n"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(nj_cgroup_number(none[i]), NJ_UNKNOWN);
    const char *keyed = "cache 1\nrss_huge 2\nrss 3\nbad x\nlast 4";
    assert_int_equal(nj_cgroup_keyed(keyed, "cache"), 1);
    assert_int_equal(nj_cgroup_keyed(keyed, "rss"), 3);
    assert_int_equal(nj_cgroup_keyed(keyed, "last"), 4);
    assert_int_equal(nj_cgroup_keyed(keyed, "bad"), NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_keyed(keyed, "ras"), NJ_UNKNOWN);
    const char *pressure = "some avg10=0.91 avg60=1.48 avg300=2.12 total=10209128032\n"
                           "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
    assert_int_equal(nj_cgroup_pressure(pressure, "some"), UINT64_C(10209128032));
    assert_int_equal(nj_cgroup_pressure(pressure, "full"), 7);
    assert_int_equal(nj_cgroup_pressure("some avg10=0.91 totals=3\n", "some"), NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_pressure("", "some"), NJ_UNKNOWN);
    const char *io = "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
                     "253:1\n259:0 rbytes=5 wbytes=6 rios=7 wios=8\n";
    assert_int_equal(nj_cgroup_io_v2(io, "rbytes"), 15);
    assert_int_equal(nj_cgroup_io_v2(io, "wios"), 10);
    assert_int_equal(nj_cgroup_io_v2("", "rbytes"), 0);
    assert_int_equal(nj_cgroup_io_v2("8:0 rbytes=x\n", "rbytes"), NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_io_v2("8:0 rbytes=18446744073709551614\n8:1 rbytes=9\n", "rbytes"),
                     NJ_UNKNOWN);
    const char *blkio = "8:0 Read 100\n8:0 Write 200\n8:0 Total 300\n8:16 Read 1\nTotal 301\n";
    assert_int_equal(nj_cgroup_io_v1(blkio, "Read"), 101);
    assert_int_equal(nj_cgroup_io_v1(blkio, "Write"), 200);
    assert_int_equal(nj_cgroup_io_v1("Total 0\n", "Read"), 0);
    assert_int_equal(nj_cgroup_quota("50000 100000\n"), 500);
    assert_int_equal(nj_cgroup_quota("250000 100000\n"), 2500);
    assert_int_equal(nj_cgroup_quota("max 100000\n"), NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_quota("50000 0\n"), NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_quota("50000\n"), NJ_UNKNOWN);
}

/* ---- trees */

struct trees {
    struct fake_tree cgroup, proc;
    struct nj_cgroups *cgroups;
};

static int setup(void **state)
{
    struct trees *trees = calloc(1, sizeof(*trees));
    assert_non_null(trees);
    fake_tree_new(&trees->cgroup);
    fake_tree_new(&trees->proc);
    *state = trees;
    return 0;
}

static int teardown(void **state)
{
    struct trees *trees = *state;
    nj_cgroups_close(trees->cgroups);
    fake_tree_done(&trees->cgroup);
    fake_tree_done(&trees->proc);
    free(trees);
    return 0;
}

static void open_trees(struct trees *trees)
{
    assert_int_equal(nj_cgroups_open(trees->cgroup.root, trees->proc.root, &trees->cgroups), 0);
}

static void put(const struct trees *trees, const char *folder, const char *name, const char *text)
{
    char path[FAKE_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    fake_tree_put(&trees->cgroup, path, text);
}

#define V2_SCOPE "kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope"

static void put_v2(const struct trees *trees, const char *folder)
{
    put(trees, folder, "cpu.stat",
        "usage_usec 1234567\nuser_usec 1\nsystem_usec 2\nnr_periods 40\nnr_throttled 30\n"
        "throttled_usec 555\nnr_bursts 0\nburst_usec 0\n");
    put(trees, folder, "cpu.max", "50000 100000\n");
    put(trees, folder, "memory.current", "104857600\n");
    put(trees, folder, "memory.stat",
        "anon 52428800\nfile 41943040\nkernel 123\ninactive_anon 1\nactive_anon 2\ninactive_file 4857600\n"
        "active_file 3\n");
    put(trees, folder, "memory.max", "268435456\n");
    put(trees, folder, "memory.peak", "200000000\n");
    put(trees, folder, "memory.swap.current", "4096\n");
    put(trees, folder, "memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n");
    put(trees, folder, "io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
    put(trees, folder, "pids.current", "17\n");
    put(trees, folder, "pids.max", "100\n");
    put(trees, folder, "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=11\nfull total=1\n");
    put(trees, folder, "memory.pressure", "some avg10=0.00 total=22\nfull avg10=0.00 total=33\n");
    put(trees, folder, "io.pressure", "some avg10=0.00 total=44\nfull avg10=0.00 total=55\n");
}

static void check_v2(const struct nj_container_figures *figures)
{
    assert_int_equal(figures->cpu_ns, UINT64_C(1234567000));
    assert_int_equal(figures->periods, 40);
    assert_int_equal(figures->throttled_periods, 30);
    assert_int_equal(figures->throttled_ns, 555000);
    assert_int_equal(figures->cpu_quota_millis, 500);
    assert_int_equal(figures->memory_usage, 104857600);
    assert_int_equal(figures->memory_working_set, 100000000);
    assert_int_equal(figures->memory_rss, 52428800);
    assert_int_equal(figures->memory_cache, 41943040);
    assert_int_equal(figures->memory_swap, 4096);
    assert_int_equal(figures->memory_limit, 268435456);
    assert_int_equal(figures->memory_peak, 200000000);
    assert_int_equal(figures->oom_kills, 2);
    assert_int_equal(figures->read_bytes, 4096);
    assert_int_equal(figures->written_bytes, 8192);
    assert_int_equal(figures->reads, 1);
    assert_int_equal(figures->writes, 2);
    assert_int_equal(figures->pids, 17);
    assert_int_equal(figures->pids_limit, 100);
    assert_int_equal(figures->pressure.cpu_some, 11);
    assert_int_equal(figures->pressure.memory_some, 22);
    assert_int_equal(figures->pressure.memory_full, 33);
    assert_int_equal(figures->pressure.io_some, 44);
    assert_int_equal(figures->pressure.io_full, 55);
}

static void version_2_is_read_in_full(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "cpu io memory pids\n");
    put_v2(trees, V2_SCOPE);
    open_trees(trees);
    assert_true(nj_cgroups_are_v2(trees->cgroups));
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups, "0::/" V2_SCOPE "\n", &cgroup), 0);
    struct nj_container_figures figures = {0};
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    check_v2(&figures);
    assert_int_equal(nj_cgroup_oom_kills(cgroup), 2);
    char path[FAKE_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/" V2_SCOPE, trees->cgroup.root);
    assert_string_equal(nj_cgroup_memory_path(cgroup), path);
    /* Counters change while the files are held open. A limit that is far is seen later, but soon. */
    put(trees, V2_SCOPE, "memory.events", "oom_kill 3\n");
    put(trees, V2_SCOPE, "memory.current", "250000000\n");
    put(trees, V2_SCOPE, "memory.max", "536870912\n");
    put(trees, V2_SCOPE, "pids.max", "max\n");
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.oom_kills, 3);
    assert_int_equal(figures.memory_limit, 536870912); /* was near */
    assert_int_equal(figures.memory_peak, 250000000);
    for (int i = 0; i < 6; i++)
        assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.pids_limit, NJ_UNKNOWN);
    assert_int_equal(figures.memory_peak, 250000000);
    nj_cgroup_close(cgroup);
}

static void of_cruns_two_levels_the_containers_own_is_read(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "cpu io memory pids\n");
    put_v2(trees, "kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope");
    put(trees, "kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", "memory.current",
        "1\n");
    open_trees(trees);
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups,
                                    "0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID
                                    ".scope/container\n",
                                    &cgroup),
                     0);
    struct nj_container_figures figures = {0};
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    check_v2(&figures);
    nj_cgroup_close(cgroup);
}

static void what_is_missing_or_garbage_is_unknown(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "memory\n");
    put(trees, V2_SCOPE, "memory.current", "4096\n");
    put(trees, V2_SCOPE, "memory.stat", "anon zwölf\nfile 99999999999999999999999\ninactive_file 8192\n");
    put(trees, V2_SCOPE, "memory.max", "");
    put(trees, V2_SCOPE, "memory.events", "oom_kill\noom_kill \n");
    put(trees, V2_SCOPE, "cpu.stat", "usage_usec 18446744073709551\n"); /* past 64 bits in ns */
    put(trees, V2_SCOPE, "cpu.max", "garbage\n");
    fake_tree_folder(&trees->cgroup, V2_SCOPE "/pids.current"); /* not to be read as a file */
    open_trees(trees);
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups, "0::/" V2_SCOPE "\n", &cgroup), 0);
    struct nj_container_figures figures = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
        struct nj_container_figures expected = {0};
        nj_cgroup_unknown(&expected);
        expected.memory_usage = 4096;
        expected.memory_working_set = 0; /* more of it is inactive than there is: two reads, two moments */
        expected.cpu_ns = UINT64_C(18446744073709551000);
        assert_memory_equal(&figures, &expected, sizeof(expected));
    }
    nj_cgroup_close(cgroup);
}

#define V1_PATH "kubepods/burstable/pod" UID "/" ID
#define V1_TEXT                                                                                              \
    "12:pids:/" V1_PATH "\n11:memory:/" V1_PATH "\n5:blkio:/" V1_PATH "\n4:cpu,cpuacct:/" V1_PATH            \
    "\n2:net_cls,net_prio:/\n1:name=systemd:/" V1_PATH "\n"

static void put_v1(const struct trees *trees)
{
    fake_tree_folder(&trees->cgroup, "cpu,cpuacct");
    put(trees, "cpu,cpuacct/" V1_PATH, "cpuacct.usage", "1234567890\n");
    put(trees, "cpu,cpuacct/" V1_PATH, "cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 99\n");
    put(trees, "cpu,cpuacct/" V1_PATH, "cpu.cfs_quota_us", "-1\n");
    put(trees, "cpu,cpuacct/" V1_PATH, "cpu.cfs_period_us", "100000\n");
    put(trees, "memory/" V1_PATH, "memory.usage_in_bytes", "1000000\n");
    put(trees, "memory/" V1_PATH, "memory.stat",
        "cache 1\nrss 2\ninactive_file 3\nswap 4\ntotal_cache 300000\ntotal_rss 500000\n"
        "total_inactive_file 200000\n");
    put(trees, "memory/" V1_PATH, "memory.limit_in_bytes", "9223372036854771712\n");
    put(trees, "memory/" V1_PATH, "memory.max_usage_in_bytes", "1100000\n");
    put(trees, "memory/" V1_PATH, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    put(trees, "blkio/" V1_PATH, "blkio.throttle.io_service_bytes", "8:0 Read 10\n8:0 Write 20\nTotal 30\n");
    put(trees, "blkio/" V1_PATH, "blkio.throttle.io_serviced", "8:0 Read 1\n8:0 Write 2\nTotal 3\n");
    put(trees, "pids/" V1_PATH, "pids.current", "3\n");
    put(trees, "pids/" V1_PATH, "pids.max", "max\n");
}

static void version_1_is_read_in_full(void **state)
{
    struct trees *trees = *state;
    put_v1(trees);
    open_trees(trees);
    assert_false(nj_cgroups_are_v2(trees->cgroups));
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups, V1_TEXT, &cgroup), 0);
    struct nj_container_figures figures = {0}, expected = {0};
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    nj_cgroup_unknown(&expected);
    expected.cpu_ns = 1234567890;
    expected.periods = 10;
    expected.throttled_periods = 4;
    expected.throttled_ns = 99;
    expected.memory_usage = 1000000;
    expected.memory_working_set = 800000;
    expected.memory_rss = 500000;
    expected.memory_cache = 300000;
    expected.memory_swap = 4;
    expected.memory_peak = 1100000;
    expected.oom_kills = 5;
    expected.read_bytes = 10;
    expected.written_bytes = 20;
    expected.reads = 1;
    expected.writes = 2;
    expected.pids = 3;
    assert_memory_equal(&figures, &expected, sizeof(expected));
    put(trees, "cpu,cpuacct/" V1_PATH, "cpu.cfs_quota_us", "150000\n");
    put(trees, "memory/" V1_PATH, "memory.limit_in_bytes", "2000000\n");
    for (int i = 0; i < 6; i++)
        assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.cpu_quota_millis, 1500);
    assert_int_equal(figures.memory_limit, 2000000);
    nj_cgroup_close(cgroup);
}

static void kills_in_nested_cgroups_of_version_1_are_counted_and_never_taken_back(void **state)
{
    struct trees *trees = *state;
    put_v1(trees);
    put(trees, "memory/" V1_PATH "/a", "memory.oom_control", "oom_kill 2\n");
    put(trees, "memory/" V1_PATH "/a/b", "memory.oom_control", "oom_kill 1\n");
    open_trees(trees);
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups, V1_TEXT, &cgroup), 0);
    assert_int_equal(nj_cgroup_oom_kills(cgroup), 8);
    fake_tree_remove(&trees->cgroup, "memory/" V1_PATH "/a");
    assert_int_equal(nj_cgroup_oom_kills(cgroup), 8);
    put(trees, "memory/" V1_PATH, "memory.oom_control", "oom_kill 6\n");
    assert_int_equal(nj_cgroup_oom_kills(cgroup), 9);
    nj_cgroup_close(cgroup);
}

static void a_hybrid_has_its_pressure_in_version_2(void **state)
{
    struct trees *trees = *state;
    put_v1(trees);
    fake_tree_put(&trees->cgroup, "unified/cgroup.controllers", "\n");
    put(trees, "unified/" V1_PATH, "memory.pressure", "some total=7\nfull total=8\n");
    put(trees, "unified/" V1_PATH, "cpu.stat", "usage_usec 1\n");
    put(trees, "unified/system.slice", "memory.pressure", "some total=9\nfull total=9\n");
    open_trees(trees);
    assert_false(nj_cgroups_are_v2(trees->cgroups));
    struct nj_cgroup *cgroup = NULL;
    struct nj_container_figures figures = {0};
    assert_int_equal(nj_cgroup_open(trees->cgroups, V1_TEXT "0::/" V1_PATH "\n", &cgroup), 0);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.pressure.memory_some, 7);
    assert_int_equal(figures.pressure.memory_full, 8);
    assert_int_equal(figures.pressure.cpu_some, NJ_UNKNOWN);
    assert_int_equal(figures.cpu_ns, 1234567890);
    nj_cgroup_close(cgroup);
    /* The runtime has left the container where its own service is: that one's pressure is not its. */
    assert_int_equal(nj_cgroup_open(trees->cgroups, V1_TEXT "0::/system.slice\n", &cgroup), 0);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.pressure.memory_some, NJ_UNKNOWN);
    assert_int_equal(figures.memory_usage, 1000000);
    nj_cgroup_close(cgroup);
}

static void missing_controllers_are_unknown_and_others_are_read(void **state)
{
    struct trees *trees = *state;
    put(trees, "pids/" V1_PATH, "pids.current", "3\n");
    put(trees, "memory/elsewhere", "memory.usage_in_bytes", "5\n");
    open_trees(trees);
    struct nj_cgroup *cgroup = NULL;
    struct nj_container_figures figures = {0}, expected = {0};
    assert_int_equal(nj_cgroup_open(trees->cgroups, V1_TEXT, &cgroup), 0);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    nj_cgroup_unknown(&expected);
    expected.pids = 3;
    assert_memory_equal(&figures, &expected, sizeof(expected));
    assert_null(nj_cgroup_memory_path(cgroup));
    nj_cgroup_close(cgroup);
    assert_int_equal(nj_cgroup_open(trees->cgroups, "0::/nowhere\n", &cgroup), -ENOENT);
    assert_int_equal(nj_cgroup_open(trees->cgroups, "9:pids:/gone\n8:memory:/gone\n", &cgroup), -ENOENT);
    assert_int_equal(nj_cgroup_open(trees->cgroups, "", &cgroup), -ENOENT);
}

static void a_folder_without_cgroups_is_refused(void **state)
{
    struct trees *trees = *state;
    assert_int_equal(nj_cgroups_open(trees->cgroup.root, trees->proc.root, &trees->cgroups), -ENOENT);
    assert_int_equal(nj_cgroups_open("/nowhere/at/all", trees->proc.root, &trees->cgroups), -ENOENT);
}

/* ---- paths that a cgroup namespace cuts */

static void path_is(const struct trees *trees, const char *text, const char *expected)
{
    char path[512] = "";
    assert_true(nj_cgroups_path(trees->cgroups, text, path, sizeof(path)));
    assert_string_equal(path, expected);
}

static void put_mountinfo(const struct trees *trees, const char *root)
{
    char resolved[4096], text[8192];
    assert_non_null(realpath(trees->cgroup.root, resolved));
    (void)snprintf(text, sizeof(text),
                   "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                   "30 22 0:25 %s %s ro,nosuid - cgroup2 cgroup2 rw\n",
                   root, resolved);
    fake_tree_put(&trees->proc, "4711/mountinfo", text);
    fake_tree_link(&trees->proc, "self", "4711");
}

static void a_namespace_of_cgroups_hides_nothing(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "memory\n");
    put(trees, "kubepods/besteffort/pod" UID "/" ID, "memory.current", "1\n");
    put(trees, "kubepods/burstable/podaaaa/" ID, "memory.current", "2\n");
    put(trees, "kubepods/burstable/podbbbb/" OTHER, "cgroup.procs", "471\n14711\n4711\n");
    put(trees, "kubepods/burstable/podcccc/x", "cgroup.procs", "12\n");
    put_mountinfo(trees, "/../../../..");
    fake_tree_put(&trees->proc, "4711/cgroup", "0::/\n");
    open_trees(trees);
    path_is(trees, "0::/\n", "/kubepods/burstable/podbbbb/" OTHER);
    path_is(trees, "0::/sub\n", "/kubepods/burstable/podbbbb/" OTHER "/sub");
    path_is(trees, "0::/../" ID "\n", "/kubepods/burstable/podbbbb/" ID);
    path_is(trees, "0::/../../podaaaa/" ID "\n", "/kubepods/burstable/podaaaa/" ID);
    path_is(trees, "0::/../../../besteffort/pod" UID "/" ID "\n", "/kubepods/besteffort/pod" UID "/" ID);
    path_is(trees, "0::/../../../../system.slice/x.service\n", "/system.slice/x.service");
    path_is(trees, "0::/../../../..\n", "/");
    struct nj_cgroup *cgroup = NULL;
    struct nj_container_figures figures = {0};
    assert_int_equal(nj_cgroup_open(trees->cgroups, "0::/../../podaaaa/" ID "\n", &cgroup), 0);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.memory_usage, 2);
    nj_cgroup_close(cgroup);
    /* What is above all that is mounted can be named, and not be read. */
    path_is(trees, "0::/../../../../../kubepods/pod" UID "/" ID "\n",
            "/../../../../../kubepods/pod" UID "/" ID);
    assert_int_equal(
        nj_cgroup_open(trees->cgroups, "0::/../../../../../kubepods/pod" UID "/" ID "\n", &cgroup), -ENOENT);
    assert_int_equal(
        nj_cgroup_open(trees->cgroups, "0::/../../../../kubepods/../kubepods/pod" UID "/" ID "\n", &cgroup),
        -ENOENT);
}

static void a_namespace_whose_place_is_not_found_is_read_by_what_is_left(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "memory\n");
    put(trees, "kubepods/besteffort/pod" UID "/" ID, "memory.current", "1\n");
    put_mountinfo(trees, "/../../../..");
    fake_tree_put(&trees->proc, "4711/cgroup", "0::/\n"); /* and no cgroup has 4711 */
    open_trees(trees);
    path_is(trees, "0::/../../../../kubepods/besteffort/pod" UID "/" ID "\n",
            "/kubepods/besteffort/pod" UID "/" ID);
    path_is(trees, "0::/../../podaaaa/" ID "\n", "/../../podaaaa/" ID);
}

static void a_part_of_the_hierarchy_may_be_mounted(void **state)
{
    struct trees *trees = *state;
    fake_tree_put(&trees->cgroup, "cgroup.controllers", "memory\n");
    put(trees, "kubelet/kubepods/pod" UID "/" ID, "memory.current", "1\n");
    put_mountinfo(trees, "/kubepods/podouter/" OTHER "/docker");
    open_trees(trees);
    path_is(trees, "0::/kubepods/podouter/" OTHER "/docker/kubelet/kubepods/pod" UID "/" ID "\n",
            "/kubelet/kubepods/pod" UID "/" ID);
    path_is(trees, "0::/kubepods/podouter/" OTHER "/docker\n", "/");
    struct nj_cgroup *cgroup = NULL;
    assert_int_equal(nj_cgroup_open(trees->cgroups,
                                    "0::/kubepods/podouter/" OTHER "/docker/kubelet/kubepods/pod" UID "/" ID
                                    "\n",
                                    &cgroup),
                     0);
    nj_cgroup_close(cgroup);
}

static void a_process_that_ends_on_version_1_is_found_by_version_2s_path(void **state)
{
    struct trees *trees = *state;
    put_v1(trees);
    fake_tree_put(&trees->cgroup, "unified/cgroup.controllers", "\n");
    open_trees(trees);
    path_is(trees, "4:memory:/\n3:pids:/\n0::/" V1_PATH "\n", "/" V1_PATH);
    path_is(trees, "4:memory:/" V1_PATH " (deleted)\n", "/" V1_PATH);
    path_is(trees, "4:memory:/\n0::/\n", "/");
    path_is(trees, "1:cpu,memory,x:/a:b\n", "/a:b"); /* a colon in a name */
    char path[64];
    assert_false(nj_cgroups_path(trees->cgroups, "4:memory:/no/end/of/line", path, sizeof(path)));
    assert_false(nj_cgroups_path(trees->cgroups, "4:memory:relative\nx\n::\n:\n\n", path, sizeof(path)));
    assert_false(nj_cgroups_path(trees->cgroups, "4:memory:/" V1_PATH "\n", path, sizeof(path))); /* long */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_a_path_names_its_container),
        cmocka_unit_test(values_are_exact_or_unknown),
        cmocka_unit_test_setup_teardown(version_2_is_read_in_full, setup, teardown),
        cmocka_unit_test_setup_teardown(of_cruns_two_levels_the_containers_own_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_or_garbage_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(version_1_is_read_in_full, setup, teardown),
        cmocka_unit_test_setup_teardown(kills_in_nested_cgroups_of_version_1_are_counted_and_never_taken_back,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_hybrid_has_its_pressure_in_version_2, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_controllers_are_unknown_and_others_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_without_cgroups_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_namespace_of_cgroups_hides_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_namespace_whose_place_is_not_found_is_read_by_what_is_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_part_of_the_hierarchy_may_be_mounted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_that_ends_on_version_1_is_found_by_version_2s_path, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
