#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"

static void expect_no_overlap(size_t block_bytes)
{
    enum { COUNT = 2000 };
    struct nj_arena arena;
    nj_arena_init(&arena, 64 << 20);
    arena.block_bytes = block_bytes;
    unsigned char *memory[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * i % 9000;
        memory[i] = nj_arena_alloc(&arena, size);
        assert_non_null(memory[i]);
        assert_int_equal((uintptr_t)memory[i] % alignof(max_align_t), 0);
        memset(memory[i], (int)(i & 255), size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i * i % 9000; j++) {
            if (memory[i][j] != (i & 255))
                fail_msg("allocation %zu was overwritten at %zu", i, j);
        }
    }
    nj_arena_done(&arena);
}

static void gives_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    expect_no_overlap(0);
    expect_no_overlap(1024);
}

static void refuses_past_its_bound_and_goes_on(void **state)
{
    (void)state;
    struct nj_arena arena;
    nj_arena_init(&arena, 1024);
    assert_non_null(nj_arena_alloc(&arena, 1000));
    assert_null(nj_arena_alloc(&arena, 100));
    assert_non_null(nj_arena_alloc(&arena, 16));
    assert_int_equal(arena.used, 1024);
    assert_null(nj_arena_alloc(&arena, 1));
    assert_non_null(nj_arena_alloc(&arena, 0));
    nj_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(nj_arena_alloc(&arena, 1024));
    nj_arena_done(&arena);
}

/* More than any machine has is asked for below: the sanitizer shall answer as malloc() does. */
const char *__asan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */
const char *__asan_default_options(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return "allocator_may_return_null=1";
}

static void tells_lack_of_memory_from_its_bound(void **state)
{
    (void)state;
    struct nj_arena arena;
    nj_arena_init(&arena, SIZE_MAX / 4);
    assert_null(nj_arena_alloc(&arena, SIZE_MAX / 2));
    assert_false(arena.starved);
    assert_null(nj_arena_alloc(&arena, SIZE_MAX / 8));
    assert_true(arena.starved);
    assert_non_null(nj_arena_alloc(&arena, 16));
    assert_true(arena.starved);
    nj_arena_reset(&arena);
    assert_false(arena.starved);
    nj_arena_done(&arena);
}

static void refuses_sizes_that_would_wrap(void **state)
{
    (void)state;
    struct nj_arena arena;
    nj_arena_init(&arena, SIZE_MAX);
    assert_null(nj_arena_alloc(&arena, SIZE_MAX));
    assert_null(nj_arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(nj_arena_alloc(&arena, SIZE_MAX - 64));
    assert_null(nj_arena_zalloc(&arena, SIZE_MAX / 2, 3));
    assert_null(nj_arena_strndup(&arena, "", SIZE_MAX));
    assert_int_equal(arena.used, 0);
    nj_arena_done(&arena);
}

static void zeroes_and_copies(void **state)
{
    (void)state;
    struct nj_arena arena;
    nj_arena_init(&arena, 1 << 20);
    for (int round = 0; round < 2; round++) {
        void *dirty = nj_arena_alloc(&arena, 512);
        assert_non_null(dirty);
        memset(dirty, 0xAA, 512);
        nj_arena_reset(&arena);
        const unsigned char *zeros = nj_arena_zalloc(&arena, 64, 8);
        assert_non_null(zeros);
        for (int i = 0; i < 512; i++)
            assert_int_equal(zeros[i], 0);
        assert_string_equal(nj_arena_strndup(&arena, "namespace", 4), "name");
        assert_string_equal(nj_arena_strndup(&arena, "", 0), "");
        nj_arena_reset(&arena);
    }
    nj_arena_done(&arena);
}

static void reuses_its_memory_after_a_reset(void **state)
{
    (void)state;
    struct nj_arena arena;
    nj_arena_init(&arena, 1 << 20);
    void *first = nj_arena_alloc(&arena, 100);
    for (int i = 0; i < 1000; i++) {
        nj_arena_reset(&arena);
        assert_ptr_equal(nj_arena_alloc(&arena, 100), first);
    }
    /* Large requests are given back; the ordinary block stays. */
    assert_non_null(nj_arena_alloc(&arena, 100000));
    nj_arena_reset(&arena);
    assert_non_null(arena.spare);
    assert_null(arena.blocks);
    nj_arena_done(&arena);
    assert_null(arena.spare);
    nj_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(refuses_past_its_bound_and_goes_on),
        cmocka_unit_test(tells_lack_of_memory_from_its_bound),
        cmocka_unit_test(refuses_sizes_that_would_wrap),
        cmocka_unit_test(zeroes_and_copies),
        cmocka_unit_test(reuses_its_memory_after_a_reset),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
