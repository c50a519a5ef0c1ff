/*
 * Who is told of an incident: the first route that matches, and those after it while each says `proceed`.
 * Pure; any thread.
 */
#ifndef NJ_NOTIFY_ROUTE_H
#define NJ_NOTIFY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/config.h"
#include "collector/incident/incident.h"

bool nj_route_matches(const struct nj_route_config *route, const struct nj_incident *incident);

/* One channel to be told, once, whatever number of routes name it. */
struct nj_recipient {
    const char *channel; /* borrowed from the first route that names it */
    size_t route;        /* index of that route */
    char *group;         /* alert groups, each once, joined with ", " */
    char *mentions;      /* users, each once, comma separated */
};

/* The channels in the routes' order. An incident that names a group of a route goes by the routes of that
 * group: those that match it, else all that want its severity. `ended` leaves out routes that do not want to
 * be told the end. NULL with *ret_count 0 when nobody is. To be freed with nj_recipients_free(). */
struct nj_recipient *nj_route(const struct nj_route_config *routes, size_t count,
                              const struct nj_incident *incident, bool ended, size_t *ret_count);
void nj_recipients_free(struct nj_recipient *recipients, size_t count);

#endif
