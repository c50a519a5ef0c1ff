#include <math.h>
#include <stdio.h>

#include "agent/inspect/container_trouble_internal.h"
#include "common/base/clock.h"

const char *nj_rough_duration(int64_t ns, char text[NJ_ROUGH_TEXT_MAX])
{
    if (ns < 2 * NJ_MIN)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%lld s", (long long)(ns / NJ_SEC));
    else if (ns < 2 * NJ_HOUR)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%lld min", (long long)(ns / NJ_MIN));
    else if (ns < 2 * NJ_DAY)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%lld h", (long long)(ns / NJ_HOUR));
    else
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%lld days", (long long)(ns / NJ_DAY));
    return text;
}

const char *nj_rough_amount(double value, bool bytes, char text[NJ_ROUGH_TEXT_MAX])
{
    const double kib = 1024, mib = 1024 * kib, gib = 1024 * mib;
    if (!bytes)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, value < 10 && value != floor(value) ? "%.1f" : "%.0f", value);
    else if (value >= gib)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%.1f GiB", value / gib);
    else if (value >= mib)
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, value >= 10 * mib ? "%.0f MiB" : "%.1f MiB", value / mib);
    else
        (void)snprintf(text, NJ_ROUGH_TEXT_MAX, "%.0f KiB", value / kib);
    return text;
}

const char *nj_process_words(const struct nj_inspect_process *process, char text[2 * NJ_ROUGH_TEXT_MAX])
{
    text[0] = '\0';
    if (process->pid != 0)
        (void)snprintf(text, (size_t)2 * NJ_ROUGH_TEXT_MAX, " (%s, pid %d)", process->command, process->pid);
    return text;
}
