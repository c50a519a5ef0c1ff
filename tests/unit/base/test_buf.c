#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    struct nj_buf buf;
    nj_buf_init(&buf, 0);
    assert_string_equal(nj_buf_str(&buf), "");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(nj_buf_append_char(&buf, 'a'), 0);
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_int_equal(buf.len, 1000);
    nj_buf_clear(&buf);
    assert_string_equal(nj_buf_str(&buf), "");
    assert_int_equal(nj_buf_append_str(&buf, "pod "), 0);
    assert_int_equal(nj_buf_printf(&buf, "%s/%d", "shop", 3), 0);
    assert_int_equal(nj_buf_append(&buf, "", 0), 0);
    assert_string_equal(nj_buf_str(&buf), "pod shop/3");
    nj_buf_done(&buf);
    assert_int_equal(buf.len, 0);
    assert_null(buf.data);
    assert_int_equal(nj_buf_append_str(&buf, "again"), 0);
    nj_buf_done(&buf);
}

static void refuses_what_passes_its_bound_and_remembers_it(void **state)
{
    (void)state;
    struct nj_buf buf = {.max = 8};
    assert_int_equal(nj_buf_append_str(&buf, "12345678"), 0);
    assert_false(buf.overflowed);
    assert_int_equal(nj_buf_append_char(&buf, '9'), -EOVERFLOW);
    assert_true(buf.overflowed);
    assert_string_equal(buf.data, "12345678");
    nj_buf_consume(&buf, 4);
    /* Even though there is room again: what came between is missing. */
    assert_int_equal(nj_buf_append_char(&buf, 'x'), -EOVERFLOW);
    assert_int_equal(nj_buf_printf(&buf, "x"), -EOVERFLOW);
    assert_null(nj_buf_reserve(&buf, 1));
    assert_string_equal(buf.data, "5678");
    nj_buf_clear(&buf);
    assert_int_equal(nj_buf_printf(&buf, "%d", 12345678), 0);
    assert_int_equal(nj_buf_printf(&buf, "%d", 1), -EOVERFLOW);
    assert_string_equal(buf.data, "12345678");
    nj_buf_done(&buf);
    assert_int_equal(buf.max, 8);
    assert_false(buf.overflowed);
}

static void refuses_sizes_that_would_wrap(void **state)
{
    (void)state;
    struct nj_buf buf = {0};
    assert_int_equal(nj_buf_append_str(&buf, "x"), 0);
    assert_null(nj_buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.overflowed);
    assert_string_equal(buf.data, "x");
    nj_buf_done(&buf);
}

/* More than any machine has is asked for below: the sanitizer shall answer as malloc() does. */
const char *__asan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */
const char *__asan_default_options(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return "allocator_may_return_null=1";
}

static void remembers_that_memory_was_missing(void **state)
{
    (void)state;
    struct nj_buf buf = {0};
    assert_int_equal(nj_buf_append_str(&buf, "x"), 0);
    assert_int_equal(nj_buf_check(&buf), 0);
    assert_null(nj_buf_reserve(&buf, SIZE_MAX / 8));
    assert_int_equal(nj_buf_check(&buf), -ENOMEM);
    /* Small or not: what came between is missing. */
    assert_int_equal(nj_buf_append_char(&buf, 'y'), -ENOMEM);
    assert_string_equal(buf.data, "x");
    nj_buf_clear(&buf);
    assert_int_equal(nj_buf_append_char(&buf, 'y'), 0);
    assert_int_equal(nj_buf_check(&buf), 0);
    nj_buf_done(&buf);
}

static void lets_the_caller_write_in_place(void **state)
{
    (void)state;
    struct nj_buf buf = {.max = 100};
    char *room = nj_buf_reserve(&buf, 100);
    assert_non_null(room);
    memset(room, 'z', 100);
    buf.len += 100;
    buf.data[buf.len] = '\0';
    assert_int_equal(strlen(nj_buf_str(&buf)), 100);
    nj_buf_done(&buf);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct nj_buf buf = {0};
    nj_buf_consume(&buf, 3);
    assert_int_equal(nj_buf_append_str(&buf, "abcdef"), 0);
    nj_buf_consume(&buf, 0);
    assert_string_equal(buf.data, "abcdef");
    nj_buf_consume(&buf, 2);
    assert_string_equal(buf.data, "cdef");
    nj_buf_consume(&buf, 100);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.len, 0);
    nj_buf_done(&buf);
}

static void gives_its_memory_away(void **state)
{
    (void)state;
    struct nj_buf buf = {.max = 10};
    char *nothing = nj_buf_take(&buf);
    assert_string_equal(nothing, "");
    free(nothing);
    assert_int_equal(nj_buf_append_str(&buf, "mine"), 0);
    char *mine = nj_buf_take(&buf);
    assert_string_equal(mine, "mine");
    free(mine);
    assert_string_equal(nj_buf_str(&buf), "");
    assert_int_equal(buf.max, 10);
    nj_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(refuses_what_passes_its_bound_and_remembers_it),
        cmocka_unit_test(refuses_sizes_that_would_wrap),
        cmocka_unit_test(remembers_that_memory_was_missing),
        cmocka_unit_test(lets_the_caller_write_in_place),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(gives_its_memory_away),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
