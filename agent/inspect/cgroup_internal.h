/*
 * Between cgroup_place.c, cgroup_mount.c, cgroup_value.c and cgroup.c.
 */
#ifndef NJ_INSPECT_CGROUP_INTERNAL_H
#define NJ_INSPECT_CGROUP_INTERNAL_H

#include "agent/inspect/cgroup.h"

/* As nj_cgroup_place(); *ret_len is the length of the path up to the end of the container's own level, or the
 * pod's: what is below (crun's "container", a systemd inside) belongs to it. */
bool nj_cgroup_place_within(const char *path, struct nj_cgroup_place *ret_place, size_t *ret_len);

/* Version 1 has one for each controller, version 2 one for all, a hybrid both. */
enum nj_hierarchy {
    NJ_HIERARCHY_CPU,
    NJ_HIERARCHY_CPUACCT,
    NJ_HIERARCHY_MEMORY,
    NJ_HIERARCHY_BLKIO,
    NJ_HIERARCHY_PIDS,
    NJ_HIERARCHY_V2,
    NJ_HIERARCHIES
};

enum { NJ_CGROUP_PATH_MAX = 4096 };

struct nj_cgroup_mount {
    int fd;          /* of the directory, O_PATH; -1: not mounted */
    char *directory; /* NULL when not mounted */
    char *root;      /* what of the hierarchy is mounted there, as /proc/PID/cgroup would write it */
    char *own;       /* where in the mount the root of the reader's cgroup namespace is; NULL: not found */
};

struct nj_cgroups {
    struct nj_cgroup_mount mounts[NJ_HIERARCHIES];
    size_t held, max_held; /* files of containers that are open now, and may be */
};

/* Where in the mount of `hierarchy` the process is whose /proc/PID/cgroup is `text`: "/..." from the mount's
 * top. False where it is not mounted, not named, or outside of what is mounted. */
bool nj_cgroups_locate(const struct nj_cgroups *cgroups, enum nj_hierarchy hierarchy, const char *text,
                       char *ret_path, size_t size);

/* The contents of the kernel's files; all return NJ_UNKNOWN for what is not there or is no number. */
uint64_t nj_cgroup_number(const char *text); /* "123\n"; also of "max" */
/* Of lines "KEY VALUE": memory.stat, cpu.stat, memory.events. */
uint64_t nj_cgroup_keyed(const char *text, const char *key);
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123": the total of the line that begins with `key`. */
uint64_t nj_cgroup_pressure(const char *text, const char *key);
/* io.stat: "8:0 rbytes=1 wbytes=2 rios=3 ...": the sum over devices; 0 for an empty text. */
uint64_t nj_cgroup_io_v2(const char *text, const char *key);
/* blkio.throttle.*: "8:0 Read 123": likewise. */
uint64_t nj_cgroup_io_v1(const char *text, const char *operation);
/* cpu.max, "50000 100000" or "max 100000": thousandths of a core. */
uint64_t nj_cgroup_quota(const char *text);
/* cpu.cfs_quota_us and cpu.cfs_period_us, or the two of cpu.max. */
uint64_t nj_cgroup_quota_millis(uint64_t quota_us, uint64_t period_us);

#endif
