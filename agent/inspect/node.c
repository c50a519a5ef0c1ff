#include "agent/inspect/node.h"

#include <fcntl.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/node_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { SMALL = 256 };

/* "NAME: 123 kB" and "NAME 123": the number behind the name and its colon. */
static bool named_number(const char *line, const char *name, uint64_t *ret_number)
{
    size_t len = strlen(name);
    if (strncmp(line, name, len) != 0)
        return false;
    const char *at = line + len;
    if (*at == ':')
        at++;
    return (*at == ' ' || *at == '\t') && nj_text_number(&at, ret_number);
}

static uint64_t read_number(int proc, const char *path)
{
    char text[SMALL];
    const char *at = text;
    uint64_t number;
    if (nj_proc_read(proc, path, text, sizeof(text)) < 0 || !nj_text_number(&at, &number) ||
        (*at != '\0' && *at != '\n'))
        return NJ_UNKNOWN;
    return number;
}

/* user nice system idle iowait irq softirq steal guest guest_nice */
static void take_cpu(const char *line, struct nj_node_figures *node)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, MODES };
    long per_second = sysconf(_SC_CLK_TCK);
    uint64_t ns[MODES];
    const char *at = line + strlen("cpu");
    if (per_second <= 0)
        return;
    for (size_t i = 0; i < MODES; i++) {
        if (!nj_text_number(&at, &ns[i]) ||
            __builtin_mul_overflow(ns[i], (uint64_t)(NJ_SEC / per_second), &ns[i]))
            return;
    }
    node->cpu_user_ns = ns[USER];
    node->cpu_system_ns = ns[SYSTEM];
    node->cpu_idle_ns = ns[IDLE];
    node->cpu_iowait_ns = ns[IOWAIT];
    node->cpu_steal_ns = ns[STEAL];
    node->cpu_other_ns = ns[NICE] + ns[IRQ] + ns[SOFTIRQ];
}

static void read_stat(int proc, struct nj_node_figures *node)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, proc, "stat") < 0)
        return;
    uint64_t cpus = 0;
    for (const char *line; (line = nj_lines_next(&lines)) != NULL && nj_str_starts(line, "cpu");) {
        if (line[3] == ' ')
            take_cpu(line, node);
        else
            cpus++;
    }
    nj_lines_close(&lines);
    if (cpus > 0)
        node->cpus = cpus;
}

/* The numbers of several named lines of a file. */
struct wanted {
    const char *name;
    uint64_t *number;
    uint64_t unit;
};

static void read_named(int proc, const char *path, const struct wanted *wanted, size_t count)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, proc, path) < 0)
        return;
    size_t missing = count;
    for (const char *line; missing > 0 && (line = nj_lines_next(&lines)) != NULL;) {
        for (size_t i = 0; i < count; i++) {
            uint64_t number;
            if (named_number(line, wanted[i].name, &number) &&
                !__builtin_mul_overflow(number, wanted[i].unit, &number)) {
                *wanted[i].number = number;
                missing--;
            }
        }
    }
    nj_lines_close(&lines);
}

static void read_memory(int proc, struct nj_node_figures *node)
{
    const struct wanted memory[] = {
        {"MemTotal", &node->memory_total, 1024}, {"MemAvailable", &node->memory_available, 1024},
        {"MemFree", &node->memory_free, 1024},   {"SwapTotal", &node->swap_total, 1024},
        {"SwapFree", &node->swap_free, 1024},
    };
    const struct wanted kills[] = {{"oom_kill", &node->oom_kills, 1}};
    read_named(proc, "meminfo", memory, sizeof(memory) / sizeof(memory[0]));
    read_named(proc, "vmstat", kills, 1);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" */
static void take_pressure(const char *line, const char *kind, uint64_t *total_us)
{
    uint64_t number;
    const char *total = strstr(line, " total=");
    if (!nj_str_starts(line, kind) || total == NULL)
        return;
    total += strlen(" total=");
    if (nj_text_number(&total, &number))
        *total_us = number;
}

static void read_pressure(int proc, const char *path, uint64_t *some_us, uint64_t *full_us)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, proc, path) < 0)
        return;
    for (const char *line; (line = nj_lines_next(&lines)) != NULL;) {
        take_pressure(line, "some ", some_us);
        if (full_us != NULL)
            take_pressure(line, "full ", full_us);
    }
    nj_lines_close(&lines);
}

/* "0.25 0.10 0.05 1/123 4567" */
static void read_load(int proc, struct nj_node_figures *node)
{
    enum { HUNDREDTHS = 100, MILLIS = 10 };
    char text[SMALL];
    const char *at = text;
    uint64_t whole, hundredths;
    if (nj_proc_read(proc, "loadavg", text, sizeof(text)) < 0 || !nj_text_number(&at, &whole) ||
        *at++ != '.' || !nj_text_number(&at, &hundredths) || hundredths >= HUNDREDTHS || whole > UINT32_MAX)
        return;
    node->load1_millis = (whole * HUNDREDTHS + hundredths) * MILLIS;
}

/* "allocated free maximum" */
static void read_files(int proc, struct nj_node_figures *node)
{
    char text[SMALL];
    const char *at = text;
    uint64_t allocated, unused, max;
    if (nj_proc_read(proc, "sys/fs/file-nr", text, sizeof(text)) < 0 || !nj_text_number(&at, &allocated) ||
        !nj_text_number(&at, &unused) || !nj_text_number(&at, &max) || unused > allocated)
        return;
    node->files = allocated - unused;
    node->files_max = max;
}

static void read_pids(int proc, struct nj_node_figures *node)
{
    uint64_t pids = read_number(proc, "sys/kernel/pid_max");
    uint64_t threads = read_number(proc, "sys/kernel/threads-max");
    node->pid_max = pids < threads ? pids : threads;
}

/* The count by the file of counters, since /proc/sys/net has that of the reader's namespace; its first column
 * is the same in every row. */
static void read_conntrack(int proc, bool own_network, struct nj_node_figures *node)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, proc, own_network ? "1/net/stat/nf_conntrack" : "net/stat/nf_conntrack") < 0)
        return;
    const char *line = nj_lines_next(&lines);
    uint64_t count = 0;
    bool known = false;
    if (line != NULL && nj_str_starts(line, "entries") && (line = nj_lines_next(&lines)) != NULL) {
        size_t digits = strspn(line, "0123456789abcdef");
        known = digits > 0 && digits <= 16 && line[digits] == ' ';
        for (size_t i = 0; known && i < digits; i++)
            count = count << 4 | (uint64_t)(line[i] <= '9' ? line[i] - '0' : line[i] - 'a' + 10);
    }
    nj_lines_close(&lines);
    if (!known)
        return;
    node->conntrack = count;
    node->conntrack_max = read_number(proc, "sys/net/netfilter/nf_conntrack_max");
}

static void read_clock(struct nj_node_figures *node)
{
    enum { NS_IN_US = 1000 };
    struct timex timex = {0};
    int state = adjtimex(&timex);
    if (state < 0)
        return;
    node->clock_offset_ns = (timex.status & STA_NANO) != 0 ? timex.offset : timex.offset * NS_IN_US;
    node->clock_error_ns = timex.maxerror * NS_IN_US;
    node->clock_synchronized = state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
}

static void begin(struct nj_node_figures *node)
{
    uint64_t *const unknown[] = {
        &node->cpus,
        &node->cpu_user_ns,
        &node->cpu_system_ns,
        &node->cpu_idle_ns,
        &node->cpu_iowait_ns,
        &node->cpu_steal_ns,
        &node->cpu_other_ns,
        &node->memory_total,
        &node->memory_free,
        &node->memory_available,
        &node->swap_total,
        &node->swap_free,
        &node->load1_millis,
        &node->pid_max,
        &node->files,
        &node->files_max,
        &node->conntrack,
        &node->conntrack_max,
        &node->oom_kills,
        &node->pressure.cpu_some,
        &node->pressure.memory_some,
        &node->pressure.memory_full,
        &node->pressure.io_some,
        &node->pressure.io_full,
    };
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        *unknown[i] = NJ_UNKNOWN;
    node->clock_offset_ns = node->clock_error_ns = INT64_MIN;
    node->clock_synchronized = false;
    node->mounts_count = node->mounts_left_out = 0;
    node->interfaces_count = node->interfaces_left_out = 0;
}

void nj_node_read(const struct nj_node_options *options, int64_t now_ns, int64_t wall_ns,
                  struct nj_node_figures *node)
{
    begin(node);
    node->at_ns = now_ns;
    node->wall_ns = wall_ns;
    read_clock(node);
    int proc = open(options->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return;
    read_stat(proc, node);
    read_memory(proc, node);
    read_pressure(proc, "pressure/cpu", &node->pressure.cpu_some, NULL);
    read_pressure(proc, "pressure/memory", &node->pressure.memory_some, &node->pressure.memory_full);
    read_pressure(proc, "pressure/io", &node->pressure.io_some, &node->pressure.io_full);
    read_load(proc, node);
    read_files(proc, node);
    read_pids(proc, node);
    read_conntrack(proc, options->own_network, node);
    nj_node_read_interfaces(proc, options, node);
    nj_node_read_mounts(proc, options->root, node);
    (void)close(proc);
}
