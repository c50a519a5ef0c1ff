#include "tests/unit/probe/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

enum { START_MS = 30000 };

void child_start(struct child *child, const char *const *arguments)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execvp(arguments[0], (char *const *)(size_t)arguments);
        _exit(127);
    }
    assert_int_equal(close(ends[1]), 0);
    child->output = ends[0];
}

void child_line(struct child *child, char *line, size_t size)
{
    size_t len = 0;
    for (;;) {
        struct pollfd poll_fd = {.fd = child->output, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, START_MS), 1);
        assert_true(len + 1 < size);
        if (read(child->output, line + len, 1) != 1)
            fail_msg("the program ended before it was ready");
        if (line[len] == '\n')
            break;
        len++;
    }
    line[len] = '\0';
}

void child_stop(struct child *child)
{
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
    assert_int_equal(close(child->output), 0);
}
