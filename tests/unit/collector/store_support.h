/*
 * What the store's tests share: a store in a folder that goes with the test.
 */
#ifndef NJ_TEST_STORE_SUPPORT_H
#define NJ_TEST_STORE_SUPPORT_H

#include "common/base/buf.h"
#include "tests/unit/collector/support.h"

struct fixture {
    struct folder folder;
    struct nj_store *store; /* the writer; NULL when the test has closed it */
    struct nj_err err;
    struct nj_buf text; /* of the test's own */
};
int setup(void **state);
int teardown(void **state);
void reopen(struct fixture *fixture);

/* Fails with what the store said. */
void must(const struct fixture *fixture, int rc);
void begin(struct fixture *fixture);
void commit(struct fixture *fixture);

#endif
