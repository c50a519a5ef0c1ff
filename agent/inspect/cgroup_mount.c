#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/inspect/cgroup_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    HELD_MAX = 2048,          /* files of containers held open at most: the kernel keeps 4 KiB for each, which
                                 counts as this program's memory */
    HELD_SHARE = 4,           /* and no more than one in so many of the descriptors that it may have */
    OWN_LOOKED_MAX = 20000,   /* cgroups looked at to find the reader's own */
    UPS_MAX = 32,             /* levels between a namespace's root and the mount's top */
    MOUNT_LINE_MAX = 1 << 16, /* of /proc/self/mountinfo */
};

static const char *const controllers[NJ_HIERARCHIES] = {
    [NJ_HIERARCHY_CPU] = "cpu",     [NJ_HIERARCHY_CPUACCT] = "cpuacct", [NJ_HIERARCHY_MEMORY] = "memory",
    [NJ_HIERARCHY_BLKIO] = "blkio", [NJ_HIERARCHY_PIDS] = "pids",       [NJ_HIERARCHY_V2] = "",
};

/* ---- paths as /proc/PID/cgroup writes them */

/* Whether `name` is one of the comma-separated ones. */
static bool lists(const char *list, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    while (len >= name_len) {
        const char *comma = memchr(list, ',', len);
        size_t one = comma == NULL ? len : (size_t)(comma - list);
        if (one == name_len && memcmp(list, name, one) == 0)
            return true;
        if (comma == NULL)
            break;
        list += one + 1;
        len -= one + 1;
    }
    return false;
}

/* The path in the line of this controller ("" for version 2): "4:memory:/a/b", "0::/a/b". */
static bool line_path(const char *text, const char *controller, char *ret_path, size_t size)
{
    static const char deleted[] = " (deleted)";
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (end == NULL)
            return false; /* the text was cut here */
        const char *list = memchr(line, ':', (size_t)(end - line));
        const char *path = list == NULL ? NULL : memchr(list + 1, ':', (size_t)(end - list - 1));
        if (path != NULL && path[1] == '/' && lists(list + 1, (size_t)(path - list - 1), controller)) {
            size_t len = (size_t)(end - path - 1);
            if (len >= sizeof(deleted) && memcmp(end - strlen(deleted), deleted, strlen(deleted)) == 0)
                len -= strlen(deleted);
            if (len >= size)
                return false;
            memcpy(ret_path, path + 1, len);
            ret_path[len] = '\0';
            return true;
        }
        line = end + 1;
    }
    return false;
}

/* Cuts the "/.." off the front; how many there were. */
static unsigned take_ups(const char **path)
{
    unsigned ups = 0;
    while (strncmp(*path, "/..", 3) == 0 && ((*path)[3] == '/' || (*path)[3] == '\0')) {
        *path += 3;
        ups++;
    }
    return ups;
}

/* What of `path` is below `root`; NULL when it is not. */
static const char *below(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len;
}

/*
 * Both the path and the mount's root are told from the reader's cgroup namespace, with "/.." for each level
 * above its root. Where the mount begins above the namespace, what the path leaves out is the namespace's own
 * place in the mount.
 */
static bool rebase(const struct nj_cgroup_mount *mount, const char *path, char *ret_path, size_t size)
{
    const char *root_names = nj_streq(mount->root, "/") ? "" : mount->root;
    const char *names = path;
    unsigned root_ups = take_ups(&root_names);
    unsigned ups = take_ups(&names);
    size_t own_len = 0;
    if (root_ups == 0 || *root_names != '\0') {
        names = ups == root_ups ? below(names, root_names) : NULL;
    } else if (ups < root_ups) {
        if (mount->own == NULL)
            return false;
        unsigned levels = root_ups - ups;
        for (; levels > 0 && mount->own[own_len] != '\0'; levels--)
            own_len += 1 + strcspn(mount->own + own_len + 1, "/");
        if (levels > 0)
            return false;
    } else if (ups > root_ups) {
        return false;
    }
    if (names == NULL || strstr(names, "/../") != NULL || nj_str_ends(names, "/.."))
        return false;
    if (nj_streq(names, "/") && own_len > 0)
        names = "";
    else if (*names == '\0' && own_len == 0)
        names = "/";
    size_t len = strlen(names);
    if (own_len + len >= size)
        return false;
    if (own_len > 0)
        memcpy(ret_path, mount->own, own_len);
    memcpy(ret_path + own_len, names, len + 1);
    return true;
}

bool nj_cgroups_locate(const struct nj_cgroups *cgroups, enum nj_hierarchy hierarchy, const char *text,
                       char *ret_path, size_t size)
{
    char path[NJ_CGROUP_PATH_MAX];
    const struct nj_cgroup_mount *mount = &cgroups->mounts[hierarchy];
    return mount->fd >= 0 && line_path(text, controllers[hierarchy], path, sizeof(path)) &&
           rebase(mount, path, ret_path, size);
}

bool nj_cgroups_path(const struct nj_cgroups *cgroups, const char *text, char *ret_path, size_t size)
{
    /* On version 1 a process that exits shows the top of each hierarchy; version 2's keeps its path. */
    static const enum nj_hierarchy order[] = {NJ_HIERARCHY_MEMORY, NJ_HIERARCHY_PIDS, NJ_HIERARCHY_CPU,
                                              NJ_HIERARCHY_V2};
    char path[NJ_CGROUP_PATH_MAX];
    bool found = false;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!nj_cgroups_locate(cgroups, order[i], text, path, sizeof(path)) &&
            !line_path(text, controllers[order[i]], path, sizeof(path)))
            continue;
        size_t len = strlen(path);
        if (len >= size || (found && nj_streq(path, "/")))
            continue;
        memcpy(ret_path, path, len + 1);
        found = true;
        if (!nj_streq(path, "/"))
            break;
    }
    return found;
}

/* ---- where things are mounted */

/* What of its hierarchy is mounted at `directory`; "/" where nobody knows. */
static char *mounted_root(const char *proc, const char *directory)
{
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s/self/mountinfo", proc);
    char *found = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return nj_strdup("/");
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0 && capacity <= MOUNT_LINE_MAX) {
        /* 36 35 98:0 ROOT MOUNT-POINT ... (man 5 proc) */
        char *save = NULL, *field = strtok_r(line, " ", &save);
        for (int i = 0; i < 3 && field != NULL; i++)
            field = strtok_r(NULL, " ", &save);
        const char *point = field == NULL ? NULL : strtok_r(NULL, " ", &save);
        if (point != NULL && nj_streq(point, directory) && *field == '/') {
            free(found); /* the last one covers those before */
            found = nj_strdup(field);
        }
    }
    free(line);
    (void)fclose(file);
    return found != NULL ? found : nj_strdup("/");
}

struct own_search {
    unsigned depth;  /* of the namespace's root in the mount */
    unsigned looked; /* at so many directories */
    const char *below, *pid;
    char path[NJ_CGROUP_PATH_MAX];
};

static bool lists_pid(int directory, const char *below_it, const char *pid)
{
    char path[NJ_CGROUP_PATH_MAX];
    int len = snprintf(path, sizeof(path), ".%s/cgroup.procs", below_it);
    int fd = len < 0 || (size_t)len >= sizeof(path) ? -1 : openat(directory, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    char line[32];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = nj_streq(line, pid);
    }
    (void)fclose(file);
    return found;
}

/* Takes `directory`. True with search->path set when the namespace's root is below it. */
static bool search_own(struct own_search *search, int directory, unsigned depth)
{
    if (depth == search->depth) {
        bool is_own = lists_pid(directory, search->below, search->pid);
        (void)close(directory);
        return is_own;
    }
    DIR *dir = fdopendir(directory);
    if (dir == NULL) {
        (void)close(directory);
        return false;
    }
    size_t len = strlen(search->path);
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        size_t name_len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
            len + 1 + name_len >= sizeof(search->path) || search->looked++ >= OWN_LOOKED_MAX)
            continue;
        int below_it = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (below_it < 0)
            continue;
        search->path[len] = '/';
        memcpy(search->path + len + 1, entry->d_name, name_len + 1);
        found = search_own(search, below_it, depth + 1);
        if (!found)
            search->path[len] = '\0';
    }
    (void)closedir(dir);
    return found;
}

/* The namespace hides its own place: it is the cgroup at that depth that has this process. */
static void find_own(struct nj_cgroup_mount *mount, const char *proc, const char *controller)
{
    const char *root = mount->root;
    unsigned ups = take_ups(&root);
    if (ups == 0 || ups > UPS_MAX || (*root != '\0' && !nj_streq(root, "/")))
        return;
    NJ_CLEANUP_FREE char *self = nj_asprintf("%s/self", proc);
    char pid[16], text[NJ_PROC_CGROUP_MAX], own[NJ_CGROUP_PATH_MAX];
    ssize_t len = readlink(self, pid, sizeof(pid) - 1);
    if (len <= 0)
        return;
    pid[len] = '\0';
    int fd = open(self, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : nj_proc_read(fd, "cgroup", text, sizeof(text));
    if (fd >= 0)
        (void)close(fd);
    if (got < 0 || !line_path(text, controller, own, sizeof(own)) || strncmp(own, "/..", 3) == 0)
        return;
    struct own_search search = {.depth = ups, .below = nj_streq(own, "/") ? "" : own, .pid = pid};
    int top = open(mount->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top >= 0 && search_own(&search, top, 0))
        mount->own = nj_strdup(search.path);
}

/* Takes `directory`; false when there is none. */
static bool take_mount(struct nj_cgroup_mount *mount, const char *proc, char *directory,
                       const char *controller)
{
    mount->fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mount->fd < 0) {
        free(directory);
        return false;
    }
    char *resolved = realpath(directory, NULL); /* "cpu" may be a link to "cpu,cpuacct" */
    mount->directory = resolved == NULL ? directory : resolved;
    if (resolved != NULL)
        free(directory);
    mount->root = mounted_root(proc, mount->directory);
    find_own(mount, proc, controller);
    return true;
}

/* A directory that is named by several controllers, where no link is made for each. */
static char *joint_directory(const char *root, const char *controller)
{
    DIR *dir = opendir(root);
    char *found = NULL;
    for (struct dirent *entry; dir != NULL && found == NULL && (entry = readdir(dir)) != NULL;) {
        if (strchr(entry->d_name, ',') != NULL && lists(entry->d_name, strlen(entry->d_name), controller))
            found = nj_asprintf("%s/%s", root, entry->d_name);
    }
    if (dir != NULL)
        (void)closedir(dir);
    return found;
}

static bool is_v2(const char *directory)
{
    NJ_CLEANUP_FREE char *file = nj_asprintf("%s/cgroup.controllers", directory);
    return access(file, F_OK) == 0;
}

int nj_cgroups_open(const char *root, const char *proc, struct nj_cgroups **ret_cgroups)
{
    struct nj_cgroups *cgroups = NJ_NEW(struct nj_cgroups);
    for (int i = 0; i < NJ_HIERARCHIES; i++)
        cgroups->mounts[i].fd = -1;
    struct rlimit files;
    cgroups->max_held = HELD_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / HELD_SHARE < HELD_MAX)
        cgroups->max_held = (size_t)files.rlim_cur / HELD_SHARE;
    NJ_CLEANUP_FREE char *unified = nj_asprintf("%s/unified", root);
    bool found = false;
    const char *v2 = is_v2(root) ? root : is_v2(unified) ? unified : NULL;
    if (v2 != NULL)
        found = take_mount(&cgroups->mounts[NJ_HIERARCHY_V2], proc, nj_strdup(v2), "");
    for (int i = 0; i < NJ_HIERARCHY_V2 && v2 != root; i++) {
        struct nj_cgroup_mount *mount = &cgroups->mounts[i];
        char *joint = NULL;
        if (take_mount(mount, proc, nj_asprintf("%s/%s", root, controllers[i]), controllers[i]) ||
            ((joint = joint_directory(root, controllers[i])) != NULL &&
             take_mount(mount, proc, joint, controllers[i])))
            found = true;
    }
    if (!found) {
        nj_cgroups_close(cgroups);
        return -ENOENT;
    }
    *ret_cgroups = cgroups;
    return 0;
}

void nj_cgroups_close(struct nj_cgroups *cgroups)
{
    if (cgroups == NULL)
        return;
    for (int i = 0; i < NJ_HIERARCHIES; i++) {
        struct nj_cgroup_mount *mount = &cgroups->mounts[i];
        if (mount->fd >= 0)
            (void)close(mount->fd);
        free(mount->directory);
        free(mount->root);
        free(mount->own);
    }
    free(cgroups);
}

bool nj_cgroups_are_v2(const struct nj_cgroups *cgroups)
{
    return cgroups->mounts[NJ_HIERARCHY_MEMORY].fd < 0 && cgroups->mounts[NJ_HIERARCHY_V2].fd >= 0;
}
