#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/oom_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/str.h"

enum { STATM_MAX = 128, NAME_MAX_PID = 24, PAGE_MAX = 1 << 20 };

/* Resident bytes as /proc/PID/statm tells; 0 for one that has none or is gone. */
static uint64_t resident(int proc, int32_t pid)
{
    char name[NAME_MAX_PID], text[STATM_MAX];
    (void)snprintf(name, sizeof(name), "%" PRId32 "/statm", pid);
    if (nj_proc_read(proc, name, text, sizeof(text)) < 0)
        return 0;
    char *save = NULL;
    (void)strtok_r(text, " ", &save); /* the whole size */
    const char *pages = strtok_r(NULL, " ", &save);
    int64_t count = 0;
    if (nj_parse_int(nj_str(pages), 0, INT64_MAX / PAGE_MAX, &count) < 0)
        return 0;
    return (uint64_t)count * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int stat_of(int proc, int32_t pid, struct nj_proc_stat *ret_stat)
{
    char name[NAME_MAX_PID];
    (void)snprintf(name, sizeof(name), "%" PRId32, pid);
    int process = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    int rc = nj_proc_stat(process, ret_stat);
    (void)close(process);
    return rc;
}

static void keep_largest(struct nj_oom_sample *sample, int32_t pid, uint64_t bytes)
{
    size_t at = sample->count;
    while (at > 0 && sample->processes[at - 1].bytes < bytes)
        at--;
    if (at == NJ_OOM_SAMPLE_MAX)
        return;
    if (sample->count < NJ_OOM_SAMPLE_MAX)
        sample->count++;
    memmove(&sample->processes[at + 1], &sample->processes[at],
            (sample->count - at - 1) * sizeof(sample->processes[0]));
    sample->processes[at] = (struct nj_oom_process){.pid = pid, .bytes = bytes};
}

bool nj_oom_sample_take(int proc, const struct nj_oom_container *container, int64_t now_ns,
                        struct nj_oom_sample *ret_sample)
{
    int32_t pids[NJ_OOM_PIDS_MAX];
    bool more = false;
    size_t count = nj_oom_container_pids(container, pids, NJ_OOM_PIDS_MAX, &more);
    struct nj_oom_sample sample = {.at_ns = now_ns};
    for (size_t i = 0; i < count; i++)
        keep_largest(&sample, pids[i], resident(proc, pids[i]));
    size_t kept = 0;
    for (size_t i = 0; i < sample.count; i++) {
        struct nj_proc_stat stat = {0};
        if (stat_of(proc, sample.processes[i].pid, &stat) < 0 || stat.ending)
            continue;
        sample.processes[kept] = sample.processes[i];
        sample.processes[kept].start = stat.start;
        nj_oom_command(stat.command, sizeof(stat.command), sample.processes[kept].command);
        kept++;
    }
    sample.count = kept;
    if (kept > 0 && !more)
        *ret_sample = sample;
    return more;
}

/*
 * The kernel kills the process whose memory is worth it most: of a container's, the largest. So the largest
 * one that was seen, if it has vanished, was the one; if it has not, another was killed that nobody saw, and
 * whatever else has vanished has ended by itself.
 */
bool nj_oom_sample_victim(int proc, const struct nj_oom_sample *sample, struct nj_oom_victim *ret_victim)
{
    struct nj_proc_stat stat = {0};
    if (sample->at_ns == 0 || sample->count == 0)
        return false;
    const struct nj_oom_process *largest = &sample->processes[0];
    int rc = stat_of(proc, largest->pid, &stat);
    if (rc != -ESRCH && !(rc == 0 && (stat.ending || stat.start != largest->start)))
        return false;
    *ret_victim = (struct nj_oom_victim){.process = {.pid = largest->pid}, .bytes = largest->bytes};
    memcpy(ret_victim->process.command, largest->command, sizeof(largest->command));
    return true;
}
