#include "tests/unit/agent/socket_farm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUEUE_LIMIT = 2, PATIENCE_MS = 20000 };

/* What a child tells when it is ready, and after each command. */
struct answer {
    struct nj_socket_figures truth;
    uint64_t own_close_wait;
};

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "socket farm, line %d: %m\n", __LINE__);                                   \
            _exit(3);                                                                                        \
        }                                                                                                    \
    } while (0)

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union address loopback(int family)
{
    union address address = {0};
    address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address; /* of IPv6: every address, IPv4's as well */
}

static socklen_t size_of(int family)
{
    return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static int listener(int family, int backlog, union address *ret_address)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;
    socklen_t len = size_of(family);
    *ret_address = loopback(family);
    NEED(fd >= 0);
    NEED(family == AF_INET || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0);
    NEED(bind(fd, &ret_address->any, len) == 0 && listen(fd, backlog) == 0);
    NEED(getsockname(fd, &ret_address->any, &len) == 0);
    return fd;
}

/* `address` as one connects to it. */
static int dial(int family, const union address *address, int flags)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    union address to = loopback(family);
    if (family == AF_INET) {
        to.v4.sin_port = address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port;
    } else {
        to.v6.sin6_addr = in6addr_loopback;
        to.v6.sin6_port = address->v6.sin6_port;
    }
    NEED(fd >= 0);
    NEED(connect(fd, &to.any, size_of(family)) == 0 || (flags & SOCK_NONBLOCK) != 0);
    return fd;
}

static void connect_pair(int family, int listening, const union address *address, int *ret_near, int *ret_far)
{
    *ret_near = dial(family, address, 0);
    *ret_far = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    NEED(*ret_far >= 0);
}

static void add_pairs(struct answer *answer, int family, int listening, const union address *address,
                      int count)
{
    int near, far;
    for (int i = 0; i < count; i++)
        connect_pair(family, listening, address, &near, &far);
    answer->truth.tcp[NJ_TCP_ESTABLISHED] += 2 * (uint64_t)count;
}

static void wait_for_end(int fd)
{
    char byte;
    NEED(recv(fd, &byte, 1, 0) == 0);
}

static void add_close_wait(struct answer *answer, int listening, const union address *address, int count)
{
    int near, far;
    for (int i = 0; i < count; i++) {
        connect_pair(AF_INET, listening, address, &near, &far);
        NEED(shutdown(near, SHUT_WR) == 0);
        wait_for_end(far);
    }
    answer->truth.tcp[NJ_TCP_CLOSE_WAIT] += (uint64_t)count;
    answer->truth.tcp[NJ_TCP_FIN_WAIT2] += (uint64_t)count;
    answer->own_close_wait += (uint64_t)count;
}

static void add_other_states(struct answer *answer, int listening, const union address *address)
{
    struct nj_socket_figures *truth = &answer->truth;
    int near, far;
    connect_pair(AF_INET, listening, address, &near, &far);
    NEED(close(near) == 0); /* nobody's any more: the kernel keeps it small, as its TIME_WAIT */
    wait_for_end(far);
    NEED(dup(far) >= 0);
    truth->tcp[NJ_TCP_FIN_WAIT2]++;
    truth->tcp[NJ_TCP_CLOSE_WAIT]++;
    answer->own_close_wait++;

    connect_pair(AF_INET, listening, address, &near, &far);
    NEED(close(near) == 0);
    wait_for_end(far);
    NEED(close(far) == 0);
    truth->tcp[NJ_TCP_TIME_WAIT]++;

    /* Half open as long as the client says nothing. */
    union address silent;
    int patience = 60, silent_listening = listener(AF_INET, 5, &silent);
    NEED(setsockopt(silent_listening, IPPROTO_TCP, TCP_DEFER_ACCEPT, &patience, sizeof(patience)) == 0);
    (void)dial(AF_INET, &silent, 0);
    truth->tcp[NJ_TCP_LISTEN]++;
    truth->tcp[NJ_TCP_ESTABLISHED]++;
    truth->tcp[NJ_TCP_SYN_RECV]++;

    NEED(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0); /* counts for nothing */
}

/* One more than the limit fits; who comes later is not answered. */
static void add_full_queue(struct answer *answer, union address *ret_address)
{
    (void)listener(AF_INET, QUEUE_LIMIT, ret_address);
    for (int i = 0; i < QUEUE_LIMIT + 1; i++)
        (void)dial(AF_INET, ret_address, 0);
    (void)dial(AF_INET, ret_address, SOCK_NONBLOCK);
    answer->truth.tcp[NJ_TCP_LISTEN]++;
    answer->truth.tcp[NJ_TCP_ESTABLISHED] += 2 * (uint64_t)(QUEUE_LIMIT + 1);
    answer->truth.tcp[NJ_TCP_SYN_SENT]++;
    answer->truth.queue_port = ntohs(ret_address->v4.sin_port);
    answer->truth.queue_length = QUEUE_LIMIT + 1;
    answer->truth.queue_limit = QUEUE_LIMIT;
}

static void add_refused(struct answer *answer, const union address *full, int count)
{
    for (int i = 0; i < count; i++)
        (void)dial(AF_INET, full, SOCK_NONBLOCK);
    answer->truth.tcp[NJ_TCP_SYN_SENT] += (uint64_t)count;
}

static void add_other_protocols(struct answer *answer)
{
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        union address address = loopback(families[i]);
        int udp = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
        NEED(udp >= 0 && bind(udp, &address.any, size_of(families[i])) == 0);
        NEED(socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0); /* without a port: not counted */
        answer->truth.udp++;
        NEED(socket(families[i], SOCK_RAW | SOCK_CLOEXEC, i == 0 ? IPPROTO_ICMP : IPPROTO_ICMPV6) >= 0);
        answer->truth.raw++;
    }
    int pair[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    answer->truth.unix_stream += 2;
    NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0several\nlines: in\na name"};
    int named = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(named >= 0 && bind(named, (const struct sockaddr *)&name, sizeof(name)) == 0);
    answer->truth.unix_stream++;
}

static void fill(struct answer *answer, const struct farm_wish *wish, int listening,
                 const union address *address, union address *ret_full)
{
    union address any6;
    add_pairs(answer, AF_INET, listening, address, wish->pairs);
    add_close_wait(answer, listening, address, wish->close_wait);
    if (wish->pairs6 > 0) {
        int listening6 = listener(AF_INET6, 5, &any6);
        answer->truth.tcp[NJ_TCP_LISTEN]++;
        add_pairs(answer, AF_INET6, listening6, &any6, wish->pairs6);
        add_pairs(answer, AF_INET, listening6, &any6, wish->pairs6);
    }
    if (wish->others) {
        add_other_states(answer, listening, address);
        add_full_queue(answer, ret_full);
        add_other_protocols(answer);
    }
}

static void own_namespace(int answers)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        struct answer none = {.truth.at_ns = -1};
        (void)!write(answers, &none, sizeof(none));
        _exit(0);
    }
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    NEED(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    NEED(close(fd) == 0);
}

static struct answer read_answer(int fd)
{
    struct answer answer = {.truth.at_ns = -2};
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (poll(&poll_fd, 1, PATIENCE_MS * 3) != 1 || read(fd, &answer, sizeof(answer)) != sizeof(answer))
        answer.truth.at_ns = -2;
    return answer;
}

/* Ends with the process that made it. */
static _Noreturn void run_further(const struct farm_wish *wish, int answers)
{
    struct answer answer = {0};
    union address address, full;
    NEED(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    int listening = listener(AF_INET, 5, &address);
    answer.truth.tcp[NJ_TCP_LISTEN]++;
    fill(&answer, wish, listening, &address, &full);
    NEED(write(answers, &answer, sizeof(answer)) == sizeof(answer));
    for (;;)
        (void)pause();
}

/* The first process; it makes the further ones, which end with it, and adds up. */
static _Noreturn void run(const struct farm_wish *wish, int commands, int answers)
{
    struct farm_wish further = *wish;
    struct answer sum = {0};
    struct rlimit limit;
    int pipe_fds[2];

    NEED(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    own_namespace(answers);
    further.others = false;
    NEED(pipe2(pipe_fds, O_CLOEXEC) == 0);
    for (int i = 1; i < wish->processes; i++) {
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
            run_further(&further, pipe_fds[1]);
        struct answer answer = read_answer(pipe_fds[0]);
        NEED(answer.truth.at_ns == 0);
        for (size_t state = 1; state < NJ_TCP_STATES; state++)
            sum.truth.tcp[state] += answer.truth.tcp[state];
    }
    /* The rest is this process' own; what the others have is told along. */
    struct answer mine = {0};
    union address address, full;
    int listening = listener(AF_INET, 5, &address), more = 0;
    mine.truth.tcp[NJ_TCP_LISTEN]++;
    mine.truth.queue_port = ntohs(address.v4.sin_port);
    mine.truth.queue_limit = 5;
    fill(&mine, wish, listening, &address, &full);
    do {
        if (more >= 0)
            add_pairs(&mine, AF_INET, listening, &address, more);
        else
            add_refused(&mine, &full, -more);
        struct answer all = mine;
        for (size_t state = 1; state < NJ_TCP_STATES; state++)
            all.truth.tcp[state] += sum.truth.tcp[state];
        NEED(write(answers, &all, sizeof(all)) == sizeof(all));
    } while (read(commands, &more, sizeof(more)) == sizeof(more));
    _exit(0);
}

static void take_answer(struct farm *farm)
{
    struct answer answer = read_answer(farm->answers);
    if (answer.truth.at_ns == -2)
        abort();
    farm->truth = answer.truth;
    farm->own_close_wait = answer.own_close_wait;
}

bool farm_start(struct farm *farm, const struct farm_wish *wish)
{
    int commands[2], answers[2];
    if (pipe2(commands, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
        abort();
    *farm = (struct farm){.pid = fork(), .commands = commands[1], .answers = answers[0]};
    if (farm->pid == 0) {
        (void)close(commands[1]);
        (void)close(answers[0]);
        run(wish, commands[0], answers[1]);
    }
    (void)close(commands[0]);
    (void)close(answers[1]);
    take_answer(farm);
    if (farm->truth.at_ns == 0)
        return true;
    farm_end(farm);
    farm_reap(farm);
    return false;
}

static void command(struct farm *farm, int number)
{
    if (write(farm->commands, &number, sizeof(number)) != sizeof(number))
        abort();
    take_answer(farm);
}

void farm_grow(struct farm *farm, int pairs)
{
    command(farm, pairs);
}

void farm_overflow(struct farm *farm, int connections)
{
    command(farm, -connections);
}

void farm_end(struct farm *farm)
{
    (void)close(farm->commands);
    (void)close(farm->answers);
    siginfo_t info;
    (void)kill(farm->pid, SIGKILL);
    (void)waitid(P_PID, (id_t)farm->pid, &info, WEXITED | WNOWAIT);
}

void farm_reap(struct farm *farm)
{
    (void)waitpid(farm->pid, NULL, 0);
}
