/*
 * From packets to committed facts, with real agents on real sockets: what is acknowledged is there, once;
 * what is hostile costs a counter; what fails leaves nothing behind.
 */
#include "collector/ingest/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/ingest_support.h"

#define REJECTED(reason) "nightjar_ingest_rejected_packets_total{reason=\"" reason "\"}"

struct fixture {
    struct test_loop *test;
    struct server server;
    struct agent agent;
    volatile int64_t now_ns; /* of a replayed clock */
};

static int setup(void **state)
{
    void *test = NULL;
    struct fixture *fixture = NJ_NEW(struct fixture);
    (void)test_loop_setup(&test);
    fixture->test = test;
    server_open(&fixture->server, fixture->test);
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
    free(fixture);
    return test_loop_teardown(&test);
}

static void assert_text(struct nj_buf *text, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(text));
    nj_buf_clear(text);
}

static void assert_incidents(struct fixture *fixture, const char *expected)
{
    struct nj_buf got = {0};
    server_incidents(&fixture->server, &got);
    assert_string_equal(expected, nj_buf_str(&got));
    nj_buf_done(&got);
}

/* Many crashes of as many pods; ids in `names`, each NAME_BYTES long. */
enum { NAME_BYTES = 32 };

static void make_crashes(struct nj_event *events, char (*names)[NAME_BYTES], size_t count, const char *prefix,
                         size_t from)
{
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], NAME_BYTES, "%s-%zu", prefix, from + i);
        events[i] = make_event(NJ_EVENT_CRASH, names[i]);
        events[i].crash.log = (struct nj_log_text){.text = "", .source = "", .missing = "gone"};
    }
}

static void an_event_is_acknowledged_when_it_is_there(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"), make_event(NJ_EVENT_STUCK, "b")};
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(2, fixture->agent.ack.committed);
    assert_int_equal(1, fixture->agent.ack.request);
    assert_int_equal(NJ_REFUSAL_NONE, fixture->agent.ack.refusal);
    assert_int_equal(1, server_count_crashes(&fixture->server));
    assert_incidents(fixture, "2 image_pull open n=1 lost=0;1 crash open n=1 lost=0;");
    assert_text(&fixture->server.planned, "+1 crash;+2 image_pull;");
    assert_text(&fixture->server.changed, "1 open n=1;2 open n=1;");
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_events_total{type=\"crash\"}"));
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_incidents_open{kind=\"crash\"}"));
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_commits_total"));
}

struct found_crash {
    struct nj_buf text;
    int64_t incident_id;
};

static int see_crash(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    struct found_crash *found = data;
    (void)rowid;
    found->incident_id = crash->incident_id;
    (void)nj_buf_printf(&found->text, "%s %s %s %zu", crash->project, crash->subject.node,
                        crash->subject.workload, crash->crash.log.len);
    return 0;
}

static struct found_crash find_crash(struct fixture *fixture, const char *id)
{
    struct found_crash found = {0};
    struct nj_store *reader = open_reader(&fixture->server.folder);
    assert_int_equal(0, reader->ops->get_crash(reader, id, true, see_crash, &found, NULL));
    reader->ops->close(reader);
    return found;
}

static void a_crash_is_linked_to_its_incident_and_named(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    event.subject.node = "";
    agent_tell(&fixture->agent, &event, 1, 1);
    struct found_crash found = find_crash(fixture, "a");
    assert_int_equal(1, found.incident_id);
    assert_text(&found.text, "shop-of-prod node-1 cart 32");
    nj_buf_done(&found.text);
}

static void a_heartbeat_is_answered_without_a_commit(void **state)
{
    struct fixture *fixture = *state;
    agent_tell(&fixture->agent, NULL, 0, 0);
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_int_equal(0, fixture->agent.ack.committed);
    assert_int_equal(2, fixture->agent.ack.request);
    assert_int_equal(0, server_metric(&fixture->server, "nightjar_ingest_commits_total"));
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_streams"));
}

static void what_is_sent_again_counts_once(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"), make_event(NJ_EVENT_LOST_CRASHES, "b"),
                                      make_event(NJ_EVENT_CRASH, "c")};
    agent_tell(&fixture->agent, events, 2, 1);
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(2, fixture->agent.ack.committed);
    agent_tell(&fixture->agent, events, 3, 1);
    assert_int_equal(3, fixture->agent.ack.committed);
    assert_incidents(fixture, "1 crash open n=2 lost=2;");
    assert_int_equal(4, server_metric(&fixture->server, "nightjar_ingest_duplicate_events_total"));
    /* Numbers that the agent's bounds left out. */
    const struct nj_event later = make_event(NJ_EVENT_CRASH, "d");
    agent_tell(&fixture->agent, &later, 1, 9);
    assert_int_equal(9, fixture->agent.ack.committed);
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_sequence_gaps_total"));
}

static void an_agent_that_lost_its_outbox_tells_again_and_nothing_is_doubled(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"), make_event(NJ_EVENT_LOST_CRASHES, "b"),
                                      make_event(NJ_EVENT_STUCK, "c"), make_event(NJ_EVENT_POD_FAILURE, "d")};
    struct agent anew;
    agent_tell(&fixture->agent, events, 4, 1);
    agent_open(&anew, fixture->test, fixture->server.url, test_key, "node-1", "s-2");
    agent_tell(&anew, events, 4, 1);
    assert_int_equal(4, anew.ack.committed);
    assert_incidents(fixture, "3 pod_failure open n=1 lost=0;2 image_pull open n=1 lost=0;"
                              "1 crash open n=1 lost=2;");
    assert_int_equal(1, server_count_crashes(&fixture->server));
    assert_int_equal(3, fixture->server.plans);
    agent_close(&anew);
}

static void a_replayed_packet_is_refused_and_says_where_to_go_on(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    agent_tell(&fixture->agent, &event, 1, 1);
    struct nj_buf old = {0};
    uint8_t old_nonce[NJ_SEAL_NONCE];
    assert_int_equal(0, nj_buf_append(&old, fixture->agent.packet.data, fixture->agent.packet.len));
    memcpy(old_nonce, fixture->agent.nonce, sizeof(old_nonce));
    /* The newest one again: its answer was lost. */
    agent_send_packet(&fixture->agent);
    agent_wait(&fixture->agent);
    assert_int_equal(NJ_REFUSAL_NONE, fixture->agent.ack.refusal);
    assert_int_equal(1, fixture->agent.ack.committed);

    fixture->agent.request = 50;
    agent_tell(&fixture->agent, NULL, 0, 0);
    nj_buf_clear(&fixture->agent.packet);
    assert_int_equal(0, nj_buf_append(&fixture->agent.packet, old.data, old.len));
    memcpy(fixture->agent.nonce, old_nonce, sizeof(old_nonce));
    agent_send_packet(&fixture->agent);
    agent_wait(&fixture->agent);
    assert_int_equal(NJ_REFUSAL_REPLAY, fixture->agent.ack.refusal);
    assert_int_equal(50, fixture->agent.ack.request);
    assert_int_equal(1, server_metric(&fixture->server, REJECTED("replay")));
    assert_incidents(fixture, "1 crash open n=1 lost=0;");
    nj_buf_done(&old);
}

static void a_newer_protocol_is_refused_with_words(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    fixture->agent.version = NJ_WIRE_VERSION + 1;
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_int_equal(NJ_REFUSAL_VERSION, fixture->agent.ack.refusal);
    assert_non_null(strstr(fixture->agent.refused, "upgrade"));
    assert_int_equal(1, server_metric(&fixture->server, REJECTED("version")));
    assert_int_equal(0, server_count_crashes(&fixture->server));
}

/* Sends bytes as they are and waits until the counter has risen. */
static void assert_costs(struct fixture *fixture, const void *bytes, size_t len, const char *counter)
{
    struct agent hostile;
    int64_t before = server_metric(&fixture->server, counter);
    agent_open(&hostile, fixture->test, fixture->server.url, test_key, "x", "x");
    assert_int_equal(0, nj_buf_append(&hostile.packet, bytes, len));
    agent_send_packet(&hostile);
    while (server_metric(&fixture->server, counter) == before)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_int_equal(before + 1, server_metric(&fixture->server, counter));
    agent_close(&hostile);
}

static void seal_plain(struct agent *agent, enum nj_packet_kind kind, const void *plain, size_t len)
{
    nj_buf_clear(&agent->packet);
    assert_int_equal(0,
                     nj_seal(agent->sealer, agent->keyring, kind, agent->nonce, plain, len, &agent->packet));
}

static void hostile_packets_cost_a_counter_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    struct agent stranger;
    agent_open(&stranger, fixture->test, fixture->server.url, other_key, "node-1", "s-1");
    agent_pack(&stranger, &event, 1, 1);
    assert_costs(fixture, "", 0, REJECTED("format"));
    assert_costs(fixture, "GET / HTTP/1.1\r\n\r\n", 18, REJECTED("format"));
    assert_costs(fixture, stranger.packet.data, stranger.packet.len, REJECTED("key"));

    /* Known key, one bit turned, at every part of the packet but the magic. */
    agent_pack(&fixture->agent, &event, 1, 1);
    struct nj_buf *packet = &fixture->agent.packet;
    packet->data[packet->len - 1] ^= 1;
    assert_costs(fixture, packet->data, packet->len, REJECTED("authentication"));
    packet->data[packet->len - 1] ^= 1;
    packet->data[20] ^= 1;
    assert_costs(fixture, packet->data, packet->len, REJECTED("authentication"));
    assert_costs(fixture, packet->data, 20, REJECTED("format"));
    assert_costs(fixture, packet->data, packet->len - 1, REJECTED("authentication"));

    /* A bomb: small as it comes, large when it is unpacked. */
    char *zeroes = nj_calloc(1, 64 << 20);
    seal_plain(&fixture->agent, NJ_PACKET_REQUEST, zeroes, 64 << 20);
    assert_true(packet->len < 1 << 20);
    assert_costs(fixture, packet->data, packet->len, REJECTED("size"));
    free(zeroes);

    /* A reply is no request. */
    seal_plain(&fixture->agent, NJ_PACKET_REPLY, "x", 1);
    assert_costs(fixture, packet->data, packet->len, REJECTED("format"));

    /* Sealed as it should be, and no batch. */
    seal_plain(&fixture->agent, NJ_PACKET_REQUEST, "\xff\xff\xff", 3);
    assert_costs(fixture, packet->data, packet->len, REJECTED("decode"));

    assert_int_equal(0, server_count_crashes(&fixture->server));
    assert_int_equal(0, server_metric(&fixture->server, "nightjar_ingest_commits_total"));
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_int_equal(1, fixture->agent.ack.committed);
    agent_close(&stranger);
}

static void an_oversize_packet_ends_its_connection_alone(void **state)
{
    struct fixture *fixture = *state;
    struct agent hostile;
    char *bytes = nj_calloc(1, 9 << 20);
    agent_open(&hostile, fixture->test, fixture->server.url, test_key, "x", "x");
    assert_int_equal(0, nj_buf_append(&hostile.packet, bytes, 9 << 20));
    agent_send_packet(&hostile);
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_int_equal(1, fixture->agent.ack.committed);
    agent_wait(&hostile);
    assert_int_equal(0, hostile.answers);
    agent_close(&hostile);
    free(bytes);
}

/* The plan "v1" names each namespace that is asked for. */
static bool plan_v1(void *data, const char *const *namespaces, size_t count, const char *have,
                    struct nj_buf *out)
{
    (void)data;
    if (nj_streq(have, "v1"))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct nj_plan_namespace part = {.name = namespaces[i]};
        (void)nj_plan_namespace_encode(&part, out);
    }
    (void)nj_plan_version_encode("v1", out);
    return true;
}

static void an_agent_gets_the_plan_that_it_does_not_have(void **state)
{
    struct fixture *fixture = *state;
    static const char *const namespaces[] = {"bank", "shop"};
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    server_stop(&fixture->server);
    fixture->server.options.plan_for = plan_v1;
    server_start(&fixture->server);
    agent_tell(&fixture->agent, NULL, 0, 0); /* it knows no plans */
    assert_string_equal("", fixture->agent.plan);
    fixture->agent.plan_version = "v0";
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_string_equal("v1", fixture->agent.plan);
    fixture->agent.plan_namespaces = namespaces;
    fixture->agent.plan_namespaces_count = 2;
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_string_equal("v1 bank shop", fixture->agent.plan);
    assert_int_equal(1, fixture->agent.ack.committed);
    fixture->agent.plan_version = "v1";
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_string_equal("", fixture->agent.plan);
    fixture->agent.plan_version = "";
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_string_equal("v1 bank shop", fixture->agent.plan);
    assert_int_equal(3, server_metric(&fixture->server, "nightjar_ingest_plans_total"));
    /* A refusal brings none. */
    fixture->agent.request = 1;
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_int_equal(NJ_REFUSAL_REPLAY, fixture->agent.ack.refusal);
    assert_string_equal("", fixture->agent.plan);
}

static void an_undecodable_batch_of_an_agent_is_answered_with_words(void **state)
{
    struct fixture *fixture = *state;
    seal_plain(&fixture->agent, NJ_PACKET_REQUEST, "\xff\xff\xff", 3);
    agent_send_packet(&fixture->agent);
    agent_wait(&fixture->agent);
    assert_int_equal(1, fixture->agent.answers);
    assert_int_equal(NJ_REFUSAL_INVALID, fixture->agent.ack.refusal);
    assert_true(strlen(fixture->agent.refused) > 0);
    assert_int_equal(0, fixture->agent.ack.committed);
}

static void an_agent_without_a_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *long_name = nj_calloc(1, 2001);
    memset(long_name, 'n', 2000);
    fixture->agent.node = "";
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_int_equal(NJ_REFUSAL_INVALID, fixture->agent.ack.refusal);
    fixture->agent.node = long_name;
    agent_tell(&fixture->agent, NULL, 0, 0);
    assert_int_equal(NJ_REFUSAL_INVALID, fixture->agent.ack.refusal);
    assert_int_equal(0, server_metric(&fixture->server, "nightjar_ingest_streams"));
    free(long_name);
}

static void names_of_absurd_length_are_cut_and_not_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    char *text = nj_calloc(1, 300001);
    memset(text, 'w', 300000);
    event.subject.workload = text;
    event.crash.reason = text;
    event.crash.message = text;
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_int_equal(1, fixture->agent.ack.committed);
    struct found_crash found = find_crash(fixture, "a");
    assert_true(found.text.len < 600);
    nj_buf_done(&found.text);
    free(text);
}

static void too_many_agents_are_refused_until_one_falls_silent(void **state)
{
    struct fixture *fixture = *state;
    server_stop(&fixture->server);
    fixture->server.options.max_agents = 2;
    fixture->server.options.silent_after_ns = 0;
    server_start(&fixture->server);
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    struct agent second, third, stranger;
    agent_open(&second, fixture->test, fixture->server.url, test_key, "node-2", "s-2");
    agent_open(&third, fixture->test, fixture->server.url, test_key, "node-3", "s-3");
    agent_open(&stranger, fixture->test, fixture->server.url, other_key, "node-4", "s-4");
    /* While a stranger's packet keeps the writer busy, all three come to wait for one group: nobody makes
     * room for another within it. */
    server_hold(&fixture->server);
    agent_send(&stranger, NULL, 0, 0);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 1)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    agent_send(&fixture->agent, &event, 1, 1);
    agent_send(&second, NULL, 0, 0);
    agent_send(&third, NULL, 0, 0);
    while (server_metric(&fixture->server, "nightjar_ingest_queue_depth") < 3)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    agent_wait(&fixture->agent);
    agent_wait(&second);
    agent_wait(&third);
    int refused = (fixture->agent.ack.refusal == NJ_REFUSAL_BUSY) + (second.ack.refusal == NJ_REFUSAL_BUSY) +
                  (third.ack.refusal == NJ_REFUSAL_BUSY);
    assert_int_equal(refused, 1);
    assert_int_equal(refused, server_metric(&fixture->server, REJECTED("agents")));
    agent_close(&second);
    agent_close(&third);
    agent_close(&stranger);
}

/* One that was last heard before the clock was set back by an hour is silent after a minute, not after 61. */
static void an_agent_falls_silent_though_the_clock_was_set_back(void **state)
{
    struct fixture *fixture = *state;
    server_stop(&fixture->server);
    fixture->now_ns = noon_ns + NJ_HOUR;
    fixture->test->clock.replay = &fixture->now_ns;
    fixture->server.options.max_agents = 2;
    server_start(&fixture->server);
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    struct agent second, third;
    agent_open(&second, fixture->test, fixture->server.url, test_key, "node-2", "s-2");
    agent_open(&third, fixture->test, fixture->server.url, test_key, "node-3", "s-3");
    agent_tell(&second, NULL, 0, 0);
    fixture->now_ns -= NJ_HOUR;
    agent_tell(&fixture->agent, &event, 1, 1);
    agent_tell(&third, NULL, 0, 0);
    assert_int_equal(NJ_REFUSAL_BUSY, third.ack.refusal);
    fixture->now_ns += NJ_MIN + NJ_SEC;
    agent_tell(&third, NULL, 0, 0);
    assert_int_equal(NJ_REFUSAL_NONE, third.ack.refusal);
    agent_close(&second);
    agent_close(&third);
}

static void a_full_disk_acknowledges_nothing_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event events[200];
    char names[200][NAME_BYTES];
    make_crashes(events, names, 200, "full", 0);
    agent_tell(&fixture->agent, events, 100, 1);
    assert_int_equal(100, fixture->agent.ack.committed);
    assert_int_equal(0, nj_sqlite_limit_pages(fixture->server.store, 1));
    const struct nj_event local = make_event(NJ_EVENT_STUCK, "local");
    nj_ingest_local_event(fixture->server.ingest, &local);
    for (int attempt = 0; attempt < 3; attempt++) {
        agent_tell(&fixture->agent, events, 200, 1);
        assert_int_equal(NJ_REFUSAL_STORE, fixture->agent.ack.refusal);
        assert_int_equal(100, fixture->agent.ack.committed);
        assert_true(fixture->agent.ack.retry_after_ns > 0);
        assert_non_null(strstr(fixture->agent.refused, "full"));
    }
    struct nj_err err = {0};
    assert_false(nj_ingest_healthy(fixture->server.ingest, &err));
    assert_non_null(strstr(err.text, "full"));
    assert_int_equal(100, server_count_crashes(&fixture->server));

    assert_int_equal(0, nj_sqlite_limit_pages(fixture->server.store, 0));
    while (fixture->agent.ack.committed < 200)
        agent_tell(&fixture->agent, events, 200, 1);
    assert_int_equal(200, server_count_crashes(&fixture->server));
    while (server_metric(&fixture->server, "nightjar_ingest_events_total{type=\"stuck\"}") == 0)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_incidents(fixture, "2 image_pull open n=1 lost=0;1 crash open n=200 lost=0;");
    assert_true(nj_ingest_healthy(fixture->server.ingest, NULL));
}

static void a_plan_that_fails_takes_everything_back(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"), make_event(NJ_EVENT_STUCK, "b")};
    fixture->server.plan_fails_at = 2;
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(NJ_REFUSAL_STORE, fixture->agent.ack.refusal);
    assert_int_equal(0, fixture->agent.ack.committed);
    assert_int_equal(0, server_count_crashes(&fixture->server));
    assert_incidents(fixture, "");
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_failed_commits_total"));
    assert_text(&fixture->server.changed, "");
    while (fixture->agent.ack.committed < 2)
        agent_tell(&fixture->agent, events, 2, 1);
    assert_incidents(fixture, "2 image_pull open n=1 lost=0;1 crash open n=1 lost=0;");
}

/* Two packets of one stream in a group that fails: what the first applied is not what is safe. */
static void a_failed_group_acknowledges_no_part_of_itself(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event first = make_event(NJ_EVENT_CRASH, "a"), second = make_event(NJ_EVENT_STUCK, "b");
    struct agent twin;
    agent_open(&twin, fixture->test, fixture->server.url, test_key, "node-1", "s-1");
    fixture->server.plan_fails_at = 2;
    server_hold(&fixture->server);
    agent_send(&fixture->agent, NULL, 0, 0);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 1)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    struct agent third;
    agent_open(&third, fixture->test, fixture->server.url, test_key, "node-1", "s-1");
    third.request = 2;
    agent_send(&third, &first, 1, 1);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 2)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    twin.request = 3;
    agent_send(&twin, &second, 1, 2);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 3)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    agent_wait(&fixture->agent);
    agent_wait(&third);
    agent_wait(&twin);
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_failed_commits_total"));
    assert_int_equal(NJ_REFUSAL_STORE, third.ack.refusal);
    assert_int_equal(0, third.ack.committed);
    assert_int_equal(NJ_REFUSAL_STORE, twin.ack.refusal);
    assert_int_equal(0, twin.ack.committed);
    agent_close(&third);
    agent_close(&twin);
}

static void what_waits_is_committed_as_one_group(void **state)
{
    enum { AGENTS = 40 };
    struct fixture *fixture = *state;
    struct agent *agents = nj_calloc(AGENTS, sizeof(*agents));
    char(*names)[NAME_BYTES] = nj_calloc(AGENTS, sizeof(*names));
    server_hold(&fixture->server);
    /* The first packet goes to the worker, where it waits behind the hold; the others gather. */
    agent_send(&fixture->agent, NULL, 0, 0);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 1)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    for (int i = 0; i < AGENTS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "agent-%d", i);
        const struct nj_event event = make_event(NJ_EVENT_CRASH, names[i]);
        agent_open(&agents[i], fixture->test, fixture->server.url, test_key, names[i], names[i]);
        agent_send(&agents[i], &event, 1, 1);
    }
    while (server_metric(&fixture->server, "nightjar_ingest_queue_depth") < AGENTS)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        agent_wait(&agents[i]);
        assert_int_equal(1, agents[i].ack.committed);
        agent_close(&agents[i]);
    }
    assert_int_equal(1, server_metric(&fixture->server, "nightjar_ingest_commits_total"));
    assert_incidents(fixture, "1 crash open n=40 lost=0;");
    free(agents);
    free(names);
}

static void a_group_ends_when_it_has_enough_events(void **state)
{
    enum { AGENTS = 5, EACH = 3000 };
    struct fixture *fixture = *state;
    struct nj_event *events = nj_calloc(EACH, sizeof(*events));
    char(*names)[NAME_BYTES] = nj_calloc(EACH, sizeof(*names));
    struct agent agents[AGENTS];
    static const char *const streams[AGENTS] = {"a", "b", "c", "d", "e"};
    server_hold(&fixture->server);
    agent_send(&fixture->agent, NULL, 0, 0);
    for (int i = 0; i < AGENTS; i++) {
        make_crashes(events, names, EACH, streams[i], 0);
        agent_open(&agents[i], fixture->test, fixture->server.url, test_key, streams[i], streams[i]);
        agent_send(&agents[i], events, EACH, 1);
        while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 2 + i)
            (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    }
    server_release(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        agent_wait(&agents[i]);
        /* Under a slow build the answer may come after the agent's patience: it asks again. */
        while (agents[i].answers == 0) {
            make_crashes(events, names, EACH, streams[i], 0);
            agent_send(&agents[i], events, EACH, 1);
            agent_wait(&agents[i]);
        }
        assert_int_equal(EACH, agents[i].ack.committed);
        agent_close(&agents[i]);
    }
    assert_true(server_metric(&fixture->server, "nightjar_ingest_commits_total") >= 2);
    assert_int_equal(AGENTS * EACH, server_count_crashes(&fixture->server));
    assert_int_equal(AGENTS * EACH, server_sum_of_counts(&fixture->server));
    assert_int_equal(0, server_metric(&fixture->server, "nightjar_ingest_queue_depth"));
    free(events);
    free(names);
}

static void when_too_much_waits_reading_pauses_and_everybody_is_answered(void **state)
{
    enum { AGENTS = 30 };
    struct fixture *fixture = *state;
    server_stop(&fixture->server);
    fixture->server.options.max_queued = 4;
    server_start(&fixture->server);
    struct agent *agents = nj_calloc(AGENTS, sizeof(*agents));
    char(*names)[NAME_BYTES] = nj_calloc(AGENTS, sizeof(*names));
    server_hold(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "agent-%d", i);
        const struct nj_event event = make_event(NJ_EVENT_CRASH, names[i]);
        agent_open(&agents[i], fixture->test, fixture->server.url, test_key, names[i], names[i]);
        agent_send(&agents[i], &event, 1, 1);
    }
    while (server_metric(&fixture->server, "nightjar_ingest_pauses_total") == 0)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        agent_wait(&agents[i]);
        assert_int_equal(1, agents[i].ack.committed);
        agent_close(&agents[i]);
    }
    assert_int_equal(AGENTS, server_count_crashes(&fixture->server));
    free(agents);
    free(names);
}

static void a_restart_remembers_streams_incidents_and_heartbeats(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_event(NJ_EVENT_CRASH, "a"), make_event(NJ_EVENT_CRASH, "b")};
    agent_tell(&fixture->agent, events, 1, 1);
    agent_tell(&fixture->agent, NULL, 0, 0);
    server_stop(&fixture->server);
    server_start(&fixture->server);
    /* The counter of an agent that was restored from a copy. */
    fixture->agent.request = 2;
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(2, fixture->agent.ack.committed);
    fixture->agent.request = 1;
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(NJ_REFUSAL_REPLAY, fixture->agent.ack.refusal);
    assert_incidents(fixture, "1 crash open n=2 lost=0;");
    struct nj_event cleared = make_event(NJ_EVENT_CLEARED, "c");
    cleared.at_ns += NJ_MIN;
    fixture->agent.request = 9;
    agent_tell(&fixture->agent, &cleared, 1, 3);
    assert_incidents(fixture, "1 crash resolved n=2 lost=0;");
    assert_text(&fixture->server.planned, "+1 crash;-1 stable;");
}

static void the_collectors_own_events_go_the_same_way(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = make_event(NJ_EVENT_STUCK, "unscheduled");
    event.stuck.reason = "Unschedulable";
    event.subject.container = "";
    event.subject.node = "";
    nj_ingest_local_event(fixture->server.ingest, &event);
    while (fixture->server.changed.len == 0)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_incidents(fixture, "1 unschedulable open n=1 lost=0;");
    assert_text(&fixture->server.planned, "+1 unschedulable;");
}

static void list_subject(void *data, const struct nj_incident *incident,
                         const struct nj_incident_subject *subject)
{
    (void)nj_buf_printf(data, "%s %s;", incident->namespace, subject->pod);
}

static void what_was_in_trouble_is_known_at_the_start(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = make_event(NJ_EVENT_STUCK, "unscheduled");
    event.stuck.reason = "Unschedulable";
    nj_ingest_local_event(fixture->server.ingest, &event);
    server_stop(&fixture->server); /* which commits it */
    server_start(&fixture->server);
    struct nj_buf got = {0};
    nj_ingest_each_subject(fixture->server.ingest, NJ_INCIDENT_UNSCHEDULABLE, list_subject, &got);
    assert_text(&got, "shop cart-5f7c9-x2k4p;");
    nj_buf_done(&got);
}

static void while_it_is_held_everything_waits(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a"), local = make_event(NJ_EVENT_STUCK, "b");
    nj_ingest_hold(fixture->server.ingest, true);
    nj_ingest_local_event(fixture->server.ingest, &local);
    agent_send(&fixture->agent, &event, 1, 1);
    /* Long enough to lose patience. */
    agent_wait(&fixture->agent);
    assert_int_equal(1, fixture->agent.timeouts);
    assert_incidents(fixture, "");
    nj_ingest_hold(fixture->server.ingest, false);
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_int_equal(1, fixture->agent.ack.committed);
    assert_int_equal(2, server_metric(&fixture->server, "nightjar_ingest_events_total{type=\"crash\"}") +
                            server_metric(&fixture->server, "nightjar_ingest_events_total{type=\"stuck\"}"));
}

static void stopping_answers_what_was_received(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    server_hold(&fixture->server);
    agent_send(&fixture->agent, &event, 1, 1);
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < 1)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    server_stop(&fixture->server);
    assert_int_equal(1, server_count_crashes(&fixture->server));
    server_start(&fixture->server);
}

static void time_alone_resolves_deletes_and_remembers_heartbeats(void **state)
{
    struct fixture *fixture = *state;
    server_stop(&fixture->server);
    fixture->now_ns = noon_ns + NJ_SEC;
    fixture->test->clock.replay = &fixture->now_ns;
    fixture->server.options.retention = (struct nj_retention){.crashes_ns = 2 * NJ_MIN,
                                                              .logs_ns = 2 * NJ_MIN,
                                                              .incidents_ns = 10 * NJ_DAY,
                                                              .agents_ns = 10 * NJ_DAY};
    fixture->server.options.stale_after_ns = NJ_MIN;
    server_start(&fixture->server);
    const struct nj_event event = make_event(NJ_EVENT_CRASH, "a");
    agent_tell(&fixture->agent, &event, 1, 1);
    fixture->now_ns += NJ_MIN + 10 * NJ_SEC;
    while (strstr(nj_buf_str(&fixture->server.changed), "1 resolved") == NULL)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_int_equal(1, server_count_crashes(&fixture->server));
    fixture->now_ns += NJ_MIN;
    while (server_count_crashes(&fixture->server) > 0)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_incidents(fixture, "1 crash resolved n=1 lost=0;");
    while (server_metric(&fixture->server, "nightjar_agents{state=\"silent\"}") == 0) {
        fixture->now_ns += NJ_SEC;
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    }
    assert_true(server_metric(&fixture->server, "nightjar_store_bytes") > 0);
}

static void an_address_in_use_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct nj_ingest_options options = fixture->server.options;
    struct nj_ingest *second = NULL;
    struct nj_err err = {0};
    options.listen = "tcp://not an address";
    assert_true(nj_ingest_start(&options, &second, &err) < 0);
    assert_null(second);
    assert_non_null(strstr(err.text, "ingest.listen"));
}

/* --- The collector's receiving half as a process of its own, killed at random moments. --- */

static int run_collector(const char *folder, const char *url)
{
    void *state = NULL;
    struct server server = {0};
    (void)test_loop_setup(&state);
    server.test = state;
    (void)snprintf(server.folder.path, sizeof(server.folder.path), "%s", folder);
    (void)snprintf(server.folder.database, sizeof(server.folder.database), "%s/collector.db", folder);
    assert_int_equal(0, nj_keyring_parse(test_key, strlen(test_key), &server.keyring, NULL));
    server.options = (struct nj_ingest_options){.loop = &server.test->loop,
                                                .keyring = server.keyring,
                                                .listen = url,
                                                .cluster = "prod",
                                                .max_packet_bytes = 1 << 20,
                                                .max_plain_bytes = 8 << 20,
                                                .max_queued = 64,
                                                .max_agents = 10,
                                                .silent_after_ns = NJ_MIN,
                                                .stale_after_ns = NJ_DAY,
                                                .max_open = 100,
                                                .max_subjects = 100,
                                                .retention = {.crashes_ns = 3650 * NJ_DAY,
                                                              .logs_ns = 3650 * NJ_DAY,
                                                              .incidents_ns = 3650 * NJ_DAY,
                                                              .agents_ns = 3650 * NJ_DAY}};
    server_start(&server);
    nj_loop_run(&server.test->loop);
    return 1;
}

static pid_t start_collector(const struct folder *folder, const char *url)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "test_ingest", "--collector", folder->path, url, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void end_collector(pid_t child)
{
    int status = 0;
    assert_int_equal(0, kill(child, SIGKILL));
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kill_9_at_any_moment_loses_and_doubles_nothing(void **state)
{
    enum { EVENTS = 600, BATCH = 7, KILLS = 20 };
    struct fixture *fixture = *state;
    const char *given = getenv("NJ_SEED");
    unsigned seed =
        given == NULL ? (unsigned)time(NULL) ^ (unsigned)getpid() : (unsigned)strtoul(given, NULL, 10);
    print_message("NJ_SEED=%u\n", seed);
    server_stop(&fixture->server);
    struct nj_event events[BATCH];
    char names[BATCH][NAME_BYTES];
    uint64_t committed = 0;
    int kills = 0;
    pid_t child = start_collector(&fixture->server.folder, fixture->server.url);
    while (committed < EVENTS) {
        size_t count = EVENTS - committed < BATCH ? (size_t)(EVENTS - committed) : BATCH;
        make_crashes(events, names, count, "kill", committed);
        for (size_t i = 0; i < count; i++) {
            /* Now and then something that has no record of its own. */
            if ((committed + i) % 5 == 4) {
                events[i] = make_event(NJ_EVENT_LOST_CRASHES, names[i]);
                events[i].lost.count = 1;
            }
        }
        agent_send(&fixture->agent, events, count, committed + 1);
        /* Somewhere between the sending and the answer. */
        if (kills < KILLS && rand_r(&seed) % 2 == 0) {
            const struct timespec pause = {.tv_nsec = rand_r(&seed) % 8000000};
            (void)nanosleep(&pause, NULL);
            end_collector(child);
            kills++;
            child = start_collector(&fixture->server.folder, fixture->server.url);
        }
        agent_wait(&fixture->agent);
        if (fixture->agent.answers > 0) {
            assert_false(fixture->agent.unreadable);
            assert_true(fixture->agent.ack.committed >= committed);
            committed = fixture->agent.ack.committed;
        }
    }
    end_collector(child);
    assert_int_equal(KILLS, kills);
    server_start(&fixture->server);
    assert_int_equal(EVENTS - EVENTS / 5, server_count_crashes(&fixture->server));
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "1 crash open n=%d lost=%d;", EVENTS - EVENTS / 5, EVENTS / 5);
    assert_incidents(fixture, expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--collector") == 0)
        return run_collector(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_acknowledged_when_it_is_there),
        TEST(a_crash_is_linked_to_its_incident_and_named),
        TEST(a_heartbeat_is_answered_without_a_commit),
        TEST(what_is_sent_again_counts_once),
        TEST(an_agent_that_lost_its_outbox_tells_again_and_nothing_is_doubled),
        TEST(a_replayed_packet_is_refused_and_says_where_to_go_on),
        TEST(a_newer_protocol_is_refused_with_words),
        TEST(hostile_packets_cost_a_counter_and_nothing_else),
        TEST(an_oversize_packet_ends_its_connection_alone),
        TEST(an_agent_gets_the_plan_that_it_does_not_have),
        TEST(an_undecodable_batch_of_an_agent_is_answered_with_words),
        TEST(an_agent_without_a_name_is_refused),
        TEST(names_of_absurd_length_are_cut_and_not_refused),
        TEST(too_many_agents_are_refused_until_one_falls_silent),
        TEST(an_agent_falls_silent_though_the_clock_was_set_back),
        TEST(a_full_disk_acknowledges_nothing_and_loses_nothing),
        TEST(a_plan_that_fails_takes_everything_back),
        TEST(a_failed_group_acknowledges_no_part_of_itself),
        TEST(what_waits_is_committed_as_one_group),
        TEST(a_group_ends_when_it_has_enough_events),
        TEST(when_too_much_waits_reading_pauses_and_everybody_is_answered),
        TEST(a_restart_remembers_streams_incidents_and_heartbeats),
        TEST(the_collectors_own_events_go_the_same_way),
        TEST(what_was_in_trouble_is_known_at_the_start),
        TEST(while_it_is_held_everything_waits),
        TEST(stopping_answers_what_was_received),
        TEST(time_alone_resolves_deletes_and_remembers_heartbeats),
        TEST(an_address_in_use_is_told),
        TEST(kill_9_at_any_moment_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests_name("collector/ingest", tests, NULL, NULL);
}
