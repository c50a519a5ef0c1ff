#include "common/kube/quantity.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { EXPONENT_MAX = 999 }; /* a larger one is the same as this: next to 0, or INT64_MAX */

/* Below this one more digit is kept: 19 significant ones in all, as INT64_MAX has. */
static const uint64_t DIGITS_FULL = UINT64_C(1000000000000000000);

struct suffix {
    const char *text;
    int twos, tens; /* the factor is 2^twos * 10^tens */
};

static const struct suffix suffixes[] = {
    {"", 0, 0},    {"Ki", 10, 0}, {"Mi", 20, 0}, {"Gi", 30, 0}, {"Ti", 40, 0}, {"Pi", 50, 0},
    {"Ei", 60, 0}, {"n", 0, -9},  {"u", 0, -6},  {"m", 0, -3},  {"k", 0, 3},   {"M", 0, 6},
    {"G", 0, 9},   {"T", 0, 12},  {"P", 0, 15},  {"E", 0, 18},
};

/* Digits as value * 10^tens; those that are not kept count as "a little more", so that rounding up stays
 * right. */
struct number {
    uint64_t value;
    int tens;
    bool more;
};

static const char *parse_digits(const char *at, struct number *number, bool fraction, bool *found)
{
    for (; *at >= '0' && *at <= '9'; at++) {
        *found = true;
        if (number->value < DIGITS_FULL) {
            number->value = number->value * 10 + (uint64_t)(*at - '0');
            number->tens -= fraction;
        } else {
            number->more = number->more || *at != '0';
            number->tens += !fraction;
        }
    }
    return at;
}

/* "e3", "E-2" up to the end. */
static bool parse_exponent(const char *at, int *ret_tens)
{
    if (*at != 'e' && *at != 'E')
        return false;
    at++;
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    int value = 0;
    const char *start = at;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value >= EXPONENT_MAX / 10 ? EXPONENT_MAX : value * 10 + (*at - '0');
    *ret_tens = negative ? -value : value;
    return at > start && *at == '\0';
}

static bool parse_suffix(const char *at, int *ret_twos, int *ret_tens)
{
    *ret_twos = 0;
    if (parse_exponent(at, ret_tens))
        return true;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strcmp(at, suffixes[i].text) == 0) {
            *ret_twos = suffixes[i].twos;
            *ret_tens = suffixes[i].tens;
            return true;
        }
    }
    return false;
}

/* ceil(value * 2^twos * 10^tens * scale), at most INT64_MAX. */
static int64_t scaled(struct number number, int twos, int64_t scale)
{
    unsigned __int128 value = (unsigned __int128)number.value * (uint64_t)scale;
    bool rest = number.more;
    if (value > ~(unsigned __int128)0 >> twos)
        return INT64_MAX;
    value <<= twos;
    for (int tens = number.tens; tens < 0 && value > 0; tens++) {
        rest = rest || value % 10 != 0;
        value /= 10;
    }
    for (int tens = number.tens; tens > 0 && value > 0 && value <= INT64_MAX; tens--)
        value *= 10;
    value += rest;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int nj_quantity_parse(const char *text, int64_t scale, int64_t *ret_value)
{
    struct number number = {0};
    bool found = false;
    int twos, tens;
    if (*text == '+')
        text++;
    const char *at = parse_digits(text, &number, false, &found);
    if (*at == '.')
        at = parse_digits(at + 1, &number, true, &found);
    if (!found || !parse_suffix(at, &twos, &tens))
        return -EINVAL;
    number.tens += tens;
    *ret_value = scaled(number, twos, scale);
    return 0;
}
