/*
 * What the files of remote write share: what waits (remote_series.c makes it, remote_write.c sends it) and
 * the request that it becomes (remote_request.c).
 */
#ifndef NJ_REMOTE_REMOTE_INTERNAL_H
#define NJ_REMOTE_REMOTE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum {
    NJ_REMOTE_LABELS_MAX = 8,  /* of one entry */
    NJ_REMOTE_VALUES_MAX = 24, /* likewise */
};

struct nj_remote_label {
    const char *name; /* static */
    char *value;      /* never empty: an empty label is no label */
};

struct nj_remote_value {
    const char *name;     /* of the metric: static */
    const char *quantile; /* label; NULL: none; static */
    double value;
};

/* What is known of one thing's minute: samples that share their labels and their time. */
struct nj_remote_entry {
    int64_t at_ms;
    struct nj_remote_label labels[NJ_REMOTE_LABELS_MAX]; /* in the order of their names */
    size_t labels_count;
    struct nj_remote_value *values;
    size_t values_count;
    struct nj_remote_entry *prev, *next;
};
void nj_remote_entry_free(struct nj_remote_entry *entry);

/* Appends the samples of `count` entries from `first` on as a WriteRequest in snappy's block format. 0, or
 * -ENOMEM: then nothing is appended. */
int nj_remote_request(const struct nj_remote_entry *first, size_t count, struct nj_buf *out);

#endif
