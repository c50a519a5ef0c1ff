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
#include "common/wire/plan.h"
#include "nightjar.pb-c.h"

/* For an encoder: `text` itself, "" for NULL, or a mended copy in `repairs` when it is no UTF-8. protobuf-c
 * wants pointers to char that it does not write to. */
char *nj_codec_text(struct nj_arena *repairs, const char *text);
/* The same for many; the array, never NULL but without memory, is in `repairs`. */
char **nj_codec_texts(struct nj_arena *repairs, const char *const *texts, size_t count);

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

/* The same for many, in an array of the arena; notes -EOVERFLOW or -ENOMEM when there is no room for that. */
const char *const *nj_codec_take_texts(struct nj_codec_check *check, struct nj_arena *arena,
                                       char *const *texts, size_t count, const char *field);

/* Borrow everything from `message`; arrays are made in the arena. seq is left 0. 0, -EPROTO, -EOVERFLOW,
 * -ENOMEM. */
int nj_codec_event(const Nightjar__Event *message, struct nj_arena *arena, struct nj_event *ret_event,
                   struct nj_err *err);
int nj_codec_plan(const Nightjar__Plan *message, struct nj_arena *arena, struct nj_plan *ret_plan,
                  struct nj_err *err);

/* What an event of a check, or of a minute of checks, holds: check.c. Fill: a message in `arena`, which
 * borrows from the event; NULL without memory. Take: as above; the first thing wrong is noted. */
Nightjar__Check *nj_codec_fill_check(const struct nj_check_event *from, struct nj_arena *arena);
Nightjar__Rollups *nj_codec_fill_rollups(const struct nj_rollups *from, struct nj_arena *arena);
/* Whether the other side will take it: keys are given, counts and lengths are within their bounds. */
bool nj_codec_key_fits(const struct nj_check_key *key);
bool nj_codec_rollups_fit(const struct nj_rollups *rollups);
void nj_codec_take_check(struct nj_codec_check *check, const Nightjar__Check *from,
                         struct nj_check_event *to);
void nj_codec_take_rollups(struct nj_codec_check *check, const Nightjar__Rollups *from,
                           struct nj_arena *arena, struct nj_rollups *to);

/* Of an OOM kill and of a trouble: trouble.c. As above. */
Nightjar__OomKill *nj_codec_fill_oom_kill(const struct nj_oom_kill *from, struct nj_arena *arena);
Nightjar__Trouble *nj_codec_fill_trouble(const struct nj_trouble *from, struct nj_arena *arena);
bool nj_codec_trouble_fits(const struct nj_trouble *trouble);
void nj_codec_take_oom_kill(struct nj_codec_check *check, const Nightjar__OomKill *from,
                            struct nj_oom_kill *to);
void nj_codec_take_trouble(struct nj_codec_check *check, const Nightjar__Trouble *from,
                           struct nj_trouble *to);

/* Of a minute of use: usage.c. As above. */
Nightjar__Usage *nj_codec_fill_usage(const struct nj_usage *from, struct nj_arena *arena);
bool nj_codec_usage_fits(const struct nj_usage *usage);
void nj_codec_take_usage(struct nj_codec_check *check, const Nightjar__Usage *from, struct nj_arena *arena,
                         struct nj_usage *to);

#endif
