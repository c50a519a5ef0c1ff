/*
 * Exits of processes as the kernel tells them (netlink's proc connector, linux/cn_proc.h): a hint that comes
 * before the kubelet's word. It works in the host's network and pid namespaces only and may drop; what is
 * missed comes with the pod's status as always. Loop thread only.
 */
#ifndef NJ_INSPECT_EXITS_H
#define NJ_INSPECT_EXITS_H

#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/loop/loop.h"

struct nj_exits;

struct nj_exits_options {
    struct nj_loop *loop;
    struct nj_metrics *metrics; /* may be NULL */
    /* A process (not a thread) has ended; exit_code as wait(2) has it: code << 8 | signal. Any process of the
     * node. */
    void (*on_exit)(void *data, int32_t pid, int exit_code, int64_t wall_ns);
    void *data;
};

/* Not to be had here, with a text that says why and what would help: -ECONNREFUSED in another network
 * namespace, -ENODATA in another pid or user namespace, -EPERM without the capability NET_ADMIN (Linux 6.6
 * needs none). */
int nj_exits_start(const struct nj_exits_options *options, struct nj_exits **ret_exits, struct nj_err *err);
void nj_exits_close(struct nj_exits *exits, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
