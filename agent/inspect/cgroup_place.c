#include <string.h>

#include "agent/inspect/cgroup_internal.h"
#include "common/base/str.h"

/*
 * A pod's level, by the kubelet's driver (pkg/kubelet/cm/cgroup_manager_linux.go):
 *   systemd   [PREFIX-]kubepods[-burstable|-besteffort]-podUID.slice, the dashes of the uid as underscores
 *   cgroupfs  kubepods/[burstable/|besteffort/]podUID
 * and the container's below it:
 *   systemd   cri-containerd-ID.scope, crio-ID.scope, docker-ID.scope
 *   cgroupfs  ID, crio-ID
 * or both in one where the kubelet names cgroups for systemd and containerd does not use it:
 *   kubepods-burstable-podUID.slice:cri-containerd:ID
 * The first pod from the left counts: what a container nests in itself is its own.
 */

enum { ID_MIN = 12 }; /* hex digits: Docker's short form; the runtimes of Kubernetes use 64 */

/* A level of a path. */
struct level {
    const char *text;
    size_t len;
};

static bool next_level(const char **at, struct level *ret_level)
{
    const char *text = *at;
    while (*text == '/')
        text++;
    if (*text == '\0')
        return false;
    size_t len = strcspn(text, "/");
    *ret_level = (struct level){text, len};
    *at = text + len;
    return true;
}

static bool is(struct level level, const char *text)
{
    return level.len == strlen(text) && memcmp(level.text, text, level.len) == 0;
}

static bool starts(struct level level, const char *text)
{
    size_t len = strlen(text);
    return level.len >= len && memcmp(level.text, text, len) == 0;
}

static bool ends(struct level level, const char *text)
{
    size_t len = strlen(text);
    return level.len >= len && memcmp(level.text + level.len - len, text, len) == 0;
}

/* Where `text` begins last in the level, or NULL. */
static const char *last_in(struct level level, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = level.len + 1; i-- > 0;) {
        if (i + len <= level.len && memcmp(level.text + i, text, len) == 0)
            return level.text + i;
    }
    return NULL;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A pod's uid, or a static pod's config hash; with underscores for dashes when systemd names it. */
static bool take_uid(struct level uid, char dash, char ret_uid[NJ_POD_UID_MAX])
{
    if (uid.len == 0 || uid.len >= NJ_POD_UID_MAX)
        return false;
    for (size_t i = 0; i < uid.len; i++) {
        if (!is_word(uid.text[i]) && uid.text[i] != dash)
            return false;
    }
    memcpy(ret_uid, uid.text, uid.len);
    for (size_t i = 0; i < uid.len; i++) {
        if (ret_uid[i] == dash)
            ret_uid[i] = '-';
    }
    ret_uid[uid.len] = '\0';
    return true;
}

static bool take_id(struct level id, char ret_id[NJ_CONTAINER_ID_MAX])
{
    if (id.len < ID_MIN || id.len >= NJ_CONTAINER_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!is_hex(id.text[i]))
            return false;
    }
    memcpy(ret_id, id.text, id.len);
    ret_id[id.len] = '\0';
    return true;
}

/* [RUNTIME-]ID[.scope]; crio-conmon-ID is the container's monitor. */
static bool take_container(struct level level, char ret_id[NJ_CONTAINER_ID_MAX])
{
    if (ends(level, ".scope"))
        level.len -= strlen(".scope");
    const char *dash = last_in(level, "-");
    if (dash == NULL)
        return take_id(level, ret_id);
    struct level runtime = {level.text, (size_t)(dash - level.text)};
    struct level id = {dash + 1, level.len - runtime.len - 1};
    return !ends(runtime, "conmon") && take_id(id, ret_id);
}

static bool take_systemd_pod(struct level level, struct nj_cgroup_place *place)
{
    struct level slice = level;
    const char *colon = memchr(level.text, ':', level.len);
    if (colon != NULL)
        slice.len = (size_t)(colon - level.text);
    if (!ends(slice, ".slice"))
        return false;
    slice.len -= strlen(".slice");
    const char *pod = last_in(slice, "-pod");
    if (pod == NULL)
        return false;
    struct level parent = {slice.text, (size_t)(pod - slice.text)};
    struct level uid = {pod + strlen("-pod"), slice.len - parent.len - strlen("-pod")};
    if (ends(parent, "-burstable") || ends(parent, "-besteffort"))
        parent.len = (size_t)(last_in(parent, "-") - parent.text);
    if (!is(parent, "kubepods") && !ends(parent, "-kubepods"))
        return false;
    if (!take_uid(uid, '_', place->pod_uid))
        return false;
    if (colon != NULL) {
        const char *last = last_in(level, ":");
        struct level runtime = {colon + 1, last > colon ? (size_t)(last - colon - 1) : 0};
        struct level id = {last + 1, level.len - (size_t)(last + 1 - level.text)};
        if (ends(runtime, "conmon") || !take_id(id, place->container_id))
            place->container_id[0] = '\0';
    }
    return true;
}

/* Whether a pod of the cgroupfs driver may be below these two levels. */
static bool holds_pods(struct level before, struct level parent)
{
    if (is(parent, "kubepods"))
        return true;
    bool is_class = is(parent, "burstable") || is(parent, "besteffort");
    /* A cgroup namespace cuts what the reader shares: "/../../besteffort/podUID", "/../../podUID". */
    return (is_class && (is(before, "kubepods") || is(before, ".."))) || is(parent, "..");
}

bool nj_cgroup_place_within(const char *path, struct nj_cgroup_place *ret_place, size_t *ret_len)
{
    struct nj_cgroup_place place = {0};
    const char *at = path;
    struct level before = {"", 0}, parent = {"", 0}, level;
    while (next_level(&at, &level)) {
        bool is_pod = take_systemd_pod(level, &place);
        if (!is_pod && starts(level, "pod") && holds_pods(before, parent))
            is_pod = take_uid((struct level){level.text + 3, level.len - 3}, '-', place.pod_uid);
        if (is_pod) {
            const char *end = at;
            if (place.container_id[0] == '\0' && next_level(&at, &level) &&
                take_container(level, place.container_id))
                end = at;
            *ret_place = place;
            *ret_len = (size_t)(end - path);
            return true;
        }
        before = parent;
        parent = level;
    }
    return false;
}

bool nj_cgroup_place(const char *path, struct nj_cgroup_place *ret_place)
{
    size_t len;
    return nj_cgroup_place_within(path, ret_place, &len);
}
