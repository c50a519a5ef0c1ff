/* What became of a claim. See ledger.h. */
#include <errno.h>
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/wecom.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

#define WAIT_WINDOW_NS NJ_MIN
#define DOWN_AGAIN_NS (5 * NJ_MIN)

enum verdict {
    TOLD,
    AGAIN,     /* at next_ns */
    GIVE_UP,   /* nobody was told */
    UNCERTAIN, /* it may have arrived */
    DIVIDE,    /* of a digest: two parts instead of one */
};

struct judgement {
    enum verdict verdict;
    int64_t next_ns;
    bool failed;    /* counts as an attempt */
    bool keep_text; /* what is sent again must be the same bytes */
};

struct work {
    struct nj_store *store;
    const struct nj_ledger_terms *terms;
    const struct nj_claim *claim;
    const struct nj_record_terms *record;
    struct nj_ledger_result *result;
    struct nj_err *err;
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t at_least(int64_t wait_ns, int64_t retry_after_ns)
{
    return later(wait_ns, retry_after_ns < NJ_LEDGER_WAIT_MAX_NS ? retry_after_ns : NJ_LEDGER_WAIT_MAX_NS);
}

static struct judgement judge_failure(const struct work *work)
{
    const struct nj_outcome *outcome = work->record->outcome;
    const struct nj_target *target = work->terms->target;
    int32_t attempts = work->claim->row.attempts + 1;
    int64_t now_ns = work->terms->now_ns;
    struct judgement judgement = {
        .verdict = AGAIN,
        .failed = true,
        .next_ns = now_ns + at_least(nj_ledger_backoff_ns(attempts), outcome->retry_after_ns),
        .keep_text = target->ops->drops_duplicates_ns > 0 && !outcome->untouched,
    };
    bool enough = attempts > target->config.retries || work->record->give_up;
    if (enough && (nj_ledger_has_failover(target) || work->claim->is_file))
        judgement.verdict = GIVE_UP;
    return judgement;
}

/* A channel at which nothing can be sent: somewhere else at once, or here once it is mended. */
static struct judgement judge_closed(const struct work *work)
{
    bool elsewhere = nj_ledger_has_failover(work->terms->target) || work->claim->is_file;
    return (struct judgement){.verdict = elsewhere ? GIVE_UP : AGAIN,
                              .failed = true,
                              .next_ns = work->terms->now_ns + DOWN_AGAIN_NS};
}

static struct judgement judge_too_long(const struct work *work)
{
    enum verdict verdict = AGAIN;
    if (work->claim->is_file || (!work->claim->is_digest && work->record->cannot_shrink))
        verdict = GIVE_UP;
    else if (work->claim->is_digest)
        verdict = DIVIDE;
    return (struct judgement){.verdict = verdict, .next_ns = NJ_LEDGER_AT_ONCE};
}

static struct judgement judge_uncertain(const struct work *work)
{
    const struct nj_target *target = work->terms->target;
    bool may_repeat = target->ops->drops_duplicates_ns > 0 || target->config.resend_uncertain;
    if (work->claim->is_file || !may_repeat)
        return (struct judgement){.verdict = UNCERTAIN, .failed = true};
    struct judgement judgement = judge_failure(work);
    judgement.keep_text = true;
    return judgement;
}

static struct judgement judge(const struct work *work)
{
    const struct nj_outcome *outcome = work->record->outcome;
    int64_t now_ns = work->terms->now_ns;
    switch (outcome->kind) {
    case NJ_OUTCOME_DONE:
    case NJ_OUTCOME_PARTLY:
        return (struct judgement){.verdict = TOLD};
    case NJ_OUTCOME_WAIT:
        return (struct judgement){.verdict = AGAIN,
                                  .next_ns = now_ns + at_least(WAIT_WINDOW_NS, outcome->retry_after_ns)};
    case NJ_OUTCOME_RELEASED:
        return (struct judgement){.verdict = AGAIN, .next_ns = NJ_LEDGER_AT_ONCE, .keep_text = true};
    case NJ_OUTCOME_TOO_LONG:
        return judge_too_long(work);
    case NJ_OUTCOME_REFUSED:
        return (struct judgement){.verdict = GIVE_UP, .failed = true};
    case NJ_OUTCOME_DOWN:
    case NJ_OUTCOME_BROKEN:
        return judge_closed(work);
    case NJ_OUTCOME_UNCERTAIN:
        return judge_uncertain(work);
    case NJ_OUTCOME_NEXT:
    case NJ_OUTCOME_TOKEN:
    case NJ_OUTCOME_RETRY:
        break;
    }
    return judge_failure(work);
}

static int count_log(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    (void)rowid;
    *(size_t *)data = crash->crash.log.len;
    return 0;
}

static int copy_crash_id(void *data, const struct nj_incident *incident)
{
    *(char **)data = nj_strdup(incident->crash_id);
    return 0;
}

/* Is there a log that can follow the alert as a file? */
static int wants_file(const struct work *work, bool *ret_wants)
{
    const struct nj_target *target = work->terms->target;
    *ret_wants = false;
    if (!target->config.attach_log || !target->ops->takes_files ||
        !nj_streq(work->claim->row.transition, "opened"))
        return 0;
    char *crash_id = NULL;
    size_t len = 0;
    int rc = work->store->ops->get_incident(work->store, work->claim->row.incident_id, copy_crash_id,
                                            &crash_id, work->err);
    if (rc == 0 && crash_id[0] != '\0')
        rc = work->store->ops->get_crash(work->store, crash_id, false, count_log, &len, work->err);
    free(crash_id);
    *ret_wants = len >= NJ_WECOM_FILE_BYTES_MIN && len <= NJ_WECOM_FILE_BYTES_MAX;
    return rc == -ENOENT ? 0 : rc;
}

static int put_again(const struct work *work, const struct judgement *judgement, const char *text)
{
    struct nj_notification row = work->claim->row;
    row.status = NJ_NOTIFICATION_PENDING;
    row.attempts += judgement->failed ? 1 : 0;
    row.next_ns = judgement->next_ns;
    row.error = work->record->outcome->text;
    row.text = text;
    return work->store->ops->put_notification(work->store, &row, work->err);
}

static int end(const struct work *work, enum nj_notification_status status, bool failed)
{
    struct nj_notification row = work->claim->row;
    row.attempts += failed ? 1 : 0;
    return nj_ledger_end(work->store, &row, status, work->terms->now_ns, work->record->outcome->text,
                         work->result, work->err);
}

static int fail_over(const struct work *work)
{
    return nj_ledger_fail_over(work->store, work->terms, &work->claim->row, work->result, work->err);
}

/* An alert was told: it is SENT, or waits for its log file to follow. */
static int record_told(const struct work *work)
{
    bool with_file = false;
    int rc = wants_file(work, &with_file);
    if (rc < 0)
        return rc;
    struct nj_notification row = work->claim->row;
    row.parts_done |= NJ_PART_TEXT;
    row.done_ns = work->terms->now_ns;
    row.attempts = with_file ? 0 : row.attempts;
    row.error = work->record->outcome->text;
    row.text = "";
    row.status = NJ_NOTIFICATION_PENDING;
    row.next_ns = NJ_LEDGER_AT_ONCE;
    work->result->told_since_ns = row.created_ns;
    work->result->more = true;
    rc = with_file ? work->store->ops->put_notification(work->store, &row, work->err)
                   : nj_ledger_end(work->store, &row, NJ_NOTIFICATION_SENT, row.done_ns, row.error,
                                   work->result, work->err);
    if (rc == 0 && work->record->outcome->kind == NJ_OUTCOME_PARTLY)
        rc = fail_over(work);
    return rc;
}

static int record_text(const struct work *work, const struct judgement *judgement)
{
    int rc = 0;
    switch (judgement->verdict) {
    case TOLD:
        return record_told(work);
    case AGAIN:
    case DIVIDE:
        return put_again(work, judgement, judgement->keep_text ? work->claim->row.text : "");
    case GIVE_UP:
        rc = end(work, NJ_NOTIFICATION_FAILED, judgement->failed);
        break;
    case UNCERTAIN:
        rc = end(work, NJ_NOTIFICATION_UNCERTAIN, judgement->failed);
        break;
    }
    return rc == 0 ? fail_over(work) : rc;
}

/* A log file never makes anybody be told twice, nor an alert be told elsewhere. */
static int record_file(const struct work *work, const struct judgement *judgement)
{
    struct nj_notification row = work->claim->row;
    if (judgement->verdict == AGAIN)
        return put_again(work, judgement, "");
    row.attempts += judgement->failed ? 1 : 0;
    row.parts_done |= judgement->verdict == TOLD ? NJ_PART_FILE : 0;
    char *error = nj_asprintf("%s%s", judgement->verdict == TOLD ? row.error : "log file: ",
                              judgement->verdict == TOLD ? "" : work->record->outcome->text);
    int rc = nj_ledger_end(work->store, &row, NJ_NOTIFICATION_SENT, work->terms->now_ns, error, work->result,
                           work->err);
    free(error);
    return rc;
}

/* One part of a digest is over; the digest when it was the last. */
static int record_part(const struct work *work, bool certain)
{
    struct nj_notification row = work->claim->row;
    row.parts_done |= (1 << work->claim->part) | (certain ? 0 : NJ_PART_UNCERTAIN);
    row.attempts = 0;
    int32_t all = (int32_t)((UINT32_C(1) << nj_render_parts(row.text)) - 1);
    if ((row.parts_done & all) != all) {
        row.status = NJ_NOTIFICATION_PENDING;
        row.next_ns = NJ_LEDGER_AT_ONCE;
        row.error = work->record->outcome->text;
        work->result->more = true;
        return work->store->ops->put_notification(work->store, &row, work->err);
    }
    bool whole = (row.parts_done & NJ_PART_UNCERTAIN) == 0;
    int rc = nj_ledger_end(work->store, &row, whole ? NJ_NOTIFICATION_SENT : NJ_NOTIFICATION_UNCERTAIN,
                           work->terms->now_ns, work->record->outcome->text, work->result, work->err);
    bool elsewhere = !whole || work->record->outcome->kind == NJ_OUTCOME_PARTLY;
    if (rc == 0)
        rc = nj_ledger_end_members(work->store, work->terms, &row,
                                   whole ? NJ_NOTIFICATION_FOLDED : NJ_NOTIFICATION_UNCERTAIN, elsewhere,
                                   work->record->outcome->text, work->result, work->err);
    work->result->told_since_ns = whole ? row.created_ns : 0;
    work->result->more = true;
    return rc;
}

static int give_up_digest(const struct work *work, bool failed)
{
    int rc = end(work, NJ_NOTIFICATION_FAILED, failed);
    if (rc == 0)
        rc = nj_ledger_end_members(work->store, work->terms, &work->claim->row, NJ_NOTIFICATION_FAILED, true,
                                   work->record->outcome->text, work->result, work->err);
    return rc;
}

/* The part as two, in its place. False when it is as short as it gets, or there would be too many. */
static bool divide(const struct work *work, struct nj_buf *out)
{
    const char *text = work->claim->row.text;
    size_t parts = nj_render_parts(text);
    size_t len = 0, all_before = 0;
    const char *part = nj_render_part(text, work->claim->part, &len);
    size_t max = len / 2 + NJ_RENDER_BYTES_MIN / 4;
    if (len < NJ_RENDER_BYTES_MIN || parts + 3 > NJ_LEDGER_DIGEST_PARTS)
        return false;
    all_before = (size_t)(part - text);
    nj_buf_append(out, text, all_before);
    nj_render_split(work->terms->settings->language, part, len, max, out);
    nj_buf_append_str(out, part + len);
    return nj_render_parts(nj_buf_str(out)) <= NJ_LEDGER_DIGEST_PARTS;
}

static int record_digest(const struct work *work, const struct judgement *judgement)
{
    struct nj_buf divided = {0};
    int rc = 0;
    if (judgement->verdict != TOLD && nj_ledger_is_kept(&work->claim->row))
        return nj_ledger_withdraw(work->store, &work->claim->row, work->terms->now_ns, work->err);
    switch (judgement->verdict) {
    case TOLD:
        return record_part(work, true);
    case UNCERTAIN:
        return record_part(work, false);
    case AGAIN:
        return put_again(work, judgement, work->claim->row.text);
    case DIVIDE:
        rc = divide(work, &divided) ? put_again(work, judgement, nj_buf_str(&divided))
                                    : give_up_digest(work, true);
        nj_buf_done(&divided);
        work->result->more = true;
        return rc;
    case GIVE_UP:
        break;
    }
    return give_up_digest(work, judgement->failed);
}

int nj_ledger_record(struct nj_store *store, const struct nj_ledger_terms *terms,
                     const struct nj_claim *claim, const struct nj_record_terms *record,
                     struct nj_ledger_result *result, struct nj_err *err)
{
    const struct work work = {
        .store = store, .terms = terms, .claim = claim, .record = record, .result = result, .err = err};
    struct judgement judgement = judge(&work);
    bool too_old = terms->now_ns - claim->row.created_ns >= NJ_LEDGER_GIVE_UP_NS;
    if (judgement.verdict == AGAIN && too_old && record->outcome->kind != NJ_OUTCOME_RELEASED)
        judgement.verdict = GIVE_UP;
    if (claim->is_file)
        return record_file(&work, &judgement);
    return claim->is_digest ? record_digest(&work, &judgement) : record_text(&work, &judgement);
}
