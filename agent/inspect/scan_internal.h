/*
 * Between scan.c, scan_process.c and scan_count.c.
 */
#ifndef NJ_INSPECT_SCAN_INTERNAL_H
#define NJ_INSPECT_SCAN_INTERNAL_H

#include "agent/inspect/proc.h"
#include "agent/inspect/scan.h"

enum nj_scan_state {
    NJ_SCAN_LIVES,
    NJ_SCAN_LEADER_DEAD, /* its first thread has ended, others live: it looks like a zombie and is none */
    NJ_SCAN_ZOMBIE,
    NJ_SCAN_KERNEL, /* a thread of the kernel: has no files */
};

/* Where a process belongs. */
enum nj_scan_owner {
    NJ_SCAN_HOST,
    NJ_SCAN_CONTAINER,
    NJ_SCAN_POD,       /* in a pod, in none of its containers */
    NJ_SCAN_BY_PARENT, /* a zombie that was never seen alive, and whose cgroup nobody tells any more */
    NJ_SCAN_LEFT_OUT,  /* in a container beyond the bound */
    NJ_SCAN_UNPLACED,  /* its cgroup cannot be read */
};

struct nj_scan_process {
    int32_t pid, parent;
    /* Its directory in /proc, O_PATH: nothing is found there once it is gone, even when the pid is used
     * again. Of one that has stayed a while also its "fd" and "task", which are quicker to ask. -1: not kept.
     */
    int handle, files, tasks;
    enum nj_scan_state state;
    enum nj_scan_owner owner;
    struct nj_scan_container *container; /* of NJ_SCAN_CONTAINER */
    uint64_t left_out;                   /* hash of the container's id, of NJ_SCAN_LEFT_OUT */
    uint64_t start, threads, fds, limit; /* NJ_UNKNOWN; the limit also when there is none */
    uint32_t scans;                      /* that saw it */
    bool vanished;                       /* in the middle of a scan */
    char command[NJ_COMMAND_MAX];
    struct nj_scan_process *next; /* of the same container, or of the host, in this scan */
};

struct nj_scan_container {
    char id[NJ_CONTAINER_ID_MAX], pod_uid[NJ_POD_UID_MAX];
    struct nj_cgroup *cgroup;      /* NULL while it cannot be opened */
    struct nj_scan_process *first; /* those of the last scan */
};

struct nj_scan {
    int proc;
    bool tells_fds; /* this /proc tells the number of open files at once */
    struct nj_cgroups *cgroups;
    size_t max_processes, max_containers;
    bool (*wanted)(void *data, const char *container_id); /* as in the options */
    void *wanted_data;
    size_t held, max_held; /* handles of processes */

    struct nj_scan_process *processes, *spare; /* ascending by pid; the array of the scan before */
    size_t count, capacity, spare_capacity;
    int32_t *pids; /* listed */
    size_t pids_capacity;
    struct nj_scan_container **containers; /* ascending by id */
    size_t containers_count;

    bool has_room;       /* for containers, when this scan began: those left out are looked at again */
    int64_t list_budget; /* descriptors that may be listed (older kernels) */
    int32_t list_from;   /* the process whose turn it is */

    bool blind;                   /* in this scan a process could not be looked at */
    struct nj_scan_process *host; /* first of those in no pod */
    struct nj_container_figures *figures;
    struct nj_node_figures *node;
    struct nj_scan_losses losses;
};

/* A process that is listed and not known: 0 with *ret_process, which is then in the table's care, or why it
 * is not there. */
int nj_scan_meet(struct nj_scan *scan, int32_t pid, struct nj_scan_process *ret_process);
/* One that is known: its figures anew, or -ESRCH when it is gone, whoever has its number now. */
int nj_scan_look(struct nj_scan *scan, struct nj_scan_process *process);
/* Descriptors where the kernel does not tell their number at once: as many processes as the budget allows. */
void nj_scan_list_fds(struct nj_scan *scan);
/* The limit of open files anew. */
void nj_scan_read_limit(struct nj_scan *scan, struct nj_scan_process *process);
void nj_scan_drop(struct nj_scan *scan, struct nj_scan_process *process);

struct nj_scan_process *nj_scan_find(const struct nj_scan *scan, int32_t pid);
/* The container's place in the table; where it would be when there is none. */
bool nj_scan_find_container(const struct nj_scan *scan, const char *id, size_t *ret_index);
/* NULL past the bound. */
struct nj_scan_container *nj_scan_container(struct nj_scan *scan, const struct nj_cgroup_place *place);

bool nj_scan_is_older(const struct nj_scan_process *a, const struct nj_scan_process *b);

/* Fills in what the scan's processes sum up to, of each container and the node. */
void nj_scan_sum_up(struct nj_scan *scan, int64_t now_ns);

#endif
