/* Compares events field by field; NULL and "" are the same. */
#ifndef NJ_TEST_WIRE_EVENTS_EQUAL_H
#define NJ_TEST_WIRE_EVENTS_EQUAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "common/wire/event.h"

static inline void assert_same_text(const char *got, const char *wanted)
{
    assert_non_null(got);
    assert_string_equal(got, nj_str(wanted));
}

static inline void assert_same_crash(const struct nj_crash *got, const struct nj_crash *wanted)
{
    assert_same_text(got->container_id, wanted->container_id);
    assert_same_text(got->container_type, wanted->container_type);
    assert_same_text(got->image, wanted->image);
    assert_same_text(got->reason, wanted->reason);
    assert_same_text(got->message, wanted->message);
    assert_int_equal(got->exit_code, wanted->exit_code);
    assert_int_equal(got->signal, wanted->signal);
    assert_int_equal(got->attempt, wanted->attempt);
    assert_int_equal(got->restart_count, wanted->restart_count);
    assert_true(got->started_ns == wanted->started_ns);
    assert_true(got->finished_ns == wanted->finished_ns);
    assert_true(got->memory_limit_bytes == wanted->memory_limit_bytes);
    assert_true(got->cpu_limit_millis == wanted->cpu_limit_millis);
    assert_non_null(got->log.text);
    assert_int_equal(got->log.len, wanted->log.len);
    assert_memory_equal(got->log.text, wanted->log.len > 0 ? wanted->log.text : "", wanted->log.len);
    assert_int_equal(got->log.text[got->log.len], 0);
    assert_int_equal(got->log.lines, wanted->log.lines);
    assert_int_equal(got->log.cut, wanted->log.cut);
    assert_same_text(got->log.source, wanted->log.source);
    assert_same_text(got->log.missing, wanted->log.missing);
}

static inline void assert_same_check(const struct nj_check_event *got, const struct nj_check_event *wanted)
{
    assert_same_text(got->key.monitor, wanted->key.monitor);
    assert_same_text(got->key.target, wanted->key.target);
    assert_same_text(got->source, wanted->source);
    assert_same_text(got->service, wanted->service);
    assert_same_text(got->target_name, wanted->target_name);
    assert_same_text(got->address, wanted->address);
    assert_same_text(got->state, wanted->state);
    assert_true(got->since_ns == wanted->since_ns);
    assert_same_text(got->severity, wanted->severity);
    assert_same_text(got->group, wanted->group);
    assert_same_text(got->cause, wanted->cause);
    assert_same_text(got->phase, wanted->phase);
    assert_same_text(got->step, wanted->step);
    assert_same_text(got->expected, wanted->expected);
    assert_same_text(got->got, wanted->got);
    assert_same_text(got->body, wanted->body);
    assert_int_equal(got->status, wanted->status);
    assert_same_text(got->evidence, wanted->evidence);
}

static inline void assert_same_rollup(const struct nj_check_rollup *got, const struct nj_check_rollup *wanted)
{
    assert_same_text(got->key.monitor, wanted->key.monitor);
    assert_same_text(got->key.target, wanted->key.target);
    assert_same_text(got->namespace, wanted->namespace);
    assert_same_text(got->service, wanted->service);
    assert_same_text(got->target_name, wanted->target_name);
    assert_same_text(got->state, wanted->state);
    assert_int_equal(got->runs, wanted->runs);
    assert_int_equal(got->failures, wanted->failures);
    assert_int_equal(got->errors_count, wanted->errors_count);
    for (size_t i = 0; i < wanted->errors_count; i++) {
        assert_same_text(got->errors[i].cause, wanted->errors[i].cause);
        assert_int_equal(got->errors[i].status, wanted->errors[i].status);
        assert_int_equal(got->errors[i].count, wanted->errors[i].count);
    }
    assert_non_null(got->latency);
    assert_int_equal(got->latency_len, wanted->latency_len);
    assert_memory_equal(got->latency, wanted->latency_len > 0 ? wanted->latency : "", wanted->latency_len);
}

static inline void assert_same_oom_kill(const struct nj_oom_kill *got, const struct nj_oom_kill *wanted)
{
    assert_same_text(got->container_id, wanted->container_id);
    assert_true(got->count == wanted->count);
    assert_same_text(got->process, wanted->process);
    assert_int_equal(got->pid, wanted->pid);
    assert_true(got->process_bytes == wanted->process_bytes);
    assert_true(got->memory_limit_bytes == wanted->memory_limit_bytes);
    assert_true(got->memory_usage_bytes == wanted->memory_usage_bytes);
}

static inline void assert_same_trouble(const struct nj_trouble *got, const struct nj_trouble *wanted)
{
    assert_int_equal(got->kind, wanted->kind);
    assert_same_text(got->detail, wanted->detail);
    assert_int_equal(got->over, wanted->over);
    assert_int_equal(got->level, wanted->level);
    assert_same_text(got->severity, wanted->severity);
    assert_same_text(got->message, wanted->message);
    assert_true(got->since_ns == wanted->since_ns);
    assert_true(got->value == wanted->value);
    assert_true(got->limit == wanted->limit);
    assert_true(got->per_hour == wanted->per_hour);
    assert_true(got->reaches_ns == wanted->reaches_ns);
    assert_same_text(got->process, wanted->process);
    assert_int_equal(got->pid, wanted->pid);
}

static inline void assert_same_usage_item(const struct nj_usage_item *got, const struct nj_usage_item *wanted)
{
    assert_same_text(got->namespace, wanted->namespace);
    assert_same_text(got->pod, wanted->pod);
    assert_same_text(got->pod_uid, wanted->pod_uid);
    assert_same_text(got->container, wanted->container);
    assert_same_text(got->workload_kind, wanted->workload_kind);
    assert_same_text(got->workload, wanted->workload);
    assert_true(got->cpu_request_millis == wanted->cpu_request_millis);
    assert_true(got->cpu_limit_millis == wanted->cpu_limit_millis);
    assert_true(got->memory_request_bytes == wanted->memory_request_bytes);
    assert_true(got->memory_limit_bytes == wanted->memory_limit_bytes);
    assert_true(got->started_ns == wanted->started_ns);
    assert_true(got->oom_kills == wanted->oom_kills);
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        assert_non_null(got->metrics[i].sketch);
        assert_int_equal(got->metrics[i].len, wanted->metrics[i].len);
        assert_memory_equal(got->metrics[i].sketch,
                            wanted->metrics[i].len > 0 ? wanted->metrics[i].sketch : "",
                            wanted->metrics[i].len);
    }
}

static inline void assert_same_usage(const struct nj_usage *got, const struct nj_usage *wanted)
{
    assert_true(got->minute_ns == wanted->minute_ns);
    assert_int_equal(got->part, wanted->part);
    assert_int_equal(got->parts, wanted->parts);
    assert_int_equal(got->count, wanted->count);
    for (size_t i = 0; i < wanted->count; i++)
        assert_same_usage_item(&got->items[i], &wanted->items[i]);
    assert_int_equal(got->pods_count, wanted->pods_count);
    for (size_t i = 0; i < wanted->pods_count; i++) {
        const struct nj_usage_pod *got_pod = &got->pods[i], *wanted_pod = &wanted->pods[i];
        assert_same_text(got_pod->namespace, wanted_pod->namespace);
        assert_same_text(got_pod->pod, wanted_pod->pod);
        assert_same_text(got_pod->pod_uid, wanted_pod->pod_uid);
        assert_same_text(got_pod->workload_kind, wanted_pod->workload_kind);
        assert_same_text(got_pod->workload, wanted_pod->workload);
        assert_true(got_pod->cpu_request_millis == wanted_pod->cpu_request_millis);
        assert_true(got_pod->memory_request_bytes == wanted_pod->memory_request_bytes);
        assert_int_equal(got_pod->priority, wanted_pod->priority);
        assert_same_text(got_pod->placement, wanted_pod->placement);
    }
}

/* All but seq. */
static inline void assert_same_event(const struct nj_event *got, const struct nj_event *wanted)
{
    assert_same_text(got->id, wanted->id);
    assert_true(got->at_ns == wanted->at_ns);
    assert_true(got->seen_ns == wanted->seen_ns);
    assert_int_equal(got->type, wanted->type);
    assert_same_text(got->subject.namespace, wanted->subject.namespace);
    assert_same_text(got->subject.pod, wanted->subject.pod);
    assert_same_text(got->subject.pod_uid, wanted->subject.pod_uid);
    assert_same_text(got->subject.node, wanted->subject.node);
    assert_same_text(got->subject.workload_kind, wanted->subject.workload_kind);
    assert_same_text(got->subject.workload, wanted->subject.workload);
    assert_same_text(got->subject.container, wanted->subject.container);
    switch (wanted->type) {
    case NJ_EVENT_CRASH:
        assert_same_crash(&got->crash, &wanted->crash);
        break;
    case NJ_EVENT_LOST_CRASHES:
        assert_int_equal(got->lost.count, wanted->lost.count);
        break;
    case NJ_EVENT_STUCK:
        assert_same_text(got->stuck.reason, wanted->stuck.reason);
        assert_same_text(got->stuck.message, wanted->stuck.message);
        assert_same_text(got->stuck.image, wanted->stuck.image);
        assert_true(got->stuck.since_ns == wanted->stuck.since_ns);
        break;
    case NJ_EVENT_CLEARED:
        assert_int_equal(got->cleared.cause, wanted->cleared.cause);
        break;
    case NJ_EVENT_OOM_KILL:
        assert_same_oom_kill(&got->oom_kill, &wanted->oom_kill);
        break;
    case NJ_EVENT_TROUBLE:
        assert_same_trouble(&got->trouble, &wanted->trouble);
        break;
    case NJ_EVENT_USAGE:
        assert_same_usage(&got->usage, &wanted->usage);
        break;
    case NJ_EVENT_OUTAGE:
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        fail_msg("it has no form on the wire");
        break;
    case NJ_EVENT_POD_FAILURE:
        assert_same_text(got->failure.reason, wanted->failure.reason);
        assert_same_text(got->failure.message, wanted->failure.message);
        break;
    case NJ_EVENT_CHECK:
        assert_same_check(&got->check, &wanted->check);
        break;
    case NJ_EVENT_ROLLUPS:
        assert_true(got->rollups.minute_ns == wanted->rollups.minute_ns);
        assert_int_equal(got->rollups.count, wanted->rollups.count);
        for (size_t i = 0; i < wanted->rollups.count; i++)
            assert_same_rollup(&got->rollups.items[i], &wanted->rollups.items[i]);
        break;
    }
}

#endif
