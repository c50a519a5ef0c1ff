/*
 * A collector's receiving half on a loop, and agents that talk to it over real sockets on the same loop.
 */
#ifndef NJ_TEST_COLLECTOR_INGEST_SUPPORT_H
#define NJ_TEST_COLLECTOR_INGEST_SUPPORT_H

#include "collector/ingest/ingest.h"
#include "common/loop/msgsock.h"
#include "common/wire/batch.h"
#include "common/wire/seal.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/support.h"

enum { URL_BYTES = 512, EVENTS_MAX = 4096 };

extern const char test_key[]; /* the text of a key file */
extern const char other_key[];

struct server {
    struct test_loop *test;
    struct folder folder;
    char url[URL_BYTES];
    struct nj_keyring *keyring;
    struct nj_store *store;
    struct nj_worker *writer;
    struct nj_metrics *metrics;
    struct nj_ingest *ingest;
    struct nj_ingest_options options; /* may be changed between stop and start */

    /* What was planned and told: "+1 crash;-1 stable;" and "1 open n=2;". */
    struct nj_buf planned, changed;
    int plan_fails_at; /* the call of plan that fails, counted from 1; 0: none */
    int plans;
    int plan_error;

    /* Holding up the writer. */
    struct nj_job hold;
    uv_sem_t held;
    bool holding;
};

/* Of a loop test: makes folder, store and all that goes with it; starts listening. */
void server_open(struct server *server, struct test_loop *test);
void server_start(struct server *server);
void server_stop(struct server *server);
void server_close(struct server *server);

/* The writer does nothing until server_release(). */
void server_hold(struct server *server);
void server_release(struct server *server);

/* A metric's value by its name and labels as they are rendered. */
int64_t server_metric(struct server *server, const char *series);

/* Through a reader: */
int server_count_crashes(struct server *server);
/* Every incident, newest first: "2 crash open n=3 lost=0;1 image_pull resolved n=1 lost=0;" */
void server_incidents(struct server *server, struct nj_buf *out);
int64_t server_sum_of_counts(struct server *server);

struct agent {
    struct test_loop *test;
    struct nj_requester *requester;
    struct nj_keyring *keyring;
    struct nj_sealer *sealer;
    const char *node, *stream;
    uint64_t request;     /* of the next packet */
    struct nj_buf packet; /* the last one, sealed */
    struct nj_ack ack;    /* the last answer */
    int answers, timeouts;
    uint32_t version;
    const char *plan_version; /* what it has, and what it asks for; NULL and none: it knows no plans */
    const char *const *plan_namespaces;
    size_t plan_namespaces_count;
    char plan[256]; /* of the last answer: "VERSION NAMESPACE NAMESPACE"; "" when it had none */
    uint8_t nonce[NJ_SEAL_NONCE];
    char refused[256];
    bool unreadable; /* the last answer */
    bool closed;
};

void agent_open(struct agent *agent, struct test_loop *test, const char *url, const char *key_text,
                const char *node, const char *stream);
void agent_close(struct agent *agent);

/* Seals a batch of these events, numbered from first_seq, into agent->packet. */
void agent_pack(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq);
/* Sends agent->packet without waiting. */
void agent_send_packet(struct agent *agent);
void agent_send(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq);
/* Waits for the answer or the timeout of the last send. */
void agent_wait(struct agent *agent);
/* Sends and waits; the answer is in agent->ack. */
void agent_tell(struct agent *agent, const struct nj_event *events, size_t count, uint64_t first_seq);

#endif
