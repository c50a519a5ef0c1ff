/*
 * What the files of the ledger share. Used by ledger*.c only.
 */
#ifndef NJ_NOTIFY_LEDGER_INTERNAL_H
#define NJ_NOTIFY_LEDGER_INTERNAL_H

#include "collector/notify/ledger.h"

#define NJ_DIGEST "digest"

/* Bits of parts_done. Of a digest the lower ones are its parts, and one says that a part is uncertain. */
enum { NJ_PART_TEXT = 1, NJ_PART_FILE = 2, NJ_PART_UNCERTAIN = 1 << 30 };

#define NJ_REPEATED "repeated"
#define NJ_ESCALATED "escalated"

/* A copy whose strings are its own. */
void nj_notification_copy(struct nj_notification *ret_copy, const struct nj_notification *row);
void nj_notification_done(struct nj_notification *copy);

bool nj_notification_is_digest(const struct nj_notification *row);

/* A digest that tells a channel which forgets what is open: named by its time and its first incident, as one
 * transaction may not take all. It is never sent later than the first time: the next one says how things
 * stand then, and what has ended meanwhile must not be told as open after its end. */
uint64_t nj_ledger_kept_occurrence(int64_t now_ns, int64_t incident_id);
bool nj_ledger_is_kept(const struct nj_notification *row);

/* Ends a row that need not be told any more. */
int nj_ledger_withdraw(struct nj_store *store, const struct nj_notification *row, int64_t now_ns,
                       struct nj_err *err);

/* next_ns of what may be sent at once. Not now: the clock may be set back. */
#define NJ_LEDGER_AT_ONCE 0

/* Rows with strings of their own, oldest first. */
struct nj_rows {
    struct nj_notification *items;
    size_t count;
};
void nj_rows_done(struct nj_rows *rows);

/* The members of a digest that are not settled yet. */
int nj_ledger_members(struct nj_store *store, const char *channel, int64_t digest_id,
                      struct nj_rows *ret_rows, struct nj_err *err);

/* Ends a row: status and error are stored, its text is dropped, and it is counted. */
int nj_ledger_end(struct nj_store *store, const struct nj_notification *row,
                  enum nj_notification_status status, int64_t now_ns, const char *error,
                  struct nj_ledger_result *result, struct nj_err *err);

/* Plans the row for the channel's fail-over, if there is one and it is not planned there already. */
int nj_ledger_fail_over(struct nj_store *store, const struct nj_ledger_terms *terms,
                        const struct nj_notification *row, struct nj_ledger_result *result,
                        struct nj_err *err);

/* Ends a digest's members with it, and plans them for the fail-over if `elsewhere`. */
int nj_ledger_end_members(struct nj_store *store, const struct nj_ledger_terms *terms,
                          const struct nj_notification *digest, enum nj_notification_status status,
                          bool elsewhere, const char *error, struct nj_ledger_result *result,
                          struct nj_err *err);

/* A row that waits, as far as choosing needs it. */
struct nj_slip {
    int64_t id, incident_id, created_ns, next_ns, done_ns, digest_id;
    bool is_digest;
    bool folds;
    bool is_member; /* of the digest that is being made */
};

struct nj_slips {
    struct nj_slip *items; /* of the lane, oldest first, at most NJ_LEDGER_ROWS_MAX */
    size_t count;
    size_t texts; /* alerts that wait in the other lane's place or this one's, likewise */
};

/* What a claim works with. */
struct nj_claim_work {
    struct nj_store *store;
    const struct nj_ledger_terms *terms;
    const struct nj_claim_terms *claim;
    struct nj_ledger_result *result;
    struct nj_err *err;
    struct nj_slips slips;
};

/* A whole row by its id, with strings of its own. (ledger_take.c, as what follows) */
int nj_claim_read_row(struct nj_claim_work *work, int64_t id, struct nj_notification *ret_row);

/* The incident (data: struct nj_incident *) as a copy. */
int nj_claim_copy_incident(void *data, const struct nj_incident *incident);

struct nj_terms nj_claim_terms_of(const struct nj_claim_work *work, size_t max_bytes);
enum nj_transition nj_claim_transition(const struct nj_notification *row);

/* Marks the row as being sent and makes it the result's claim; takes it. */
int nj_claim_hand_over(struct nj_claim_work *work, struct nj_claim *claim);

/* The next part of a row's text, or its log file. When the row turns out to have none, it ends and `more` is
 * set. */
int nj_claim_text(struct nj_claim_work *work, const struct nj_slip *slip);
int nj_claim_log_file(struct nj_claim_work *work, const struct nj_slip *slip);

/* The slips marked as members, of which there are so many, as one digest. (ledger_digest.c) */
int nj_claim_digest(struct nj_claim_work *work, size_t members);

bool nj_ledger_has_failover(const struct nj_target *target);

#endif
