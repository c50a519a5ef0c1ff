/*
 * Looks a host name up (getaddrinfo) on a thread of its own, so that a slow name server stops nothing:
 * neither the loop nor, unlike libuv's thread pool, a close. Loop thread only.
 */
#ifndef NJ_LOOP_LOOKUP_H
#define NJ_LOOP_LOOKUP_H

#include <netdb.h>

#include "common/loop/loop.h"

struct nj_lookup;

/* on_done is called once, from the loop, unless cancelled before: with the addresses (borrowed, at least one)
 * and error 0, or with NULL and -EHOSTUNREACH (no such name) or -EAGAIN (no name server answered). An IP
 * literal is answered with itself. The lookup keeps the loop running and is freed after on_done. NULL when no
 * thread can be had. */
struct nj_lookup *nj_lookup_start(struct nj_loop *loop, const char *host, int socket_type,
                                  void (*on_done)(void *data, int error, const struct addrinfo *addresses),
                                  void *data);

/* on_done is not called any more. The thread, if it still asks, ends by itself later. Takes NULL. */
void nj_lookup_cancel(struct nj_lookup *lookup);

#endif
