#include "agent/inspect/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/cgroup_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    TEXT_MAX = 32 * 1024, /* of a file; io.stat has a line for each device */
    ABSENT_READS = 30,    /* a file that is not there is looked for again after so many reads */
    SELDOM_READS = 6,     /* limits and peaks are read once in so many reads; those that are near each time */
    NESTED_MAX = 256,     /* cgroups within a container whose OOM kills are added up (version 1) */
    NESTED_DEPTH_MAX = 8,
};

/* Version 1 writes a limit that is none as the largest number of whole pages; cAdvisor draws the line here.
 */
#define V1_NO_LIMIT (UINT64_C(1) << 62)

enum file {
    FILE_CPU_USAGE,
    FILE_CPU_STAT,
    FILE_CPU_QUOTA,
    FILE_CPU_PERIOD,
    FILE_MEMORY_USAGE,
    FILE_MEMORY_STAT,
    FILE_MEMORY_LIMIT,
    FILE_MEMORY_PEAK,
    FILE_MEMORY_SWAP,
    FILE_OOM,
    FILE_IO_BYTES,
    FILE_IO_COUNTS,
    FILE_PIDS,
    FILE_PIDS_LIMIT,
    FILE_CPU_PRESSURE,
    FILE_MEMORY_PRESSURE,
    FILE_IO_PRESSURE,
    FILES
};

/* Where each is: NULL where that version has none. Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst. */
static const struct {
    enum nj_hierarchy v1;
    const char *v1_name, *v1_older, *v2_name;
} sources[FILES] = {
    [FILE_CPU_USAGE] = {NJ_HIERARCHY_CPUACCT, "cpuacct.usage", NULL, NULL},
    [FILE_CPU_STAT] = {NJ_HIERARCHY_CPU, "cpu.stat", NULL, "cpu.stat"},
    [FILE_CPU_QUOTA] = {NJ_HIERARCHY_CPU, "cpu.cfs_quota_us", NULL, "cpu.max"},
    [FILE_CPU_PERIOD] = {NJ_HIERARCHY_CPU, "cpu.cfs_period_us", NULL, NULL},
    [FILE_MEMORY_USAGE] = {NJ_HIERARCHY_MEMORY, "memory.usage_in_bytes", NULL, "memory.current"},
    [FILE_MEMORY_STAT] = {NJ_HIERARCHY_MEMORY, "memory.stat", NULL, "memory.stat"},
    [FILE_MEMORY_LIMIT] = {NJ_HIERARCHY_MEMORY, "memory.limit_in_bytes", NULL, "memory.max"},
    [FILE_MEMORY_PEAK] = {NJ_HIERARCHY_MEMORY, "memory.max_usage_in_bytes", NULL, "memory.peak"},
    [FILE_MEMORY_SWAP] = {NJ_HIERARCHY_MEMORY, NULL, NULL, "memory.swap.current"},
    [FILE_OOM] = {NJ_HIERARCHY_MEMORY, "memory.oom_control", NULL, "memory.events"},
    [FILE_IO_BYTES] = {NJ_HIERARCHY_BLKIO, "blkio.throttle.io_service_bytes_recursive",
                       "blkio.throttle.io_service_bytes", "io.stat"},
    [FILE_IO_COUNTS] = {NJ_HIERARCHY_BLKIO, "blkio.throttle.io_serviced_recursive",
                        "blkio.throttle.io_serviced", NULL},
    [FILE_PIDS] = {NJ_HIERARCHY_PIDS, "pids.current", NULL, "pids.current"},
    [FILE_PIDS_LIMIT] = {NJ_HIERARCHY_PIDS, "pids.max", NULL, "pids.max"},
    [FILE_CPU_PRESSURE] = {NJ_HIERARCHY_V2, NULL, NULL, "cpu.pressure"},
    [FILE_MEMORY_PRESSURE] = {NJ_HIERARCHY_V2, NULL, NULL, "memory.pressure"},
    [FILE_IO_PRESSURE] = {NJ_HIERARCHY_V2, NULL, NULL, "io.pressure"},
};

struct held {
    int fd;         /* -1: not open; the kernel keeps a page for one that is */
    uint8_t absent; /* reads until it is looked for again */
};

struct nj_cgroup {
    struct nj_cgroups *cgroups;
    char *paths[NJ_HIERARCHIES]; /* from the mount's top; NULL: the container is not in that one */
    char *memory_path;           /* NULL without the controller */
    struct held files[FILES];
    bool gone;
    unsigned reads;
    uint64_t quota_millis, memory_limit, memory_peak, pids_limit; /* as they were read last */
    uint64_t oom_sum, oom_kills; /* version 1: what the nested ones said last, and the total kept from that */
    bool oom_known;
};

/* ---- opening */

/* The path up to the container's own level. */
static bool container_path(const char *path, const struct nj_cgroup_place *place, char **ret_path)
{
    struct nj_cgroup_place here;
    size_t len;
    if (!nj_cgroup_place_within(path, &here, &len) || !nj_streq(here.container_id, place->container_id))
        return false;
    *ret_path = nj_strndup(path, len);
    return true;
}

static bool is_there(const struct nj_cgroups *cgroups, enum nj_hierarchy hierarchy, const char *path)
{
    struct stat info;
    const char *relative = path[1] == '\0' ? "." : path + 1;
    return fstatat(cgroups->mounts[hierarchy].fd, relative, &info, 0) == 0;
}

int nj_cgroup_open(struct nj_cgroups *cgroups, const char *text, struct nj_cgroup **ret_cgroup)
{
    char main_path[NJ_CGROUP_PATH_MAX], path[NJ_CGROUP_PATH_MAX];
    if (!nj_cgroups_path(cgroups, text, main_path, sizeof(main_path)))
        return -ENOENT;
    struct nj_cgroup_place place = {0};
    (void)nj_cgroup_place(main_path, &place);
    struct nj_cgroup *cgroup = NJ_NEW(struct nj_cgroup);
    cgroup->cgroups = cgroups;
    for (int i = 0; i < FILES; i++)
        cgroup->files[i].fd = -1;
    bool found = false;
    for (int i = 0; i < NJ_HIERARCHIES; i++) {
        if (!nj_cgroups_locate(cgroups, i, text, path, sizeof(path)))
            continue;
        char *own = NULL; /* what another controller counts for somebody else is not this one's */
        if (place.container_id[0] != '\0')
            (void)container_path(path, &place, &own);
        else if (nj_streq(path, main_path))
            own = nj_strdup(path);
        if (own != NULL && is_there(cgroups, i, own)) {
            cgroup->paths[i] = own;
            found = true;
        } else {
            free(own);
        }
    }
    if (!found) {
        nj_cgroup_close(cgroup);
        return -ENOENT;
    }
    enum nj_hierarchy memory = nj_cgroups_are_v2(cgroups) ? NJ_HIERARCHY_V2 : NJ_HIERARCHY_MEMORY;
    if (cgroup->paths[memory] != NULL)
        cgroup->memory_path = nj_asprintf("%s%s", cgroups->mounts[memory].directory, cgroup->paths[memory]);
    *ret_cgroup = cgroup;
    return 0;
}

static void close_file(struct nj_cgroup *cgroup, struct held *held)
{
    if (held->fd < 0)
        return;
    (void)close(held->fd);
    held->fd = -1;
    cgroup->cgroups->held--;
}

void nj_cgroup_close(struct nj_cgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    for (int i = 0; i < FILES; i++)
        close_file(cgroup, &cgroup->files[i]);
    for (int i = 0; i < NJ_HIERARCHIES; i++)
        free(cgroup->paths[i]);
    free(cgroup->memory_path);
    free(cgroup);
}

const char *nj_cgroup_memory_path(const struct nj_cgroup *cgroup)
{
    return cgroup->memory_path;
}

/* ---- reading */

static bool is_v1(const struct nj_cgroup *cgroup, enum file file)
{
    return cgroup->cgroups->mounts[sources[file].v1].fd >= 0 && sources[file].v1 != NJ_HIERARCHY_V2;
}

static int open_name(const struct nj_cgroup *cgroup, enum nj_hierarchy hierarchy, const char *name)
{
    char path[NJ_CGROUP_PATH_MAX + 64];
    if (cgroup->paths[hierarchy] == NULL || name == NULL)
        return -ENOENT;
    int len = snprintf(path, sizeof(path), ".%s/%s", cgroup->paths[hierarchy], name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = openat(cgroup->cgroups->mounts[hierarchy].fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_file(const struct nj_cgroup *cgroup, enum file file)
{
    if (!is_v1(cgroup, file))
        return open_name(cgroup, NJ_HIERARCHY_V2, sources[file].v2_name);
    int fd = open_name(cgroup, sources[file].v1, sources[file].v1_name);
    return fd == -ENOENT && sources[file].v1_older != NULL
               ? open_name(cgroup, sources[file].v1, sources[file].v1_older)
               : fd;
}

static bool is_seldom(enum file file)
{
    return file == FILE_CPU_QUOTA || file == FILE_CPU_PERIOD || file == FILE_MEMORY_LIMIT ||
           file == FILE_MEMORY_PEAK || file == FILE_PIDS_LIMIT;
}

/* The whole of a file, terminated: false when there is none, when it cannot be read, or is too long to be
 * told whole. */
static bool read_file(struct nj_cgroup *cgroup, enum file file, char text[TEXT_MAX])
{
    struct held *held = &cgroup->files[file];
    if (held->absent > 0) {
        held->absent--;
        return false;
    }
    if (held->fd < 0) {
        int fd = open_file(cgroup, file);
        if (fd < 0) {
            if (fd != -EMFILE && fd != -ENFILE)
                held->absent = ABSENT_READS;
            return false;
        }
        held->fd = fd;
        cgroup->cgroups->held++;
    }
    ssize_t got = nj_proc_read_fd(held->fd, text, TEXT_MAX);
    if (got == -ENODEV)
        cgroup->gone = true;
    if (got < 0 || is_seldom(file) || cgroup->cgroups->held > cgroup->cgroups->max_held)
        close_file(cgroup, held);
    if (got < 0 && got != -ENODEV)
        held->absent = ABSENT_READS; /* unreadable, or pressure is switched off */
    return got >= 0 && got < TEXT_MAX - 1;
}

static uint64_t read_number(struct nj_cgroup *cgroup, enum file file, char text[TEXT_MAX])
{
    return read_file(cgroup, file, text) ? nj_cgroup_number(text) : NJ_UNKNOWN;
}

static uint64_t times(uint64_t value, uint64_t factor)
{
    uint64_t product;
    return value == NJ_UNKNOWN || __builtin_mul_overflow(value, factor, &product) ? NJ_UNKNOWN : product;
}

static bool is_due(const struct nj_cgroup *cgroup)
{
    return cgroup->reads % SELDOM_READS == 0;
}

/* What is known of a limit may be old where nothing is near it. */
static bool is_near(uint64_t value, uint64_t limit)
{
    return value != NJ_UNKNOWN && limit != NJ_UNKNOWN && value / 3 >= limit / 4;
}

static void read_quota(struct nj_cgroup *cgroup, char text[TEXT_MAX], bool v1)
{
    cgroup->quota_millis = NJ_UNKNOWN;
    if (v1) {
        uint64_t quota = read_number(cgroup, FILE_CPU_QUOTA, text); /* -1, which is no number: none */
        cgroup->quota_millis = nj_cgroup_quota_millis(quota, read_number(cgroup, FILE_CPU_PERIOD, text));
    } else if (read_file(cgroup, FILE_CPU_QUOTA, text)) {
        cgroup->quota_millis = nj_cgroup_quota(text);
    }
}

static void read_cpu(struct nj_cgroup *cgroup, char text[TEXT_MAX], struct nj_container_figures *figures)
{
    bool v1 = is_v1(cgroup, FILE_CPU_STAT);
    if (read_file(cgroup, FILE_CPU_STAT, text)) {
        figures->periods = nj_cgroup_keyed(text, "nr_periods");
        figures->throttled_periods = nj_cgroup_keyed(text, "nr_throttled");
        figures->throttled_ns = v1 ? nj_cgroup_keyed(text, "throttled_time")
                                   : times(nj_cgroup_keyed(text, "throttled_usec"), 1000);
        if (!is_v1(cgroup, FILE_CPU_USAGE)) /* on a hybrid the two may differ */
            figures->cpu_ns = times(nj_cgroup_keyed(text, "usage_usec"), 1000);
    }
    if (is_v1(cgroup, FILE_CPU_USAGE))
        figures->cpu_ns = read_number(cgroup, FILE_CPU_USAGE, text);
    if (is_due(cgroup))
        read_quota(cgroup, text, v1);
    figures->cpu_quota_millis = cgroup->quota_millis;
}

/* The hierarchical figure where version 1 has it apart. */
static uint64_t total(const char *text, const char *hierarchical, const char *plain)
{
    uint64_t value = nj_cgroup_keyed(text, hierarchical);
    return value != NJ_UNKNOWN ? value : nj_cgroup_keyed(text, plain);
}

/* As the kubelet and cAdvisor count (cadvisor container/libcontainer/handler.go): the working set is the
 * usage without the inactive part of the page cache. */
static void read_memory(struct nj_cgroup *cgroup, char text[TEXT_MAX], struct nj_container_figures *figures)
{
    bool v1 = is_v1(cgroup, FILE_MEMORY_STAT);
    uint64_t inactive = NJ_UNKNOWN;
    figures->memory_usage = read_number(cgroup, FILE_MEMORY_USAGE, text);
    if (read_file(cgroup, FILE_MEMORY_STAT, text)) {
        inactive =
            v1 ? total(text, "total_inactive_file", "inactive_file") : nj_cgroup_keyed(text, "inactive_file");
        figures->memory_rss = v1 ? total(text, "total_rss", "rss") : nj_cgroup_keyed(text, "anon");
        figures->memory_cache = v1 ? total(text, "total_cache", "cache") : nj_cgroup_keyed(text, "file");
        if (v1)
            figures->memory_swap = total(text, "total_swap", "swap");
    }
    if (figures->memory_usage != NJ_UNKNOWN && inactive != NJ_UNKNOWN)
        figures->memory_working_set = figures->memory_usage > inactive ? figures->memory_usage - inactive : 0;
    if (is_due(cgroup) || is_near(figures->memory_usage, cgroup->memory_limit)) {
        cgroup->memory_limit = read_number(cgroup, FILE_MEMORY_LIMIT, text);
        if (v1 && cgroup->memory_limit >= V1_NO_LIMIT)
            cgroup->memory_limit = NJ_UNKNOWN;
    }
    figures->memory_limit = cgroup->memory_limit;
    if (is_due(cgroup))
        cgroup->memory_peak = read_number(cgroup, FILE_MEMORY_PEAK, text);
    if (cgroup->memory_peak != NJ_UNKNOWN && figures->memory_usage != NJ_UNKNOWN &&
        cgroup->memory_peak < figures->memory_usage)
        cgroup->memory_peak = figures->memory_usage;
    figures->memory_peak = cgroup->memory_peak;
    if (!v1)
        figures->memory_swap = read_number(cgroup, FILE_MEMORY_SWAP, text);
}

static void read_io(struct nj_cgroup *cgroup, char text[TEXT_MAX], struct nj_container_figures *figures)
{
    if (!is_v1(cgroup, FILE_IO_BYTES)) {
        if (!read_file(cgroup, FILE_IO_BYTES, text))
            return;
        figures->read_bytes = nj_cgroup_io_v2(text, "rbytes");
        figures->written_bytes = nj_cgroup_io_v2(text, "wbytes");
        figures->reads = nj_cgroup_io_v2(text, "rios");
        figures->writes = nj_cgroup_io_v2(text, "wios");
        return;
    }
    if (read_file(cgroup, FILE_IO_BYTES, text)) {
        figures->read_bytes = nj_cgroup_io_v1(text, "Read");
        figures->written_bytes = nj_cgroup_io_v1(text, "Write");
    }
    if (read_file(cgroup, FILE_IO_COUNTS, text)) {
        figures->reads = nj_cgroup_io_v1(text, "Read");
        figures->writes = nj_cgroup_io_v1(text, "Write");
    }
}

static void read_pressure(struct nj_cgroup *cgroup, char text[TEXT_MAX], struct nj_pressure_figures *pressure)
{
    if (read_file(cgroup, FILE_CPU_PRESSURE, text))
        pressure->cpu_some = nj_cgroup_pressure(text, "some");
    if (read_file(cgroup, FILE_MEMORY_PRESSURE, text)) {
        pressure->memory_some = nj_cgroup_pressure(text, "some");
        pressure->memory_full = nj_cgroup_pressure(text, "full");
    }
    if (read_file(cgroup, FILE_IO_PRESSURE, text)) {
        pressure->io_some = nj_cgroup_pressure(text, "some");
        pressure->io_full = nj_cgroup_pressure(text, "full");
    }
}

/* ---- OOM kills */

/* Version 1 counts a kill in the victim's cgroup only. Adds those of the cgroups below. */
static void add_nested(int directory, unsigned depth, unsigned *looked, uint64_t *sum)
{
    DIR *dir = fdopendir(directory);
    if (dir == NULL) {
        (void)close(directory);
        return;
    }
    for (struct dirent *entry; depth < NESTED_DEPTH_MAX && (entry = readdir(dir)) != NULL;) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || (*looked)++ >= NESTED_MAX)
            continue;
        int below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        char text[256];
        if (below < 0)
            continue;
        uint64_t kills = nj_proc_read(below, "memory.oom_control", text, sizeof(text)) < 0
                             ? NJ_UNKNOWN
                             : nj_cgroup_keyed(text, "oom_kill");
        if (kills != NJ_UNKNOWN)
            *sum += kills;
        add_nested(below, depth + 1, looked, sum);
    }
    (void)closedir(dir);
}

static uint64_t nested_kills(const struct nj_cgroup *cgroup)
{
    enum { PLAIN_LINKS = 2 }; /* of a directory without any below; some file systems do not count */
    struct stat info;
    const char *path = cgroup->paths[NJ_HIERARCHY_MEMORY];
    int mount = cgroup->cgroups->mounts[NJ_HIERARCHY_MEMORY].fd;
    if (path == NULL || path[1] == '\0' || fstatat(mount, path + 1, &info, 0) < 0 ||
        info.st_nlink == PLAIN_LINKS)
        return 0;
    int directory = openat(mount, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t sum = 0;
    unsigned looked = 0;
    if (directory >= 0)
        add_nested(directory, 0, &looked, &sum);
    return sum;
}

static uint64_t read_oom_kills(struct nj_cgroup *cgroup, char text[TEXT_MAX])
{
    uint64_t kills = read_file(cgroup, FILE_OOM, text) ? nj_cgroup_keyed(text, "oom_kill") : NJ_UNKNOWN;
    if (kills == NJ_UNKNOWN || !is_v1(cgroup, FILE_OOM))
        return kills;
    uint64_t sum = kills + nested_kills(cgroup);
    if (!cgroup->oom_known)
        cgroup->oom_kills = sum;
    else if (sum > cgroup->oom_sum) /* it falls when a nested cgroup is removed */
        cgroup->oom_kills += sum - cgroup->oom_sum;
    cgroup->oom_known = true;
    cgroup->oom_sum = sum;
    return cgroup->oom_kills;
}

uint64_t nj_cgroup_oom_kills(struct nj_cgroup *cgroup)
{
    char text[TEXT_MAX];
    return read_oom_kills(cgroup, text);
}

/* ---- all of it */

void nj_cgroup_unknown(struct nj_container_figures *figures)
{
    figures->cpu_ns = figures->periods = figures->throttled_periods = figures->throttled_ns = NJ_UNKNOWN;
    figures->cpu_quota_millis = NJ_UNKNOWN;
    figures->memory_usage = figures->memory_working_set = figures->memory_rss = NJ_UNKNOWN;
    figures->memory_cache = figures->memory_swap = figures->memory_limit = figures->memory_peak = NJ_UNKNOWN;
    figures->oom_kills = NJ_UNKNOWN;
    figures->read_bytes = figures->written_bytes = figures->reads = figures->writes = NJ_UNKNOWN;
    figures->pids = figures->pids_limit = NJ_UNKNOWN;
    figures->pressure = (struct nj_pressure_figures){.cpu_some = NJ_UNKNOWN,
                                                     .memory_some = NJ_UNKNOWN,
                                                     .memory_full = NJ_UNKNOWN,
                                                     .io_some = NJ_UNKNOWN,
                                                     .io_full = NJ_UNKNOWN};
}

static bool has_gone(const struct nj_cgroup *cgroup)
{
    for (int i = 0; i < NJ_HIERARCHIES && !cgroup->gone; i++) {
        if (cgroup->paths[i] != NULL)
            return !is_there(cgroup->cgroups, i, cgroup->paths[i]);
    }
    return true;
}

int nj_cgroup_read(struct nj_cgroup *cgroup, struct nj_container_figures *figures)
{
    char text[TEXT_MAX];
    nj_cgroup_unknown(figures);
    read_cpu(cgroup, text, figures);
    read_memory(cgroup, text, figures);
    figures->oom_kills = read_oom_kills(cgroup, text);
    read_io(cgroup, text, figures);
    figures->pids = read_number(cgroup, FILE_PIDS, text);
    if (is_due(cgroup) || is_near(figures->pids, cgroup->pids_limit))
        cgroup->pids_limit = read_number(cgroup, FILE_PIDS_LIMIT, text);
    figures->pids_limit = cgroup->pids_limit;
    read_pressure(cgroup, text, &figures->pressure);
    cgroup->reads++;
    if (cgroup->gone || (figures->memory_usage == NJ_UNKNOWN && has_gone(cgroup))) {
        nj_cgroup_unknown(figures);
        return -ENOENT;
    }
    return 0;
}
