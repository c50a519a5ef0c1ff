/*
 * Takes what is written to a file descriptor (1 or 2) while a test runs. Not for nesting.
 */
#ifndef NJ_TESTS_CAPTURE_H
#define NJ_TESTS_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct capture {
    int fd, saved;
    FILE *file;
};

static inline void capture_start(struct capture *capture, int fd)
{
    (void)fflush(NULL);
    capture->fd = fd;
    capture->saved = dup(fd);
    capture->file = tmpfile();
    if (capture->saved < 0 || capture->file == NULL || dup2(fileno(capture->file), fd) < 0)
        abort();
}

/* What was written, for the caller to free. */
static inline char *capture_end(struct capture *capture)
{
    (void)fflush(NULL);
    if (dup2(capture->saved, capture->fd) < 0)
        abort();
    (void)close(capture->saved);
    long size = lseek(fileno(capture->file), 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    if (text == NULL || pread(fileno(capture->file), text, (size_t)size, 0) != size)
        abort();
    (void)fclose(capture->file);
    return text;
}

#endif
