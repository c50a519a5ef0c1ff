/*
 * A collector for the uplink's tests: it keeps what it commits in memory and answers as it is told to, also
 * badly.
 */
#ifndef NJ_TEST_FAKE_COLLECTOR_H
#define NJ_TEST_FAKE_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop/msgsock.h"
#include "common/wire/batch.h"
#include "common/wire/seal.h"

enum { FAKE_IDS_MAX = 4096, FAKE_ID_BYTES = 32 };

/* How the next answers are given. */
enum fake_manner {
    FAKE_HONEST,
    FAKE_SILENT,        /* takes nothing, says nothing */
    FAKE_COMMIT_SILENT, /* commits, says nothing: the answer was lost */
    FAKE_REFUSE,        /* with the refusal below */
    FAKE_LAZY,          /* answers, but never commits */
    FAKE_GARBAGE,
    FAKE_WRONG_KEY,
    FAKE_CHANGED,       /* flips a bit of the answer */
    FAKE_REPEAT,        /* gives the last honest answer again */
    FAKE_LIE_COMMITTED, /* says `lie` is committed */
    FAKE_LIE_REQUEST,   /* says `lie` is the request */
    FAKE_HALF,          /* commits only the first half of a batch */
};

struct fake_collector {
    struct nj_loop *loop;
    const char *url;
    struct nj_replier *replier;
    struct nj_keyring *keyring, *foreign_keyring;
    struct nj_sealer *sealer;

    enum fake_manner manner;
    int for_requests; /* the manner lasts so long; -1: for ever */
    enum nj_refusal refusal;
    int64_t retry_after_ns;
    uint64_t lie;
    bool check_requests; /* refuses a request number that does not rise */

    /* What it knows. */
    int requests, heartbeats, bad_requests;
    size_t largest_batch;
    uint64_t last_request, committed;
    char stream[64], cluster[64], node[64];
    struct nj_agent_status status;
    char version[64];
    char ids[FAKE_IDS_MAX][FAKE_ID_BYTES]; /* committed, in order */
    uint64_t seqs[FAKE_IDS_MAX];
    int ids_count, duplicates;
    struct nj_buf last_answer;

    const struct nj_plan_namespace *plan; /* its plan, of one namespace; NULL: none */
    const char *plan_version;
    char asked_for[256]; /* the last request's version and namespaces: "v1: shop zoo" */
};

void fake_collector_init(struct fake_collector *collector, struct nj_loop *loop, const char *url,
                         const char *key, const char *foreign_key);
void fake_collector_listen(struct fake_collector *collector);
void fake_collector_stop(struct fake_collector *collector); /* as if it crashed: it may listen again */
void fake_collector_done(struct fake_collector *collector); /* after the loop has run on */

/* The committed ids, joined by spaces. */
const char *fake_collector_ids(const struct fake_collector *collector, char *text, size_t size);

#endif
