/*
 * Bearer tokens: what a file may hold, and what each allows.
 */
#include "collector/api/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/collector/support.h"

#define READ_TOKEN "read-0123456789abcdef"
#define WRITE_TOKEN "write-0123456789abcdef"

static const char *write_file(struct folder *folder, const char *name, const char *text, char path[512])
{
    (void)snprintf(path, 512, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static struct nj_api_tokens *load(const char *read_text, const char *write_text)
{
    struct folder folder;
    struct nj_api_tokens *tokens = NULL;
    char read_path[512] = "", write_path[512] = "";
    begin_folder(&folder);
    if (read_text != NULL)
        (void)write_file(&folder, "read", read_text, read_path);
    if (write_text != NULL)
        (void)write_file(&folder, "write", write_text, write_path);
    assert_int_equal(nj_api_tokens_load(read_path, write_path, &tokens, NULL), 0);
    end_folder(&folder);
    return tokens;
}

static void each_token_allows_what_it_is_for(void **state)
{
    (void)state;
    struct nj_api_tokens *tokens = load(READ_TOKEN "\n", WRITE_TOKEN);
    assert_true(nj_api_tokens_any(tokens));
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer " READ_TOKEN), NJ_API_READ);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer " WRITE_TOKEN), NJ_API_WRITE);
    assert_int_equal(nj_api_tokens_check(tokens, "bEARER  " WRITE_TOKEN), NJ_API_WRITE);
    assert_int_equal(nj_api_tokens_check(tokens, NULL), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, ""), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer"), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer "), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer" READ_TOKEN), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Basic " READ_TOKEN), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, READ_TOKEN), NJ_API_OPEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer read-0123456789abcde"), NJ_API_OPEN);
    nj_api_tokens_free(tokens);
}

static void a_token_that_is_not_set_allows_nothing(void **state)
{
    (void)state;
    struct nj_api_tokens *tokens = load(READ_TOKEN, NULL);
    assert_true(nj_api_tokens_any(tokens));
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer " READ_TOKEN), NJ_API_READ);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer "), NJ_API_OPEN);
    nj_api_tokens_free(tokens);
    tokens = load(NULL, WRITE_TOKEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer " WRITE_TOKEN), NJ_API_WRITE);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer "), NJ_API_OPEN);
    nj_api_tokens_free(tokens);
}

static void one_token_for_both_writes(void **state)
{
    (void)state;
    struct nj_api_tokens *tokens = load(READ_TOKEN, READ_TOKEN);
    assert_int_equal(nj_api_tokens_check(tokens, "Bearer " READ_TOKEN), NJ_API_WRITE);
    nj_api_tokens_free(tokens);
}

static void without_tokens_everything_is_allowed(void **state)
{
    (void)state;
    struct nj_api_tokens *tokens = load(NULL, NULL);
    assert_false(nj_api_tokens_any(tokens));
    assert_int_equal(nj_api_tokens_check(tokens, NULL), NJ_API_WRITE);
    nj_api_tokens_free(tokens);
    nj_api_tokens_free(NULL);
}

static void a_file_that_holds_no_token_is_an_error_that_does_not_tell_it(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "0123456789abcde", /* 15 bytes */
        "0123456789abcdef\t",
        "0123456789abcdef\n\n",
        "two words 0123456789",
        "0123456789abcdef\xe5\xba\x93",
        "0123456789abcdef\x7f",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (int write = 0; write < 2; write++) {
            struct folder folder;
            struct nj_err err = {0};
            struct nj_api_tokens *tokens = NULL;
            char path[512];
            begin_folder(&folder);
            (void)write_file(&folder, "token", bad[i], path);
            int rc = nj_api_tokens_load(write ? NULL : path, write ? path : NULL, &tokens, &err);
            if (rc != -EINVAL)
                fail_msg("\"%s\" gives %d", bad[i], rc);
            assert_null(tokens);
            assert_non_null(strstr(err.text, write ? "api.write_token_file" : "api.read_token_file"));
            assert_non_null(strstr(err.text, path));
            assert_null(strstr(err.text, "0123456789"));
            end_folder(&folder);
        }
    }
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct nj_err err = {0};
    struct nj_api_tokens *tokens = NULL;
    assert_int_equal(nj_api_tokens_load("/nonexistent/token", "", &tokens, &err), -ENOENT);
    assert_null(tokens);
    assert_non_null(strstr(err.text, "/nonexistent/token"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_allows_what_it_is_for),
        cmocka_unit_test(a_token_that_is_not_set_allows_nothing),
        cmocka_unit_test(one_token_for_both_writes),
        cmocka_unit_test(without_tokens_everything_is_allowed),
        cmocka_unit_test(a_file_that_holds_no_token_is_an_error_that_does_not_tell_it),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
