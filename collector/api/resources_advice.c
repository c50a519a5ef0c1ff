/*
 * What each workload's containers should ask for, from what they used, and why.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/resources.h"
#include "collector/capacity/advice.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum {
    GROUPS_MAX = 5000,
    LIMIT_MAX = 5000,
    RANGE_D = 7,   /* without a word */
    MINUTES_D = 1, /* a range up to so long is read from minutes, */
    HOURS_D = 14,  /* up to this from hours, else from days */
    START_UP_MIN = 5,
    REASONS_MAX = 16 << 10, /* bytes of one's */
};

/* A container of a workload, over all its pods. */
struct group {
    char *key; /* namespace, kind, workload, container, each with its '\0' */
    size_t key_len;
    struct nj_advice_input input;
    int64_t first_ns, last_ns;
    double throttled_sum;
    uint64_t throttled_count;
    UT_hash_handle hh;
};

struct advising {
    struct nj_err *err;
    const struct nj_usage_filter *filter;
    struct group *groups; /* by key */
    int64_t read;
    struct nj_buf key; /* scratch */
};

static struct group *find_or_add(struct advising *advising, const struct nj_usage_item *item)
{
    const char *parts[] = {item->namespace, item->workload_kind, item->workload, item->container};
    struct group *group = NULL;
    nj_buf_clear(&advising->key);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        (void)nj_buf_append(&advising->key, nj_str(parts[i]), strlen(nj_str(parts[i])) + 1);
    HASH_FIND(hh, advising->groups, advising->key.data, advising->key.len, group);
    if (group != NULL)
        return group;
    if (HASH_COUNT(advising->groups) >= GROUPS_MAX) {
        (void)nj_err_set(advising->err, -EOVERFLOW, "more than %d containers: ask for one namespace",
                         GROUPS_MAX);
        return NULL;
    }
    group = NJ_NEW(struct group);
    group->key_len = advising->key.len;
    group->key = nj_buf_take(&advising->key);
    HASH_ADD_KEYPTR(hh, advising->groups, group->key, group->key_len, group);
    return group;
}

static int merge(struct nj_sketch *into, const struct nj_usage_point *point, enum nj_usage_metric which,
                 struct nj_err *err)
{
    struct nj_sketch sketch = {0};
    if (point->item.metrics[which].len == 0)
        return 0;
    if (nj_sketch_decode(point->item.metrics[which].sketch, point->item.metrics[which].len, &sketch) < 0)
        return nj_err_set(err, -EUCLEAN, "the %s of %s, %s is damaged", nj_usage_metric_name(which),
                          point->item.pod, point->item.container);
    nj_sketch_merge(into, &sketch);
    nj_sketch_done(&sketch);
    return 0;
}

/* A point belongs to start-up as a whole when it has any of it. */
static bool is_start_up(const struct advising *advising, const struct nj_usage_point *point)
{
    int64_t started_ns = point->item.started_ns;
    return started_ns != 0 && started_ns < point->start_ns + nj_resolution_ns(advising->filter->resolution) &&
           point->start_ns < started_ns + START_UP_MIN * NJ_MIN;
}

static void take_given(struct group *group, const struct nj_usage_point *point)
{
    struct nj_advice_input *input = &group->input;
    const struct nj_usage_item *item = &point->item;
    if (group->first_ns == 0 || point->start_ns < group->first_ns)
        group->first_ns = point->start_ns;
    if (point->start_ns >= group->last_ns) { /* the latest are those that hold */
        group->last_ns = point->start_ns;
        input->cpu_request_millis = item->cpu_request_millis;
        input->cpu_limit_millis = item->cpu_limit_millis;
        input->memory_request_bytes = item->memory_request_bytes;
        input->memory_limit_bytes = item->memory_limit_bytes;
    }
    input->oom_kills += item->oom_kills;
    if (item->oom_kills > 0 && item->memory_limit_bytes > input->oom_limit_bytes)
        input->oom_limit_bytes = item->memory_limit_bytes;
}

static int on_point(void *data, const struct nj_usage_point *point)
{
    struct advising *advising = data;
    struct nj_sketch throttled = {0};
    if (++advising->read > NJ_RESOURCE_ROWS_MAX)
        return nj_resource_too_many(advising->err);
    struct group *group = find_or_add(advising, &point->item);
    if (group == NULL)
        return -EOVERFLOW;
    struct nj_advice_input *input = &group->input;
    bool start_up = is_start_up(advising, point);
    take_given(group, point);
    int rc = merge(start_up ? &input->cpu_start : &input->cpu, point, NJ_USAGE_CPU, advising->err);
    if (rc == 0)
        rc = merge(start_up ? &input->memory_start : &input->memory, point, NJ_USAGE_MEMORY, advising->err);
    if (rc == 0)
        rc = merge(&throttled, point, NJ_USAGE_THROTTLED, advising->err);
    group->throttled_sum += throttled.sum;
    group->throttled_count += throttled.count;
    nj_sketch_done(&throttled);
    return rc;
}

/* In cores; null for none. */
static void append_cores(struct nj_buf *out, const char *name, int64_t millis)
{
    if (millis == 0)
        nj_api_field_json(out, name, "");
    else
        nj_api_field_double(out, name, (double)millis / 1000);
}

static void append_bytes(struct nj_buf *out, const char *name, int64_t bytes)
{
    if (bytes == 0)
        nj_api_field_json(out, name, "");
    else
        nj_api_field_int(out, name, bytes);
}

static void append_names(struct nj_buf *out, const struct group *group)
{
    static const char *const names[] = {"namespace", "workloadKind", "workload", "container"};
    const char *name = group->key;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++, name += strlen(name) + 1)
        nj_api_field(out, names[i], name);
}

static void append_advice(struct nj_buf *out, const struct group *group, const struct nj_advice *advice,
                          const struct nj_buf *reasons)
{
    const struct nj_advice_input *input = &group->input;
    nj_api_object_begin(out);
    append_names(out, group);
    nj_api_object_field_begin(out, "cpu");
    append_cores(out, "request", input->cpu_request_millis);
    append_cores(out, "limit", input->cpu_limit_millis);
    append_cores(out, "recommendedRequest", advice->cpu_request_millis);
    append_cores(out, "recommendedLimit", advice->cpu_limit_millis);
    nj_api_object_end(out);
    nj_api_object_field_begin(out, "memory");
    append_bytes(out, "request", input->memory_request_bytes);
    append_bytes(out, "limit", input->memory_limit_bytes);
    append_bytes(out, "recommendedRequest", advice->memory_request_bytes);
    append_bytes(out, "recommendedLimit", advice->memory_limit_bytes);
    nj_api_object_end(out);
    nj_api_field_int(out, "oomKills", (int64_t)input->oom_kills);
    nj_api_field_int(out, "observedSeconds", input->seen_ns / NJ_SEC);
    nj_api_field_bool(out, "confident", advice->confident);
    nj_api_array_begin(out, "reasons");
    if (reasons->len > 2) /* without its own brackets */
        (void)nj_buf_append(out, reasons->data + 1, reasons->len - 2);
    nj_api_array_end(out);
    nj_api_object_end(out);
}

static int append_group(struct nj_buf *out, const struct advising *advising, struct group *group)
{
    struct nj_advice_input *input = &group->input;
    struct nj_advice advice;
    struct nj_buf reasons = {.max = REASONS_MAX};
    input->seen_ns = group->last_ns - group->first_ns + nj_resolution_ns(advising->filter->resolution);
    input->throttled =
        group->throttled_count == 0 ? 0 : group->throttled_sum / (double)group->throttled_count;
    int rc = nj_advise(input, &advice, &reasons);
    if (rc == 0)
        append_advice(out, group, &advice, &reasons);
    nj_buf_done(&reasons);
    return rc < 0 ? nj_err_set(advising->err, rc, "the reasons are longer than %d bytes", REASONS_MAX) : 0;
}

static int by_key(const struct group *one, const struct group *other)
{
    const char *a = one->key, *b = other->key;
    for (int i = 0; i < 4; i++, a += strlen(a) + 1, b += strlen(b) + 1) {
        int rc = strcmp(a, b);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void free_groups(struct advising *advising)
{
    struct group *group = advising->groups;
    HASH_CLEAR(hh, advising->groups); /* the groups stay a list */
    while (group != NULL) {
        struct group *next = group->hh.next;
        nj_sketch_done(&group->input.cpu);
        nj_sketch_done(&group->input.memory);
        nj_sketch_done(&group->input.cpu_start);
        nj_sketch_done(&group->input.memory_start);
        free(group->key);
        free(group);
        group = next;
    }
    nj_buf_done(&advising->key);
}

static int query_recommendations(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_buf *out = &call->body;
    struct advising advising = {.err = err, .filter = &call->usage};
    struct group *group, *next;
    int rc = store->ops->each_usage(store, &call->usage, false, on_point, &advising, err);
    HASH_SORT(advising.groups, by_key);
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", call->usage.from_ns);
    nj_api_field_time(out, "to", call->usage.until_ns);
    nj_api_field(out, "step", nj_resolution_name(call->usage.resolution));
    nj_api_field_int(out, "total", (int64_t)HASH_COUNT(advising.groups));
    nj_api_array_begin(out, "items");
    HASH_ITER (hh, advising.groups, group, next) {
        if (rc == 0 && call->rows++ < call->limit)
            rc = append_group(out, &advising, group);
    }
    nj_api_array_end(out);
    nj_api_object_end(out);
    free_groups(&advising);
    return rc == -E2BIG ? -EOVERFLOW : rc;
}

void nj_api_recommendations(struct nj_api_call *call)
{
    struct nj_usage_filter *filter = &call->usage;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    nj_resource_filter(call);
    if (!nj_api_param_range(call) || !nj_api_param_int(call, "limit", 1, LIMIT_MAX, &limit))
        return;
    if (nj_api_param(call, "from") == NULL)
        call->series.from_ns = call->series.until_ns - RANGE_D * NJ_DAY;
    int64_t range_ns = call->series.until_ns - call->series.from_ns;
    filter->resolution = range_ns <= MINUTES_D * NJ_DAY ? NJ_RESOLUTION_MINUTE
                         : range_ns <= HOURS_D * NJ_DAY ? NJ_RESOLUTION_HOUR
                                                        : NJ_RESOLUTION_DAY;
    filter->from_ns = call->series.from_ns - call->series.from_ns % nj_resolution_ns(filter->resolution);
    filter->until_ns = call->series.until_ns;
    call->limit = (int)limit;
    nj_api_run(call, query_recommendations);
}
