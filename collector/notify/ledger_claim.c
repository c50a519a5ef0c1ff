/* What is sent next. See ledger.h. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/wecom.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { MENTIONS_BYTES_MAX = 4096, NAME_BYTES_MAX = 200, ROWS_OF_INCIDENT_MAX = 1000 };

/* A row that waits, as far as choosing needs it. */
struct slip {
    int64_t id, incident_id, created_ns, next_ns, done_ns, digest_id;
    bool is_digest;
    bool is_file;   /* the alert was told, its log file is to follow */
    bool is_member; /* of the digest that is being made */
};

struct slips {
    struct slip *items;
    size_t count;
};

static int take_slip(void *data, const struct nj_notification *row)
{
    struct slips *slips = data;
    bool is_digest = nj_notification_is_digest(row);
    slips->items[slips->count++] =
        (struct slip){.id = row->id,
                      .incident_id = row->incident_id,
                      .created_ns = row->created_ns,
                      .next_ns = row->next_ns,
                      .done_ns = row->done_ns,
                      .digest_id = row->digest_id,
                      .is_digest = is_digest,
                      .is_file = !is_digest && (row->parts_done & NJ_PART_TEXT) != 0};
    return 0;
}

/* What a claim works with. */
struct work {
    struct nj_store *store;
    const struct nj_ledger_terms *terms;
    const struct nj_claim_terms *claim;
    struct nj_ledger_result *result;
    struct nj_err *err;
    struct slips slips;
};

static int read_slips(struct work *work)
{
    work->slips.items = nj_calloc(NJ_LEDGER_ROWS_MAX, sizeof(struct slip));
    return work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                               NJ_NOTIFICATION_PENDING, INT64_MAX, NJ_LEDGER_ROWS_MAX,
                                               take_slip, &work->slips, work->err);
}

/* One whole row, by its id. */
struct wanted {
    int64_t id;
    struct nj_notification row;
    bool found;
};

static int take_wanted(void *data, const struct nj_notification *row)
{
    struct wanted *wanted = data;
    if (row->id != wanted->id)
        return 0;
    nj_notification_copy(&wanted->row, row);
    wanted->found = true;
    return 1;
}

static int read_row(struct work *work, int64_t id, struct nj_notification *ret_row)
{
    struct wanted wanted = {.id = id};
    int rc = work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                                 NJ_NOTIFICATION_PENDING, INT64_MAX, NJ_LEDGER_ROWS_MAX,
                                                 take_wanted, &wanted, work->err);
    if (rc < 0)
        return rc;
    assert(wanted.found); /* nothing else changes rows within this transaction */
    *ret_row = wanted.row;
    return 0;
}

static bool is_waiting_text(const struct slip *slip)
{
    return !slip->is_file && slip->digest_id == 0;
}

/* Must an older row of the same incident be told first? The members of the digest that is being made are told
 * in it. */
static bool is_blocked(const struct slips *slips, size_t at)
{
    const struct slip *slip = &slips->items[at];
    for (size_t i = 0; i < at; i++) {
        const struct slip *older = &slips->items[i];
        if (older->incident_id == slip->incident_id && !older->is_file && !older->is_digest &&
            !older->is_member)
            return true;
    }
    return false;
}

static bool is_due(const struct work *work, size_t at)
{
    const struct slip *slip = &work->slips.items[at];
    return is_waiting_text(slip) && slip->next_ns <= work->terms->now_ns && !is_blocked(&work->slips, at);
}

static int load_incident(void *data, const struct nj_incident *incident)
{
    nj_incident_copy(data, incident);
    return 0;
}

struct rendering {
    const struct work *work;
    struct nj_alert alert;
    struct nj_terms terms;
    struct nj_buf text;
};

static struct nj_terms terms_of(const struct work *work, size_t max_bytes)
{
    const struct nj_notify_settings *settings = work->terms->settings;
    return (struct nj_terms){.language = settings->language,
                             .public_url = settings->public_url,
                             .log_lines = settings->log_lines,
                             .max_bytes = max_bytes};
}

static int render_with_crash(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    (void)rowid;
    struct rendering *rendering = data;
    const struct nj_target *target = rendering->work->terms->target;
    rendering->alert.crash = crash;
    target->ops->render(target, &rendering->terms, &rendering->alert, &rendering->text);
    return 0;
}

static enum nj_transition transition_of(const struct nj_notification *row)
{
    return nj_streq(row->transition, "resolved") ? NJ_TRANSITION_RESOLVED : NJ_TRANSITION_OPENED;
}

/* Renders the row's text. -ENOENT when the incident is no more. */
static int render_row(struct work *work, struct nj_notification *row)
{
    struct nj_incident incident = {0};
    int rc =
        work->store->ops->get_incident(work->store, row->incident_id, load_incident, &incident, work->err);
    if (rc < 0)
        return rc;
    size_t max_bytes = row->id == work->claim->short_row ? work->claim->max_bytes : 0;
    struct rendering rendering = {.work = work,
                                  .alert = {.incident = &incident,
                                            .transition = transition_of(row),
                                            .group = row->group,
                                            .mentions = row->mentions},
                                  .terms = terms_of(work, max_bytes)};
    rc = -ENOENT;
    if (incident.crash_id[0] != '\0')
        rc = work->store->ops->get_crash(work->store, incident.crash_id, true, render_with_crash, &rendering,
                                         NULL);
    if (rc == -ENOENT)
        rc = render_with_crash(&rendering, 0, NULL);
    nj_incident_done(&incident);
    if (rc == 0) {
        free((void *)row->text);
        row->text = nj_buf_take(&rendering.text);
    } else {
        (void)nj_err_set(work->err, rc, "read crash of incident %" PRId64, row->incident_id);
    }
    nj_buf_done(&rendering.text);
    return rc;
}

/* Names the occurrence, not the database's row alone: numbers begin anew when the database is lost. */
static char *make_key(const struct nj_notification *row, size_t part, bool is_file)
{
    return nj_asprintf("%" PRId64 "-%s-%" PRIu64 "-%" PRId64 "-%zu%s", row->incident_id, row->transition,
                       row->occurrence, row->created_ns, part, is_file ? "-file" : "");
}

/* Marks the row as being sent and hands it over; takes it. */
static int hand_over(struct work *work, struct nj_claim *claim)
{
    const struct nj_ledger_terms *terms = work->terms;
    struct nj_notification *row = &claim->row;
    row->status = NJ_NOTIFICATION_SENDING;
    row->next_ns = terms->now_ns;
    int rc = work->store->ops->put_notification(work->store, row, work->err);
    if (rc == 0)
        rc = work->store->ops->add_sent(work->store, row->channel, terms->now_ns, work->err);
    if (rc < 0) {
        nj_claim_free(claim);
        return rc;
    }
    claim->key = make_key(row, claim->part, claim->is_file);
    claim->delivery.key = claim->key;
    claim->delivery.mentions = row->mentions;
    if (claim->is_file) {
        claim->delivery.file = claim->file;
        claim->delivery.file_name = claim->file_name;
    } else {
        claim->delivery.text = nj_render_part(row->text, claim->part, &claim->delivery.text_len);
    }
    work->result->claim = claim;
    return 0;
}

/* The first part of a digest that is still to be sent. */
static size_t next_part(const struct nj_notification *digest)
{
    size_t part = 0;
    while (part < NJ_LEDGER_DIGEST_PARTS && (digest->parts_done & (1 << part)) != 0)
        part++;
    return part;
}

/* Of an incident's rows, how its opening fared on one channel. */
struct opening {
    const char *channel;
    bool failed;
};

static int find_opening(void *data, const struct nj_notification *row)
{
    struct opening *opening = data;
    if (!nj_streq(row->transition, "opened") || !nj_streq(row->channel, opening->channel))
        return 0;
    opening->failed = row->status == NJ_NOTIFICATION_FAILED;
    return 1;
}

/* An end whose beginning could not be told here goes where that went. 1 when it has gone. */
static int follow_opening(struct work *work, const struct nj_notification *row)
{
    if (transition_of(row) != NJ_TRANSITION_RESOLVED)
        return 0;
    struct opening opening = {.channel = row->channel};
    int rc = work->store->ops->each_notification_of(work->store, row->incident_id, ROWS_OF_INCIDENT_MAX,
                                                    find_opening, &opening, work->err);
    if (rc < 0 || !opening.failed)
        return rc < 0 ? rc : 0;
    rc = nj_ledger_end(work->store, row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                       "its opening could not be told here", work->result, work->err);
    if (rc == 0)
        rc = nj_ledger_fail_over(work->store, work->terms, row, work->result, work->err);
    return rc < 0 ? rc : 1;
}

static int claim_text(struct work *work, const struct slip *slip)
{
    struct nj_claim *claim = NJ_NEW(struct nj_claim);
    int rc = read_row(work, slip->id, &claim->row);
    if (rc == 0 && !slip->is_digest)
        rc = follow_opening(work, &claim->row);
    if (rc == 0 && claim->row.text[0] == '\0')
        rc = render_row(work, &claim->row);
    if (rc == 0) {
        claim->is_digest = slip->is_digest;
        claim->part = slip->is_digest ? next_part(&claim->row) : 0;
        return hand_over(work, claim);
    }
    if (rc == -ENOENT)
        rc = nj_ledger_end(work->store, &claim->row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                           "the incident was deleted for its age", work->result, work->err);
    nj_claim_free(claim);
    work->result->more = rc >= 0;
    return rc < 0 ? rc : 0;
}

/* A digest in the making. */
struct gathering {
    struct work *work;
    struct nj_notification *rows; /* members, copies */
    struct nj_incident *incidents;
    struct nj_alert *alerts;
    size_t count, next_slip;
};

static int gather_row(void *data, const struct nj_notification *row)
{
    struct gathering *gathering = data;
    const struct slips *slips = &gathering->work->slips;
    while (gathering->next_slip < slips->count && slips->items[gathering->next_slip].id < row->id)
        gathering->next_slip++;
    if (gathering->next_slip < slips->count && slips->items[gathering->next_slip].id == row->id &&
        slips->items[gathering->next_slip].is_member)
        nj_notification_copy(&gathering->rows[gathering->count++], row);
    return 0;
}

static void gathering_done(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++) {
        nj_notification_done(&gathering->rows[i]);
        nj_incident_done(&gathering->incidents[i]);
    }
    free(gathering->rows);
    free(gathering->incidents);
    free(gathering->alerts);
}

/* Reads the members with their incidents. One whose incident is no more ends here. */
static int gather(struct gathering *gathering)
{
    struct work *work = gathering->work;
    int rc = work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                                 NJ_NOTIFICATION_PENDING, INT64_MAX, NJ_LEDGER_ROWS_MAX,
                                                 gather_row, gathering, work->err);
    size_t kept = 0;
    for (size_t i = 0; i < gathering->count && rc == 0; i++) {
        struct nj_notification *row = &gathering->rows[i];
        rc = work->store->ops->get_incident(work->store, row->incident_id, load_incident,
                                            &gathering->incidents[kept], work->err);
        if (rc == -ENOENT) {
            rc = nj_ledger_end(work->store, row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                               "the incident was deleted for its age", work->result, work->err);
            nj_notification_done(row);
            continue;
        }
        if (rc < 0) {
            /* What is behind is still owned by `rows`. */
            for (size_t rest = i; rest < gathering->count; rest++)
                nj_notification_done(&gathering->rows[rest]);
            break;
        }
        struct nj_notification moved = *row;
        gathering->rows[kept] = moved;
        gathering->alerts[kept] = (struct nj_alert){.incident = &gathering->incidents[kept],
                                                    .transition = transition_of(&moved),
                                                    .group = moved.group,
                                                    .mentions = moved.mentions};
        kept++;
    }
    gathering->count = kept;
    return rc;
}

static void add_mentioned(void *data, const char *user, size_t len)
{
    struct nj_buf *list = data;
    if (list->len + len + 1 <= MENTIONS_BYTES_MAX)
        nj_buf_printf(list, "%s%.*s", list->len == 0 ? "" : ",", (int)len, user);
}

/* Everybody whom an alert in it mentions, for channels that mention beside the text. */
static char *digest_mentions(const struct gathering *gathering)
{
    struct nj_buf list = {0};
    for (size_t i = 0; i < gathering->count; i++) {
        bool same_as_before = i > 0 && nj_streq(gathering->rows[i].mentions, gathering->rows[i - 1].mentions);
        if (gathering->alerts[i].transition == NJ_TRANSITION_OPENED && !same_as_before)
            nj_mentions_each(gathering->rows[i].mentions, add_mentioned, &list);
    }
    return nj_buf_take(&list);
}

static int store_digest(struct gathering *gathering, struct nj_claim *claim)
{
    struct work *work = gathering->work;
    const struct nj_target *target = work->terms->target;
    char *mentions = digest_mentions(gathering);
    const struct nj_terms terms = terms_of(work, 0);
    struct nj_buf text = {0};
    target->ops->render_digest(target, &terms, mentions, gathering->alerts, gathering->count, &text);
    const struct nj_notification digest = {.transition = NJ_DIGEST,
                                           .occurrence = (uint64_t)gathering->rows[0].id,
                                           .channel = target->config.name,
                                           .mentions = mentions,
                                           .status = NJ_NOTIFICATION_PENDING,
                                           .created_ns = gathering->rows[0].created_ns,
                                           .next_ns = work->terms->now_ns,
                                           .text = nj_buf_str(&text)};
    nj_notification_copy(&claim->row, &digest);
    int rc = work->store->ops->add_notification(work->store, &digest, &claim->row.id, work->err);
    for (size_t i = 0; i < gathering->count && rc == 0; i++) {
        struct nj_notification member = gathering->rows[i];
        member.digest_id = claim->row.id;
        member.text = "";
        rc = work->store->ops->put_notification(work->store, &member, work->err);
    }
    nj_buf_done(&text);
    free(mentions);
    return rc;
}

static int claim_digest(struct work *work, size_t members)
{
    struct gathering gathering = {.work = work,
                                  .rows = nj_calloc(members, sizeof(struct nj_notification)),
                                  .incidents = nj_calloc(members, sizeof(struct nj_incident)),
                                  .alerts = nj_calloc(members, sizeof(struct nj_alert))};
    int rc = gather(&gathering);
    if (rc == 0 && gathering.count > 0) {
        struct nj_claim *claim = NJ_NEW(struct nj_claim);
        claim->is_digest = true;
        rc = store_digest(&gathering, claim);
        if (rc == 0)
            rc = hand_over(work, claim);
        else
            nj_claim_free(claim);
    } else if (rc == 0) {
        work->result->more = true;
    }
    gathering_done(&gathering);
    return rc;
}

/* Marks what would go into a digest now; returns how many. One digest at a time. */
static size_t mark_members(struct work *work)
{
    size_t members = 0;
    for (size_t i = 0; i < work->slips.count; i++) {
        if (work->slips.items[i].is_digest)
            return 0;
    }
    for (size_t i = 0; i < work->slips.count && members < NJ_LEDGER_DIGEST_MAX; i++) {
        if (is_due(work, i)) {
            work->slips.items[i].is_member = true;
            members++;
        }
    }
    return members;
}

/* How long an alert may be given up on has to wait. */
static int64_t gives_up_at(const struct slip *slip)
{
    return slip->created_ns + NJ_LEDGER_GIVE_UP_NS;
}

/* Nothing can be sent here: alerts go to the fail-over, or become dead letters in time. */
static int move_away(struct work *work)
{
    bool failover = nj_ledger_has_failover(work->terms->target);
    size_t moved = 0;
    int rc = 0;
    for (size_t i = 0; i < work->slips.count && rc == 0; i++) {
        const struct slip *slip = &work->slips.items[i];
        if (!is_waiting_text(slip))
            continue;
        if (!failover && gives_up_at(slip) > work->terms->now_ns) {
            if (gives_up_at(slip) < work->result->wake_ns)
                work->result->wake_ns = gives_up_at(slip);
            continue;
        }
        if (moved++ == NJ_LEDGER_MOVED_MAX) {
            work->result->more = true;
            break;
        }
        struct nj_notification row = {0};
        rc = read_row(work, slip->id, &row);
        if (rc == 0)
            rc = nj_ledger_end(work->store, &row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                               work->claim->closed, work->result, work->err);
        if (rc == 0 && slip->is_digest)
            rc = nj_ledger_end_members(work->store, work->terms, &row, NJ_NOTIFICATION_FAILED, true,
                                       work->claim->closed, work->result, work->err);
        else if (rc == 0)
            rc = nj_ledger_fail_over(work->store, work->terms, &row, work->result, work->err);
        nj_notification_done(&row);
    }
    return rc;
}

static int claim_from_text_lane(struct work *work)
{
    for (size_t i = 0; i < work->slips.count; i++)
        work->result->waiting += !work->slips.items[i].is_digest && !work->slips.items[i].is_file ? 1 : 0;
    if (work->claim->closed != NULL)
        return move_away(work);
    if (work->claim->budget == 0) {
        work->result->wake_ns = work->slips.count > 0 ? work->terms->now_ns : INT64_MAX;
        return 0;
    }
    size_t first = SIZE_MAX;
    for (size_t i = work->slips.count; i > 0; i--) {
        const struct slip *slip = &work->slips.items[i - 1];
        if (is_due(work, i - 1))
            first = i - 1;
        else if (is_waiting_text(slip) && slip->next_ns > work->terms->now_ns &&
                 slip->next_ns < work->result->wake_ns)
            work->result->wake_ns = slip->next_ns;
    }
    if (first == SIZE_MAX)
        return 0;
    if (!work->slips.items[first].is_digest) {
        size_t members = mark_members(work);
        if (members > work->claim->budget && members > 1)
            return claim_digest(work, members);
    }
    return claim_text(work, &work->slips.items[first]);
}

/* "shop_cart-5f7c9_app_2.log", only of characters that every system takes in a name. */
static char *file_name(const struct nj_store_crash *crash)
{
    char *name =
        nj_asprintf("%.64s_%.96s_%.32s_%d", nj_str(crash->subject.namespace), nj_str(crash->subject.pod),
                    nj_str(crash->subject.container), (int)crash->crash.attempt);
    for (char *at = name; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
                     strchr("._-", *at) != NULL;
        if (!plain)
            *at = '_';
    }
    char *whole = nj_asprintf("%s.log", name);
    free(name);
    return whole;
}

static int take_file(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    (void)rowid;
    struct nj_claim *claim = data;
    const struct nj_log_text *log = &crash->crash.log;
    if (log->len < NJ_WECOM_FILE_BYTES_MIN || log->len > NJ_WECOM_FILE_BYTES_MAX)
        return 0;
    claim->file = nj_calloc(log->len + 1, 1);
    memcpy(claim->file, log->text, log->len);
    claim->delivery.file_len = log->len;
    claim->file_name = file_name(crash);
    return 0;
}

static int claim_file(struct work *work, const struct slip *slip)
{
    struct nj_claim *claim = NJ_NEW(struct nj_claim);
    claim->is_file = true;
    struct nj_incident incident = {0};
    int rc = read_row(work, slip->id, &claim->row);
    if (rc == 0)
        rc = work->store->ops->get_incident(work->store, slip->incident_id, load_incident, &incident,
                                            work->err);
    if (rc == 0)
        rc = work->store->ops->get_crash(work->store, incident.crash_id, true, take_file, claim, work->err);
    nj_incident_done(&incident);
    if (rc == 0 && claim->file != NULL)
        return hand_over(work, claim);
    if (rc == 0 || rc == -ENOENT)
        rc = nj_ledger_end(work->store, &claim->row, NJ_NOTIFICATION_SENT, work->terms->now_ns, "",
                           work->result, work->err);
    nj_claim_free(claim);
    work->result->more = rc == 0;
    return rc;
}

/* A log file whose alert is long past is of no use in a group chat: it can be read at the link. */
static int end_late_file(struct work *work, const struct slip *slip)
{
    struct nj_notification row = {0};
    int rc = read_row(work, slip->id, &row);
    if (rc == 0)
        rc = nj_ledger_end(work->store, &row, NJ_NOTIFICATION_SENT, work->terms->now_ns,
                           row.error[0] != '\0' ? row.error : "the log file was left out: alerts went first",
                           work->result, work->err);
    nj_notification_done(&row);
    return rc;
}

/* Room for a file is what the alerts that wait, and those that may come, do not need. */
static bool has_room_for_file(const struct work *work)
{
    size_t needed = work->claim->spare;
    for (size_t i = 0; i < work->slips.count; i++)
        needed += is_waiting_text(&work->slips.items[i]) ? 1 : 0;
    return work->claim->closed == NULL && work->claim->budget > needed;
}

static int claim_from_file_lane(struct work *work)
{
    int rc = 0;
    bool has_room = has_room_for_file(work);
    for (size_t i = 0; i < work->slips.count && rc == 0; i++) {
        const struct slip *slip = &work->slips.items[i];
        if (!slip->is_file)
            continue;
        int64_t late_ns = slip->done_ns + NJ_LEDGER_FILE_LATE_NS;
        int64_t look_ns = late_ns;
        if (late_ns <= work->terms->now_ns) {
            rc = end_late_file(work, slip);
            continue;
        }
        if (slip->next_ns <= work->terms->now_ns) {
            if (has_room)
                return claim_file(work, slip);
        } else if (slip->next_ns < late_ns) {
            look_ns = slip->next_ns;
        }
        if (look_ns < work->result->wake_ns)
            work->result->wake_ns = look_ns;
    }
    return rc;
}

int nj_ledger_claim(struct nj_store *store, const struct nj_ledger_terms *terms,
                    const struct nj_claim_terms *claim, struct nj_ledger_result *result, struct nj_err *err)
{
    struct nj_err own_err = {0};
    struct work work = {.store = store,
                        .terms = terms,
                        .claim = claim,
                        .result = result,
                        .err = err == NULL ? &own_err : err};
    result->wake_ns = INT64_MAX;
    int rc = read_slips(&work);
    if (rc == 0)
        rc = claim->lane == NJ_LANE_TEXT ? claim_from_text_lane(&work) : claim_from_file_lane(&work);
    free(work.slips.items);
    return rc;
}
