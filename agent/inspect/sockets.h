/*
 * Sockets of a network namespace by state and protocol, its listen queues, and which of them a container's
 * own processes hold.
 *
 * Counted by netlink's SOCK_DIAG (https://man7.org/linux/man-pages/man7/sock_diag.7.html) inside the
 * namespace where the agent may enter it (CAP_SYS_ADMIN), else from /proc/PID/net/tcp, tcp6 and the like,
 * which needs no capability. A count that took long is not made again until a thousand times as long has
 * passed, so that it costs a thousandth of a core at most. For the inspection's worker: entering a namespace
 * changes the calling thread, which is put back before any of these returns.
 */
#ifndef NJ_INSPECT_SOCKETS_H
#define NJ_INSPECT_SOCKETS_H

#include "agent/inspect/figures.h"

struct nj_sockets;

int nj_sockets_new(const char *proc, struct nj_sockets **ret_sockets);
void nj_sockets_free(struct nj_sockets *sockets); /* takes NULL */

/* The sockets of the namespace of process `pid`; `key` names the namespace ("" the host's, else a pod's uid).
 * Fills in from the last count where it is not due again. What cannot be read is NJ_UNKNOWN. -ESRCH when the
 * process is gone. */
int nj_sockets_count(struct nj_sockets *sockets, const char *key, int32_t pid, int64_t now_ns,
                     struct nj_socket_figures *ret_figures);
/* Forgets namespaces that were not asked for since. */
void nj_sockets_forget(struct nj_sockets *sockets, int64_t unasked_since_ns);

/* How many sockets in this TCP state the process itself holds, by its fds (needs CAP_SYS_PTRACE for other
 * users' processes): 0 and the count, or -EACCES, -ESRCH. */
int nj_sockets_own(struct nj_sockets *sockets, int32_t pid, enum nj_tcp_state state, uint64_t *ret_count);

const char *nj_tcp_state_name(enum nj_tcp_state state); /* "CLOSE_WAIT" */

#endif
