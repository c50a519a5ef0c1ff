#include "collector/notify/route.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

/* An empty pattern matches everything. */
static bool fits(const char *pattern, const char *text)
{
    return nj_str(pattern)[0] == '\0' || nj_glob_match(pattern, nj_str(text));
}

static bool is_severe_enough(const struct nj_route_config *route, const struct nj_incident *incident)
{
    enum nj_severity least = NJ_SEVERITY_INFO;
    if (nj_str(route->severity)[0] != '\0' && nj_severity_parse(route->severity, &least) < 0)
        return false;
    return incident->severity >= least;
}

bool nj_route_matches(const struct nj_route_config *route, const struct nj_incident *incident)
{
    return is_severe_enough(route, incident) && fits(route->cluster, incident->cluster) &&
           fits(route->project, incident->project) && fits(route->namespace, incident->namespace) &&
           fits(route->workload, incident->workload) &&
           fits(route->kind, nj_incident_kind_name(incident->kind));
}

/* Is `item` one of the items of `list`? */
static bool listed(const char *list, const char *separator, const char *item)
{
    size_t len = strlen(item);
    for (const char *at = nj_str(list); *at != '\0';) {
        const char *end = strstr(at, separator);
        size_t other = end == NULL ? strlen(at) : (size_t)(end - at);
        if (other == len && memcmp(at, item, len) == 0)
            return true;
        at += other + (end == NULL ? 0 : strlen(separator));
    }
    return false;
}

static void add(char **list, const char *separator, const char *item)
{
    if (nj_str(item)[0] == '\0' || listed(*list, separator, item))
        return;
    bool first = nj_str(*list)[0] == '\0';
    char *longer = nj_asprintf("%s%s%s", nj_str(*list), first ? "" : separator, item);
    free(*list);
    *list = longer;
}

static struct nj_recipient *find_or_append(struct nj_recipient **recipients, size_t *count,
                                           const char *channel, size_t route)
{
    for (size_t i = 0; i < *count; i++) {
        if (nj_streq((*recipients)[i].channel, channel))
            return &(*recipients)[i];
    }
    *recipients = nj_realloc(*recipients, *count + 1, sizeof(**recipients));
    struct nj_recipient *recipient = &(*recipients)[(*count)++];
    *recipient = (struct nj_recipient){
        .channel = channel, .route = route, .group = nj_strdup(""), .mentions = nj_strdup("")};
    return recipient;
}

/* A group that the incident itself asks for goes before the rules: its routes that match, else, when none
 * does, all of them for which it is severe enough. */
enum choice { BY_RULES, BY_GROUP_AND_RULES, BY_GROUP };

static bool is_chosen(enum choice choice, const struct nj_route_config *route,
                      const struct nj_incident *incident)
{
    if (choice != BY_RULES && !nj_streq(nj_str(route->group), incident->group))
        return false;
    return choice == BY_GROUP ? is_severe_enough(route, incident) : nj_route_matches(route, incident);
}

static enum choice choose(const struct nj_route_config *routes, size_t count,
                          const struct nj_incident *incident)
{
    enum choice choice = BY_RULES;
    for (size_t r = 0; r < count && nj_str(incident->group)[0] != '\0'; r++) {
        if (is_chosen(BY_GROUP_AND_RULES, &routes[r], incident))
            return BY_GROUP_AND_RULES;
        if (nj_streq(nj_str(routes[r].group), incident->group))
            choice = BY_GROUP;
    }
    return choice;
}

struct nj_recipient *nj_route(const struct nj_route_config *routes, size_t count,
                              const struct nj_incident *incident, bool ended, size_t *ret_count)
{
    struct nj_recipient *recipients = NULL;
    size_t told = 0;
    enum choice choice = choose(routes, count, incident);
    for (size_t r = 0; r < count; r++) {
        const struct nj_route_config *route = &routes[r];
        if (!is_chosen(choice, route, incident))
            continue;
        for (size_t c = 0; c < route->channels.count && (route->resolved || !ended); c++) {
            struct nj_recipient *recipient = find_or_append(&recipients, &told, route->channels.items[c], r);
            add(&recipient->group, ", ", route->group);
            for (size_t m = 0; m < route->mentions.count; m++)
                add(&recipient->mentions, ",", route->mentions.items[m]);
        }
        if (!route->proceed)
            break;
    }
    *ret_count = told;
    return recipients;
}

void nj_recipients_free(struct nj_recipient *recipients, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(recipients[i].group);
        free(recipients[i].mentions);
    }
    free(recipients);
}
