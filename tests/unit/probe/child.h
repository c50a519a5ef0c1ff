/*
 * Another program as a peer of a test. It is killed when the test ends, whichever way.
 */
#ifndef NJ_TESTS_UNIT_PROBE_CHILD_H
#define NJ_TESTS_UNIT_PROBE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int output; /* what it prints */
};

/* `arguments` begins with the program and ends with NULL. */
void child_start(struct child *child, const char *const *arguments);
/* The first line that it prints, without its end; fails the test when it ends before, or prints none. */
void child_line(struct child *child, char *line, size_t size);
void child_stop(struct child *child);

#endif
