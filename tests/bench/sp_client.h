/*
 * Many REQ peers in one process: nanomsg's scalability protocol over TCP on plain sockets and one epoll,
 * where nanomsg itself has 512 sockets a process. Loopback only.
 *
 * Sources: the mapping to TCP, https://github.com/nanomsg/nanomsg/blob/1.1.5/rfc/sp-tcp-mapping-01.txt (a
 * header of eight bytes each way, then messages behind a 64-bit length), and request and reply,
 * .../rfc/sp-request-reply-01.txt (a request id with the highest bit set in front of the body). One thread.
 */
#ifndef NJ_BENCH_SP_CLIENT_H
#define NJ_BENCH_SP_CLIENT_H

#include <stddef.h>

struct nj_sp_client;

/* `count` connections past their handshakes. on_reply (borrowed bytes) may send the peer's next request.
 * Exits when a connection cannot be made, or later breaks. */
struct nj_sp_client *nj_sp_client_new(int port, int count,
                                      void (*on_reply)(void *data, int peer, const void *bytes, size_t len),
                                      void *data);
void nj_sp_client_free(struct nj_sp_client *client);

/* Starts the peer's next request; the one before must have been answered. `bytes` must live until the reply.
 */
void nj_sp_client_send(struct nj_sp_client *client, int peer, const void *bytes, size_t len);

/* Sends, receives and tells replies until nothing more can be done for `timeout_ms`. Returns the number of
 * sockets served: 0 after silence. */
int nj_sp_client_run(struct nj_sp_client *client, int timeout_ms);

#endif
