/*
 * What the proc connector sends, read: linux/netlink.h, linux/connector.h and linux/cn_proc.h. Pure; takes
 * any bytes of any alignment.
 */
#ifndef NJ_INSPECT_EXITS_MESSAGE_H
#define NJ_INSPECT_EXITS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_exits_message {
    bool is_ack; /* of a request; else a process has ended */
    /* Of an answer: */
    uint32_t ack; /* the request's and 1 */
    int error;    /* 0, or a positive errno */
    /* Of an end: */
    int32_t pid;
    int exit_code; /* as wait(2) has it */
};

/* The next message of a datagram from *offset on, which it moves. False: there is none any more. Threads'
 * ends and all other kinds are passed over. */
bool nj_exits_next(const uint8_t *bytes, size_t len, size_t *offset, struct nj_exits_message *ret_message);

#endif
