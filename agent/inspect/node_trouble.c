#include "agent/inspect/node_trouble.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

enum { PER_CENT = 100, MESSAGE_MAX = 512, SIZE_TEXT = 32, ITEMS_GROW = 8 };

/* A trouble that has been told and is not over. */
struct item {
    enum nj_trouble_kind kind;
    char *detail;
    int level; /* now; it has been told of `told`, which is never less */
    int told;
    int64_t since_ns; /* wall */
    bool seen;        /* its mount, in this round */
};

struct nj_node_troubles {
    struct item *items;
    size_t count, capacity;
    int64_t unsynchronized_ns; /* monotonic; 0: it is synchronized, or not known */
    bool was_synchronized; /* a machine that never was has no time service, or one that the kernel does not
                              know */
};

/* Whom to tell, in one round. */
struct round {
    struct nj_node_troubles *troubles;
    const struct nj_node_figures *node;
    void (*on_trouble)(void *data, const struct nj_trouble *trouble);
    void *data;
};

struct nj_node_troubles *nj_node_troubles_new(void)
{
    return NJ_NEW(struct nj_node_troubles);
}

void nj_node_troubles_free(struct nj_node_troubles *troubles)
{
    if (troubles == NULL)
        return;
    for (size_t i = 0; i < troubles->count; i++)
        free(troubles->items[i].detail);
    free(troubles->items);
    free(troubles);
}

static struct item *find(const struct nj_node_troubles *troubles, enum nj_trouble_kind kind,
                         const char *detail)
{
    for (size_t i = 0; i < troubles->count; i++) {
        if (troubles->items[i].kind == kind && strcmp(troubles->items[i].detail, detail) == 0)
            return &troubles->items[i];
    }
    return NULL;
}

static struct item *begin(struct nj_node_troubles *troubles, enum nj_trouble_kind kind, const char *detail,
                          int64_t since_ns)
{
    if (troubles->count == troubles->capacity) {
        troubles->capacity += ITEMS_GROW;
        troubles->items = nj_realloc(troubles->items, troubles->capacity, sizeof(*troubles->items));
    }
    struct item *item = &troubles->items[troubles->count++];
    *item = (struct item){
        .kind = kind, .detail = nj_strdup(detail), .told = -1, .since_ns = since_ns, .seen = true};
    return item;
}

static void remove_item(struct nj_node_troubles *troubles, struct item *item)
{
    free(item->detail);
    *item = troubles->items[--troubles->count];
}

void nj_node_troubles_restore(struct nj_node_troubles *troubles, const struct nj_trouble *trouble,
                              int64_t now_ns)
{
    if (find(troubles, trouble->kind, trouble->detail) != NULL)
        return;
    struct item *item = begin(troubles, trouble->kind, trouble->detail, trouble->since_ns);
    item->level = item->told = trouble->level;
    if (trouble->kind != NJ_TROUBLE_NODE_CLOCK || strcmp(trouble->detail, "unsynchronized") != 0)
        return;
    troubles->was_synchronized = true;
    troubles->unsynchronized_ns = now_ns - NJ_NODE_CLOCK_UNSYNCHRONIZED_S * NJ_SEC;
}

/* What a figure says of a trouble at this moment. */
struct finding {
    enum nj_trouble_kind kind;
    const char *detail;
    bool is_on;
    int level;
    bool critical;
    int64_t since_ns; /* wall, if it begins now */
    double value, limit;
    const struct nj_inspect_process *process; /* may be NULL */
    char message[MESSAGE_MAX];
};

static void say(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct finding *finding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->message, sizeof(finding->message), format, arguments);
    va_end(arguments);
}

static void tell(const struct round *round, const struct item *item, const struct finding *finding)
{
    bool has_process = finding->process != NULL && finding->process->pid > 0;
    struct nj_trouble trouble = {
        .kind = item->kind,
        .detail = item->detail,
        .over = !finding->is_on,
        .level = finding->is_on ? finding->level : 0,
        .severity = !finding->is_on     ? "info"
                    : finding->critical ? "critical"
                                        : "warning",
        .message = finding->message,
        .since_ns = item->since_ns,
        .value = finding->value,
        .limit = finding->limit,
        .process = has_process ? finding->process->command : "",
        .pid = has_process ? finding->process->pid : 0,
    };
    round->on_trouble(round->data, &trouble);
}

static void settle(const struct round *round, struct finding *finding)
{
    struct item *item = find(round->troubles, finding->kind, finding->detail);
    if (item == NULL && !finding->is_on)
        return;
    if (item == NULL)
        item = begin(round->troubles, finding->kind, finding->detail, finding->since_ns);
    item->seen = true;
    item->level = finding->level;
    if (!finding->is_on) {
        tell(round, item, finding);
        remove_item(round->troubles, item);
    } else if (finding->level > item->told) {
        item->told = finding->level;
        tell(round, item, finding);
    }
}

/* ---- limits */

static int level_of(double per_cent, int warning, int before)
{
    if (per_cent >= NJ_NODE_CRITICAL ||
        (before == NJ_NODE_CRITICAL && per_cent >= NJ_NODE_CRITICAL - NJ_NODE_BELOW))
        return NJ_NODE_CRITICAL;
    if (per_cent >= warning || (before > 0 && per_cent >= warning - NJ_NODE_BELOW))
        return warning;
    return 0;
}

/* False when the figures do not tell. Sets all but the message; *ret_per_cent is rounded down, so that none
 * reads as full that is not. */
static bool measure(const struct round *round, enum nj_trouble_kind kind, const char *detail, uint64_t value,
                    uint64_t limit, int warning, struct finding *ret_finding, int *ret_per_cent)
{
    if (value == NJ_UNKNOWN || limit == NJ_UNKNOWN || limit == 0)
        return false;
    const struct item *item = find(round->troubles, kind, detail);
    double per_cent = (double)value / (double)limit * PER_CENT;
    int level = level_of(per_cent, warning, item == NULL ? 0 : item->level);
    *ret_finding = (struct finding){.kind = kind,
                                    .detail = detail,
                                    .is_on = level > 0,
                                    .level = level,
                                    .critical = level == NJ_NODE_CRITICAL,
                                    .since_ns = round->node->wall_ns,
                                    .value = (double)value,
                                    .limit = (double)limit};
    *ret_per_cent = per_cent > 999 ? 999 : (int)per_cent;
    return true;
}

static const char *size_text(uint64_t bytes, char text[SIZE_TEXT])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    enum { STEP = 1024 };
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= STEP && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        size /= STEP;
    (void)snprintf(text, SIZE_TEXT, "%.*f %s", unit == 0 || size >= PER_CENT ? 0 : 1, size, units[unit]);
    return text;
}

/* What is left for others than root, as the kubelet looks at it for its own thresholds. */
static void look_at_space(const struct round *round, const struct nj_mount_figures *mount)
{
    struct finding finding;
    char left[SIZE_TEXT], size[SIZE_TEXT];
    int per_cent;
    if (mount->size == NJ_UNKNOWN || mount->available > mount->size ||
        !measure(round, NJ_TROUBLE_NODE_DISK_FULL, mount->path, mount->size - mount->available, mount->size,
                 NJ_NODE_DISK_WARNING, &finding, &per_cent))
        return;
    say(&finding, "%s is %s%d %% full: %s of %s are left", mount->path, finding.is_on ? "" : "only ",
        per_cent, size_text(mount->available, left), size_text(mount->size, size));
    settle(round, &finding);
}

static void look_at_inodes(const struct round *round, const struct nj_mount_figures *mount)
{
    struct finding finding;
    int per_cent;
    if (mount->inodes == NJ_UNKNOWN || mount->inodes_free > mount->inodes ||
        !measure(round, NJ_TROUBLE_NODE_INODES_FULL, mount->path, mount->inodes - mount->inodes_free,
                 mount->inodes, NJ_NODE_DISK_WARNING, &finding, &per_cent))
        return;
    say(&finding, "%s has used %s%d %% of its inodes: %" PRIu64 " of %" PRIu64 " are left", mount->path,
        finding.is_on ? "" : "only ", per_cent, mount->inodes_free, mount->inodes);
    settle(round, &finding);
}

/* The file systems whose troubles are not confirmed by a mount of this round. */
static void end_unmounted(const struct round *round)
{
    struct nj_node_troubles *troubles = round->troubles;
    for (size_t i = troubles->count; i-- > 0;) {
        struct item *item = &troubles->items[i];
        if (item->seen ||
            (item->kind != NJ_TROUBLE_NODE_DISK_FULL && item->kind != NJ_TROUBLE_NODE_INODES_FULL))
            continue;
        struct finding gone = {.kind = item->kind};
        say(&gone, "%s is not mounted any more, or only for reading", item->detail);
        tell(round, item, &gone);
        remove_item(troubles, item);
    }
}

static void look_at_mounts(const struct round *round)
{
    const struct nj_node_figures *node = round->node;
    if (node->mounts_count == 0) /* could not be read: a node has one at least */
        return;
    for (size_t i = 0; i < round->troubles->count; i++)
        round->troubles->items[i].seen = false;
    for (size_t i = 0; i < node->mounts_count; i++) {
        static const enum nj_trouble_kind kinds[] = {NJ_TROUBLE_NODE_DISK_FULL, NJ_TROUBLE_NODE_INODES_FULL};
        const struct nj_mount_figures *mount = &node->mounts[i];
        if (mount->read_only)
            continue;
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            struct item *item = find(round->troubles, kinds[k], mount->path);
            if (item != NULL) /* it is there, whether its figures are known or not */
                item->seen = true;
        }
        look_at_space(round, mount);
        look_at_inodes(round, mount);
    }
    end_unmounted(round);
}

static void look_at_table(const struct round *round, enum nj_trouble_kind kind, uint64_t value,
                          uint64_t limit, const char *what, const char *consequence)
{
    struct finding finding;
    int per_cent;
    if (!measure(round, kind, "", value, limit, NJ_NODE_TABLE_WARNING, &finding, &per_cent))
        return;
    say(&finding, "%" PRIu64 " of %" PRIu64 " %s are in use (%s%d %%)%s", value, limit, what,
        finding.is_on ? "" : "only ", per_cent, finding.is_on ? consequence : "");
    settle(round, &finding);
}

/* ---- what has no limit */

static void look_at_zombies(const struct round *round)
{
    uint64_t zombies = round->node->host_zombies;
    bool before = find(round->troubles, NJ_TROUBLE_NODE_ZOMBIES, "") != NULL;
    uint64_t least = before ? NJ_NODE_ZOMBIES * (PER_CENT - NJ_NODE_BELOW) / PER_CENT : NJ_NODE_ZOMBIES;
    if (zombies == NJ_UNKNOWN)
        return;
    struct finding finding = {.kind = NJ_TROUBLE_NODE_ZOMBIES,
                              .detail = "",
                              .is_on = zombies > least,
                              .since_ns = round->node->wall_ns,
                              .value = (double)zombies,
                              .process = &round->node->zombie_parent};
    if (!finding.is_on)
        say(&finding, "only %" PRIu64 " processes outside of pods are zombies", zombies);
    else if (finding.process->pid > 0)
        say(&finding,
            "%" PRIu64 " processes outside of pods are zombies: %s (pid %" PRId32
            ") does not wait for most of them",
            zombies, finding.process->command, finding.process->pid);
    else
        say(&finding, "%" PRIu64 " processes outside of pods are zombies: nobody waits for them", zombies);
    settle(round, &finding);
}

static void look_at_offset(const struct round *round)
{
    int64_t offset_ns = round->node->clock_offset_ns;
    if (offset_ns == INT64_MIN)
        return;
    bool before = find(round->troubles, NJ_TROUBLE_NODE_CLOCK, "offset") != NULL;
    double off_ms = (double)(offset_ns < 0 ? -offset_ns : offset_ns) / (double)NJ_MS;
    struct finding finding = {.kind = NJ_TROUBLE_NODE_CLOCK,
                              .detail = "offset",
                              .is_on = off_ms > (before ? NJ_NODE_CLOCK_OFF_MS / 2 : NJ_NODE_CLOCK_OFF_MS),
                              .since_ns = round->node->wall_ns,
                              .value = off_ms,
                              .limit = NJ_NODE_CLOCK_OFF_MS};
    if (finding.is_on)
        say(&finding, "the clock is off by %.0f ms: what happened when cannot be compared with other nodes",
            off_ms);
    else
        say(&finding, "the clock is off by only %.0f ms", off_ms);
    settle(round, &finding);
}

static void look_at_synchronization(const struct round *round)
{
    struct nj_node_troubles *troubles = round->troubles;
    const struct nj_node_figures *node = round->node;
    enum { MINUTE_S = 60 };
    if (node->clock_offset_ns == INT64_MIN)
        return;
    troubles->was_synchronized |= node->clock_synchronized;
    if (node->clock_synchronized || !troubles->was_synchronized)
        troubles->unsynchronized_ns = 0;
    else if (troubles->unsynchronized_ns == 0)
        troubles->unsynchronized_ns = node->at_ns;
    int64_t for_ns = troubles->unsynchronized_ns == 0 ? 0 : node->at_ns - troubles->unsynchronized_ns;
    struct finding finding = {.kind = NJ_TROUBLE_NODE_CLOCK,
                              .detail = "unsynchronized",
                              .is_on = for_ns >= NJ_NODE_CLOCK_UNSYNCHRONIZED_S * NJ_SEC,
                              .since_ns = node->wall_ns - for_ns,
                              .value = (double)for_ns / (double)NJ_SEC};
    if (finding.is_on)
        say(&finding,
            "the clock has not been synchronized for %" PRId64 " minutes: is the time service running?",
            for_ns / NJ_SEC / MINUTE_S);
    else
        say(&finding, "the clock is synchronized");
    settle(round, &finding);
}

void nj_node_troubles_update(struct nj_node_troubles *troubles, const struct nj_node_figures *node,
                             void (*on_trouble)(void *data, const struct nj_trouble *trouble), void *data)
{
    struct round round = {.troubles = troubles, .node = node, .on_trouble = on_trouble, .data = data};
    look_at_mounts(&round);
    look_at_table(&round, NJ_TROUBLE_NODE_CONNTRACK_FULL, node->conntrack, node->conntrack_max,
                  "entries for tracked connections",
                  ": when there are none left, new connections are dropped");
    look_at_table(&round, NJ_TROUBLE_NODE_FILES_FULL, node->files, node->files_max, "open files",
                  ": when there are none left, nothing can be opened");
    look_at_table(&round, NJ_TROUBLE_NODE_PIDS_FULL, node->threads, node->pid_max, "process ids",
                  ": when there are none left, nothing can be started");
    look_at_zombies(&round);
    look_at_offset(&round);
    look_at_synchronization(&round);
}
