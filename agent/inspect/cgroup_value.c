#include <string.h>

#include "agent/inspect/cgroup_internal.h"

/* A decimal number; *ret_end is what follows. False without a digit or past 64 bits. */
static bool take_number(const char *text, uint64_t *ret_value, const char **ret_end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    if (at == text)
        return false;
    *ret_value = value;
    *ret_end = at;
    return true;
}

static bool ends_word(char c)
{
    return c == '\0' || c == '\n' || c == ' ';
}

/* A whole word that is a number. */
static uint64_t word_number(const char *text)
{
    uint64_t value;
    const char *end;
    return take_number(text, &value, &end) && ends_word(*end) ? value : NJ_UNKNOWN;
}

uint64_t nj_cgroup_number(const char *text)
{
    uint64_t value;
    const char *end;
    if (!take_number(text, &value, &end) || end[*end == '\n'] != '\0')
        return NJ_UNKNOWN;
    return value;
}

/* The line after this one; NULL after the last. */
static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end == NULL || end[1] == '\0' ? NULL : end + 1;
}

/* Of "KEY REST" the rest, when the line begins with that key. */
static const char *after_key(const char *line, const char *key)
{
    size_t len = strlen(key);
    return strncmp(line, key, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

/* Of a line of "KEY=VALUE" words the value of a key. */
static const char *word_value(const char *line, const char *key)
{
    size_t len = strlen(key);
    for (const char *word = line; *word != '\0' && *word != '\n';) {
        if (strncmp(word, key, len) == 0 && word[len] == '=')
            return word + len + 1;
        word += strcspn(word, " \n");
        word += *word == ' ';
    }
    return NULL;
}

uint64_t nj_cgroup_keyed(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const char *value = after_key(line, key);
        if (value != NULL)
            return word_number(value);
    }
    return NJ_UNKNOWN;
}

uint64_t nj_cgroup_pressure(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const char *rest = after_key(line, key);
        const char *value = rest == NULL ? NULL : word_value(rest, "total");
        if (value != NULL)
            return word_number(value);
    }
    return NJ_UNKNOWN;
}

/* False: the sum is not to be told. */
static bool add(uint64_t *sum, const char *value)
{
    uint64_t number = word_number(value);
    return number != NJ_UNKNOWN && !__builtin_add_overflow(*sum, number, sum);
}

uint64_t nj_cgroup_io_v2(const char *text, const char *key)
{
    uint64_t sum = 0;
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const char *value = word_value(line, key);
        if (value != NULL && !add(&sum, value))
            return NJ_UNKNOWN;
    }
    return sum;
}

uint64_t nj_cgroup_io_v1(const char *text, const char *operation)
{
    uint64_t sum = 0;
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const char *rest = line + strcspn(line, " \n");
        const char *value = *rest == ' ' ? after_key(rest + 1, operation) : NULL;
        if (value != NULL && !add(&sum, value))
            return NJ_UNKNOWN;
    }
    return sum;
}

uint64_t nj_cgroup_quota_millis(uint64_t quota_us, uint64_t period_us)
{
    uint64_t scaled;
    if (quota_us == NJ_UNKNOWN || period_us == NJ_UNKNOWN || period_us == 0 ||
        __builtin_mul_overflow(quota_us, 1000, &scaled))
        return NJ_UNKNOWN;
    return scaled / period_us;
}

uint64_t nj_cgroup_quota(const char *text)
{
    const char *space = strchr(text, ' ');
    return space == NULL ? NJ_UNKNOWN
                         : nj_cgroup_quota_millis(word_number(text), nj_cgroup_number(space + 1));
}
