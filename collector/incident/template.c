#include "collector/incident/template.h"

#include <stdio.h>
#include <string.h>

#include "common/base/str.h"

static bool is_deployment(const char *workload_kind)
{
    return nj_streq(workload_kind, "Deployment");
}

/* Does it go on with one more part of a name: "-x2x7k"? */
static bool is_one_part(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && strchr(text + 1, '-') == NULL;
}

bool nj_pod_is_of_template(const char *workload_kind, const char *workload, const char *template_hash,
                           const char *pod)
{
    size_t len = strlen(nj_str(workload)), hash_len = strlen(nj_str(template_hash));
    const char *rest = nj_str(pod);
    if (len == 0 || strncmp(rest, workload, len) != 0)
        return false;
    rest += len;
    if (!is_deployment(workload_kind))
        return is_one_part(rest);
    if (rest[0] != '-')
        return false;
    rest++;
    if (hash_len == 0)
        return is_one_part(rest + strcspn(rest, "-"));
    return strncmp(rest, template_hash, hash_len) == 0 && is_one_part(rest + hash_len);
}

static size_t guess(struct nj_template_guess *ret_guess, const char *workload_kind, const char *pod,
                    size_t len)
{
    if (len == 0 || len >= sizeof(ret_guess->workload))
        return 0;
    ret_guess->workload_kind = workload_kind;
    (void)snprintf(ret_guess->workload, sizeof(ret_guess->workload), "%.*s", (int)len, pod);
    return 1;
}

size_t nj_pod_guess_workloads(const char *pod, struct nj_template_guess ret_guesses[NJ_TEMPLATE_GUESSES])
{
    const char *last = strrchr(pod, '-');
    size_t count = 0;
    if (last == NULL || last == pod || last[1] == '\0')
        return 0;
    size_t len = (size_t)(last - pod), deployment = len;
    while (deployment > 0 && pod[deployment - 1] != '-')
        deployment--;
    if (deployment > 0)
        count += guess(&ret_guesses[count], "Deployment", pod, deployment - 1);
    bool is_ordinal = strspn(last + 1, "0123456789") == strlen(last + 1);
    count += guess(&ret_guesses[count], is_ordinal ? "StatefulSet" : "DaemonSet", pod, len);
    return count;
}
