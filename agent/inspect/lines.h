/*
 * Lines of a file of /proc, one at a time through a buffer of fixed size: however long the file is, nothing
 * is allocated. A line that is longer than NJ_LINES_BYTES - 1 is left out. Any thread.
 */
#ifndef NJ_INSPECT_LINES_H
#define NJ_INSPECT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NJ_LINES_BYTES = 16 << 10 };

struct nj_lines {
    int fd;
    int error; /* 0, or the negative errno that ended the reading before the file's end */
    bool ended, skipping;
    size_t start, len; /* of what has been read and not been given yet */
    char bytes[NJ_LINES_BYTES];
};

/* 0 or a negative errno; `dir` as for openat(2). What was opened is to be closed. */
int nj_lines_open(struct nj_lines *lines, int dir, const char *path);
/* Without its newline, borrowed until the next call (and may be written to); NULL at the end and on an
 * error. */
char *nj_lines_next(struct nj_lines *lines);
void nj_lines_close(struct nj_lines *lines);

/* A decimal number at the start of *text after blanks; moves *text behind it: false when there is none or it
 * does not fit. */
bool nj_text_number(const char **text, uint64_t *ret_number);

#endif
