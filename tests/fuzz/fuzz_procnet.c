/*
 * The kernel's tables and summaries as any bytes at all: a network namespace's sockets, and the node's own
 * files. Whatever is read is a number that a table of that size can hold, or unknown.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/node.h"
#include "agent/inspect/sockets.h"
#include "agent/inspect/sockets_internal.h"
#include "common/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A /proc whose files all have the input as their content. */
static const char *const files[] = {
    "1/net/tcp",      "1/net/tcp6",
    "1/net/sockstat", "1/net/sockstat6",
    "1/net/netstat",  "1/net/unix",
    "1/net/dev",      "1/net/stat/nf_conntrack",
    "1/mountinfo",    "stat",
    "meminfo",        "vmstat",
    "loadavg",        "pressure/cpu",
    "pressure/io",    "pressure/memory",
    "sys/fs/file-nr", "sys/kernel/pid_max",
};
static const char *const directories[] = {"1",   "1/net",  "1/net/stat", "pressure",
                                          "sys", "sys/fs", "sys/kernel"};

enum { CONTENT = 200, TOP_MAX = 32 }; /* CONTENT: the fd of what all files are links to */

static void name_top(char top[TOP_MAX])
{
    (void)snprintf(top, TOP_MAX, "/tmp/nj-fuzz-%d", getpid());
}

static void remove_tree(void)
{
    char top[TOP_MAX], path[128];
    name_top(top);
    for (size_t i = sizeof(files) / sizeof(files[0]); i-- > 0;) {
        (void)snprintf(path, sizeof(path), "%s/%s", top, files[i]);
        (void)unlink(path);
    }
    for (size_t i = sizeof(directories) / sizeof(directories[0]); i-- > 0;) {
        (void)snprintf(path, sizeof(path), "%s/%s", top, directories[i]);
        (void)rmdir(path);
    }
    (void)rmdir(top);
}

/* Once in the life of the program. */
static void make_tree(const char *top)
{
    char path[128], target[TOP_MAX];
    if (mkdir(top, 0700) < 0)
        return;
    assert(atexit(remove_tree) == 0);
    (void)snprintf(target, sizeof(target), "/proc/self/fd/%d", CONTENT);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", top, directories[i]);
        assert(mkdir(path, 0700) == 0);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", top, files[i]);
        assert(symlink(target, path) == 0);
    }
}

static void count(const char *top, size_t size)
{
    struct nj_sockets *sockets = NULL;
    struct nj_socket_figures figures;
    assert(nj_sockets_new(top, 1000, &sockets) == 0);
    assert(nj_sockets_count(sockets, "", 1, 1, &figures) == 0);
    for (int state = 1; state < NJ_TCP_STATES; state++)
        assert(figures.tcp[state] == NJ_UNKNOWN || figures.tcp[state] <= size);
    assert(figures.unix_stream == NJ_UNKNOWN || figures.unix_stream <= size);
    nj_sockets_free(sockets);
}

static void read_node(const char *top)
{
    struct nj_node_figures *node = NJ_NEW(struct nj_node_figures);
    /* Where nothing is: no mount is asked for its space. */
    struct nj_node_options options = {.proc = top, .root = "/nonexistent", .own_network = true};
    nj_node_read(&options, 1, 1, node);
    assert(node->mounts_count == 0);
    assert(node->interfaces_count <= NJ_INTERFACES_MAX);
    for (size_t i = 0; i < node->interfaces_count; i++)
        assert(strchr(node->interfaces[i].name, '/') == NULL);
    free(node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char top[TOP_MAX];
    int content = memfd_create("proc", MFD_CLOEXEC);
    bool ready =
        content >= 0 && write(content, data, size) == (ssize_t)size && dup2(content, CONTENT) == CONTENT;
    (void)close(content);
    if (!ready)
        return 0;
    name_top(top);
    make_tree(top);
    count(top, size);
    read_node(top);
    (void)close(CONTENT);

    char *line = strndup((const char *)data, size);
    struct nj_socket_row row = {0};
    if (line != NULL && nj_socket_row_parse(line, &row) == 0)
        assert(row.state > 0 && row.state < NJ_TCP_STATES);
    free(line);
    return 0;
}
