/*
 * What the collector itself stores, in the order of its own events, through transactions that fail; and the
 * facts that are told of what agents and the collector's own checks brought.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/ingest_support.h"

enum { WRITES_BOUND = 65536 };

struct fixture {
    struct server server; /* first: what the server is given to tell is this */
    struct test_loop *test;
    struct agent agent;
    struct nj_buf done; /* "alive 7;" "not alive 8;" */
    struct nj_buf facts;
    bool goes_on; /* the next write is brought from within done() */
};

/* Until when the cluster was looked at: at_ns. */
struct write {
    struct nj_ingest_write write; /* first */
    struct fixture *fixture;
    int64_t at_ns;
    int tries, fails;
};

static void on_facts(void *data, const struct nj_ingest_fact *facts, size_t count)
{
    struct fixture *fixture = data;
    for (size_t i = 0; i < count; i++) {
        const struct nj_event *event = &facts[i].event;
        const char *what = event->type == NJ_EVENT_CRASH         ? event->crash.reason
                           : event->type == NJ_EVENT_STUCK       ? event->stuck.reason
                           : event->type == NJ_EVENT_POD_FAILURE ? event->failure.reason
                           : event->type == NJ_EVENT_CHECK       ? event->check.state
                                                                 : "cleared";
        (void)nj_buf_printf(&fixture->facts, "%s %s/%s #%" PRId64 ";", what, event->subject.namespace,
                            event->subject.workload, facts[i].incident_id);
    }
}

static int setup(void **state)
{
    void *test = NULL;
    struct fixture *fixture = NJ_NEW(struct fixture);
    (void)test_loop_setup(&test);
    fixture->test = test;
    server_open(&fixture->server, fixture->test);
    server_stop(&fixture->server);
    fixture->server.options.on_facts = on_facts;
    server_start(&fixture->server);
    agent_open(&fixture->agent, fixture->test, fixture->server.url, test_key, "node-1", "s-1");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *test = fixture->test;
    agent_close(&fixture->agent);
    server_close(&fixture->server);
    nj_buf_done(&fixture->done);
    nj_buf_done(&fixture->facts);
    free(fixture);
    return test_loop_teardown(&test);
}

static int write_alive(struct nj_ingest_write *base, struct nj_store *store, struct nj_err *err)
{
    struct write *write = (struct write *)base;
    int64_t at_ns = 0;
    write->tries++;
    if (write->tries <= write->fails)
        return nj_err_set(err, -EIO, "the disk is away");
    int rc = store->ops->get_alive(store, "prod", &at_ns, err);
    if (rc == 0 && at_ns >= write->at_ns)
        return nj_err_set(err, -EINVAL, "out of order");
    return rc < 0 ? rc : store->ops->put_alive(store, "prod", write->at_ns, err);
}

static void bring(struct fixture *fixture, int64_t at_ns, int fails);

static void on_done(struct nj_ingest_write *base, bool committed)
{
    struct write *write = (struct write *)base;
    struct fixture *fixture = write->fixture;
    (void)nj_buf_printf(&fixture->done, "%s%" PRId64 " after %d;", committed ? "" : "not ", write->at_ns,
                        write->tries);
    if (fixture->goes_on) {
        fixture->goes_on = false;
        bring(fixture, write->at_ns + 100, 0);
    }
    free(write);
}

static void bring(struct fixture *fixture, int64_t at_ns, int fails)
{
    struct write *write = NJ_NEW(struct write);
    *write = (struct write){
        .write = {.write = write_alive, .done = on_done}, .fixture = fixture, .at_ns = at_ns, .fails = fails};
    nj_ingest_local_write(fixture->server.ingest, &write->write);
}

static void run_until_done(struct fixture *fixture, const char *last)
{
    while (strstr(nj_buf_str(&fixture->done), last) == NULL)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
}

static int64_t alive(struct fixture *fixture)
{
    struct nj_store *reader = open_reader(&fixture->server.folder);
    int64_t at_ns = 0;
    assert_int_equal(0, reader->ops->get_alive(reader, "prod", &at_ns, NULL));
    reader->ops->close(reader);
    return at_ns;
}

static void what_is_written_is_committed_before_it_is_done_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    nj_ingest_hold(fixture->server.ingest, true);
    for (int i = 1; i <= 3; i++)
        bring(fixture, i, 0);
    assert_int_equal(0, alive(fixture));
    assert_string_equal("", nj_buf_str(&fixture->done));
    nj_ingest_hold(fixture->server.ingest, false);
    run_until_done(fixture, "3 after");
    assert_string_equal("1 after 1;2 after 1;3 after 1;", nj_buf_str(&fixture->done));
    assert_int_equal(3, alive(fixture));
}

static void who_is_told_may_bring_more(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    fixture->goes_on = true;
    nj_ingest_hold(fixture->server.ingest, true);
    bring(fixture, 1, 0);
    nj_ingest_local_event(fixture->server.ingest, &event);
    bring(fixture, 2, 0);
    nj_ingest_hold(fixture->server.ingest, false);
    run_until_done(fixture, "101 after");
    assert_string_equal("1 after 1;2 after 1;101 after 1;", nj_buf_str(&fixture->done));
    /* What the same transaction changed was told all the same. */
    assert_string_equal("1 open n=1;", nj_buf_str(&fixture->server.changed));
    assert_string_equal("Error shop/cart #1;", nj_buf_str(&fixture->facts));
}

static void what_fails_is_tried_again_with_all_that_came_with_it(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    nj_ingest_hold(fixture->server.ingest, true);
    nj_ingest_local_event(fixture->server.ingest, &event);
    bring(fixture, 1, 0);
    bring(fixture, 2, 1);
    nj_ingest_hold(fixture->server.ingest, false);
    while (nj_ingest_healthy(fixture->server.ingest, NULL))
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_int_equal(0, alive(fixture));
    assert_string_equal("", nj_buf_str(&fixture->facts));
    run_until_done(fixture, "2 after");
    assert_int_equal(2, alive(fixture));
    assert_string_equal("Error shop/cart #1;", nj_buf_str(&fixture->facts));
    assert_int_equal(1, server_count_crashes(&fixture->server));
}

static void stopping_writes_what_waits_and_says_what_could_not_be(void **state)
{
    struct fixture *fixture = *state;
    nj_ingest_hold(fixture->server.ingest, true);
    bring(fixture, 1, 0);
    bring(fixture, 2, 1000);
    server_stop(&fixture->server);
    assert_string_equal("not 1 after 1;not 2 after 1;", nj_buf_str(&fixture->done));
    server_start(&fixture->server);
    assert_int_equal(0, alive(fixture));
    nj_buf_clear(&fixture->done);
    nj_ingest_hold(fixture->server.ingest, true);
    bring(fixture, 3, 0);
    server_stop(&fixture->server);
    assert_string_equal("3 after 1;", nj_buf_str(&fixture->done));
    server_start(&fixture->server);
    assert_int_equal(3, alive(fixture));
}

static void no_more_than_the_bound_wait(void **state)
{
    struct fixture *fixture = *state;
    nj_ingest_hold(fixture->server.ingest, true);
    for (int i = 0; i < WRITES_BOUND; i++)
        bring(fixture, i + 1, 0);
    assert_string_equal("", nj_buf_str(&fixture->done));
    bring(fixture, 999999, 0);
    assert_string_equal("not 999999 after 0;", nj_buf_str(&fixture->done));
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_dropped_local_writes_total"));
    nj_ingest_hold(fixture->server.ingest, false);
    run_until_done(fixture, "65536 after");
    assert_int_equal(WRITES_BOUND, alive(fixture));
}

static struct nj_event make_check(const char *id, const char *state)
{
    struct nj_event event = make_event(NJ_EVENT_CHECK, id);
    event.check =
        (struct nj_check_event){.key = {.monitor = "service.shop.cart", .target = "service/80/ipv4"},
                                .source = "service",
                                .service = "cart",
                                .target_name = "cart",
                                .address = "10.0.0.1:80",
                                .state = state,
                                .severity = "",
                                .group = "",
                                .cause = "refused",
                                .phase = "connect",
                                .step = "",
                                .expected = "",
                                .got = "",
                                .body = "a body",
                                .evidence = "{}"};
    return event;
}

static void new_facts_are_told_with_their_incidents(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"),       make_event(NJ_EVENT_STUCK, "b"),
                                make_event(NJ_EVENT_POD_FAILURE, "c"), make_check("d", "failing"),
                                make_event(NJ_EVENT_CRASH, "a"),       make_event(NJ_EVENT_CLEARED, "e"),
                                make_event(NJ_EVENT_LOST_CRASHES, "f")};
    enum { COUNT = sizeof(events) / sizeof(events[0]) };
    agent_tell(&fixture->agent, events, COUNT, 1);
    assert_int_equal(COUNT, fixture->agent.ack.committed);
    /* The crash once; lost ones are none of them. What was cleared names what it had been. */
    const char *told = nj_buf_str(&fixture->facts);
    assert_non_null(strstr(told, "Error shop/cart #1;ImagePullBackOff shop/cart #2;Evicted shop/cart #3;"
                                 "failing shop/cart #4;cleared shop/cart #"));
    assert_null(strstr(told + strlen("Error"), "Error"));
    /* Again, after a resend: nothing new. */
    nj_buf_clear(&fixture->facts);
    agent_tell(&fixture->agent, events, COUNT, 1);
    assert_string_equal("", nj_buf_str(&fixture->facts));
}

static void facts_beyond_the_bound_are_stored_and_counted(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 2500, LONG = 1024 };
    char words[LONG + 1];
    memset(words, 'x', LONG);
    words[LONG] = '\0';
    nj_ingest_hold(fixture->server.ingest, true);
    for (int i = 0; i < COUNT; i++) {
        struct nj_event event = make_event(NJ_EVENT_STUCK, "a");
        event.stuck.message = event.stuck.image = event.subject.workload = words;
        event.subject.workload_kind = event.subject.pod = event.subject.pod_uid = words;
        event.subject.node = event.subject.container = event.subject.namespace = words;
        nj_ingest_local_event(fixture->server.ingest, &event);
    }
    bring(fixture, 1, 0);
    nj_ingest_hold(fixture->server.ingest, false);
    run_until_done(fixture, "1 after");
    int64_t untold = server_metric(&fixture->server, "nightjar_ingest_untold_facts_total");
    assert_true(untold > 0 && untold < COUNT);
    assert_int_equal(COUNT, server_metric(&fixture->server, "nightjar_ingest_events_total{type=\"stuck\"}"));
    while (fixture->facts.len == 0)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_committed_before_it_is_done_and_in_order),
        TEST(who_is_told_may_bring_more),
        TEST(what_fails_is_tried_again_with_all_that_came_with_it),
        TEST(stopping_writes_what_waits_and_says_what_could_not_be),
        TEST(no_more_than_the_bound_wait),
        TEST(new_facts_are_told_with_their_incidents),
        TEST(facts_beyond_the_bound_are_stored_and_counted),
    };
    return cmocka_run_group_tests_name("collector/ingest-local", tests, NULL, NULL);
}
