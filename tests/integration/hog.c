/*
 * Stands in as a container's process: takes what a line on stdin asks for, and says "ok" when it has it.
 * Tests put it into a cgroup of their own, so that what Nightjar counts can be held against what is known.
 *
 *   network             a network namespace of its own, with loopback up
 *   fds N               N more descriptors; -N: fewer
 *   threads N           N more threads that wait
 *   zombies N           N more children that ended and are not waited for
 *   memory N            N more KiB, touched; -N: fewer
 *   established N       N more TCP connections to itself: 2 N sockets in ESTABLISHED
 *   close_wait N        N more whose peer has closed: N sockets in CLOSE_WAIT (and N in FIN_WAIT2, nobody's)
 *   disconnect          all of these are closed
 *   glutton N           a child of that name touches N KiB; "ok SIGNAL" with what ended it
 *   cpu N               busy for N ms of processor time
 *   exit N              ends
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 200000, STACK_BYTES = 64 << 10, KIB = 1024 };

struct held {
    int items[MAX];
    int count;
};

struct hog {
    struct held fds, sockets;
    void *blocks[MAX];
    size_t sizes[MAX];
    int blocks_count;
    int listener;
    struct sockaddr_in address;
};

static void fail(const char *what)
{
    (void)printf("failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void hold(struct held *held, int fd, const char *what)
{
    if (fd < 0 || held->count == MAX)
        fail(what);
    held->items[held->count++] = fd;
}

static void let_go(struct held *held, int count)
{
    while (count-- > 0 && held->count > 0)
        (void)close(held->items[--held->count]);
}

static void own_network(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) < 0)
        fail("unshare");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("loopback");
    (void)close(fd);
}

static void *wait_for_ever(void *data)
{
    for (;;)
        (void)pause();
    return data;
}

static void add_threads(long count)
{
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, &attributes, wait_for_ever, NULL);
        if (errno != 0)
            fail("thread");
    }
    (void)pthread_attr_destroy(&attributes);
}

static void add_zombies(long count)
{
    for (long i = 0; i < count; i++) {
        siginfo_t info;
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid < 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
            fail("zombie");
    }
}

static void *touch(size_t size)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        fail("memory");
    memset(block, 1, size);
    return block;
}

static void set_memory(struct hog *hog, long kib)
{
    if (kib > 0 && hog->blocks_count < MAX) {
        hog->sizes[hog->blocks_count] = (size_t)kib * KIB;
        hog->blocks[hog->blocks_count++] = touch((size_t)kib * KIB);
    }
    for (size_t left = kib < 0 ? (size_t)-kib * KIB : 0; left > 0 && hog->blocks_count > 0;) {
        size_t size = hog->sizes[--hog->blocks_count];
        (void)munmap(hog->blocks[hog->blocks_count], size);
        left = size < left ? left - size : 0;
    }
}

static void listen_once(struct hog *hog)
{
    socklen_t len = sizeof(hog->address);
    if (hog->listener > 0)
        return;
    hog->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    hog->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (hog->listener < 0 || bind(hog->listener, (struct sockaddr *)&hog->address, len) < 0 ||
        listen(hog->listener, SOMAXCONN) < 0 ||
        getsockname(hog->listener, (struct sockaddr *)&hog->address, &len) < 0)
        fail("listen");
}

static void connect_some(struct hog *hog, long count, int peer_closes)
{
    listen_once(hog);
    for (long i = 0; i < count; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client < 0 || connect(client, (struct sockaddr *)&hog->address, sizeof(hog->address)) < 0)
            fail("connect");
        hold(&hog->sockets, accept4(hog->listener, NULL, NULL, SOCK_CLOEXEC), "accept");
        if (peer_closes)
            (void)close(client);
        else
            hold(&hog->sockets, client, "client");
    }
}

static int feed_glutton(long kib)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_NAME, "glutton");
        for (long taken = 0; taken < kib; taken += KIB)
            (void)touch((size_t)KIB * KIB);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        fail("glutton");
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void burn(long ms)
{
    const clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000);
    while (clock() < end)
        ;
}

static void obey(struct hog *hog, const char *command, long count)
{
    if (strcmp(command, "network") == 0) {
        own_network();
    } else if (strcmp(command, "fds") == 0) {
        for (long i = 0; i < count; i++)
            hold(&hog->fds, open("/dev/null", O_RDONLY | O_CLOEXEC), "fd");
        let_go(&hog->fds, (int)-count);
    } else if (strcmp(command, "threads") == 0) {
        add_threads(count);
    } else if (strcmp(command, "zombies") == 0) {
        add_zombies(count);
    } else if (strcmp(command, "memory") == 0) {
        set_memory(hog, count);
    } else if (strcmp(command, "established") == 0) {
        connect_some(hog, count, 0);
    } else if (strcmp(command, "close_wait") == 0) {
        connect_some(hog, count, 1);
    } else if (strcmp(command, "disconnect") == 0) {
        let_go(&hog->sockets, hog->sockets.count);
    } else if (strcmp(command, "glutton") == 0) {
        (void)printf("ok %d\n", feed_glutton(count));
        return;
    } else if (strcmp(command, "cpu") == 0) {
        burn(count);
    } else if (strcmp(command, "exit") == 0) {
        exit((int)count);
    } else {
        (void)printf("failed: what is %s?\n", command);
        return;
    }
    (void)printf("ok\n");
}

int main(void)
{
    static struct hog hog;
    char line[128];
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)prctl(PR_SET_PDEATHSIG, 9); /* no test leaves it behind */
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *rest = line;
        const char *command = strsep(&rest, " \n");
        obey(&hog, command, rest == NULL ? 0 : strtol(rest, NULL, 10));
    }
    return 0;
}
