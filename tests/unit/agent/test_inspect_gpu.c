/*
 * GPU use through a library that stands in for NVIDIA's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/figures.h"
#include "agent/inspect/gpu.h"
#include "tests/unit/test.h"

static const struct nj_gpu_device *devices;
static const struct nj_gpu_process *processes;
static size_t processes_count;

static const struct nj_gpu_process *process(int32_t pid)
{
    const struct nj_gpu_process *found = NULL;
    for (size_t i = 0; i < processes_count; i++) {
        if (processes[i].pid == pid) {
            assert_null(found);
            found = &processes[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void check_use(double use, int per_cent)
{
    assert_true(use * 100 > per_cent - 0.001 && use * 100 < per_cent + 0.001);
}

static void test_two_devices(void **state)
{
    (void)state;
    struct nj_gpu *gpu = nj_gpu_open(FAKE_NVML_TODAY);
    assert_non_null(gpu);
    assert_int_equal(nj_gpu_read(gpu, &devices, &processes, &processes_count), 2);
    assert_string_equal(devices[0].uuid, "GPU-0");
    assert_string_equal(devices[0].name, "Fake 0");
    check_use(devices[0].use, 75);
    assert_int_equal(devices[0].memory_total, INT64_C(16) << 30);
    assert_int_equal(devices[0].memory_used, INT64_C(6) << 30);
    assert_string_equal(devices[1].uuid, "GPU-1");
    assert_true(devices[1].use < 0);
    assert_true(devices[1].memory_used == NJ_UNKNOWN && devices[1].memory_total == NJ_UNKNOWN);

    assert_int_equal(processes_count, 5);
    assert_int_equal(process(101)->memory_bytes, 1000);
    assert_int_equal(process(101)->device, 0);
    check_use(process(101)->use, 60);                   /* the mean of two samples */
    assert_int_equal(process(102)->memory_bytes, 2000); /* is in both lists, and counts once */
    check_use(process(102)->use, 10);                   /* 999 per cent is none */
    assert_true(process(103)->memory_bytes == NJ_UNKNOWN);
    check_use(process(103)->use, 0);
    assert_int_equal(process(104)->memory_bytes, 40);
    assert_int_equal(process(201)->memory_bytes, 1200); /* in two parts of a divided device */
    assert_int_equal(process(201)->device, 1);
    assert_true(process(201)->use < 0);

    /* Only what is new since. */
    (void)nj_gpu_read(gpu, &devices, &processes, &processes_count);
    check_use(process(101)->use, 20);
    check_use(process(102)->use, 0);
    (void)nj_gpu_read(gpu, &devices, &processes, &processes_count);
    check_use(process(101)->use, 0);
    assert_int_equal(processes_count, 5);
    nj_gpu_close(gpu);
}

static void test_more_processes_than_fit(void **state)
{
    (void)state;
    struct nj_gpu *gpu = nj_gpu_open(FAKE_NVML_TODAY);
    assert_non_null(gpu);
    assert_int_equal(setenv("FAKE_NVML_CROWD", "1", 1), 0);
    assert_int_equal(nj_gpu_read(gpu, &devices, &processes, &processes_count), 2);
    assert_int_equal(processes_count, 1); /* the other device's */
    assert_int_equal(process(201)->device, 1);
    check_use(devices[0].use, 75);
    assert_int_equal(unsetenv("FAKE_NVML_CROWD"), 0);
    assert_int_equal(nj_gpu_read(gpu, &devices, &processes, &processes_count), 2);
    assert_int_equal(processes_count, 5);
    nj_gpu_close(gpu);
}

static void test_old_library(void **state)
{
    (void)state;
    struct nj_gpu *gpu = nj_gpu_open(FAKE_NVML_OLD);
    assert_non_null(gpu);
    assert_int_equal(nj_gpu_read(gpu, &devices, &processes, &processes_count), 2);
    assert_int_equal(processes_count, 2);
    assert_int_equal(process(301)->memory_bytes, 11);
    assert_int_equal(process(302)->memory_bytes, 22);
    assert_true(process(302)->use < 0);
    nj_gpu_close(gpu);
}

static void test_nothing_there(void **state)
{
    (void)state;
    assert_null(nj_gpu_open("/nonexistent/libnvidia-ml.so.1"));
    assert_null(nj_gpu_open("libz.so.1")); /* some library, but not this one */
    assert_null(nj_gpu_open(FAKE_NVML_DEAD));
    nj_gpu_close(NULL);
}

/* What is begun is ended once, and what was not begun is not ended. */
static void test_begins_and_ends(void **state)
{
    (void)state;
    char path[] = "/tmp/nj-nvml-XXXXXX", notes[16] = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(setenv("FAKE_NVML_NOTES", path, 1), 0);
    struct nj_gpu *gpu = nj_gpu_open(FAKE_NVML_OLD);
    (void)nj_gpu_read(gpu, &devices, &processes, &processes_count);
    nj_gpu_close(gpu);
    assert_null(nj_gpu_open(FAKE_NVML_DEAD));
    assert_int_equal(unsetenv("FAKE_NVML_NOTES"), 0);
    assert_int_equal(read(fd, notes, sizeof(notes) - 1), 3);
    assert_string_equal(notes, "+-+");
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_devices),     cmocka_unit_test(test_more_processes_than_fit),
        cmocka_unit_test(test_old_library),     cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_begins_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
