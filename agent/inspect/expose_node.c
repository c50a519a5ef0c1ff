/*
 * The node: by node_exporter's names.
 */
#include <string.h>

#include "agent/inspect/expose_internal.h"
#include "agent/inspect/expose_write.h"
#include "common/base/clock.h"

#define AT(member) offsetof(struct nj_node_figures, member)

struct row {
    const char *name, *type, *help, *labels;
    size_t offset;
    enum nj_expose_unit unit;
};

/* Those of one family stand together. */
static const struct row node_rows[] = {
    {"node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", "mode=\"user\"",
     AT(cpu_user_ns), NJ_EXPOSE_NS},
    {"node_cpu_seconds_total", "counter", "", "mode=\"system\"", AT(cpu_system_ns), NJ_EXPOSE_NS},
    {"node_cpu_seconds_total", "counter", "", "mode=\"idle\"", AT(cpu_idle_ns), NJ_EXPOSE_NS},
    {"node_cpu_seconds_total", "counter", "", "mode=\"iowait\"", AT(cpu_iowait_ns), NJ_EXPOSE_NS},
    {"node_cpu_seconds_total", "counter", "", "mode=\"steal\"", AT(cpu_steal_ns), NJ_EXPOSE_NS},
    {"node_cpu_seconds_total", "counter", "", "mode=\"other\"", AT(cpu_other_ns), NJ_EXPOSE_NS},
    {"node_load1", "gauge", "1m load average.", "", AT(load1_millis), NJ_EXPOSE_MILLIS},
    {"node_memory_MemTotal_bytes", "gauge", "Memory information field MemTotal_bytes.", "", AT(memory_total),
     NJ_EXPOSE_NUMBER},
    {"node_memory_MemAvailable_bytes", "gauge", "Memory information field MemAvailable_bytes.", "",
     AT(memory_available), NJ_EXPOSE_NUMBER},
    {"node_memory_MemFree_bytes", "gauge", "Memory information field MemFree_bytes.", "", AT(memory_free),
     NJ_EXPOSE_NUMBER},
    {"node_memory_SwapTotal_bytes", "gauge", "Memory information field SwapTotal_bytes.", "", AT(swap_total),
     NJ_EXPOSE_NUMBER},
    {"node_memory_SwapFree_bytes", "gauge", "Memory information field SwapFree_bytes.", "", AT(swap_free),
     NJ_EXPOSE_NUMBER},
    {"node_pressure_cpu_waiting_seconds_total", "counter",
     "Total time in seconds that processes have waited for CPU time.", "", AT(pressure.cpu_some),
     NJ_EXPOSE_US},
    {"node_pressure_memory_waiting_seconds_total", "counter",
     "Total time in seconds that processes have waited for memory.", "", AT(pressure.memory_some),
     NJ_EXPOSE_US},
    {"node_pressure_memory_stalled_seconds_total", "counter",
     "Total time in seconds no process could make progress due to memory congestion.", "",
     AT(pressure.memory_full), NJ_EXPOSE_US},
    {"node_pressure_io_waiting_seconds_total", "counter",
     "Total time in seconds that processes have waited due to IO congestion.", "", AT(pressure.io_some),
     NJ_EXPOSE_US},
    {"node_pressure_io_stalled_seconds_total", "counter",
     "Total time in seconds no process could make progress due to IO congestion.", "", AT(pressure.io_full),
     NJ_EXPOSE_US},
    {"node_processes_pids", "gauge", "Number of PIDs.", "", AT(processes), NJ_EXPOSE_NUMBER},
    {"node_processes_threads", "gauge", "Allocated threads in system.", "", AT(threads), NJ_EXPOSE_NUMBER},
    {"node_processes_max_processes", "gauge", "Number of max PIDs limit.", "", AT(pid_max), NJ_EXPOSE_NUMBER},
    {"node_filefd_allocated", "gauge", "File descriptor statistics: allocated.", "", AT(files),
     NJ_EXPOSE_NUMBER},
    {"node_filefd_maximum", "gauge", "File descriptor statistics: maximum.", "", AT(files_max),
     NJ_EXPOSE_NUMBER},
    {"node_nf_conntrack_entries", "gauge",
     "Number of currently allocated flow entries for connection tracking.", "", AT(conntrack),
     NJ_EXPOSE_NUMBER},
    {"node_nf_conntrack_entries_limit", "gauge", "Maximum size of connection tracking table.", "",
     AT(conntrack_max), NJ_EXPOSE_NUMBER},
    {"node_vmstat_oom_kill", "untyped", "/proc/vmstat information field oom_kill.", "", AT(oom_kills),
     NJ_EXPOSE_NUMBER},
    {"node_netstat_TcpExt_ListenOverflows", "untyped", "Statistic TcpExtListenOverflows.", "",
     AT(sockets.listen_overflows), NJ_EXPOSE_NUMBER},
    {"node_netstat_TcpExt_ListenDrops", "untyped", "Statistic TcpExtListenDrops.", "",
     AT(sockets.listen_drops), NJ_EXPOSE_NUMBER},
    {"nightjar_node_zombies", "gauge", "Processes of the node that have ended and that nobody waits for.", "",
     AT(zombies), NJ_EXPOSE_NUMBER},
    {"nightjar_node_host_zombies", "gauge", "Those of them that are in no pod.", "", AT(host_zombies),
     NJ_EXPOSE_NUMBER},
    {"nightjar_node_host_processes", "gauge", "Processes of the node that are in no pod.", "",
     AT(host_processes), NJ_EXPOSE_NUMBER},
    {"nightjar_node_host_fds", "gauge", "Open file descriptors of processes that are in no pod.", "",
     AT(host_fds), NJ_EXPOSE_NUMBER},
};

#undef AT
#define AT(member) offsetof(struct nj_mount_figures, member)
static const struct row mount_rows[] = {
    {"node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.", "", AT(size), NJ_EXPOSE_NUMBER},
    {"node_filesystem_avail_bytes", "gauge", "Filesystem space available to non-root users in bytes.", "",
     AT(available), NJ_EXPOSE_NUMBER},
    {"node_filesystem_files", "gauge", "Filesystem total file nodes.", "", AT(inodes), NJ_EXPOSE_NUMBER},
    {"node_filesystem_files_free", "gauge", "Filesystem total free file nodes.", "", AT(inodes_free),
     NJ_EXPOSE_NUMBER},
};

#undef AT
#define AT(member) offsetof(struct nj_interface_figures, member)
static const struct row interface_rows[] = {
    {"node_network_receive_bytes_total", "counter", "Network device statistic receive_bytes.", "",
     AT(received_bytes), NJ_EXPOSE_NUMBER},
    {"node_network_receive_packets_total", "counter", "Network device statistic receive_packets.", "",
     AT(received_packets), NJ_EXPOSE_NUMBER},
    {"node_network_receive_errs_total", "counter", "Network device statistic receive_errs.", "",
     AT(receive_errors), NJ_EXPOSE_NUMBER},
    {"node_network_receive_drop_total", "counter", "Network device statistic receive_drop.", "",
     AT(receive_drops), NJ_EXPOSE_NUMBER},
    {"node_network_transmit_bytes_total", "counter", "Network device statistic transmit_bytes.", "",
     AT(sent_bytes), NJ_EXPOSE_NUMBER},
    {"node_network_transmit_packets_total", "counter", "Network device statistic transmit_packets.", "",
     AT(sent_packets), NJ_EXPOSE_NUMBER},
    {"node_network_transmit_errs_total", "counter", "Network device statistic transmit_errs.", "",
     AT(send_errors), NJ_EXPOSE_NUMBER},
    {"node_network_transmit_drop_total", "counter", "Network device statistic transmit_drop.", "",
     AT(send_drops), NJ_EXPOSE_NUMBER},
};

static uint64_t value_at(const void *figures, size_t offset)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)figures + offset, sizeof(value));
    return value;
}

static struct nj_expose_family family_of(const struct row *row)
{
    return (struct nj_expose_family){.name = row->name, .type = row->type, .help = row->help};
}

static void expose_values(const struct nj_node_figures *node, struct nj_buf *out)
{
    struct nj_expose_family family = {.name = ""};
    for (size_t i = 0; i < sizeof(node_rows) / sizeof(node_rows[0]); i++) {
        if (i == 0 || strcmp(node_rows[i].name, node_rows[i - 1].name) != 0)
            family = family_of(&node_rows[i]);
        nj_expose_sample(&family, node_rows[i].labels, "", value_at(node, node_rows[i].offset),
                         node_rows[i].unit, out);
    }
}

static void mount_labels(struct nj_buf *labels, const struct nj_mount_figures *mount)
{
    nj_buf_clear(labels);
    nj_expose_label(labels, "device", mount->device);
    nj_expose_label(labels, "fstype", mount->type);
    nj_expose_label(labels, "mountpoint", mount->path);
}

static void expose_mounts(const struct nj_node_figures *node, struct nj_buf *out)
{
    struct nj_buf labels = {0};
    for (size_t row = 0; row < sizeof(mount_rows) / sizeof(mount_rows[0]); row++) {
        struct nj_expose_family family = family_of(&mount_rows[row]);
        for (size_t i = 0; i < node->mounts_count; i++) {
            mount_labels(&labels, &node->mounts[i]);
            nj_expose_sample(&family, nj_buf_str(&labels), "",
                             value_at(&node->mounts[i], mount_rows[row].offset), mount_rows[row].unit, out);
        }
    }
    struct nj_expose_family read_only = {
        .name = "node_filesystem_readonly", .type = "gauge", .help = "Filesystem read-only status."};
    for (size_t i = 0; i < node->mounts_count; i++) {
        mount_labels(&labels, &node->mounts[i]);
        nj_expose_sample(&read_only, nj_buf_str(&labels), "", node->mounts[i].read_only, NJ_EXPOSE_NUMBER,
                         out);
    }
    nj_buf_done(&labels);
}

static void expose_interfaces(const struct nj_node_figures *node, struct nj_buf *out)
{
    struct nj_buf labels = {0};
    for (size_t row = 0; row < sizeof(interface_rows) / sizeof(interface_rows[0]); row++) {
        struct nj_expose_family family = family_of(&interface_rows[row]);
        for (size_t i = 0; i < node->interfaces_count; i++) {
            nj_buf_clear(&labels);
            nj_expose_label(&labels, "device", node->interfaces[i].name);
            nj_expose_sample(&family, nj_buf_str(&labels), "",
                             value_at(&node->interfaces[i], interface_rows[row].offset),
                             interface_rows[row].unit, out);
        }
    }
    nj_buf_done(&labels);
}

static void expose_clock(const struct nj_node_figures *node, struct nj_buf *out)
{
    struct nj_expose_family offset = {.name = "node_timex_offset_seconds",
                                      .type = "gauge",
                                      .help = "Time offset in between local system and reference clock."};
    struct nj_expose_family error = {
        .name = "node_timex_maxerror_seconds", .type = "gauge", .help = "Maximum error in seconds."};
    struct nj_expose_family synchronized = {
        .name = "node_timex_sync_status",
        .type = "gauge",
        .help = "Is clock synchronized to a reliable server (1 = yes, 0 = no)."};
    if (node->clock_offset_ns != INT64_MIN)
        nj_expose_double(&offset, "", "", (double)node->clock_offset_ns / (double)NJ_SEC, out);
    if (node->clock_error_ns != INT64_MIN)
        nj_expose_double(&error, "", "", (double)node->clock_error_ns / (double)NJ_SEC, out);
    if (node->clock_offset_ns != INT64_MIN || node->clock_error_ns != INT64_MIN)
        nj_expose_sample(&synchronized, "", "", node->clock_synchronized, NJ_EXPOSE_NUMBER, out);
}

static void gpu_labels(struct nj_buf *labels, const struct nj_gpu_device *gpu)
{
    nj_buf_clear(labels);
    nj_expose_label(labels, "uuid", gpu->uuid);
    nj_expose_label(labels, "name", gpu->name);
}

static void expose_gpus(const struct nj_expose *what, struct nj_buf *out)
{
    struct nj_buf labels = {0};
    struct nj_expose_family use = {.name = "nightjar_node_gpu_use_ratio",
                                   .type = "gauge",
                                   .help = "Share of its time that the GPU works."};
    struct nj_expose_family used = {
        .name = "nightjar_node_gpu_memory_used_bytes", .type = "gauge", .help = "Memory of the GPU in use."};
    struct nj_expose_family total = {
        .name = "nightjar_node_gpu_memory_bytes", .type = "gauge", .help = "Memory of the GPU."};
    for (size_t i = 0; i < what->gpus_count; i++) {
        gpu_labels(&labels, &what->gpus[i]);
        if (what->gpus[i].use >= 0)
            nj_expose_double(&use, nj_buf_str(&labels), "", what->gpus[i].use, out);
    }
    for (size_t i = 0; i < what->gpus_count; i++) {
        gpu_labels(&labels, &what->gpus[i]);
        nj_expose_sample(&used, nj_buf_str(&labels), "", what->gpus[i].memory_used, NJ_EXPOSE_NUMBER, out);
    }
    for (size_t i = 0; i < what->gpus_count; i++) {
        gpu_labels(&labels, &what->gpus[i]);
        nj_expose_sample(&total, nj_buf_str(&labels), "", what->gpus[i].memory_total, NJ_EXPOSE_NUMBER, out);
    }
    nj_buf_done(&labels);
}

void nj_expose_node(const struct nj_expose *what, struct nj_buf *out)
{
    const struct nj_node_figures *node = what->node_figures;
    struct nj_expose_family sockets = {.name = "nightjar_node_sockets",
                                       .type = "gauge",
                                       .help = "Sockets of the node's own network by protocol and state."};
    if (node == NULL)
        return;
    expose_values(node, out);
    nj_expose_sockets(&sockets, "", &node->sockets, out);
    expose_mounts(node, out);
    expose_interfaces(node, out);
    expose_clock(node, out);
    expose_gpus(what, out);
}
