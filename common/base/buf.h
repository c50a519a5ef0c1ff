/*
 * A growing byte buffer with a bound. Invariant: once anything was appended, data[len] is '\0', so that text
 * can be used as a C string. An append that would pass `max` changes nothing and marks the buffer
 * `overflowed`, one that finds no memory `starved`; later appends are refused too, so that a caller may
 * append many times and check once. Lack of a few KiB ends the program (see alloc.h): what is small need not
 * be checked. Owner: whoever declares it. One thread.
 */
#ifndef NJ_BASE_BUF_H
#define NJ_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max; /* bytes; 0 is no bound, for contents that are bounded elsewhere */
    bool overflowed, starved;
};

/* Starts empty; allocates nothing. `struct nj_buf b = {.max = N};` does the same. */
void nj_buf_init(struct nj_buf *buf, size_t max);

/* Frees the contents and leaves the buffer empty and usable. */
void nj_buf_done(struct nj_buf *buf);

/* Empties, keeps the memory and the bound, forgets what was refused. */
void nj_buf_clear(struct nj_buf *buf);

/* 0, or why not everything that was appended is there: -EOVERFLOW, -ENOMEM. */
int nj_buf_check(const struct nj_buf *buf);

/* 0, -EOVERFLOW past the bound, -ENOMEM. */
int nj_buf_append(struct nj_buf *buf, const void *data, size_t len);
int nj_buf_append_str(struct nj_buf *buf, const char *text);
int nj_buf_append_char(struct nj_buf *buf, char c);
int nj_buf_printf(struct nj_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `len` more bytes and returns where to write them (the caller then adds to `len` and
 * terminates), or NULL past the bound or without memory. */
char *nj_buf_reserve(struct nj_buf *buf, size_t len);

/* Drops the first `len` bytes (at most all). */
void nj_buf_consume(struct nj_buf *buf, size_t len);

/* The contents as a C string: "" when empty. Valid until the next change. */
const char *nj_buf_str(const struct nj_buf *buf);

/* Gives the memory to the caller, who frees it; the buffer is empty afterwards. Never NULL. */
char *nj_buf_take(struct nj_buf *buf);

#endif
