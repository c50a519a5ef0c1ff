#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    DAYS_0000_TO_1970 = 719468, /* from 0000-03-01, where the calendar's eras start */
    DAYS_PER_ERA = 146097,      /* 400 years */
    SECONDS_PER_DAY = 86400,
    NS_DIGITS = 9,
};

void nj_clock_init(struct nj_clock *clock)
{
    clock->replay = NULL;
}

int nj_clock_open_replay(struct nj_clock *clock, const char *path, struct nj_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int code = -errno;
        return nj_err_set(err, code, "replay clock %s: %s", path, strerror(-code));
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(int64_t)) {
        close(fd);
        return nj_err_set(err, -EINVAL, "replay clock %s: not a file of at least 8 bytes", path);
    }
    void *memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    int code = -errno;
    close(fd);
    if (memory == MAP_FAILED)
        return nj_err_set(err, code, "replay clock %s: %s", path, strerror(-code));
    clock->replay = memory;
    return 0;
}

void nj_clock_close(struct nj_clock *clock)
{
    if (clock->replay != NULL)
        munmap((void *)clock->replay, sizeof(int64_t));
    clock->replay = NULL;
}

static int64_t system_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NJ_SEC + now.tv_nsec;
}

int64_t nj_clock_wall_ns(const struct nj_clock *clock)
{
    return clock->replay != NULL ? __atomic_load_n(clock->replay, __ATOMIC_ACQUIRE)
                                 : system_ns(CLOCK_REALTIME);
}

int64_t nj_clock_mono_ns(const struct nj_clock *clock)
{
    return clock->replay != NULL ? __atomic_load_n(clock->replay, __ATOMIC_ACQUIRE)
                                 : system_ns(CLOCK_MONOTONIC);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years start in March, so that the leap day is
 * last. Source: https://howardhinnant.github.io/date_algorithms.html#days_from_civil (years >= 0 here). */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_0000_TO_1970;
}

static int days_in_month(int year, int month)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `count` digits; -1 when one is none. */
static int fixed_digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* ".5" and any number of digits more; those past nanoseconds are dropped. Moves *at behind them. False
 * without a digit. */
static bool parse_fraction(const char **at, const char *end, int64_t *ret_ns)
{
    int64_t ns = 0;
    int digits = 0;
    const char *c = *at + 1;
    for (; c < end && *c >= '0' && *c <= '9'; c++) {
        if (digits < NS_DIGITS) {
            ns = ns * 10 + (*c - '0');
            digits++;
        }
    }
    if (digits == 0)
        return false;
    for (; digits < NS_DIGITS; digits++)
        ns *= 10;
    *at = c;
    *ret_ns = ns;
    return true;
}

/* "Z" or "+hh:mm" up to the end. */
static bool parse_offset(const char *at, const char *end, int *ret_seconds)
{
    if (end - at == 1 && (*at == 'Z' || *at == 'z')) {
        *ret_seconds = 0;
        return true;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':')
        return false;
    int hours = fixed_digits(at + 1, 2);
    int minutes = fixed_digits(at + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_seconds = (hours * 60 + minutes) * (*at == '-' ? -60 : 60);
    return true;
}

int nj_time_parse(const char *text, size_t len, int64_t *ret_ns)
{
    enum { LEAST = sizeof("2026-11-21T09:13:32Z") - 1, FRACTION_AT = LEAST - 1 };
    if (len == (size_t)-1)
        len = strlen(text);
    if (len < LEAST || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return -EINVAL;
    int year = fixed_digits(text, 4);
    int month = fixed_digits(text + 5, 2);
    int day = fixed_digits(text + 8, 2);
    int hour = fixed_digits(text + 11, 2);
    int minute = fixed_digits(text + 14, 2);
    int second = fixed_digits(text + 17, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -EINVAL;

    const char *at = text + FRACTION_AT;
    const char *end = text + len;
    int64_t fraction = 0;
    int offset;
    if (*at == '.' && !parse_fraction(&at, end, &fraction))
        return -EINVAL;
    if (!parse_offset(at, end, &offset))
        return -EINVAL;
    int64_t of_day = (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
    int64_t seconds = days_from_date(year, month, day) * SECONDS_PER_DAY + of_day - offset;
    int64_t ns;
    if (__builtin_mul_overflow(seconds, NJ_SEC, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return -EINVAL;
    *ret_ns = ns;
    return 0;
}

static char *put_digits(char *at, int value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

const char *nj_time_format(int64_t wall_ns, char text[NJ_TIME_TEXT_MAX])
{
    text[0] = '\0';
    if (wall_ns == 0)
        return text;
    int64_t ms = wall_ns / NJ_MS - (wall_ns % NJ_MS < 0);
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
    int of_day = (int)(seconds - days * SECONDS_PER_DAY);

    /* The inverse of days_from_date(), from the same source; an int64_t of ns holds the years 1677 to 2262
     * only, so days since 0000-03-01 are positive. */
    int64_t z = days + DAYS_0000_TO_1970;
    int64_t era = z / DAYS_PER_ERA;
    int64_t doe = z - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int year = (int)(yoe + era * 400 + (month <= 2));

    char *at = put_digits(text, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, (int)(doy - (153 * mp + 2) / 5 + 1), 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, (int)(ms - seconds * 1000), 3);
    *at++ = 'Z';
    *at = '\0';
    return text;
}
