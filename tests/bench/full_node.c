/*
 * Fills a node: real processes in cgroups that are there, until stdin ends.
 *
 *   bench_full_node PROCESSES FDS     one container a line of stdin: NETWORK PATH,PATH...
 *
 * Each container has PROCESSES processes (one of them its first) with FDS descriptors each; with NETWORK 1 a
 * network namespace of its own and a listening socket there. PATHs are its cgroup.procs files, one a
 * controller. Says "ready" when all of them run.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, CONTAINERS_MAX = 4096 };

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_full_node: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static void join(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail(path);
    (void)close(fd);
}

static void listen_there(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    if (unshare(CLONE_NEWNET) < 0)
        fail("a network namespace");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
        fail("a listening socket");
}

static void open_fds(int count)
{
    for (int i = 0; i < count; i++) {
        if (open("/dev/null", O_RDONLY) < 0) /* NOLINT(android-cloexec-open) */
            fail("/dev/null");
    }
}

static void wait_for_end(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)pause();
}

/* The first process of a container; it says that it is there by closing `said`. */
static _Noreturn void run(char *paths, bool network, int processes, int fds, int said)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (char *path = strsep(&paths, ",\n"); path != NULL && *path != '\0'; path = strsep(&paths, ",\n"))
        join(path);
    if (network)
        listen_there();
    open_fds(fds);
    for (int i = 1; i < processes; i++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            (void)close(said);
            wait_for_end();
        }
    }
    if (write(said, "", 1) != 1)
        fail("a pipe");
    (void)close(said);
    wait_for_end();
    _exit(0);
}

static pid_t start(char *line, int processes, int fds)
{
    int said[2];
    char byte = 0;
    bool network = line[0] == '1';
    if (pipe2(said, O_CLOEXEC) < 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        (void)close(said[0]);
        run(line + 2, network, processes, fds, said[1]);
    }
    (void)close(said[1]);
    if (read(said[0], &byte, 1) != 1) {
        errno = ECHILD;
        fail("a container");
    }
    (void)close(said[0]);
    return pid;
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_BYTES];
    static pid_t pids[CONTAINERS_MAX];
    int count = 0;
    if (argc != 3) {
        (void)fprintf(stderr, "bench_full_node PROCESSES FDS\n");
        return 64;
    }
    int processes = (int)strtol(argv[1], NULL, 10);
    int fds = (int)strtol(argv[2], NULL, 10);
    while (count < CONTAINERS_MAX && fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "\n") != 0)
        pids[count++] = start(line, processes, fds);
    (void)printf("{\"containers\": %d}\n", count);
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL)
        ;
    for (int i = 0; i < count; i++)
        (void)kill(pids[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    return 0;
}
