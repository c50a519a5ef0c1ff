#include "tests/unit/promtool.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

void assert_promtool_takes(const char *text)
{
    static const char *const places[] = {"/usr/bin/promtool", "build/tools/usr/bin/promtool"};
    const char *promtool = access(places[0], X_OK) == 0 ? places[0] : places[1];
    if (access(promtool, X_OK) != 0)
        skip();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[0], STDIN_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execl(promtool, promtool, "check", "metrics", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[0]);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    (void)close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    /* 3: it can be read, and the linter would have liked other names than node_exporter's. */
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3))
        fail_msg("promtool does not take\n%s", text);
}
