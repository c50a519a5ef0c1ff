#include "collector/store/store.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const status_names[] = {
    [NJ_NOTIFICATION_PENDING] = "pending",     [NJ_NOTIFICATION_SENDING] = "sending",
    [NJ_NOTIFICATION_SENT] = "sent",           [NJ_NOTIFICATION_FOLDED] = "folded",
    [NJ_NOTIFICATION_FAILED] = "failed",       [NJ_NOTIFICATION_UNCERTAIN] = "uncertain",
    [NJ_NOTIFICATION_WITHDRAWN] = "withdrawn", [NJ_NOTIFICATION_HELD] = "held",
};

const char *nj_notification_status_name(enum nj_notification_status status)
{
    return status_names[status];
}

int nj_notification_status_parse(const char *name, enum nj_notification_status *ret_status)
{
    for (size_t i = 0; i < COUNT(status_names); i++) {
        if (nj_streq(status_names[i], name)) {
            *ret_status = (enum nj_notification_status)i;
            return 0;
        }
    }
    return -EINVAL;
}

static const struct {
    const char *name;
    int64_t ns;
} resolutions[NJ_RESOLUTIONS] = {
    [NJ_RESOLUTION_MINUTE] = {"minute", NJ_MIN},
    [NJ_RESOLUTION_HOUR] = {"hour", NJ_HOUR},
    [NJ_RESOLUTION_DAY] = {"day", NJ_DAY},
};

const char *nj_resolution_name(enum nj_resolution resolution)
{
    return resolutions[resolution].name;
}

int nj_resolution_parse(const char *name, enum nj_resolution *ret_resolution)
{
    for (size_t i = 0; i < COUNT(resolutions); i++) {
        if (nj_streq(resolutions[i].name, name)) {
            *ret_resolution = (enum nj_resolution)i;
            return 0;
        }
    }
    return -EINVAL;
}

int64_t nj_resolution_ns(enum nj_resolution resolution)
{
    return resolutions[resolution].ns;
}

/* Every string of a target, so that copying cannot miss one. */
static const size_t target_strings[] = {
    offsetof(struct nj_store_target, cluster),     offsetof(struct nj_store_target, project),
    offsetof(struct nj_store_target, key.monitor), offsetof(struct nj_store_target, key.target),
    offsetof(struct nj_store_target, source),      offsetof(struct nj_store_target, namespace),
    offsetof(struct nj_store_target, service),     offsetof(struct nj_store_target, target_name),
    offsetof(struct nj_store_target, address),     offsetof(struct nj_store_target, node),
    offsetof(struct nj_store_target, pod_uid),     offsetof(struct nj_store_target, state),
    offsetof(struct nj_store_target, severity),    offsetof(struct nj_store_target, group),
    offsetof(struct nj_store_target, cause),       offsetof(struct nj_store_target, phase),
    offsetof(struct nj_store_target, step),        offsetof(struct nj_store_target, expected),
    offsetof(struct nj_store_target, got),         offsetof(struct nj_store_target, body),
    offsetof(struct nj_store_target, evidence),
};

static const char **string_at(struct nj_store_target *target, size_t i)
{
    return (const char **)(void *)((char *)target + target_strings[i]);
}

void nj_store_target_copy(struct nj_store_target *ret_copy, const struct nj_store_target *target)
{
    struct nj_store_target copy = *target;
    size_t total = 0;
    for (size_t i = 0; i < COUNT(target_strings); i++)
        total += strlen(nj_str(*string_at(&copy, i))) + 1;
    /* The first string of the table owns the memory of all. */
    char *memory = nj_calloc(1, total);
    for (size_t i = 0; i < COUNT(target_strings); i++) {
        const char **text = string_at(&copy, i);
        size_t size = strlen(nj_str(*text)) + 1;
        memcpy(memory, nj_str(*text), size);
        *text = memory;
        memory += size;
    }
    *ret_copy = copy;
}

void nj_store_target_done(struct nj_store_target *copy)
{
    free((void *)copy->cluster);
    *copy = (struct nj_store_target){0};
}
