#include "agent/inspect/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/inspect/sockets_internal.h"
#include "common/base/clock.h"
#include "common/base/table.h"

struct namespace
{
    char *key;
    struct nj_socket_figures figures;
    int64_t asked_ns;
    bool counted, summarized;               /* ever */
    int64_t counted_ns, summarized_ns;      /* monotonic */
    int64_t count_cost_ns, summary_cost_ns; /* of the CPU */
    struct nj_sockets_brief brief;
    uint64_t size_then, overflows_then; /* when it was counted: size_of(), listen_overflows */
    UT_hash_handle hh;
};

struct nj_sockets {
    int proc; /* fd */
    int64_t rest;
    struct nj_netns netns;
    bool no_diag; /* the kernel has no such module */
    struct namespace *namespaces;
    int64_t count_cost_ns, summary_cost_ns; /* sums of the namespaces' */
    int64_t credit_ns, credited_ns;         /* for counts out of turn */
    void *diag;                             /* NJ_DIAG_BYTES */
};

static const char *const state_names[NJ_TCP_STATES] = {
    [NJ_TCP_ESTABLISHED] = "ESTABLISHED",
    [NJ_TCP_SYN_SENT] = "SYN_SENT",
    [NJ_TCP_SYN_RECV] = "SYN_RECV",
    [NJ_TCP_FIN_WAIT1] = "FIN_WAIT1",
    [NJ_TCP_FIN_WAIT2] = "FIN_WAIT2",
    [NJ_TCP_TIME_WAIT] = "TIME_WAIT",
    [NJ_TCP_CLOSE] = "CLOSE",
    [NJ_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
    [NJ_TCP_LAST_ACK] = "LAST_ACK",
    [NJ_TCP_LISTEN] = "LISTEN",
    [NJ_TCP_CLOSING] = "CLOSING",
};

const char *nj_tcp_state_name(enum nj_tcp_state state)
{
    return state >= NJ_TCP_ESTABLISHED && state < NJ_TCP_STATES ? state_names[state] : "";
}

int nj_sockets_new(const char *proc, int64_t rest, struct nj_sockets **ret_sockets)
{
    int fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct nj_sockets *sockets = NJ_NEW(struct nj_sockets);
    sockets->proc = fd;
    sockets->rest = rest;
    sockets->diag = nj_calloc(1, NJ_DIAG_BYTES);
    nj_netns_init(&sockets->netns, fd);
    *ret_sockets = sockets;
    return 0;
}

static void forget(struct nj_sockets *sockets, struct namespace *namespace)
{
    sockets->count_cost_ns -= namespace->count_cost_ns;
    sockets->summary_cost_ns -= namespace->summary_cost_ns;
    NJ_TABLE_REMOVE(sockets->namespaces, namespace);
    free(namespace->key);
    free(namespace);
}

void nj_sockets_forget(struct nj_sockets *sockets, int64_t unasked_since_ns)
{
    struct namespace *namespace, *next;
    HASH_ITER (hh, sockets->namespaces, namespace, next) {
        if (namespace->asked_ns < unasked_since_ns)
            forget(sockets, namespace);
    }
}

void nj_sockets_free(struct nj_sockets *sockets)
{
    if (sockets == NULL)
        return;
    nj_sockets_forget(sockets, INT64_MAX);
    nj_netns_done(&sockets->netns);
    (void)close(sockets->proc);
    free(sockets->diag);
    free(sockets);
}

/* Of this thread: what waiting for others costs is nobody's. */
static int64_t cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * NJ_SEC + time.tv_nsec;
}

int nj_sockets_open_process(const struct nj_sockets *sockets, int32_t pid)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%d", pid);
    /* Held open, it stays that very process: of another with its pid nothing would be read. */
    int fd = openat(sockets->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

int nj_sockets_visit_tcp(struct nj_sockets *sockets, int process, bool tcp6, nj_socket_visit visit,
                         void *data)
{
    int diag;
    if (!sockets->no_diag && nj_netns_diag_socket(&sockets->netns, process, &diag) == 0) {
        int status = nj_diag_dump_tcp(diag, sockets->diag, visit, data);
        (void)close(diag);
        /* The kernel refuses before it tells of the first socket. */
        if (status != -ENOENT && status != -EOPNOTSUPP && status != -EINVAL && status != -EPERM)
            return status;
        sockets->no_diag = true;
    }
    int status = nj_sockets_read_table(process, "tcp", visit, data);
    if (status == 0 && tcp6) {
        status = nj_sockets_read_table(process, "tcp6", visit, data);
        if (status == -ENOENT) /* a kernel without IPv6 */
            status = 0;
    }
    return status;
}

/* How full a queue is; where the limit is not known, its length is all there is to go by. */
static double fullness(uint64_t length, uint64_t limit)
{
    return limit == NJ_UNKNOWN || limit == 0 ? (double)length : (double)length / (double)limit;
}

static void count_row(void *data, const struct nj_socket_row *row)
{
    struct nj_socket_figures *figures = data;
    figures->tcp[row->state]++;
    if (row->state != NJ_TCP_LISTEN)
        return;
    double fuller =
        fullness(row->queue_length, row->queue_limit) - fullness(figures->queue_length, figures->queue_limit);
    if (figures->queue_port == 0 || fuller > 0 || (fuller == 0 && row->port < figures->queue_port)) {
        figures->queue_port = row->port;
        figures->queue_length = row->queue_length;
        figures->queue_limit = row->queue_limit;
    }
}

static void begin_tcp(struct nj_socket_figures *figures, uint64_t number)
{
    for (size_t i = 0; i < NJ_TCP_STATES; i++)
        figures->tcp[i] = i == 0 ? 0 : number;
    figures->queue_length = number;
    figures->queue_limit = NJ_UNKNOWN;
    figures->queue_port = 0;
}

static uint64_t size_of(const struct nj_sockets_brief *brief)
{
    if (brief->tcp == NJ_UNKNOWN || brief->tcp6 == NJ_UNKNOWN || brief->time_wait == NJ_UNKNOWN)
        return NJ_UNKNOWN;
    return brief->tcp + brief->tcp6 + brief->time_wait;
}

/* Or its accept queues have overflowed: which one it is, a count tells. */
static bool changed_much(const struct namespace *namespace)
{
    uint64_t now = size_of(&namespace->brief), then = namespace->size_then;
    uint64_t overflows = namespace->brief.listen_overflows;
    if (overflows != NJ_UNKNOWN && overflows > namespace->overflows_then)
        return true;
    if (now == NJ_UNKNOWN || then == NJ_UNKNOWN)
        return false;
    return (now > then ? now - then : then - now) >= NJ_SOCKETS_CHANGED + then / 4;
}

static void count(struct nj_sockets *sockets, struct namespace *namespace, int process, int64_t now_ns)
{
    struct nj_socket_figures *figures = &namespace->figures;
    const struct nj_sockets_brief *brief = &namespace->brief;
    int64_t before = cpu_ns();

    begin_tcp(figures, 0);
    /* Most pods have no socket of the other family, some none at all; every pass that is left out counts. */
    bool tcp6 = brief->tcp6 != 0 || brief->time_wait != 0;
    if (size_of(brief) != 0 && nj_sockets_visit_tcp(sockets, process, tcp6, count_row, figures) < 0)
        begin_tcp(figures, NJ_UNKNOWN);
    figures->unix_stream = nj_sockets_read_unix(process);
    figures->at_ns = now_ns;

    int64_t cost = cpu_ns() - before;
    sockets->count_cost_ns += cost - namespace->count_cost_ns;
    namespace->count_cost_ns = cost;
    namespace->counted_ns = now_ns;
    namespace->counted = true;
    namespace->size_then = size_of(brief);
    namespace->overflows_then = brief->listen_overflows;
}

static int summarize(struct nj_sockets *sockets, struct namespace *namespace, int process, int64_t now_ns)
{
    int64_t before = cpu_ns();
    int status = nj_sockets_read_brief(process, &namespace->brief);
    if (status < 0)
        return status;
    namespace->figures.udp = namespace->brief.udp;
    namespace->figures.raw = namespace->brief.raw;
    namespace->figures.listen_overflows = namespace->brief.listen_overflows;
    namespace->figures.listen_drops = namespace->brief.listen_drops;

    int64_t cost = cpu_ns() - before;
    sockets->summary_cost_ns += cost - namespace->summary_cost_ns;
    namespace->summary_cost_ns = cost;
    namespace->summarized_ns = now_ns;
    namespace->summarized = true;
    return 0;
}

static void save_up(struct nj_sockets *sockets, int64_t now_ns)
{
    if (sockets->credited_ns > 0 && now_ns > sockets->credited_ns)
        sockets->credit_ns += (now_ns - sockets->credited_ns) / (2 * sockets->rest);
    if (sockets->credit_ns > NJ_SOCKETS_CREDIT_MS * NJ_MS)
        sockets->credit_ns = NJ_SOCKETS_CREDIT_MS * NJ_MS;
    sockets->credited_ns = now_ns;
}

/* Both are asked only for what has been read before. */
static bool count_is_due(const struct nj_sockets *sockets, const struct namespace *namespace, int64_t now_ns)
{
    return !namespace->counted || now_ns - namespace->counted_ns >= sockets->count_cost_ns * sockets->rest;
}

static bool summary_is_due(const struct nj_sockets *sockets, const struct namespace *namespace,
                           int64_t now_ns)
{
    return !namespace->summarized ||
           now_ns - namespace->summarized_ns >= sockets->summary_cost_ns * (2 * sockets->rest);
}

static int refresh(struct nj_sockets *sockets, struct namespace *namespace, int32_t pid, int64_t now_ns)
{
    bool due = count_is_due(sockets, namespace, now_ns);
    if (!due && !summary_is_due(sockets, namespace, now_ns))
        return 0;
    int process = nj_sockets_open_process(sockets, pid);
    if (process < 0)
        return process;
    int status = summarize(sockets, namespace, process, now_ns);
    if (status == 0 && !due && changed_much(namespace) && sockets->credit_ns >= namespace->count_cost_ns &&
        now_ns - namespace->counted_ns >= namespace->count_cost_ns * sockets->rest) {
        sockets->credit_ns -= namespace->count_cost_ns;
        due = true;
    }
    if (status == 0 && due)
        count(sockets, namespace, process, now_ns);
    (void)close(process);
    return status;
}

int nj_sockets_count(struct nj_sockets *sockets, const char *key, int32_t pid, int64_t now_ns,
                     struct nj_socket_figures *ret_figures)
{
    struct namespace *namespace;
    HASH_FIND_STR(sockets->namespaces, key, namespace);
    if (namespace == NULL) {
        namespace = NJ_NEW(struct namespace);
        namespace->key = nj_strdup(key);
        HASH_ADD_KEYPTR(hh, sockets->namespaces, namespace->key, strlen(namespace->key), namespace);
    }
    namespace->asked_ns = now_ns;
    save_up(sockets, now_ns);
    int status = refresh(sockets, namespace, pid, now_ns);
    if (status == 0)
        *ret_figures = namespace->figures;
    else if (!namespace->counted)
        forget(sockets, namespace);
    return status;
}
