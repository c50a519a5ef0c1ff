/*
 * Sockets of a network namespace by state and protocol, its listen queues, and which of them a container's
 * own processes hold.
 *
 * TCP is counted by netlink's SOCK_DIAG (https://man7.org/linux/man-pages/man7/sock_diag.7.html) inside the
 * namespace where the agent may enter it (CAP_SYS_ADMIN) or is in it, else from /proc/PID/net/tcp and tcp6,
 * which need no capability but know no accept queue's limit. Both count the same: TIME_WAIT and half-open
 * connections included, sockets that are neither bound nor connected left out. The other protocols and the
 * counters are read from sockstat, sockstat6, unix and netstat below /proc/PID/net either way.
 *
 * A pass over TCP's table costs milliseconds even in a namespace with a single socket, since the kernel has
 * one table for all of them. So what was counted is not counted again until a thousand times as long has
 * passed as one count of every namespace takes (of the CPU): a thousandth of a core, however many there are
 * (`rest` says how many times as long). A namespace whose number of sockets (cheap to read) has changed by
 * much, or whose accept queues have overflowed, is counted out of its turn, from another half of a
 * thousandth.
 *
 * For the inspection's worker: entering a namespace changes the calling thread, which is put back before any
 * of these returns. If it cannot be put back (which is logged), no namespace is entered any more.
 */
#ifndef NJ_INSPECT_SOCKETS_H
#define NJ_INSPECT_SOCKETS_H

#include "agent/inspect/figures.h"

struct nj_sockets;

enum {
    NJ_SOCKETS_CREDIT_MS = 500,   /* of CPU for counts out of turn that can be saved up */
    NJ_SOCKETS_CHANGED = 16,      /* by so many and a quarter: changed by much */
    NJ_SOCKETS_OWN_MAX = 1 << 20, /* sockets of one process that nj_sockets_own() looks at */
};

/* `proc`: "/proc" of the host's pid namespace; not needed any more after this. After a count it is rested
 * `rest` times as long as all of them took, and twice that after one out of turn; at least 1. 0 or a negative
 * errno. */
int nj_sockets_new(const char *proc, int64_t rest, struct nj_sockets **ret_sockets);
void nj_sockets_free(struct nj_sockets *sockets); /* takes NULL */

/* The sockets of the namespace of process `pid`; `key` names the namespace ("" the host's, else a pod's uid).
 * Fills in from the last count where it is not due again: at_ns tells of when the TCP sockets, the queue and
 * the unix sockets are; the other figures may be younger. What cannot be read is NJ_UNKNOWN; queue_port 0 is
 * no listening socket. -ESRCH when the process is gone or a zombie (which may go unnoticed while no count is
 * due); -errno when /proc/PID cannot be opened otherwise. `now_ns` is monotonic. */
int nj_sockets_count(struct nj_sockets *sockets, const char *key, int32_t pid, int64_t now_ns,
                     struct nj_socket_figures *ret_figures);
/* Forgets namespaces that were not asked for since. */
void nj_sockets_forget(struct nj_sockets *sockets, int64_t unasked_since_ns);

/* How many sockets in this TCP state (0: in any) the process itself holds, by its fds (needs CAP_SYS_PTRACE
 * for other users' processes): 0 and the count, or -EACCES, -ESRCH, -E2BIG (more than NJ_SOCKETS_OWN_MAX),
 * -ENOMEM. */
int nj_sockets_own(struct nj_sockets *sockets, int32_t pid, enum nj_tcp_state state, uint64_t *ret_count);

const char *nj_tcp_state_name(enum nj_tcp_state state); /* "CLOSE_WAIT"; "" for none */

#endif
