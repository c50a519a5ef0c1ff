/*
 * What one scan finds out of the node and its containers: plain numbers, no behaviour.
 *
 * A number that could not be read (no such controller, no right, an older kernel) is NJ_UNKNOWN: absent,
 * never wrong. Counters are the kernel's own, since the container began; they may fall when a container
 * begins anew under another id, never under the same. Sizes are bytes, times ns.
 */
#ifndef NJ_INSPECT_FIGURES_H
#define NJ_INSPECT_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_UNKNOWN UINT64_MAX

enum {
    NJ_CONTAINER_ID_MAX = 129, /* with the terminator; containerd, CRI-O and Docker use 64 hex digits */
    NJ_POD_UID_MAX = 65,
    NJ_COMMAND_MAX = 17, /* of /proc/PID/comm */
};

/* Linux' include/net/tcp_states.h, in its order; index 0 is not used. */
enum nj_tcp_state {
    NJ_TCP_ESTABLISHED = 1,
    NJ_TCP_SYN_SENT,
    NJ_TCP_SYN_RECV,
    NJ_TCP_FIN_WAIT1,
    NJ_TCP_FIN_WAIT2,
    NJ_TCP_TIME_WAIT,
    NJ_TCP_CLOSE,
    NJ_TCP_CLOSE_WAIT,
    NJ_TCP_LAST_ACK,
    NJ_TCP_LISTEN,
    NJ_TCP_CLOSING,
    NJ_TCP_STATES
};

/* A process that a figure is about. */
struct nj_inspect_process {
    int32_t pid; /* in the agent's pid namespace (the host's); 0: none */
    char command[NJ_COMMAND_MAX];
};

/* The sockets of one network namespace. A pod's containers share one; with hostNetwork it is the node's. */
struct nj_socket_figures {
    int64_t at_ns;                                      /* monotonic, when they were counted; 0: never */
    uint64_t tcp[NJ_TCP_STATES], udp, raw, unix_stream; /* IPv4 and IPv6 together */
    uint64_t listen_overflows, listen_drops;            /* counters of TcpExt: ListenOverflows, ListenDrops */
    /* The listening socket whose accept queue is fullest. */
    uint64_t queue_length, queue_limit;
    uint16_t queue_port;
};

/* https://docs.kernel.org/accounting/psi.html: `some` and `full` totals, in us. */
struct nj_pressure_figures {
    uint64_t cpu_some, memory_some, memory_full, io_some, io_full;
};

struct nj_container_figures {
    char id[NJ_CONTAINER_ID_MAX];
    char pod_uid[NJ_POD_UID_MAX]; /* with dashes; of a static pod its config hash; "" where the cgroup does
                                     not say */
    int64_t at_ns;                /* monotonic */
    uint64_t processes, threads, zombies;    /* zombies are not among the processes */
    struct nj_inspect_process init;          /* its oldest process: the container's first */
    struct nj_inspect_process zombie_parent; /* whose children most of the zombies are */
    uint64_t fds;                            /* of all its processes */
    struct nj_inspect_process fullest;       /* the one with the largest share of its own limit */
    uint64_t fullest_fds, fullest_limit;     /* RLIMIT_NOFILE, soft */
    struct nj_inspect_process most_threads;
    uint64_t cpu_ns;                                   /* counter */
    uint64_t periods, throttled_periods, throttled_ns; /* counters */
    uint64_t cpu_quota_millis;                         /* of a core; NJ_UNKNOWN: no quota, or not readable */
    uint64_t memory_usage, memory_working_set, memory_rss, memory_cache, memory_swap;
    uint64_t memory_limit; /* NJ_UNKNOWN: none, or not readable */
    uint64_t memory_peak;
    uint64_t oom_kills;                                /* counter */
    uint64_t read_bytes, written_bytes, reads, writes; /* counters, of block devices */
    uint64_t pids, pids_limit;                         /* of the pids controller; limit NJ_UNKNOWN: none */
    struct nj_pressure_figures pressure;               /* counters */
    bool network_is_host;
    struct nj_socket_figures sockets; /* of its network namespace */
};

struct nj_mount_figures {
    char path[256], device[128], type[32]; /* path as the host sees it */
    uint64_t size, available, inodes, inodes_free;
    bool read_only;
};

struct nj_interface_figures {
    char name[32];
    uint64_t received_bytes, received_packets, receive_errors, receive_drops;
    uint64_t sent_bytes, sent_packets, send_errors, send_drops;
};

enum { NJ_MOUNTS_MAX = 64, NJ_INTERFACES_MAX = 64 };

struct nj_node_figures {
    int64_t at_ns, wall_ns;
    uint64_t cpus;
    uint64_t cpu_user_ns, cpu_system_ns, cpu_idle_ns, cpu_iowait_ns, cpu_steal_ns,
        cpu_other_ns; /* counters */
    uint64_t memory_total, memory_available, memory_free, swap_total, swap_free;
    struct nj_pressure_figures pressure;
    uint64_t load1_millis;
    uint64_t processes, threads, zombies, pid_max;   /* of the whole node */
    uint64_t host_processes, host_fds, host_zombies; /* of what is in no pod */
    struct nj_inspect_process zombie_parent;
    uint64_t files, files_max; /* /proc/sys/fs/file-nr */
    uint64_t conntrack, conntrack_max;
    uint64_t oom_kills;                      /* /proc/vmstat oom_kill */
    int64_t clock_offset_ns, clock_error_ns; /* adjtimex(2); INT64_MIN: unknown */
    bool clock_synchronized;
    struct nj_socket_figures sockets; /* of the host's namespace */
    struct nj_mount_figures mounts[NJ_MOUNTS_MAX];
    size_t mounts_count, mounts_left_out;                      /* left out: beyond the bound */
    struct nj_interface_figures interfaces[NJ_INTERFACES_MAX]; /* no veth of pods */
    size_t interfaces_count, interfaces_left_out;
};

#endif
