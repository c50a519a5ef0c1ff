/* What time brings: repeats, escalations, the end of quiet hours, the daily digest. See ledger.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/pipeline.h"
#include "collector/notify/route.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { ROWS_OF_INCIDENT_MAX = 1000 };

struct upkeep {
    struct nj_store *store;
    const struct nj_notify_settings *settings;
    int64_t now_ns;
    struct nj_ledger_result *result;
    struct nj_err *err;
    struct nj_reminder *reminders; /* copies */
    size_t count;
};

static int take_reminder(void *data, const struct nj_reminder *reminder)
{
    struct upkeep *upkeep = data;
    struct nj_reminder *copy = &upkeep->reminders[upkeep->count++];
    *copy = *reminder;
    copy->channel = nj_strdup(reminder->channel);
    copy->group = nj_strdup(reminder->group);
    copy->mentions = nj_strdup(reminder->mentions);
    return 0;
}

static int forget(struct upkeep *upkeep, const struct nj_reminder *reminder)
{
    return upkeep->store->ops->delete_reminders(upkeep->store, reminder->incident_id, reminder->channel, true,
                                                upkeep->err);
}

static int put_off(struct upkeep *upkeep, const struct nj_reminder *reminder, int64_t at_ns, bool told)
{
    struct nj_reminder later = *reminder;
    later.at_ns = at_ns;
    later.told += told ? 1 : 0;
    return upkeep->store->ops->put_reminder(upkeep->store, &later, upkeep->err);
}

static int add_row(struct upkeep *upkeep, const struct nj_reminder *reminder, const char *transition)
{
    const struct nj_notification row = {.incident_id = reminder->incident_id,
                                        .transition = transition,
                                        .occurrence = reminder->told + 1,
                                        .channel = reminder->channel,
                                        .group = reminder->group,
                                        .mentions = reminder->mentions,
                                        .status = NJ_NOTIFICATION_PENDING,
                                        .created_ns = upkeep->now_ns,
                                        .next_ns = NJ_LEDGER_AT_ONCE};
    int64_t id = 0;
    int rc = upkeep->store->ops->add_notification(upkeep->store, &row, &id, upkeep->err);
    if (rc == 0)
        upkeep->result->elsewhere = true;
    return rc == -EEXIST ? 0 : rc;
}

/* Whether the routes still tell this channel of the incident, and until when they do not want to. */
static bool is_wanted(const struct upkeep *upkeep, const struct nj_incident *incident, const char *channel,
                      int64_t *ret_quiet_until_ns)
{
    const struct nj_notify_settings *settings = upkeep->settings;
    size_t count = 0;
    bool wanted = false;
    struct nj_recipient *recipients =
        nj_route(settings->routes, settings->routes_count, incident, false, &count);
    for (size_t i = 0; i < count && !wanted; i++) {
        wanted = nj_streq(recipients[i].channel, channel);
        if (wanted)
            *ret_quiet_until_ns =
                nj_quiet_until(&settings->quiet[recipients[i].route], incident->severity, upkeep->now_ns);
    }
    nj_recipients_free(recipients, count);
    return wanted;
}

/* A silence that came after the first message holds back what follows; it may be ended early. */
static bool is_silenced(const struct upkeep *upkeep, const struct nj_incident *incident, int64_t *ret_look_ns)
{
    int64_t until_ns = nj_silences_until(upkeep->settings->pipeline, incident, upkeep->now_ns);
    int64_t soon_ns = upkeep->now_ns + NJ_LEDGER_SILENCE_LOOK_NS;
    *ret_look_ns = until_ns < soon_ns ? until_ns : soon_ns;
    return until_ns > 0;
}

static int repeat(struct upkeep *upkeep, const struct nj_reminder *reminder,
                  const struct nj_incident *incident)
{
    int64_t quiet_until_ns = 0;
    if (!is_wanted(upkeep, incident, reminder->channel, &quiet_until_ns))
        return forget(upkeep, reminder);
    if (quiet_until_ns > 0)
        return put_off(upkeep, reminder, quiet_until_ns, false);
    int64_t look_ns = 0;
    if (is_silenced(upkeep, incident, &look_ns))
        return put_off(upkeep, reminder, look_ns, false);
    int rc = add_row(upkeep, reminder, NJ_REPEATED);
    return rc < 0 ? rc : put_off(upkeep, reminder, upkeep->now_ns + reminder->every_ns, true);
}

static int escalate(struct upkeep *upkeep, const struct nj_reminder *reminder,
                    const struct nj_incident *incident)
{
    int64_t look_ns = 0;
    if (is_silenced(upkeep, incident, &look_ns))
        return put_off(upkeep, reminder, look_ns, false);
    int rc = forget(upkeep, reminder);
    if (rc < 0 || nj_notify_target(upkeep->settings, reminder->channel) == NULL)
        return rc;
    return add_row(upkeep, reminder, NJ_ESCALATED);
}

/* ---- digests that are made here */

/* Incidents with what makes alerts of them. */
struct gathered {
    struct nj_incident *incidents;
    struct nj_alert *alerts;
    size_t count, capacity;
    int64_t before_ns; /* of a day: its end */
};

static void gathered_init(struct gathered *gathered, size_t capacity)
{
    gathered->incidents = nj_calloc(capacity, sizeof(*gathered->incidents));
    gathered->alerts = nj_calloc(capacity, sizeof(*gathered->alerts));
    gathered->count = 0;
    gathered->capacity = capacity;
    gathered->before_ns = INT64_MAX;
}

static void gathered_done(struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->count; i++)
        nj_incident_done(&gathered->incidents[i]);
    free(gathered->incidents);
    free(gathered->alerts);
}

static void gather(struct gathered *gathered, const struct nj_incident *incident, const char *group)
{
    struct nj_incident *copy = &gathered->incidents[gathered->count];
    nj_incident_copy(copy, incident);
    gathered->alerts[gathered->count++] = (struct nj_alert){
        .incident = copy,
        .transition = incident->state == NJ_INCIDENT_OPEN ? NJ_TRANSITION_OPENED : NJ_TRANSITION_RESOLVED,
        .group = group};
}

static int add_digest(struct upkeep *upkeep, const char *channel, const struct gathered *gathered,
                      uint64_t occurrence)
{
    const struct nj_target *target = nj_notify_target(upkeep->settings, channel);
    struct nj_buf text = {0};
    int64_t id = 0;
    if (target == NULL || gathered->count == 0)
        return 0;
    const struct nj_terms terms = {.language = upkeep->settings->language,
                                   .public_url = upkeep->settings->public_url,
                                   .now_ns = upkeep->now_ns};
    target->ops->render_digest(target, &terms, "", gathered->alerts, gathered->count, &text);
    const struct nj_notification row = {.transition = NJ_DIGEST,
                                        .occurrence = occurrence,
                                        .channel = channel,
                                        .status = NJ_NOTIFICATION_PENDING,
                                        .created_ns = upkeep->now_ns,
                                        .next_ns = NJ_LEDGER_AT_ONCE,
                                        .text = nj_buf_str(&text)};
    int rc = upkeep->store->ops->add_notification(upkeep->store, &row, &id, upkeep->err);
    nj_buf_done(&text);
    if (rc == 0)
        upkeep->result->elsewhere = true;
    return rc == -EEXIST ? 0 : rc;
}

/* ---- what a channel must be told again for its own sake */

/* What was not sent in its minute, and says of what is open that it ends soon: the next one says it better.
 */
static bool is_outdated(const struct upkeep *upkeep, const struct nj_notification *row)
{
    return nj_ledger_is_kept(row) &&
           (row->created_ns > upkeep->now_ns || upkeep->now_ns - row->created_ns > NJ_LEDGER_KEEP_NS / 2);
}

struct outdated {
    const struct upkeep *upkeep;
    struct nj_rows rows;
};

static int note_outdated(void *data, const struct nj_notification *row)
{
    struct outdated *outdated = data;
    struct nj_rows *rows = &outdated->rows;
    if (!is_outdated(outdated->upkeep, row))
        return 0;
    rows->items = nj_realloc(rows->items, rows->count + 1, sizeof(rows->items[0]));
    nj_notification_copy(&rows->items[rows->count++], row);
    return 0;
}

static int keep_channel(struct upkeep *upkeep, const char *channel, struct gathered *kept)
{
    struct nj_store *store = upkeep->store;
    struct outdated outdated = {.upkeep = upkeep};
    if (kept->count == 0)
        return 0;
    int rc = store->ops->each_notification(store, channel, NJ_NOTIFICATION_PENDING, INT64_MAX,
                                           NJ_LEDGER_ROWS_MAX, note_outdated, &outdated, upkeep->err);
    rc = rc < 0 ? rc : 0;
    for (size_t i = 0; i < outdated.rows.count && rc == 0; i++)
        rc = nj_ledger_withdraw(store, &outdated.rows.items[i], upkeep->now_ns, upkeep->err);
    nj_rows_done(&outdated.rows);
    return rc < 0 ? rc
                  : add_digest(upkeep, channel, kept,
                               nj_ledger_kept_occurrence(upkeep->now_ns, kept->incidents[0].id));
}

static int note_held(void *data, const struct nj_notification *row)
{
    const char **channel = data;
    if (row->status != NJ_NOTIFICATION_HELD || *channel == NULL || !nj_streq(row->channel, *channel))
        return 0;
    *channel = NULL;
    return 1;
}

/* What waits for the end of quiet hours is not told before by the way. */
static int keep(struct upkeep *upkeep, const struct nj_reminder *reminder, const struct nj_incident *incident,
                struct gathered *kept)
{
    int64_t quiet_until_ns = 0;
    const char *channel = reminder->channel;
    int rc = 0;
    if (is_wanted(upkeep, incident, reminder->channel, &quiet_until_ns) && quiet_until_ns > 0)
        rc = upkeep->store->ops->each_notification_of(upkeep->store, incident->id, ROWS_OF_INCIDENT_MAX,
                                                      note_held, &channel, upkeep->err);
    if (rc >= 0 && channel != NULL)
        gather(kept, incident, reminder->group);
    return rc < 0 ? rc : put_off(upkeep, reminder, upkeep->now_ns + reminder->every_ns, true);
}

static int remind(struct upkeep *upkeep, const struct nj_reminder *reminder, struct gathered *kept)
{
    struct nj_incident incident = {0};
    int rc = upkeep->store->ops->get_incident(upkeep->store, reminder->incident_id, nj_claim_copy_incident,
                                              &incident, upkeep->err);
    if (rc == -ENOENT)
        return forget(upkeep, reminder);
    if (rc < 0)
        return rc;
    if (incident.state != NJ_INCIDENT_OPEN)
        rc = forget(upkeep, reminder);
    else if (reminder->kind == NJ_REMINDER_REPEAT)
        rc = repeat(upkeep, reminder, &incident);
    else if (reminder->kind == NJ_REMINDER_ESCALATE)
        rc = escalate(upkeep, reminder, &incident);
    else
        rc = keep(upkeep, reminder, &incident, kept);
    nj_incident_done(&incident);
    return rc;
}

/* Of a channel all that is due, then those of the next. */
static int compare_reminders(const void *a, const void *b)
{
    const struct nj_reminder *one = a, *other = b;
    int rc = strcmp(one->channel, other->channel);
    if (rc == 0 && one->incident_id != other->incident_id)
        rc = one->incident_id < other->incident_id ? -1 : 1;
    return rc;
}

static int remind_all(struct upkeep *upkeep)
{
    int rc = 0;
    qsort(upkeep->reminders, upkeep->count, sizeof(*upkeep->reminders), compare_reminders);
    for (size_t i = 0; i < upkeep->count && rc == 0;) {
        const char *channel = upkeep->reminders[i].channel;
        struct gathered kept;
        gathered_init(&kept, upkeep->count);
        for (; i < upkeep->count && nj_streq(upkeep->reminders[i].channel, channel) && rc == 0; i++)
            rc = remind(upkeep, &upkeep->reminders[i], &kept);
        if (rc == 0)
            rc = keep_channel(upkeep, channel, &kept);
        gathered_done(&kept);
    }
    return rc;
}

/* ---- the daily digest */

/* What began later is the next day's, also when the digest is late. */
static int take_of_day(void *data, const struct nj_incident *incident)
{
    struct gathered *gathered = data;
    if (incident->first_ns >= gathered->before_ns)
        return 0;
    gather(gathered, incident, "");
    return gathered->count == gathered->capacity ? 1 : 0;
}

static int tell_day(struct upkeep *upkeep, int64_t for_ns)
{
    const struct nj_incident_filter filter = {.since_ns = for_ns - NJ_DAY, .limit = NJ_LEDGER_DAILY_MAX};
    struct gathered day;
    gathered_init(&day, NJ_LEDGER_DAILY_MAX);
    day.before_ns = for_ns;
    int rc = upkeep->store->ops->each_incident(upkeep->store, &filter, take_of_day, &day, upkeep->err);
    rc = rc < 0 ? rc : 0;
    const struct nj_config_strings *channels = &upkeep->settings->digest_channels;
    for (size_t i = 0; i < channels->count && rc == 0; i++)
        rc = add_digest(upkeep, channels->items[i], &day, (uint64_t)for_ns);
    gathered_done(&day);
    return rc;
}

static int daily(struct upkeep *upkeep)
{
    const struct nj_notify_settings *settings = upkeep->settings;
    struct nj_ledger_result *result = upkeep->result;
    if (settings->digest_zone == NULL)
        return 0;
    int64_t next_ns = nj_zone_next(settings->digest_zone, settings->digest_at_ns, upkeep->now_ns);
    int64_t last_ns =
        nj_zone_next(settings->digest_zone, settings->digest_at_ns, upkeep->now_ns - NJ_LEDGER_DAILY_LATE_NS);
    if (next_ns < result->wake_ns)
        result->wake_ns = next_ns;
    /* Told already in this run: it need not be put together to learn that. */
    if (last_ns > upkeep->now_ns || last_ns == result->daily_ns)
        return 0;
    result->daily_ns = last_ns;
    return tell_day(upkeep, last_ns);
}

int nj_ledger_upkeep(struct nj_store *store, const struct nj_notify_settings *settings, int64_t now_ns,
                     bool clock_back, struct nj_ledger_result *result, struct nj_err *err)
{
    struct upkeep upkeep = {.store = store,
                            .settings = settings,
                            .now_ns = now_ns,
                            .result = result,
                            .err = err,
                            .reminders = nj_calloc(NJ_LEDGER_REMINDERS_MAX, sizeof(struct nj_reminder))};
    int64_t released = 0;
    result->wake_ns = INT64_MAX;
    int rc = store->ops->release_held(store, now_ns, clock_back, &released, err);
    if (rc == 0)
        rc = store->ops->each_reminder(store, now_ns, NJ_LEDGER_REMINDERS_MAX, take_reminder, &upkeep, err);
    result->elsewhere = result->elsewhere || released > 0;
    result->released = released > 0;
    result->more = result->more || upkeep.count == NJ_LEDGER_REMINDERS_MAX;
    if (rc == 0)
        rc = remind_all(&upkeep);
    if (rc == 0)
        rc = store->ops->next_due(store, &result->wake_ns, err);
    if (rc == 0)
        rc = daily(&upkeep);
    for (size_t i = 0; i < upkeep.count; i++) {
        free((void *)upkeep.reminders[i].channel);
        free((void *)upkeep.reminders[i].group);
        free((void *)upkeep.reminders[i].mentions);
    }
    free(upkeep.reminders);
    return rc;
}
