#include "agent/inspect/gpu.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "agent/inspect/figures.h"
#include "agent/inspect/gpu_nvml.h"
#include "common/base/alloc.h"

enum { PER_CENT = 100 };

/* One of the two lists of processes, in the version that the library has. */
struct lister {
    nj_nvml_get_processes get; /* NULL: the library has none */
    bool v1;
};

struct device {
    void *handle;
    unsigned long long sampled_us; /* the latest sample that has been seen */
};

union process_info {
    struct nj_nvml_process_v1 v1[NJ_GPU_PROCESSES_MAX];
    struct nj_nvml_process_v2 v2[NJ_GPU_PROCESSES_MAX];
};

struct nj_gpu {
    void *library;
    nj_nvml_plain init, shutdown;
    nj_nvml_get_count get_count;
    nj_nvml_get_handle get_handle;
    nj_nvml_get_text get_uuid, get_name;
    /* What follows may be missing. */
    nj_nvml_get_use get_use;
    nj_nvml_get_memory get_memory;
    nj_nvml_get_samples get_samples;
    struct lister compute, graphics;

    struct device handles[NJ_GPU_DEVICES_MAX];
    struct nj_gpu_device devices[NJ_GPU_DEVICES_MAX];
    size_t devices_count;
    struct nj_gpu_process processes[NJ_GPU_PROCESSES_MAX];
    size_t processes_count;
    union process_info listed;
    struct nj_nvml_sample samples[NJ_GPU_PROCESSES_MAX];
};

/* What dlsym() gives is a function, whatever its type says. */
static bool load(void *library, const char *name, void *ret_function)
{
    void *symbol = dlsym(library, name);
    memcpy(ret_function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static void load_lister(void *library, const char *newest, const char *newer, const char *oldest,
                        struct lister *lister)
{
    if (!load(library, newest, &lister->get) && !load(library, newer, &lister->get))
        lister->v1 = load(library, oldest, &lister->get);
}

static bool load_all(struct nj_gpu *gpu)
{
    void *library = gpu->library;
    (void)load(library, "nvmlDeviceGetUtilizationRates", &gpu->get_use);
    (void)load(library, "nvmlDeviceGetMemoryInfo", &gpu->get_memory);
    (void)load(library, "nvmlDeviceGetProcessUtilization", &gpu->get_samples);
    load_lister(library, "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
                "nvmlDeviceGetComputeRunningProcesses", &gpu->compute);
    load_lister(library, "nvmlDeviceGetGraphicsRunningProcesses_v3",
                "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetGraphicsRunningProcesses",
                &gpu->graphics);
    return load(library, "nvmlInit_v2", &gpu->init) && load(library, "nvmlShutdown", &gpu->shutdown) &&
           load(library, "nvmlDeviceGetCount_v2", &gpu->get_count) &&
           load(library, "nvmlDeviceGetHandleByIndex_v2", &gpu->get_handle) &&
           load(library, "nvmlDeviceGetUUID", &gpu->get_uuid) &&
           load(library, "nvmlDeviceGetName", &gpu->get_name);
}

static void find_devices(struct nj_gpu *gpu)
{
    unsigned int count = 0;
    if (gpu->get_count(&count) != NJ_NVML_SUCCESS)
        return;
    for (unsigned int i = 0; i < count && gpu->devices_count < NJ_GPU_DEVICES_MAX; i++) {
        struct nj_gpu_device *device = &gpu->devices[gpu->devices_count];
        struct device *handle = &gpu->handles[gpu->devices_count];
        /* One that this process may not use, or that has fallen off the bus. */
        if (gpu->get_handle(i, &handle->handle) != NJ_NVML_SUCCESS ||
            gpu->get_uuid(handle->handle, device->uuid, sizeof(device->uuid)) != NJ_NVML_SUCCESS ||
            gpu->get_name(handle->handle, device->name, sizeof(device->name)) != NJ_NVML_SUCCESS)
            continue;
        device->uuid[sizeof(device->uuid) - 1] = device->name[sizeof(device->name) - 1] = '\0';
        gpu->devices_count++;
    }
}

struct nj_gpu *nj_gpu_open(const char *library)
{
    void *handle = dlopen(library == NULL ? "libnvidia-ml.so.1" : library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return NULL;
    struct nj_gpu *gpu = NJ_NEW(struct nj_gpu);
    gpu->library = handle;
    bool begun = load_all(gpu) && gpu->init() == NJ_NVML_SUCCESS;
    if (begun)
        find_devices(gpu);
    if (gpu->devices_count > 0)
        return gpu;
    if (begun)
        (void)gpu->shutdown();
    (void)dlclose(handle);
    free(gpu);
    return NULL;
}

void nj_gpu_close(struct nj_gpu *gpu)
{
    if (gpu == NULL)
        return;
    (void)gpu->shutdown();
    (void)dlclose(gpu->library);
    free(gpu);
}

static struct nj_gpu_process *find(struct nj_gpu *gpu, size_t from, size_t to, uint32_t pid)
{
    for (size_t i = from; i < to; i++) {
        if ((uint32_t)gpu->processes[i].pid == pid)
            return &gpu->processes[i];
    }
    return NULL;
}

static bool add(struct nj_gpu *gpu, uint32_t device, size_t first, uint32_t pid, unsigned long long memory)
{
    uint64_t bytes = memory == UINT64_MAX ? NJ_UNKNOWN : memory;
    struct nj_gpu_process *process = find(gpu, first, gpu->processes_count, pid);
    if (process != NULL) { /* in several instances of a device that is divided (MIG) */
        process->memory_bytes = process->memory_bytes == NJ_UNKNOWN || bytes == NJ_UNKNOWN
                                    ? NJ_UNKNOWN
                                    : process->memory_bytes + bytes;
        return true;
    }
    if (gpu->processes_count == NJ_GPU_PROCESSES_MAX)
        return false;
    gpu->processes[gpu->processes_count++] =
        (struct nj_gpu_process){.pid = (int32_t)pid, .device = device, .memory_bytes = bytes, .use = -1};
    return true;
}

/* Adds those of one list but the ones in [known, first), which another list of this device had: a process
 * that computes and draws is in both, with the same memory. False when not all are there. */
static bool list(struct nj_gpu *gpu, const struct lister *lister, uint32_t device, size_t known)
{
    unsigned int count = NJ_GPU_PROCESSES_MAX;
    size_t first = gpu->processes_count;
    if (lister->get == NULL)
        return true;
    int status = lister->get(gpu->handles[device].handle, &count, &gpu->listed);
    if (status == NJ_NVML_NOT_SUPPORTED)
        return true;
    if (status != NJ_NVML_SUCCESS || count > NJ_GPU_PROCESSES_MAX)
        return false;
    for (unsigned int i = 0; i < count; i++) {
        uint32_t pid = lister->v1 ? gpu->listed.v1[i].pid : gpu->listed.v2[i].pid;
        unsigned long long memory = lister->v1 ? gpu->listed.v1[i].memory : gpu->listed.v2[i].memory;
        if (find(gpu, known, first, pid) == NULL && !add(gpu, device, first, pid, memory))
            return false;
    }
    return true;
}

/* The mean of the samples since the last time. A process without a sample did nothing. */
static void take_samples(struct nj_gpu *gpu, uint32_t device, size_t first)
{
    struct device *handle = &gpu->handles[device];
    unsigned int count = NJ_GPU_PROCESSES_MAX;
    unsigned long long latest = handle->sampled_us;
    if (gpu->get_samples == NULL)
        return;
    int status = gpu->get_samples(handle->handle, gpu->samples, &count, handle->sampled_us);
    if (status == NJ_NVML_NOT_FOUND)
        count = 0;
    else if (status != NJ_NVML_SUCCESS || count > NJ_GPU_PROCESSES_MAX)
        return;
    for (size_t i = first; i < gpu->processes_count; i++) {
        unsigned int sum = 0, samples = 0;
        for (unsigned int s = 0; s < count; s++) {
            const struct nj_nvml_sample *sample = &gpu->samples[s];
            if (sample->at_us > latest)
                latest = sample->at_us;
            if (sample->pid != (uint32_t)gpu->processes[i].pid || sample->at_us <= handle->sampled_us ||
                sample->sm > PER_CENT) /* the driver is known to tell of more than there is */
                continue;
            sum += sample->sm;
            samples++;
        }
        gpu->processes[i].use = samples == 0 ? 0 : (double)sum / samples / PER_CENT;
    }
    handle->sampled_us = latest;
}

static void read_device(struct nj_gpu *gpu, uint32_t i)
{
    struct nj_gpu_device *device = &gpu->devices[i];
    struct nj_nvml_utilization use;
    struct nj_nvml_memory memory;
    void *handle = gpu->handles[i].handle;
    size_t first = gpu->processes_count;

    device->use = gpu->get_use != NULL && gpu->get_use(handle, &use) == NJ_NVML_SUCCESS && use.gpu <= PER_CENT
                      ? (double)use.gpu / PER_CENT
                      : -1;
    bool known = gpu->get_memory != NULL && gpu->get_memory(handle, &memory) == NJ_NVML_SUCCESS;
    device->memory_used = known ? memory.used : NJ_UNKNOWN;
    device->memory_total = known ? memory.total : NJ_UNKNOWN;
    if (list(gpu, &gpu->compute, i, first) && list(gpu, &gpu->graphics, i, first))
        take_samples(gpu, i, first);
    else
        gpu->processes_count = first;
}

size_t nj_gpu_read(struct nj_gpu *gpu, const struct nj_gpu_device **ret_devices,
                   const struct nj_gpu_process **ret_processes, size_t *ret_processes_count)
{
    gpu->processes_count = 0;
    for (size_t i = 0; i < gpu->devices_count; i++)
        read_device(gpu, (uint32_t)i);
    *ret_devices = gpu->devices;
    *ret_processes = gpu->processes;
    *ret_processes_count = gpu->processes_count;
    return gpu->devices_count;
}
