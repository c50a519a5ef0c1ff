/*
 * What the notifier needs of the configuration, as one copy with the channels' secrets: read-only once made,
 * shared by the loop and the writer's worker, swapped as a whole at a reload. Freed with its last reference.
 * Any thread.
 */
#ifndef NJ_NOTIFY_SETTINGS_H
#define NJ_NOTIFY_SETTINGS_H

#include <stdatomic.h>

#include "collector/notify/channel.h"
#include "common/base/zone.h"

struct nj_pipeline;

/* A route's quiet hours. */
struct nj_quiet {
    struct nj_zone *zone;   /* NULL: none */
    int64_t from_ns, to_ns; /* since midnight */
    enum nj_severity below;
};

struct nj_notify_settings {
    atomic_int references;
    enum nj_language language;
    char *public_url;
    int64_t log_lines;
    int64_t probe_wait_ns;
    int64_t storm_after, storm_window_ns;
    bool demote;
    struct nj_zone *digest_zone; /* NULL: no daily digest */
    int64_t digest_at_ns;        /* since midnight */
    struct nj_config_strings digest_channels;
    struct nj_pipeline *pipeline; /* borrowed; NULL: no links, and no rule is flagged */
    struct nj_quiet *quiet;       /* of each route */
    struct nj_route_config *routes;
    size_t routes_count;
    struct nj_target *targets;
    size_t targets_count;
};

/* With one reference. 0, or a negative errno with a text that names channel and setting. */
int nj_notify_settings_new(const struct nj_collector_config *config, struct nj_notify_settings **ret_settings,
                           struct nj_err *err);
struct nj_notify_settings *nj_notify_settings_ref(struct nj_notify_settings *settings);
void nj_notify_settings_unref(struct nj_notify_settings *settings); /* takes NULL */

/* Until when an incident of this severity waits by the route's quiet hours; 0: it does not. */
int64_t nj_quiet_until(const struct nj_quiet *quiet, enum nj_severity severity, int64_t now_ns);

/* The channel of that name, or NULL. */
const struct nj_target *nj_notify_target(const struct nj_notify_settings *settings, const char *name);

#endif
