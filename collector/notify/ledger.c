#include "collector/notify/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

int64_t nj_ledger_backoff_ns(int failures)
{
    int64_t wait_ns = NJ_LEDGER_BACKOFF_MIN_NS;
    for (int i = 1; i < failures && wait_ns < NJ_LEDGER_BACKOFF_MAX_NS; i++)
        wait_ns *= 2;
    return wait_ns < NJ_LEDGER_BACKOFF_MAX_NS ? wait_ns : NJ_LEDGER_BACKOFF_MAX_NS;
}

void nj_notification_copy(struct nj_notification *ret_copy, const struct nj_notification *row)
{
    *ret_copy = *row;
    ret_copy->transition = nj_strdup(nj_str(row->transition));
    ret_copy->channel = nj_strdup(nj_str(row->channel));
    ret_copy->group = nj_strdup(nj_str(row->group));
    ret_copy->mentions = nj_strdup(nj_str(row->mentions));
    ret_copy->error = nj_strdup(nj_str(row->error));
    ret_copy->text = nj_strdup(nj_str(row->text));
}

void nj_notification_done(struct nj_notification *copy)
{
    free((void *)copy->transition);
    free((void *)copy->channel);
    free((void *)copy->group);
    free((void *)copy->mentions);
    free((void *)copy->error);
    free((void *)copy->text);
    *copy = (struct nj_notification){0};
}

bool nj_notification_is_digest(const struct nj_notification *row)
{
    return nj_streq(row->transition, NJ_DIGEST);
}

/* No other digest's occurrence lies within the second after it was made. */
uint64_t nj_ledger_kept_occurrence(int64_t now_ns, int64_t incident_id)
{
    return (uint64_t)now_ns + 1 + (uint64_t)incident_id % (NJ_SEC - 1);
}

bool nj_ledger_is_kept(const struct nj_notification *row)
{
    uint64_t after_ns = row->occurrence - (uint64_t)row->created_ns;
    return nj_notification_is_digest(row) && after_ns > 0 && after_ns < NJ_SEC;
}

int nj_ledger_withdraw(struct nj_store *store, const struct nj_notification *row, int64_t now_ns,
                       struct nj_err *err)
{
    struct nj_notification gone = *row;
    gone.status = NJ_NOTIFICATION_WITHDRAWN;
    gone.done_ns = now_ns;
    gone.text = "";
    return store->ops->put_notification(store, &gone, err);
}

void nj_rows_done(struct nj_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        nj_notification_done(&rows->items[i]);
    free(rows->items);
    *rows = (struct nj_rows){0};
}

struct collecting {
    struct nj_rows rows;
    int64_t digest_id;                          /* only its members; 0: all */
    const struct nj_notify_settings *not_known; /* only those whose channel it does not have; NULL: all */
    int64_t after_ns;                           /* only those that are to wait beyond; 0: all */
};

static int collect(void *data, const struct nj_notification *row)
{
    struct collecting *collecting = data;
    if ((collecting->digest_id != 0 && row->digest_id != collecting->digest_id) ||
        (collecting->not_known != NULL && nj_notify_target(collecting->not_known, row->channel) != NULL) ||
        (collecting->after_ns != 0 && row->next_ns <= collecting->after_ns))
        return 0;
    struct nj_rows *rows = &collecting->rows;
    if ((rows->count & (rows->count - 1)) == 0)
        rows->items = nj_realloc(rows->items, rows->count == 0 ? 1 : rows->count * 2, sizeof(rows->items[0]));
    nj_notification_copy(&rows->items[rows->count++], row);
    return 0;
}

int nj_ledger_members(struct nj_store *store, const char *channel, int64_t digest_id,
                      struct nj_rows *ret_rows, struct nj_err *err)
{
    struct collecting collecting = {.digest_id = digest_id};
    int rc = store->ops->each_notification(store, channel, NJ_NOTIFICATION_PENDING, INT64_MAX, INT32_MAX,
                                           collect, &collecting, err);
    if (rc < 0)
        nj_rows_done(&collecting.rows);
    *ret_rows = collecting.rows;
    return rc;
}

int nj_ledger_end(struct nj_store *store, const struct nj_notification *row,
                  enum nj_notification_status status, int64_t now_ns, const char *error,
                  struct nj_ledger_result *result, struct nj_err *err)
{
    struct nj_notification ended = *row;
    ended.status = status;
    ended.error = error;
    ended.text = "";
    /* Of an alert whose file follows, the time it was told stays. */
    if (ended.done_ns == 0)
        ended.done_ns = now_ns;
    int rc = store->ops->put_notification(store, &ended, err);
    if (rc == 0)
        result->ended[status]++;
    return rc;
}

bool nj_ledger_has_failover(const struct nj_target *target)
{
    return nj_str(target->config.failover)[0] != '\0';
}

int nj_ledger_fail_over(struct nj_store *store, const struct nj_ledger_terms *terms,
                        const struct nj_notification *row, struct nj_ledger_result *result,
                        struct nj_err *err)
{
    if (!nj_ledger_has_failover(terms->target))
        return 0;
    const struct nj_notification other = {.incident_id = row->incident_id,
                                          .transition = row->transition,
                                          .occurrence = row->occurrence,
                                          .channel = terms->target->config.failover,
                                          .group = row->group,
                                          .mentions = row->mentions,
                                          .status = NJ_NOTIFICATION_PENDING,
                                          .created_ns = row->created_ns,
                                          .next_ns = NJ_LEDGER_AT_ONCE};
    int64_t id = 0;
    int rc = store->ops->add_notification(store, &other, &id, err);
    if (rc == 0)
        result->elsewhere = true;
    return rc == -EEXIST ? 0 : rc;
}

int nj_ledger_end_members(struct nj_store *store, const struct nj_ledger_terms *terms,
                          const struct nj_notification *digest, enum nj_notification_status status,
                          bool elsewhere, const char *error, struct nj_ledger_result *result,
                          struct nj_err *err)
{
    struct nj_rows members = {0};
    int rc = nj_ledger_members(store, digest->channel, digest->id, &members, err);
    for (size_t i = 0; i < members.count && rc == 0; i++) {
        rc = nj_ledger_end(store, &members.items[i], status, terms->now_ns, error, result, err);
        if (rc == 0 && elsewhere)
            rc = nj_ledger_fail_over(store, terms, &members.items[i], result, err);
    }
    nj_rows_done(&members);
    return rc;
}

void nj_claim_free(struct nj_claim *claim)
{
    if (claim == NULL)
        return;
    nj_notification_done(&claim->row);
    free(claim->file);
    free(claim->file_name);
    free(claim->key);
    free(claim);
}

/* What became of a message that was being sent when the process ended: nobody knows. */
static int recover_row(struct nj_store *store, const struct nj_ledger_terms *terms,
                       const struct nj_notification *row, struct nj_ledger_result *result, struct nj_err *err)
{
    static const char unknown[] = "the collector ended while this was being sent: it may have arrived";
    static const char file_unknown[] = "the collector ended while the log file was being sent";
    bool is_digest = nj_notification_is_digest(row);
    if (!is_digest && (row->parts_done & NJ_PART_TEXT) != 0)
        return nj_ledger_end(store, row, NJ_NOTIFICATION_SENT, terms->now_ns, file_unknown, result, err);

    if (nj_ledger_is_kept(row))
        return nj_ledger_withdraw(store, row, terms->now_ns, err);

    const struct nj_target *target = terms->target;
    /* next_ns is when it was claimed. That may seem to be in the future: the clock was set back since. */
    bool dropped_there = target->ops->drops_duplicates_ns > 0 &&
                         terms->now_ns - row->next_ns < target->ops->drops_duplicates_ns;
    bool again = target->config.resend_uncertain || dropped_there;
    struct nj_notification waiting = *row;
    waiting.status = NJ_NOTIFICATION_PENDING;
    waiting.next_ns = NJ_LEDGER_AT_ONCE;
    if (again)
        return store->ops->put_notification(store, &waiting, err);
    if (is_digest) {
        /* The part that was under way is over; the others are still to be sent. */
        int32_t done = row->parts_done | NJ_PART_UNCERTAIN;
        done |= (done + 1) & ~done;
        size_t parts = nj_render_parts(row->text);
        int32_t all = (int32_t)((UINT32_C(1) << parts) - 1);
        waiting.parts_done = done;
        if ((done & all) != all)
            return store->ops->put_notification(store, &waiting, err);
    }
    int rc = nj_ledger_end(store, row, NJ_NOTIFICATION_UNCERTAIN, terms->now_ns, unknown, result, err);
    if (rc == 0 && is_digest)
        rc = nj_ledger_end_members(store, terms, row, NJ_NOTIFICATION_UNCERTAIN, false, unknown, result, err);
    return rc;
}

int nj_ledger_recover(struct nj_store *store, const struct nj_ledger_terms *terms,
                      struct nj_ledger_result *result, struct nj_err *err)
{
    struct collecting collecting = {0};
    int rc = store->ops->each_notification(store, terms->target->config.name, NJ_NOTIFICATION_SENDING,
                                           INT64_MAX, INT32_MAX, collect, &collecting, err);
    for (size_t i = 0; i < collecting.rows.count && rc == 0; i++)
        rc = recover_row(store, terms, &collecting.rows.items[i], result, err);
    nj_rows_done(&collecting.rows);
    return rc;
}

static int sweep(struct nj_store *store, const struct nj_notify_settings *settings,
                 enum nj_notification_status status, int64_t now_ns, struct nj_ledger_result *result,
                 struct nj_err *err)
{
    static const char gone[] = "the channel is no longer configured";
    struct collecting collecting = {.not_known = settings};
    int rc =
        store->ops->each_notification(store, NULL, status, INT64_MAX, INT32_MAX, collect, &collecting, err);
    for (size_t i = 0; i < collecting.rows.count && rc == 0; i++) {
        const struct nj_notification *row = &collecting.rows.items[i];
        enum nj_notification_status end =
            status == NJ_NOTIFICATION_SENDING ? NJ_NOTIFICATION_UNCERTAIN : NJ_NOTIFICATION_FAILED;
        if (!nj_notification_is_digest(row) && (row->parts_done & NJ_PART_TEXT) != 0)
            end = NJ_NOTIFICATION_SENT;
        rc = nj_ledger_end(store, row, end, now_ns, gone, result, err);
    }
    nj_rows_done(&collecting.rows);
    return rc;
}

int nj_ledger_sweep(struct nj_store *store, const struct nj_notify_settings *settings, int64_t now_ns,
                    struct nj_ledger_result *result, struct nj_err *err)
{
    int rc = sweep(store, settings, NJ_NOTIFICATION_SENDING, now_ns, result, err);
    return rc < 0 ? rc : sweep(store, settings, NJ_NOTIFICATION_PENDING, now_ns, result, err);
}

int nj_ledger_hurry(struct nj_store *store, int64_t now_ns, struct nj_err *err)
{
    struct collecting collecting = {.after_ns = now_ns};
    int rc = store->ops->each_notification(store, NULL, NJ_NOTIFICATION_PENDING, INT64_MAX, INT32_MAX,
                                           collect, &collecting, err);
    for (size_t i = 0; i < collecting.rows.count && rc == 0; i++) {
        collecting.rows.items[i].next_ns = NJ_LEDGER_AT_ONCE;
        rc = store->ops->put_notification(store, &collecting.rows.items[i], err);
    }
    nj_rows_done(&collecting.rows);
    return rc;
}
