/*
 * What is due next, among many: a binary heap of instants that are embedded in what they belong to. Private
 * to common/probe; pure.
 */
#ifndef NJ_PROBE_DUE_H
#define NJ_PROBE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct nj_due { /* zeroed: in no heap */
    int64_t at_ns;
    size_t place; /* in the heap, from 1 */
};

struct nj_due_heap { /* zeroed: empty */
    struct nj_due **items;
    size_t count, capacity;
};

void nj_due_done(struct nj_due_heap *heap);
void nj_due_set(struct nj_due_heap *heap, struct nj_due *due, int64_t at_ns); /* puts it in, or moves it */
void nj_due_remove(struct nj_due_heap *heap, struct nj_due *due);             /* also one that is not in it */
struct nj_due *nj_due_first(const struct nj_due_heap *heap);                  /* NULL when it is empty */

#endif
