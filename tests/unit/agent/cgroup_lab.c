#include "tests/unit/agent/cgroup_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

enum { STEP = 1 << 20, NAME_BYTES = 16 };

struct command {
    char what; /* 'c' a child, 'f' feeds it, 'F' feeds the first process itself */
    char name[NAME_BYTES];
    uint64_t bytes;
};

static bool write_text(const char *directory, const char *file, const char *text)
{
    char path[640];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return done;
}

/* --- inside --- */

static void eat(uint64_t bytes)
{
    for (uint64_t eaten = 0; eaten < bytes; eaten += STEP) {
        volatile char *more = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED)
            _exit(3);
        for (size_t at = 0; at < STEP; at += 4096)
            more[at] = 1;
    }
}

static void read_all(int fd, void *data, size_t len)
{
    if (read(fd, data, len) != (ssize_t)len)
        _exit(0); /* the test is over */
}

static void write_all(int fd, const void *data, size_t len)
{
    if (write(fd, data, len) != (ssize_t)len)
        _exit(1);
}

static _Noreturn void child_main(const struct command *command, int go, int words)
{
    char byte = 0;
    pid_t pid = getpid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, command->name);
    eat(command->bytes);
    write_all(words, &pid, sizeof(pid));
    read_all(go, &byte, 1);
    eat(UINT64_MAX - STEP);
    _exit(2);
}

static _Noreturn void first_main(int commands, int words)
{
    int go[2] = {-1, -1};
    pid_t child = 0;
    (void)prctl(PR_SET_NAME, "first");
    for (;;) {
        struct command command;
        int status = 0;
        read_all(commands, &command, sizeof(command));
        switch (command.what) {
        case 'c':
            if (pipe(go) < 0 || (child = fork()) < 0)
                _exit(1);
            if (child == 0)
                child_main(&command, go[0], words);
            break;
        case 'f':
            write_all(go[1], "", 1);
            (void)waitpid(child, &status, 0);
            write_all(words, &status, sizeof(status));
            break;
        default:
            eat(UINT64_MAX - STEP);
        }
    }
}

/* --- outside --- */

/* One level below; on v2 the memory controller is handed down. */
static bool make_level(char *directory, size_t size, const char *name, bool v2)
{
    if (v2 && !write_text(directory, "cgroup.subtree_control", "+memory"))
        return false;
    size_t len = strlen(directory);
    (void)snprintf(directory + len, size - len, "/%s", name);
    return mkdir(directory, 0755) == 0;
}

static bool set_limit(struct cgroup_lab *lab, bool v2)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)lab->limit);
    if (v2) {
        (void)write_text(lab->directory, "memory.swap.max", "0");
        return write_text(lab->directory, "memory.max", text);
    }
    bool done = write_text(lab->directory, "memory.limit_in_bytes", text);
    (void)write_text(lab->directory, "memory.memsw.limit_in_bytes", text); /* where swap is counted */
    return done;
}

static bool start_first(struct cgroup_lab *lab)
{
    int commands[2];
    int words[2];
    if (pipe2(commands, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0)
        return false;
    (void)fflush(NULL);
    lab->first = fork();
    if (lab->first == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(commands[1]);
        (void)close(words[0]);
        if (!write_text(lab->directory, "cgroup.procs", "0"))
            _exit(1);
        write_all(words[1], "", 1);
        first_main(commands[0], words[1]);
    }
    (void)close(commands[0]);
    (void)close(words[1]);
    lab->commands = commands[1];
    lab->words = words[0];
    char byte = 0;
    return lab->first > 0 && read(lab->words, &byte, 1) == 1;
}

const char *cgroup_lab_open(struct cgroup_lab *lab, uint64_t limit)
{
    *lab = (struct cgroup_lab){.limit = limit, .commands = -1, .words = -1};
    bool v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    if (geteuid() != 0)
        return "only root makes cgroups";
    (void)snprintf(lab->pod_uid, sizeof(lab->pod_uid), "%08x-1111-4222-8333-444444444444",
                   (unsigned)getpid());
    (void)snprintf(lab->id, sizeof(lab->id), "%064x", (unsigned)getpid());
    char pod[48];
    char name[48];
    (void)snprintf(pod, sizeof(pod), "pod%s", lab->pod_uid);
    (void)snprintf(name, sizeof(name), "nightjar-test-%d", (int)getpid());
    (void)snprintf(lab->directory, sizeof(lab->directory), "/sys/fs/cgroup%s", v2 ? "" : "/memory");
    if (!make_level(lab->directory, sizeof(lab->directory), name, v2)) {
        lab->directory[0] = '\0';
        return "no cgroup can be made below /sys/fs/cgroup";
    }
    (void)snprintf(lab->top, sizeof(lab->top), "%s", lab->directory);
    if (make_level(lab->directory, sizeof(lab->directory), "kubepods", v2) &&
        make_level(lab->directory, sizeof(lab->directory), "burstable", v2) &&
        make_level(lab->directory, sizeof(lab->directory), pod, v2) &&
        make_level(lab->directory, sizeof(lab->directory), lab->id, v2) && set_limit(lab, v2) &&
        start_first(lab))
        return NULL;
    cgroup_lab_close(lab);
    return "no memory controller in the cgroups";
}

static void kill_all(const struct cgroup_lab *lab)
{
    char path[640];
    char line[32];
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", lab->directory);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        (void)kill((pid_t)strtol(line, NULL, 10), SIGKILL);
    if (file != NULL)
        (void)fclose(file);
}

void cgroup_lab_close(struct cgroup_lab *lab)
{
    if (lab->directory[0] == '\0')
        return;
    kill_all(lab);
    if (lab->first > 0)
        (void)waitpid(lab->first, NULL, 0);
    if (lab->commands >= 0)
        (void)close(lab->commands);
    char byte = 0;
    while (lab->words >= 0 && read(lab->words, &byte, 1) > 0) /* until the last of them has ended */
        continue;
    if (lab->words >= 0)
        (void)close(lab->words);
    while (strlen(lab->directory) >= strlen(lab->top)) {
        /* What has just ended may still be on its way out. */
        for (int i = 0; i < 200 && rmdir(lab->directory) < 0 && errno == EBUSY; i++)
            (void)poll(NULL, 0, 10);
        char *slash = strrchr(lab->directory, '/');
        *slash = '\0';
    }
    *lab = (struct cgroup_lab){.commands = -1, .words = -1};
}

static void send_command(const struct cgroup_lab *lab, char what, const char *name, uint64_t bytes)
{
    struct command command = {.what = what, .bytes = bytes};
    (void)snprintf(command.name, sizeof(command.name), "%s", name);
    assert_int_equal(write(lab->commands, &command, sizeof(command)), sizeof(command));
}

pid_t cgroup_lab_child(struct cgroup_lab *lab, const char *name, uint64_t bytes)
{
    pid_t pid = 0;
    send_command(lab, 'c', name, bytes);
    assert_int_equal(read(lab->words, &pid, sizeof(pid)), sizeof(pid));
    return pid;
}

bool cgroup_lab_feed_child(struct cgroup_lab *lab)
{
    int status = 0;
    send_command(lab, 'f', "", 0);
    assert_int_equal(read(lab->words, &status, sizeof(status)), sizeof(status));
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void cgroup_lab_feed_first(struct cgroup_lab *lab)
{
    int status = 0;
    send_command(lab, 'F', "", 0);
    assert_int_equal(waitpid(lab->first, &status, 0), lab->first);
    assert_true(WIFSIGNALED(status));
    lab->first = 0;
}
