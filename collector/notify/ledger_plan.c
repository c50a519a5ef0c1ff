/* Who is to be told of a transition. See ledger.h. */
#include <errno.h>
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/pipeline.h"
#include "collector/notify/route.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { ROWS_OF_INCIDENT_MAX = 1000 };

/* Occurrence of a row that comes once for its incident, however often it worsens. */
enum { ONLY_ONCE = 0 };

struct plan {
    struct nj_store *store;
    const struct nj_notify_settings *settings;
    const struct nj_incident *incident;
    enum nj_transition transition;
    int64_t now_ns;
    struct nj_rows rows; /* of the incident so far, newest first; not read for an opening */
    bool any;
    struct nj_err *err;
};

/* What fails together is told together: checks wait a moment for what fails with them. */
static int64_t first_attempt(const struct plan *plan)
{
    bool waits = plan->transition != NJ_TRANSITION_RESOLVED &&
                 nj_incident_is_of_checks(plan->incident->kind) && plan->settings->probe_wait_ns > 0;
    return waits ? plan->now_ns + plan->settings->probe_wait_ns : NJ_LEDGER_AT_ONCE;
}

/* Until when a row for the channel waits by quiet hours or a silence; 0: it does not. An end waits where its
 * beginning does. */
static int64_t held_until(const struct plan *plan, const struct nj_recipient *recipient, const char *channel)
{
    for (size_t i = 0; i < plan->rows.count && plan->transition == NJ_TRANSITION_RESOLVED; i++) {
        const struct nj_notification *row = &plan->rows.items[i];
        if (row->status == NJ_NOTIFICATION_HELD && nj_streq(row->channel, channel))
            return row->until_ns;
    }
    int64_t quiet_ns =
        nj_quiet_until(&plan->settings->quiet[recipient->route], plan->incident->severity, plan->now_ns);
    int64_t silent_ns = plan->transition == NJ_TRANSITION_WORSENED
                            ? nj_silences_until(plan->settings->pipeline, plan->incident, plan->now_ns)
                            : 0;
    return quiet_ns > silent_ns ? quiet_ns : silent_ns;
}

static int add(struct plan *plan, const struct nj_recipient *recipient, const char *channel)
{
    int64_t until_ns = held_until(plan, recipient, channel);
    const struct nj_notification row = {
        .incident_id = plan->incident->id,
        .transition = nj_transition_name(plan->transition),
        .occurrence = plan->transition == NJ_TRANSITION_WORSENED ? ONLY_ONCE : plan->incident->revision,
        .channel = channel,
        .group = recipient->group,
        .mentions = recipient->mentions,
        .status = until_ns > 0 ? NJ_NOTIFICATION_HELD : NJ_NOTIFICATION_PENDING,
        .created_ns = plan->now_ns,
        .next_ns = first_attempt(plan),
        .until_ns = until_ns,
        .folds = until_ns > 0,
    };
    int64_t id = 0;
    int rc = plan->store->ops->add_notification(plan->store, &row, &id, plan->err);
    if (rc == 0)
        plan->any = true;
    return rc == -EEXIST ? 0 : rc;
}

static int note_row(void *data, const struct nj_notification *row)
{
    struct nj_rows *rows = data;
    if ((rows->count & (rows->count - 1)) == 0)
        rows->items = nj_realloc(rows->items, rows->count == 0 ? 1 : rows->count * 2, sizeof(rows->items[0]));
    nj_notification_copy(&rows->items[rows->count++], row);
    return 0;
}

static bool is_opening(const struct nj_notification *row)
{
    return nj_streq(row->transition, nj_transition_name(NJ_TRANSITION_OPENED));
}

/* The channel was told that there is trouble, or still will be. */
static bool was_told(const struct plan *plan, const char *channel)
{
    for (size_t i = 0; i < plan->rows.count; i++) {
        const struct nj_notification *row = &plan->rows.items[i];
        bool of_trouble = is_opening(row) ||
                          nj_streq(row->transition, nj_transition_name(NJ_TRANSITION_WORSENED)) ||
                          nj_streq(row->transition, NJ_ESCALATED);
        if (of_trouble && nj_streq(row->channel, channel) && row->status != NJ_NOTIFICATION_FAILED &&
            row->status != NJ_NOTIFICATION_WITHDRAWN)
            return true;
    }
    return false;
}

/* Its text is not written yet: it will say how things stand then. */
static bool is_unwritten(const struct nj_notification *row)
{
    return row->status == NJ_NOTIFICATION_PENDING && row->text[0] == '\0' && row->digest_id == 0 &&
           row->parts_done == 0;
}

static bool will_hear_it_anyway(const struct plan *plan, const struct nj_recipient *recipient)
{
    const char *channel = recipient->channel;
    int64_t until_ns = held_until(plan, recipient, channel);
    for (size_t i = 0; i < plan->rows.count; i++) {
        const struct nj_notification *row = &plan->rows.items[i];
        bool waits = row->status == NJ_NOTIFICATION_HELD && row->until_ns == until_ns;
        if (is_opening(row) && nj_streq(row->channel, channel) && (is_unwritten(row) || waits))
            return true;
    }
    return false;
}

/* What is over before the wait for what fails with it is nothing to tell. */
static int withdraw(struct plan *plan)
{
    int rc = 0;
    for (size_t i = 0; i < plan->rows.count && rc == 0; i++) {
        struct nj_notification *row = &plan->rows.items[i];
        int64_t ahead_ns = row->next_ns - plan->now_ns;
        if (!is_unwritten(row) || row->attempts > 0 || ahead_ns <= 0 ||
            ahead_ns > plan->settings->probe_wait_ns)
            continue;
        rc = nj_ledger_withdraw(plan->store, row, plan->now_ns, plan->err);
        row->status = NJ_NOTIFICATION_WITHDRAWN;
    }
    return rc;
}

/* The end goes where the beginning went: to the channel, and to whichever of its fail-overs stood in for it.
 */
static int add_ended(struct plan *plan, const struct nj_recipient *recipient)
{
    int rc = 0;
    const struct nj_target *target = nj_notify_target(plan->settings, recipient->channel);
    for (size_t steps = 0; target != NULL && steps < plan->settings->targets_count && rc == 0; steps++) {
        if (was_told(plan, target->config.name))
            rc = add(plan, recipient, target->config.name);
        target = nj_notify_target(plan->settings, target->config.failover);
    }
    return rc;
}

/* Whoever was told because nobody had acknowledged it hears the end too. */
static int end_escalated(struct plan *plan, const struct nj_recipient *recipients, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < plan->rows.count && rc == 0 && count > 0; i++) {
        const struct nj_notification *row = &plan->rows.items[i];
        if (nj_streq(row->transition, NJ_ESCALATED)) {
            const struct nj_recipient recipient = {.channel = row->channel,
                                                   .route = recipients[0].route,
                                                   .group = (char *)row->group,
                                                   .mentions = (char *)row->mentions};
            rc = add_ended(plan, &recipient);
        }
    }
    return rc;
}

static int put_reminder(struct plan *plan, const struct nj_recipient *recipient, const char *channel,
                        enum nj_reminder_kind kind, int64_t every_ns)
{
    const struct nj_reminder reminder = {.incident_id = plan->incident->id,
                                         .channel = channel,
                                         .kind = kind,
                                         .group = recipient->group,
                                         .mentions = recipient->mentions,
                                         .every_ns = every_ns,
                                         .at_ns = plan->now_ns + every_ns};
    return plan->store->ops->put_reminder(plan->store, &reminder, plan->err);
}

static bool is_recipient(const struct nj_recipient *recipients, size_t count, const char *channel)
{
    for (size_t i = 0; i < count; i++) {
        if (nj_streq(recipients[i].channel, channel))
            return true;
    }
    return false;
}

/* What is to be said later, when it is still open then. */
static int remind(struct plan *plan, const struct nj_recipient *recipients, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct nj_recipient *recipient = &recipients[i];
        const struct nj_route_config *route = &plan->settings->routes[recipient->route];
        const struct nj_target *target = nj_notify_target(plan->settings, recipient->channel);
        if (target != NULL && target->ops->forgets)
            rc = put_reminder(plan, recipient, recipient->channel, NJ_REMINDER_KEEP, NJ_LEDGER_KEEP_NS);
        else if (route->repeat_ns > 0)
            rc = put_reminder(plan, recipient, recipient->channel, NJ_REMINDER_REPEAT, route->repeat_ns);
        for (size_t c = 0; c < route->escalate.channels.count && rc == 0; c++) {
            const char *channel = route->escalate.channels.items[c];
            if (!is_recipient(recipients, count, channel))
                rc = put_reminder(plan, recipient, channel, NJ_REMINDER_ESCALATE, route->escalate.after_ns);
        }
    }
    return rc;
}

static int add_all(struct plan *plan, const struct nj_recipient *recipients, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (plan->transition == NJ_TRANSITION_RESOLVED)
            rc = add_ended(plan, &recipients[i]);
        else if (!will_hear_it_anyway(plan, &recipients[i]))
            rc = add(plan, &recipients[i], recipients[i].channel);
    }
    if (rc == 0 && plan->transition == NJ_TRANSITION_OPENED)
        rc = remind(plan, recipients, count);
    if (rc == 0 && plan->transition == NJ_TRANSITION_RESOLVED)
        rc = end_escalated(plan, recipients, count);
    return rc;
}

/* Only the daily digest tells of what has mostly been noise. */
static bool is_demoted(const struct nj_notify_settings *settings, const struct nj_incident *incident)
{
    return settings->demote && settings->pipeline != NULL && nj_rules_flagged(settings->pipeline, incident);
}

int nj_ledger_plan(struct nj_store *store, const struct nj_notify_settings *settings,
                   const struct nj_incident *incident, enum nj_transition transition, int64_t now_ns,
                   bool *ret_any, struct nj_err *err)
{
    bool ended = transition == NJ_TRANSITION_RESOLVED;
    if (transition == NJ_TRANSITION_NONE ||
        (!ended && (nj_str(incident->suppressed)[0] != '\0' || is_demoted(settings, incident)))) {
        *ret_any = false;
        return 0;
    }
    struct plan plan = {.store = store,
                        .settings = settings,
                        .incident = incident,
                        .transition = transition,
                        .now_ns = now_ns,
                        .err = err};
    size_t count = 0;
    struct nj_recipient *recipients =
        nj_route(settings->routes, settings->routes_count, incident, ended, &count);
    bool may_withdraw = ended && nj_incident_is_of_checks(incident->kind);
    int rc = 0;
    if (transition != NJ_TRANSITION_OPENED && (count > 0 || may_withdraw))
        rc = store->ops->each_notification_of(store, incident->id, ROWS_OF_INCIDENT_MAX, note_row, &plan.rows,
                                              err);
    if (rc == 0 && ended)
        rc = store->ops->delete_reminders(store, incident->id, "", true, err);
    if (rc == 0 && may_withdraw)
        rc = withdraw(&plan);
    if (rc == 0)
        rc = add_all(&plan, recipients, count);
    nj_rows_done(&plan.rows);
    nj_recipients_free(recipients, count);
    if (rc == 0)
        *ret_any = plan.any;
    return rc;
}
