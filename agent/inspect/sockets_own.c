#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/sockets_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

/* The inodes of a process' sockets: what its fds' links and the kernel's tables have in common. */
struct inodes {
    uint64_t *items;
    size_t count, capacity;
};

static int add(struct inodes *inodes, uint64_t inode)
{
    if (inodes->count == NJ_SOCKETS_OWN_MAX)
        return -E2BIG;
    if (inodes->count == inodes->capacity) {
        size_t capacity = inodes->capacity == 0 ? 256 : inodes->capacity * 2;
        uint64_t *items = nj_try_alloc(capacity * sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        if (inodes->count > 0)
            memcpy(items, inodes->items, inodes->count * sizeof(*items));
        free(inodes->items);
        inodes->items = items;
        inodes->capacity = capacity;
    }
    inodes->items[inodes->count++] = inode;
    return 0;
}

/* Reads "socket:[4711]". */
static bool parse_link(const char *link, uint64_t *ret_inode)
{
    static const char prefix[] = "socket:[";
    if (!nj_str_starts(link, prefix))
        return false;
    const char *number = link + sizeof(prefix) - 1;
    return nj_text_number(&number, ret_inode) && strcmp(number, "]") == 0;
}

static int add_fd(struct inodes *inodes, int fds, const char *name)
{
    char link[64];
    uint64_t inode;
    ssize_t len = readlinkat(fds, name, link, sizeof(link) - 1);
    if (len < 0)
        return errno == ENOENT ? 0 : -errno; /* closed meanwhile */
    link[len] = '\0';
    return parse_link(link, &inode) ? add(inodes, inode) : 0;
}

static int collect(int process, struct inodes *inodes)
{
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    int status = 0;
    for (const struct dirent *entry; status == 0 && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.')
            status = add_fd(inodes, dirfd(dir), entry->d_name);
    }
    (void)closedir(dir);
    return status;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* The same socket at several fds is one. */
static void sort(struct inodes *inodes)
{
    if (inodes->count == 0)
        return;
    qsort(inodes->items, inodes->count, sizeof(*inodes->items), compare);
    size_t kept = 1;
    for (size_t i = 1; i < inodes->count; i++) {
        if (inodes->items[i] != inodes->items[kept - 1])
            inodes->items[kept++] = inodes->items[i];
    }
    inodes->count = kept;
}

struct search {
    const struct inodes *inodes;
    enum nj_tcp_state state;
    uint64_t found;
};

static void find(void *data, const struct nj_socket_row *row)
{
    struct search *search = data;
    bool wanted = search->state == 0 || row->state == search->state;
    if (wanted && row->inode != 0 &&
        bsearch(&row->inode, search->inodes->items, search->inodes->count, sizeof(row->inode), compare) !=
            NULL)
        search->found++;
}

int nj_sockets_own(struct nj_sockets *sockets, int32_t pid, enum nj_tcp_state state, uint64_t *ret_count)
{
    int process = nj_sockets_open_process(sockets, pid);
    if (process < 0)
        return process;
    struct inodes inodes = {0};
    struct search search = {.inodes = &inodes, .state = state};
    int status = collect(process, &inodes);
    if (status == 0 && inodes.count > 0) {
        sort(&inodes);
        status = nj_sockets_visit_tcp(sockets, process, true, find, &search);
    }
    free(inodes.items);
    (void)close(process);
    if (status == 0)
        *ret_count = search.found;
    return status;
}
