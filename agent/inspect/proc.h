/*
 * Reading /proc: one process at a time, by a handle that cannot be confused with another process of the same
 * number.
 *
 * All of these return 0 (or what they say) or a negative errno: -ESRCH when the process is gone, whatever the
 * kernel called it; -EACCES when it may not be read. See man 5 proc. Any thread.
 */
#ifndef NJ_INSPECT_PROC_H
#define NJ_INSPECT_PROC_H

#include <sys/types.h>

#include "agent/inspect/figures.h"

enum {
    NJ_PROC_CGROUP_MAX = 16 * 1024, /* bytes of /proc/PID/cgroup that are looked at */
};

/* Reads a file that the kernel writes in one piece, up to size - 1 bytes of it, and terminates it. Not for
 * lists: cgroup.procs, mountinfo. The length, or a negative errno. */
ssize_t nj_proc_read_fd(int fd, char *text, size_t size);
ssize_t nj_proc_read(int directory, const char *path, char *text, size_t size);

/* What /proc/PID/stat tells. */
struct nj_proc_stat {
    char state; /* 'R', 'S', 'D', 'Z', ... */
    bool kernel_thread;
    bool ending; /* in exit(2), or a zombie */
    int32_t parent;
    uint64_t threads; /* with a leader that has ended before the others */
    uint64_t start;   /* ticks since boot */
    char command[NJ_COMMAND_MAX];
};

/* The text of a stat file; the command may hold anything. False when it is none. */
bool nj_proc_stat_parse(const char *text, struct nj_proc_stat *ret_stat);
/* `process` is the directory of a process, or of a thread. */
int nj_proc_stat(int process, struct nj_proc_stat *ret_stat);

/* The soft limit of open files in the text of /proc/PID/limits; NJ_UNKNOWN when it is "unlimited". False when
 * there is none. */
bool nj_proc_files_limit_parse(const char *text, uint64_t *ret_limit);
int nj_proc_files_limit(int process, uint64_t *ret_limit);

/* The number of open files as its directory's size tells (Linux 6.2 and later); of threads as its links do.
 * `path` is "fd" and "task", or "" when `at` is that directory itself, which is quicker. */
int nj_proc_fds(int at, const char *path, uint64_t *ret_fds);
int nj_proc_threads(int at, const char *path, uint64_t *ret_threads);
/* By listing them: for older kernels; takes a microsecond each, and CAP_DAC_READ_SEARCH for other users'. */
int nj_proc_fds_listed(int process, uint64_t *ret_fds);
/* Whether this /proc tells the number of open files at once. */
bool nj_proc_tells_fds(int proc);

/* A thread of a process whose leader has ended: its directory, to be closed. */
int nj_proc_live_thread(int process, int32_t pid);

/* The processes there are, ascending. *pids is grown as needed and stays the caller's; at most `max`, the
 * number of those beyond is *ret_left_out. */
int nj_proc_list(int proc, size_t max, int32_t **pids, size_t *capacity, size_t *ret_count,
                 uint64_t *ret_left_out);

#endif
