#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/cgroup_internal.h"
#include "agent/inspect/oom_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    RECORD_MAX = 8192, /* CONSOLE_EXT_LOG_MAX: a shorter buffer is refused */
    RECORDS_MAX = 256, /* read at a time */
    BLANK = ' ',       /* what a line that belongs to the one before begins with */
};

/* A kill is told within a second of its line; what is older is nobody's. */
static const int64_t kept_ns = 5 * NJ_SEC;

void nj_oom_log_open(struct nj_oom_log *log, const char *path)
{
    *log = (struct nj_oom_log){.fd = -1};
    if (*nj_str(path) == '\0')
        return;
    log->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (log->fd >= 0)
        (void)lseek(log->fd, 0, SEEK_END); /* what was before is not told */
}

void nj_oom_log_close(struct nj_oom_log *log)
{
    if (log->fd >= 0)
        (void)close(log->fd);
    log->fd = -1;
}

/* The entry of this process, of which the other line has come before; or a new one. */
static struct nj_oom_logged *entry_of(struct nj_oom_log *log, int32_t pid, int64_t now_ns)
{
    for (size_t i = 0; i < NJ_OOM_LOG_MAX; i++) {
        if (log->kills[i].pid == pid && now_ns - log->kills[i].at_ns <= kept_ns)
            return &log->kills[i];
    }
    struct nj_oom_logged *entry = &log->kills[log->next++ % NJ_OOM_LOG_MAX];
    *entry = (struct nj_oom_logged){.at_ns = now_ns, .pid = pid, .bytes = NJ_UNKNOWN};
    return entry;
}

/* And not of a cgroup within it, which may have a limit of its own. */
static bool is_of_container(const char *path, const char *container_id)
{
    struct nj_cgroup_place place = {0};
    size_t len = 0;
    return nj_cgroup_place_within(path, &place, &len) && path[len] == '\0' && *container_id != '\0' &&
           nj_streq(place.container_id, container_id);
}

static void take_line(struct nj_oom_log *log, const char *record, size_t len, int64_t now_ns)
{
    struct nj_oom_line line;
    nj_oom_line_parse(record, len, &line);
    if (line.kind == NJ_OOM_LINE_OTHER)
        return;
    struct nj_oom_logged *entry = entry_of(log, line.pid, now_ns);
    if (line.kind == NJ_OOM_LINE_CHOSEN) {
        struct nj_cgroup_place place = {0};
        if (nj_cgroup_place(line.memcg, &place))
            memcpy(entry->container_id, place.container_id, sizeof(entry->container_id));
        entry->own_limit = is_of_container(line.limited, entry->container_id);
        return;
    }
    memcpy(entry->command, line.command, sizeof(entry->command));
    entry->has_command = true;
    entry->bytes = line.bytes;
}

/* A read gives one record; of an ordinary file, several. */
static void take_records(struct nj_oom_log *log, const char *text, size_t len, int64_t now_ns)
{
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line = newline == NULL ? len : (size_t)(newline - text) + 1;
        if (*text != BLANK)
            take_line(log, text, line, now_ns);
        text += line;
        len -= line;
    }
}

uint64_t nj_oom_log_read(struct nj_oom_log *log, int64_t now_ns)
{
    char record[RECORD_MAX];
    uint64_t lost = 0;
    if (log->fd < 0)
        return 0;
    for (int i = 0; i < RECORDS_MAX; i++) {
        ssize_t len = read(log->fd, record, sizeof(record));
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 &&
            errno == EPIPE) { /* overwritten before it was read; goes on with the oldest there is */
            lost++;
            continue;
        }
        if (len <= 0)
            return lost;
        take_records(log, record, (size_t)len, now_ns);
    }
    (void)lseek(log->fd, 0, SEEK_END); /* somebody floods the log */
    return lost + 1;
}

bool nj_oom_log_victim(struct nj_oom_log *log, const struct nj_oom_container *container, int64_t now_ns,
                       struct nj_oom_victim *ret_victim)
{
    struct nj_oom_victim victim = {.bytes = NJ_UNKNOWN, .from_log = true};
    for (size_t i = 0; i < NJ_OOM_LOG_MAX; i++) {
        struct nj_oom_logged *kill = &log->kills[i];
        if (kill->pid == 0 || !kill->has_command || now_ns - kill->at_ns > kept_ns)
            continue;
        bool is_its = nj_streq(kill->container_id, container->id);
        /* The kernel leaves the first line out when there are many: then the number tells. */
        for (size_t p = 0; p < container->sample.count && kill->container_id[0] == '\0'; p++)
            is_its = is_its || container->sample.processes[p].pid == kill->pid;
        if (!is_its)
            continue;
        victim.own_limit = victim.own_limit || kill->own_limit;
        victim.is_first = victim.is_first || kill->pid == container->pid;
        uint64_t bytes = kill->bytes == NJ_UNKNOWN ? 0 : kill->bytes;
        if (victim.process.pid == 0 || victim.bytes == NJ_UNKNOWN || bytes > victim.bytes) {
            victim.process.pid = kill->pid;
            memcpy(victim.process.command, kill->command, sizeof(victim.process.command));
            victim.bytes = kill->bytes;
        }
        kill->pid = 0;
    }
    if (victim.process.pid == 0)
        return false;
    *ret_victim = victim;
    return true;
}
