/*
 * What every test of the loop's modules starts and ends with: a loop on the system's clock, closed clean at
 * the end, with as many open file descriptors as before.
 */
#ifndef NJ_TESTS_UNIT_LOOP_SUPPORT_H
#define NJ_TESTS_UNIT_LOOP_SUPPORT_H

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/loop/loop.h"

struct test_loop {
    struct nj_clock clock;
    struct nj_loop loop;
    int threads; /* before the test */
    int fds;     /* open before the test */
};

int test_loop_setup(void **state);    /* *state becomes a struct test_loop * */
int test_loop_teardown(void **state); /* fails when a handle or a descriptor is left */

int test_count_fds(void);

/* Runs the loop until *done; fails the test when that takes absurdly long. */
void test_run_until(struct test_loop *test, const bool *done);
void test_run_until_count(struct test_loop *test, const int *count, int wanted);

/* Runs what is ready now, a few times. */
void test_run_some(struct test_loop *test);

/* For a module's on_closed: data is a bool *. */
void test_set_flag(void *data);

/* A TCP socket listening on 127.0.0.1, and connected ones; all blocking. */
int test_listen(int *ret_port);
/* One that is bound and refuses connections, as nobody else's can come to listen there meanwhile. */
int test_refuse(int *ret_port);
/* A free port of 127.0.0.1, below those that the kernel gives away: nobody else gets it meanwhile. */
int test_free_port(void);
int test_connect(int port);
int test_connect_to(const char *host, int port);
/* An address of 127.0.0.0/8 that no other process uses while this one runs: a client of another test, which
 * tries a port again that its server has left, never finds a server of this one there. */
const char *test_own_host(char text[INET_ADDRSTRLEN]);
void test_close(int fd);
void test_send(int fd, const void *bytes, size_t len);

#define test_loop_case(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, test_loop_setup, test_loop_teardown)

#endif
