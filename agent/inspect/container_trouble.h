/*
 * What is wrong with containers, from one scan to the next: leaks of fds, sockets, zombies, threads and
 * memory, limits that are near, accept queues that overflow. A pure core; one thread.
 *
 * Each trouble is told when it begins, when its level rises, and once when it is over. A container is known
 * by its id: one that was restarted has another, and begins anew. Containers that were not updated are kept
 * until nj_container_troubles_end().
 */
#ifndef NJ_INSPECT_CONTAINER_TROUBLE_H
#define NJ_INSPECT_CONTAINER_TROUBLE_H

#include "agent/inspect/figures.h"
#include "agent/inspect/leak.h"
#include "common/wire/event.h"

struct nj_container_troubles;

struct nj_trouble_hooks {
    /* It began, got worse or is over. All of it is borrowed until the return. `figures` are the ones given,
     * `trouble->since_ns` and `reaches_ns` wall times. With `of_pod` it concerns the pod's network namespace,
     * which its containers share, and it is not known which of them: the subject's container is "". */
    void (*on_trouble)(void *data, const struct nj_container_figures *figures,
                       const struct nj_trouble *trouble, bool of_pod);
    /* Which process of the container holds most of the sockets in this TCP state (0: in any), and how many
     * all of them hold: 0, or a negative errno where that cannot be seen. May be NULL. Called only for a
     * suspicion, at most once a scan and container. */
    int (*own_sockets)(void *data, const struct nj_container_figures *figures, enum nj_tcp_state state,
                       struct nj_inspect_process *ret_process, uint64_t *ret_count);
    void *data;
    /* Of the node: the limits where a container has none of its own. 0 or NJ_UNKNOWN: not known. */
    uint64_t node_memory, node_pids;
};

struct nj_container_troubles *nj_container_troubles_new(const struct nj_leak_rules *rules); /* copied */
void nj_container_troubles_free(struct nj_container_troubles *troubles); /* takes NULL; tells nothing */

/* One container's figures at a scan, sockets included; `wall_ns` is the wall time of figures->at_ns. Figures
 * that are NJ_UNKNOWN change nothing. */
void nj_container_troubles_update(struct nj_container_troubles *troubles,
                                  const struct nj_container_figures *figures, int64_t wall_ns,
                                  const struct nj_trouble_hooks *hooks);

/* Takes up what an earlier process told of this container, so that its end is told, and it is not told again;
 * before the container's first update. `pod_uid` and `of_pod` as with what was told; `told_ns` wall. */
struct nj_trouble_restored {
    const char *container_id, *pod_uid;
    bool of_pod;
    const struct nj_trouble *trouble;
    int64_t told_ns;
};
void nj_container_troubles_restore(struct nj_container_troubles *troubles,
                                   const struct nj_trouble_restored *restored, int64_t now_ns);

/* The container is gone, and forgotten. What it had is told as over when `hooks` is given, with figures that
 * have its id and pod_uid only. */
void nj_container_troubles_end(struct nj_container_troubles *troubles, const char *container_id,
                               int64_t wall_ns, const struct nj_trouble_hooks *hooks);

#endif
