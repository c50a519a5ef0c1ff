#include "common/probe/due.h"

#include <stdbool.h>

#include "common/base/alloc.h"

enum { CAPACITY_LEAST = 64 };

void nj_due_done(struct nj_due_heap *heap)
{
    free(heap->items);
    *heap = (struct nj_due_heap){0};
}

static void put(struct nj_due_heap *heap, size_t place, struct nj_due *due)
{
    heap->items[place - 1] = due;
    due->place = place;
}

static void rise(struct nj_due_heap *heap, struct nj_due *due, size_t place)
{
    while (place > 1 && heap->items[place / 2 - 1]->at_ns > due->at_ns) {
        put(heap, place, heap->items[place / 2 - 1]);
        place /= 2;
    }
    put(heap, place, due);
}

static void sink(struct nj_due_heap *heap, struct nj_due *due, size_t place)
{
    for (size_t child = place * 2; child <= heap->count; child = place * 2) {
        if (child < heap->count && heap->items[child]->at_ns < heap->items[child - 1]->at_ns)
            child++;
        if (heap->items[child - 1]->at_ns >= due->at_ns)
            break;
        put(heap, place, heap->items[child - 1]);
        place = child;
    }
    put(heap, place, due);
}

void nj_due_set(struct nj_due_heap *heap, struct nj_due *due, int64_t at_ns)
{
    bool sooner = at_ns < due->at_ns;
    due->at_ns = at_ns;
    if (due->place == 0) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity == 0 ? CAPACITY_LEAST : heap->capacity * 2;
            heap->items = nj_realloc(heap->items, heap->capacity, sizeof(struct nj_due *));
        }
        rise(heap, due, ++heap->count);
    } else if (sooner) {
        rise(heap, due, due->place);
    } else {
        sink(heap, due, due->place);
    }
}

void nj_due_remove(struct nj_due_heap *heap, struct nj_due *due)
{
    size_t place = due->place;
    if (place == 0)
        return;
    due->place = 0;
    struct nj_due *last = heap->items[--heap->count];
    if (last == due)
        return;
    if (last->at_ns < due->at_ns)
        rise(heap, last, place);
    else
        sink(heap, last, place);
}

struct nj_due *nj_due_first(const struct nj_due_heap *heap)
{
    return heap->count == 0 ? NULL : heap->items[0];
}
