/*
 * Which container a process belongs to, from its cgroup's path, and what that cgroup has counted.
 *
 * Shapes: systemd and cgroupfs drivers; containerd, CRI-O and Docker; crun's extra level; static pods; cgroup
 * v1, v2 and hybrid; with any prefix before "kubepods". See
 * https://kubernetes.io/docs/concepts/architecture/cgroups/ and the runtimes' own sources. The parser takes
 * any bytes. One thread at a time.
 */
#ifndef NJ_INSPECT_CGROUP_H
#define NJ_INSPECT_CGROUP_H

#include "agent/inspect/figures.h"

struct nj_cgroup_place {
    char pod_uid[NJ_POD_UID_MAX];           /* "" when the path names no pod */
    char container_id[NJ_CONTAINER_ID_MAX]; /* "" for what is in a pod's cgroup but in no container (sandbox,
                                               conmon) */
};

/* False: the path belongs to the host (or to nothing that Kubernetes runs). */
bool nj_cgroup_place(const char *path, struct nj_cgroup_place *ret_place);

/* How the host's cgroups are mounted. */
struct nj_cgroups;

/* `root` is where the host's /sys/fs/cgroup is seen ("/host/sys/fs/cgroup"), `proc` the host's /proc. Finds
 * out which controllers there are and where. 0 or a negative errno. */
int nj_cgroups_open(const char *root, const char *proc, struct nj_cgroups **ret_cgroups);
void nj_cgroups_close(struct nj_cgroups *cgroups);        /* takes NULL */
bool nj_cgroups_are_v2(const struct nj_cgroups *cgroups); /* of the memory controller */

/* The contents of /proc/PID/cgroup: the path that tells the container (the memory controller's on v1, the one
 * line on v2, made absolute where a cgroup namespace cut it). False when there is none. */
bool nj_cgroups_path(const struct nj_cgroups *cgroups, const char *text, char *ret_path, size_t size);

/* One container's files, held open. */
struct nj_cgroup;
/* From the text of /proc/PID/cgroup of one of its processes (with crun's extra level the container's own is
 * taken). -ENOENT when it is gone. */
int nj_cgroup_open(struct nj_cgroups *cgroups, const char *text, struct nj_cgroup **ret_cgroup);
void nj_cgroup_close(struct nj_cgroup *cgroup); /* takes NULL */
/* Fills in cpu, memory, oom_kills, I/O, pids and pressure; what cannot be read is NJ_UNKNOWN. Limits
 * and the peak are as of at most six reads ago, those that are three quarters full as of now. -ENOENT when
 * it is gone: all of that is NJ_UNKNOWN then. */
int nj_cgroup_read(struct nj_cgroup *cgroup, struct nj_container_figures *figures);
/* Makes those unknown. */
void nj_cgroup_unknown(struct nj_container_figures *figures);
/* Only the counter of OOM kills, of the container and all that it nests: one read on version 2; on version 1,
 * which counts a kill where the victim was, one for each nested cgroup too. Rises only. NJ_UNKNOWN. */
uint64_t nj_cgroup_oom_kills(struct nj_cgroup *cgroup);
/* The directory of the controller, for watching; borrowed. NULL when there is none. */
const char *nj_cgroup_memory_path(const struct nj_cgroup *cgroup);

#endif
