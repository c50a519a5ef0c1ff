#include "tests/unit/collector/ingest_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

const char test_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
const char other_key[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

enum { REPLY_TIMEOUT_MS = 2000 };

static struct nj_keyring *read_key(const char *text)
{
    struct nj_keyring *keyring = NULL;
    assert_int_equal(0, nj_keyring_parse(text, strlen(text), &keyring, NULL));
    return keyring;
}

static int plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                enum nj_transition transition, int64_t now_ns, struct nj_err *err)
{
    struct server *server = data;
    (void)now_ns;
    if (++server->plans == server->plan_fails_at)
        return nj_err_set(err, server->plan_error, "the plan fails");
    const struct nj_notification notification = {
        .incident_id = incident->id,
        .transition = transition == NJ_TRANSITION_OPENED ? "opened" : "resolved",
        .occurrence = incident->revision,
        .channel = "robot"};
    int64_t id = 0;
    (void)nj_buf_printf(&server->planned, "%c%d %s;", transition == NJ_TRANSITION_OPENED ? '+' : '-',
                        (int)incident->id,
                        transition == NJ_TRANSITION_OPENED ? nj_incident_kind_name(incident->kind)
                                                           : incident->resolved_cause);
    return writer->ops->add_notification(writer, &notification, &id, err);
}

static void on_changed(void *data, const struct nj_incident *incidents, size_t count)
{
    struct server *server = data;
    for (size_t i = 0; i < count; i++)
        (void)nj_buf_printf(&server->changed, "%d %s n=%d;", (int)incidents[i].id,
                            nj_incident_state_name(incidents[i].state), (int)incidents[i].count);
}

static void find_project(void *data, const char *cluster, const char *namespace, char *ret_project,
                         size_t size)
{
    (void)data;
    (void)snprintf(ret_project, size, "%s-of-%s", namespace, cluster);
}

void server_open(struct server *server, struct test_loop *test)
{
    *server = (struct server){.test = test, .plan_error = -EIO};
    begin_folder(&server->folder);
    (void)snprintf(server->url, sizeof(server->url), "ipc://%s/agents", server->folder.path);
    server->keyring = read_key(test_key);
    server->metrics = nj_metrics_new();
    server->options = (struct nj_ingest_options){
        .loop = &test->loop,
        .keyring = server->keyring,
        .metrics = server->metrics,
        .listen = server->url,
        .cluster = "prod",
        .max_packet_bytes = 8 << 20,
        .max_plain_bytes = 8 << 20,
        .max_queued = 1024,
        .max_agents = 1000,
        .silent_after_ns = NJ_MIN,
        .stale_after_ns = NJ_DAY,
        .max_open = 1000,
        .max_subjects = 1000,
        .retention = {.crashes_ns = 3650 * NJ_DAY,
                      .logs_ns = 3650 * NJ_DAY,
                      .incidents_ns = 3650 * NJ_DAY,
                      .agents_ns = 3650 * NJ_DAY},
        .project = find_project,
        .plan = plan,
        .plan_data = server,
        .on_changed = on_changed,
        .data = server,
    };
    server_start(server);
}

void server_start(struct server *server)
{
    struct nj_err err = {0};
    server->store = open_writer(&server->folder);
    server->writer = nj_worker_new(&server->test->loop, "writer", 64);
    server->options.store = server->store;
    server->options.writer = server->writer;
    if (nj_ingest_start(&server->options, &server->ingest, &err) < 0)
        fail_msg("%s", err.text);
}

void server_stop(struct server *server)
{
    bool ingest_closed = false, writer_closed = false;
    nj_ingest_close(server->ingest, test_set_flag, &ingest_closed);
    test_run_until(server->test, &ingest_closed);
    nj_worker_close(server->writer, test_set_flag, &writer_closed);
    test_run_until(server->test, &writer_closed);
    server->store->ops->close(server->store);
    server->ingest = NULL;
    server->writer = NULL;
    server->store = NULL;
}

void server_close(struct server *server)
{
    if (server->ingest != NULL)
        server_stop(server);
    nj_keyring_free(server->keyring);
    nj_metrics_free(server->metrics);
    nj_buf_done(&server->planned);
    nj_buf_done(&server->changed);
    end_folder(&server->folder);
}

static void hold(struct nj_job *job)
{
    struct server *server = job->data;
    uv_sem_wait(&server->held);
}

static void hold_done(struct nj_job *job)
{
    struct server *server = job->data;
    uv_sem_destroy(&server->held);
    server->holding = false;
}

void server_hold(struct server *server)
{
    assert_int_equal(0, uv_sem_init(&server->held, 0));
    server->holding = true;
    server->hold = (struct nj_job){.run = hold, .done = hold_done, .data = server};
    assert_int_equal(0, nj_worker_submit(server->writer, &server->hold));
}

void server_release(struct server *server)
{
    uv_sem_post(&server->held);
}

int64_t server_metric(struct server *server, const char *series)
{
    struct nj_buf text = {0};
    nj_ingest_collect(server->ingest);
    assert_int_equal(0, nj_metrics_render(server->metrics, &text));
    char *line = nj_asprintf("\n%s ", series);
    const char *found = strstr(nj_buf_str(&text), line);
    if (found == NULL)
        fail_msg("no metric %s", series);
    int64_t value = found == NULL ? 0 : strtoll(found + strlen(line), NULL, 10);
    free(line);
    nj_buf_done(&text);
    return value;
}

static int count_crash(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    int64_t *const *ends = data;
    (void)crash;
    *ends[0] = rowid;
    (*ends[1])++;
    return 0;
}

int server_count_crashes(struct server *server)
{
    struct nj_store *reader = open_reader(&server->folder);
    int64_t total = 0, last = 0, got = 0;
    do {
        const struct nj_crash_filter filter = {.limit = NJ_STORE_LIMIT_MAX, .before_rowid = last};
        int64_t *ends[] = {&last, &got};
        got = 0;
        assert_int_equal(0, reader->ops->each_crash(reader, &filter, count_crash, ends, NULL));
        total += got;
    } while (got == NJ_STORE_LIMIT_MAX);
    reader->ops->close(reader);
    return (int)total;
}

static int list_incident(void *data, const struct nj_incident *incident)
{
    (void)nj_buf_printf(data, "%d %s %s n=%d lost=%d;", (int)incident->id,
                        nj_incident_kind_name(incident->kind), nj_incident_state_name(incident->state),
                        (int)incident->count, (int)incident->lost);
    return 0;
}

static int sum_count(void *data, const struct nj_incident *incident)
{
    *(int64_t *)data += (int64_t)incident->count;
    return 0;
}

static void each_incident(struct server *server,
                          int (*on_incident)(void *data, const struct nj_incident *incident), void *data)
{
    struct nj_store *reader = open_reader(&server->folder);
    const struct nj_incident_filter all = {.limit = NJ_STORE_LIMIT_MAX};
    assert_int_equal(0, reader->ops->each_incident(reader, &all, on_incident, data, NULL));
    reader->ops->close(reader);
}

void server_incidents(struct server *server, struct nj_buf *out)
{
    nj_buf_clear(out);
    each_incident(server, list_incident, out);
}

int64_t server_sum_of_counts(struct server *server)
{
    int64_t sum = 0;
    each_incident(server, sum_count, &sum);
    return sum;
}

static void take_plan(struct agent *agent, const struct nj_plan *plan)
{
    struct nj_buf text = {0};
    (void)nj_buf_append_str(&text, plan->version);
    for (size_t i = 0; i < plan->namespaces_count; i++)
        (void)nj_buf_printf(&text, " %s", plan->namespaces[i].name);
    (void)snprintf(agent->plan, sizeof(agent->plan), "%s", nj_buf_str(&text));
    nj_buf_done(&text);
    agent->ack.plan = (struct nj_plan){0};
}

static void on_reply(void *data, const void *bytes, size_t len)
{
    struct agent *agent = data;
    struct nj_buf plain = {.max = NJ_ACK_BYTES_MAX};
    struct nj_arena arena;
    struct nj_ack ack;
    nj_arena_init(&arena, 1 << 20);
    agent->answers++;
    agent->unreadable = nj_unseal(agent->sealer, agent->keyring, NJ_PACKET_REPLY, agent->nonce, bytes, len,
                                  NJ_ACK_BYTES_MAX, &plain, NULL) < 0 ||
                        nj_ack_decode(plain.data, plain.len, &arena, &ack, NULL) < 0;
    if (!agent->unreadable) {
        agent->ack = ack;
        (void)snprintf(agent->refused, sizeof(agent->refused), "%s", ack.refused);
        agent->ack.refused = agent->refused;
        take_plan(agent, &ack.plan);
    }
    nj_arena_done(&arena);
    nj_buf_done(&plain);
}

static void on_timeout(void *data)
{
    struct agent *agent = data;
    agent->timeouts++;
}

void agent_open(struct agent *agent, struct test_loop *test, const char *url, const char *key_text,
                const char *node, const char *stream)
{
    *agent = (struct agent){
        .test = test, .node = node, .stream = stream, .version = NJ_WIRE_VERSION, .request = 1};
    agent->keyring = read_key(key_text);
    agent->sealer = nj_sealer_new();
    const struct nj_requester_options options = {.url = url,
                                                 .max_reply_bytes = 1 << 20,
                                                 .reply_timeout_ns = REPLY_TIMEOUT_MS * NJ_MS,
                                                 .reconnect_min_ns = 10 * NJ_MS,
                                                 .reconnect_max_ns = 20 * NJ_MS,
                                                 .on_reply = on_reply,
                                                 .on_timeout = on_timeout,
                                                 .data = agent};
    assert_int_equal(0, nj_requester_start(&test->loop, &options, &agent->requester, NULL));
}

void agent_close(struct agent *agent)
{
    nj_requester_close(agent->requester, test_set_flag, &agent->closed);
    test_run_until(agent->test, &agent->closed);
    nj_keyring_free(agent->keyring);
    nj_sealer_free(agent->sealer);
    nj_buf_done(&agent->packet);
}

void agent_pack(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq)
{
    struct nj_encoded_event *encoded = nj_calloc(count, sizeof(*encoded));
    struct nj_buf *bytes = nj_calloc(count, sizeof(*bytes));
    struct nj_buf plain = {0};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(0, nj_event_encode(&events[i], &bytes[i]));
        encoded[i] =
            (struct nj_encoded_event){.seq = first_seq + i, .bytes = bytes[i].data, .len = bytes[i].len};
    }
    const struct nj_batch batch = {.version = agent->version,
                                   .cluster = "prod",
                                   .node = agent->node,
                                   .stream = agent->stream,
                                   .request = agent->request++,
                                   .sent_ns = noon_ns,
                                   .plan_version = agent->plan_version,
                                   .plan_namespaces = agent->plan_namespaces,
                                   .plan_namespaces_count = agent->plan_namespaces_count,
                                   .status = {.version = "0.1.0", .pods = 7, .watch_synced = true}};
    assert_int_equal(0, nj_batch_encode(&batch, encoded, count, &plain));
    nj_buf_clear(&agent->packet);
    assert_int_equal(0, nj_seal(agent->sealer, agent->keyring, NJ_PACKET_REQUEST, agent->nonce, plain.data,
                                plain.len, &agent->packet));
    for (size_t i = 0; i < count; i++)
        nj_buf_done(&bytes[i]);
    free(bytes);
    free(encoded);
    nj_buf_done(&plain);
}

void agent_send_packet(struct agent *agent)
{
    /* After a timeout the connection rests for a moment. */
    int rc;
    while ((rc = nj_requester_send(agent->requester, agent->packet.data, agent->packet.len)) == -EAGAIN)
        (void)uv_run(&agent->test->loop.uv, UV_RUN_ONCE);
    assert_int_equal(0, rc);
    agent->answers = agent->timeouts = 0;
}

void agent_send(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq)
{
    agent_pack(agent, events, count, first_seq);
    agent_send_packet(agent);
}

void agent_wait(struct agent *agent)
{
    while (agent->answers == 0 && agent->timeouts == 0)
        (void)uv_run(&agent->test->loop.uv, UV_RUN_ONCE);
}

void agent_tell(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq)
{
    agent_send(agent, events, count, first_seq);
    agent_wait(agent);
    assert_int_equal(1, agent->answers);
    assert_false(agent->unreadable);
}
