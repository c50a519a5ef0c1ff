#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/node_internal.h"
#include "common/base/buf.h"
#include "common/base/str.h"

/* File systems that keep files of this node, on its disks or in its memory. */
static const char *const own_types[] = {"ext2",    "ext3",   "ext4",     "xfs",      "btrfs", "zfs",
                                        "f2fs",    "vfat",   "msdos",    "exfat",    "ntfs3", "jfs",
                                        "hfsplus", "nilfs2", "reiserfs", "bcachefs", "tmpfs", "overlay"};
/* Further ones that a path may lead through: they wait for nobody. */
static const char *const harmless_types[] = {"rootfs", "ramfs",    "devtmpfs", "proc",    "sysfs",
                                             "erofs",  "squashfs", "iso9660",  "configfs"};
/* Below these the mounts are pods', containers' and sessions', or none that fills up. */
static const char *const foreign_starts[] = {
    "/dev/", "/proc/", "/sys/", "/run/user/", "/run/credentials/", "/run/netns/", "/snap/"};
static const char *const foreign_parts[] = {"/kubelet/pods/", "/kubelet/plugins/",    "/containerd/",
                                            "/docker/",       "/containers/storage/", "/crio/"};

enum { UNSAFE_BYTES_MAX = 256 << 10 };

struct mount {
    unsigned int major, minor;
    const char *root, *path, *type, *source;
    bool read_only;
};

/* What is known beside a mount's figures until all lines have been read. */
struct place {
    dev_t device;
    bool whole; /* the file system's own root is what is mounted */
};

struct survey {
    struct nj_node_figures *node;
    struct place places[NJ_MOUNTS_MAX];
    struct nj_buf unsafe; /* paths that nothing below is asked of, each with its terminator */
};

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, list[i]) == 0)
            return true;
    }
    return false;
}

#define IS_ONE_OF(text, list) is_one_of(text, list, sizeof(list) / sizeof((list)[0]))

static bool is_foreign(const char *path)
{
    for (size_t i = 0; i < sizeof(foreign_starts) / sizeof(foreign_starts[0]); i++) {
        if (nj_str_starts(path, foreign_starts[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof(foreign_parts) / sizeof(foreign_parts[0]); i++) {
        if (strstr(path, foreign_parts[i]) != NULL)
            return true;
    }
    return false;
}

/* "\040" is a blank; in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; to++) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' &&
            at[3] <= '7') {
            *to = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            *to = *at++;
        }
    }
    *to = '\0';
}

/* The next word; NULL at the end. */
static char *word(char **rest)
{
    char *start = *rest + strspn(*rest, " ");
    if (*start == '\0')
        return NULL;
    size_t len = strcspn(start, " ");
    *rest = start + len + (start[len] != '\0');
    start[len] = '\0';
    return start;
}

static bool has_option(const char *options, const char *option)
{
    size_t len = strlen(option);
    for (const char *at = options; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, option, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

static bool parse_device(const char *text, struct mount *mount)
{
    uint64_t major, minor;
    if (text == NULL || !nj_text_number(&text, &major) || *text++ != ':' || !nj_text_number(&text, &minor) ||
        *text != '\0' || major > UINT32_MAX || minor > UINT32_MAX)
        return false;
    mount->major = (unsigned int)major;
    mount->minor = (unsigned int)minor;
    return true;
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse(char *line, struct mount *mount)
{
    char *rest = line, *id = word(&rest), *parent = word(&rest), *device = word(&rest);
    char *root = word(&rest), *path = word(&rest), *options = word(&rest), *field = options;
    if (id == NULL || parent == NULL || !parse_device(device, mount))
        return false;
    while (field != NULL && strcmp(field, "-") != 0)
        field = word(&rest);
    char *type = word(&rest), *source = word(&rest), *super = word(&rest);
    if (root == NULL || path == NULL || options == NULL || super == NULL || path[0] != '/')
        return false;
    unescape(root);
    unescape(path);
    unescape(source);
    mount->root = root;
    mount->path = path;
    mount->type = type;
    mount->source = source;
    mount->read_only = has_option(options, "ro") || has_option(super, "ro");
    return true;
}

static void keep(struct survey *survey, size_t i, const struct mount *mount)
{
    struct nj_mount_figures *to = &survey->node->mounts[i];
    memset(to, 0, sizeof(*to));
    (void)snprintf(to->path, sizeof(to->path), "%s", mount->path);
    (void)snprintf(to->device, sizeof(to->device), "%s", mount->source);
    (void)snprintf(to->type, sizeof(to->type), "%s", mount->type);
    to->read_only = mount->read_only;
    survey->places[i] =
        (struct place){.device = makedev(mount->major, mount->minor), .whole = strcmp(mount->root, "/") == 0};
}

/* The same file system once more; of btrfs every subvolume has a device number of its own. */
static bool is_same(const struct survey *survey, size_t i, const struct mount *mount)
{
    return survey->places[i].device == makedev(mount->major, mount->minor) ||
           (mount->source[0] == '/' && strcmp(survey->node->mounts[i].device, mount->source) == 0);
}

static bool is_better(const struct survey *survey, size_t i, const struct mount *mount)
{
    bool whole = strcmp(mount->root, "/") == 0;
    if (whole != survey->places[i].whole)
        return whole;
    return strlen(mount->path) < strlen(survey->node->mounts[i].path);
}

static void consider(struct survey *survey, const struct mount *mount)
{
    struct nj_node_figures *node = survey->node;
    bool own = IS_ONE_OF(mount->type, own_types);
    if (is_foreign(mount->path))
        return;
    if (!own && !IS_ONE_OF(mount->type, harmless_types))
        (void)nj_buf_append(&survey->unsafe, mount->path, strlen(mount->path) + 1);
    if (!own || (strcmp(mount->type, "overlay") == 0 && strcmp(mount->path, "/") != 0) ||
        strlen(mount->path) >= sizeof(node->mounts[0].path) ||
        strlen(mount->source) >= sizeof(node->mounts[0].device))
        return;
    for (size_t i = 0; i < node->mounts_count; i++) {
        if (is_same(survey, i, mount)) {
            if (is_better(survey, i, mount))
                keep(survey, i, mount);
            return;
        }
    }
    if (node->mounts_count < NJ_MOUNTS_MAX)
        keep(survey, node->mounts_count++, mount);
    else
        node->mounts_left_out++;
}

static bool is_below(const char *path, const char *top)
{
    size_t len = strlen(top);
    return strcmp(top, "/") == 0 || (strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

static bool is_safe(const struct survey *survey, const char *path)
{
    if (nj_buf_check(&survey->unsafe) < 0)
        return strcmp(path, "/") == 0;
    const char *at = nj_buf_str(&survey->unsafe), *end = at + survey->unsafe.len;
    for (; at < end; at += strlen(at) + 1) {
        if (is_below(path, at))
            return false;
    }
    return true;
}

static bool measure(const char *root, const struct place *place, struct nj_mount_figures *mount)
{
    char path[NJ_NODE_PATH_MAX];
    struct stat status;
    struct statvfs space;
    int len = snprintf(path, sizeof(path), "%s%s", root, mount->path);
    if (len < 0 || (size_t)len >= sizeof(path) || stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    /* Another mount may hide it, and `root` may not be the host's. btrfs gives a directory another number
     * than its mount. */
    if (status.st_dev != place->device && strcmp(mount->type, "btrfs") != 0)
        return false;
    if (statvfs(path, &space) < 0 || space.f_blocks == 0)
        return false;
    mount->size = (uint64_t)space.f_blocks * space.f_frsize;
    mount->available = (uint64_t)space.f_bavail * space.f_frsize;
    mount->inodes = space.f_files == 0 ? NJ_UNKNOWN : space.f_files;
    mount->inodes_free = space.f_files == 0 ? NJ_UNKNOWN : space.f_favail;
    return true;
}

void nj_node_read_mounts(int proc, const char *root, struct nj_node_figures *node)
{
    struct nj_lines lines;
    struct survey survey = {.node = node, .unsafe = {.max = UNSAFE_BYTES_MAX}};
    if (nj_lines_open(&lines, proc, "1/mountinfo") < 0)
        return;
    for (char *line; (line = nj_lines_next(&lines)) != NULL;) {
        struct mount mount;
        if (parse(line, &mount))
            consider(&survey, &mount);
    }
    nj_lines_close(&lines);

    size_t count = 0;
    for (size_t i = 0; i < node->mounts_count; i++) {
        struct nj_mount_figures *mount = &node->mounts[i];
        if (is_safe(&survey, mount->path) && measure(root, &survey.places[i], mount)) {
            if (count != i)
                node->mounts[count] = *mount;
            count++;
        }
    }
    node->mounts_count = count;
    nj_buf_done(&survey.unsafe);
}
