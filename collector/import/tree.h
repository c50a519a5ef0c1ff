/*
 * Other monitors' files as trees: YAML and JSON alike become json-c objects, and back to YAML. One thread.
 */
#ifndef NJ_IMPORT_TREE_H
#define NJ_IMPORT_TREE_H

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum {
    NJ_TREE_FILE_MAX = 16 << 20,
    NJ_TREE_DEPTH_MAX = 64,
    NJ_TREE_NODES_MAX = 1000000, /* aliases count as what they stand for */
};

/* The first YAML document, which JSON is as well. The caller puts (json_object_put) what it gets; NULL for an
 * empty document. -EBADMSG with line and column. */
int nj_tree_parse(const char *text, size_t len, struct json_object **ret_tree, struct nj_err *err);

/* Reads a whole file: -ENOENT and the like, -EFBIG. The caller frees. */
int nj_tree_read_file(const char *path, char **ret_text, size_t *ret_len, struct nj_err *err);

/* Appends a YAML document, without its marker. */
int nj_tree_write(struct json_object *tree, struct nj_buf *out);

/* A member by its name, whatever it is; NULL when there is none, it is null, or `object` is no object. */
struct json_object *nj_tree_get(struct json_object *object, const char *name);
/* A scalar as text; NULL likewise, and for lists and objects. Borrowed from the tree. */
const char *nj_tree_text(struct json_object *object, const char *name);
bool nj_tree_bool(struct json_object *object, const char *name, bool fallback);
int64_t nj_tree_int(struct json_object *object, const char *name, int64_t fallback);
size_t nj_tree_count(struct json_object *list); /* 0 for what is no list */

#endif
