#include "common/wire/event.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/str.h"
#include "common/wire/batch.h"
#include "common/wire/codec.h"

enum { ID_HASH_BYTES = (NJ_EVENT_ID_MAX - 1) / 2 };

const char *nj_event_id(char ret_id[NJ_EVENT_ID_MAX], const char *part, ...)
{
    unsigned char hash[ID_HASH_BYTES];
    crypto_generichash_state state;
    va_list parts;

    (void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    va_start(parts, part);
    for (const char *text = part; text != NULL; text = va_arg(parts, const char *)) {
        /* With its terminator, which no part contains: the border between two parts counts. */
        (void)crypto_generichash_update(&state, (const unsigned char *)text, strlen(text) + 1);
    }
    va_end(parts);
    (void)crypto_generichash_final(&state, hash, sizeof(hash));
    return sodium_bin2hex(ret_id, NJ_EVENT_ID_MAX, hash, sizeof(hash));
}

/* An event's message with all it points to. */
struct event_message {
    Nightjar__Event event;
    Nightjar__Subject subject;
    Nightjar__Log log;
    union {
        Nightjar__Crash crash;
        Nightjar__LostCrashes lost;
        Nightjar__Stuck stuck;
        Nightjar__Cleared cleared;
        Nightjar__PodFailure failure;
    };
};

static void fill_subject(Nightjar__Subject *to, const struct nj_subject *from, struct nj_arena *repairs)
{
    nightjar__subject__init(to);
    to->namespace_ = nj_codec_text(repairs, from->namespace);
    to->pod = nj_codec_text(repairs, from->pod);
    to->pod_uid = nj_codec_text(repairs, from->pod_uid);
    to->node = nj_codec_text(repairs, from->node);
    to->workload_kind = nj_codec_text(repairs, from->workload_kind);
    to->workload = nj_codec_text(repairs, from->workload);
    to->container = nj_codec_text(repairs, from->container);
}

/* `mended` holds the text's replacement when it is no UTF-8. */
static int fill_log(Nightjar__Log *to, const struct nj_log_text *from, struct nj_arena *repairs,
                    struct nj_buf *mended)
{
    nightjar__log__init(to);
    if (from->text != NULL && nj_utf8_valid(from->text, from->len)) {
        to->text = (ProtobufCBinaryData){.data = (uint8_t *)from->text, .len = from->len};
    } else if (from->text != NULL) {
        int rc = nj_utf8_append_lossy(mended, from->text, from->len);
        if (rc < 0)
            return rc;
        to->text = (ProtobufCBinaryData){.data = (uint8_t *)mended->data, .len = mended->len};
    }
    to->lines = from->lines;
    to->cut = from->cut;
    to->source = nj_codec_text(repairs, from->source);
    to->missing = nj_codec_text(repairs, from->missing);
    return 0;
}

static int fill_crash(struct event_message *message, const struct nj_crash *from, struct nj_arena *repairs,
                      struct nj_buf *mended)
{
    Nightjar__Crash *to = &message->crash;
    nightjar__crash__init(to);
    to->container_id = nj_codec_text(repairs, from->container_id);
    to->container_type = nj_codec_text(repairs, from->container_type);
    to->image = nj_codec_text(repairs, from->image);
    to->reason = nj_codec_text(repairs, from->reason);
    to->message = nj_codec_text(repairs, from->message);
    to->exit_code = from->exit_code;
    to->signal = from->signal;
    to->attempt = from->attempt;
    to->restart_count = from->restart_count;
    to->started_ns = from->started_ns;
    to->finished_ns = from->finished_ns;
    to->memory_limit_bytes = from->memory_limit_bytes;
    to->cpu_limit_millis = from->cpu_limit_millis;
    to->log = &message->log;
    message->event.fact_case = NIGHTJAR__EVENT__FACT_CRASH;
    message->event.crash = to;
    return fill_log(&message->log, &from->log, repairs, mended);
}

static void fill_stuck(struct event_message *message, const struct nj_stuck *from, struct nj_arena *repairs)
{
    nightjar__stuck__init(&message->stuck);
    message->stuck.reason = nj_codec_text(repairs, from->reason);
    message->stuck.message = nj_codec_text(repairs, from->message);
    message->stuck.image = nj_codec_text(repairs, from->image);
    message->stuck.since_ns = from->since_ns;
    message->event.fact_case = NIGHTJAR__EVENT__FACT_STUCK;
    message->event.stuck = &message->stuck;
}

static void fill_failure(struct event_message *message, const struct nj_pod_failure *from,
                         struct nj_arena *repairs)
{
    nightjar__pod_failure__init(&message->failure);
    message->failure.reason = nj_codec_text(repairs, from->reason);
    message->failure.message = nj_codec_text(repairs, from->message);
    message->event.fact_case = NIGHTJAR__EVENT__FACT_POD_FAILURE;
    message->event.pod_failure = &message->failure;
}

static int fill_fact(struct event_message *message, const struct nj_event *event, struct nj_arena *repairs,
                     struct nj_buf *mended)
{
    switch (event->type) {
    case NJ_EVENT_CRASH:
        return fill_crash(message, &event->crash, repairs, mended);
    case NJ_EVENT_LOST_CRASHES:
        nightjar__lost_crashes__init(&message->lost);
        message->lost.count = event->lost.count;
        message->event.fact_case = NIGHTJAR__EVENT__FACT_LOST_CRASHES;
        message->event.lost_crashes = &message->lost;
        return 0;
    case NJ_EVENT_STUCK:
        fill_stuck(message, &event->stuck, repairs);
        return 0;
    case NJ_EVENT_CLEARED:
        nightjar__cleared__init(&message->cleared);
        message->cleared.cause = (uint32_t)event->cleared.cause;
        message->event.fact_case = NIGHTJAR__EVENT__FACT_CLEARED;
        message->event.cleared = &message->cleared;
        return 0;
    case NJ_EVENT_POD_FAILURE:
        fill_failure(message, &event->failure, repairs);
        return 0;
    case NJ_EVENT_CHECK:
        message->event.fact_case = NIGHTJAR__EVENT__FACT_CHECK;
        message->event.check = nj_codec_fill_check(&event->check, repairs);
        return message->event.check == NULL ? -ENOMEM : 0;
    case NJ_EVENT_ROLLUPS:
        message->event.fact_case = NIGHTJAR__EVENT__FACT_ROLLUPS;
        message->event.rollups = nj_codec_fill_rollups(&event->rollups, repairs);
        return message->event.rollups == NULL ? -ENOMEM : 0;
    case NJ_EVENT_OOM_KILL:
        message->event.fact_case = NIGHTJAR__EVENT__FACT_OOM_KILL;
        message->event.oom_kill = nj_codec_fill_oom_kill(&event->oom_kill, repairs);
        return message->event.oom_kill == NULL ? -ENOMEM : 0;
    case NJ_EVENT_TROUBLE:
        message->event.fact_case = NIGHTJAR__EVENT__FACT_TROUBLE;
        message->event.trouble = nj_codec_fill_trouble(&event->trouble, repairs);
        return message->event.trouble == NULL ? -ENOMEM : 0;
    case NJ_EVENT_USAGE:
        message->event.fact_case = NIGHTJAR__EVENT__FACT_USAGE;
        message->event.usage = nj_codec_fill_usage(&event->usage, repairs);
        return message->event.usage == NULL ? -ENOMEM : 0;
    case NJ_EVENT_OUTAGE:
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
    return -EINVAL;
}

static bool encodable(const struct nj_event *event)
{
    if (event->id == NULL || event->id[0] == '\0' || strlen(event->id) > NJ_EVENT_ID_BYTES_MAX ||
        !nj_utf8_valid(event->id, strlen(event->id)))
        return false;
    switch (event->type) {
    case NJ_EVENT_CLEARED:
        return event->cleared.cause >= NJ_CLEARED_STARTED && event->cleared.cause <= NJ_CLEARED_SCHEDULED;
    case NJ_EVENT_CHECK:
        return nj_codec_key_fits(&event->check.key);
    case NJ_EVENT_ROLLUPS:
        return nj_codec_rollups_fit(&event->rollups);
    case NJ_EVENT_OOM_KILL:
        return event->oom_kill.count > 0;
    case NJ_EVENT_TROUBLE:
        return nj_codec_trouble_fits(&event->trouble);
    case NJ_EVENT_USAGE:
        return nj_codec_usage_fits(&event->usage);
    case NJ_EVENT_CRASH:
    case NJ_EVENT_LOST_CRASHES:
    case NJ_EVENT_STUCK:
    case NJ_EVENT_POD_FAILURE:
        return true;
    case NJ_EVENT_OUTAGE: /* the collector's own */
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
    return false;
}

int nj_event_encode(const struct nj_event *event, struct nj_buf *out)
{
    if (!encodable(event))
        return -EINVAL;
    struct event_message message;
    struct nj_arena repairs;
    struct nj_buf mended = {0};
    nj_arena_init(&repairs, SIZE_MAX);
    nightjar__event__init(&message.event);
    message.event.id = (char *)event->id;
    message.event.at_ns = event->at_ns;
    message.event.seen_ns = event->seen_ns;
    message.event.subject = &message.subject;
    fill_subject(&message.subject, &event->subject, &repairs);
    int rc = fill_fact(&message, event, &repairs, &mended);
    if (rc == 0)
        rc = nj_codec_pack(&message.event.base, out);
    nj_buf_done(&mended);
    nj_arena_done(&repairs);
    return rc;
}

static void take_subject(struct nj_codec_check *check, const Nightjar__Subject *from, struct nj_subject *to)
{
    Nightjar__Subject none = NIGHTJAR__SUBJECT__INIT;
    if (from == NULL)
        from = &none;
    *to = (struct nj_subject){
        .namespace = nj_codec_take(check, from->namespace_, "subject.namespace"),
        .pod = nj_codec_take(check, from->pod, "subject.pod"),
        .pod_uid = nj_codec_take(check, from->pod_uid, "subject.pod_uid"),
        .node = nj_codec_take(check, from->node, "subject.node"),
        .workload_kind = nj_codec_take(check, from->workload_kind, "subject.workload_kind"),
        .workload = nj_codec_take(check, from->workload, "subject.workload"),
        .container = nj_codec_take(check, from->container, "subject.container"),
    };
}

static void take_log(struct nj_codec_check *check, const Nightjar__Log *from, struct nj_log_text *to)
{
    Nightjar__Log none = NIGHTJAR__LOG__INIT;
    if (from == NULL)
        from = &none;
    *to = (struct nj_log_text){
        .text = from->text.data == NULL ? "" : (const char *)from->text.data,
        .len = from->text.data == NULL ? 0 : from->text.len,
        .lines = from->lines,
        .cut = from->cut != 0,
        .source = nj_codec_take(check, from->source, "log.source"),
        .missing = nj_codec_take(check, from->missing, "log.missing"),
    };
    if (check->rc == 0 && !nj_utf8_valid(to->text, to->len))
        check->rc = nj_err_set(check->err, -EPROTO, "log.text is no UTF-8");
}

static void take_crash(struct nj_codec_check *check, const Nightjar__Crash *from, struct nj_crash *to)
{
    *to = (struct nj_crash){
        .container_id = nj_codec_take(check, from->container_id, "crash.container_id"),
        .container_type = nj_codec_take(check, from->container_type, "crash.container_type"),
        .image = nj_codec_take(check, from->image, "crash.image"),
        .reason = nj_codec_take(check, from->reason, "crash.reason"),
        .message = nj_codec_take(check, from->message, "crash.message"),
        .exit_code = from->exit_code,
        .signal = from->signal,
        .attempt = from->attempt,
        .restart_count = from->restart_count,
        .started_ns = from->started_ns,
        .finished_ns = from->finished_ns,
        .memory_limit_bytes = from->memory_limit_bytes,
        .cpu_limit_millis = from->cpu_limit_millis,
    };
    take_log(check, from->log, &to->log);
}

static void take_fact(struct nj_codec_check *check, const Nightjar__Event *from, struct nj_arena *arena,
                      struct nj_event *to)
{
    switch (from->fact_case) {
    case NIGHTJAR__EVENT__FACT_CRASH:
        to->type = NJ_EVENT_CRASH;
        take_crash(check, from->crash, &to->crash);
        return;
    case NIGHTJAR__EVENT__FACT_LOST_CRASHES:
        to->type = NJ_EVENT_LOST_CRASHES;
        to->lost.count = from->lost_crashes->count;
        return;
    case NIGHTJAR__EVENT__FACT_STUCK:
        to->type = NJ_EVENT_STUCK;
        to->stuck = (struct nj_stuck){
            .reason = nj_codec_take(check, from->stuck->reason, "stuck.reason"),
            .message = nj_codec_take(check, from->stuck->message, "stuck.message"),
            .image = nj_codec_take(check, from->stuck->image, "stuck.image"),
            .since_ns = from->stuck->since_ns,
        };
        return;
    case NIGHTJAR__EVENT__FACT_CLEARED:
        to->type = NJ_EVENT_CLEARED;
        if (from->cleared->cause < NJ_CLEARED_STARTED || from->cleared->cause > NJ_CLEARED_SCHEDULED)
            check->rc = nj_err_set(check->err, -EPROTO, "cleared.cause %u is unknown", from->cleared->cause);
        else
            to->cleared.cause = (enum nj_cleared_cause)from->cleared->cause;
        return;
    case NIGHTJAR__EVENT__FACT_POD_FAILURE:
        to->type = NJ_EVENT_POD_FAILURE;
        to->failure = (struct nj_pod_failure){
            .reason = nj_codec_take(check, from->pod_failure->reason, "pod_failure.reason"),
            .message = nj_codec_take(check, from->pod_failure->message, "pod_failure.message"),
        };
        return;
    case NIGHTJAR__EVENT__FACT_CHECK:
        to->type = NJ_EVENT_CHECK;
        nj_codec_take_check(check, from->check, &to->check);
        return;
    case NIGHTJAR__EVENT__FACT_ROLLUPS:
        to->type = NJ_EVENT_ROLLUPS;
        nj_codec_take_rollups(check, from->rollups, arena, &to->rollups);
        return;
    case NIGHTJAR__EVENT__FACT_OOM_KILL:
        to->type = NJ_EVENT_OOM_KILL;
        nj_codec_take_oom_kill(check, from->oom_kill, &to->oom_kill);
        return;
    case NIGHTJAR__EVENT__FACT_TROUBLE:
        to->type = NJ_EVENT_TROUBLE;
        nj_codec_take_trouble(check, from->trouble, &to->trouble);
        return;
    case NIGHTJAR__EVENT__FACT_USAGE:
        to->type = NJ_EVENT_USAGE;
        nj_codec_take_usage(check, from->usage, arena, &to->usage);
        return;
    default:
        check->rc = nj_err_set(check->err, -EPROTO, "the event is of no known type");
    }
}

int nj_codec_event(const Nightjar__Event *message, struct nj_arena *arena, struct nj_event *ret_event,
                   struct nj_err *err)
{
    struct nj_codec_check check = {.err = err};
    struct nj_event event = {.at_ns = message->at_ns, .seen_ns = message->seen_ns};
    event.id = nj_codec_take(&check, message->id, "id");
    if (check.rc == 0 && (event.id[0] == '\0' || strlen(event.id) > NJ_EVENT_ID_BYTES_MAX))
        return nj_err_set(err, -EPROTO, "the event's id has %zu bytes, not 1 to %d", strlen(event.id),
                          NJ_EVENT_ID_BYTES_MAX);
    take_subject(&check, message->subject, &event.subject);
    if (check.rc == 0)
        take_fact(&check, message, arena, &event);
    if (check.rc == 0)
        *ret_event = event;
    return check.rc;
}

int nj_event_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_event *ret_event,
                    struct nj_err *err)
{
    int rc = 0;
    ProtobufCMessage *message =
        nj_codec_unpack(&nightjar__event__descriptor, "event", bytes, len, arena, &rc, err);
    if (message == NULL)
        return rc;
    return nj_codec_event((const Nightjar__Event *)message, arena, ret_event, err);
}
