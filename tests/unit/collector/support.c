#include "tests/unit/collector/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const int64_t noon_ns = INT64_C(1795251600000000000);

void begin_folder(struct folder *folder)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder->path, sizeof(folder->path), "%s/nightjar-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->database, sizeof(folder->database), "%s/collector.db", folder->path);
}

void end_folder(struct folder *folder)
{
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            assert_int_equal(0, unlinkat(dirfd(dir), entry->d_name, 0));
    }
    assert_int_equal(0, closedir(dir));
    assert_int_equal(0, rmdir(folder->path));
}

static struct nj_subject cart(void)
{
    return (struct nj_subject){
        .namespace = "shop",
        .pod = "cart-5f7c9-x2k4p",
        .pod_uid = "1d9c2b1e-7a41-4d0e-9f7e-3b6f1c2a9d10",
        .node = "node-7",
        .workload_kind = "Deployment",
        .workload = "cart",
        .container = "app",
    };
}

static struct nj_crash panic(void)
{
    static const char log[] = "starting\npanic: no \xe5\xba\x93\xe5\xad\x98 table\n";
    return (struct nj_crash){
        .container_id = "containerd://6f1d",
        .container_type = "app",
        .image = "registry/cart:1.4.2",
        .reason = "Error",
        .message = "gone",
        .exit_code = 3,
        .attempt = 2,
        .restart_count = 3,
        .started_ns = noon_ns - 10 * INT64_C(1000000000),
        .finished_ns = noon_ns,
        .memory_limit_bytes = 24 << 20,
        .cpu_limit_millis = 250,
        .log = {.text = log, .len = sizeof(log) - 1, .lines = 2, .source = "file", .missing = ""},
    };
}

struct nj_store_crash make_crash(const char *id)
{
    return (struct nj_store_crash){
        .id = id,
        .cluster = "prod",
        .project = "p-1",
        .at_ns = noon_ns,
        .seen_ns = noon_ns + 1,
        .stored_ns = noon_ns + 2,
        .subject = cart(),
        .crash = panic(),
    };
}

struct nj_incident make_incident(int64_t id, const char *fingerprint)
{
    return (struct nj_incident){
        .id = id,
        .fingerprint = fingerprint,
        .kind = NJ_INCIDENT_CRASH,
        .severity = NJ_SEVERITY_WARNING,
        .state = NJ_INCIDENT_OPEN,
        .revision = 1,
        .cluster = "prod",
        .project = "p-1",
        .namespace = "shop",
        .workload_kind = "Deployment",
        .workload = "cart",
        .container = "app",
        .pod = "cart-5f7c9-x2k4p",
        .pod_uid = "1d9c2b1e-7a41-4d0e-9f7e-3b6f1c2a9d10",
        .node = "node-7",
        .reason = "Error",
        .message = "gone",
        .image = "registry/cart:1.4.2",
        .exit_code = 3,
        .restart_count = 3,
        .memory_limit_bytes = 24 << 20,
        .crash_id = "crash-1",
        .count = 1,
        .first_ns = noon_ns,
        .last_ns = noon_ns,
        .resolved_cause = "",
        .suppressed = "",
    };
}

struct nj_event make_event(enum nj_event_type type, const char *id)
{
    struct nj_event event = {
        .id = id, .at_ns = noon_ns, .seen_ns = noon_ns + 1, .type = type, .subject = cart()};
    switch (type) {
    case NJ_EVENT_CRASH:
        event.crash = panic();
        break;
    case NJ_EVENT_LOST_CRASHES:
        event.lost.count = 2;
        break;
    case NJ_EVENT_STUCK:
        event.stuck = (struct nj_stuck){.reason = "ImagePullBackOff",
                                        .message = "back-off pulling image",
                                        .image = "registry/cart:1.4.3",
                                        .since_ns = noon_ns};
        break;
    case NJ_EVENT_CLEARED:
        event.cleared.cause = NJ_CLEARED_STABLE;
        break;
    case NJ_EVENT_POD_FAILURE:
        event.failure = (struct nj_pod_failure){.reason = "Evicted", .message = "low on memory"};
        break;
    case NJ_EVENT_CHECK:
    case NJ_EVENT_ROLLUPS:
    case NJ_EVENT_OOM_KILL:
    case NJ_EVENT_TROUBLE:
    case NJ_EVENT_USAGE:
    case NJ_EVENT_OUTAGE:
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
    return event;
}

static struct nj_store *open_store(const struct folder *folder, bool writer)
{
    struct nj_err err = {0};
    struct nj_store *store = NULL;
    int rc = nj_store_open_sqlite(folder->database, writer, &store, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    return store;
}

struct nj_store *open_writer(const struct folder *folder)
{
    return open_store(folder, true);
}

struct nj_store *open_reader(const struct folder *folder)
{
    return open_store(folder, false);
}
