#include "agent/inspect/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    STAT_MAX = 1024, /* of /proc/PID/stat: 52 numbers and a command of 64 bytes at most */
    LIMITS_MAX = 4096,
    ENDING = 0x00000004, /* PF_EXITING and PF_KTHREAD in the flags (linux/sched.h) */
    KERNEL_THREAD = 0x00200000,
    PROC_LINKS = 2, /* of /proc/PID/task besides one for each thread */
    LIST_FIRST = 256,
};

/* What the kernel says of a process that is gone differs from file to file. */
static int gone_or(int error)
{
    return error == ENOENT || error == ENODEV || error == ENOTDIR ? -ESRCH : -error;
}

/* The kernel makes each of these files in one piece: what a read leaves room for has been all of it. */
ssize_t nj_proc_read_fd(int fd, char *text, size_t size)
{
    ssize_t len;
    do
        len = pread(fd, text, size - 1, 0);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -errno;
    text[len] = '\0';
    return len;
}

ssize_t nj_proc_read(int directory, const char *path, char *text, size_t size)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t len = nj_proc_read_fd(fd, text, size);
    (void)close(fd);
    return len;
}

/* ---- stat and limits */

static bool take(const char **at, uint64_t max, uint64_t *ret_value)
{
    const char *text = *at;
    uint64_t value = 0;
    while (*text == ' ')
        text++;
    const char *digits = text;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    if (text == digits || value > max)
        return false;
    *at = text;
    *ret_value = value;
    return true;
}

static void skip_fields(const char **at, unsigned count)
{
    for (; count > 0; count--) {
        *at += strspn(*at, " ");
        *at += strcspn(*at, " ");
    }
}

bool nj_proc_stat_parse(const char *text, struct nj_proc_stat *ret_stat)
{
    struct nj_proc_stat stat = {0};
    const char *open = strchr(text, '(');
    const char *close = strrchr(text, ')'); /* the command may hold any of these */
    if (open == NULL || close == NULL || close < open || close[1] != ' ' || close[2] == '\0')
        return false;
    size_t len = (size_t)(close - open - 1);
    if (len >= sizeof(stat.command)) /* a kernel thread's */
        len = sizeof(stat.command) - 1;
    memcpy(stat.command, open + 1, len);
    stat.state = close[2];
    const char *at = close + 3;
    uint64_t parent, flags;
    if (!take(&at, INT32_MAX, &parent))
        return false;
    skip_fields(&at, 4); /* group, session, terminal and its group */
    if (!take(&at, UINT64_MAX, &flags))
        return false;
    skip_fields(&at, 10); /* faults, times, priorities */
    if (!take(&at, UINT64_MAX, &stat.threads))
        return false;
    skip_fields(&at, 1);
    if (!take(&at, UINT64_MAX, &stat.start))
        return false;
    stat.parent = (int32_t)parent;
    stat.kernel_thread = (flags & KERNEL_THREAD) != 0;
    stat.ending = (flags & ENDING) != 0 || stat.state == 'Z';
    *ret_stat = stat;
    return true;
}

int nj_proc_stat(int process, struct nj_proc_stat *ret_stat)
{
    char text[STAT_MAX];
    ssize_t len = nj_proc_read(process, "stat", text, sizeof(text));
    if (len < 0)
        return gone_or((int)-len);
    return nj_proc_stat_parse(text, ret_stat) ? 0 : -EINVAL;
}

bool nj_proc_files_limit_parse(const char *text, uint64_t *ret_limit)
{
    static const char name[] = "Max open files ";
    static const char none[] = "unlimited";
    const char *line = strstr(text, name);
    if (line == NULL || (line != text && line[-1] != '\n'))
        return false;
    const char *at = line + strlen(name);
    at += strspn(at, " ");
    if (strncmp(at, none, strlen(none)) == 0) {
        *ret_limit = NJ_UNKNOWN;
        return true;
    }
    return take(&at, UINT64_MAX - 1, ret_limit);
}

int nj_proc_files_limit(int process, uint64_t *ret_limit)
{
    char text[LIMITS_MAX];
    ssize_t len = nj_proc_read(process, "limits", text, sizeof(text));
    if (len < 0)
        return gone_or((int)-len);
    if (len == 0) /* it is ending */
        return -ESRCH;
    return nj_proc_files_limit_parse(text, ret_limit) ? 0 : -EINVAL;
}

/* ---- descriptors and threads */

int nj_proc_fds(int at, const char *path, uint64_t *ret_fds)
{
    struct stat info;
    if (fstatat(at, path, &info, AT_EMPTY_PATH) < 0)
        return gone_or(errno);
    *ret_fds = (uint64_t)info.st_size;
    return 0;
}

bool nj_proc_tells_fds(int proc)
{
    struct statfs system;
    struct stat info;
    return fstatfs(proc, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
           (fstatat(proc, "self/fd", &info, 0) == 0 || fstatat(proc, "1/fd", &info, 0) == 0) &&
           info.st_size > 0;
}

static DIR *open_directory(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        (void)close(fd);
        errno = error;
    }
    return dir;
}

int nj_proc_fds_listed(int process, uint64_t *ret_fds)
{
    DIR *dir = open_directory(process, "fd");
    if (dir == NULL)
        return gone_or(errno);
    uint64_t fds = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        fds += entry->d_name[0] != '.';
    int rc = errno == 0 ? 0 : gone_or(errno);
    (void)closedir(dir);
    if (rc == 0)
        *ret_fds = fds;
    return rc;
}

int nj_proc_threads(int at, const char *path, uint64_t *ret_threads)
{
    struct stat info;
    if (fstatat(at, path, &info, AT_EMPTY_PATH) < 0)
        return gone_or(errno);
    if (info.st_nlink <= PROC_LINKS) /* between the lookup and the count it has ended */
        return -ESRCH;
    *ret_threads = (uint64_t)info.st_nlink - PROC_LINKS;
    return 0;
}

/* The number that a directory is named; 0 when it is none. */
static int32_t entry_number(const struct dirent *entry)
{
    const char *at = entry->d_name;
    uint64_t number;
    if (*at < '1' || *at > '9' || !take(&at, INT32_MAX, &number) || *at != '\0')
        return 0;
    return (int32_t)number;
}

int nj_proc_live_thread(int process, int32_t pid)
{
    DIR *dir = open_directory(process, "task");
    if (dir == NULL)
        return gone_or(errno);
    int found = -ESRCH;
    for (struct dirent *entry; found < 0 && (entry = readdir(dir)) != NULL;) {
        int32_t thread = entry_number(entry);
        if (thread == 0 || thread == pid)
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct nj_proc_stat stat = {0};
        if (fd >= 0 && nj_proc_stat(fd, &stat) == 0 && stat.state != 'Z' && stat.state != 'X')
            found = fd;
        else if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(dir);
    return found;
}

/* ---- all processes */

static int ascending(const void *a, const void *b)
{
    const int32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

int nj_proc_list(int proc, size_t max, int32_t **pids, size_t *capacity, size_t *ret_count,
                 uint64_t *ret_left_out)
{
    DIR *dir = open_directory(proc, ".");
    if (dir == NULL)
        return -errno;
    size_t count = 0;
    uint64_t left_out = 0;
    bool sorted = true;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int32_t pid = entry_number(entry);
        if (pid == 0)
            continue;
        if (count == max) {
            left_out++;
            continue;
        }
        if (count == *capacity) {
            *capacity = *capacity == 0 ? LIST_FIRST : 2 * *capacity;
            *pids = nj_realloc(*pids, *capacity, sizeof(**pids));
        }
        if (count > 0 && (*pids)[count - 1] > pid)
            sorted = false; /* not so in the kernel's own */
        (*pids)[count++] = pid;
    }
    int rc = errno == 0 ? 0 : -errno;
    (void)closedir(dir);
    if (rc < 0)
        return rc;
    if (!sorted)
        qsort(*pids, count, sizeof(**pids), ascending);
    *ret_count = count;
    *ret_left_out = left_out;
    return 0;
}
