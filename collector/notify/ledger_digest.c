/* Many alerts as one message. See ledger.h. */
#include <errno.h>
#include <stdlib.h>

#include "collector/notify/ledger_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { MENTIONS_BYTES_MAX = 4096 };

/* A digest in the making. */
struct gathering {
    struct nj_claim_work *work;
    struct nj_notification *rows; /* members, copies */
    struct nj_incident *incidents;
    struct nj_alert *alerts;
    size_t count, next_slip;
    size_t members; /* marked slips */
};

static int gather_row(void *data, const struct nj_notification *row)
{
    struct gathering *gathering = data;
    const struct nj_slips *slips = &gathering->work->slips;
    while (gathering->next_slip < slips->count && slips->items[gathering->next_slip].id < row->id)
        gathering->next_slip++;
    if (gathering->next_slip < slips->count && slips->items[gathering->next_slip].id == row->id &&
        slips->items[gathering->next_slip].is_member)
        nj_notification_copy(&gathering->rows[gathering->count++], row);
    return gathering->count == gathering->members ? 1 : 0;
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

/* Adds the member at `from`, with its incident, behind those that are kept. -ENOENT when the incident is no
 * more. */
static int keep(struct gathering *gathering, size_t from, size_t *kept)
{
    struct nj_claim_work *work = gathering->work;
    struct nj_notification row = gathering->rows[from];
    struct nj_incident *incident = &gathering->incidents[*kept];
    int rc = work->store->ops->get_incident(work->store, row.incident_id, nj_claim_copy_incident, incident,
                                            work->err);
    if (rc < 0)
        return rc;
    gathering->rows[*kept] = row;
    gathering->alerts[*kept] = (struct nj_alert){.incident = incident,
                                                 .transition = nj_claim_transition(&row),
                                                 .group = row.group,
                                                 .mentions = row.mentions};
    ++*kept;
    return 0;
}

/* Reads the members with their incidents. One whose incident is no more ends here. */
static int gather(struct gathering *gathering)
{
    struct nj_claim_work *work = gathering->work;
    int rc = work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                                 NJ_NOTIFICATION_PENDING, INT64_MAX, INT32_MAX, gather_row,
                                                 gathering, work->err);
    rc = rc < 0 ? rc : 0;
    size_t kept = 0;
    for (size_t i = 0; i < gathering->count; i++) {
        struct nj_notification *row = &gathering->rows[i];
        int found = rc == 0 ? keep(gathering, i, &kept) : -ECANCELED;
        if (found == -ENOENT)
            rc = nj_ledger_end(work->store, row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                               "the incident was deleted for its age", work->result, work->err);
        else if (found < 0 && rc == 0)
            rc = found;
        if (found < 0)
            nj_notification_done(row);
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
        if (gathering->alerts[i].transition != NJ_TRANSITION_RESOLVED && !same_as_before)
            nj_mentions_each(gathering->rows[i].mentions, add_mentioned, &list);
    }
    return nj_buf_take(&list);
}

static int store_digest(struct gathering *gathering, struct nj_claim *claim)
{
    struct nj_claim_work *work = gathering->work;
    const struct nj_target *target = work->terms->target;
    char *mentions = digest_mentions(gathering);
    const struct nj_terms terms = nj_claim_terms_of(work, 0);
    struct nj_buf text = {0};
    target->ops->render_digest(target, &terms, mentions, gathering->alerts, gathering->count, &text);
    const struct nj_notification digest = {.transition = NJ_DIGEST,
                                           .occurrence = (uint64_t)gathering->rows[0].id,
                                           .channel = target->config.name,
                                           .mentions = mentions,
                                           .status = NJ_NOTIFICATION_PENDING,
                                           .created_ns = gathering->rows[0].created_ns,
                                           .next_ns = NJ_LEDGER_AT_ONCE,
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

int nj_claim_digest(struct nj_claim_work *work, size_t members)
{
    struct gathering gathering = {.work = work,
                                  .members = members,
                                  .rows = nj_calloc(members, sizeof(struct nj_notification)),
                                  .incidents = nj_calloc(members, sizeof(struct nj_incident)),
                                  .alerts = nj_calloc(members, sizeof(struct nj_alert))};
    int rc = gather(&gathering);
    if (rc == 0 && gathering.count > 0) {
        struct nj_claim *claim = NJ_NEW(struct nj_claim);
        claim->is_digest = true;
        rc = store_digest(&gathering, claim);
        if (rc == 0)
            rc = nj_claim_hand_over(work, claim);
        else
            nj_claim_free(claim);
    } else if (rc == 0) {
        work->result->more = true;
    }
    gathering_done(&gathering);
    return rc;
}
