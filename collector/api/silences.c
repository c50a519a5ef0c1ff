/*
 * Silences: who wants to hear nothing of what, why and until when.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/notify/matchers.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { AUTHOR_MAX = 128, REASON_MAX = 1024 };
#define LENGTH_MAX_NS (366 * NJ_DAY)
#define FROM_LATE_NS NJ_MIN /* as clocks differ, and people take a moment */

static const char *state_of(const struct nj_silence *silence, int64_t now_ns)
{
    if (silence->until_ns <= now_ns)
        return "expired";
    return silence->from_ns > now_ns ? "pending" : "active";
}

static void append_silence(struct nj_buf *out, const struct nj_silence *silence, int64_t now_ns)
{
    nj_api_object_begin(out);
    nj_api_field_int(out, "id", silence->id);
    nj_api_field(out, "state", state_of(silence, now_ns));
    nj_buf_append_str(out, ",\"matchers\":");
    nj_buf_append_str(out, silence->matchers);
    nj_api_field(out, "author", silence->author);
    nj_api_field(out, "reason", silence->reason);
    nj_api_field_time(out, "from", silence->from_ns);
    nj_api_field_time(out, "until", silence->until_ns);
    nj_api_field_time(out, "createdAt", silence->created_ns);
    nj_api_field_bool(out, "maintenance", silence->maintenance);
    nj_api_object_end(out);
}

struct listing {
    struct nj_api_call *call;
    const char *state; /* NULL: any */
    int limit;
};

static int on_silence(void *data, const struct nj_silence *silence)
{
    struct listing *listing = data;
    struct nj_api_call *call = listing->call;
    if (listing->state != NULL && !nj_streq(listing->state, state_of(silence, call->now_ns)))
        return 0;
    nj_api_list_item(call);
    call->cursor = silence->id;
    append_silence(&call->body, silence, call->now_ns);
    return call->rows == listing->limit || call->body.overflowed ? 1 : 0;
}

static int query_silences(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct listing listing = {.call = call, .state = call->incidents.state, .limit = call->limit};
    const struct nj_silence_filter filter = {
        .before_id = call->id,
        .ends_after_ns =
            nj_streq(listing.state, "active") || nj_streq(listing.state, "pending") ? call->now_ns : 0,
        .limit = NJ_STORE_LIMIT_MAX};
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_silence(store, &filter, on_silence, &listing, err);
    nj_api_list_end(call);
    return rc < 0 ? rc : 0;
}

void nj_api_silences(struct nj_api_call *call)
{
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    const char *state = nj_api_param(call, "state");
    if (!nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX, &call->id))
        return;
    if (state != NULL && !nj_streq(state, "active") && !nj_streq(state, "pending") &&
        !nj_streq(state, "expired")) {
        nj_api_problem(call, 400, "state: '%s' is none of active, pending, expired", state);
        return;
    }
    call->incidents.state = state;
    call->limit = (int)limit;
    call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    nj_api_run(call, query_silences);
}

/* ---- one */

static bool silence_id(struct nj_api_call *call)
{
    if (nj_parse_int(call->argument, 1, INT64_MAX, &call->id) == 0)
        return true;
    nj_api_problem(call, 404, "there is no silence '%s'", call->argument);
    return false;
}

static int on_one(void *data, const struct nj_silence *silence)
{
    struct nj_api_call *call = data;
    append_silence(&call->body, silence, call->now_ns);
    return 1;
}

static int read_one(struct nj_api_call *call, struct nj_store *store,
                    int (*on_found)(void *data, const struct nj_silence *silence), void *data,
                    struct nj_err *err)
{
    const struct nj_silence_filter filter = {.id = call->id, .limit = 1};
    int rc = store->ops->each_silence(store, &filter, on_found, data, err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "there is no silence %lld", (long long)call->id);
    return rc < 0 ? rc : 0;
}

static int query_silence(struct nj_api_call *call, struct nj_err *err)
{
    return read_one(call, call->api->options.store, on_one, call, err);
}

void nj_api_silence(struct nj_api_call *call)
{
    call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    if (silence_id(call))
        nj_api_run(call, query_silence);
}

/* ---- ending one */

struct ending {
    struct nj_api_call *call;
    int rc;
    struct nj_err *err;
};

/* An expired one stays as it is. */
static int end_silence(void *data, const struct nj_silence *silence)
{
    struct ending *ending = data;
    struct nj_api_call *call = ending->call;
    struct nj_store *store = call->api->options.writer_store;
    struct nj_silence ended = *silence;
    int64_t id = 0;
    if (ended.until_ns > call->now_ns)
        ended.until_ns = call->now_ns;
    if (ended.from_ns > ended.until_ns)
        ended.from_ns = ended.until_ns;
    ending->rc = store->ops->put_silence(store, &ended, &id, ending->err);
    append_silence(&call->body, &ended, call->now_ns);
    return 1;
}

static int write_end(struct nj_api_call *call, struct nj_err *err)
{
    struct ending ending = {.call = call, .err = err};
    int rc = read_one(call, call->api->options.writer_store, end_silence, &ending, err);
    return rc < 0 ? rc : ending.rc;
}

void nj_api_silence_end(struct nj_api_call *call)
{
    if (silence_id(call))
        nj_api_run_write(call, write_end);
}

/* ---- a new one */

static int count_silence(void *data, const struct nj_silence *silence)
{
    (void)silence;
    ++*(int *)data;
    return 0;
}

static int write_new(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.writer_store;
    const struct nj_api_writing *writing = &call->writing;
    const struct nj_silence_filter filter = {.ends_after_ns = call->now_ns, .limit = NJ_SILENCES_MAX};
    int count = 0;
    int rc = store->ops->each_silence(store, &filter, count_silence, &count, err);
    if (rc == 0 && count == NJ_SILENCES_MAX)
        return nj_err_set(err, -EEXIST, "there are %d silences already that are not over", NJ_SILENCES_MAX);
    struct nj_silence silence = {.matchers = writing->matchers,
                                 .author = writing->author,
                                 .reason = writing->reason,
                                 .from_ns = writing->from_ns == 0 ? call->now_ns : writing->from_ns,
                                 .until_ns = writing->until_ns,
                                 .created_ns = call->now_ns,
                                 .maintenance = writing->maintenance};
    if (rc == 0 && (silence.until_ns <= silence.from_ns || silence.until_ns <= call->now_ns))
        return nj_err_set(err, -EINVAL, "until: must be later than from, and than now");
    /* What was is stored with its causes: windows say what is meant beforehand. */
    if (rc == 0 && silence.maintenance && silence.from_ns < call->now_ns - FROM_LATE_NS)
        return nj_err_set(err, -EINVAL, "from: maintenance cannot begin before now");
    if (rc == 0 && silence.until_ns - silence.from_ns > LENGTH_MAX_NS)
        return nj_err_set(err, -EINVAL, "until: at most 366 days after from");
    if (rc == 0)
        rc = store->ops->put_silence(store, &silence, &silence.id, err);
    call->status = 201;
    append_silence(&call->body, &silence, call->now_ns);
    return rc;
}

static bool take_time(struct nj_api_call *call, struct json_object *value, const char *name, int64_t *ret_ns)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    if (nj_time_parse(text, (size_t)-1, ret_ns) == 0)
        return true;
    nj_api_problem(call, 400, "%s: a time as in RFC 3339 is needed, such as 2026-11-21T09:00:00Z", name);
    return false;
}

static bool take_matchers(struct nj_api_call *call, struct json_object *value)
{
    struct nj_matchers *matchers = NULL;
    struct nj_err err = {0};
    size_t len = 0;
    const char *text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN, &len);
    if (nj_matchers_parse(text, len, &matchers, &err) < 0) {
        nj_api_problem(call, 400, "%s", err.text);
        return false;
    }
    struct nj_buf out = {0};
    nj_matchers_json(matchers, &out);
    nj_matchers_free(matchers);
    free(call->writing.matchers);
    call->writing.matchers = nj_buf_take(&out);
    return true;
}

static bool take_field(struct nj_api_call *call, const char *name, struct json_object *value)
{
    struct nj_api_writing *writing = &call->writing;
    if (strcmp(name, "matchers") == 0)
        return take_matchers(call, value);
    if (strcmp(name, "author") == 0)
        return nj_api_text(call, value, name, AUTHOR_MAX, &writing->author);
    if (strcmp(name, "reason") == 0)
        return nj_api_text(call, value, name, REASON_MAX, &writing->reason);
    if (strcmp(name, "from") == 0)
        return take_time(call, value, name, &writing->from_ns);
    if (strcmp(name, "until") == 0)
        return take_time(call, value, name, &writing->until_ns);
    if (strcmp(name, "maintenance") == 0 && json_object_is_type(value, json_type_boolean)) {
        writing->maintenance = json_object_get_boolean(value);
        return true;
    }
    nj_api_problem(call, 400,
                   "'%.64s' is none of matchers, author, reason, from, until, maintenance (true or false)",
                   name);
    return false;
}

/* False after a problem: what is maintenance must name services. */
static bool check_maintenance(struct nj_api_call *call)
{
    const char *json = call->writing.matchers;
    struct nj_matchers *matchers = NULL;
    struct nj_err err = {0};
    if (!call->writing.maintenance)
        return true;
    int rc = nj_matchers_parse(json, strlen(json), &matchers, &err);
    if (rc == 0)
        rc = nj_matchers_check_services(matchers, &err);
    nj_matchers_free(matchers);
    if (rc < 0)
        nj_api_problem(call, 400, "%s", err.text);
    return rc == 0;
}

static bool is_empty(const char *text)
{
    return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

void nj_api_silence_add(struct nj_api_call *call)
{
    const struct nj_api_writing *writing = &call->writing;
    struct json_object *body = nj_api_body(call);
    bool good = true;
    if (body == NULL)
        return;
    json_object_object_foreach(body, name, value)
    {
        good = good && take_field(call, name, value);
        if (!good)
            break;
    }
    if (good && (writing->matchers == NULL || writing->until_ns == 0 || is_empty(writing->author) ||
                 is_empty(writing->reason)))
        nj_api_problem(call, 400, "matchers, author, reason and until are needed");
    else if (good && check_maintenance(call))
        nj_api_run_write(call, write_new);
    (void)json_object_put(body);
}
