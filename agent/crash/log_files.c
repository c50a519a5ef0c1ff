#include "agent/crash/log_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    ROTATED_MAX = 32, /* predecessors looked at; the kubelet keeps 5 by default */
    ROTATED_NAME_MAX = 256,
    GZIP_MAX_BYTES = 512 * 1024 * 1024, /* unpacked at most of one predecessor, against a bomb */
    GZIP_CHUNK = 64 * 1024,
};

static bool is_plain_name(const char *name)
{
    return name != NULL && *name != '\0' && strchr(name, '/') == NULL && !nj_streq(name, ".") &&
           !nj_streq(name, "..");
}

static int container_dir(const struct nj_log_source *source, char *ret_path, size_t size)
{
    if (!is_plain_name(source->namespace) || !is_plain_name(source->pod) ||
        !is_plain_name(source->directory_uid) || !is_plain_name(source->container) || source->attempt < 0)
        return -EINVAL;
    int len = snprintf(ret_path, size, "%s/%s_%s_%s/%s", source->log_dir, source->namespace, source->pod,
                       source->directory_uid, source->container);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : len;
}

int nj_log_path(const struct nj_log_source *source, char *ret_path, size_t size)
{
    int dir = container_dir(source, ret_path, size);
    if (dir < 0)
        return dir;
    int len = snprintf(ret_path + dir, size - (size_t)dir, "/%d.log", source->attempt);
    return len < 0 || (size_t)len >= size - (size_t)dir ? -ENAMETOOLONG : 0;
}

int32_t nj_log_newest(const struct nj_log_source *source)
{
    char path[NJ_LOG_PATH_MAX];
    struct nj_log_source any = *source;
    any.attempt = 0;
    int rc = container_dir(&any, path, sizeof(path));
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        rc = -errno;
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    int64_t newest = -ENOENT;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char name[16] = "";
        size_t len = strlen(entry->d_name);
        if (!nj_str_ends(entry->d_name, ".log") || len - 4 >= sizeof(name))
            continue;
        memcpy(name, entry->d_name, len - 4);
        int64_t number = 0;
        if (nj_parse_int(name, 0, INT32_MAX, &number) == 0 && number > newest)
            newest = number;
    }
    (void)closedir(dir);
    return (int32_t)newest;
}

/* Puts bytes in front of what is there. */
static int prepend(struct nj_buf *out, const char *bytes, size_t len)
{
    if (len == 0)
        return 0;
    if (nj_buf_reserve(out, len) == NULL)
        return -ENOMEM;
    memmove(out->data + len, out->data, out->len);
    memcpy(out->data, bytes, len);
    out->len += len;
    out->data[out->len] = '\0';
    return 0;
}

/* The last `room` bytes of a plain file, in front of `out`. *ret_more: the file has more. */
static int take_plain(int fd, size_t room, struct nj_buf *out, bool *ret_more)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    off_t start = info.st_size > (off_t)room ? info.st_size - (off_t)room : 0;
    size_t want = (size_t)(info.st_size - start);
    char *bytes = nj_try_alloc(want);
    if (bytes == NULL)
        return -ENOMEM;
    size_t got = 0;
    while (got < want) {
        ssize_t n = pread(fd, bytes + got, want - got, start + (off_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int rc = -errno;
            free(bytes);
            return rc;
        }
        if (n == 0) /* cut short meanwhile */
            break;
        got += (size_t)n;
    }
    int rc = prepend(out, bytes, got);
    free(bytes);
    if (rc == 0)
        *ret_more = start > 0;
    return rc;
}

/* The same of a gzip'ed file: it is unpacked from its start, the last `room` bytes are kept. */
static int take_gzip(int fd, size_t room, struct nj_buf *out, bool *ret_more)
{
    gzFile file = gzdopen(fd, "rb"); /* owns fd from here on */
    if (file == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    struct nj_buf end = {0};
    char *chunk = nj_calloc(1, GZIP_CHUNK);
    size_t total = 0;
    int rc = 0;
    for (;;) {
        int n = gzread(file, chunk, GZIP_CHUNK);
        if (n <= 0 || total > GZIP_MAX_BYTES) /* a torn file gives what it has */
            break;
        total += (size_t)n;
        rc = nj_buf_append(&end, chunk, (size_t)n);
        if (rc < 0)
            break;
        if (end.len > 2 * room + GZIP_CHUNK) /* seldom, so that the moves stay cheap */
            nj_buf_consume(&end, end.len - room);
    }
    if (rc == 0) {
        bool more = total > room;
        if (end.len > room)
            nj_buf_consume(&end, end.len - room);
        rc = prepend(out, nj_buf_str(&end), end.len);
        if (rc == 0)
            *ret_more = more;
    }
    free(chunk);
    nj_buf_done(&end);
    (void)gzclose(file);
    return rc;
}

struct rotated {
    size_t count;
    char names[ROTATED_MAX][ROTATED_NAME_MAX];
};

static int newest_first(const void *a, const void *b)
{
    return -strcmp(a, b); /* the names end in a time that sorts */
}

static void find_rotated(int dir_fd, int32_t attempt, struct rotated *rotated)
{
    rotated->count = 0;
    int fd = dup(dir_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    char prefix[32];
    (void)snprintf(prefix, sizeof(prefix), "%d.log.", attempt);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        size_t len = strlen(entry->d_name);
        if (!nj_str_starts(entry->d_name, prefix) || nj_str_ends(entry->d_name, ".tmp") ||
            len >= ROTATED_NAME_MAX)
            continue;
        if (rotated->count == ROTATED_MAX) /* keeps the newest of very many */
            qsort(rotated->names, rotated->count--, ROTATED_NAME_MAX, newest_first);
        memcpy(rotated->names[rotated->count++], entry->d_name, len + 1);
    }
    (void)closedir(dir);
    qsort(rotated->names, rotated->count, ROTATED_NAME_MAX, newest_first);
}

/* X and X.gz may both be there while the kubelet compresses: the plain one came first in the order and is
 * enough. */
static bool is_twin(const struct rotated *rotated, size_t i)
{
    char plain[ROTATED_NAME_MAX];
    size_t len = strlen(rotated->names[i]);
    if (!nj_str_ends(rotated->names[i], ".gz"))
        return false;
    memcpy(plain, rotated->names[i], len - 3);
    plain[len - 3] = '\0';
    for (size_t other = 0; other < rotated->count; other++) {
        if (nj_streq(rotated->names[other], plain))
            return true;
    }
    return false;
}

static int take_rotated(const struct nj_log_source *source, size_t window, struct nj_buf *out, bool *ret_any,
                        bool *ret_more)
{
    char path[NJ_LOG_PATH_MAX];
    int rc = container_dir(source, path, sizeof(path));
    if (rc < 0)
        return rc;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return 0;
    struct rotated *rotated = NJ_NEW(struct rotated);
    find_rotated(dir, source->attempt, rotated);
    rc = 0;
    for (size_t i = 0; i < rotated->count && rc == 0; i++) {
        if (out->len >= window) {
            *ret_more = true;
            break;
        }
        if (is_twin(rotated, i))
            continue;
        int fd = openat(dir, rotated->names[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) /* removed meanwhile */
            continue;
        *ret_any = true;
        if (nj_str_ends(rotated->names[i], ".gz")) {
            rc = take_gzip(fd, window - out->len, out, ret_more);
        } else {
            rc = take_plain(fd, window - out->len, out, ret_more);
            (void)close(fd);
        }
    }
    free(rotated);
    (void)close(dir);
    return rc;
}

int nj_log_read_end(const struct nj_log_source *source, int fd, size_t window, struct nj_buf *out,
                    bool *ret_cut, struct nj_err *err)
{
    bool more = false;
    bool any = fd >= 0;
    int rc = any ? take_plain(fd, window, out, &more) : 0;
    if (rc == 0 && !more)
        rc = take_rotated(source, window, out, &any, &more);
    if (rc < 0)
        return nj_err_set(err, rc, "reading the log of container %s of pod %s/%s: %s", source->container,
                          source->namespace, source->pod, strerror(-rc));
    if (!any)
        return nj_err_set(err, -ENOENT, "no log file %d.log of container %s of pod %s/%s", source->attempt,
                          source->container, source->namespace, source->pod);
    *ret_cut = more;
    return 0;
}
