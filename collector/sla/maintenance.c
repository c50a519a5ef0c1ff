#include "collector/sla/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { DAYS = 7, DAY_MINUTES = 24 * 60, EPOCH_WEEKDAY = 4 /* 1970-01-01 was a Thursday; Sunday is 0 */ };

struct window {
    char *namespaces, *reason;
    int64_t from_ns, to_ns;       /* once; 0: every week */
    unsigned days;                /* bit 0: Sunday */
    int begin_minute, end_minute; /* of the day; end <= begin: on the next */
    int64_t offset_ns;
};

struct nj_maintenance {
    struct window *windows;
    size_t count;
    struct nj_suppress_window *told;
};

static const char *const day_names[DAYS] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int parse_day(const char **at)
{
    for (int day = 0; day < DAYS; day++) {
        if (strncmp(*at, day_names[day], 3) == 0) {
            *at += 3;
            return day;
        }
    }
    return -1;
}

/* "Sun", "Mon-Fri", "Sat,Sun", "daily" */
static bool parse_days(const char **at, unsigned *ret_days)
{
    unsigned days = 0;
    if (nj_str_starts(*at, "daily")) {
        *at += strlen("daily");
        *ret_days = (1U << DAYS) - 1;
        return true;
    }
    for (;;) {
        int first = parse_day(at);
        int last = first;
        if (first >= 0 && **at == '-') {
            (*at)++;
            last = parse_day(at);
        }
        if (first < 0 || last < 0)
            return false;
        for (int day = first;; day = (day + 1) % DAYS) {
            days |= 1U << day;
            if (day == last)
                break;
        }
        if (**at != ',')
            break;
        (*at)++;
    }
    *ret_days = days;
    return true;
}

/* "02:00"; "24:00" is the day's end. */
static bool parse_clock(const char *text, int *ret_minute, int *ret_used)
{
    enum { USED = 5, TEN = 10, HOUR_MINUTES = 60 };
    static const int worth[USED] = {TEN * HOUR_MINUTES, HOUR_MINUTES, 0, TEN, 1};
    int minute = 0;
    for (int i = 0; i < USED; i++) {
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
        minute += i == 2 ? 0 : (text[i] - '0') * worth[i];
    }
    if (text[3] > '5' || minute > DAY_MINUTES)
        return false;
    *ret_minute = minute;
    *ret_used = USED;
    return true;
}

static bool parse_schedule(const char *text, struct window *window)
{
    int used = 0;
    if (!parse_days(&text, &window->days) || *text != ' ')
        return false;
    text++;
    if (!parse_clock(text, &window->begin_minute, &used) || text[used] != '-')
        return false;
    text += used + 1;
    return parse_clock(text, &window->end_minute, &used) && text[used] == '\0' &&
           window->begin_minute < DAY_MINUTES;
}

static bool parse_zone(const char *text, int64_t *ret_offset_ns)
{
    int minute = 0, used = 0;
    *ret_offset_ns = 0;
    if (text[0] == '\0' || nj_streq(text, "UTC"))
        return true;
    if ((text[0] != '+' && text[0] != '-') || !parse_clock(text + 1, &minute, &used) ||
        text[1 + used] != '\0')
        return false;
    *ret_offset_ns = text[0] == '-' ? -minute * NJ_MIN : minute * NJ_MIN;
    return true;
}

static int parse(const struct nj_maintenance_config *from, size_t number, struct window *window,
                 struct nj_err *err)
{
    bool once = nj_str(from->from)[0] != '\0' || nj_str(from->to)[0] != '\0';
    bool weekly = nj_str(from->schedule)[0] != '\0';
    *window = (struct window){.namespaces = nj_strdup(from->namespaces), .reason = nj_strdup(from->reason)};
    if (once == weekly)
        return nj_err_set(err, -EINVAL, "sla.maintenance[%zu]: either from and to, or schedule must be given",
                          number);
    if (once && (nj_time_parse(from->from, (size_t)-1, &window->from_ns) < 0 ||
                 nj_time_parse(from->to, (size_t)-1, &window->to_ns) < 0 || window->to_ns <= window->from_ns))
        return nj_err_set(err, -EINVAL,
                          "sla.maintenance[%zu]: from and to must be times such as "
                          "2026-11-21T09:00:00Z, from the earlier one",
                          number);
    if (weekly && !parse_schedule(from->schedule, window))
        return nj_err_set(err, -EINVAL,
                          "sla.maintenance[%zu]: schedule \"%s\" is not like \"Sun 02:00-04:00\", "
                          "\"Mon-Fri 22:00-02:00\" or \"daily 03:00-03:30\"",
                          number, from->schedule);
    if (!parse_zone(nj_str(from->zone), &window->offset_ns))
        return nj_err_set(err, -EINVAL, "sla.maintenance[%zu]: zone \"%s\" is not like \"+08:00\" or \"UTC\"",
                          number, from->zone);
    return 0;
}

struct nj_maintenance *nj_maintenance_new(const struct nj_config_list *windows, struct nj_err *err)
{
    struct nj_maintenance *maintenance = NJ_NEW(struct nj_maintenance);
    const struct nj_maintenance_config *items = windows->items;
    maintenance->windows = nj_calloc(windows->count + 1, sizeof(*maintenance->windows));
    maintenance->told = nj_calloc(windows->count + 1, sizeof(*maintenance->told));
    for (size_t i = 0; i < windows->count; i++) {
        maintenance->count++;
        if (parse(&items[i], i, &maintenance->windows[i], err) < 0) {
            nj_maintenance_free(maintenance);
            return NULL;
        }
    }
    return maintenance;
}

void nj_maintenance_free(struct nj_maintenance *maintenance)
{
    if (maintenance == NULL)
        return;
    for (size_t i = 0; i < maintenance->count; i++) {
        free(maintenance->windows[i].namespaces);
        free(maintenance->windows[i].reason);
    }
    free(maintenance->windows);
    free(maintenance->told);
    free(maintenance);
}

/* The one that begins on the local day `day` (since 1970). False: none does. */
static bool of_day(const struct window *window, int64_t day, int64_t *ret_from_ns, int64_t *ret_until_ns)
{
    int weekday = (int)((day + EPOCH_WEEKDAY) % DAYS);
    int64_t begin_ns = day * NJ_DAY - window->offset_ns;
    *ret_from_ns = begin_ns + window->begin_minute * NJ_MIN;
    *ret_until_ns = begin_ns + window->end_minute * NJ_MIN;
    if (*ret_until_ns <= *ret_from_ns)
        *ret_until_ns += NJ_DAY;
    return (window->days & (1U << weekday)) != 0;
}

/* The stretch that is on at at_ns, or else the next one. False: there is none any more. */
static bool stretch(const struct window *window, int64_t at_ns, int64_t *ret_from_ns, int64_t *ret_until_ns)
{
    if (window->to_ns > 0) {
        *ret_from_ns = window->from_ns;
        *ret_until_ns = window->to_ns;
        return at_ns < window->to_ns;
    }
    int64_t today = (at_ns + window->offset_ns) / NJ_DAY;
    for (int64_t day = today - 1; day <= today + DAYS; day++) {
        if (of_day(window, day, ret_from_ns, ret_until_ns) && at_ns < *ret_until_ns)
            return true;
    }
    return false;
}

void nj_maintenance_add(struct nj_maintenance_state *state, int64_t at_ns, int64_t from_ns, int64_t until_ns,
                        const char *reason)
{
    bool on = from_ns <= at_ns && at_ns < until_ns;
    int64_t edge_ns = on ? until_ns : from_ns;
    if (until_ns <= at_ns)
        return;
    if (on && !state->on) {
        size_t len = nj_utf8_cut(reason, strlen(reason), sizeof(state->reason) - 1);
        memcpy(state->reason, reason, len);
        state->reason[len] = '\0';
        state->on = true;
    }
    if (edge_ns < state->until_ns)
        state->until_ns = edge_ns;
}

void nj_maintenance_at(const struct nj_maintenance *maintenance, const char *namespace, int64_t at_ns,
                       struct nj_maintenance_state *state)
{
    int64_t from_ns = 0, until_ns = 0;
    for (size_t i = 0; i < maintenance->count; i++) {
        const struct window *window = &maintenance->windows[i];
        if ((namespace == NULL || nj_glob_match(window->namespaces, namespace)) &&
            stretch(window, at_ns, &from_ns, &until_ns))
            nj_maintenance_add(state, at_ns, from_ns, until_ns, nj_str(window->reason));
    }
}

const struct nj_suppress_window *nj_maintenance_windows(struct nj_maintenance *maintenance, int64_t now_ns,
                                                        size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < maintenance->count; i++) {
        struct nj_suppress_window *told = &maintenance->told[count];
        told->namespaces = maintenance->windows[i].namespaces;
        bool on = stretch(&maintenance->windows[i], now_ns, &told->from_ns, &told->until_ns) &&
                  told->from_ns <= now_ns;
        count += on ? 1 : 0;
    }
    *ret_count = count;
    return maintenance->told;
}
