#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/metrics.h"
#include "common/base/str.h"

/* Renders and cuts the process_* part off. */
static void render(const struct nj_metrics *metrics, struct nj_buf *out)
{
    nj_buf_clear(out);
    assert_int_equal(nj_metrics_render(metrics, out), 0);
    char *process = strstr(out->data, "# HELP process_");
    assert_non_null(process);
    *process = '\0';
    out->len = (size_t)(process - out->data);
}

static void groups_series_by_family_in_the_order_of_creation(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    struct nj_counter *rate =
        nj_metrics_counter(metrics, "nightjar_drops_total", "reason=\"rate\"", "Events dropped.");
    struct nj_gauge *depth = nj_metrics_gauge(metrics, "nightjar_depth", "", "Events that wait.\nOr \\ not.");
    struct nj_counter *size =
        nj_metrics_counter(metrics, "nightjar_drops_total", "reason=\"size\"", "Events dropped.");
    nj_counter_add(rate, 2);
    nj_counter_add(rate, 3);
    nj_counter_add(size, UINT64_MAX);
    nj_gauge_set(depth, 10);
    nj_gauge_add(depth, -12);
    assert_int_equal(nj_counter_get(rate), 5);
    struct nj_buf out = {0};
    render(metrics, &out);
    assert_string_equal(out.data, "# HELP nightjar_drops_total Events dropped.\n"
                                  "# TYPE nightjar_drops_total counter\n"
                                  "nightjar_drops_total{reason=\"rate\"} 5\n"
                                  "nightjar_drops_total{reason=\"size\"} 18446744073709551615\n"
                                  "# HELP nightjar_depth Events that wait.\\nOr \\\\ not.\n"
                                  "# TYPE nightjar_depth gauge\n"
                                  "nightjar_depth -2\n");
    nj_buf_done(&out);
    nj_metrics_free(metrics);
}

static void gives_the_same_series_for_the_same_name_and_labels(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    static const double bounds[] = {1};
    assert_ptr_equal(nj_metrics_counter(metrics, "a_total", "x=\"1\"", "A."),
                     nj_metrics_counter(metrics, "a_total", "x=\"1\"", "A."));
    assert_ptr_not_equal(nj_metrics_counter(metrics, "a_total", "x=\"1\"", "A."),
                         nj_metrics_counter(metrics, "a_total", "x=\"2\"", "A."));
    assert_ptr_equal(nj_metrics_histogram(metrics, "h", "", "H.", bounds, 1),
                     nj_metrics_histogram(metrics, "h", "", "H.", bounds, 1));
    nj_metrics_free(metrics);
    nj_metrics_free(NULL);
}

static void counts_histograms_cumulatively(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    static const double bounds[] = {0.005, 0.1, 1, 2.5};
    struct nj_histogram *plain = nj_metrics_histogram(metrics, "lag_seconds", "", "Lag.", bounds, 4);
    struct nj_histogram *labelled =
        nj_metrics_histogram(metrics, "lag_seconds", "kind=\"b\"", "Lag.", bounds, 1);
    static const double values[] = {0, 0.005, 0.006, 1, 2, 100};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        nj_histogram_observe(plain, values[i]);
    nj_histogram_observe(labelled, 0.25);
    struct nj_buf out = {0};
    render(metrics, &out);
    assert_string_equal(out.data, "# HELP lag_seconds Lag.\n"
                                  "# TYPE lag_seconds histogram\n"
                                  "lag_seconds_bucket{le=\"0.005\"} 2\n"
                                  "lag_seconds_bucket{le=\"0.1\"} 3\n"
                                  "lag_seconds_bucket{le=\"1\"} 4\n"
                                  "lag_seconds_bucket{le=\"2.5\"} 5\n"
                                  "lag_seconds_bucket{le=\"+Inf\"} 6\n"
                                  "lag_seconds_sum 103.011\n"
                                  "lag_seconds_count 6\n"
                                  "lag_seconds_bucket{kind=\"b\",le=\"0.005\"} 0\n"
                                  "lag_seconds_bucket{kind=\"b\",le=\"+Inf\"} 1\n"
                                  "lag_seconds_sum{kind=\"b\"} 0.25\n"
                                  "lag_seconds_count{kind=\"b\"} 1\n");
    nj_buf_done(&out);
    nj_metrics_free(metrics);
}

static void does_nothing_without_a_series(void **state)
{
    (void)state;
    nj_counter_add(NULL, 1);
    assert_int_equal(nj_counter_get(NULL), 0);
    nj_gauge_set(NULL, 1);
    nj_gauge_add(NULL, 1);
    nj_histogram_observe(NULL, 1);
}

/* The value of a sample without labels; fails the test when it is absent. */
static double sample(const struct nj_buf *out, const char *name)
{
    const char *at = out->data;
    size_t len = strlen(name);
    while (at != NULL && !(strncmp(at, name, len) == 0 && at[len] == ' ')) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL) {
        fail_msg("no sample %s", name);
        return 0;
    }
    return strtod(at + len, NULL);
}

static void tells_about_the_process(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    struct nj_buf out = {0};
    assert_int_equal(nj_metrics_render(metrics, &out), 0);
    double fds = sample(&out, "process_open_fds");
    assert_true(fds >= 3);
    assert_true(sample(&out, "process_max_fds") >= fds);
    assert_true(sample(&out, "process_resident_memory_bytes") > 100000);
    assert_true(sample(&out, "process_cpu_seconds_total") > 0);
    double start = sample(&out, "process_start_time_seconds");
    assert_true(start > 1.6e9 && start <= (double)time(NULL) + 1);

    int more[2] = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY)};
    nj_buf_clear(&out);
    assert_int_equal(nj_metrics_render(metrics, &out), 0);
    assert_true(sample(&out, "process_open_fds") == fds + 2);
    assert_true(sample(&out, "process_start_time_seconds") == start);
    (void)close(more[0]);
    (void)close(more[1]);
    nj_buf_done(&out);
    nj_metrics_free(metrics);
}

static void says_when_the_output_has_no_room(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    struct nj_buf out = {.max = 100};
    assert_int_equal(nj_metrics_render(metrics, &out), -EOVERFLOW);
    nj_buf_done(&out);
    nj_metrics_free(metrics);
}

enum { THREADS = 4, ROUNDS = 20000 };

struct shared {
    struct nj_counter *counter;
    struct nj_gauge *gauge;
    struct nj_histogram *histogram;
};

static void *update(void *argument)
{
    const struct shared *shared = argument;
    for (int i = 0; i < ROUNDS; i++) {
        nj_counter_add(shared->counter, 1);
        nj_gauge_add(shared->gauge, 1);
        nj_histogram_observe(shared->histogram, 1);
    }
    return NULL;
}

static void loses_no_update_of_any_thread(void **state)
{
    (void)state;
    struct nj_metrics *metrics = nj_metrics_new();
    static const double bounds[] = {1};
    struct shared shared = {nj_metrics_counter(metrics, "c_total", "", "C."),
                            nj_metrics_gauge(metrics, "g", "", "G."),
                            nj_metrics_histogram(metrics, "h", "", "H.", bounds, 1)};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct nj_buf out = {0};
    assert_int_equal(nj_metrics_render(metrics, &out), 0);
    assert_true(sample(&out, "c_total") == (double)THREADS * ROUNDS);
    assert_true(sample(&out, "g") == (double)THREADS * ROUNDS);
    assert_true(sample(&out, "h_sum") == (double)THREADS * ROUNDS);
    assert_true(sample(&out, "h_count") == (double)THREADS * ROUNDS);
    nj_buf_done(&out);
    nj_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_series_by_family_in_the_order_of_creation),
        cmocka_unit_test(gives_the_same_series_for_the_same_name_and_labels),
        cmocka_unit_test(counts_histograms_cumulatively),
        cmocka_unit_test(does_nothing_without_a_series),
        cmocka_unit_test(tells_about_the_process),
        cmocka_unit_test(says_when_the_output_has_no_room),
        cmocka_unit_test(loses_no_update_of_any_thread),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
