/*
 * Real cgroups with real processes in them, laid out as the kubelet's: below a folder of the test's own, in
 * every hierarchy that this machine has, of version 1, 2 or both.
 */
#ifndef NJ_TESTS_UNIT_AGENT_SCAN_LAB_H
#define NJ_TESTS_UNIT_AGENT_SCAN_LAB_H

#include <stdbool.h>
#include <sys/types.h>

enum { LAB_HIERARCHIES_MAX = 8, LAB_CHILDREN_MAX = 256 };

struct scan_lab {
    char roots[LAB_HIERARCHIES_MAX][128]; /* "/sys/fs/cgroup/memory/nightjar-test-123" */
    int roots_count;
    bool is_v2;
    pid_t children[LAB_CHILDREN_MAX];
    int children_count;
};

/* False where cgroups cannot be made (not root, read-only): the test is to be skipped. */
bool scan_lab_new(struct scan_lab *lab);
/* Kills what was started and removes the cgroups. */
void scan_lab_done(struct scan_lab *lab);

/* A container's cgroups: kubepods/burstable/podUID/ID. */
void scan_lab_container(const struct scan_lab *lab, const char *pod_uid, const char *id);
/* Writes a file of it; false when there is none. */
bool scan_lab_write(const struct scan_lab *lab, const char *pod_uid, const char *id, const char *file,
                    const char *text);

/* Starts a process in the container (NULL: where the test is) with descriptors 0, 1 and 2 only. It does
 * `work`, and then nothing until it is killed; this returns when the work is done. */
pid_t scan_lab_start(struct scan_lab *lab, const char *pod_uid, const char *id, void (*work)(long amount),
                     long amount);
/* The same, with this pid, which is free. 0 where the kernel does not let us choose. */
pid_t scan_lab_start_as(struct scan_lab *lab, pid_t pid, const char *pod_uid, const char *id,
                        void (*work)(long amount), long amount);
/* Puts a process into the container. */
void scan_lab_move(const struct scan_lab *lab, const char *pod_uid, const char *id, pid_t pid);
/* Kills one and waits for it. */
void scan_lab_kill(struct scan_lab *lab, pid_t pid);

/* Work for processes. */
void lab_nothing(long unused);
void lab_open(long count);      /* descriptors */
void lab_threads(long count);   /* threads more */
void lab_zombies(long count);   /* children that end and are not waited for */
void lab_dead_leader(long fds); /* opens so many, then its first thread ends and another lives */
void lab_memory(long bytes);
void lab_killed_child(long bytes); /* a child that takes so much, more than may be, and is killed for it */
void lab_spin(long unused);        /* a thread that burns CPU */
void lab_storm(long unused);       /* a thread that starts processes, which end at once */

#endif
