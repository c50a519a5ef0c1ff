#include "agent/inspect/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int nj_lines_open(struct nj_lines *lines, int dir, const char *path)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    lines->fd = fd;
    lines->error = 0;
    lines->ended = lines->skipping = false;
    lines->start = lines->len = 0;
    return 0;
}

void nj_lines_close(struct nj_lines *lines)
{
    (void)close(lines->fd);
    lines->fd = -1;
}

/* More bytes behind those that are there; at the file's end or on an error `ended` is set. */
static void fill(struct nj_lines *lines)
{
    if (lines->start > 0) {
        memmove(lines->bytes, lines->bytes + lines->start, lines->len);
        lines->start = 0;
    }
    ssize_t got;
    do {
        /* One byte stays for the terminator of a last line that has no newline. */
        got = read(lines->fd, lines->bytes + lines->len, sizeof(lines->bytes) - 1 - lines->len);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        lines->error = -errno;
    if (got <= 0)
        lines->ended = true;
    else
        lines->len += (size_t)got;
}

char *nj_lines_next(struct nj_lines *lines)
{
    for (;;) {
        char *line = lines->bytes + lines->start;
        char *newline = lines->len > 0 ? memchr(line, '\n', lines->len) : NULL;
        if (newline != NULL) {
            size_t taken = (size_t)(newline - line) + 1;
            lines->start += taken;
            lines->len -= taken;
            *newline = '\0';
            if (!lines->skipping)
                return line;
            lines->skipping = false;
        } else if (lines->ended) {
            bool whole = lines->len > 0 && !lines->skipping && lines->error == 0;
            line[lines->len] = '\0';
            lines->len = 0;
            return whole ? line : NULL;
        } else {
            if (lines->len == sizeof(lines->bytes) - 1) {
                lines->skipping = true;
                lines->start = lines->len = 0;
            }
            fill(lines);
        }
    }
}

bool nj_text_number(const char **text, uint64_t *ret_number)
{
    const char *at = *text;
    while (*at == ' ' || *at == '\t')
        at++;
    if (*at < '0' || *at > '9')
        return false;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    }
    *text = at;
    *ret_number = number;
    return true;
}
