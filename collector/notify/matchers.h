/*
 * Which incidents a silence is about: matchers as Alertmanager's, all of which must hold. A regular
 * expression (PCRE2, UTF) must match the whole value; one that gives up matches nothing, so that nobody is
 * kept in the dark by it. Immutable; one thread at a time.
 *
 * Labels: kind (also as alertname), severity, cluster, project, namespace, workload, service (of an incident
 * of a Service), pod, container, node, reason, group. One that an incident does not have is "". An outage's
 * workload is the Service and the workload behind it: to match, one of them must be it, or neither.
 */
#ifndef NJ_NOTIFY_MATCHERS_H
#define NJ_NOTIFY_MATCHERS_H

#include <stdbool.h>

#include "collector/incident/incident.h"
#include "common/base/err.h"

enum {
    NJ_MATCHERS_MAX = 20,
    NJ_MATCHER_VALUE_MAX = 512, /* bytes */
};

struct nj_matchers;

/* From JSON: [{"name": "namespace", "value": "shop-.*", "isRegex": true, "isEqual": true}]; isRegex is false
 * and isEqual true without a word. -EINVAL names what is wrong. Matchers that the empty value satisfies, all
 * of them, would silence everything and are refused. */
int nj_matchers_parse(const char *json, size_t len, struct nj_matchers **ret_matchers, struct nj_err *err);
void nj_matchers_free(struct nj_matchers *matchers); /* takes NULL */

/* The same JSON, each with all four fields. */
void nj_matchers_json(const struct nj_matchers *matchers, struct nj_buf *out);

bool nj_matchers_match(const struct nj_matchers *matchers, const struct nj_incident *incident);

/* Whether they are of services rather than of troubles, and so can say whose time is maintenance. -EINVAL
 * names the one that is not. */
int nj_matchers_check_services(const struct nj_matchers *matchers, struct nj_err *err);

#endif
