/*
 * The rows behind the messages: who is to be told, what is claimed for sending next, and what became of it.
 * Writer's worker only; each function is called within a transaction and leaves no trace when that is rolled
 * back. It knows no loop and takes the time.
 *
 * A row's life: PENDING -> SENDING (claimed: durable before the first byte leaves) -> SENT, or back to
 * PENDING (told nobody, to be tried again), FAILED (given up; the fail-over channel, if there is one, has a
 * row instead) or UNCERTAIN (it may have arrived, and is not sent again here; at run time the fail-over is
 * told). An alert whose log file is still to follow goes back to PENDING with bit 0 of parts_done; that never
 * repeats the text.
 *
 * What may be sent at once has next_ns 0, whatever the clock says. What waits for a later attempt is never
 * planned further ahead than NJ_LEDGER_WAIT_MAX_NS: what seems to be was planned before the wall clock was
 * set back, and is due. Whoever sees that happen says so with nj_ledger_hurry().
 *
 * When more alerts wait than may be sent, all that wait become one digest, a row of its own (incident 0,
 * transition "digest") that its members point to; they are FOLDED once it was sent. The rows of one incident
 * are told in order.
 *
 * Storms. When more alerts are due than may go one by one within a while, the others are gathered for so long
 * and become a digest, and while the storm lasts a channel gets NJ_LEDGER_STORM_MESSAGES a minute. Only what
 * was sent and what waits decides, so a restart changes nothing.
 *
 * Later. A route's repeats and escalations are reminders in the store, written with the opening and forgotten
 * with the end or an acknowledgement; nj_ledger_upkeep() makes rows of those that are due ("repeated",
 * "escalated"), in the transaction that puts the reminder off or deletes it. What opens or ends in a route's
 * quiet hours is HELD until their end, and then told as one digest; likewise what worsens under a silence
 * that came after the opening, which holds back repeats and escalations too. The daily digest is a row whose
 * occurrence is the moment it is for, so that there is one. A channel that forgets is told each minute what
 * is open, as a digest that is sent then or never (WITHDRAWN).
 */
#ifndef NJ_NOTIFY_LEDGER_H
#define NJ_NOTIFY_LEDGER_H

#include "collector/notify/settings.h"
#include "collector/store/store.h"

enum {
    NJ_LEDGER_ROWS_MAX = 2000,  /* rows of a channel looked at in one go; the newer ones come later */
    NJ_LEDGER_DIGEST_MAX = 500, /* alerts in one digest */
    NJ_LEDGER_MOVED_MAX = 200,  /* alerts failed over in one transaction */
    NJ_LEDGER_STATUSES = NJ_NOTIFICATION_UNCERTAIN + 1,
    NJ_LEDGER_STORM_MESSAGES = 5,  /* a minute on one channel */
    NJ_LEDGER_STORM_PARTS = 2,     /* of a digest then */
    NJ_LEDGER_REMINDERS_MAX = 500, /* in one transaction */
    NJ_LEDGER_DAILY_MAX = 1000,    /* incidents looked at for a daily digest */
    NJ_LEDGER_DIGEST_PARTS = 24,   /* bits of parts_done; a part that is refused as too long becomes two */
};
#define NJ_LEDGER_GIVE_UP_NS (24 * NJ_HOUR) /* a message that cannot be sent for so long is a dead letter */
#define NJ_LEDGER_FILE_LATE_NS                                                                               \
    (10 * NJ_MIN) /* a log file that could not follow its alert in time is left out */
#define NJ_LEDGER_BACKOFF_MIN_NS (2 * NJ_SEC)
#define NJ_LEDGER_BACKOFF_MAX_NS (5 * NJ_MIN)
#define NJ_LEDGER_WAIT_MAX_NS                                                                                \
    NJ_HOUR /* nothing waits longer for its next attempt, whatever the other side asks for */

#define NJ_LEDGER_STORM_NS NJ_MIN        /* a storm is over when nothing had to be gathered for so long */
#define NJ_LEDGER_KEEP_NS NJ_MIN         /* how often a channel that forgets is told what is open */
#define NJ_LEDGER_SILENCE_LOOK_NS NJ_MIN /* how often it is looked whether a silence has been ended */
#define NJ_LEDGER_DAILY_LATE_NS (12 * NJ_HOUR) /* a daily digest that is later is left out */

/* How long to wait after so many failures in a row (1 and up): doubling. */
int64_t nj_ledger_backoff_ns(int failures);

/* Texts and log files of a channel wait in line separately, so that a slow upload holds up no alert. */
enum nj_lane { NJ_LANE_TEXT, NJ_LANE_FILE, NJ_LANES };

/* What was claimed, with everything that sending it needs. Any thread, one at a time. */
struct nj_claim {
    struct nj_notification row; /* its strings are the claim's own */
    bool is_digest, is_file;
    size_t part;            /* of a digest */
    char *file, *file_name; /* of a log file */
    char *key;
    struct nj_delivery delivery; /* points into the above */
};
void nj_claim_free(struct nj_claim *claim); /* takes NULL */

/* What a call did, for metrics and for what comes next. The caller zeroes it. */
struct nj_ledger_result {
    uint32_t ended[NJ_LEDGER_STATUSES]; /* rows that reached their end, by status */
    bool elsewhere;                     /* another channel got rows */
    bool more;                          /* this channel has more to do at once */
    int64_t told_since_ns;  /* when the change was planned of which people were told; 0: nobody was */
    struct nj_claim *claim; /* nj_ledger_claim(): NULL when there is nothing to be sent now; the caller's */
    int64_t wake_ns;        /* nj_ledger_claim(): then look again, wall ns; INT64_MAX: nothing waits */
    int64_t daily_ns;       /* nj_ledger_upkeep(): of the latest daily digest, kept from call to call */
    bool released;          /* nj_ledger_upkeep(): quiet hours have ended for some */
    bool storm;             /* nj_ledger_claim(): more was due than could go one by one */
    size_t waiting;         /* nj_ledger_claim(): alerts that wait, at most NJ_LEDGER_ROWS_MAX */
};

/* Rows for a transition of an incident. The end is told where the beginning was, if the routes want it.
 * *ret_any tells whether there are any. 0 or the store's error. */
int nj_ledger_plan(struct nj_store *store, const struct nj_notify_settings *settings,
                   const struct nj_incident *incident, enum nj_transition transition, int64_t now_ns,
                   bool *ret_any, struct nj_err *err);

struct nj_ledger_terms {
    const struct nj_notify_settings *settings;
    const struct nj_target *target;
    int64_t now_ns;
};

/* Once for each channel, before anything of it is claimed: rows that were being sent when the last process
 * ended. */
int nj_ledger_recover(struct nj_store *store, const struct nj_ledger_terms *terms,
                      struct nj_ledger_result *result, struct nj_err *err);

/* Rows of channels that are not configured (any more) and of which none is being sent, as at a start and
 * after a reload. */
int nj_ledger_sweep(struct nj_store *store, const struct nj_notify_settings *settings, int64_t now_ns,
                    struct nj_ledger_result *result, struct nj_err *err);

/* What waits for a later attempt is due: the wall clock, by which that was planned, was set back, or channels
 * were put right. */
int nj_ledger_hurry(struct nj_store *store, int64_t now_ns, struct nj_err *err);

/* What time brings: reminders that are due, the end of quiet hours, the daily digest. result->elsewhere tells
 * that there are rows to be claimed, result->more that there is more to do at once, result->wake_ns when
 * there will be. `clock_back`: what was planned for too far ahead comes nearer. */
int nj_ledger_upkeep(struct nj_store *store, const struct nj_notify_settings *settings, int64_t now_ns,
                     bool clock_back, struct nj_ledger_result *result, struct nj_err *err);

struct nj_claim_terms {
    enum nj_lane lane;
    size_t budget; /* messages that may be sent now; 0: it is only looked what waits */
    size_t spare;  /* file lane: how many of them are kept for alerts */
    /* Nothing can be sent on this channel for now, and why: alerts go to the fail-over, if there is one.
     * NULL: it can. */
    const char *closed;
    /* Alerts are gathered for gather_ns beyond the `at_once` that may go one by one; a digest then has at
     * most digest_parts. */
    bool gathers;
    size_t at_once, digest_parts;
    size_t calm; /* more alerts than so many are a storm (that goes on); at_once, or more while one lasts */
    int64_t gather_ns;
    int64_t short_row; /* the row that was too long, ... */
    size_t max_bytes;  /* ... and how long it may be; 0: none was */
};
int nj_ledger_claim(struct nj_store *store, const struct nj_ledger_terms *terms,
                    const struct nj_claim_terms *claim, struct nj_ledger_result *result, struct nj_err *err);

struct nj_record_terms {
    const struct nj_outcome *outcome;
    bool give_up;       /* the channel has failed too often: do not wait for this row's own retries */
    bool cannot_shrink; /* it was as short as it gets */
};
int nj_ledger_record(struct nj_store *store, const struct nj_ledger_terms *terms,
                     const struct nj_claim *claim, const struct nj_record_terms *record,
                     struct nj_ledger_result *result, struct nj_err *err);

#endif
