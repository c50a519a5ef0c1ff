/*
 * Whatever is written in /proc/PID/cgroup, in a cgroup's files, in stat and limits: the names told are names
 * of containers, no path leaves the mount, and no number is made up.
 *
 * Input: three texts that end with a zero byte: what of the hierarchy is mounted, where in it the reader's
 * namespace is, and the file.
 */
#include "agent/inspect/cgroup_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/alloc.h"
#include "tests/fuzz/input.h"

static void check_place(const char *path)
{
    struct nj_cgroup_place place = {0}, again = {0};
    size_t len = 0;
    if (!nj_cgroup_place_within(path, &place, &len))
        return;
    check(len > 0 && len <= strlen(path));
    check(strlen(place.pod_uid) > 0 && strlen(place.pod_uid) < NJ_POD_UID_MAX);
    check(strspn(place.pod_uid, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") ==
          strlen(place.pod_uid));
    check(strlen(place.container_id) < NJ_CONTAINER_ID_MAX);
    check(strspn(place.container_id, "0123456789abcdef") == strlen(place.container_id));
    /* The container's own level names the same one. */
    char *own = nj_strndup(path, len);
    check(nj_cgroup_place(own, &again));
    check(strcmp(place.container_id, again.container_id) == 0 && strcmp(place.pod_uid, again.pod_uid) == 0);
    free(own);
}

static void check_paths(char *root, char *own, const char *text)
{
    char path[512];
    struct nj_cgroups cgroups = {0};
    for (int i = 0; i < NJ_HIERARCHIES; i++) /* fd 0 says that it is mounted; nothing is opened */
        cgroups.mounts[i] =
            (struct nj_cgroup_mount){.root = root, .own = own[0] == '/' && own[1] != '\0' ? own : NULL};
    for (int i = 0; i < NJ_HIERARCHIES; i++) {
        if (!nj_cgroups_locate(&cgroups, i, text, path, sizeof(path)))
            continue;
        check(path[0] == '/' && strlen(path) < sizeof(path));
        if (strstr(own, "..") == NULL)
            check(strstr(path, "/../") == NULL);
    }
    if (nj_cgroups_path(&cgroups, text, path, sizeof(path))) {
        check(strlen(path) < sizeof(path));
        check_place(path);
    }
}

static void read_values(const char *text)
{
    struct nj_proc_stat stat;
    uint64_t limit;
    (void)nj_cgroup_keyed(text, "oom_kill");
    (void)nj_cgroup_pressure(text, "some");
    (void)nj_cgroup_io_v1(text, "Read");
    (void)nj_cgroup_io_v2(text, "rbytes");
    (void)nj_cgroup_quota(text);
    uint64_t number = nj_cgroup_number(text);
    check(number == NJ_UNKNOWN || (text[0] >= '0' && text[0] <= '9'));
    if (nj_proc_stat_parse(text, &stat))
        check(stat.parent >= 0 && strlen(stat.command) < sizeof(stat.command));
    (void)nj_proc_files_limit_parse(text, &limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *root = take(&data, &size);
    char *own = take(&data, &size);
    char *text = take(&data, &size);
    check_place(text);
    read_values(text);
    if (root[0] == '/')
        check_paths(root, own, text);
    free(root);
    free(own);
    free(text);
    return 0;
}
