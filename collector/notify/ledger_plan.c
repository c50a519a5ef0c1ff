/* Who is to be told of a transition. See ledger.h. */
#include <errno.h>
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/route.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { ROWS_OF_INCIDENT_MAX = 1000 };

static int add(struct nj_store *store, const struct nj_incident *incident, enum nj_transition transition,
               const struct nj_recipient *recipient, const char *channel, int64_t now_ns, bool *ret_any,
               struct nj_err *err)
{
    const struct nj_notification row = {
        .incident_id = incident->id,
        .transition = nj_transition_name(transition),
        .occurrence = incident->revision,
        .channel = channel,
        .group = recipient->group,
        .mentions = recipient->mentions,
        .status = NJ_NOTIFICATION_PENDING,
        .created_ns = now_ns,
        .next_ns = NJ_LEDGER_AT_ONCE,
    };
    int64_t id = 0;
    int rc = store->ops->add_notification(store, &row, &id, err);
    if (rc == 0)
        *ret_any = true;
    return rc == -EEXIST ? 0 : rc;
}

/* Channels that were told of the beginning, or still will be. */
struct told {
    char **channels;
    size_t count;
};

static int note_told(void *data, const struct nj_notification *row)
{
    struct told *told = data;
    if (!nj_streq(row->transition, "opened") || row->status == NJ_NOTIFICATION_FAILED)
        return 0;
    told->channels = nj_realloc(told->channels, told->count + 1, sizeof(told->channels[0]));
    told->channels[told->count++] = nj_strdup(row->channel);
    return 0;
}

static bool was_told(const struct told *told, const char *channel)
{
    for (size_t i = 0; i < told->count; i++) {
        if (nj_streq(told->channels[i], channel))
            return true;
    }
    return false;
}

static void told_done(struct told *told)
{
    for (size_t i = 0; i < told->count; i++)
        free(told->channels[i]);
    free(told->channels);
}

/* The end goes where the beginning went: to the channel, and to whichever of its fail-overs stood in for it.
 */
static int add_ended(struct nj_store *store, const struct nj_notify_settings *settings,
                     const struct nj_incident *incident, const struct nj_recipient *recipient,
                     const struct told *told, int64_t now_ns, bool *ret_any, struct nj_err *err)
{
    int rc = 0;
    const struct nj_target *target = nj_notify_target(settings, recipient->channel);
    for (size_t steps = 0; target != NULL && steps < settings->targets_count && rc == 0; steps++) {
        if (was_told(told, target->config.name))
            rc = add(store, incident, NJ_TRANSITION_RESOLVED, recipient, target->config.name, now_ns, ret_any,
                     err);
        target = nj_notify_target(settings, target->config.failover);
    }
    return rc;
}

int nj_ledger_plan(struct nj_store *store, const struct nj_notify_settings *settings,
                   const struct nj_incident *incident, enum nj_transition transition, int64_t now_ns,
                   bool *ret_any, struct nj_err *err)
{
    bool ended = transition == NJ_TRANSITION_RESOLVED;
    bool any = false;
    if (transition == NJ_TRANSITION_NONE || (!ended && nj_str(incident->suppressed)[0] != '\0')) {
        *ret_any = false;
        return 0;
    }
    struct told told = {0};
    size_t count = 0;
    struct nj_recipient *recipients =
        nj_route(settings->routes, settings->routes_count, incident, ended, &count);
    int rc = 0;
    if (ended && count > 0)
        rc = store->ops->each_notification_of(store, incident->id, ROWS_OF_INCIDENT_MAX, note_told, &told,
                                              err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (ended)
            rc = add_ended(store, settings, incident, &recipients[i], &told, now_ns, &any, err);
        else
            rc = add(store, incident, transition, &recipients[i], recipients[i].channel, now_ns, &any, err);
    }
    told_done(&told);
    nj_recipients_free(recipients, count);
    if (rc == 0)
        *ret_any = any;
    return rc;
}
