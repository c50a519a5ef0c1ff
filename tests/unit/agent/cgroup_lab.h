/*
 * A container for tests of the OOM watch: a real process in a real cgroup with a memory limit, whose name is
 * as the kubelet's, and which eats what it is told to. Needs root and the memory controller, v1 or v2.
 */
#ifndef NJ_TESTS_UNIT_AGENT_CGROUP_LAB_H
#define NJ_TESTS_UNIT_AGENT_CGROUP_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_lab {
    char top[512], directory[512]; /* what is made first, and the container's own */
    char id[65], pod_uid[37];
    uint64_t limit;
    pid_t first;         /* its first process; 0 when it has been waited for */
    int commands, words; /* pipes to and from it */
};

/* NULL, or why it cannot be made here. */
const char *cgroup_lab_open(struct cgroup_lab *lab, uint64_t limit);
/* Kills what is left, and removes the cgroups. */
void cgroup_lab_close(struct cgroup_lab *lab);

/* A child of the first process, named `name`, which holds `bytes` when this returns, and eats more once it is
 * told to, until it is killed. Returns its number. */
pid_t cgroup_lab_child(struct cgroup_lab *lab, const char *name, uint64_t bytes);
/* The last child eats on; the first process has seen it end when this returns. True: it was killed. */
bool cgroup_lab_feed_child(struct cgroup_lab *lab);
/* The first process eats until it is killed, and has been waited for when this returns. */
void cgroup_lab_feed_first(struct cgroup_lab *lab);

#endif
