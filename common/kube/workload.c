#include "common/kube/workload.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

/* Minutes since 1970 have eight digits until 2160. Those before December 2009 are no CronJob's: rather dates,
 * as people write them into names (20261121). */
enum { CRONJOB_DIGITS = 8, CRONJOB_MINUTES_MIN = 21 * 1000 * 1000 };

static void set(struct nj_workload *workload, const char *kind, const char *name, size_t len)
{
    (void)snprintf(workload->kind, sizeof(workload->kind), "%s", kind);
    (void)snprintf(workload->name, sizeof(workload->name), "%.*s", (int)len, name);
}

/* "NAME-MINUTES" */
static bool is_cronjobs(const char *name, size_t len)
{
    int64_t minutes = 0;
    if (len < CRONJOB_DIGITS + 2 || name[len - CRONJOB_DIGITS - 1] != '-')
        return false;
    const char *digits = name + len - CRONJOB_DIGITS;
    return strspn(digits, "0123456789") == CRONJOB_DIGITS &&
           nj_parse_int(digits, CRONJOB_MINUTES_MIN, INT64_MAX, &minutes) == 0;
}

void nj_workload_guess(const char *controller_kind, const char *controller_name, const char *template_hash,
                       const char *pod_name, struct nj_workload *ret_workload)
{
    size_t len = strlen(nj_str(controller_name));
    size_t hash = strlen(nj_str(template_hash));
    if (len == 0 || nj_streq(controller_kind, "Node")) {
        set(ret_workload, "Pod", pod_name, strlen(pod_name));
        return;
    }
    if (nj_streq(controller_kind, "ReplicaSet") && hash > 0 && len > hash + 1 &&
        nj_str_ends(controller_name, template_hash) && controller_name[len - hash - 1] == '-') {
        set(ret_workload, "Deployment", controller_name, len - hash - 1);
        return;
    }
    if (nj_streq(controller_kind, "Job") && is_cronjobs(controller_name, len)) {
        set(ret_workload, "CronJob", controller_name, len - CRONJOB_DIGITS - 1);
        return;
    }
    set(ret_workload, controller_kind, controller_name, len);
}
