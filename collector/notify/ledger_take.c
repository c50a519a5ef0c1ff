/* A chosen row, made ready to be sent: its text rendered, its log file read, marked as being sent. See
 * ledger.h. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger_internal.h"
#include "collector/notify/wecom.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { ROWS_OF_INCIDENT_MAX = 1000 };

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

int nj_claim_read_row(struct nj_claim_work *work, int64_t id, struct nj_notification *ret_row)
{
    struct wanted wanted = {.id = id};
    int rc = work->store->ops->each_notification(work->store, work->terms->target->config.name,
                                                 NJ_NOTIFICATION_PENDING, INT64_MAX, INT32_MAX, take_wanted,
                                                 &wanted, work->err);
    if (rc < 0)
        return rc;
    assert(wanted.found); /* nothing else changes rows within this transaction */
    *ret_row = wanted.row;
    return 0;
}

int nj_claim_copy_incident(void *data, const struct nj_incident *incident)
{
    nj_incident_copy(data, incident);
    return 0;
}

enum {
    NAMES_MAX = 20,     /* failing targets that a message names */
    SUBJECTS_MAX = 200, /* looked at for them */
    NAMES_BYTES_MAX = 2048,
};

/* The names of an incident's failing targets, each once. */
struct names {
    struct nj_buf text;
    size_t count;
};

static bool is_named(const struct names *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = nj_buf_str(&names->text); *at != '\0'; at += strspn(at, ", ")) {
        size_t other = strcspn(at, ",");
        if (other == len && memcmp(at, name, len) == 0)
            return true;
        at += other;
    }
    return false;
}

static int add_name(void *data, const struct nj_incident_subject *subject)
{
    struct names *names = data;
    if (is_named(names, subject->pod))
        return 0;
    bool full = names->count == NAMES_MAX || names->text.len + strlen(subject->pod) > NAMES_BYTES_MAX;
    (void)nj_buf_printf(&names->text, "%s%s", names->count == 0 ? "" : ", ", full ? "..." : subject->pod);
    names->count++;
    return full ? 1 : 0;
}

static int read_names(struct nj_claim_work *work, const struct nj_incident *incident, struct names *names)
{
    if (!nj_incident_is_of_checks(incident->kind))
        return 0;
    int rc =
        work->store->ops->each_subject(work->store, incident->id, SUBJECTS_MAX, add_name, names, work->err);
    return rc < 0 ? rc : 0;
}

struct rendering {
    const struct nj_claim_work *work;
    struct nj_alert alert;
    struct nj_terms terms;
    struct nj_buf text;
};

struct nj_terms nj_claim_terms_of(const struct nj_claim_work *work, size_t max_bytes)
{
    const struct nj_notify_settings *settings = work->terms->settings;
    return (struct nj_terms){.language = settings->language,
                             .public_url = settings->public_url,
                             .log_lines = settings->log_lines,
                             .max_bytes = max_bytes,
                             .max_parts = work->claim->digest_parts,
                             .now_ns = work->terms->now_ns,
                             .pipeline = settings->pipeline};
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

enum nj_transition nj_claim_transition(const struct nj_notification *row)
{
    enum nj_transition transition = NJ_TRANSITION_OPENED;
    (void)nj_transition_parse(row->transition, &transition);
    return transition;
}

/* Renders the row's text. -ENOENT when the incident is no more. */
static int render_row(struct nj_claim_work *work, struct nj_notification *row)
{
    struct nj_incident incident = {0};
    int rc = work->store->ops->get_incident(work->store, row->incident_id, nj_claim_copy_incident, &incident,
                                            work->err);
    if (rc < 0)
        return rc;
    size_t max_bytes = row->id == work->claim->short_row ? work->claim->max_bytes : 0;
    struct rendering rendering = {.work = work,
                                  .alert = {.incident = &incident,
                                            .transition = nj_claim_transition(row),
                                            .again = nj_streq(row->transition, NJ_REPEATED),
                                            .escalated = nj_streq(row->transition, NJ_ESCALATED),
                                            .group = row->group,
                                            .mentions = row->mentions},
                                  .terms = nj_claim_terms_of(work, max_bytes)};
    struct names names = {0};
    rc = read_names(work, &incident, &names);
    rendering.alert.targets = nj_buf_str(&names.text);
    if (rc == 0)
        rc = -ENOENT;
    if (rc == -ENOENT && incident.crash_id[0] != '\0')
        rc = work->store->ops->get_crash(work->store, incident.crash_id, true, render_with_crash, &rendering,
                                         NULL);
    if (rc == -ENOENT)
        rc = render_with_crash(&rendering, 0, NULL);
    nj_incident_done(&incident);
    nj_buf_done(&names.text);
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
int nj_claim_hand_over(struct nj_claim_work *work, struct nj_claim *claim)
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

/* Of an incident's rows, how those that tell of the trouble fared on one channel. */
struct opening {
    const char *channel;
    bool failed, told;
};

static int note_opening(void *data, const struct nj_notification *row)
{
    struct opening *opening = data;
    if (nj_claim_transition(row) == NJ_TRANSITION_RESOLVED || !nj_streq(row->channel, opening->channel))
        return 0;
    opening->failed |= row->status == NJ_NOTIFICATION_FAILED;
    opening->told |= row->status != NJ_NOTIFICATION_FAILED;
    return 0;
}

/* An end whose beginning could not be told here goes where that went. 1 when it has gone. */
static int follow_opening(struct nj_claim_work *work, const struct nj_notification *row)
{
    if (nj_claim_transition(row) != NJ_TRANSITION_RESOLVED)
        return 0;
    struct opening opening = {.channel = row->channel};
    int rc = work->store->ops->each_notification_of(work->store, row->incident_id, ROWS_OF_INCIDENT_MAX,
                                                    note_opening, &opening, work->err);
    if (rc < 0 || !opening.failed || opening.told)
        return rc < 0 ? rc : 0;
    rc = nj_ledger_end(work->store, row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                       "its opening could not be told here", work->result, work->err);
    if (rc == 0)
        rc = nj_ledger_fail_over(work->store, work->terms, row, work->result, work->err);
    return rc < 0 ? rc : 1;
}

int nj_claim_text(struct nj_claim_work *work, const struct nj_slip *slip)
{
    struct nj_claim *claim = NJ_NEW(struct nj_claim);
    int rc = nj_claim_read_row(work, slip->id, &claim->row);
    if (rc == 0 && !slip->is_digest)
        rc = follow_opening(work, &claim->row);
    if (rc == 0 && claim->row.text[0] == '\0')
        rc = render_row(work, &claim->row);
    if (rc == 0) {
        claim->is_digest = slip->is_digest;
        claim->part = slip->is_digest ? next_part(&claim->row) : 0;
        return nj_claim_hand_over(work, claim);
    }
    if (rc == -ENOENT)
        rc = nj_ledger_end(work->store, &claim->row, NJ_NOTIFICATION_FAILED, work->terms->now_ns,
                           "the incident was deleted for its age", work->result, work->err);
    nj_claim_free(claim);
    work->result->more = rc >= 0;
    return rc < 0 ? rc : 0;
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

int nj_claim_log_file(struct nj_claim_work *work, const struct nj_slip *slip)
{
    struct nj_claim *claim = NJ_NEW(struct nj_claim);
    claim->is_file = true;
    struct nj_incident incident = {0};
    int rc = nj_claim_read_row(work, slip->id, &claim->row);
    if (rc == 0)
        rc = work->store->ops->get_incident(work->store, slip->incident_id, nj_claim_copy_incident, &incident,
                                            work->err);
    if (rc == 0)
        rc = work->store->ops->get_crash(work->store, incident.crash_id, true, take_file, claim, work->err);
    nj_incident_done(&incident);
    if (rc == 0 && claim->file != NULL)
        return nj_claim_hand_over(work, claim);
    if (rc == 0 || rc == -ENOENT)
        rc = nj_ledger_end(work->store, &claim->row, NJ_NOTIFICATION_SENT, work->terms->now_ns, "",
                           work->result, work->err);
    nj_claim_free(claim);
    work->result->more = rc == 0;
    return rc;
}
