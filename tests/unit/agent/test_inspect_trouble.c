/*
 * What is told of containers, scan by scan, every 10 s.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/container_trouble.h"
#include "common/base/buf.h"
#include "common/base/clock.h"

enum { GIB = 1 << 30 };

static const int64_t noon_ns = INT64_C(1795262400) * NJ_SEC;

struct fixture {
    struct nj_container_troubles *troubles;
    struct nj_trouble_hooks hooks;
    struct nj_container_figures a, b; /* of one pod; b is looked at with look_both() only */
    int64_t now_ns;                   /* monotonic */
    struct nj_buf told;               /* "KIND/DETAIL LEVEL CONTAINER|" of each, "over" for the level */
    char message[512];                /* of the latest */
    char process[32];
    struct nj_trouble last; /* without its strings */
    char owner[8];          /* whose the sockets are; "" for nobody's, "?": it cannot be seen */
    uint64_t owned;
    int asked;
};

static void on_trouble(void *data, const struct nj_container_figures *figures,
                       const struct nj_trouble *trouble, bool of_pod)
{
    struct fixture *fixture = data;
    const char *slash = trouble->detail[0] != '\0' ? "/" : "";
    (void)nj_buf_printf(&fixture->told, "%s%s%s ", nj_trouble_kind_name(trouble->kind), slash,
                        trouble->detail);
    if (trouble->over)
        (void)nj_buf_append_str(&fixture->told, "over");
    else if (trouble->level != 0)
        (void)nj_buf_printf(&fixture->told, "%d", trouble->level);
    else
        (void)nj_buf_append_str(&fixture->told, trouble->severity);
    (void)nj_buf_printf(&fixture->told, " %s|", of_pod ? "pod" : figures->id);
    (void)snprintf(fixture->message, sizeof(fixture->message), "%s", trouble->message);
    (void)snprintf(fixture->process, sizeof(fixture->process), "%s %d", trouble->process, trouble->pid);
    fixture->last = *trouble;
    assert_string_equal(figures->pod_uid, "pod-1");
    assert_true(trouble->since_ns > 0);
}

static int own_sockets(void *data, const struct nj_container_figures *figures, enum nj_tcp_state state,
                       struct nj_inspect_process *ret_process, uint64_t *ret_count)
{
    struct fixture *fixture = data;
    (void)state;
    fixture->asked++;
    if (strcmp(fixture->owner, "?") == 0)
        return -EACCES;
    bool is_its = strcmp(fixture->owner, figures->id) == 0;
    *ret_process = (struct nj_inspect_process){.pid = is_its ? 77 : 78, .command = "sockd"};
    *ret_count = is_its ? fixture->owned : 1;
    return 0;
}

static void set_up_figures(struct nj_container_figures *figures, const char *id)
{
    *figures = (struct nj_container_figures){
        .pod_uid = "pod-1",
        .processes = 3,
        .threads = 30,
        .init = {.pid = 10, .command = "init"},
        .zombie_parent = {.pid = 11, .command = "shell"},
        .fds = 40,
        .fullest = {.pid = 12, .command = "java"},
        .fullest_fds = 20,
        .fullest_limit = 1024,
        .most_threads = {.pid = 13, .command = "worker"},
        .memory_usage = GIB / 8,
        .memory_working_set = GIB / 8,
        .memory_rss = GIB / 16,
        .memory_swap = NJ_UNKNOWN,
        .memory_limit = GIB,
        .pids = 30,
        .pids_limit = 1000,
    };
    (void)snprintf(figures->id, sizeof(figures->id), "%s", id);
}

static void begin(struct fixture *fixture)
{
    const struct nj_leak_rules rules = {.interval_ns = 10 * NJ_SEC, .least_span_ns = NJ_HOUR};
    *fixture = (struct fixture){.troubles = nj_container_troubles_new(&rules), .now_ns = 50 * NJ_HOUR};
    fixture->hooks = (struct nj_trouble_hooks){.on_trouble = on_trouble,
                                               .own_sockets = own_sockets,
                                               .data = fixture,
                                               .node_memory = 8UL * GIB,
                                               .node_pids = 32768};
    set_up_figures(&fixture->a, "a");
    set_up_figures(&fixture->b, "b");
}

static void end(struct fixture *fixture)
{
    nj_container_troubles_free(fixture->troubles);
    nj_buf_done(&fixture->told);
}

static void look_at(struct fixture *fixture, struct nj_container_figures *figures)
{
    figures->at_ns = fixture->now_ns;
    figures->sockets.at_ns = fixture->now_ns;
    nj_container_troubles_update(fixture->troubles, figures, noon_ns + fixture->now_ns, &fixture->hooks);
}

static void look(struct fixture *fixture)
{
    fixture->now_ns += 10 * NJ_SEC;
    look_at(fixture, &fixture->a);
}

static void look_both(struct fixture *fixture)
{
    look(fixture);
    fixture->b.sockets = fixture->a.sockets;
    look_at(fixture, &fixture->b);
}

/* What was told since the last call. */
static void assert_told(struct fixture *fixture, const char *expected)
{
    if (strcmp(nj_buf_str(&fixture->told), expected) != 0)
        fail_msg("told \"%s\" instead of \"%s\"", nj_buf_str(&fixture->told), expected);
    nj_buf_clear(&fixture->told);
}

static void assert_message(const struct fixture *fixture, const char *text)
{
    if (strstr(fixture->message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fixture->message, text);
}

/* Raises the figure by so many an hour until it is there, looking every 10 s. */
static void climb(struct fixture *fixture, uint64_t *figure, double per_hour, uint64_t until)
{
    double value = (double)*figure;
    while (value < (double)until) {
        value += per_hour / 360;
        *figure = (uint64_t)value;
        look(fixture);
    }
}

/* ---- leaks */

static void a_leak_of_fds_is_told_once_with_its_process_and_is_over_after_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    for (int i = 0; i < 360; i++)
        look(&fixture);
    for (uint64_t i = 0; i < 960; i++) {
        fixture.a.fullest_fds = 20 + i / 2;
        fixture.a.fds = 40 + i / 2;
        look(&fixture);
    }
    assert_told(&fixture, "leak_fds warning a|");
    assert_string_equal(fixture.process, "java 12");
    assert_message(&fixture, "open file descriptors climb by 180 an hour, from ");
    assert_message(&fixture, "limit 1044 reached in ");
    assert_message(&fixture, "(java, pid 12)");
    assert_true(fixture.last.value < 522);
    assert_true(fixture.last.reaches_ns > noon_ns + fixture.now_ns);
    assert_true(fixture.last.since_ns > noon_ns + 50 * NJ_HOUR);
    int64_t since_ns = fixture.last.since_ns;
    fixture.a.fullest_fds = 20;
    fixture.a.fds = 40;
    look(&fixture);
    assert_told(&fixture, "leak_fds over a|");
    assert_int_equal(fixture.last.since_ns, since_ns);
    for (int i = 0; i < 360; i++)
        look(&fixture);
    assert_told(&fixture, "");
    end(&fixture);
}

static void zombies_threads_and_memory_leak_too(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.pids_limit = NJ_UNKNOWN;
    climb(&fixture, &fixture.a.zombies, 60, 90);
    assert_told(&fixture, "leak_zombies warning a|");
    assert_string_equal(fixture.process, "shell 11");
    assert_message(&fixture, "zombie processes climb by 60 an hour");
    fixture.a.zombies = 0;
    look(&fixture);
    assert_told(&fixture, "leak_zombies over a|");
    fixture.a.pids_limit = 1000;
    climb(&fixture, &fixture.a.threads, 100, 480);
    assert_told(&fixture, "leak_threads warning a|");
    assert_string_equal(fixture.process, "worker 13");
    climb(&fixture, &fixture.a.memory_rss, GIB / 6.0, GIB / 2 - GIB / 100);
    assert_told(&fixture, "leak_memory warning a|");
    assert_message(&fixture, "memory climbs by 171 MiB an hour");
    assert_message(&fixture, "limit 1.0 GiB");
    end(&fixture);
}

static void memory_without_a_limit_is_measured_by_the_nodes(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.memory_limit = NJ_UNKNOWN;
    climb(&fixture, &fixture.a.memory_rss, GIB, 4 * (uint64_t)GIB);
    assert_told(&fixture, "leak_memory warning a|");
    assert_message(&fixture, "limit 8.0 GiB");
    end(&fixture);
}

static void the_page_cache_is_no_leak_and_no_limit_that_is_near(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    climb(&fixture, &fixture.a.memory_working_set, GIB / 10.0, GIB / 2 + GIB / 4);
    assert_told(&fixture, "");
    for (int i = 0; i < 5; i++) { /* 50 s */
        fixture.a.memory_working_set = GIB - GIB / 100;
        look(&fixture);
    }
    fixture.a.memory_working_set = GIB / 2;
    look(&fixture);
    assert_told(&fixture, "");
    end(&fixture);
}

static void a_new_container_begins_anew(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    climb(&fixture, &fixture.a.zombies, 60, 90);
    assert_told(&fixture, "leak_zombies warning a|");
    nj_container_troubles_end(fixture.troubles, "a", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "leak_zombies over a|");
    assert_message(&fixture, "the container has ended");
    nj_container_troubles_end(fixture.troubles, "a", noon_ns + fixture.now_ns, &fixture.hooks);
    set_up_figures(&fixture.a, "c");
    fixture.a.zombies = 100;
    for (int i = 0; i < 720; i++)
        look(&fixture);
    assert_told(&fixture, "");
    nj_container_troubles_end(fixture.troubles, "c", noon_ns + fixture.now_ns, NULL);
    end(&fixture);
}

static void a_leak_that_stops_climbing_is_over_in_the_end(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    climb(&fixture, &fixture.a.zombies, 60, 90);
    assert_told(&fixture, "leak_zombies warning a|");
    for (int i = 0; i < 4 * 360; i++)
        look(&fixture);
    assert_told(&fixture, "leak_zombies over a|");
    end(&fixture);
}

static void what_is_unknown_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    memset(&fixture.a.processes, 0xff,
           offsetof(struct nj_container_figures, pressure) -
               offsetof(struct nj_container_figures, processes));
    for (int state_of = 0; state_of < NJ_TCP_STATES; state_of++)
        fixture.a.sockets.tcp[state_of] = NJ_UNKNOWN;
    for (int i = 0; i < 400; i++)
        look(&fixture);
    assert_told(&fixture, "");
    end(&fixture);
}

/* ---- sockets */

static void sockets_in_close_wait_are_told_of_the_container_that_holds_them(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    (void)snprintf(fixture.owner, sizeof(fixture.owner), "b");
    for (int i = 0; i < 600; i++) {
        fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT] = fixture.owned = (uint64_t)i / 4;
        look_both(&fixture);
    }
    assert_told(&fixture, "leak_sockets/CLOSE_WAIT warning b|");
    assert_string_equal(fixture.process, "sockd 77");
    assert_message(&fixture, "sockets in CLOSE_WAIT climb by 90 an hour");
    assert_int_equal(fixture.asked, 2);
    fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT] = 0;
    look_both(&fixture);
    assert_told(&fixture, "leak_sockets/CLOSE_WAIT over b|");
    end(&fixture);
}

static void sockets_that_cannot_be_told_apart_are_the_pods(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    (void)snprintf(fixture.owner, sizeof(fixture.owner), "?");
    for (int i = 0; i < 600; i++) {
        fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT] = (uint64_t)i / 4;
        look_both(&fixture);
    }
    assert_told(&fixture, "leak_sockets/CLOSE_WAIT warning pod|");
    assert_string_equal(fixture.process, " 0");
    nj_container_troubles_end(fixture.troubles, "a", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "");
    nj_container_troubles_end(fixture.troubles, "b", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "leak_sockets/CLOSE_WAIT over pod|");
    end(&fixture);
}

static void a_pods_only_container_has_its_sockets(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.hooks.own_sockets = NULL;
    fixture.a.sockets.tcp[NJ_TCP_ESTABLISHED] = 10;
    climb(&fixture, &fixture.a.sockets.tcp[NJ_TCP_ESTABLISHED], 100, 500);
    assert_told(&fixture, "leak_sockets/ALL warning a|");
    assert_string_equal(fixture.process, "java 12");
    end(&fixture);
}

static void the_hosts_sockets_are_no_containers(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.network_is_host = true;
    climb(&fixture, &fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT], 500, 3000);
    assert_told(&fixture, "");
    end(&fixture);
}

static void an_accept_queue_that_overflows_twice_in_a_row_is_told(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    struct nj_socket_figures *sockets = &fixture.a.sockets;
    sockets->queue_port = 8080;
    sockets->queue_length = 129;
    sockets->queue_limit = 128;
    sockets->listen_overflows = 5; /* from before */
    look(&fixture);
    sockets->listen_overflows += 3;
    look(&fixture);
    look(&fixture);
    sockets->listen_overflows += 3;
    look(&fixture);
    assert_told(&fixture, "");
    sockets->listen_overflows += 7;
    look(&fixture);
    assert_told(&fixture, "listen_queue/8080 warning a|");
    assert_message(&fixture, "7 at the last look; the fullest accept queue is port 8080's, with 129 of 128");
    sockets->queue_port = 9090;
    for (int i = 0; i < 29; i++)
        look(&fixture);
    assert_told(&fixture, "");
    look(&fixture);
    assert_told(&fixture, "listen_queue/8080 over a|");
    end(&fixture);
}

/* Whose it is stays the same though another container comes meanwhile. */
static void an_overflow_is_over_for_whom_it_was_told_of(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.sockets.queue_port = 8080;
    for (int i = 0; i < 4; i++) {
        fixture.a.sockets.listen_overflows += 3;
        look(&fixture);
    }
    assert_told(&fixture, "listen_queue/8080 warning a|");
    for (int i = 0; i < 31; i++)
        look_both(&fixture);
    assert_told(&fixture, "listen_queue/8080 over a|");

    fixture.a.sockets.listen_overflows++;
    look_both(&fixture);
    fixture.a.sockets.listen_overflows++;
    look_both(&fixture);
    assert_told(&fixture, "listen_queue/8080 warning pod|");
    nj_container_troubles_end(fixture.troubles, "b", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "");
    nj_container_troubles_end(fixture.troubles, "a", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "listen_queue/8080 over pod|");
    end(&fixture);
}

/* ---- what an earlier process told */

static void restore(struct fixture *fixture, const struct nj_trouble *trouble, bool of_pod)
{
    const struct nj_trouble_restored restored = {.container_id = "a",
                                                 .pod_uid = "pod-1",
                                                 .of_pod = of_pod,
                                                 .trouble = trouble,
                                                 .told_ns = noon_ns + fixture->now_ns - NJ_MIN};
    nj_container_troubles_restore(fixture->troubles, &restored, fixture->now_ns);
}

static void what_was_told_before_is_not_told_again_and_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct nj_trouble near = {
        .kind = NJ_TROUBLE_NEAR_FDS, .detail = "", .level = 80, .since_ns = noon_ns};
    const struct nj_trouble leak = {.kind = NJ_TROUBLE_LEAK_FDS,
                                    .detail = "",
                                    .since_ns = noon_ns + 40 * NJ_HOUR,
                                    .value = 900,
                                    .per_hour = 80};
    begin(&fixture);
    restore(&fixture, &near, false);
    restore(&fixture, &leak, false);
    fixture.a.fds = fixture.a.fullest_fds = 900;
    for (int i = 0; i < 400; i++)
        look(&fixture);
    assert_told(&fixture, "");
    fixture.a.fullest_fds = 1000;
    look(&fixture);
    assert_told(&fixture, "near_fds 95 a|");
    fixture.a.fds = fixture.a.fullest_fds = 700;
    look(&fixture);
    assert_told(&fixture, "near_fds over a|");
    assert_int_equal(fixture.last.since_ns, noon_ns);
    fixture.a.fds = fixture.a.fullest_fds = 600;
    look(&fixture);
    assert_told(&fixture, "leak_fds over a|");
    assert_int_equal(fixture.last.since_ns, noon_ns + 40 * NJ_HOUR);
    look(&fixture);
    assert_told(&fixture, "");
    end(&fixture);
}

static void what_was_told_of_a_pod_before_ends_of_the_pod(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct nj_trouble queue = {.kind = NJ_TROUBLE_LISTEN_QUEUE, .detail = "8080", .since_ns = noon_ns};
    const struct nj_trouble sockets = {.kind = NJ_TROUBLE_LEAK_SOCKETS,
                                       .detail = "CLOSE_WAIT",
                                       .since_ns = noon_ns,
                                       .value = 500,
                                       .per_hour = 10};
    begin(&fixture);
    restore(&fixture, &queue, true);
    restore(&fixture, &sockets, true);
    fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT] = 500;
    look_both(&fixture);
    assert_told(&fixture, "");
    fixture.a.sockets.tcp[NJ_TCP_CLOSE_WAIT] = 10;
    look_both(&fixture);
    assert_told(&fixture, "leak_sockets/CLOSE_WAIT over pod|");
    for (int i = 0; i < 31; i++)
        look_both(&fixture);
    assert_told(&fixture, "listen_queue/8080 over pod|");
    end(&fixture);
}

/* ---- limits */

static void a_limit_that_is_near_is_told_by_level(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.fullest_fds = fixture.a.fds = 820;
    look(&fixture);
    look(&fixture);
    assert_told(&fixture, "near_fds 80 a|");
    assert_string_equal(fixture.last.severity, "warning");
    assert_message(&fixture, "open file descriptors of one process: 820 of 1024, 80 % (java, pid 12)");
    int64_t since_ns = fixture.last.since_ns;
    fixture.a.fullest_fds = fixture.a.fds = 1000;
    look(&fixture);
    assert_told(&fixture, "near_fds 95 a|");
    assert_string_equal(fixture.last.severity, "critical");
    fixture.a.fullest_fds = fixture.a.fds = 800; /* above 75 % */
    look(&fixture);
    fixture.a.fullest_fds = fixture.a.fds = 1000;
    look(&fixture);
    assert_told(&fixture, "");
    fixture.a.fullest_fds = fixture.a.fds = 700;
    look(&fixture);
    assert_told(&fixture, "near_fds over a|");
    assert_int_equal(fixture.last.since_ns, since_ns);
    fixture.a.pids = 960;
    look(&fixture);
    assert_told(&fixture, "near_pids 95 a|");
    nj_container_troubles_end(fixture.troubles, "a", noon_ns + fixture.now_ns, &fixture.hooks);
    assert_told(&fixture, "near_pids over a|");
    end(&fixture);
}

static void memory_must_stay_near_for_a_minute(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.a.memory_working_set = GIB - GIB / 10;
    look(&fixture);
    int64_t since_ns = noon_ns + fixture.now_ns;
    for (int i = 0; i < 5; i++)
        look(&fixture);
    assert_told(&fixture, "");
    look(&fixture);
    assert_told(&fixture, "near_memory 80 a|");
    assert_int_equal(fixture.last.since_ns, since_ns);
    assert_message(&fixture, "memory: 922 MiB of 1.0 GiB, 90 %");
    fixture.a.memory_limit = NJ_UNKNOWN;
    look(&fixture);
    assert_told(&fixture, "near_memory over a|");
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_of_fds_is_told_once_with_its_process_and_is_over_after_a_restart),
        cmocka_unit_test(zombies_threads_and_memory_leak_too),
        cmocka_unit_test(memory_without_a_limit_is_measured_by_the_nodes),
        cmocka_unit_test(the_page_cache_is_no_leak_and_no_limit_that_is_near),
        cmocka_unit_test(a_new_container_begins_anew),
        cmocka_unit_test(a_leak_that_stops_climbing_is_over_in_the_end),
        cmocka_unit_test(what_is_unknown_changes_nothing),
        cmocka_unit_test(sockets_in_close_wait_are_told_of_the_container_that_holds_them),
        cmocka_unit_test(sockets_that_cannot_be_told_apart_are_the_pods),
        cmocka_unit_test(a_pods_only_container_has_its_sockets),
        cmocka_unit_test(the_hosts_sockets_are_no_containers),
        cmocka_unit_test(an_accept_queue_that_overflows_twice_in_a_row_is_told),
        cmocka_unit_test(an_overflow_is_over_for_whom_it_was_told_of),
        cmocka_unit_test(what_was_told_before_is_not_told_again_and_ends),
        cmocka_unit_test(what_was_told_of_a_pod_before_ends_of_the_pod),
        cmocka_unit_test(a_limit_that_is_near_is_told_by_level),
        cmocka_unit_test(memory_must_stay_near_for_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
