/* The latest runs as Prometheus text: what blackbox_exporter's dashboards and rules find in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/probe/exposition.h"
#include "tests/unit/promtool.h"
#include "tests/unit/test.h"

enum { TARGETS_MAX = 3 };

static const struct nj_exposition_labels web = {.monitor = "service.shop.web",
                                                .target = "pod/uid-1/80/ipv4",
                                                .namespace = "shop",
                                                .service = "web",
                                                .pod = "web-1",
                                                .port = 80};

#define WEB                                                                                                  \
    "monitor=\"service.shop.web\",target=\"pod/uid-1/80/ipv4\",namespace=\"shop\",service=\"web\","          \
    "pod=\"web-1\",port=\"80\""

static struct nj_step_outcome http_step(void)
{
    return (struct nj_step_outcome){.name = "step 1",
                                    .kind = "http",
                                    .ran = true,
                                    .ok = true,
                                    .address = "10.0.0.7:80",
                                    .http_version = "1.1",
                                    .status = 200,
                                    .bytes = 1234,
                                    .phase_ns = {[NJ_PHASE_RESOLVE] = -1,
                                                 [NJ_PHASE_CONNECT] = 2 * NJ_MS,
                                                 [NJ_PHASE_TLS] = -1,
                                                 [NJ_PHASE_FIRST_BYTE] = 15 * NJ_MS,
                                                 [NJ_PHASE_TRANSFER] = NJ_MS,
                                                 [NJ_PHASE_CHECK] = 0},
                                    .total_ns = 18 * NJ_MS};
}

static struct nj_result result_of(const struct nj_step_outcome *steps, size_t count)
{
    return (struct nj_result){.ok = true, .steps = steps, .steps_count = count, .total_ns = 20 * NJ_MS};
}

static char *written(const struct nj_exposition *exposition)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_exposition_write(exposition, &text), 0);
    return nj_buf_take(&text);
}

static void assert_line(const char *text, const char *line)
{
    const char *found = strstr(text, line);
    if (found == NULL || found[strlen(line)] != '\n' || (found != text && found[-1] != '\n'))
        fail_msg("no line '%s' in\n%s", line, text);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        count++;
    return count;
}

static void a_run_over_http_has_blackbox_exporters_series(void **state)
{
    (void)state;
    struct nj_exposition *exposition = nj_exposition_new(TARGETS_MAX);
    struct nj_step_outcome step = http_step();
    struct nj_result result = result_of(&step, 1);
    nj_exposition_put(exposition, "a", &web, &result);
    char *text = written(exposition);
    assert_line(text, "# TYPE probe_success gauge");
    assert_line(text, "probe_success{" WEB "} 1");
    assert_line(text, "probe_duration_seconds{" WEB "} 0.02");
    assert_line(text, "probe_ip_protocol{" WEB "} 4");
    assert_line(text, "probe_http_status_code{" WEB "} 200");
    assert_line(text, "probe_http_duration_seconds{" WEB ",phase=\"resolve\"} 0");
    assert_line(text, "probe_http_duration_seconds{" WEB ",phase=\"connect\"} 0.002");
    assert_line(text, "probe_http_duration_seconds{" WEB ",phase=\"tls\"} 0");
    assert_line(text, "probe_http_duration_seconds{" WEB ",phase=\"processing\"} 0.015");
    assert_line(text, "probe_http_duration_seconds{" WEB ",phase=\"transfer\"} 0.001");
    assert_line(text, "probe_http_content_length{" WEB "} 1234");
    assert_line(text, "probe_http_version{" WEB "} 1.1");
    assert_line(text, "probe_http_ssl{" WEB "} 0");
    assert_line(text, "probe_failed_due_to_regex{" WEB "} 0");
    assert_null(strstr(text, "probe_ssl_earliest_cert_expiry"));
    assert_null(strstr(text, "probe_dns_lookup_time_seconds"));
    assert_int_equal(count_of(text, "# TYPE probe_http_duration_seconds"), 1);
    free(text);

    /* Fails later: the body is not what was expected. */
    result.ok = step.ok = false;
    result.cause = NJ_CAUSE_BODY;
    result.failed = &step;
    nj_exposition_put(exposition, "a", &web, &result);
    text = written(exposition);
    assert_line(text, "probe_success{" WEB "} 0");
    assert_line(text, "probe_failed_due_to_regex{" WEB "} 1");
    assert_int_equal(count_of(text, "\nprobe_success{") + (strncmp(text, "probe_success{", 14) == 0), 1);
    free(text);
    nj_exposition_free(exposition);
}

static void tls_names_and_several_steps(void **state)
{
    (void)state;
    struct nj_exposition *exposition = nj_exposition_new(TARGETS_MAX);
    struct nj_step_outcome steps[3] = {http_step(), http_step(), http_step()};
    for (int i = 0; i < 2; i++) {
        steps[i].address = "[2001:db8::7]:443";
        steps[i].http_version = "2";
        steps[i].phase_ns[NJ_PHASE_RESOLVE] = 3 * NJ_MS;
        steps[i].phase_ns[NJ_PHASE_TLS] = 4 * NJ_MS;
        steps[i].certificate =
            (struct nj_peer_certificate){.present = true, .not_after_ns = (1795252399 + i) * NJ_SEC};
    }
    steps[1].status = 404;
    steps[2].ran = false; /* the second failed */
    struct nj_result result = result_of(steps, 3);
    result.ok = false;
    result.cause = NJ_CAUSE_STATUS;
    nj_exposition_put(exposition, "a", &web, &result);
    char *text = written(exposition);
    assert_line(text, "probe_ip_protocol{" WEB "} 6");
    assert_line(text, "probe_http_status_code{" WEB "} 404");
    assert_line(text, "probe_http_version{" WEB "} 2");
    assert_line(text, "probe_http_ssl{" WEB "} 1");
    assert_line(text, "probe_dns_lookup_time_seconds{" WEB "} 0.003");
    assert_line(text, "probe_ssl_earliest_cert_expiry{" WEB "} 1795252399");
    assert_line(text, "probe_failed_due_to_regex{" WEB "} 0");
    free(text);
    nj_exposition_free(exposition);
}

static void other_kinds_have_no_http_series(void **state)
{
    (void)state;
    struct nj_exposition *exposition = nj_exposition_new(TARGETS_MAX);
    struct nj_step_outcome step = http_step();
    step.kind = "tcp";
    struct nj_result result = result_of(&step, 1);
    nj_exposition_put(exposition, "a", &web, &result);
    char *text = written(exposition);
    assert_null(strstr(text, "probe_http_"));
    assert_line(text, "probe_success{" WEB "} 1");
    free(text);
    nj_exposition_free(exposition);
}

static void series_end_with_their_target_and_are_bounded(void **state)
{
    (void)state;
    struct nj_exposition *exposition = nj_exposition_new(TARGETS_MAX);
    struct nj_step_outcome step = http_step();
    struct nj_result result = result_of(&step, 1);
    char id[8];
    for (int i = 0; i < TARGETS_MAX + 2; i++) {
        struct nj_exposition_labels labels = web;
        (void)snprintf(id, sizeof(id), "t%d", i);
        labels.target = id;
        nj_exposition_put(exposition, id, &labels, &result);
    }
    char *text = written(exposition);
    assert_int_equal(count_of(text, "\nprobe_success{"), TARGETS_MAX);
    assert_line(text, "nightjar_probe_series_left_out_total 2");
    free(text);
    nj_exposition_remove(exposition, "t1");
    nj_exposition_remove(exposition, "t1");
    nj_exposition_remove(exposition, "t4");
    text = written(exposition);
    assert_int_equal(count_of(text, "\nprobe_success{"), TARGETS_MAX - 1);
    assert_null(strstr(text, "target=\"t1\""));
    free(text);
    struct nj_buf small = {.max = 100};
    assert_int_equal(nj_exposition_write(exposition, &small), -EOVERFLOW);
    nj_buf_done(&small);
    nj_exposition_free(exposition);
}

static void promtool_takes_it_whatever_the_names_are(void **state)
{
    (void)state;
    struct nj_exposition *exposition = nj_exposition_new(TARGETS_MAX);
    struct nj_step_outcome steps[2] = {http_step(), http_step()};
    struct nj_result result = result_of(steps, 2);
    steps[1].certificate = (struct nj_peer_certificate){.present = true, .not_after_ns = NJ_DAY};
    steps[1].phase_ns[NJ_PHASE_RESOLVE] = 1;
    struct nj_exposition_labels odd = {.monitor = "apimonitor.shop.\"x\"\\",
                                       .target = "http://shop/{a}?q=\"\n# TYPE x y\n",
                                       .namespace = "shop",
                                       .service = "",
                                       .pod = NULL};
    nj_exposition_put(exposition, "a", &web, &result);
    nj_exposition_put(exposition, "b", &odd, &result);
    char *text = written(exposition);
    assert_line(text, "probe_success{monitor=\"apimonitor.shop.\\\"x\\\"\\\\\",target=\"http://shop/"
                      "{a}?q=\\\"\\n# TYPE x y\\n\",namespace=\"shop\",service=\"\",pod=\"\",port=\"\"} 1");
    assert_promtool_takes(text);
    free(text);
    nj_exposition_free(exposition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_over_http_has_blackbox_exporters_series),
        cmocka_unit_test(tls_names_and_several_steps),
        cmocka_unit_test(other_kinds_have_no_http_series),
        cmocka_unit_test(series_end_with_their_target_and_are_bounded),
        cmocka_unit_test(promtool_takes_it_whatever_the_names_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
