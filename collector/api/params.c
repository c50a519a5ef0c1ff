#include <errno.h>

#include "collector/api/internal.h"
#include "common/base/str.h"

const char *nj_api_param(const struct nj_api_call *call, const char *name)
{
    const char *value = nj_httpd_query(call->request, name);
    return value == NULL || *value == '\0' ? NULL : value;
}

bool nj_api_param_int(struct nj_api_call *call, const char *name, int64_t min, int64_t max,
                      int64_t *ret_value)
{
    const char *text = nj_api_param(call, name);
    if (text == NULL || nj_parse_int(text, min, max, ret_value) == 0)
        return true;
    nj_api_problem(call, 400, "%s: '%s' is no whole number from %lld to %lld", name, text, (long long)min,
                   (long long)max);
    return false;
}

bool nj_api_param_bool(struct nj_api_call *call, const char *name, bool *ret_value)
{
    const char *text = nj_api_param(call, name);
    bool yes = nj_streq(text, "true");
    if (text != NULL && !yes && !nj_streq(text, "false")) {
        nj_api_problem(call, 400, "%s: '%s' is neither true nor false", name, text);
        return false;
    }
    if (text != NULL)
        *ret_value = yes;
    return true;
}

bool nj_api_param_time(struct nj_api_call *call, const char *name, int64_t *ret_ns)
{
    const char *text = nj_api_param(call, name);
    int64_t age_ns;
    if (text == NULL || nj_time_parse(text, (size_t)-1, ret_ns) == 0)
        return true;
    if (nj_parse_duration(text, &age_ns) == 0 && age_ns >= 0) {
        *ret_ns = nj_loop_wall_ns(call->api->options.loop) - age_ns;
        return true;
    }
    nj_api_problem(call, 400, "%s: '%s' is neither a time (2026-11-21T09:13:32Z) nor an age (2h, 7d)", name,
                   text);
    return false;
}
