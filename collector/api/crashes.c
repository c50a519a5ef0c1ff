#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/str.h"

static void append_log(struct nj_buf *out, const struct nj_store_crash *crash, bool with_text)
{
    const struct nj_log_text *log = &crash->crash.log;
    (void)nj_buf_append_str(out, ",\"log\":{");
    nj_api_field_int(out, "lines", log->lines);
    nj_api_field_int(out, "bytes", (int64_t)log->len);
    nj_api_field_bool(out, "cut", log->cut);
    nj_api_field(out, "source", log->source);
    nj_api_field(out, "missing", log->missing);
    if (with_text) {
        (void)nj_buf_append_str(out, ",\"text\":");
        (void)nj_json_append_string(out, nj_str(log->text), log->text == NULL ? 0 : log->len);
    }
    (void)nj_buf_append_char(out, '}');
}

static void append_crash(struct nj_buf *out, const struct nj_store_crash *crash, bool with_text)
{
    nj_api_object_begin(out);
    nj_api_field(out, "id", crash->id);
    nj_api_field(out, "cluster", crash->cluster);
    nj_api_field(out, "project", crash->project);
    nj_api_field(out, "namespace", crash->subject.namespace);
    nj_api_field(out, "workloadKind", crash->subject.workload_kind);
    nj_api_field(out, "workload", crash->subject.workload);
    nj_api_field(out, "pod", crash->subject.pod);
    nj_api_field(out, "podUid", crash->subject.pod_uid);
    nj_api_field(out, "node", crash->subject.node);
    nj_api_field(out, "container", crash->subject.container);
    nj_api_field(out, "containerType", crash->crash.container_type);
    nj_api_field(out, "containerId", crash->crash.container_id);
    nj_api_field(out, "image", crash->crash.image);
    nj_api_field_int(out, "attempt", crash->crash.attempt);
    nj_api_field_int(out, "restartCount", crash->crash.restart_count);
    nj_api_field_int(out, "exitCode", crash->crash.exit_code);
    nj_api_field_int(out, "signal", crash->crash.signal);
    nj_api_field(out, "reason", crash->crash.reason);
    nj_api_field(out, "message", crash->crash.message);
    nj_api_field_time(out, "startedAt", crash->crash.started_ns);
    nj_api_field_time(out, "finishedAt", crash->crash.finished_ns);
    nj_api_field_time(out, "seenAt", crash->seen_ns);
    nj_api_field_time(out, "storedAt", crash->stored_ns);
    nj_api_field_int(out, "memoryLimitBytes", crash->crash.memory_limit_bytes);
    nj_api_field_int(out, "cpuLimitMillis", crash->crash.cpu_limit_millis);
    nj_api_field_int(out, "incidentId", crash->incident_id);
    append_log(out, crash, with_text);
    nj_api_object_end(out);
}

static int on_listed(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    struct nj_api_call *call = data;
    nj_api_list_item(call);
    call->cursor = rowid;
    append_crash(&call->body, crash, false);
    return call->body.overflowed ? -EOVERFLOW : 0;
}

static int query_crashes(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_crash(store, &call->crashes, on_listed, call, err);
    nj_api_list_end(call);
    return rc;
}

void nj_api_crashes(struct nj_api_call *call)
{
    struct nj_crash_filter *filter = &call->crashes;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    filter->cluster = nj_api_param(call, "cluster");
    filter->project = nj_api_param(call, "project");
    filter->namespace = nj_api_param(call, "namespace");
    filter->workload = nj_api_param(call, "workload");
    filter->pod = nj_api_param(call, "pod");
    filter->container = nj_api_param(call, "container");
    filter->reason = nj_api_param(call, "reason");
    if (!nj_api_param_time(call, "since", &filter->since_ns) ||
        !nj_api_param_time(call, "until", &filter->until_ns) ||
        !nj_api_param_int(call, "incident", 1, INT64_MAX, &filter->incident_id) ||
        !nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX, &filter->before_rowid))
        return;
    filter->limit = call->limit = (int)limit;
    nj_api_run(call, query_crashes);
}

static int on_crash(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    struct nj_api_call *call = data;
    (void)rowid;
    append_crash(&call->body, crash, true);
    return 0;
}

static int get_crash(struct nj_api_call *call,
                     int (*on_found)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                     struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    int rc = store->ops->get_crash(store, call->argument, true, on_found, call, err);
    return rc == -ENOENT ? nj_err_set(err, rc, "there is no crash '%s'", call->argument) : rc;
}

static int query_crash(struct nj_api_call *call, struct nj_err *err)
{
    return get_crash(call, on_crash, err);
}

void nj_api_crash(struct nj_api_call *call)
{
    nj_api_run(call, query_crash);
}

/* Names of Kubernetes objects need no quoting; what else an agent may have sent does. */
static void name_file(struct nj_api_call *call, const struct nj_store_crash *crash)
{
    const struct nj_subject *subject = &crash->subject;
    char name[256];
    (void)snprintf(name, sizeof(name), "%.63s_%.100s_%.63s_%d", subject->namespace, subject->pod,
                   subject->container, crash->crash.attempt);
    for (char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
            *c = '_';
    }
    (void)snprintf(call->disposition, sizeof(call->disposition), "%s; filename=\"%s.log\"",
                   call->download ? "attachment" : "inline", name);
}

static int on_log(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    struct nj_api_call *call = data;
    const struct nj_log_text *log = &crash->crash.log;
    (void)rowid;
    if (log->len == 0 && log->missing[0] != '\0')
        return nj_err_set(&call->err, -ENODATA, "there is no log of this crash: %s", log->missing);
    name_file(call, crash);
    return nj_buf_append(&call->body, nj_str(log->text), log->text == NULL ? 0 : log->len);
}

static int query_log(struct nj_api_call *call, struct nj_err *err)
{
    int rc = get_crash(call, on_log, err);
    return rc == -ENODATA ? -ENOENT : rc;
}

void nj_api_crash_log(struct nj_api_call *call)
{
    int64_t download = 0;
    if (!nj_api_param_int(call, "download", 0, 1, &download))
        return;
    call->download = download != 0;
    call->content_type = "text/plain; charset=utf-8";
    nj_api_run(call, query_log);
}
