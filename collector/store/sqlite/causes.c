/* What failed how often, as text within a point: few lines, mostly none, and readable in a dump. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/str.h"

enum { CAUSE_BYTES_MAX = 64 };

static bool is_same(const struct nj_rollup_error_count *a, const struct nj_rollup_error_count *b)
{
    return a->status == b->status && nj_streq(a->cause, b->cause);
}

void nj_causes_add(struct nj_causes *causes, const struct nj_rollup_error_count *error)
{
    size_t at = 0;
    while (at < causes->count && !is_same(&causes->items[at], error))
        at++;
    if (at == causes->count && causes->count < NJ_ROLLUP_CAUSES_MAX) {
        causes->items[causes->count] = *error;
        causes->items[causes->count++].cause = nj_str(error->cause);
        return;
    }
    if (at == causes->count)
        at--;
    uint32_t room = UINT32_MAX - causes->items[at].count;
    causes->items[at].count += error->count < room ? error->count : room;
}

/* A decimal number and what follows it; false when there is none, or it is out of range. */
static bool take_number(char **at, char end, int64_t min, int64_t max, int64_t *ret_value)
{
    char *stop = strchr(*at, end);
    if (stop == NULL)
        return false;
    *stop = '\0';
    const char *digits = *at;
    *at = stop + 1;
    return nj_parse_int(digits, min, max, ret_value) == 0;
}

void nj_causes_parse(struct nj_causes *causes, char *text)
{
    causes->count = 0;
    for (char *at = text; *at != '\0';) {
        char *cause = at;
        int64_t status = 0, count = 0;
        char *tab = strchr(at, '\t');
        if (tab == NULL)
            return;
        *tab = '\0';
        at = tab + 1;
        if (!take_number(&at, '\t', INT32_MIN, INT32_MAX, &status) ||
            !take_number(&at, '\n', 0, UINT32_MAX, &count))
            return;
        const struct nj_rollup_error_count error = {
            .cause = cause, .status = (int32_t)status, .count = (uint32_t)count};
        nj_causes_add(causes, &error);
    }
}

/* Its own characters would end the field. */
static void write_cause(const char *cause, struct nj_buf *out)
{
    size_t len = nj_utf8_cut(cause, strlen(cause), CAUSE_BYTES_MAX);
    for (size_t i = 0; i < len; i++) {
        char c = cause[i];
        if ((unsigned char)c < ' ')
            c = ' ';
        (void)nj_buf_append_char(out, c);
    }
}

void nj_causes_write(const struct nj_causes *causes, struct nj_buf *out)
{
    for (size_t i = 0; i < causes->count; i++) {
        write_cause(causes->items[i].cause, out);
        (void)nj_buf_printf(out, "\t%" PRId32 "\t%" PRIu32 "\n", causes->items[i].status,
                            causes->items[i].count);
    }
}
