/*
 * The parts of the count of sockets: rows of a namespace's tables, by either way, and the entering of
 * namespaces.
 */
#ifndef NJ_INSPECT_SOCKETS_INTERNAL_H
#define NJ_INSPECT_SOCKETS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/inspect/sockets.h"

struct nj_socket_row {
    enum nj_tcp_state state;
    uint16_t port;                      /* its own */
    uint64_t inode;                     /* 0: belongs to no process (any more) */
    uint64_t queue_length, queue_limit; /* of a listening one */
};

typedef void (*nj_socket_visit)(void *data, const struct nj_socket_row *row);

/* A line of /proc/net/tcp or tcp6 after the heading: 0 or -EBADMSG. The queue's limit is not in there. */
int nj_socket_row_parse(const char *line, struct nj_socket_row *ret_row);

/* A line of /proc/net/unix after the heading: 1 for a stream socket, 0 for another, -EBADMSG. */
int nj_unix_row_is_stream(const char *line);

/* What the summaries of a namespace say. NJ_UNKNOWN: not there. */
struct nj_sockets_brief {
    uint64_t tcp, tcp6; /* hashed: neither TIME_WAIT nor requests (SYN_RECV) */
    uint64_t time_wait;
    uint64_t udp, raw; /* of both families */
    uint64_t listen_overflows, listen_drops;
};

/* Reads net/sockstat, sockstat6 and netstat below a process' directory. 0, or -ESRCH when it has no network
 * namespace (any more). */
int nj_sockets_read_brief(int process_dir, struct nj_sockets_brief *ret_brief);

/* Visits every row of net/NAME ("tcp", "tcp6") below a process' directory: 0 or a negative errno. */
int nj_sockets_read_table(int process_dir, const char *name, nj_socket_visit visit, void *data);
/* The stream sockets of net/unix; NJ_UNKNOWN. */
uint64_t nj_sockets_read_unix(int process_dir);

/* Opens a NETLINK_SOCK_DIAG socket in the network namespace of a process. */
struct nj_netns {
    int own; /* fd of the namespace that the thread belongs to; < 0: not known */
    dev_t own_dev;
    ino_t own_inode;
    bool forbidden; /* no other namespace is entered (again) */
};

void nj_netns_init(struct nj_netns *netns, int proc_dir);
void nj_netns_done(struct nj_netns *netns);
/* 0 and an fd that the caller closes; a negative errno when this way is not open: use the files. */
int nj_netns_diag_socket(struct nj_netns *netns, int process_dir, int *ret_fd);

enum { NJ_DIAG_BYTES = 32 << 10 }; /* what the kernel fills at most at once */

/* Visits every TCP socket of the namespace of `fd`, IPv4 and IPv6; `buffer` has NJ_DIAG_BYTES and is aligned
 * as from malloc. 0 or a negative errno: -ENOENT where the kernel has no such module. */
int nj_diag_dump_tcp(int fd, void *buffer, nj_socket_visit visit, void *data);

/* The directory of a process: an fd that the caller closes, or a negative errno; -ESRCH when it is gone. */
int nj_sockets_open_process(const struct nj_sockets *sockets, int32_t pid);

/* Every TCP socket of the process' namespace, by the better way that is open: 0 or a negative errno. Those of
 * IPv6 may be missing without `tcp6`. */
int nj_sockets_visit_tcp(struct nj_sockets *sockets, int process_dir, bool tcp6, nj_socket_visit visit,
                         void *data);

#endif
