/*
 * Whatever two templates hold, what differs between them is a bounded text in whole lines, and nothing
 * differs from itself.
 *
 *
 * Input: two templates as JSON, the first until a zero byte.
 */
#include "collector/sla/difference.h"
#include "tests/fuzz/input.h"

enum { LINE_MAX_BYTES = 2 * NJ_DIFFERENCE_VALUE_MAX + 1024 };

static void check_text(const char *text)
{
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; lines++) {
        size_t len = strcspn(at, "\n");
        check(len > 0 && len <= LINE_MAX_BYTES);
        at += len + (at[len] == '\n');
    }
    check(lines <= NJ_DIFFERENCE_LINES_MAX + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = memchr(data, 0, size);
    size_t from_len = zero == NULL ? size : (size_t)(zero - data);
    size_t to_len = zero == NULL ? 0 : size - from_len - 1;
    const char *from = (const char *)data;
    const char *to = (const char *)data + size - to_len;
    char *text = nj_difference(from, from_len, to, to_len);
    check_text(text);
    free(text);
    text = nj_difference(from, from_len, from, from_len);
    check(text[0] == '\0');
    free(text);
    return 0;
}
