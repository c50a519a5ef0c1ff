#include "agent/uplink/uplink.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "agent/uplink/fetch.h"
#include "agent/uplink/meter.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/loop/msgsock.h"

enum {
    TROUBLE_BYTES = 512,
    EVENTS_BYTES_MAX = NJ_BATCH_BYTES_MAX - (256 << 10), /* the rest is for what surrounds 4,096 events */
    ACK_ARENA_BYTES = 16 * NJ_ACK_BYTES_MAX, /* a plan of small checks unfolds to twelve times its bytes */
    KEPT_BYTES = 64 << 10,                   /* of the packet's memory, from one to the next */
    QUEUE_FULL_MS = 20,                      /* the worker's queue is full: other work goes first */
    HEARTBEAT_JITTER = 10,                   /* a tenth */
    REFRESH_APART_MS = 500,
};

_Static_assert((int)NJ_EVENT_BYTES_MAX <= (int)EVENTS_BYTES_MAX, "every event that is queued can be sent");

static const int64_t retry_after_max_ns = 5 * NJ_MIN; /* a collector cannot silence an agent for longer */
static const uint64_t number_max = (uint64_t)1 << 62; /* no sequence or request gets there */

enum state {
    IDLE,
    FETCHING, /* the worker has the fetch */
    SENT,     /* the collector has the request */
    PAUSED,   /* until the pause timer */
    BLOCKED,  /* until the requester is ready */
};

struct nj_uplink {
    struct nj_loop *loop;
    struct nj_worker *worker;
    struct nj_uplink_meter meter;
    struct nj_requester *requester;
    struct nj_sealer *sealer; /* the loop's, for replies */
    void (*status)(void *data, struct nj_agent_status *ret_status);
    void (*interest)(void *data, struct nj_uplink_interest *ret_interest);
    void (*on_plan)(void *data, const struct nj_plan *plan);
    void *data;
    char *cluster, *node;
    int64_t heartbeat_ns, backoff_min_ns, backoff_max_ns;

    enum state state;
    bool queued;        /* something may be in the outbox, or has to be forgotten there */
    bool heartbeat;     /* one is due */
    bool renumbered;    /* the last answer moved our request numbers up already */
    int64_t backoff_ns; /* the last pause; 0 while all is well */
    int64_t last_ack_ns;
    uint64_t committed;          /* the highest seq the collector has committed */
    char trouble[TROUBLE_BYTES]; /* what was last logged as wrong; "" when nothing is */

    struct nj_fetch fetch;
    struct nj_timer heartbeat_timer;
    uv_timer_t pause_timer, drain_timer, refresh_timer;
    uint64_t refreshed_ms; /* real, when the last refresh was due */

    bool draining, closed;
    int open_parts; /* what has to end before the memory may go */
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void pump(struct nj_uplink *uplink);
static void shut_down(struct nj_uplink *uplink);

/* Says what is wrong, once until it changes. */
static void __attribute__((format(printf, 2, 3))) complain(struct nj_uplink *uplink, const char *format, ...)
{
    char text[TROUBLE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (strcmp(text, uplink->trouble) == 0)
        return;
    memcpy(uplink->trouble, text, sizeof(text));
    nj_warn("uplink", "%s; trying again, nothing is lost meanwhile", text);
}

static void all_is_well(struct nj_uplink *uplink)
{
    uplink->backoff_ns = 0;
    if (uplink->trouble[0] != '\0')
        nj_info("uplink", "the collector takes events again");
    uplink->trouble[0] = '\0';
}

/* 0..range-1 */
static int64_t random_below(int64_t range)
{
    uint64_t value = 0;
    if (range <= 1 || getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        return 0;
    return (int64_t)(value % (uint64_t)range);
}

static void on_pause_end(uv_timer_t *timer)
{
    struct nj_uplink *uplink = timer->data;
    assert(uplink->state == PAUSED);
    uplink->state = IDLE;
    pump(uplink);
}

static void pause_for(struct nj_uplink *uplink, int64_t ns)
{
    uplink->state = PAUSED;
    (void)uv_timer_start(&uplink->pause_timer, on_pause_end, (uint64_t)(ns / NJ_MS + 1), 0);
}

/* A growing pause, half of it random, then the same again. */
static void back_off(struct nj_uplink *uplink)
{
    int64_t ns = uplink->backoff_ns == 0 ? uplink->backoff_min_ns : 2 * uplink->backoff_ns;
    uplink->backoff_ns = ns < uplink->backoff_max_ns ? ns : uplink->backoff_max_ns;
    pause_for(uplink, uplink->backoff_ns / 2 + random_below(uplink->backoff_ns / 2));
}

static void arm_heartbeat(struct nj_uplink *uplink)
{
    int64_t spread = uplink->heartbeat_ns / HEARTBEAT_JITTER;
    nj_timer_start(&uplink->heartbeat_timer, uplink->heartbeat_ns - spread + random_below(2 * spread), 0);
}

static void on_heartbeat(struct nj_timer *timer)
{
    struct nj_uplink *uplink = timer->data;
    uplink->heartbeat = true;
    arm_heartbeat(uplink);
    pump(uplink);
}

/* The worker has its own copy. */
static void note_interest(struct nj_uplink *uplink)
{
    struct nj_fetch *fetch = &uplink->fetch;
    struct nj_uplink_interest interest = {.plan_version = ""};
    if (uplink->interest != NULL)
        uplink->interest(uplink->data, &interest);
    (void)snprintf(fetch->plan_version, sizeof(fetch->plan_version), "%s", interest.plan_version);
    nj_buf_clear(&fetch->namespaces);
    fetch->namespaces_count = interest.namespaces_count < NJ_PLAN_NAMESPACES_MAX ? interest.namespaces_count
                                                                                 : NJ_PLAN_NAMESPACES_MAX;
    for (size_t i = 0; i < fetch->namespaces_count; i++)
        (void)nj_buf_append(&fetch->namespaces, interest.namespaces[i], strlen(interest.namespaces[i]) + 1);
}

/* Does what is next; the only place that begins something. */
static void pump(struct nj_uplink *uplink)
{
    if (uplink->closed || uplink->state != IDLE)
        return;
    if (!uplink->queued && !uplink->heartbeat) {
        if (uplink->draining)
            shut_down(uplink);
        return;
    }
    struct nj_fetch *fetch = &uplink->fetch;
    fetch->committed = uplink->committed;
    fetch->even_empty = uplink->heartbeat;
    fetch->status = (struct nj_agent_status){0};
    uplink->status(uplink->data, &fetch->status);
    note_interest(uplink);
    if (nj_worker_submit(uplink->worker, &fetch->job) < 0) {
        pause_for(uplink, QUEUE_FULL_MS * NJ_MS);
        return;
    }
    uplink->queued = false; /* what is appended from now on may be missed by this fetch, and kicks */
    uplink->state = FETCHING;
    uplink->open_parts++;
}

static void send_packet(struct nj_uplink *uplink)
{
    struct nj_fetch *fetch = &uplink->fetch;
    size_t len = fetch->packet.len;
    int rc = nj_requester_send(uplink->requester, fetch->packet.data, len);
    if (fetch->packet.capacity > KEPT_BYTES)
        nj_buf_done(&fetch->packet); /* the requester has its own copy */
    if (rc < 0) {
        uplink->queued = true;
        uplink->state = BLOCKED; /* on_ready() follows */
        if (rc == -EAGAIN)
            return;
        complain(uplink, "cannot send %zu bytes: %s", len, strerror(-rc));
        back_off(uplink);
        return;
    }
    uplink->state = SENT;
    uplink->heartbeat = false;
    if (!uplink->draining)
        arm_heartbeat(uplink);
    nj_counter_add(uplink->meter.batches, 1);
    nj_counter_add(uplink->meter.events_sent, fetch->page.count);
}

static void part_closed(struct nj_uplink *uplink)
{
    if (--uplink->open_parts > 0 || !uplink->closed)
        return;
    void (*on_closed)(void *data) = uplink->on_closed;
    void *data = uplink->on_closed_data;
    nj_fetch_done(&uplink->fetch);
    nj_sealer_free(uplink->sealer);
    free(uplink->cluster);
    free(uplink->node);
    free(uplink);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_fetched(struct nj_job *job)
{
    struct nj_uplink *uplink = (struct nj_uplink *)((char *)job->data - offsetof(struct nj_uplink, fetch));
    struct nj_fetch *fetch = &uplink->fetch;
    if (uplink->closed) {
        part_closed(uplink);
        return;
    }
    uplink->open_parts--;
    uplink->state = IDLE;
    nj_uplink_meter_outbox(&uplink->meter, fetch->outbox);
    if (fetch->rc < 0) {
        nj_counter_add(uplink->meter.outbox_errors, 1);
        complain(uplink, "%s", fetch->err.text);
        uplink->queued = true;
    }
    if (fetch->packet.len > 0)
        send_packet(uplink);
    else if (fetch->rc < 0)
        back_off(uplink);
    else
        pump(uplink);
}

/* How many of the events just sent the collector has now and had not before. */
static uint64_t newly_committed(const struct nj_uplink *uplink, uint64_t committed)
{
    uint64_t count = 0;
    for (size_t i = 0; i < uplink->fetch.page.count; i++)
        count += uplink->fetch.page.events[i].seq > uplink->committed &&
                 uplink->fetch.page.events[i].seq <= committed;
    return count;
}

/* Takes what the collector says it has. */
static void take_committed(struct nj_uplink *uplink, uint64_t committed)
{
    struct nj_outbox_stats stats;
    if (committed <= uplink->committed)
        return;
    nj_outbox_stats(uplink->fetch.outbox, &stats);
    if (committed > stats.last_seq) {
        nj_warn("uplink",
                "the collector has events of this outbox up to %llu, here the last is %llu (was the file "
                "restored "
                "from a copy?); continuing above",
                (unsigned long long)committed, (unsigned long long)stats.last_seq);
        uplink->fetch.continue_above = committed;
    } else {
        nj_counter_add(uplink->meter.acknowledged, newly_committed(uplink, committed));
    }
    uplink->committed = committed;
    uplink->queued = true;
}

static void take_refusal(struct nj_uplink *uplink, const struct nj_ack *ack)
{
    bool move_up = ack->request > uplink->fetch.request && !uplink->renumbered;
    nj_counter_add(uplink->meter.refused[ack->refusal], 1);
    uplink->queued = true;
    uplink->heartbeat = uplink->heartbeat || uplink->fetch.page.count == 0;
    if (ack->request > uplink->fetch.request) {
        uplink->fetch.request = ack->request;
        uplink->renumbered = true;
    }
    if (move_up) {
        pump(uplink); /* with a number it has not seen; when that is refused too, after a pause */
        return;
    }
    complain(uplink, "the collector refuses our events: %s", ack->refused);
    if (ack->retry_after_ns > 0)
        pause_for(uplink,
                  ack->retry_after_ns < retry_after_max_ns ? ack->retry_after_ns : retry_after_max_ns);
    else
        back_off(uplink);
}

static void take_ack(struct nj_uplink *uplink, const struct nj_ack *ack)
{
    const struct nj_outbox_page *sent = &uplink->fetch.page;
    uint64_t before = uplink->committed;
    take_committed(uplink, ack->committed);
    if (ack->refusal != NJ_REFUSAL_NONE) {
        take_refusal(uplink, ack);
        return;
    }
    uplink->renumbered = false;
    if (ack->request > uplink->fetch.request)
        uplink->fetch.request = ack->request;
    uplink->last_ack_ns = nj_loop_mono_ns(uplink->loop);
    nj_gauge_set(uplink->meter.last_ack, nj_loop_wall_ns(uplink->loop) / NJ_SEC);
    uplink->queued = uplink->queued || sent->count > 0;
    if (ack->plan.version[0] != '\0' && uplink->on_plan != NULL && !uplink->draining)
        uplink->on_plan(uplink->data, &ack->plan);
    if (sent->count > 0 && uplink->committed == before) {
        complain(uplink, "the collector answers, but commits nothing");
        back_off(uplink);
        return;
    }
    if (uplink->fetch.rc == 0)
        all_is_well(uplink);
    if (ack->retry_after_ns > 0)
        pause_for(uplink,
                  ack->retry_after_ns < retry_after_max_ns ? ack->retry_after_ns : retry_after_max_ns);
    else
        pump(uplink);
}

static int open_reply(struct nj_uplink *uplink, const void *bytes, size_t len, struct nj_arena *arena,
                      struct nj_ack *ret_ack, struct nj_err *err)
{
    struct nj_buf plain = {.max = NJ_ACK_BYTES_MAX};
    int rc = nj_unseal(uplink->sealer, uplink->fetch.keyring, NJ_PACKET_REPLY, uplink->fetch.nonce, bytes,
                       len, NJ_ACK_BYTES_MAX, &plain, err);
    if (rc == 0)
        rc = nj_ack_decode(nj_buf_str(&plain), plain.len, arena, ret_ack, err);
    if (rc == 0 && (ret_ack->committed > number_max || ret_ack->request > number_max))
        rc = nj_err_set(err, -EPROTO, "its numbers make no sense");
    nj_buf_done(&plain);
    return rc;
}

static void on_reply(void *data, const void *bytes, size_t len)
{
    struct nj_uplink *uplink = data;
    struct nj_arena arena;
    struct nj_ack ack;
    struct nj_err err = {0};
    assert(uplink->state == SENT);
    uplink->state = IDLE;
    nj_arena_init(&arena, ACK_ARENA_BYTES);
    if (open_reply(uplink, bytes, len, &arena, &ack, &err) == 0) {
        take_ack(uplink, &ack);
    } else {
        nj_counter_add(uplink->meter.bad_replies, 1);
        complain(uplink, "an answer came that is none of the collector's: %s", err.text);
        uplink->queued = true;
        uplink->heartbeat = uplink->heartbeat || uplink->fetch.page.count == 0;
        back_off(uplink);
    }
    nj_arena_done(&arena);
}

static void on_timeout(void *data)
{
    struct nj_uplink *uplink = data;
    assert(uplink->state == SENT);
    uplink->state = BLOCKED;
    uplink->queued = true;
    uplink->heartbeat = uplink->heartbeat || uplink->fetch.page.count == 0;
    nj_counter_add(uplink->meter.timeouts, 1);
    complain(uplink, "the collector does not answer (is it there, has it the same key?)");
}

static void on_ready(void *data)
{
    struct nj_uplink *uplink = data;
    if (uplink->state != BLOCKED)
        return;
    uplink->state = IDLE;
    pump(uplink);
}

static int check_options(const struct nj_uplink_options *options, struct nj_err *err)
{
    if (options->heartbeat_ns <= 0 || options->reply_timeout_ns <= 0 || options->reconnect_min_ns <= 0 ||
        options->reconnect_max_ns < options->reconnect_min_ns)
        return nj_err_set(err, -EINVAL,
                          "uplink: an interval is not above 0, or reconnect's least is above its most");
    if (options->batch_events < 1 || options->batch_events > NJ_BATCH_EVENTS_MAX ||
        options->batch_bytes < 1 || options->batch_bytes > NJ_BATCH_BYTES_MAX)
        return nj_err_set(err, -EINVAL, "uplink: a batch has 1 to %d events and up to %d bytes",
                          NJ_BATCH_EVENTS_MAX, NJ_BATCH_BYTES_MAX);
    return 0;
}

static void init_timer(struct nj_uplink *uplink, uv_timer_t *timer)
{
    (void)uv_timer_init(&uplink->loop->uv, timer); /* cannot fail */
    timer->data = uplink;
    uplink->open_parts++;
}

int nj_uplink_start(struct nj_loop *loop, const struct nj_uplink_options *options,
                    struct nj_uplink **ret_uplink, struct nj_err *err)
{
    int rc = check_options(options, err);
    if (rc < 0)
        return rc;
    struct nj_uplink *uplink = NJ_NEW(struct nj_uplink);
    struct nj_requester_options requester = {
        .url = options->url,
        .max_reply_bytes = (size_t)2 * NJ_ACK_BYTES_MAX,
        .reply_timeout_ns = options->reply_timeout_ns,
        .reconnect_min_ns = options->reconnect_min_ns,
        .reconnect_max_ns = options->reconnect_max_ns,
        .on_reply = on_reply,
        .on_timeout = on_timeout,
        .on_ready = on_ready,
        .data = uplink,
    };
    rc = nj_requester_start(loop, &requester, &uplink->requester, err);
    if (rc < 0) {
        free(uplink);
        return rc;
    }
    uplink->open_parts++;
    uplink->loop = loop;
    uplink->worker = options->worker;
    uplink->status = options->status;
    uplink->interest = options->interest;
    uplink->on_plan = options->on_plan;
    uplink->data = options->data;
    uplink->cluster = nj_strdup(nj_str(options->cluster));
    uplink->node = nj_strdup(nj_str(options->node));
    uplink->heartbeat_ns = options->heartbeat_ns;
    uplink->backoff_min_ns = options->reconnect_min_ns;
    uplink->backoff_max_ns = options->reconnect_max_ns;
    uplink->sealer = nj_sealer_new();
    nj_fetch_init(&uplink->fetch);
    uplink->fetch.job.done = on_fetched;
    uplink->fetch.outbox = options->outbox;
    uplink->fetch.keyring = options->keyring;
    uplink->fetch.clock = loop->clock;
    uplink->fetch.cluster = uplink->cluster;
    uplink->fetch.node = uplink->node;
    uplink->fetch.batch_events = options->batch_events;
    uplink->fetch.batch_bytes =
        options->batch_bytes < EVENTS_BYTES_MAX ? options->batch_bytes : EVENTS_BYTES_MAX;
    init_timer(uplink, &uplink->pause_timer);
    init_timer(uplink, &uplink->drain_timer);
    init_timer(uplink, &uplink->refresh_timer);
    nj_timer_init(&uplink->heartbeat_timer, loop, on_heartbeat, uplink);
    nj_uplink_meter_init(&uplink->meter, options->metrics);
    nj_uplink_meter_outbox(&uplink->meter, options->outbox);
    arm_heartbeat(uplink);
    uplink->heartbeat = true;
    pump(uplink);
    *ret_uplink = uplink;
    return 0;
}

void nj_uplink_kick(struct nj_uplink *uplink)
{
    uplink->queued = true;
    nj_uplink_meter_outbox(&uplink->meter, uplink->fetch.outbox);
    if (uplink->state == PAUSED && uplink->fetch.rc < 0) {
        /* The pause was for the outbox, which has just been written to. */
        (void)uv_timer_stop(&uplink->pause_timer);
        uplink->state = IDLE;
    }
    pump(uplink);
}

static void on_refresh(uv_timer_t *timer)
{
    struct nj_uplink *uplink = timer->data;
    uplink->heartbeat = true;
    pump(uplink);
}

void nj_uplink_refresh(struct nj_uplink *uplink)
{
    if (uv_is_active((const uv_handle_t *)&uplink->refresh_timer) || uplink->draining)
        return;
    uv_update_time(&uplink->loop->uv);
    uint64_t now_ms = uv_now(&uplink->loop->uv);
    uint64_t due_ms = now_ms + NJ_UPLINK_REFRESH_MS;
    if (uplink->refreshed_ms != 0 && due_ms < uplink->refreshed_ms + REFRESH_APART_MS)
        due_ms = uplink->refreshed_ms + REFRESH_APART_MS;
    uplink->refreshed_ms = due_ms;
    (void)uv_timer_start(&uplink->refresh_timer, on_refresh, due_ms - now_ms, 0);
}

int64_t nj_uplink_last_ack_ns(const struct nj_uplink *uplink)
{
    return uplink->last_ack_ns;
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void on_requester_closed(void *data)
{
    part_closed(data);
}

static void shut_down(struct nj_uplink *uplink)
{
    if (uplink->closed)
        return;
    uplink->closed = true;
    nj_timer_stop(&uplink->heartbeat_timer);
    uv_close((uv_handle_t *)&uplink->pause_timer, on_timer_closed);
    uv_close((uv_handle_t *)&uplink->drain_timer, on_timer_closed);
    uv_close((uv_handle_t *)&uplink->refresh_timer, on_timer_closed);
    nj_requester_close(uplink->requester, on_requester_closed, uplink);
}

static void on_drain_end(uv_timer_t *timer)
{
    shut_down(timer->data);
}

void nj_uplink_close(struct nj_uplink *uplink, int64_t drain_ns, void (*on_closed)(void *data), void *data)
{
    if (uplink == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    uplink->on_closed = on_closed;
    uplink->on_closed_data = data;
    nj_timer_stop(&uplink->heartbeat_timer);
    (void)uv_timer_stop(&uplink->refresh_timer);
    uplink->heartbeat = false;
    if (drain_ns <= 0) {
        shut_down(uplink);
        return;
    }
    uplink->draining = true;
    uplink->queued = true; /* what was appended without a kick is sent too */
    (void)uv_timer_start(&uplink->drain_timer, on_drain_end, (uint64_t)(drain_ns / NJ_MS + 1), 0);
    pump(uplink);
}
