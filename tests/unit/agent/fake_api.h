/*
 * An API server that answers what a test tells it to, in the test's own loop, and a client of it.
 */
#ifndef NJ_TESTS_FAKE_API_H
#define NJ_TESTS_FAKE_API_H

#include "common/kube/client.h"
#include "common/loop/http.h"
#include "common/loop/httpd.h"
#include "tests/unit/loop/support.h"

enum { FAKE_ANSWERS = 16 };

struct fake_answer {
    const char *path;     /* of the request, without its query */
    const char *previous; /* wanted value of this parameter; NULL: any */
    unsigned status;
    const char *type, *body;
    size_t len; /* of the body; 0: it is text */
    bool watch; /* wanted: a request with this parameter, or one without */
    bool hold;  /* not answered until fake_release() */
    int asked;
};

struct fake_api {
    struct test_loop *test;
    char folder[64]; /* of its own, removed at the end */
    struct nj_httpd *httpd;
    struct nj_http *http;
    struct nj_kube_client *client;
    struct fake_answer answers[FAKE_ANSWERS];
    int answers_count;
    int asked;                    /* requests at all, also unexpected ones (404) */
    char accept[256], query[512]; /* of the last request */
    struct nj_httpd_request *held[FAKE_ANSWERS];
    struct fake_answer *held_for[FAKE_ANSWERS];
    int held_count;
};

void fake_api_open(struct fake_api *api, struct test_loop *test);
void fake_api_close(struct fake_api *api);

struct fake_answer *fake_on(struct fake_api *api, const char *path, unsigned status, const char *type,
                            const char *body);
/* Answers everything that is held. */
void fake_release(struct fake_api *api);

#endif
