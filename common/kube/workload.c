#include "common/kube/workload.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

enum { CRONJOB_DIGITS_MIN = 8 }; /* minutes since 1970 have eight digits from 1989 to 2160 */

static void set(struct nj_workload *workload, const char *kind, const char *name, size_t len)
{
    (void)snprintf(workload->kind, sizeof(workload->kind), "%s", kind);
    (void)snprintf(workload->name, sizeof(workload->name), "%.*s", (int)len, name);
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
    if (nj_streq(controller_kind, "Job")) {
        size_t digits = 0;
        while (digits < len && controller_name[len - 1 - digits] >= '0' &&
               controller_name[len - 1 - digits] <= '9')
            digits++;
        if (digits >= CRONJOB_DIGITS_MIN && len > digits + 1 && controller_name[len - digits - 1] == '-') {
            set(ret_workload, "CronJob", controller_name, len - digits - 1);
            return;
        }
    }
    set(ret_workload, controller_kind, controller_name, len);
}
