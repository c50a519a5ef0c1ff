/*
 * What goes on at once: streams of incidents, queries that wait, clients that leave, the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"

enum { STREAMS = 5, BIG = 3000 };

#define STREAM "/api/v1/incidents/stream"

static void open_stream(struct api_setup *setup, struct reply *reply)
{
    reply_start(setup, reply, "GET", STREAM, NULL);
    reply_wait_text(setup, reply, "\n\n");
}

/* The metric as it will be once the loop has noticed who left. */
static void wait_for_metric(struct api_setup *setup, const char *series, int64_t wanted)
{
    int64_t value = -1;
    for (int i = 0; i < 1000 && value != wanted; i++)
        value = api_metric(setup, series);
    assert_int_equal(value, wanted);
}

static json_object *event_data(const struct reply *reply, const char *id)
{
    char mark[64];
    (void)snprintf(mark, sizeof(mark), "event: incident\nid: %s\ndata: ", id);
    const char *found = strstr(nj_buf_str(&reply->bytes), mark);
    assert_non_null(found);
    json_object *object = json_tokener_parse(found + strlen(mark));
    assert_non_null(object);
    return object;
}

/* ---- streams */

static void every_stream_gets_every_change(void **state)
{
    struct api_setup *setup = *state;
    struct reply streams[2] = {0};
    struct nj_incident incident = make_incident(7, "a");
    api_open(setup);
    nj_api_publish(setup->api, &incident); /* nobody listens yet */
    for (int i = 0; i < 2; i++)
        open_stream(setup, &streams[i]);
    wait_for_metric(setup, "nightjar_api_streams", 2);
    incident.revision = 2;
    incident.message = "line\nbreak\r\n\ndata: forged \xff";
    nj_api_publish(setup->api, &incident);
    incident.revision = 3;
    incident.state = NJ_INCIDENT_RESOLVED;
    nj_api_publish(setup->api, &incident);
    for (int i = 0; i < 2; i++) {
        reply_wait_text(setup, &streams[i], "id: 7.3\n");
        reply_wait_text(setup, &streams[i], "\"resolved\"");
        assert_non_null(strstr(streams[i].bytes.data, "\r\nContent-Type: text/event-stream\r\n"));
        assert_null(strstr(streams[i].bytes.data, "id: 7.1\n"));
        assert_null(strstr(streams[i].bytes.data, "\ndata: forged"));
        json_object *second = event_data(&streams[i], "7.2"), *third = event_data(&streams[i], "7.3");
        assert_string_equal(field(second, "state"), "open");
        assert_string_equal(field(third, "state"), "resolved");
        assert_string_equal(field(second, "message"), "line\nbreak\r\n\ndata: forged \xef\xbf\xbd");
        assert_int_equal(json_object_put(second), 1);
        assert_int_equal(json_object_put(third), 1);
        reply_done(setup, &streams[i]);
    }
    wait_for_metric(setup, "nightjar_api_streams", 0);
    assert_int_equal(api_metric(setup, "nightjar_api_streams_dropped_total"), 0);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    struct api_setup *setup = *state;
    struct reply streams[STREAMS] = {0}, reply;
    setup->config.api.max_streams = STREAMS;
    api_open(setup);
    for (int i = 0; i < STREAMS; i++)
        open_stream(setup, &streams[i]);
    for (int i = 0; i < 3; i++)
        assert_get_problem(setup, STREAM, 503, "api.max_streams");
    assert_int_equal(api_metric(setup, "nightjar_api_streams_refused_total"), 3);
    assert_int_equal(api_metric(setup, "nightjar_api_streams"), STREAMS);
    reply_done(setup, &streams[2]); /* makes room */
    wait_for_metric(setup, "nightjar_api_streams", STREAMS - 1);
    open_stream(setup, &streams[2]);
    get(setup, &reply, "/api/v1/incidents"); /* lists go on all the while */
    assert_int_equal(reply.status, 200);
    reply_done(setup, &reply);
    for (int i = 0; i < STREAMS; i++)
        reply_done(setup, &streams[i]);
}

static void streams_can_be_turned_off(void **state)
{
    struct api_setup *setup = *state;
    setup->config.api.max_streams = 0;
    api_open(setup);
    assert_get_problem(setup, STREAM, 503, "0 streams");
}

static void a_reader_that_is_too_slow_is_dropped_and_the_others_go_on(void **state)
{
    struct api_setup *setup = *state;
    struct reply slow = {.stalled = true}, quick = {0};
    char *message = nj_calloc(1, BIG + 1);
    memset(message, 'x', BIG);
    struct nj_incident incident = make_incident(7, "a");
    incident.message = message;
    api_open(setup);
    open_stream(setup, &quick);
    reply_start(setup, &slow, "GET", STREAM, NULL);
    wait_for_metric(setup, "nightjar_api_streams", 2);
    /* What the kernel takes, then what the server keeps, is full at some point. */
    int published = 0;
    for (; published < 20000 && api_metric(setup, "nightjar_api_streams") == 2; published++) {
        for (int i = 0; i < 50; i++) {
            incident.revision++;
            nj_api_publish(setup->api, &incident);
        }
        test_run_some(setup->test);
    }
    assert_in_range(published, 1, 19999);
    assert_int_equal(api_metric(setup, "nightjar_api_streams_dropped_total"), 1);
    char last[32];
    (void)snprintf(last, sizeof(last), "id: 7.%d\n", (int)incident.revision);
    reply_wait_text(setup, &quick, last);
    free(message);
    reply_done(setup, &slow);
    reply_done(setup, &quick);
}

/* ---- queries */

static void queries_beyond_the_queue_are_refused_at_once(void **state)
{
    struct api_setup *setup = *state;
    struct reply waiting[2] = {0};
    setup->max_queued = 2;
    api_open(setup);
    api_hold(setup);
    for (int i = 0; i < 2; i++)
        reply_start(setup, &waiting[i], "GET", "/api/v1/incidents", NULL);
    while (nj_worker_queued(setup->worker) < 2)
        test_run_some(setup->test);
    for (int i = 0; i < 3; i++)
        assert_get_problem(setup, "/api/v1/crashes", 503, "try again");
    assert_int_equal(api_metric(setup, "nightjar_api_queries_refused_total"), 3);
    assert_false(waiting[0].ended);
    api_release(setup);
    for (int i = 0; i < 2; i++) {
        reply_wait(setup, &waiting[i]);
        assert_int_equal(waiting[i].status, 200);
        reply_done(setup, &waiting[i]);
    }
}

static void a_client_that_leaves_harms_nobody(void **state)
{
    struct api_setup *setup = *state;
    struct reply leaves = {0}, stays = {0};
    api_open(setup);
    api_hold(setup);
    reply_start(setup, &leaves, "GET", "/api/v1/incidents?namespace=shop", NULL);
    reply_start(setup, &stays, "GET", "/api/v1/incidents?namespace=shop", NULL);
    while (nj_worker_queued(setup->worker) < 2)
        test_run_some(setup->test);
    reply_done(setup, &leaves);
    test_run_some(setup->test);
    api_release(setup);
    reply_wait(setup, &stays);
    assert_int_equal(stays.status, 200);
    reply_done(setup, &stays);
}

/* ---- the end */

static void closing_waits_for_queries_and_ends_streams(void **state)
{
    struct api_setup *setup = *state;
    struct reply stream = {0}, query = {0};
    struct nj_incident incident = make_incident(7, "a");
    api_put_incident(setup, &incident);
    api_open(setup);
    open_stream(setup, &stream);
    api_hold(setup);
    reply_start(setup, &query, "GET", "/api/v1/incidents", NULL);
    while (nj_worker_queued(setup->worker) < 1)
        test_run_some(setup->test);
    nj_api_close(setup->api, test_set_flag, &setup->closed);
    test_run_until(setup->test, &query.ended);
    test_run_until(setup->test, &stream.ended);
    assert_int_equal(query.bytes.len, 0);
    test_run_some(setup->test);
    assert_false(setup->closed); /* its query still runs */
    api_release(setup);
    test_run_until(setup->test, &setup->closed);
    setup->api = NULL;
    bool worker_closed = false;
    nj_worker_close(setup->worker, test_set_flag, &worker_closed);
    test_run_until(setup->test, &worker_closed);
    reply_done(setup, &stream);
    reply_done(setup, &query);
}

static void closing_nothing_is_closed_at_once(void **state)
{
    struct api_setup *setup = *state;
    bool closed = false;
    nj_api_close(NULL, test_set_flag, &closed);
    assert_true(closed);
    nj_api_close(NULL, NULL, NULL);
    api_open(setup);
}

static void an_address_that_is_taken_is_an_error_that_names_the_setting(void **state)
{
    struct api_setup *setup = *state;
    struct nj_err err = {0};
    struct nj_api *second = NULL;
    struct nj_collector_config config = setup->config;
    char listen[32];
    api_open(setup);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", nj_api_port(setup->api));
    config.api.listen = listen;
    const struct nj_api_options options = {
        .loop = &setup->test->loop, .store = setup->reader, .metrics = setup->metrics, .config = &config};
    assert_true(nj_api_start(&options, &second, &err) < 0);
    assert_null(second);
    assert_non_null(strstr(err.text, "api.listen"));
    assert_non_null(strstr(err.text, listen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(every_stream_gets_every_change),
        api_case(more_streams_than_allowed_are_refused),
        api_case(streams_can_be_turned_off),
        api_case(a_reader_that_is_too_slow_is_dropped_and_the_others_go_on),
        api_case(queries_beyond_the_queue_are_refused_at_once),
        api_case(a_client_that_leaves_harms_nobody),
        api_case(closing_waits_for_queries_and_ends_streams),
        api_case(closing_nothing_is_closed_at_once),
        api_case(an_address_that_is_taken_is_an_error_that_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
