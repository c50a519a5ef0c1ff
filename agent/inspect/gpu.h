/*
 * GPU use by process, through NVIDIA's management library (libnvidia-ml.so.1), loaded at run time where there
 * is one; without it nothing of this exists. See https://docs.nvidia.com/deploy/nvml-api/. For the
 * inspection's worker.
 */
#ifndef NJ_INSPECT_GPU_H
#define NJ_INSPECT_GPU_H

#include <stddef.h>
#include <stdint.h>

struct nj_gpu;

enum {
    NJ_GPU_DEVICES_MAX = 64,     /* further ones are not looked at */
    NJ_GPU_PROCESSES_MAX = 1024, /* of all devices */
};

struct nj_gpu_process {
    int32_t pid; /* in the agent's pid namespace */
    uint32_t device;
    uint64_t memory_bytes; /* NJ_UNKNOWN */
    double use;            /* share of the device's time since the last sample, 0..1; < 0 unknown */
};
struct nj_gpu_device {
    char uuid[96], name[96];
    double use; /* < 0 unknown */
    uint64_t memory_used, memory_total;
};

/* `library` NULL: "libnvidia-ml.so.1". NULL when there is no library, no driver or no device. */
struct nj_gpu *nj_gpu_open(const char *library);
void nj_gpu_close(struct nj_gpu *gpu); /* takes NULL */
/* The number of devices. All of it is borrowed until the next call. A device whose processes are more than
 * fit has none: half of them would be wrong. */
size_t nj_gpu_read(struct nj_gpu *gpu, const struct nj_gpu_device **ret_devices,
                   const struct nj_gpu_process **ret_processes, size_t *ret_processes_count);

#endif
