#include "agent/inspect/exits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/inspect/exits_message.h"
#include "common/base/alloc.h"

enum {
    DATAGRAM_MAX = 4096,
    RECEIVE_BUFFER = 1 << 20, /* about a thousand ends that nobody has read yet */
    TURN_MAX = 256,           /* datagrams read before the loop's other work has its turn */
    ANSWER_LOOK = 1024,       /* datagrams among which the kernel's answer is looked for */
    EVENT_AT = sizeof(struct nlmsghdr) + sizeof(struct cn_msg),
};

struct nj_exits {
    struct nj_loop *loop;
    uv_poll_t poll;
    int fd;
    void (*on_exit)(void *data, int32_t pid, int exit_code, int64_t wall_ns);
    void *data;
    struct nj_counter *told, *overruns, *foreign;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
    uint8_t buffer[DATAGRAM_MAX];
};

/* One of PROC_CN_MCAST_*, with a number that its answer carries. */
static int send_request(int fd, enum proc_cn_mcast_op op, uint32_t ack)
{
    uint8_t packet[EVENT_AT + sizeof(op)];
    struct nlmsghdr head = {.nlmsg_len = sizeof(packet), .nlmsg_type = NLMSG_DONE};
    struct cn_msg message = {.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC},

                             .ack = ack,
                             .len = sizeof(op)};
    memcpy(packet, &head, sizeof(head));
    memcpy(packet + sizeof(head), &message, sizeof(message));
    memcpy(packet + EVENT_AT, &op, sizeof(op));
    return send(fd, packet, sizeof(packet), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Lets ends of processes and answers pass, and nothing else: forks, executions and threads would wake the
 * agent for nothing. Every kernel can do this; a subscription to ends alone is known to Linux 6.6 and later
 * only, and would bring threads'. */
static int attach_filter(int fd)
{
    /* clang-format off */
    uint32_t what = EVENT_AT + offsetof(struct proc_event, what);
    uint32_t pid = EVENT_AT + offsetof(struct proc_event, event_data.exit.process_pid);
    uint32_t tgid = EVENT_AT + offsetof(struct proc_event, event_data.exit.process_tgid);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, what), /* loads are big-endian */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_NONE), 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXIT), 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, pid),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, tgid),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    /* clang-format on */
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static void read_some(struct nj_exits *exits)
{
    for (int turn = 0; turn < TURN_MAX && !exits->closing; turn++) {
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(exits->fd, exits->buffer, sizeof(exits->buffer), MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_len);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == ENOBUFS) { /* the kernel dropped some: nobody knows how many */
            nj_counter_add(exits->overruns, 1);
            continue;
        }
        if (len <= 0)
            return;
        if (from_len != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0) {
            nj_counter_add(exits->foreign, 1);
            continue;
        }
        size_t offset = 0;
        struct nj_exits_message message;
        int64_t now_ns = nj_loop_wall_ns(exits->loop);
        while (!exits->closing && nj_exits_next(exits->buffer, (size_t)len, &offset, &message)) {
            if (message.is_ack)
                continue;
            nj_counter_add(exits->told, 1);
            exits->on_exit(exits->data, message.pid, message.exit_code, now_ns);
        }
    }
}

/* libuv stops a poll whose socket has an error: that is how a full buffer shows, and reading clears it. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct nj_exits *exits = poll->data;
    (void)events;
    read_some(exits);
    if (status < 0 && !exits->closing)
        (void)uv_poll_start(poll, UV_READABLE, on_readable);
}

/* The kernel answers within the request. -ENODATA: it said nothing. */
static int read_answer(int fd, uint32_t ack)
{
    for (int i = 0; i < ANSWER_LOOK; i++) {
        uint8_t buffer[DATAGRAM_MAX];
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (len < 0 && (errno == EINTR || errno == ENOBUFS))
            continue;
        if (len < 0)
            break;
        size_t offset = 0;
        struct nj_exits_message message;
        while (from.nl_pid == 0 && nj_exits_next(buffer, (size_t)len, &offset, &message)) {
            if (message.is_ack && message.ack == ack + 1)
                return -message.error;
        }
    }
    return -ENODATA;
}

static int refuse(struct nj_err *err, int rc)
{
    static const char else_it_comes[] = "containers' ends are seen when the kubelet reports them";
    switch (rc) {
    case -ECONNREFUSED:
        return nj_err_set(err, rc,
                          "the kernel tells ends of processes in the host's network namespace only "
                          "(hostNetwork: true); %s",
                          else_it_comes);
    case -ENODATA:
        return nj_err_set(err, rc,
                          "the kernel tells ends of processes in the host's pid and user namespaces "
                          "only (hostPID: true), and where it was built with CONFIG_PROC_EVENTS; %s",
                          else_it_comes);
    case -EPERM:
    case -EACCES:
        return nj_err_set(err, rc, "listening to ends of processes needs the capability NET_ADMIN; %s",
                          else_it_comes);
    case -EPROTONOSUPPORT:
        return nj_err_set(err, rc, "the kernel was built without the proc connector (CONFIG_PROC_EVENTS); %s",
                          else_it_comes);
    default:
        return nj_err_set(err, rc, "listening to ends of processes: %s; %s", strerror(-rc), else_it_comes);
    }
}

static int subscribe(int fd)
{
    static const int size = RECEIVE_BUFFER;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* as much as may be had */
    int rc = attach_filter(fd);
    if (rc < 0)
        return rc;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    uint32_t ack = (uint32_t)uv_hrtime();
    rc = send_request(fd, PROC_CN_MCAST_LISTEN, ack);
    return rc < 0 ? rc : read_answer(fd, ack);
}

int nj_exits_start(const struct nj_exits_options *options, struct nj_exits **ret_exits, struct nj_err *err)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    if (fd < 0)
        return refuse(err, -errno);
    int rc = subscribe(fd);
    if (rc < 0) {
        (void)close(fd);
        return refuse(err, rc);
    }
    struct nj_exits *exits = NJ_NEW(struct nj_exits);
    exits->fd = fd;
    rc = uv_poll_init(&options->loop->uv, &exits->poll, fd);
    if (rc < 0) {
        (void)close(fd);
        free(exits);
        return refuse(err, rc);
    }
    exits->loop = options->loop;
    exits->on_exit = options->on_exit;
    exits->data = options->data;
    exits->poll.data = exits;
    if (options->metrics != NULL) {
        exits->told = nj_metrics_counter(options->metrics, "nightjar_agent_exits_total", "",
                                         "Ends of processes that the kernel told.");
        exits->overruns =
            nj_metrics_counter(options->metrics, "nightjar_agent_exits_overruns_total", "",
                               "Times that the kernel dropped ends of processes, for they came too fast.");
        exits->foreign = nj_metrics_counter(options->metrics, "nightjar_agent_exits_foreign_total", "",
                                            "Messages that did not come from the kernel, and were ignored.");
    }
    (void)uv_poll_start(&exits->poll, UV_READABLE, on_readable);
    *ret_exits = exits;
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct nj_exits *exits = handle->data;
    void (*on_closed)(void *data) = exits->on_closed;
    void *data = exits->on_closed_data;
    free(exits);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_exits_close(struct nj_exits *exits, void (*on_closed)(void *data), void *data)
{
    if (exits == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    exits->closing = true;
    exits->on_closed = on_closed;
    exits->on_closed_data = data;
    (void)uv_poll_stop(&exits->poll);
    /* Kernels before 6.6 go on making messages for a listener that did not say so. */
    (void)send_request(exits->fd, PROC_CN_MCAST_IGNORE, 0);
    uv_close((uv_handle_t *)&exits->poll, on_poll_closed);
    (void)close(exits->fd); /* not before: another thread may be given its number */
}
