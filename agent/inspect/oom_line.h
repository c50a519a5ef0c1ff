/*
 * What the kernel log says of an OOM kill (mm/oom_kill.c: dump_oom_victim, __oom_kill_process), read from a
 * record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg). Pure; takes any bytes. A process chooses its own
 * name and hides in it what it likes: every field but the name is looked for where no name can stand.
 */
#ifndef NJ_INSPECT_OOM_LINE_H
#define NJ_INSPECT_OOM_LINE_H

#include "agent/inspect/figures.h"

enum { NJ_OOM_MEMCG_MAX = 1024 };

enum nj_oom_line_kind {
    NJ_OOM_LINE_OTHER,
    NJ_OOM_LINE_CHOSEN, /* "oom-kill:constraint=...,oom_memcg=PATH,task_memcg=PATH,task=NAME,pid=N,uid=N":
                           pid, paths */
    NJ_OOM_LINE_KILLED, /* "...: Killed process N (NAME) total-vm:...": pid, command and bytes */
};

struct nj_oom_line {
    enum nj_oom_line_kind kind;
    int32_t pid; /* in the first pid namespace */
    char command[NJ_COMMAND_MAX];
    uint64_t bytes; /* resident: anonymous, of files, shared; NJ_UNKNOWN */
    /* Paths; "" when they are too long. */
    char memcg[NJ_OOM_MEMCG_MAX];   /* the killed process' cgroup */
    char limited[NJ_OOM_MEMCG_MAX]; /* the one whose limit was reached; "": the node's memory was used up */
};

/* One record, with or without what follows its first line. What a program wrote into the log is none of the
 * kernel's: OTHER. */
void nj_oom_line_parse(const char *record, size_t len, struct nj_oom_line *ret_line);

/* A process' name as it may be shown: what is no UTF-8, and control characters, become '?'. */
void nj_oom_command(const char *raw, size_t len, char ret_command[NJ_COMMAND_MAX]);

#endif
