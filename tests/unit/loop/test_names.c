/* Name lookups when the name server is slow: this program's own getaddrinfo() stands before the system's. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/loop/http.h"
#include "common/loop/lookup.h"
#include "common/loop/msgsock.h"
#include "tests/unit/loop/support.h"

enum { CLOSE_TURNS = 10000 };

/* How many lookups of "slow.test" are held, and whether they are let go. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int held;
    bool released;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

typedef int lookup_function(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    if (name != NULL && strcmp(name, "slow.test") == 0) {
        (void)pthread_mutex_lock(&gate.lock);
        gate.held++;
        (void)pthread_cond_broadcast(&gate.changed);
        while (!gate.released)
            (void)pthread_cond_wait(&gate.changed, &gate.lock);
        gate.held--;
        (void)pthread_mutex_unlock(&gate.lock);
        return EAI_NONAME;
    }
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    lookup_function *real = NULL;
    memcpy(&real, &symbol, sizeof(real));
    return real(name, service, hints, result);
}

static int close_gate(void **state)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.released = false;
    (void)pthread_mutex_unlock(&gate.lock);
    return test_loop_setup(state);
}

/* Lets the lookups end, and waits until their threads have cleaned up behind themselves. */
static int open_gate(void **state)
{
    struct test_loop *test = *state;
    (void)pthread_mutex_lock(&gate.lock);
    gate.released = true;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
    for (int i = 0; i < CLOSE_TURNS && test_count_fds() > test->fds + 4; i++)
        (void)poll(NULL, 0, 1); /* four: the loop's own */
    return test_loop_teardown(state);
}

static void wait_until_held(int count)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.held < count)
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

static bool is_held(int count)
{
    (void)pthread_mutex_lock(&gate.lock);
    bool held = gate.held >= count;
    (void)pthread_mutex_unlock(&gate.lock);
    return held;
}

struct answer {
    bool done;
    int error;
    int addresses;
};

static void on_looked_up(void *data, int error, const struct addrinfo *addresses)
{
    struct answer *answer = data;
    assert_false(answer->done);
    answer->done = true;
    answer->error = error;
    for (; addresses != NULL; addresses = addresses->ai_next)
        answer->addresses++;
}

static struct answer look_up(struct test_loop *test, const char *host)
{
    struct answer answer = {0};
    assert_non_null(nj_lookup_start(&test->loop, host, 1, on_looked_up, &answer));
    test_run_until(test, &answer.done);
    return answer;
}

static void names_and_addresses_are_found(void **state)
{
    struct answer answer = look_up(*state, "localhost");
    assert_int_equal(answer.error, 0);
    assert_true(answer.addresses > 0);
    assert_int_equal(look_up(*state, "127.0.0.1").addresses, 1);
    assert_int_equal(look_up(*state, "::1").addresses, 1);
}

static void an_unknown_name_is_an_error(void **state)
{
    /* A label of more than 63 characters: the resolver knows without asking anybody. */
    struct answer answer =
        look_up(*state, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.invalid");
    assert_int_equal(answer.error, -EHOSTUNREACH);
    assert_int_equal(answer.addresses, 0);
}

static void a_lookup_that_hangs_can_be_cancelled(void **state)
{
    struct test_loop *test = *state;
    struct answer answer = {0};
    struct nj_lookup *lookup = nj_lookup_start(&test->loop, "slow.test", 1, on_looked_up, &answer);
    wait_until_held(1);
    nj_lookup_cancel(lookup);
    nj_lookup_cancel(NULL);
    nj_loop_run(&test->loop);
    assert_false(answer.done);
}

static void a_lookup_can_be_cancelled_at_any_moment(void **state)
{
    struct test_loop *test = *state;
    for (int i = 0; i < 100; i++) {
        struct answer answer = {0};
        struct nj_lookup *lookup = nj_lookup_start(&test->loop, "127.0.0.1", 1, on_looked_up, &answer);
        if (i % 2 == 1)
            (void)poll(NULL, 0, i % 5);
        nj_lookup_cancel(lookup);
        nj_loop_run(&test->loop);
        assert_false(answer.done);
    }
}

static void on_http_done(void *data, const struct nj_http_result *result)
{
    struct answer *answer = data;
    answer->done = true;
    answer->error = result->error;
}

static void a_hanging_name_server_holds_up_no_http_request(void **state)
{
    struct test_loop *test = *state;
    struct nj_http *http = nj_http_new(&test->loop, 4);
    struct answer timed_out = {0};
    struct answer cancelled = {0};
    struct nj_http_options options = {
        .url = "http://slow.test/", .timeout_ns = 20 * NJ_MS, .on_done = on_http_done, .data = &timed_out};
    assert_int_equal(nj_http_start(http, &options, NULL, NULL), 0);
    test_run_until(test, &timed_out.done);
    assert_int_equal(timed_out.error, -ETIMEDOUT);
    wait_until_held(1);

    options.timeout_ns = 0;
    options.data = &cancelled;
    assert_int_equal(nj_http_start(http, &options, NULL, NULL), 0);
    while (!is_held(2))
        (void)uv_run(&test->loop.uv, UV_RUN_ONCE);
    bool closed = false;
    nj_http_close(http, test_set_flag, &closed);
    test_run_until(test, &closed);
    assert_int_equal(cancelled.error, -ECANCELED);
}

static void on_reply(void *data, const void *bytes, size_t len)
{
    (void)data;
    (void)bytes;
    (void)len;
    fail();
}

static void on_silence(void *data)
{
    bool *silent = data;
    *silent = true;
}

static void a_hanging_name_server_is_silence_to_a_requester_and_does_not_hold_up_its_close(void **state)
{
    struct test_loop *test = *state;
    bool silent = false;
    bool closed = false;
    struct nj_requester *requester = NULL;
    const struct nj_requester_options options = {.url = "tcp://slow.test:7645",
                                                 .max_reply_bytes = 100,
                                                 .reply_timeout_ns = 20 * NJ_MS,
                                                 .reconnect_min_ns = NJ_MS,
                                                 .reconnect_max_ns = NJ_MS,
                                                 .on_reply = on_reply,
                                                 .on_timeout = on_silence,
                                                 .data = &silent};
    assert_int_equal(nj_requester_start(&test->loop, &options, &requester, NULL), 0);
    wait_until_held(1);
    assert_int_equal(nj_requester_send(requester, "x", 1), 0);
    test_run_until(test, &silent);
    nj_requester_close(requester, test_set_flag, &closed);
    test_run_until(test, &closed);
}

#define gate_case(function) cmocka_unit_test_setup_teardown(function, close_gate, open_gate)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gate_case(names_and_addresses_are_found),
        gate_case(an_unknown_name_is_an_error),
        gate_case(a_lookup_that_hangs_can_be_cancelled),
        gate_case(a_lookup_can_be_cancelled_at_any_moment),
        gate_case(a_hanging_name_server_holds_up_no_http_request),
        gate_case(a_hanging_name_server_is_silence_to_a_requester_and_does_not_hold_up_its_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
