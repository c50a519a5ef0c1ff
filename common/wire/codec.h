/*
 * Between plain C and the messages of proto/nightjar.proto. Private to common/wire: nobody else sees
 * protobuf-c.
 */
#ifndef NJ_WIRE_CODEC_H
#define NJ_WIRE_CODEC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/wire/event.h"
#include "nightjar.pb-c.h"

/* For an encoder: `text` itself, "" for NULL, or a mended copy in `repairs` when it is no UTF-8. protobuf-c
 * wants pointers to char that it does not write to. */
char *nj_codec_text(struct nj_arena *repairs, const char *text);

/* Appends the message. 0, -EOVERFLOW, -ENOMEM. */
int nj_codec_pack(const ProtobufCMessage *message, struct nj_buf *out);

/* Everything in the arena; byte fields are terminated too. NULL with *ret_rc -EPROTO (no such message),
 * -EOVERFLOW (larger than the arena's bound) or -ENOMEM and a text naming `what`. */
ProtobufCMessage *nj_codec_unpack(const ProtobufCMessageDescriptor *type, const char *what, const void *bytes,
                                  size_t len, struct nj_arena *arena, int *ret_rc, struct nj_err *err);

/* A decoder's check of many texts: the first bad one is kept in rc and err. */
struct nj_codec_check {
    int rc;
    struct nj_err *err;
};
/* `text`, "" for NULL; notes -EPROTO when it is no UTF-8. */
const char *nj_codec_take(struct nj_codec_check *check, const char *text, const char *field);

/* Borrows everything from `message`. seq is left 0. 0 or -EPROTO. */
int nj_codec_event(const Nightjar__Event *message, struct nj_event *ret_event, struct nj_err *err);

#endif
