/*
 * Where the numbers come from.
 *
 * The recommender of the Vertical Pod Autoscaler (kubernetes/autoscaler, vertical-pod-autoscaler/pkg/
 * recommender: logic/recommender.go, model/aggregations_config.go) takes the 90th percentile of CPU and of
 * the daily memory peaks, adds 15 %, and after an OOM kill at least 20 % or 100 MiB to what was used.
 * Goldilocks shows its target as request and limit. Robusta's KRR (robusta_krr/strategies/simple.py) takes a
 * high percentile of CPU for the request with no limit at all, and the peak of memory with a buffer for both.
 *
 * Here: CPU's request is the 95th percentile and VPA's 15 %, since more is a matter of waiting, not of
 * failing. A CPU limit is only kept where there is one, at the peak and PEAK_MARGIN: what a container takes
 * beyond its request nobody else wants at that moment, and a limit only makes it wait; one that throttles
 * hides what is needed, and is raised by half. Memory cannot wait: its request is the peak and VPA's margin,
 * its limit the peak of start-up and run with PEAK_MARGIN, and both stay above any size at which it was
 * killed, by VPA's 20 % or 100 MiB.
 */
#include "collector/capacity/advice.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"

static const double CPU_PERCENTILE = 0.95;
static const double MARGIN = 1.15;
static const double PEAK_MARGIN = 1.2;
static const double OOM_MARGIN = 1.2;
static const double THROTTLED_MUCH = 0.05, THROTTLED_RAISE = 1.5;
#define OOM_LEAST_RAISE (INT64_C(100) << 20)

enum {
    CPU_LEAST_MILLIS = 10,
    MIB = 1 << 20,
    MEMORY_LEAST_MIB = 16,
    SENTENCE_MAX = 400,
};
#define CONFIDENT_NS NJ_DAY
#define WEEK_NS (7 * NJ_DAY)

/* A JSON array in the making. */
struct reasons {
    struct nj_buf *out;
    bool any;
};

static void say(struct reasons *reasons, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct reasons *reasons, const char *format, ...)
{
    char text[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)nj_buf_append_char(reasons->out, reasons->any ? ',' : '[');
    (void)nj_json_append_string(reasons->out, text, strlen(text));
    reasons->any = true;
}

/* Up to a number that people would write. */
static int64_t round_millis(double cores)
{
    double millis = ceil(cores * 1000 - 1e-6);
    double step = millis <= 100 ? 5 : millis <= 1000 ? 10 : 50;
    millis = ceil(millis / step) * step;
    return millis < CPU_LEAST_MILLIS ? CPU_LEAST_MILLIS : (int64_t)millis;
}

static int64_t round_bytes(double bytes)
{
    double mib = ceil(bytes / MIB);
    double step = mib <= 256 ? 4 : mib <= 2048 ? 16 : 64;
    mib = ceil(mib / step) * step;
    return (int64_t)(mib < MEMORY_LEAST_MIB ? MEMORY_LEAST_MIB : mib) * MIB;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* "256 MiB"; "none" for 0. */
static const char *bytes_text(int64_t bytes, char text[NJ_UNIT_TEXT_MAX])
{
    if (bytes == 0)
        (void)snprintf(text, NJ_UNIT_TEXT_MAX, "none");
    else
        (void)snprintf(text, NJ_UNIT_TEXT_MAX, "%.0f MiB", ceil((double)bytes / MIB));
    return text;
}

static const char *millis_text(int64_t millis, char text[NJ_UNIT_TEXT_MAX])
{
    (void)snprintf(text, NJ_UNIT_TEXT_MAX, millis == 0 ? "none" : "%" PRId64 "m", millis);
    return text;
}

static void advise_cpu_limit(const struct nj_advice_input *input, struct nj_advice *advice,
                             struct reasons *reasons)
{
    double peak = fmax(input->cpu.max, input->cpu_start.max);
    char limit[NJ_UNIT_TEXT_MAX];
    if (input->cpu_limit_millis == 0) {
        say(reasons,
            "It has no CPU limit, and needs none: beyond its request it only takes what is left over.");
        return;
    }
    double wanted = peak * PEAK_MARGIN;
    if (input->throttled >= THROTTLED_MUCH) {
        wanted = fmax(wanted, (double)input->cpu_limit_millis / 1000 * THROTTLED_RAISE);
        advice->cpu_limit_millis = larger(round_millis(wanted), advice->cpu_request_millis);
        say(reasons,
            "It was throttled in %.0f %% of its CPU periods by its limit of %s, which hides what it needs: a "
            "limit of %" PRId64 "m, or none, shows it.",
            100 * input->throttled, millis_text(input->cpu_limit_millis, limit), advice->cpu_limit_millis);
        return;
    }
    advice->cpu_limit_millis = larger(round_millis(wanted), advice->cpu_request_millis);
    say(reasons, "The most CPU that it took was %.3g cores; a limit of %" PRId64 "m leaves it %.0f %% more.",
        peak, advice->cpu_limit_millis, 100 * (PEAK_MARGIN - 1));
}

static void advise_cpu(const struct nj_advice_input *input, struct nj_advice *advice, struct reasons *reasons)
{
    char now[NJ_UNIT_TEXT_MAX];
    /* What has only ever started has nothing else to go by. */
    bool starts_only = input->cpu.count == 0;
    const struct nj_sketch *cpu = starts_only ? &input->cpu_start : &input->cpu;
    if (cpu->count == 0) {
        say(reasons, "No CPU use was seen.");
        return;
    }
    double usual = nj_sketch_quantile(cpu, CPU_PERCENTILE);
    advice->cpu_request_millis = round_millis(usual * MARGIN);
    say(reasons,
        "95 %% of the time it took %.3g cores or less%s; with %.0f %% to spare that is a CPU request of "
        "%" PRId64 "m (now %s).",
        usual, starts_only ? " (it was only seen starting)" : "", 100 * (MARGIN - 1),
        advice->cpu_request_millis, millis_text(input->cpu_request_millis, now));
    if (!starts_only && input->cpu_start.max > input->cpu.max)
        say(reasons,
            "While it starts it takes up to %.3g cores, and later up to %.3g: starting is not what a "
            "request is for.",
            input->cpu_start.max, input->cpu.max);
    advise_cpu_limit(input, advice, reasons);
}

/* The least that memory may be after an OOM kill; 0: there was none. */
static int64_t above_oom(const struct nj_advice_input *input, double peak)
{
    if (input->oom_kills == 0 && input->oom_limit_bytes == 0)
        return 0;
    double killed_at = fmax((double)input->oom_limit_bytes, peak);
    return (int64_t)fmax(killed_at * OOM_MARGIN, killed_at + (double)OOM_LEAST_RAISE);
}

static void advise_memory(const struct nj_advice_input *input, struct nj_advice *advice,
                          struct reasons *reasons)
{
    char request_now[NJ_UNIT_TEXT_MAX], limit_now[NJ_UNIT_TEXT_MAX], at[NJ_UNIT_TEXT_MAX];
    char most[NJ_UNIT_TEXT_MAX], request[NJ_UNIT_TEXT_MAX], limit[NJ_UNIT_TEXT_MAX];
    bool starts_only = input->memory.count == 0;
    double run = starts_only ? input->memory_start.max : input->memory.max;
    double peak = fmax(run, input->memory_start.max);
    int64_t least = above_oom(input, peak);
    if (starts_only && input->memory_start.count == 0 && least == 0) {
        say(reasons, "No memory use was seen.");
        return;
    }
    advice->memory_request_bytes =
        larger(round_bytes(run * MARGIN), least == 0 ? 0 : round_bytes((double)least));
    advice->memory_limit_bytes = larger(round_bytes(peak * PEAK_MARGIN), advice->memory_request_bytes);
    say(reasons,
        "The most memory that it took was %s; with %.0f and %.0f %% to spare that is a request of %s (now "
        "%s) and "
        "a limit of %s (now %s).",
        bytes_text((int64_t)peak, most), 100 * (MARGIN - 1), 100 * (PEAK_MARGIN - 1),
        bytes_text(advice->memory_request_bytes, request),
        bytes_text(input->memory_request_bytes, request_now), bytes_text(advice->memory_limit_bytes, limit),
        bytes_text(input->memory_limit_bytes, limit_now));
    if (!starts_only && input->memory_start.max > run)
        say(reasons, "The most it took was while it started, %s; later it was %s: the request goes by that.",
            bytes_text((int64_t)peak, most), bytes_text((int64_t)run, at));
    if (least == 0)
        return;
    if (input->oom_limit_bytes > 0)
        say(reasons,
            "It was OOM-killed%s under a limit of %s: request and limit stay above that by 20 %%, or 100 "
            "MiB.",
            input->oom_kills > 1 ? " more than once" : "", bytes_text(input->oom_limit_bytes, at));
    else
        say(reasons,
            "It was OOM-killed%s at an unknown size: request and limit stay above its peak by 20 %%, or 100 "
            "MiB.",
            input->oom_kills > 1 ? " more than once" : "");
}

static void judge_confidence(const struct nj_advice_input *input, struct nj_advice *advice,
                             struct reasons *reasons)
{
    bool long_enough = input->seen_ns >= CONFIDENT_NS;
    advice->confident = long_enough && input->cpu.count > 0 && input->memory.count > 0 &&
                        (input->cpu_limit_millis == 0 || input->throttled < THROTTLED_MUCH);
    if (!long_enough)
        say(reasons, "Only %.1f hours were observed: less than a day says little.",
            (double)input->seen_ns / (double)NJ_HOUR);
    else if (input->seen_ns < WEEK_NS)
        say(reasons, "%.1f days were observed: what happens once a week may be missing.",
            (double)input->seen_ns / (double)NJ_DAY);
}

int nj_advise(const struct nj_advice_input *input, struct nj_advice *ret_advice, struct nj_buf *reasons)
{
    struct nj_advice advice = {0};
    struct reasons sentences = {.out = reasons};
    advise_cpu(input, &advice, &sentences);
    advise_memory(input, &advice, &sentences);
    judge_confidence(input, &advice, &sentences);
    (void)nj_buf_append_char(reasons, ']');
    if (nj_buf_check(reasons) < 0)
        return -EOVERFLOW;
    *ret_advice = advice;
    return 0;
}
