#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "agent/crash/log.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

struct fixture {
    char root[64];
    struct nj_redactor *redactor;
    struct nj_log_source source;
    struct nj_log_limits limits;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -1;
    strcpy(f->root, "/tmp/nj-log-XXXXXX");
    if (mkdtemp(f->root) == NULL || nj_redactor_new(true, NULL, 0, &f->redactor, NULL) < 0)
        return -1;
    f->source = (struct nj_log_source){.log_dir = f->root,
                                       .namespace = "shop",
                                       .pod = "web-1",
                                       .directory_uid = "uid",
                                       .container = "c",
                                       .attempt = 3};
    f->limits = (struct nj_log_limits){.max_lines = 1000, .max_bytes = 262144};
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/shop_web-1_uid", f->root);
    if (mkdir(path, 0700) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/shop_web-1_uid/c", f->root);
    if (mkdir(path, 0700) < 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->root);
    nj_redactor_free(f->redactor);
    int rc = system(command);
    free(f);
    return rc;
}

static void path_of(const struct fixture *f, const char *name, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/shop_web-1_uid/c/%s", f->root, name);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    char path[256];
    path_of(f, name, path, sizeof(path));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void put_gzip(const struct fixture *f, const char *name, const char *text)
{
    char path[256];
    path_of(f, name, path, sizeof(path));
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static struct nj_log_result capture(const struct fixture *f)
{
    struct nj_log_files files;
    struct nj_log_result result;
    struct nj_err err = {0};
    (void)nj_log_open(&f->source, &files);
    int rc = nj_log_capture(&f->source, &files, &f->limits, f->redactor, &result, &err);
    nj_log_close(&files);
    if (rc < 0)
        fail_msg("%s", err.text);
    return result;
}

static void expect(const struct fixture *f, const char *text, uint32_t lines, bool cut)
{
    struct nj_log_result result = capture(f);
    assert_string_equal(nj_buf_str(&result.text), text);
    assert_int_equal(result.lines, lines);
    assert_int_equal(result.cut, cut);
    assert_false(result.other_instance);
    nj_buf_done(&result.text);
}

#define T "2026-11-21T09:13:21.214467685Z "

static void test_lines_are_joined_and_streams_marked(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log",
        T "stdout F starting\n" T "stdout P one "
          "\n" T "stderr F warn\n" T "stdout P line,\n" T "stdout F  whole\n");
    expect(f, "starting\n[stderr] warn\none line, whole\n", 3, false);
}

static void test_the_last_line_needs_no_newline(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log", T "stdout F starting\n" T "stderr P FATAL: no db");
    expect(f, "starting\n[stderr] FATAL: no db\n", 2, false);
}

static void test_bytes_that_are_no_text_stay_readable(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log", T "stdout F bad \xff\xe4\xbd end\n" T "stdout F \x1b[31mred\r\nnot of the runtime\n");
    expect(f, "bad \xef\xbf\xbd\xef\xbf\xbd end\n^[[31mred\nnot of the runtime\n", 3, false);
}

static void test_the_end_is_kept(void **state)
{
    struct fixture *f = *state;
    struct nj_buf text = {0};
    for (int i = 0; i < 5000; i++)
        nj_buf_printf(&text, T "stdout F line %d\n", i);
    put(f, "3.log", nj_buf_str(&text));
    nj_buf_done(&text);
    f->limits.max_lines = 3;
    expect(f, "line 4997\nline 4998\nline 4999\n", 3, true);
    f->limits = (struct nj_log_limits){.max_lines = 100, .max_bytes = 25};
    expect(f, "line 4998\nline 4999\n", 2, true);
    f->limits.max_bytes = 5;
    expect(f, "4999\n", 1, true);
}

static void test_rotated_files_are_read_as_far_as_needed(void **state)
{
    struct fixture *f = *state;
    put_gzip(f, "3.log.20261121-091000.gz", T "stdout F a\n" T "stdout F b\n" T "stdout P c\n");
    put(f, "3.log.20261121-091100", T "stdout F 1 and its rest\n" T "stdout F d\n");
    put(f, "3.log", T "stdout F e\n");
    put(f, "2.log.20261121-091200", T "stdout F of another instance\n");
    put(f, "3.log.20261121-091100.gz", "the same, while the kubelet compresses it");
    f->limits.max_lines = 4;
    expect(f, "b\nc1 and its rest\nd\ne\n", 4, true);
    f->limits.max_lines = 100;
    expect(f, "a\nb\nc1 and its rest\nd\ne\n", 5, false);
    /* The current file may be gone while a predecessor is there. */
    char path[256];
    path_of(f, "3.log", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    expect(f, "a\nb\nc1 and its rest\nd\n", 4, false);
}

static void test_a_torn_archive_gives_what_it_has(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log.20261121-091000.gz", "this is no gzip\n");
    put(f, "3.log", T "stdout F e\n");
    struct nj_log_result result = capture(f);
    assert_non_null(strstr(nj_buf_str(&result.text), "e\n"));
    nj_buf_done(&result.text);
}

static void test_the_log_of_another_instance_is_not_taken(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log", T "stdout F x\n");
    assert_int_equal(nj_time_parse("2026-11-21T09:13:00Z", (size_t)-1, &f->source.started_ns), 0);
    assert_int_equal(nj_time_parse("2026-11-21T09:13:10Z", (size_t)-1, &f->source.finished_ns), 0);
    struct nj_log_result result = capture(f);
    assert_true(result.other_instance);
    assert_int_equal(result.text.len, 0);
    nj_buf_done(&result.text);
    assert_int_equal(nj_time_parse("2026-11-21T09:13:21Z", (size_t)-1, &f->source.finished_ns), 0);
    expect(f, "x\n", 1, false);
}

static void test_an_empty_log_is_a_log(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log", "");
    expect(f, "", 0, false);
}

static void test_what_is_gone_is_said(void **state)
{
    struct fixture *f = *state;
    struct nj_log_files files;
    struct nj_log_result result;
    struct nj_err err = {0};
    assert_int_equal(nj_log_open(&f->source, &files), -ENOENT);
    assert_int_equal(nj_log_capture(&f->source, &files, &f->limits, f->redactor, &result, &err), -ENOENT);
    assert_non_null(strstr(err.text, "shop/web-1"));
}

static void test_no_name_leaves_the_directory(void **state)
{
    struct fixture *f = *state;
    struct nj_log_files files;
    f->source.container = "../../../etc";
    assert_int_equal(nj_log_open(&f->source, &files), -EINVAL);
    f->source.container = "c";
    char path[256];
    path_of(f, "3.log", path, sizeof(path));
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_true(nj_log_open(&f->source, &files) < 0);
    assert_int_equal(files.fd, -1);
}

static void test_secrets_are_hidden_before_the_cut(void **state)
{
    struct fixture *f = *state;
    put(f, "3.log", T "stdout F password=hunter2hunter2hunter2\n");
    f->limits.max_bytes = 12;
    struct nj_log_result result = capture(f);
    assert_null(strstr(nj_buf_str(&result.text), "hunter"));
    assert_int_equal(result.redacted, 1);
    nj_buf_done(&result.text);
}

static void test_lines_of_the_api(void **state)
{
    struct fixture *f = *state;
    struct nj_log_result result;
    static const char text[] = "2026-11-21T09:13:21.2Z starting\n2026-11-21T09:13:22Z FATAL: no db\n";
    assert_int_equal(
        nj_log_from_api(text, sizeof(text) - 1, &f->source, &f->limits, f->redactor, &result, NULL), 0);
    assert_string_equal(nj_buf_str(&result.text), "starting\nFATAL: no db\n");
    nj_buf_done(&result.text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lines_are_joined_and_streams_marked),
        TEST(test_the_last_line_needs_no_newline),
        TEST(test_bytes_that_are_no_text_stay_readable),
        TEST(test_the_end_is_kept),
        TEST(test_rotated_files_are_read_as_far_as_needed),
        TEST(test_a_torn_archive_gives_what_it_has),
        TEST(test_the_log_of_another_instance_is_not_taken),
        TEST(test_an_empty_log_is_a_log),
        TEST(test_what_is_gone_is_said),
        TEST(test_no_name_leaves_the_directory),
        TEST(test_secrets_are_hidden_before_the_cut),
        TEST(test_lines_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
