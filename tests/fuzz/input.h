/*
 * What the fuzzers share: the entry point, a check, and texts out of an input.
 */
#ifndef NJ_FUZZ_INPUT_H
#define NJ_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold is a find. */
static inline void check(bool holds)
{
    if (!holds)
        abort();
}

/* The text up to the next zero byte or the end, which the input then begins behind; the caller frees it. */
static inline char *take(const uint8_t **at, size_t *left)
{
    const uint8_t *end = *left == 0 ? NULL : memchr(*at, 0, *left);
    size_t len = end == NULL ? *left : (size_t)(end - *at);
    char *text = nj_calloc(1, len + 1);
    if (len > 0)
        memcpy(text, *at, len);
    size_t used = len + (end == NULL ? 0 : 1);
    *at += used;
    *left -= used;
    return text;
}

#endif
