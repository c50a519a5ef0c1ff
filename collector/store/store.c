#include "collector/store/store.h"

#include <errno.h>

#include "common/base/str.h"

static const char *const status_names[] = {
    [NJ_NOTIFICATION_PENDING] = "pending",     [NJ_NOTIFICATION_SENDING] = "sending",
    [NJ_NOTIFICATION_SENT] = "sent",           [NJ_NOTIFICATION_FOLDED] = "folded",
    [NJ_NOTIFICATION_FAILED] = "failed",       [NJ_NOTIFICATION_UNCERTAIN] = "uncertain",
    [NJ_NOTIFICATION_WITHDRAWN] = "withdrawn",
};

const char *nj_notification_status_name(enum nj_notification_status status)
{
    return status_names[status];
}

int nj_notification_status_parse(const char *name, enum nj_notification_status *ret_status)
{
    for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++) {
        if (nj_streq(status_names[i], name)) {
            *ret_status = (enum nj_notification_status)i;
            return 0;
        }
    }
    return -EINVAL;
}
