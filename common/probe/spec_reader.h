/*
 * Reads the members of a spec's JSON, each with its rule, and says of a wrong one where it stands and what
 * would be right. A member that is null counts as left out, as it does for the Kubernetes API. Private to
 * common/probe/spec*.c.
 */
#ifndef NJ_PROBE_SPEC_READER_H
#define NJ_PROBE_SPEC_READER_H

#include <json-c/json.h>

#include "common/base/arena.h"
#include "common/probe/pattern.h"
#include "common/probe/spec.h"

/* Longest texts, in characters; deploy/manifests/base/apimonitor-crd.yaml has the same. */
enum {
    NJ_SPEC_NAME_MAX = 63,
    NJ_SPEC_OBJECT_NAME_MAX = 253,
    NJ_SPEC_HEADER_NAME_MAX = 128,
    NJ_SPEC_VALUE_MAX = 4096, /* of a variable, a header, what TCP sends, what a body must contain */
    NJ_SPEC_PATH_MAX = 2048,  /* also of a URL */
    NJ_SPEC_BODY_MAX = 32768, /* also of a CA */
    NJ_SPEC_POINTER_MAX = 512,
    NJ_SPEC_DURATION_MAX = 16,
    NJ_SPEC_PATTERNS_MAX = 128, /* regular expressions in a spec */
};

struct nj_spec_memory {
    struct nj_spec spec; /* first: what callers hold */
    struct nj_arena arena;
    struct nj_pattern **patterns;
    size_t patterns_count;
};

struct nj_spec_reader {
    const char *where;
    struct nj_spec_memory *memory;
    struct nj_err *err;
    const char **variables; /* that are known so far */
    size_t variables_count;
};

/* A value and how one comes to it. */
struct nj_spec_node {
    const struct nj_spec_node *parent;
    const char *key; /* NULL: `index` of a list */
    size_t index;
    struct json_object *value;
};

/* Writes "spec.steps[1].name: ..." and returns -EINVAL. */
int nj_spec_fail(const struct nj_spec_reader *reader, const struct nj_spec_node *node, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));
/* The same about a member that `parent` does not have. */
int nj_spec_fail_at(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                    const char *text);

/* The beginning of a wrong value, as it can be shown; returns `buffer`. */
enum { NJ_SPEC_SHOWN_MAX = 64 };
const char *nj_spec_shown(const char *text, char buffer[NJ_SPEC_SHOWN_MAX + 4]);

/* Zeroed; -E2BIG when the spec's bound is passed. */
int nj_spec_alloc(struct nj_spec_reader *reader, size_t count, size_t size, void **ret_memory);
int nj_spec_copy(struct nj_spec_reader *reader, const char *text, size_t len, const char **ret_copy);

/* It is an object and has none but these members (NULL-terminated). */
int nj_spec_check_members(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                          const char *const *members);
/* False when it is left out. */
bool nj_spec_member(const struct nj_spec_node *parent, const char *key, struct nj_spec_node *ret_node);
/* How many of these members it has, up to the first NULL; the last one's place in ret_index. */
size_t nj_spec_count_members(const struct nj_spec_node *node, const char *const *members, size_t *ret_index);
/* Exactly one of them. */
int nj_spec_one_of(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                   const char *const *members, size_t *ret_index);
/* 0 items when it is left out. */
int nj_spec_list(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 size_t max, struct nj_spec_node *ret_list, size_t *ret_count);
struct nj_spec_node nj_spec_item(const struct nj_spec_node *list, size_t index);

struct nj_spec_text_rule {
    const char *fallback;               /* NULL: it is required */
    size_t min, max;                    /* characters */
    bool (*is_valid)(const char *text); /* NULL: any text; the fallback is not asked about */
    const char *wanted;                 /* "lower case letters, digits and '-'" */
};

int nj_spec_text(struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 const struct nj_spec_text_rule *rule, const char **ret_text);
/* Of the value itself. */
int nj_spec_text_value(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                       const struct nj_spec_text_rule *rule, const char **ret_text);
int nj_spec_bool(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 bool fallback, bool *ret_value);
int nj_spec_int(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                int64_t min, int64_t max, int64_t fallback, int64_t *ret_value);
int nj_spec_int_value(const struct nj_spec_reader *reader, const struct nj_spec_node *node, int64_t min,
                      int64_t max, int64_t *ret_value);
int nj_spec_duration(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                     int64_t min_ns, int64_t max_ns, int64_t fallback_ns, int64_t *ret_ns);
/* Which of `choices` (NULL-terminated); the first by default. */
int nj_spec_choice(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                   const char *const *choices, size_t *ret_index);
/* A pattern of the spec; -EINVAL when it does not compile. */
int nj_spec_pattern(struct nj_spec_reader *reader, const struct nj_spec_node *node, enum nj_pattern_kind kind,
                    struct nj_pattern **ret_pattern);

/* A name is known from here on. */
void nj_spec_add_variable(struct nj_spec_reader *reader, const char *name);
/* Every ${variable} of the text at `node` is known. */
int nj_spec_check_variables(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                            const char *text);

/* Shared rules: is_valid(). */
bool nj_spec_is_label(const char *text);       /* RFC 1123 label, of 63 characters */
bool nj_spec_is_object_name(const char *text); /* RFC 1123 subdomain */
bool nj_spec_is_secret_key(const char *text);
bool nj_spec_is_variable(const char *text);
bool nj_spec_is_token(const char *text); /* RFC 9110: a header's name */
bool nj_spec_is_header_value(const char *text);
bool nj_spec_is_line(const char *text); /* no control characters */

/* {name, key} */
int nj_spec_secret_ref(struct nj_spec_reader *reader, const struct nj_spec_node *node, const char **ret_name,
                       const char **ret_key);

/* spec_target.c */
int nj_spec_read_target(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                        struct nj_spec_target *ret_target);

/* spec_steps.c: `steps` and `finally`. */
int nj_spec_read_steps(struct nj_spec_reader *reader, const struct nj_spec_node *root, struct nj_spec *spec);

/* spec_expect.c */
int nj_spec_read_expect(struct nj_spec_reader *reader, const struct nj_spec_node *step,
                        enum nj_step_kind kind, struct nj_expect *ret_expect);
int nj_spec_read_extracts(struct nj_spec_reader *reader, const struct nj_spec_node *step,
                          struct nj_step *ret_step);

#endif
