#include "common/base/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    HISTOGRAM_BOUNDS_MAX = 32,
    NUMBER_TEXT_MAX = 32,
    PROC_TEXT_MAX = 1024, /* bytes read of /proc/self/stat and statm */
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct nj_counter {
    _Atomic uint64_t value;
};

struct nj_gauge {
    _Atomic int64_t value;
};

struct nj_histogram {
    int bounds_count;
    double bounds[HISTOGRAM_BOUNDS_MAX];
    _Atomic uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* each bucket alone; the last is above every bound */
    _Atomic double sum;
};

struct series {
    struct series *next;
    char *labels;
    union {
        struct nj_counter counter;
        struct nj_gauge gauge;
        struct nj_histogram *histogram;
    };
};

struct family {
    struct family *next;
    char *name;
    char *help;
    enum metric_type type;
    struct series *first;
    struct series **last; /* where the next series is linked */
};

struct nj_metrics {
    struct family *first;
    struct family **last;
    double start_time; /* of the process, in seconds since 1970 */
};

/* Reads the start of a file of /proc as text; "" when that fails. */
static void read_proc(const char *path, char text[PROC_TEXT_MAX])
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, PROC_TEXT_MAX - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
}

static double clock_seconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* proc_pid_stat(5): field 22 is the start in ticks since boot; counted from the end of field 2, the name in
 * parentheses, which may hold anything. 0 when unknown. */
static double process_start_time(void)
{
    enum { FIELD_BEHIND_NAME = 3, FIELD_START = 22 };
    char text[PROC_TEXT_MAX];
    read_proc("/proc/self/stat", text);
    const char *at = strrchr(text, ')');
    for (int field = FIELD_BEHIND_NAME - 1; at != NULL && field < FIELD_START; field++)
        at = strchr(at + 1, ' ');
    long ticks = sysconf(_SC_CLK_TCK);
    if (at == NULL || ticks <= 0)
        return 0;
    double since_boot = (double)strtoull(at + 1, NULL, 10) / (double)ticks;
    return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) + since_boot;
}

struct nj_metrics *nj_metrics_new(void)
{
    struct nj_metrics *metrics = NJ_NEW(struct nj_metrics);
    metrics->last = &metrics->first;
    metrics->start_time = process_start_time();
    return metrics;
}

void nj_metrics_free(struct nj_metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (struct family *family = metrics->first; family != NULL;) {
        for (struct series *series = family->first; series != NULL;) {
            struct series *next = series->next;
            if (family->type == METRIC_HISTOGRAM)
                free(series->histogram);
            free(series->labels);
            free(series);
            series = next;
        }
        struct family *next = family->next;
        free(family->name);
        free(family->help);
        free(family);
        family = next;
    }
    free(metrics);
}

static struct family *get_family(struct nj_metrics *metrics, const char *name, const char *help,
                                 enum metric_type type)
{
    for (struct family *family = metrics->first; family != NULL; family = family->next) {
        if (strcmp(family->name, name) != 0)
            continue;
        if (family->type != type || strcmp(family->help, help) != 0) {
            fprintf(stderr, "nightjar: metric %s is declared twice, differently\n", name);
            abort();
        }
        return family;
    }
    struct family *family = NJ_NEW(struct family);
    family->name = nj_strdup(name);
    family->help = nj_strdup(help);
    family->type = type;
    family->last = &family->first;
    *metrics->last = family;
    metrics->last = &family->next;
    return family;
}

static struct series *get_series(struct nj_metrics *metrics, const char *name, const char *labels,
                                 const char *help, enum metric_type type)
{
    struct family *family = get_family(metrics, name, nj_str(help), type);
    for (struct series *series = family->first; series != NULL; series = series->next) {
        if (nj_streq(series->labels, labels))
            return series;
    }
    struct series *series = NJ_NEW(struct series);
    series->labels = nj_strdup(nj_str(labels));
    *family->last = series;
    family->last = &series->next;
    return series;
}

struct nj_counter *nj_metrics_counter(struct nj_metrics *metrics, const char *name, const char *labels,
                                      const char *help)
{
    return &get_series(metrics, name, labels, help, METRIC_COUNTER)->counter;
}

struct nj_gauge *nj_metrics_gauge(struct nj_metrics *metrics, const char *name, const char *labels,
                                  const char *help)
{
    return &get_series(metrics, name, labels, help, METRIC_GAUGE)->gauge;
}

struct nj_histogram *nj_metrics_histogram(struct nj_metrics *metrics, const char *name, const char *labels,
                                          const char *help, const double *bounds, int bounds_count)
{
    struct series *series = get_series(metrics, name, labels, help, METRIC_HISTOGRAM);
    if (series->histogram != NULL)
        return series->histogram;
    if (bounds_count < 0 || bounds_count > HISTOGRAM_BOUNDS_MAX) {
        fprintf(stderr, "nightjar: metric %s has %d bounds, at most %d are possible\n", name, bounds_count,
                HISTOGRAM_BOUNDS_MAX);
        abort();
    }
    struct nj_histogram *histogram = NJ_NEW(struct nj_histogram);
    histogram->bounds_count = bounds_count;
    for (int i = 0; i < bounds_count; i++)
        histogram->bounds[i] = bounds[i];
    series->histogram = histogram;
    return histogram;
}

void nj_counter_add(struct nj_counter *counter, uint64_t amount)
{
    if (counter != NULL)
        atomic_fetch_add_explicit(&counter->value, amount, memory_order_relaxed);
}

uint64_t nj_counter_get(const struct nj_counter *counter)
{
    return counter == NULL ? 0 : atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void nj_gauge_set(struct nj_gauge *gauge, int64_t value)
{
    if (gauge != NULL)
        atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void nj_gauge_add(struct nj_gauge *gauge, int64_t amount)
{
    if (gauge != NULL)
        atomic_fetch_add_explicit(&gauge->value, amount, memory_order_relaxed);
}

void nj_histogram_observe(struct nj_histogram *histogram, double value)
{
    if (histogram == NULL)
        return;
    int bucket = 0;
    while (bucket < histogram->bounds_count && !(value <= histogram->bounds[bucket]))
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    double sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&histogram->sum, &sum, sum + value, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* The fewest digits that read back as the same number. */
static const char *number_text(double value, char text[NUMBER_TEXT_MAX])
{
    (void)snprintf(text, NUMBER_TEXT_MAX, "%.15g", value);
    if (strtod(text, NULL) != value)
        (void)snprintf(text, NUMBER_TEXT_MAX, "%.17g", value);
    return text;
}

static void render_head(const char *name, const char *help, const char *type, struct nj_buf *out)
{
    (void)nj_buf_printf(out, "# HELP %s ", name);
    for (const char *c = help; *c != '\0'; c++) {
        if (*c == '\\')
            (void)nj_buf_append_str(out, "\\\\");
        else if (*c == '\n')
            (void)nj_buf_append_str(out, "\\n");
        else
            (void)nj_buf_append_char(out, *c);
    }
    (void)nj_buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void render_name(const char *name, const char *labels, struct nj_buf *out)
{
    if (labels[0] == '\0')
        (void)nj_buf_printf(out, "%s ", name);
    else
        (void)nj_buf_printf(out, "%s{%s} ", name, labels);
}

static void render_histogram(const char *name, const char *labels, const struct nj_histogram *histogram,
                             struct nj_buf *out)
{
    const char *comma = labels[0] == '\0' ? "" : ",";
    const char *open = labels[0] == '\0' ? "" : "{";
    const char *close = labels[0] == '\0' ? "" : "}";
    char number[NUMBER_TEXT_MAX];
    uint64_t count = 0;
    for (int i = 0; i <= histogram->bounds_count; i++) {
        bool last = i == histogram->bounds_count;
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        (void)nj_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, comma,
                            last ? "+Inf" : number_text(histogram->bounds[i], number), count);
    }
    double sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    (void)nj_buf_printf(out, "%s_sum%s%s%s %s\n", name, open, labels, close, number_text(sum, number));
    (void)nj_buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, count);
}

static void render_family(const struct family *family, struct nj_buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    render_head(family->name, family->help, types[family->type], out);
    for (const struct series *series = family->first; series != NULL; series = series->next) {
        switch (family->type) {
        case METRIC_COUNTER:
            render_name(family->name, series->labels, out);
            (void)nj_buf_printf(out, "%" PRIu64 "\n", nj_counter_get(&series->counter));
            break;
        case METRIC_GAUGE:
            render_name(family->name, series->labels, out);
            (void)nj_buf_printf(out, "%" PRId64 "\n",
                                atomic_load_explicit(&series->gauge.value, memory_order_relaxed));
            break;
        case METRIC_HISTOGRAM:
            render_histogram(family->name, series->labels, series->histogram, out);
            break;
        }
    }
}

static void render_process_value(const char *name, const char *help, const char *type, double value,
                                 struct nj_buf *out)
{
    char number[NUMBER_TEXT_MAX];
    render_head(name, help, type, out);
    (void)nj_buf_printf(out, "%s %s\n", name, number_text(value, number));
}

/* Without the one that is opened to count them; -1 when they cannot be counted. From Linux 6.2 on the
 * folder's size is their number. */
static int count_open_fds(void)
{
    struct stat status;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (int)status.st_size;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return -1;
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1;
}

/* Names and meaning are those of Prometheus' client libraries:
 * https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics */
static void render_process(const struct nj_metrics *metrics, struct nj_buf *out)
{
    render_process_value("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                         "counter", clock_seconds(CLOCK_PROCESS_CPUTIME_ID), out);
    char text[PROC_TEXT_MAX];
    read_proc("/proc/self/statm", text);
    const char *resident = strchr(text, ' '); /* the second field, in pages */
    if (resident != NULL) {
        double bytes = (double)strtoull(resident + 1, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
        render_process_value("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge",
                             bytes, out);
    }
    int fds = count_open_fds();
    if (fds >= 0)
        render_process_value("process_open_fds", "Number of open file descriptors.", "gauge", fds, out);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        render_process_value("process_max_fds", "Maximum number of open file descriptors.", "gauge",
                             (double)limit.rlim_cur, out);
    if (metrics->start_time > 0)
        render_process_value("process_start_time_seconds",
                             "Start time of the process since unix epoch in seconds.", "gauge",
                             metrics->start_time, out);
}

int nj_metrics_render(const struct nj_metrics *metrics, struct nj_buf *out)
{
    for (const struct family *family = metrics->first; family != NULL; family = family->next)
        render_family(family, out);
    render_process(metrics, out);
    return nj_buf_check(out);
}
