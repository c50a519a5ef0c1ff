/*
 * Containers, and the pods' sockets.
 */
#include <math.h>
#include <string.h>

#include "agent/inspect/expose_internal.h"
#include "agent/inspect/expose_write.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

/* CFS' period, which Kubernetes and the runtimes leave as it is, in us. */
enum { PERIOD_US = 100000, PERIOD_US_PER_MILLI = PERIOD_US / 1000 };

#define AT(member) offsetof(struct nj_container_figures, member)

/* What is shown as it is. Names and help are cAdvisor's where it has the same. */
static const struct row {
    const char *name, *type, *help, *more;
    size_t offset;
    enum nj_expose_unit unit;
} rows[] = {
    {"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.",
     "cpu=\"total\"", AT(cpu_ns), NJ_EXPOSE_NS},
    {"container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.", "",
     AT(periods), NJ_EXPOSE_NUMBER},
    {"container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.", "",
     AT(throttled_periods), NJ_EXPOSE_NUMBER},
    {"container_cpu_cfs_throttled_seconds_total", "counter",
     "Total time duration the container has been throttled.", "", AT(throttled_ns), NJ_EXPOSE_NS},
    {"container_memory_usage_bytes", "gauge",
     "Current memory usage in bytes, including all memory regardless of when it was accessed.", "",
     AT(memory_usage), NJ_EXPOSE_NUMBER},
    {"container_memory_working_set_bytes", "gauge", "Current working set in bytes.", "",
     AT(memory_working_set), NJ_EXPOSE_NUMBER},
    {"container_memory_rss", "gauge", "Size of RSS in bytes.", "", AT(memory_rss), NJ_EXPOSE_NUMBER},
    {"container_memory_cache", "gauge", "Number of bytes of page cache memory.", "", AT(memory_cache),
     NJ_EXPOSE_NUMBER},
    {"container_memory_swap", "gauge", "Container swap usage in bytes.", "", AT(memory_swap),
     NJ_EXPOSE_NUMBER},
    {"container_memory_max_usage_bytes", "gauge", "Maximum memory usage recorded in bytes.", "",
     AT(memory_peak), NJ_EXPOSE_NUMBER},
    {"container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", "", AT(memory_limit),
     NJ_EXPOSE_NUMBER},
    {"container_oom_events_total", "counter", "Count of out of memory events observed for the container.", "",
     AT(oom_kills), NJ_EXPOSE_NUMBER},
    {"nightjar_container_oom_kills_total", "counter",
     "Processes of the container that the kernel killed for want of memory.", "", AT(oom_kills),
     NJ_EXPOSE_NUMBER},
    {"container_processes", "gauge", "Number of processes running inside the container.", "", AT(processes),
     NJ_EXPOSE_NUMBER},
    {"container_threads", "gauge", "Number of threads running inside the container.", "", AT(threads),
     NJ_EXPOSE_NUMBER},
    {"container_threads_max", "gauge", "Maximum number of threads allowed inside the container.", "",
     AT(pids_limit), NJ_EXPOSE_NUMBER},
    {"nightjar_container_zombies", "gauge", "Processes that have ended and that nobody waits for.", "",
     AT(zombies), NJ_EXPOSE_NUMBER},
    {"container_file_descriptors", "gauge", "Number of open file descriptors for the container.", "", AT(fds),
     NJ_EXPOSE_NUMBER},
    {"nightjar_container_fds", "gauge", "Open file descriptors of all processes of the container.", "",
     AT(fds), NJ_EXPOSE_NUMBER},
    {"container_ulimits_soft", "gauge", "Soft ulimit values for the container, of its fullest process.",
     "ulimit=\"max_open_files\"", AT(fullest_limit), NJ_EXPOSE_NUMBER},
    {"container_fs_reads_bytes_total", "counter", "Cumulative count of bytes read.", "", AT(read_bytes),
     NJ_EXPOSE_NUMBER},
    {"container_fs_reads_total", "counter", "Cumulative count of reads completed.", "", AT(reads),
     NJ_EXPOSE_NUMBER},
    {"container_fs_writes_bytes_total", "counter", "Cumulative count of bytes written.", "",
     AT(written_bytes), NJ_EXPOSE_NUMBER},
    {"container_fs_writes_total", "counter", "Cumulative count of writes completed.", "", AT(writes),
     NJ_EXPOSE_NUMBER},
    {"container_pressure_cpu_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to CPU congestion.", "",
     AT(pressure.cpu_some), NJ_EXPOSE_US},
    {"container_pressure_memory_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to memory congestion.", "",
     AT(pressure.memory_some), NJ_EXPOSE_US},
    {"container_pressure_memory_stalled_seconds_total", "counter",
     "Total time duration no tasks in the container could make progress due to memory congestion.", "",
     AT(pressure.memory_full), NJ_EXPOSE_US},
    {"container_pressure_io_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to IO congestion.", "", AT(pressure.io_some),
     NJ_EXPOSE_US},
    {"container_pressure_io_stalled_seconds_total", "counter",
     "Total time duration no tasks in the container could make progress due to IO congestion.", "",
     AT(pressure.io_full), NJ_EXPOSE_US},
};

/* Each container's labels, one after the other, terminated. */
struct labels {
    struct nj_buf text;
    size_t *starts; /* of the container's own, */
    size_t *pods;   /* and of its pod's sockets */
};

static void make_labels(const struct nj_expose *what, struct labels *labels)
{
    struct nj_buf one = {0};
    labels->starts = nj_calloc(2 * what->containers_count + 1, sizeof(*labels->starts));
    labels->pods = labels->starts + what->containers_count;
    for (size_t i = 0; i < what->containers_count; i++) {
        const struct nj_expose_container *container = &what->containers[i];
        nj_buf_clear(&one);
        nj_expose_label(&one, "namespace", container->namespace);
        nj_expose_label(&one, "pod", container->pod);
        nj_expose_label(&one, "node", what->node);
        labels->pods[i] = labels->text.len;
        (void)nj_buf_append(&labels->text, nj_buf_str(&one), one.len + 1);
        labels->starts[i] = labels->text.len;
        nj_expose_label(&one, "container", container->container);
        (void)nj_buf_append(&labels->text, nj_buf_str(&one), one.len + 1);
    }
    nj_buf_done(&one);
}

static void expose_rows(const struct nj_expose *what, const struct labels *labels, struct nj_buf *out)
{
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct nj_expose_family family = {
            .name = rows[row].name, .type = rows[row].type, .help = rows[row].help};
        for (size_t i = 0; i < what->containers_count; i++) {
            uint64_t value = 0;
            memcpy(&value, (const char *)what->containers[i].figures + rows[row].offset, sizeof(value));
            nj_expose_sample(&family, labels->text.data + labels->starts[i], rows[row].more, value,
                             rows[row].unit, out);
        }
    }
}

/* The values that are worked out. */
static uint64_t start_time(const struct nj_expose_container *container)
{
    return container->started_ns <= 0 ? NJ_UNKNOWN : (uint64_t)container->started_ns;
}

static uint64_t quota(const struct nj_expose_container *container)
{
    uint64_t millis = container->figures->cpu_quota_millis;
    return millis == NJ_UNKNOWN ? NJ_UNKNOWN : millis * PERIOD_US_PER_MILLI;
}

static uint64_t period(const struct nj_expose_container *container)
{
    return container->figures->cpu_quota_millis == NJ_UNKNOWN ? NJ_UNKNOWN : PERIOD_US;
}

static uint64_t gpu_memory(const struct nj_expose_container *container)
{
    return container->gpu_memory;
}

static const struct made {
    struct nj_expose_family family;
    uint64_t (*value)(const struct nj_expose_container *container);
    enum nj_expose_unit unit;
} made[] = {
    {{.name = "container_start_time_seconds",
      .type = "gauge",
      .help = "Start time of the container since unix epoch in seconds."},
     start_time,
     NJ_EXPOSE_NS},
    {{.name = "container_spec_cpu_quota", .type = "gauge", .help = "CPU quota of the container."},
     quota,
     NJ_EXPOSE_NUMBER},
    {{.name = "container_spec_cpu_period", .type = "gauge", .help = "CPU period of the container."},
     period,
     NJ_EXPOSE_NUMBER},
    {{.name = "nightjar_container_gpu_memory_bytes",
      .type = "gauge",
      .help = "Memory of GPUs that the container's processes hold."},
     gpu_memory,
     NJ_EXPOSE_NUMBER},
};

static void expose_made(const struct nj_expose *what, const struct labels *labels, struct nj_buf *out)
{
    for (size_t row = 0; row < sizeof(made) / sizeof(made[0]); row++) {
        struct nj_expose_family family = made[row].family;
        for (size_t i = 0; i < what->containers_count; i++)
            nj_expose_sample(&family, labels->text.data + labels->starts[i], "",
                             made[row].value(&what->containers[i]), made[row].unit, out);
    }
}

static double fds_ratio(const struct nj_container_figures *figures)
{
    bool known = figures->fullest_fds != NJ_UNKNOWN && figures->fullest_limit != NJ_UNKNOWN &&
                 figures->fullest_limit != 0;
    return known ? (double)figures->fullest_fds / (double)figures->fullest_limit : (double)NAN;
}

static void expose_ratios(const struct nj_expose *what, const struct labels *labels, struct nj_buf *out)
{
    struct nj_expose_family fds = {
        .name = "nightjar_container_fds_limit_ratio",
        .type = "gauge",
        .help = "Open file descriptors of the container's fullest process beside its own limit."};
    struct nj_expose_family gpu = {.name = "nightjar_container_gpu_use_ratio",
                                   .type = "gauge",
                                   .help = "Share of a GPU's time that the container's processes use."};
    for (size_t i = 0; i < what->containers_count; i++)
        nj_expose_double(&fds, labels->text.data + labels->starts[i], "",
                         fds_ratio(what->containers[i].figures), out);
    for (size_t i = 0; i < what->containers_count; i++) {
        if (what->containers[i].gpu_use >= 0)
            nj_expose_double(&gpu, labels->text.data + labels->starts[i], "", what->containers[i].gpu_use,
                             out);
    }
}

static uint64_t sum_of(const struct nj_socket_figures *sockets)
{
    uint64_t sum = sockets->udp;
    for (int state = NJ_TCP_ESTABLISHED; state < NJ_TCP_STATES && sum != NJ_UNKNOWN; state++)
        sum = sockets->tcp[state] == NJ_UNKNOWN ? NJ_UNKNOWN : sum + sockets->tcp[state];
    const uint64_t others[] = {sockets->raw, sockets->unix_stream};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && sum != NJ_UNKNOWN; i++)
        sum = others[i] == NJ_UNKNOWN ? NJ_UNKNOWN : sum + others[i];
    return sum;
}

/* The families are written one after the other, so what each shows is a function of its own. */
static void sockets_by_state(struct nj_expose_family *family, const char *labels,
                             const struct nj_socket_figures *sockets, struct nj_buf *out)
{
    nj_expose_sockets(family, labels, sockets, out);
}

static void sockets_in_all(struct nj_expose_family *family, const char *labels,
                           const struct nj_socket_figures *sockets, struct nj_buf *out)
{
    nj_expose_sample(family, labels, "", sum_of(sockets), NJ_EXPOSE_NUMBER, out);
}

static void overflows(struct nj_expose_family *family, const char *labels,
                      const struct nj_socket_figures *sockets, struct nj_buf *out)
{
    nj_expose_sample(family, labels, "", sockets->listen_overflows, NJ_EXPOSE_NUMBER, out);
}

static void queue_ratio(struct nj_expose_family *family, const char *labels,
                        const struct nj_socket_figures *sockets, struct nj_buf *out)
{
    bool known = sockets->queue_length != NJ_UNKNOWN && sockets->queue_limit != NJ_UNKNOWN &&
                 sockets->queue_limit != 0;
    if (known)
        nj_expose_double(family, labels, "", (double)sockets->queue_length / (double)sockets->queue_limit,
                         out);
}

static const struct of_sockets {
    struct nj_expose_family family;
    void (*write)(struct nj_expose_family *family, const char *labels,
                  const struct nj_socket_figures *sockets, struct nj_buf *out);
} of_sockets[] = {
    {{.name = "container_sockets",
      .type = "gauge",
      .help = "Number of open sockets for the container; of its pod where it has several containers."},
     sockets_in_all},
    {{.name = "nightjar_container_sockets",
      .type = "gauge",
      .help = "Sockets by protocol and state; of the pod where it has several containers."},
     sockets_by_state},
    {{.name = "nightjar_container_listen_overflows_total",
      .type = "counter",
      .help = "Connections that were refused because the accept queue was full; of the pod where it has "
              "several containers."},
     overflows},
    {{.name = "nightjar_container_listen_queue_ratio",
      .type = "gauge",
      .help = "How full the fullest accept queue is; of the pod where it has several containers."},
     queue_ratio},
};

static void expose_sockets(const struct nj_expose *what, const struct labels *labels, struct nj_buf *out)
{
    for (size_t row = 0; row < sizeof(of_sockets) / sizeof(of_sockets[0]); row++) {
        struct nj_expose_family family = of_sockets[row].family;
        for (size_t i = 0; i < what->containers_count; i++) {
            const struct nj_expose_container *container = &what->containers[i];
            size_t start = container->sockets_are_its ? labels->starts[i] : labels->pods[i];
            if (container->sockets && container->figures->sockets.at_ns != 0)
                of_sockets[row].write(&family, labels->text.data + start, &container->figures->sockets, out);
        }
    }
}

void nj_expose_containers(const struct nj_expose *what, struct nj_buf *out)
{
    struct labels labels = {0};
    make_labels(what, &labels);
    expose_made(what, &labels, out);
    expose_rows(what, &labels, out);
    expose_ratios(what, &labels, out);
    expose_sockets(what, &labels, out);
    nj_buf_done(&labels.text);
    free(labels.starts);
}
