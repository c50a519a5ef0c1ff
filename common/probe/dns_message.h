/*
 * DNS messages (RFC 1035) by glibc's resolver library: questions, answers as text, and the names that a name
 * without a final dot may stand for. Pure. Private to common/probe.
 */
#ifndef NJ_PROBE_DNS_MESSAGE_H
#define NJ_PROBE_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"

enum {
    NJ_DNS_QUESTION_MAX = 512, /* bytes of a message that asks */
    NJ_DNS_NAME_MAX = 256,     /* of a name as text, terminated */
    NJ_DNS_RECORDS_MAX = 256,  /* of an answer; further ones are not read */
    NJ_DNS_NAMES_MAX = 8,      /* that a name may stand for */
};

/* 0 for what is no type that a spec may ask for. */
int nj_dns_type(const char *name);

/* A question for `name`, with this id: its length, or -EINVAL. */
int nj_dns_question(const char *name, int type, uint16_t id, unsigned char message[NJ_DNS_QUESTION_MAX]);

struct nj_dns_answer {
    int rcode;
    bool truncated;             /* it has to be asked for over TCP */
    const char *const *records; /* of the asked type, as text: "10.0.0.1", "10 mail.example", texts joined */
    size_t records_count;
};

/* 0; -ENOENT: an answer, but not to this question; -EBADMSG: no DNS message; -ENOMEM. Records are put into
 * the arena. */
int nj_dns_parse(const unsigned char *message, size_t len, const unsigned char *question, size_t question_len,
                 struct nj_arena *arena, struct nj_dns_answer *ret_answer);

const char *nj_dns_rcode_name(int rcode); /* "NOERROR", ... */

/* In the order in which they are asked for, as res_search(3) has it: with a final dot only itself; with
 * `ndots` dots or more itself first, else the domains first. `domains` ends with NULL. */
size_t nj_dns_names(const char *name, char *const *domains, unsigned ndots,
                    char names[NJ_DNS_NAMES_MAX][NJ_DNS_NAME_MAX]);

#endif
