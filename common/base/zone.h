/*
 * Times of day in a time zone: "UTC", an offset ("+08:00"), or a name of the zone database ("Asia/Shanghai"),
 * of which /usr/share/zoneinfo must have the file (TZif, RFC 8536). Pure once loaded; any thread. localtime()
 * would need the process' own TZ to be changed.
 */
#ifndef NJ_BASE_ZONE_H
#define NJ_BASE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct nj_zone;

/* -EINVAL for what is no zone, -ENOENT without its file. */
int nj_zone_load(const char *name, struct nj_zone **ret_zone, struct nj_err *err);
void nj_zone_free(struct nj_zone *zone); /* takes NULL */

/* A zone from a file's bytes, for tests and fuzzing. */
int nj_zone_parse(const void *bytes, size_t len, struct nj_zone **ret_zone, struct nj_err *err);

/* East of UTC is positive. */
int64_t nj_zone_offset_ns(const struct nj_zone *zone, int64_t wall_ns);

/* "09:00" or "9:05:30", from 00:00 to 24:00: since midnight. 0 or -EINVAL. */
int nj_day_time_parse(const char *text, int64_t *ret_ns);

/* The next moment after `after_ns` at which clocks there show this time; where they are put forward over it,
 * as if they had not been. */
int64_t nj_zone_next(const struct nj_zone *zone, int64_t day_time_ns, int64_t after_ns);

/* Whether clocks there show a time from `from_ns` to before `to_ns`, over midnight when that is the earlier
 * one. */
bool nj_zone_within(const struct nj_zone *zone, int64_t from_ns, int64_t to_ns, int64_t wall_ns);

#endif
