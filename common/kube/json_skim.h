/*
 * Finds the members of a JSON object in memory without building anything, so that json-c is given only what
 * Nightjar reads: parsing managedFields or a custom resource's spec would be most of the work. What is
 * skimmed over is checked for balanced brackets and whole strings only. Private to common/kube; pure.
 */
#ifndef NJ_KUBE_JSON_SKIM_H
#define NJ_KUBE_JSON_SKIM_H

#include <stdbool.h>
#include <stddef.h>

struct nj_json_skim {
    const char *at, *end;
    bool first;
};

struct nj_json_member {
    const char *key; /* between its quotes; escapes are as they stand */
    size_t key_len;
    const char *value; /* as it stands, without white space around */
    size_t value_len;
};

/* Enters the object that `text` is. 0, or -EBADMSG when it is none. */
int nj_json_skim_open(struct nj_json_skim *skim, const char *text, size_t len);

/* 1 and the next member, 0 when the object and nothing behind it has ended, -EBADMSG. */
int nj_json_skim_next(struct nj_json_skim *skim, struct nj_json_member *ret_member);

/* The same of an array, whose elements have a value only. */
int nj_json_skim_open_array(struct nj_json_skim *skim, const char *text, size_t len);
int nj_json_skim_next_element(struct nj_json_skim *skim, struct nj_json_member *ret_element);

bool nj_json_member_is(const struct nj_json_member *member, const char *key);

/*
 * The end of one value, when its bytes come in pieces. Start with a zeroed struct at the value's first byte.
 */
struct nj_json_span {
    size_t depth;
    bool begun, scalar, in_string, escaped;
};

/* How many of the bytes belong to the value; *ret_done tells whether it ends with them. */
size_t nj_json_span_feed(struct nj_json_span *span, const char *bytes, size_t len, bool *ret_done);

static inline bool nj_json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#endif
