/*
 * A container's leaks, from one scan to the next.
 *
 * Memory is what is anonymous, and swapped out of it: the page cache, which the working set counts in part,
 * grows with every file that is read or written and is given back when needed. A process' fds are limited one
 * by one; the container's leak ends where its fullest process' limit is reached.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/container_trouble_internal.h"
#include "common/base/clock.h"

enum { FOLLOWED_PART = 4, JUDGED_EACH = 120 /* times in the least span, at most */ };

static const double GIVEN_BACK = 1.0 / 3; /* of what had leaked: then it is over */
#define FORESEEN_NS (30 * NJ_DAY)         /* beyond it a limit is nobody's worry today */
#define SOON_NS NJ_HOUR

struct quantity {
    enum nj_trouble_kind kind;
    const char *detail, *name;
    double least; /* the smallest rise that matters */
    bool has_rhythm, bytes;
};

/* Sockets in CLOSE_WAIT and zombies do not come with load: a healthy program soon has none of them again. */
static const struct quantity quantities[NJ_LEAK_QUANTITIES] = {
    [NJ_LEAK_OF_FDS] = {NJ_TROUBLE_LEAK_FDS, "", "open file descriptors", 50, true, false},
    [NJ_LEAK_OF_ZOMBIES] = {NJ_TROUBLE_LEAK_ZOMBIES, "", "zombie processes", 20, false, false},
    [NJ_LEAK_OF_THREADS] = {NJ_TROUBLE_LEAK_THREADS, "", "threads", 50, true, false},
    [NJ_LEAK_OF_MEMORY] = {NJ_TROUBLE_LEAK_MEMORY, "", "memory", 8 << 20, true, true},
    [NJ_LEAK_OF_CLOSE_WAIT] = {NJ_TROUBLE_LEAK_SOCKETS, "CLOSE_WAIT", "sockets in CLOSE_WAIT", 50, false,
                               false},
    [NJ_LEAK_OF_SOCKETS] = {NJ_TROUBLE_LEAK_SOCKETS, "ALL", "sockets", 50, true, false},
};

enum nj_trouble_kind nj_leak_kind(enum nj_leak_quantity quantity)
{
    return quantities[quantity].kind;
}

const char *nj_leak_detail(enum nj_leak_quantity quantity)
{
    return quantities[quantity].detail;
}

bool nj_leak_watch_add(const struct nj_container_troubles *troubles, struct nj_leak_watch *watch,
                       const struct nj_leak_sample *sample, struct nj_leak_verdict *ret_verdict)
{
    const struct quantity *quantity = &quantities[sample->quantity];
    if (watch->series == NULL) {
        /* Most containers have no zombies, nor sockets in CLOSE_WAIT: no series for these. */
        if (!quantity->has_rhythm && sample->value < quantity->least / FOLLOWED_PART)
            return false;
        watch->series = nj_leak_series_new(&troubles->rules);
    }
    nj_leak_series_add(watch->series, sample->at_ns, sample->value);
    if (sample->at_ns - watch->judged_ns < troubles->rules.least_span_ns / JUDGED_EACH)
        return false;
    watch->judged_ns = sample->at_ns;
    const struct nj_leak_question question = {
        .limit = sample->limit, .least = quantity->least, .has_rhythm = quantity->has_rhythm};
    struct nj_leak_verdict verdict;
    nj_leak_judge(watch->series, &question, &verdict);
    if (!verdict.leaks)
        return false;
    watch->leaked_ns = sample->at_ns;
    watch->began = verdict.began;
    watch->floor = verdict.value;
    *ret_verdict = verdict;
    return watch->since_ns == 0;
}

bool nj_leak_watch_is_over(const struct nj_container_troubles *troubles, const struct nj_leak_watch *watch,
                           const struct nj_leak_sample *sample)
{
    if (watch->since_ns == 0)
        return false;
    /* With a rhythm a leak is plain at the day's lowest point only. */
    const struct nj_leak_rules *rules = &troubles->rules;
    int64_t quiet_ns = 2 * rules->least_span_ns;
    if (quantities[sample->quantity].has_rhythm)
        quiet_ns = rules->rhythm_ns != 0 ? 2 * rules->rhythm_ns : 48 * rules->least_span_ns;
    return sample->value < watch->floor - GIVEN_BACK * (watch->floor - watch->began) ||
           sample->at_ns - watch->leaked_ns > quiet_ns;
}

static const char *severity(const struct nj_leak_sample *sample, const struct nj_leak_verdict *verdict)
{
    if (sample->limit > 0 && (verdict->reaches_ns == 0 || verdict->reaches_ns > FORESEEN_NS) &&
        sample->value < sample->limit / 2)
        return "info";
    return verdict->reaches_ns > 0 && verdict->reaches_ns < SOON_NS ? "critical" : "warning";
}

static void describe(const struct quantity *quantity, const struct nj_leak_sample *sample,
                     const struct nj_leak_verdict *verdict, char text[NJ_TROUBLE_TEXT_MAX])
{
    char now[NJ_ROUGH_TEXT_MAX], limit[NJ_ROUGH_TEXT_MAX], pace[NJ_ROUGH_TEXT_MAX], began[NJ_ROUGH_TEXT_MAX];
    char age[NJ_ROUGH_TEXT_MAX], left[NJ_ROUGH_TEXT_MAX], process[2 * NJ_ROUGH_TEXT_MAX];
    int len =
        snprintf(text, NJ_TROUBLE_TEXT_MAX, "%s climb%s by %s an hour, from %s to %s in %s", quantity->name,
                 quantity->bytes ? "s" : "", nj_rough_amount(verdict->per_hour, quantity->bytes, pace),
                 nj_rough_amount(verdict->began, quantity->bytes, began),
                 nj_rough_amount(sample->value, quantity->bytes, now),
                 nj_rough_duration(sample->at_ns - verdict->since_ns, age));
    if (sample->limit > 0)
        len += snprintf(text + len, NJ_TROUBLE_TEXT_MAX - (size_t)len, ", limit %s",
                        nj_rough_amount(sample->limit, quantity->bytes, limit));
    if (verdict->reaches_ns > 0)
        len += snprintf(text + len, NJ_TROUBLE_TEXT_MAX - (size_t)len, " reached in %s",
                        nj_rough_duration(verdict->reaches_ns, left));
    (void)snprintf(text + len, NJ_TROUBLE_TEXT_MAX - (size_t)len, "%s",
                   nj_process_words(&sample->process, process));
}

void nj_leak_tell(const struct nj_trouble_scan *scan, struct nj_leak_watch *watch,
                  const struct nj_leak_sample *sample, const struct nj_leak_verdict *verdict, bool of_pod)
{
    const struct quantity *quantity = &quantities[sample->quantity];
    char text[NJ_TROUBLE_TEXT_MAX];
    describe(quantity, sample, verdict, text);
    watch->since_ns = scan->wall_ns - (sample->at_ns - verdict->since_ns);
    const struct nj_trouble trouble = {
        .kind = quantity->kind,
        .detail = quantity->detail,
        .severity = severity(sample, verdict),
        .message = text,
        .since_ns = watch->since_ns,
        .value = sample->value,
        .limit = sample->limit,
        .per_hour = verdict->per_hour,
        .reaches_ns = verdict->reaches_ns > 0 ? scan->wall_ns + verdict->reaches_ns : 0,
        .process = sample->process.command,
        .pid = sample->process.pid,
    };
    scan->hooks->on_trouble(scan->hooks->data, scan->figures, &trouble, of_pod);
}

void nj_leak_tell_over(const struct nj_trouble_scan *scan, struct nj_leak_watch *watch,
                       enum nj_leak_quantity quantity, const char *why, bool of_pod)
{
    char text[NJ_TROUBLE_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%s climb%s no more: %s", quantities[quantity].name,
                   quantities[quantity].bytes ? "s" : "", why);
    const struct nj_trouble trouble = {
        .kind = quantities[quantity].kind,
        .detail = quantities[quantity].detail,
        .over = true,
        .severity = "info",
        .message = text,
        .since_ns = watch->since_ns,
        .process = "",
    };
    scan->hooks->on_trouble(scan->hooks->data, scan->figures, &trouble, of_pod);
    watch->since_ns = 0;
}

void nj_leak_watch_restore(struct nj_leak_watch *watch, const struct nj_trouble_restored *restored,
                           int64_t now_ns)
{
    const struct nj_trouble *trouble = restored->trouble;
    double hours = (double)(restored->told_ns - trouble->since_ns) / (double)NJ_HOUR;
    watch->since_ns = trouble->since_ns;
    watch->leaked_ns = now_ns;
    watch->floor = trouble->value;
    watch->began = fmin(watch->floor, fmax(0, watch->floor - trouble->per_hour * fmax(0, hours)));
}

void nj_leak_watch_done(struct nj_leak_watch *watch)
{
    nj_leak_series_free(watch->series);
    *watch = (struct nj_leak_watch){0};
}

static double known(uint64_t value)
{
    return value == NJ_UNKNOWN ? 0 : (double)value;
}

/* The limit of its own, else the node's; 0: none is known. */
static double limit_of(uint64_t own, uint64_t of_node)
{
    return own != NJ_UNKNOWN && own != 0 ? (double)own : known(of_node);
}

/* False where its figures are not known. */
static bool sample_of(const struct nj_trouble_scan *scan, enum nj_leak_quantity quantity,
                      struct nj_leak_sample *ret_sample)
{
    const struct nj_container_figures *figures = scan->figures;
    uint64_t value = NJ_UNKNOWN;
    *ret_sample = (struct nj_leak_sample){.quantity = quantity, .at_ns = figures->at_ns};
    switch (quantity) {
    case NJ_LEAK_OF_FDS:
        value = figures->fds;
        ret_sample->process = figures->fullest;
        if (figures->fullest_limit != NJ_UNKNOWN && figures->fullest_fds <= value)
            ret_sample->limit = known(figures->fullest_limit) + (double)(value - figures->fullest_fds);
        break;
    case NJ_LEAK_OF_ZOMBIES:
        value = figures->zombies;
        ret_sample->process = figures->zombie_parent;
        ret_sample->limit = limit_of(figures->pids_limit, scan->hooks->node_pids);
        break;
    case NJ_LEAK_OF_THREADS:
        value = figures->threads;
        ret_sample->process = figures->most_threads;
        ret_sample->limit = limit_of(figures->pids_limit, scan->hooks->node_pids);
        break;
    case NJ_LEAK_OF_MEMORY:
        value = figures->memory_rss;
        if (value != NJ_UNKNOWN && figures->memory_swap != NJ_UNKNOWN)
            value += figures->memory_swap;
        if (figures->processes == 1)
            ret_sample->process = figures->init;
        ret_sample->limit = limit_of(figures->memory_limit, scan->hooks->node_memory);
        break;
    default:
        break;
    }
    ret_sample->value = known(value);
    return value != NJ_UNKNOWN;
}

void nj_container_leaks(const struct nj_trouble_scan *scan, struct nj_container_watch *container)
{
    for (enum nj_leak_quantity i = 0; i < NJ_LEAKS_OF_CONTAINER; i++) {
        struct nj_leak_watch *watch = &container->leaks[i];
        struct nj_leak_sample sample;
        struct nj_leak_verdict verdict;
        if (!sample_of(scan, i, &sample))
            continue;
        if (nj_leak_watch_add(scan->troubles, watch, &sample, &verdict))
            nj_leak_tell(scan, watch, &sample, &verdict, false);
        else if (nj_leak_watch_is_over(scan->troubles, watch, &sample))
            nj_leak_tell_over(scan, watch, i, "it was given back, or has stayed", false);
    }
}
