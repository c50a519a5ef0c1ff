/*
 * What is used of NVIDIA's management library: its structs and entry points, as in NVIDIA's nvml.h
 * (https://github.com/NVIDIA/go-nvml/blob/main/gen/nvml/nvml.h), by other names.
 */
#ifndef NJ_INSPECT_GPU_NVML_H
#define NJ_INSPECT_GPU_NVML_H

#include <stdint.h>

/* nvmlReturn_t */
enum nj_nvml_status {
    NJ_NVML_SUCCESS = 0,
    NJ_NVML_NOT_SUPPORTED = 3,
    NJ_NVML_NOT_FOUND = 6,
};

/* nvmlUtilization_t: per cent */
struct nj_nvml_utilization {
    unsigned int gpu, memory;
};

/* nvmlMemory_t */
struct nj_nvml_memory {
    unsigned long long total, free, used;
};

/* nvmlProcessInfo_v1_t: nvmlDeviceGetComputeRunningProcesses without a suffix */
struct nj_nvml_process_v1 {
    unsigned int pid;
    unsigned long long memory; /* all ones: not available */
};

/* nvmlProcessInfo_v2_t: with the suffixes _v2 and _v3 */
struct nj_nvml_process_v2 {
    unsigned int pid;
    unsigned long long memory;
    unsigned int gpu_instance, compute_instance;
};

/* nvmlProcessUtilizationSample_t */
struct nj_nvml_sample {
    unsigned int pid;
    unsigned long long at_us;
    unsigned int sm, memory, encoder, decoder; /* per cent */
};

typedef int (*nj_nvml_plain)(void);                                           /* Init_v2, Shutdown */
typedef int (*nj_nvml_get_count)(unsigned int *count);                        /* DeviceGetCount_v2 */
typedef int (*nj_nvml_get_handle)(unsigned int index, void **ret_device);     /* DeviceGetHandleByIndex_v2 */
typedef int (*nj_nvml_get_text)(void *device, char *text, unsigned int size); /* DeviceGetUUID, GetName */
typedef int (*nj_nvml_get_use)(void *device, struct nj_nvml_utilization *ret_use);
typedef int (*nj_nvml_get_memory)(void *device, struct nj_nvml_memory *ret_memory);
/* `processes`: of the version's struct */
typedef int (*nj_nvml_get_processes)(void *device, unsigned int *count, void *processes);
typedef int (*nj_nvml_get_samples)(void *device, struct nj_nvml_sample *samples, unsigned int *count,
                                   unsigned long long last_seen_us);

#endif
