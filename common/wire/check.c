/* The events of checks, between plain C and their messages. */
#include <errno.h>

#include "common/base/str.h"
#include "common/wire/codec.h"

static Nightjar__CheckKey *fill_key(Nightjar__CheckKey *to, const struct nj_check_key *from,
                                    struct nj_arena *arena)
{
    nightjar__check_key__init(to);
    to->monitor = nj_codec_text(arena, from->monitor);
    to->target = nj_codec_text(arena, from->target);
    return to;
}

Nightjar__Check *nj_codec_fill_check(const struct nj_check_event *from, struct nj_arena *arena)
{
    struct {
        Nightjar__Check check;
        Nightjar__CheckKey key;
    } *message = nj_arena_alloc(arena, sizeof(*message));
    if (message == NULL)
        return NULL;
    Nightjar__Check *to = &message->check;
    nightjar__check__init(to);
    to->key = fill_key(&message->key, &from->key, arena);
    to->source = nj_codec_text(arena, from->source);
    to->service = nj_codec_text(arena, from->service);
    to->target_name = nj_codec_text(arena, from->target_name);
    to->address = nj_codec_text(arena, from->address);
    to->state = nj_codec_text(arena, from->state);
    to->since_ns = from->since_ns;
    to->severity = nj_codec_text(arena, from->severity);
    to->group = nj_codec_text(arena, from->group);
    to->cause = nj_codec_text(arena, from->cause);
    to->phase = nj_codec_text(arena, from->phase);
    to->step = nj_codec_text(arena, from->step);
    to->expected = nj_codec_text(arena, from->expected);
    to->got = nj_codec_text(arena, from->got);
    to->body = nj_codec_text(arena, from->body);
    to->status = from->status;
    to->evidence = nj_codec_text(arena, from->evidence);
    return to;
}

static int fill_rollup(Nightjar__Rollup *to, const struct nj_check_rollup *from, struct nj_arena *arena)
{
    Nightjar__CheckKey *key = nj_arena_alloc(arena, sizeof(*key));
    Nightjar__RollupError *errors = nj_arena_zalloc(arena, from->errors_count, sizeof(*errors));
    Nightjar__RollupError **pointers =
        nj_arena_zalloc(arena, from->errors_count, sizeof(Nightjar__RollupError *));
    if (key == NULL || errors == NULL || pointers == NULL)
        return -ENOMEM;
    nightjar__rollup__init(to);
    to->key = fill_key(key, &from->key, arena);
    to->namespace_ = nj_codec_text(arena, from->namespace);
    to->service = nj_codec_text(arena, from->service);
    to->target_name = nj_codec_text(arena, from->target_name);
    to->state = nj_codec_text(arena, from->state);
    to->runs = from->runs;
    to->failures = from->failures;
    for (size_t i = 0; i < from->errors_count; i++) {
        nightjar__rollup_error__init(&errors[i]);
        errors[i].cause = nj_codec_text(arena, from->errors[i].cause);
        errors[i].status = from->errors[i].status;
        errors[i].count = from->errors[i].count;
        pointers[i] = &errors[i];
    }
    to->n_errors = from->errors_count;
    to->errors = pointers;
    to->latency = (ProtobufCBinaryData){.data = (uint8_t *)from->latency, .len = from->latency_len};
    return 0;
}

Nightjar__Rollups *nj_codec_fill_rollups(const struct nj_rollups *from, struct nj_arena *arena)
{
    Nightjar__Rollups *to = nj_arena_alloc(arena, sizeof(*to));
    Nightjar__Rollup *items = nj_arena_zalloc(arena, from->count, sizeof(*items));
    Nightjar__Rollup **pointers = nj_arena_zalloc(arena, from->count, sizeof(Nightjar__Rollup *));
    if (to == NULL || items == NULL || pointers == NULL)
        return NULL;
    nightjar__rollups__init(to);
    to->minute_ns = from->minute_ns;
    for (size_t i = 0; i < from->count; i++) {
        if (fill_rollup(&items[i], &from->items[i], arena) < 0)
            return NULL;
        pointers[i] = &items[i];
    }
    to->n_items = from->count;
    to->items = pointers;
    return to;
}

bool nj_codec_key_fits(const struct nj_check_key *key)
{
    return nj_str(key->monitor)[0] != '\0' && nj_str(key->target)[0] != '\0';
}

bool nj_codec_rollups_fit(const struct nj_rollups *rollups)
{
    if (rollups->count > NJ_ROLLUPS_MAX)
        return false;
    for (size_t i = 0; i < rollups->count; i++) {
        const struct nj_check_rollup *item = &rollups->items[i];
        if (!nj_codec_key_fits(&item->key) || item->errors_count > NJ_ROLLUP_CAUSES_MAX ||
            item->latency_len > NJ_ROLLUP_LATENCY_MAX)
            return false;
    }
    return true;
}

static void take_key(struct nj_codec_check *check, const Nightjar__CheckKey *from, struct nj_check_key *to)
{
    Nightjar__CheckKey none = NIGHTJAR__CHECK_KEY__INIT;
    if (from == NULL)
        from = &none;
    to->monitor = nj_codec_take(check, from->monitor, "check.monitor");
    to->target = nj_codec_take(check, from->target, "check.target");
    if (check->rc == 0 && !nj_codec_key_fits(to))
        check->rc = nj_err_set(check->err, -EPROTO, "the check names no monitor or no target");
}

void nj_codec_take_check(struct nj_codec_check *check, const Nightjar__Check *from, struct nj_check_event *to)
{
    *to = (struct nj_check_event){
        .source = nj_codec_take(check, from->source, "check.source"),
        .service = nj_codec_take(check, from->service, "check.service"),
        .target_name = nj_codec_take(check, from->target_name, "check.target_name"),
        .address = nj_codec_take(check, from->address, "check.address"),
        .state = nj_codec_take(check, from->state, "check.state"),
        .since_ns = from->since_ns,
        .severity = nj_codec_take(check, from->severity, "check.severity"),
        .group = nj_codec_take(check, from->group, "check.group"),
        .cause = nj_codec_take(check, from->cause, "check.cause"),
        .phase = nj_codec_take(check, from->phase, "check.phase"),
        .step = nj_codec_take(check, from->step, "check.step"),
        .expected = nj_codec_take(check, from->expected, "check.expected"),
        .got = nj_codec_take(check, from->got, "check.got"),
        .body = nj_codec_take(check, from->body, "check.body"),
        .status = from->status,
        .evidence = nj_codec_take(check, from->evidence, "check.evidence"),
    };
    take_key(check, from->key, &to->key);
}

static void take_rollup(struct nj_codec_check *check, const Nightjar__Rollup *from,
                        struct nj_rollup_error_count *errors, struct nj_check_rollup *to)
{
    for (size_t i = 0; i < from->n_errors; i++)
        errors[i] = (struct nj_rollup_error_count){
            .cause = nj_codec_take(check, from->errors[i]->cause, "rollup.cause"),
            .status = from->errors[i]->status,
            .count = from->errors[i]->count,
        };
    *to = (struct nj_check_rollup){
        .namespace = nj_codec_take(check, from->namespace_, "rollup.namespace"),
        .service = nj_codec_take(check, from->service, "rollup.service"),
        .target_name = nj_codec_take(check, from->target_name, "rollup.target_name"),
        .state = nj_codec_take(check, from->state, "rollup.state"),
        .runs = from->runs,
        .failures = from->failures,
        .errors = errors,
        .errors_count = from->n_errors,
        .latency = from->latency.data == NULL ? (const void *)"" : from->latency.data,
        .latency_len = from->latency.data == NULL ? 0 : from->latency.len,
    };
    take_key(check, from->key, &to->key);
}

void nj_codec_take_rollups(struct nj_codec_check *check, const Nightjar__Rollups *from,
                           struct nj_arena *arena, struct nj_rollups *to)
{
    if (check->rc < 0)
        return;
    size_t errors_count = 0;
    bool fits = from->n_items <= NJ_ROLLUPS_MAX;
    for (size_t i = 0; i < from->n_items && fits; i++) {
        errors_count += from->items[i]->n_errors;
        fits = from->items[i]->n_errors <= NJ_ROLLUP_CAUSES_MAX &&
               from->items[i]->latency.len <= NJ_ROLLUP_LATENCY_MAX;
    }
    if (!fits) {
        check->rc = nj_err_set(check->err, -EPROTO,
                               "a minute of checks is larger than %d of them, %d causes or %d bytes each",
                               NJ_ROLLUPS_MAX, NJ_ROLLUP_CAUSES_MAX, NJ_ROLLUP_LATENCY_MAX);
        return;
    }
    struct nj_check_rollup *items = nj_arena_zalloc(arena, from->n_items, sizeof(*items));
    struct nj_rollup_error_count *errors = nj_arena_zalloc(arena, errors_count, sizeof(*errors));
    if (items == NULL || errors == NULL) {
        check->rc =
            nj_err_set(check->err, arena->starved ? -ENOMEM : -EOVERFLOW,
                       "a minute of checks needs more memory than there is, or than %zu bytes", arena->max);
        return;
    }
    for (size_t i = 0; i < from->n_items; i++) {
        take_rollup(check, from->items[i], errors, &items[i]);
        errors += from->items[i]->n_errors;
    }
    *to = (struct nj_rollups){.minute_ns = from->minute_ns, .items = items, .count = from->n_items};
}
