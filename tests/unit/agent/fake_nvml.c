/*
 * A stand-in for NVIDIA's libnvidia-ml.so.1, with its types as in nvml.h. FAKE_NVML says what kind it is:
 * 3 today's, with two devices; 1 one of years ago, with only the entry points of that time; 0 one whose
 * driver is not loaded. It counts in a file, whose path is in the environment, how often it was begun and
 * ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int nvmlReturn_t;
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct {
    unsigned int gpu;
    unsigned int memory;
} nvmlUtilization_t;
typedef struct {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_t;
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlProcessInfo_t;
typedef struct {
    unsigned int pid;
    unsigned long long timeStamp;
    unsigned int smUtil;
    unsigned int memUtil;
    unsigned int encUtil;
    unsigned int decUtil;
} nvmlProcessUtilizationSample_t;

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_GPU_IS_LOST = 15,
};

struct nvmlDevice_st {
    unsigned int index;
};

nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlShutdown(void);
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount);
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device);
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length);
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length);
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization);
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);

static void note(char what)
{
    const char *path = getenv("FAKE_NVML_NOTES");
    FILE *file = path == NULL ? NULL : fopen(path, "ae");
    if (file == NULL)
        return;
    (void)fputc(what, file);
    (void)fclose(file);
}

nvmlReturn_t nvmlInit_v2(void)
{
    note('+');
    return FAKE_NVML == 0 ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
    note('-');
    return NVML_SUCCESS;
}

/* The third is not there to be used. */
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount)
{
    *deviceCount = 3;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    static struct nvmlDevice_st devices[] = {{0}, {1}};
    if (index >= 2)
        return NVML_ERROR_GPU_IS_LOST;
    *device = &devices[index];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    (void)snprintf(uuid, length, "GPU-%u", device->index);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    (void)snprintf(name, length, "Fake %u", device->index);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    if (device->index == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    *utilization = (nvmlUtilization_t){.gpu = 75, .memory = 10};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    *memory = (nvmlMemory_t){.total = 16ULL << 30, .free = 10ULL << 30, .used = 6ULL << 30};
    return device->index == 1 ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

#if FAKE_NVML == 3

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                     nvmlProcessInfo_t *infos);
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                      nvmlProcessInfo_t *infos);
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization,
                                             unsigned int *processSamplesCount,
                                             unsigned long long lastSeenTimeStamp);

static nvmlReturn_t give(const nvmlProcessInfo_t *from, unsigned int count, unsigned int *infoCount,
                         nvmlProcessInfo_t *infos)
{
    unsigned int room = *infoCount;
    *infoCount = count;
    if (room < count)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(infos, from, count * sizeof(*from));
    return NVML_SUCCESS;
}

/* The first device: one process that computes, one that draws too, one whose memory is not known. The second
 * is divided: one process has two of its parts. */
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                     nvmlProcessInfo_t *infos)
{
    static const nvmlProcessInfo_t whole[] = {
        {101, 1000, ~0U, ~0U}, {102, 2000, ~0U, ~0U}, {103, ~0ULL, ~0U, ~0U}};
    static const nvmlProcessInfo_t parts[] = {{201, 500, 1, 0}, {201, 700, 2, 0}};
    if (getenv("FAKE_NVML_CROWD") != NULL && device->index == 0) {
        *infoCount = 100000;
        return NVML_ERROR_INSUFFICIENT_SIZE;
    }
    return device->index == 0 ? give(whole, 3, infoCount, infos) : give(parts, 2, infoCount, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                      nvmlProcessInfo_t *infos)
{
    static const nvmlProcessInfo_t drawing[] = {{102, 2000, ~0U, ~0U}, {104, 40, ~0U, ~0U}};
    if (device->index == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    return give(drawing, 2, infoCount, infos);
}

/* Samples come at 1 s, 2 s, ...; each call is one second later. */
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization,
                                             unsigned int *processSamplesCount,
                                             unsigned long long lastSeenTimeStamp)
{
    static const nvmlProcessUtilizationSample_t samples[] = {
        {101, 1000000, 50, 1, 0, 0},  {102, 1000000, 10, 1, 0, 0}, {101, 2000000, 70, 1, 0, 0},
        {102, 2000000, 999, 1, 0, 0}, {999, 2000000, 80, 1, 0, 0}, {101, 3000000, 20, 1, 0, 0},
    };
    enum { FIRST = 5, ALL = 6 };
    if (device->index == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    if (lastSeenTimeStamp >= 3000000)
        return NVML_ERROR_NOT_FOUND;
    if (*processSamplesCount < ALL)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    *processSamplesCount = lastSeenTimeStamp == 0 ? FIRST : 1;
    memcpy(utilization, lastSeenTimeStamp == 0 ? samples : samples + FIRST,
           *processSamplesCount * sizeof(samples[0]));
    return NVML_SUCCESS;
}

#elif FAKE_NVML == 1

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount,
                                                  nvmlProcessInfo_v1_t *infos);

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount,
                                                  nvmlProcessInfo_v1_t *infos)
{
    static const nvmlProcessInfo_v1_t all[] = {{301, 11}, {302, 22}};
    if (*infoCount < 2)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    *infoCount = device->index == 0 ? 2 : 0;
    memcpy(infos, all, *infoCount * sizeof(all[0]));
    return NVML_SUCCESS;
}

#endif
