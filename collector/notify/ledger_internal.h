/*
 * What the files of the ledger share. Used by ledger*.c only.
 */
#ifndef NJ_NOTIFY_LEDGER_INTERNAL_H
#define NJ_NOTIFY_LEDGER_INTERNAL_H

#include "collector/notify/ledger.h"

#define NJ_DIGEST "digest"

/* Bits of parts_done. Of a digest the lower ones are its parts, and one says that a part is uncertain. */
enum { NJ_PART_TEXT = 1, NJ_PART_FILE = 2, NJ_PART_UNCERTAIN = 1 << 30 };

/* A copy whose strings are its own. */
void nj_notification_copy(struct nj_notification *ret_copy, const struct nj_notification *row);
void nj_notification_done(struct nj_notification *copy);

bool nj_notification_is_digest(const struct nj_notification *row);

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

bool nj_ledger_has_failover(const struct nj_target *target);

#endif
