/*
 * Errors that gather context as they rise.
 *
 * A function that can fail returns 0 or a negative errno. Where the caller needs words, it passes a `struct
 * nj_err *` (which may be NULL); the function that finds the fault writes it, and each caller on the way up
 * may put its own context in front with nj_err_wrap(). The final text tells a person what, where and how to
 * mend it. The struct holds no memory of its own: it needs no release and may live on the stack. Any thread,
 * one at a time.
 */
#ifndef NJ_BASE_ERR_H
#define NJ_BASE_ERR_H

#include <stdarg.h>

enum { NJ_ERR_TEXT_MAX = 1024 };

struct nj_err {
    int code;                   /* 0 or a negative errno */
    char text[NJ_ERR_TEXT_MAX]; /* UTF-8, always terminated; cut with "..." when longer */
};

/* Sets code and text; returns `code`, so that `return nj_err_set(err, -EINVAL, "...")` reads well. */
int nj_err_set(struct nj_err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "format: " in front of the text that is there; keeps and returns the code; 0 when `err` is NULL, so a
 * function that may be called without one keeps its own return code. */
int nj_err_wrap(struct nj_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
