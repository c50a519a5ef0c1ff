/* What is sent next. See ledger.h. */
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"

/* Keeps the rows of the lane that is looked at; rows of the other are only counted, whatever their number. */
static int take_slip(void *data, const struct nj_notification *row)
{
    struct nj_claim_work *work = data;
    struct nj_slips *slips = &work->slips;
    bool is_digest = nj_notification_is_digest(row);
    bool is_file = !is_digest && (row->parts_done & NJ_PART_TEXT) != 0;
    slips->texts += is_file || is_digest ? 0 : 1;
    if (is_file != (work->claim->lane == NJ_LANE_FILE))
        return slips->texts >= NJ_LEDGER_ROWS_MAX ? 1 : 0;
    slips->items[slips->count++] = (struct nj_slip){.id = row->id,
                                                    .incident_id = row->incident_id,
                                                    .created_ns = row->created_ns,
                                                    .next_ns = row->next_ns,
                                                    .done_ns = row->done_ns,
                                                    .digest_id = row->digest_id,
                                                    .is_digest = is_digest,
                                                    .folds = row->folds};
    return slips->count == NJ_LEDGER_ROWS_MAX ? 1 : 0;
}

static int read_slips(struct nj_claim_work *work)
{
    work->slips.items = nj_calloc(NJ_LEDGER_ROWS_MAX, sizeof(struct nj_slip));
    int rc = work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                                 NJ_NOTIFICATION_PENDING, INT64_MAX, INT32_MAX, take_slip,
                                                 work, work->err);
    return rc < 0 ? rc : 0;
}

static bool is_waiting_text(const struct nj_slip *slip)
{
    return slip->digest_id == 0;
}

/* Must an older row of the same incident be told first? The members of the digest that is being made are told
 * in it. */
static bool is_blocked(const struct nj_slips *slips, size_t at)
{
    const struct nj_slip *slip = &slips->items[at];
    for (size_t i = 0; i < at; i++) {
        const struct nj_slip *older = &slips->items[i];
        if (older->incident_id == slip->incident_id && !older->is_digest && !older->is_member)
            return true;
    }
    return false;
}

/* What lies further ahead than anything is planned was planned before the clock was set back. */
static bool has_come(const struct nj_claim_work *work, const struct nj_slip *slip)
{
    int64_t ahead_ns = slip->next_ns - work->terms->now_ns;
    return ahead_ns <= 0 || ahead_ns > NJ_LEDGER_WAIT_MAX_NS;
}

static bool is_due(const struct nj_claim_work *work, size_t at)
{
    const struct nj_slip *slip = &work->slips.items[at];
    return is_waiting_text(slip) && has_come(work, slip) && !is_blocked(&work->slips, at);
}

/* Marks what would go into a digest now; returns how many. One digest at a time. `folding`: only what is to
 * be told so in any case. */
static size_t mark_members(struct nj_claim_work *work, bool folding)
{
    size_t members = 0;
    for (size_t i = 0; i < work->slips.count; i++) {
        if (work->slips.items[i].is_digest)
            return 0;
    }
    for (size_t i = 0; i < work->slips.count && members < NJ_LEDGER_DIGEST_MAX; i++) {
        if (is_due(work, i) && (!folding || work->slips.items[i].folds)) {
            work->slips.items[i].is_member = true;
            members++;
        }
    }
    return members;
}

/* How long an alert may be given up on has to wait. */
static int64_t gives_up_at(const struct nj_slip *slip)
{
    return slip->created_ns + NJ_LEDGER_GIVE_UP_NS;
}

/* Nothing can be sent here: alerts go to the fail-over, or become dead letters in time. */
static int move_away(struct nj_claim_work *work)
{
    bool failover = nj_ledger_has_failover(work->terms->target);
    size_t moved = 0;
    int rc = 0;
    for (size_t i = 0; i < work->slips.count && rc == 0; i++) {
        const struct nj_slip *slip = &work->slips.items[i];
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
        rc = nj_claim_read_row(work, slip->id, &row);
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

static void unmark(struct nj_claim_work *work)
{
    for (size_t i = 0; i < work->slips.count; i++)
        work->slips.items[i].is_member = false;
}

/* A digest of several members if there are any. 1 when it was claimed. */
static int claim_digest_of(struct nj_claim_work *work, bool folding, size_t least)
{
    size_t members = mark_members(work, folding);
    if (members < least || members < 2) {
        unmark(work);
        return 0;
    }
    int rc = nj_claim_digest(work, members);
    return rc < 0 ? rc : 1;
}

/* Of a storm: the first ones go at once, the others when they have been gathered. 1 when this claim is over.
 */
static int gather_storm(struct nj_claim_work *work, size_t first)
{
    const struct nj_claim_terms *claim = work->claim;
    size_t due = 0, digest = SIZE_MAX;
    for (size_t i = 0; i < work->slips.count; i++) {
        if (!is_due(work, i))
            continue;
        due += work->slips.items[i].is_digest ? 0 : 1;
        if (work->slips.items[i].is_digest && digest == SIZE_MAX)
            digest = i;
    }
    if (digest != SIZE_MAX) {
        int rc = nj_claim_text(work, &work->slips.items[digest]);
        return rc < 0 ? rc : 1;
    }
    if (due == 0 || claim->at_once > 0)
        return 0;
    work->result->storm = due > claim->calm;
    int64_t gathered_ns = work->slips.items[first].created_ns + claim->gather_ns;
    int64_t left_ns = gathered_ns - work->terms->now_ns;
    if (left_ns > 0 && left_ns <= claim->gather_ns) { /* more: the clock was set back */
        if (gathered_ns < work->result->wake_ns)
            work->result->wake_ns = gathered_ns;
        return 1;
    }
    return claim_digest_of(work, false, 2);
}

static int claim_from_text_lane(struct nj_claim_work *work)
{
    work->result->waiting = work->slips.texts;
    if (work->claim->closed != NULL)
        return move_away(work);
    if (work->claim->budget == 0) {
        work->result->wake_ns = work->slips.count > 0 ? work->terms->now_ns : INT64_MAX;
        return 0;
    }
    size_t first = SIZE_MAX;
    for (size_t i = work->slips.count; i > 0; i--) {
        const struct nj_slip *slip = &work->slips.items[i - 1];
        if (is_due(work, i - 1))
            first = i - 1;
        else if (is_waiting_text(slip) && !has_come(work, slip) && slip->next_ns < work->result->wake_ns)
            work->result->wake_ns = slip->next_ns;
    }
    if (first == SIZE_MAX)
        return 0;
    if (!work->slips.items[first].is_digest) {
        int rc = work->slips.items[first].folds ? claim_digest_of(work, true, 2) : 0;
        if (rc == 0 && work->claim->gathers)
            rc = gather_storm(work, first);
        if (rc == 0) {
            rc = claim_digest_of(work, false, work->claim->budget + 1);
            work->result->storm = work->result->storm || (rc == 1 && work->claim->gathers);
        }
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return nj_claim_text(work, &work->slips.items[first]);
}

/* A log file whose alert is long past is of no use in a group chat: it can be read at the link. */
static int end_late_file(struct nj_claim_work *work, const struct nj_slip *slip)
{
    struct nj_notification row = {0};
    int rc = nj_claim_read_row(work, slip->id, &row);
    if (rc == 0)
        rc = nj_ledger_end(work->store, &row, NJ_NOTIFICATION_SENT, work->terms->now_ns,
                           row.error[0] != '\0' ? row.error : "the log file was left out: alerts went first",
                           work->result, work->err);
    nj_notification_done(&row);
    return rc;
}

/* Room for a file is what the alerts that wait, and those that may come, do not need. */
static bool has_room_for_file(const struct nj_claim_work *work)
{
    size_t needed = work->claim->spare + work->slips.texts;
    return work->claim->closed == NULL && work->claim->budget > needed;
}

static int claim_from_file_lane(struct nj_claim_work *work)
{
    int rc = 0;
    bool has_room = has_room_for_file(work);
    for (size_t i = 0; i < work->slips.count && rc == 0; i++) {
        const struct nj_slip *slip = &work->slips.items[i];
        /* Told later than now: the clock was set back since. */
        int64_t told_ns = slip->done_ns < work->terms->now_ns ? slip->done_ns : work->terms->now_ns;
        int64_t late_ns = told_ns + NJ_LEDGER_FILE_LATE_NS;
        int64_t look_ns = late_ns;
        if (late_ns <= work->terms->now_ns) {
            rc = end_late_file(work, slip);
            continue;
        }
        if (has_come(work, slip)) {
            if (has_room)
                return nj_claim_log_file(work, slip);
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
    struct nj_claim_work work = {.store = store,
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
