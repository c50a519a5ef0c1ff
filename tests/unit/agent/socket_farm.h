/*
 * A child process with a network namespace of its own, full of real sockets whose states are known.
 */
#ifndef NJ_TESTS_SOCKET_FARM_H
#define NJ_TESTS_SOCKET_FARM_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/inspect/figures.h"

struct farm_wish {
    int pairs;      /* connections with both ends open, of IPv4 */
    int pairs6;     /* of IPv6, and as many of IPv4 to a socket of IPv6 */
    int close_wait; /* connections that the far end has shut down, and nobody closes */
    int processes;  /* that these are made in, each as many */
    bool others;    /* the further states and protocols, one or two of each */
};

struct farm {
    pid_t pid;
    int commands, answers;          /* pipes */
    struct nj_socket_figures truth; /* tcp, udp, raw, unix_stream and queue_* */
    uint64_t own_close_wait;        /* of the first process */
};

/* False when this machine does not let us have a namespace. */
bool farm_start(struct farm *farm, const struct farm_wish *wish);
/* Makes further connected pairs (IPv4) and counts them into the truth. */
void farm_grow(struct farm *farm, int pairs);
/* Dials so often what has a full queue (of the `others`): the kernel counts overflows. */
void farm_overflow(struct farm *farm, int connections);
/* Ends it; the child stays as a zombie until farm_reap(). */
void farm_end(struct farm *farm);
void farm_reap(struct farm *farm);

#endif
