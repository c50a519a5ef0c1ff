#include "common/base/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    NAME_MAX_BYTES = 64,
    FILE_MAX = 64 << 10,
    HEADER_BYTES = 44,
    TYPE_BYTES = 6,
    COUNTS_AT = 20, /* isutc, isstd, leap, times, types, chars: 4 bytes each */
};
#define FOLDER "/usr/share/zoneinfo/"
/* Files that list changes at all do so until 2037; later than this there must be one, or a rule stands for
 * them. */
#define LISTED_UNTIL_S INT64_C(2082758400) /* 2036-01-01 */

struct change {
    int64_t at_s, offset_s;
};

struct nj_zone {
    int64_t first_s; /* offset before the first change */
    size_t count;
    struct change changes[];
};

static struct nj_zone *zone_new(size_t count, int64_t first_s)
{
    struct nj_zone *zone = nj_calloc(1, sizeof(*zone) + count * sizeof(struct change));
    zone->first_s = first_s;
    zone->count = count;
    return zone;
}

static int64_t big_endian(const unsigned char *at, size_t bytes)
{
    uint64_t value = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

/* One of the two blocks of a file. */
struct block {
    size_t isutc, isstd, leap, times, types, chars;
    size_t time_bytes; /* 4 or 8 */
};

static bool read_header(const unsigned char *bytes, size_t len, size_t time_bytes, struct block *ret_block)
{
    if (len < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0)
        return false;
    size_t counts[6];
    for (size_t i = 0; i < 6; i++) {
        int64_t count = big_endian(bytes + COUNTS_AT + i * 4, 4);
        if (count < 0 || count > FILE_MAX)
            return false;
        counts[i] = (size_t)count;
    }
    *ret_block = (struct block){.isutc = counts[0],
                                .isstd = counts[1],
                                .leap = counts[2],
                                .times = counts[3],
                                .types = counts[4],
                                .chars = counts[5],
                                .time_bytes = time_bytes};
    return ret_block->types > 0;
}

static size_t block_len(const struct block *block)
{
    return HEADER_BYTES + block->times * (block->time_bytes + 1) + block->types * TYPE_BYTES + block->chars +
           block->leap * (block->time_bytes + 4) + block->isstd + block->isutc;
}

static struct nj_zone *read_block(const unsigned char *bytes, const struct block *block)
{
    const unsigned char *times = bytes + HEADER_BYTES;
    const unsigned char *kinds = times + block->times * block->time_bytes;
    const unsigned char *types = kinds + block->times;
    struct nj_zone *zone = zone_new(block->times, big_endian(types, 4));
    for (size_t i = 0; i < block->times; i++) {
        struct change *change = &zone->changes[i];
        change->at_s = big_endian(times + i * block->time_bytes, block->time_bytes);
        bool rises = i == 0 || change->at_s > zone->changes[i - 1].at_s;
        if (kinds[i] >= block->types || !rises) {
            nj_zone_free(zone);
            return NULL;
        }
        change->offset_s = big_endian(types + (size_t)kinds[i] * TYPE_BYTES, 4);
    }
    return zone;
}

/* Behind the blocks stands a rule for all later times, "\nCET-1CEST,M3.5.0,M10.5.0/3\n": with a comma it
 * changes. */
static bool rule_changes(const unsigned char *at, size_t len)
{
    return memchr(at, ',', len) != NULL;
}

int nj_zone_parse(const void *bytes, size_t len, struct nj_zone **ret_zone, struct nj_err *err)
{
    const unsigned char *at = bytes;
    struct block first, second;
    if (len > FILE_MAX || !read_header(at, len, 4, &first) || block_len(&first) > len || at[4] < '2')
        return nj_err_set(err, -EINVAL, "this is no file of a time zone, of version 2 or later");
    size_t rest = len - block_len(&first);
    at += block_len(&first);
    if (!read_header(at, rest, 8, &second) || block_len(&second) > rest)
        return nj_err_set(err, -EINVAL, "the file of the time zone is cut off");
    struct nj_zone *zone = read_block(at, &second);
    if (zone == NULL)
        return nj_err_set(err, -EINVAL, "the file of the time zone is damaged");
    size_t used = block_len(&second);
    bool listed = zone->count > 0 && zone->changes[zone->count - 1].at_s > LISTED_UNTIL_S;
    if (rule_changes(at + used, rest - used) && !listed) {
        nj_zone_free(zone);
        return nj_err_set(
            err, -EINVAL,
            "the file of the time zone lists no changes to come: give an offset such as +02:00");
    }
    *ret_zone = zone;
    return 0;
}

/* "+08:00" */
static bool parse_offset(const char *name, int64_t *ret_s)
{
    int64_t ns = 0;
    if ((name[0] != '+' && name[0] != '-') || nj_day_time_parse(name + 1, &ns) < 0 || ns > 15 * NJ_HOUR)
        return false;
    *ret_s = (name[0] == '-' ? -ns : ns) / NJ_SEC;
    return true;
}

static bool is_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_BYTES && name[0] != '/' && strstr(name, "..") == NULL &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len;
}

int nj_zone_load(const char *name, struct nj_zone **ret_zone, struct nj_err *err)
{
    int64_t offset_s = 0;
    if (nj_streq(name, "UTC") || nj_streq(name, "Z") || parse_offset(nj_str(name), &offset_s)) {
        *ret_zone = zone_new(0, offset_s);
        return 0;
    }
    if (!is_name(nj_str(name)))
        return nj_err_set(err, -EINVAL, "\"%s\" is no time zone: UTC, +08:00 or Asia/Shanghai would be",
                          nj_str(name));
    char *path = nj_asprintf(FOLDER "%s", name);
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL)
        return nj_err_set(err, -ENOENT,
                          "time zone \"%s\": %s%s: %s: give an offset such as +08:00, or install tzdata",
                          name, FOLDER, name, strerror(errno));
    char *bytes = nj_calloc(FILE_MAX + 1, 1);
    size_t len = fread(bytes, 1, FILE_MAX + 1, file);
    (void)fclose(file);
    int rc = nj_zone_parse(bytes, len, ret_zone, err);
    free(bytes);
    return rc < 0 ? nj_err_wrap(err, "time zone \"%s\"", name), rc : 0;
}

void nj_zone_free(struct nj_zone *zone)
{
    free(zone);
}

/* Rounds down. */
static int64_t divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

int64_t nj_zone_offset_ns(const struct nj_zone *zone, int64_t wall_ns)
{
    int64_t wall_s = divide(wall_ns, NJ_SEC), offset_s = zone->first_s;
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at_s <= wall_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        offset_s = zone->changes[low - 1].offset_s;
    return offset_s * NJ_SEC;
}

int nj_day_time_parse(const char *text, int64_t *ret_ns)
{
    int64_t parts[3] = {0};
    size_t count = 0;
    const char *at = nj_str(text);
    for (;; at++) {
        size_t digits = strspn(at, "0123456789");
        if (count == 3 || digits < 1 || digits > 2 || (count > 0 && digits != 2))
            return -EINVAL;
        for (; digits > 0; digits--)
            parts[count] = parts[count] * 10 + (*at++ - '0');
        count++;
        if (*at != ':')
            break;
    }
    int64_t ns = parts[0] * NJ_HOUR + parts[1] * NJ_MIN + parts[2] * NJ_SEC;
    if (*at != '\0' || count < 2 || parts[1] > 59 || parts[2] > 59 || ns > NJ_DAY)
        return -EINVAL;
    *ret_ns = ns;
    return 0;
}

int64_t nj_zone_next(const struct nj_zone *zone, int64_t day_time_ns, int64_t after_ns)
{
    int64_t there_ns = after_ns + nj_zone_offset_ns(zone, after_ns);
    int64_t midnight_ns = divide(there_ns, NJ_DAY) * NJ_DAY;
    for (int64_t day = -1;; day++) {
        int64_t wanted_ns = midnight_ns + day * NJ_DAY + day_time_ns;
        /* The offset of before a change first, then the one that is in force at the result. */
        int64_t at_ns = wanted_ns - nj_zone_offset_ns(zone, wanted_ns - nj_zone_offset_ns(zone, wanted_ns));
        if (at_ns > after_ns)
            return at_ns;
    }
}

bool nj_zone_within(const struct nj_zone *zone, int64_t from_ns, int64_t to_ns, int64_t wall_ns)
{
    int64_t there_ns = wall_ns + nj_zone_offset_ns(zone, wall_ns);
    int64_t time_ns = there_ns - divide(there_ns, NJ_DAY) * NJ_DAY;
    return from_ns <= to_ns ? time_ns >= from_ns && time_ns < to_ns : time_ns >= from_ns || time_ns < to_ns;
}
