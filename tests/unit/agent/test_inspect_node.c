/*
 * The node's figures, from files as the kernel writes them, and of real mounts.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/inspect/node.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

/* A directory with files in it: a stand-in for /proc, or for the root of the host's file systems. */
static char top[32];

static const char *path_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    return path;
}

static void make_parents(const char *name)
{
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        char part[256];
        (void)snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
        (void)mkdir(path_of(part), 0755);
    }
}

static void put(const char *name, const char *text)
{
    make_parents(name);
    FILE *file = fopen(path_of(name), "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int plant(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/nj-node-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(mkdir(path_of("proc"), 0755), 0);
    return 0;
}

static int fell(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        (void)execlp("rm", "rm", "-rf", "--one-file-system", top, NULL);
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
    return 0;
}

static void read_node(struct nj_node_figures *node, bool own_network)
{
    char proc[64];
    (void)snprintf(proc, sizeof(proc), "%s/proc", top);
    struct nj_node_options options = {.proc = proc, .root = top, .own_network = own_network};
    memset(node, 0x55, sizeof(*node));
    nj_node_read(&options, 11, 22, node);
    assert_int_equal(node->at_ns, 11);
    assert_int_equal(node->wall_ns, 22);
}

static void test_figures(void **state)
{
    (void)state;
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    uint64_t tick = (uint64_t)NJ_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
    put("proc/stat", "cpu  100 20 300 4000 50 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
                     "cpu1 1 2 3 4 5 6 7 8 0 0\nintr 5 5 5\nctxt 1\ncpufreq 1\n");
    put("proc/meminfo", "MemTotal:       24684092 kB\nMemFree:         1000 kB\nMemAvailable:    2000 kB\n"
                        "SwapCached:            7 kB\nSwapTotal:       64 kB\nSwapFree:         32 kB\n");
    put("proc/vmstat", "oom_kill_other 9\npgfault 5\noom_kill 3\n");
    put("proc/pressure/cpu", "some avg10=1.51 avg60=2.01 avg300=3.68 total=10201018862\n"
                             "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
                                "full avg10=0.00 avg60=0.00 avg300=0.00 total=4\n");
    put("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
                            "full avg10=0.00 avg60=0.00 avg300=0.00 total=6\n");
    put("proc/loadavg", "12.05 0.25 0.10 2/345 6789\n");
    put("proc/sys/fs/file-nr", "1234\t34\t9223372036854775807\n");
    put("proc/sys/kernel/pid_max", "4194304\n");
    put("proc/sys/kernel/threads-max", "95000\n");
    put("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    put("proc/net/stat/nf_conntrack", "entries  clashres found new\n0000abcd  00000000 00000000 00000000\n"
                                      "0000abcd  00000000 00000000 00000000\n");
    read_node(node, false);
    assert_int_equal(node->cpus, 2);
    assert_int_equal(node->cpu_user_ns, 100 * tick);
    assert_int_equal(node->cpu_system_ns, 300 * tick);
    assert_int_equal(node->cpu_idle_ns, 4000 * tick);
    assert_int_equal(node->cpu_iowait_ns, 50 * tick);
    assert_int_equal(node->cpu_steal_ns, 8 * tick);
    assert_int_equal(node->cpu_other_ns, 33 * tick);
    assert_int_equal(node->memory_total, 24684092 * INT64_C(1024));
    assert_int_equal(node->memory_free, 1000 * 1024);
    assert_int_equal(node->memory_available, 2000 * 1024);
    assert_int_equal(node->swap_total, 64 * 1024);
    assert_int_equal(node->swap_free, 32 * 1024);
    assert_int_equal(node->oom_kills, 3);
    assert_int_equal(node->pressure.cpu_some, 10201018862);
    assert_int_equal(node->pressure.memory_some, 5);
    assert_int_equal(node->pressure.memory_full, 4);
    assert_int_equal(node->pressure.io_some, 7);
    assert_int_equal(node->pressure.io_full, 6);
    assert_int_equal(node->load1_millis, 12050);
    assert_int_equal(node->files, 1200);
    assert_true(node->files_max == INT64_MAX);
    assert_int_equal(node->pid_max, 95000);
    assert_int_equal(node->conntrack, 0xabcd);
    assert_int_equal(node->conntrack_max, 262144);

    /* The host's connections are not those of this process' namespace. */
    put("proc/1/net/stat/nf_conntrack", "entries  clashres\n00000010  00000000\n");
    read_node(node, true);
    assert_int_equal(node->conntrack, 0x10);
    free(node);
}

static void check_unknown(const struct nj_node_figures *node)
{
    const uint64_t unknown[] = {
        node->cpus,
        node->cpu_user_ns,
        node->cpu_system_ns,
        node->cpu_idle_ns,
        node->cpu_other_ns,
        node->cpu_iowait_ns,
        node->cpu_steal_ns,
        node->memory_total,
        node->memory_free,
        node->memory_available,
        node->swap_total,
        node->swap_free,
        node->oom_kills,
        node->pressure.cpu_some,
        node->pressure.memory_some,
        node->pressure.memory_full,
        node->load1_millis,
        node->pressure.io_some,
        node->pressure.io_full,
        node->files,
        node->files_max,
        node->pid_max,
        node->conntrack,
        node->conntrack_max,
    };
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        if (unknown[i] != NJ_UNKNOWN)
            fail_msg("figure %zu is %llu", i, (unsigned long long)unknown[i]);
    }
    assert_int_equal(node->mounts_count, 0);
    assert_int_equal(node->interfaces_count, 0);
}

static void test_nothing_there(void **state)
{
    (void)state;
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    struct nj_node_options options = {.proc = "/nonexistent", .root = ""};
    read_node(node, false);
    check_unknown(node);
    memset(node, 0, sizeof(*node));
    nj_node_read(&options, 0, 0, node);
    check_unknown(node);
    free(node);
}

static void test_rubbish(void **state)
{
    (void)state;
    static const char *const names[] = {"stat",
                                        "meminfo",
                                        "vmstat",
                                        "pressure/cpu",
                                        "pressure/io",
                                        "pressure/memory",
                                        "loadavg",
                                        "sys/fs/file-nr",
                                        "1/mountinfo",
                                        "sys/kernel/pid_max",
                                        "net/dev",
                                        "sys/kernel/threads-max",
                                        "net/stat/nf_conntrack"};
    static const char *const texts[] = {
        "",
        "\n\n",
        "rubbish",
        "cpu  1 2\nMemTotal: -5 kB\noom_kill \nsome total=\n",
        "99999999999999999999999999999999999999\n",
        "cpu  18446744073709551615 1 1 1 1 1 1 1\nMemTotal: 18446744073709551615 kB\n",
        "entries\nxyz 1\n",
        "entries\n11111111111111111 1\n",
        "5.123 1\n",
        "5 6 7\n", /* more free than there are */
        " eth0: 1 2 3\n:1 2 3 4 5 6 7 8 9 10 11 12\na/b: 1 2 3 4 5 6 7 8 9 10 11 12 13\n",
        "35 36 98:0 / /mnt rw\n36 35 98 / / rw - ext4 x rw\n36 35 8:1 / rel rw - ext4 x rw\n",
    };
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        char name[64];
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            (void)snprintf(name, sizeof(name), "proc/%s", names[n]);
            put(name, texts[t]);
        }
        read_node(node, false);
        check_unknown(node);
    }
    free(node);
}

#define COUNTERS(n) #n "1 2 3 4 5 6 7 8 " #n "9 10 11 12 13 14 15 16\n"

static void test_interfaces(void **state)
{
    (void)state;
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    put("proc/net/dev", "Inter-|   Receive                                                |  Transmit\n"
                        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
                        "    lo: " COUNTERS(1) "  eth0:" COUNTERS(2) "veth1a2b3c: " COUNTERS(3) //
        "cali0123: " COUNTERS(4) "eni0123456789a: " COUNTERS(5) "cni0: " COUNTERS(6)            //
        "ens5.7: " COUNTERS(7));
    /* Pods' ends by another name; a VLAN of the node itself; a veth that is the way out of a node in a
     * container. */
    put("sys/class/net/eni0123456789a/ifindex", "9\n");
    put("sys/class/net/eni0123456789a/iflink", "2\n");
    put("sys/class/net/eni0123456789a/uevent", "INTERFACE=eni0123456789a\nIFINDEX=9\n");
    put("sys/class/net/ens5.7/ifindex", "10\n");
    put("sys/class/net/ens5.7/iflink", "3\n");
    put("sys/class/net/ens5.7/uevent", "DEVTYPE=vlan\nINTERFACE=ens5.7\nIFINDEX=10\n");
    put("sys/class/net/eth0/ifindex", "2\n");
    put("sys/class/net/eth0/iflink", "77\n");
    put("sys/class/net/eth0/uevent", "INTERFACE=eth0\nIFINDEX=2\n");
    read_node(node, false);
    assert_int_equal(node->interfaces_count, 4);
    assert_string_equal(node->interfaces[0].name, "lo");
    assert_string_equal(node->interfaces[2].name, "cni0");
    assert_string_equal(node->interfaces[3].name, "ens5.7");
    const struct nj_interface_figures *eth = &node->interfaces[1];
    assert_string_equal(eth->name, "eth0");
    assert_int_equal(eth->received_bytes, 21);
    assert_int_equal(eth->received_packets, 2);
    assert_int_equal(eth->receive_errors, 3);
    assert_int_equal(eth->receive_drops, 4);
    assert_int_equal(eth->sent_bytes, 29);
    assert_int_equal(eth->sent_packets, 10);
    assert_int_equal(eth->send_errors, 11);
    assert_int_equal(eth->send_drops, 12);
    free(node);
}

static void test_more_than_fit(void **state)
{
    (void)state;
    enum { MANY = NJ_INTERFACES_MAX + 5 };
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    struct nj_buf devices = {0}, mounts = {0};
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(nj_buf_printf(&devices, "eth%d: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", i), 0);
        assert_int_equal(nj_buf_printf(&mounts, "1 1 9:%d / /mnt%d rw - ext4 /dev/sd%d rw\n", i, i, i), 0);
    }
    put("proc/net/dev", nj_buf_str(&devices));
    put("proc/1/mountinfo", nj_buf_str(&mounts));
    read_node(node, false);
    assert_int_equal(node->interfaces_count, NJ_INTERFACES_MAX);
    assert_int_equal(node->interfaces_left_out, 5);
    assert_int_equal(node->mounts_count, 0); /* none of them is where it is said to be */
    assert_int_equal(node->mounts_left_out, 5);
    nj_buf_done(&devices);
    nj_buf_done(&mounts);
    free(node);
}

/* Lines of a node's mountinfo, all on the one device that the test's directory is on: what is chosen, by what
 * the lines say. */
static void read_mounts(const char *format, struct nj_node_figures *node)
{
    struct stat status;
    struct nj_buf text = {0};
    char device[32];
    assert_int_equal(stat(top, &status), 0);
    (void)snprintf(device, sizeof(device), "%u:%u", major(status.st_dev), minor(status.st_dev));
    for (const char *at = format; *at != '\0'; at++)
        (void)(*at == '%' ? nj_buf_append_str(&text, device) : nj_buf_append_char(&text, *at));
    put("proc/1/mountinfo", nj_buf_str(&text));
    nj_buf_done(&text);
    read_node(node, false);
}

static void test_one_device_once(void **state)
{
    (void)state;
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    make_parents("a dir/x/");
    make_parents("short/");
    make_parents("var/lib/kubelet/pods/u/volumes/v/");
    make_parents("var/lib/docker/overlay2/m/");

    read_mounts("30 1 % /sub /short rw,relatime shared:1 - ext4 /dev/vda rw\n"
                "31 1 % / /a\\040dir/x ro,relatime shared:1 master:2 - ext4 /dev/vda rw,discard\n"
                "32 1 % / /a\\040dir/x/longer rw - ext4 /dev/vda rw\n",
                node);
    assert_int_equal(node->mounts_count, 1);
    assert_string_equal(node->mounts[0].path, "/a dir/x");
    assert_string_equal(node->mounts[0].device, "/dev/vda");
    assert_string_equal(node->mounts[0].type, "ext4");
    assert_true(node->mounts[0].read_only);
    assert_true(node->mounts[0].size > 0 && node->mounts[0].size != NJ_UNKNOWN);
    assert_true(node->mounts[0].available <= node->mounts[0].size);

    /* Of a file system whose own root is not mounted the shortest path. */
    read_mounts("30 1 % /sub /a\\040dir/x rw - ext4 /dev/vda rw\n31 1 % /sub /short rw - ext4 /dev/vda ro\n",
                node);
    assert_int_equal(node->mounts_count, 1);
    assert_string_equal(node->mounts[0].path, "/short");
    assert_true(node->mounts[0].read_only);

    /* What pods and containers have mounted is theirs; what is no directory here is not seen. */
    read_mounts("30 1 % / /var/lib/kubelet/pods/u/volumes/v rw - ext4 /dev/vdb rw\n"
                "31 1 % / /var/lib/docker/overlay2/m rw - overlay overlay rw\n"
                "32 1 % / /dev/shm rw - tmpfs tmpfs rw\n"
                "33 1 % / /proc/stat rw - ext4 /dev/vdc rw\n",
                node);
    assert_int_equal(node->mounts_count, 0);

    /* Nothing is asked of a network's file system, nor of a disk that is mounted below one. */
    read_mounts("30 1 % / /short rw - nfs4 server:/ rw\n", node);
    assert_int_equal(node->mounts_count, 0);
    read_mounts("30 1 0:99 / /a\\040dir rw - fuse.sshfs server:/ rw\n"
                "31 1 % / /a\\040dir/x rw - ext4 /dev/vda rw\n",
                node);
    assert_int_equal(node->mounts_count, 0);
    read_mounts("30 1 0:99 / /a rw - fuse.sshfs server:/ rw\n31 1 % / /a\\040dir/x rw - ext4 /dev/vda rw\n",
                node);
    assert_int_equal(node->mounts_count, 1);
    free(node);
}

/* A mount namespace of its own; false when there is none to be had. */
static bool enter_mount_namespace(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void mount_tmpfs(const char *name, unsigned long flags, const char *options)
{
    char directory[64];
    (void)snprintf(directory, sizeof(directory), "%s/", name);
    make_parents(directory);
    assert_int_equal(mount("nightjar-test", path_of(name), "tmpfs", flags, options), 0);
}

/* A FUSE file system whose server answers nothing: as dead as a file server can be. False when there is no
 * FUSE here. */
static bool mount_dead(const char *name)
{
    char options[128], directory[64];
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    (void)snprintf(directory, sizeof(directory), "%s/", name);
    make_parents(directory);
    (void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
    return mount("dead-server", path_of(name), "fuse", 0, options) == 0;
}

static const struct nj_mount_figures *find(const struct nj_node_figures *node, const char *name)
{
    const struct nj_mount_figures *found = NULL;
    for (size_t i = 0; i < node->mounts_count; i++) {
        if (strcmp(node->mounts[i].path, path_of(name)) == 0) {
            assert_null(found);
            found = &node->mounts[i];
        }
    }
    return found;
}

/* What test_real_mounts() looks at, below the test's directory and at /mnt. */
static void mount_all(void)
{
    enum { HALF = 512 << 10 };
    char *half = nj_calloc(1, HALF + 1);
    mount_tmpfs("disk with blanks", 0, "size=1m,nr_inodes=100");
    mount_tmpfs("read-only", MS_RDONLY, "size=2m");
    mount_tmpfs("hidden", 0, "size=3m");
    mount_tmpfs("hidden", 0, "size=4m");
    mount_tmpfs("kubelet/pods/x", 0, "size=1m");
    assert_int_equal(mount(path_of("disk with blanks"), "/mnt", NULL, MS_BIND, NULL), 0);
    memset(half, 'x', HALF);
    put("disk with blanks/file", half);
    free(half);
    if (!mount_dead("dead"))
        print_message("there is no FUSE here: no dead server\n");
}

static void unmount_all(void)
{
    static const char *const names[] = {"disk with blanks", "read-only",      "hidden",
                                        "hidden",           "kubelet/pods/x", "dead"};
    (void)umount2("/mnt", MNT_DETACH);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)umount2(path_of(names[i]), MNT_DETACH);
}

/* The space of "disk with blanks", which is /mnt as well: a shorter path. */
static void check_space(const struct nj_node_figures *node)
{
    const struct nj_mount_figures *mount = NULL;
    assert_null(find(node, "disk with blanks"));
    for (size_t i = 0; i < node->mounts_count; i++) {
        if (strcmp(node->mounts[i].path, "/mnt") == 0)
            mount = &node->mounts[i];
    }
    if (mount == NULL) {
        fail_msg("the mount is not there");
        return;
    }
    assert_string_equal(mount->device, "nightjar-test");
    assert_int_equal(mount->size, 1 << 20);
    assert_int_equal(mount->available, 512 << 10);
    assert_int_equal(mount->inodes, 100);
    assert_int_equal(mount->inodes_free, 98); /* the file, and the directory it is in */
    assert_false(mount->read_only);
}

static void test_real_mounts(void **state)
{
    (void)state;
    enum { TEST_TIME_S = 30 };
    char proc[64];
    if (!enter_mount_namespace()) {
        print_message("no mount namespace can be had here\n");
        skip();
        return;
    }
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    make_parents("proc/1/");
    assert_int_equal(symlink("/proc/thread-self/mountinfo", path_of("proc/1/mountinfo")), 0);
    (void)snprintf(proc, sizeof(proc), "%s/proc", top);
    struct nj_node_options options = {.proc = proc, .root = ""};
    mount_all();

    (void)alarm(TEST_TIME_S); /* it would wait for the dead server until then */
    nj_node_read(&options, 0, 0, node);
    (void)alarm(0);
    for (size_t i = 0; i < node->mounts_count; i++)
        assert_string_not_equal(node->mounts[i].type, "fuse");
    check_space(node);
    assert_true(find(node, "read-only")->read_only);
    assert_int_equal(find(node, "hidden")->size, 4 << 20); /* only one of the two can be seen */
    assert_null(find(node, "kubelet/pods/x"));
    unmount_all();
    free(node);
}

static void test_this_machine(void **state)
{
    (void)state;
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    struct nj_node_options options = {.proc = "/proc", .root = "", .own_network = true};
    nj_node_read(&options, 0, 0, node);
    assert_true(node->cpus >= 1 && node->cpus <= (uint64_t)sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(node->memory_total, (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    assert_true(node->memory_available <= node->memory_total);
    assert_true(node->cpu_idle_ns > 0 && node->cpu_idle_ns != NJ_UNKNOWN);
    assert_true(node->pid_max > 100 && node->pid_max <= 1 << 22);
    assert_true(node->files > 0 && node->files <= node->files_max);
    assert_true(node->interfaces_count >= 1);
    free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_figures, plant, fell),
        cmocka_unit_test_setup_teardown(test_nothing_there, plant, fell),
        cmocka_unit_test_setup_teardown(test_rubbish, plant, fell),
        cmocka_unit_test_setup_teardown(test_interfaces, plant, fell),
        cmocka_unit_test_setup_teardown(test_more_than_fit, plant, fell),
        cmocka_unit_test_setup_teardown(test_one_device_once, plant, fell),
        cmocka_unit_test_setup_teardown(test_real_mounts, plant, fell),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
