#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "tests/unit/base/capture.h"

static void gathers_context_on_its_way_up(void **state)
{
    (void)state;
    struct nj_err err = {0};
    assert_int_equal(nj_err_set(&err, -ENOENT, "%s: %s", "/etc/x", strerror(ENOENT)), -ENOENT);
    assert_int_equal(nj_err_wrap(&err, "key %d", 2), -ENOENT);
    assert_int_equal(nj_err_wrap(&err, "uplink"), -ENOENT);
    assert_int_equal(err.code, -ENOENT);
    assert_string_equal(err.text, "uplink: key 2: /etc/x: No such file or directory");
}

static void may_be_absent(void **state)
{
    (void)state;
    assert_int_equal(nj_err_set(NULL, -EIO, "lost"), -EIO);
    assert_int_equal(nj_err_wrap(NULL, "lost"), 0);
}

static void is_cut_when_too_long(void **state)
{
    (void)state;
    char *text = nj_calloc(3000, 1);
    memset(text, 'x', 2999);
    struct nj_err err;
    assert_int_equal(nj_err_set(&err, -EIO, "%s", text), -EIO);
    assert_int_equal(strlen(err.text), NJ_ERR_TEXT_MAX - 1);
    assert_true(nj_str_ends(err.text, "x..."));
    assert_int_equal(nj_err_wrap(&err, "front"), -EIO);
    assert_true(nj_str_starts(err.text, "front: xxx"));
    assert_true(nj_str_ends(err.text, "x..."));
    assert_int_equal(nj_err_set(&err, -EIO, "inner"), -EIO);
    assert_int_equal(nj_err_wrap(&err, "%s", text), -EIO);
    assert_int_equal(strlen(err.text), NJ_ERR_TEXT_MAX - 1);
    assert_true(nj_str_ends(err.text, "x..."));
    free(text);
}

static void allocates_zeroed_memory_and_copies(void **state)
{
    (void)state;
    unsigned char *zeros = nj_calloc(16, 4);
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    zeros = nj_realloc(zeros, 100, 10);
    assert_non_null(zeros);
    assert_null(nj_realloc(zeros, 0, 1));
    free(nj_calloc(0, 0));
    free(nj_try_alloc(0));
    assert_null(nj_strdup(NULL));
    assert_null(nj_strndup(NULL, 3));
    NJ_CLEANUP_FREE char *copy = nj_strndup("container", 4);
    assert_string_equal(copy, "cont");
    NJ_CLEANUP_FREE char *text = nj_asprintf("%s-%d", "a", 1);
    assert_string_equal(text, "a-1");
}

static void aborts_rather_than_go_on_without_memory(void **state)
{
    (void)state;
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    pid_t child = fork();
    if (child == 0) {
        volatile size_t many = SIZE_MAX / 2;
        free(nj_calloc(many, 4));
        _exit(0);
    }
    int status = 0;
    pid_t waited = waitpid(child, &status, 0);
    free(capture_end(&capture));
    assert_int_equal(waited, child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers_context_on_its_way_up),
        cmocka_unit_test(may_be_absent),
        cmocka_unit_test(is_cut_when_too_long),
        cmocka_unit_test(allocates_zeroed_memory_and_copies),
        cmocka_unit_test(aborts_rather_than_go_on_without_memory),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
