#include "tests/unit/collector/store_support.h"

#include <stdlib.h>

#include "common/base/alloc.h"

int setup(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    begin_folder(&fixture->folder);
    fixture->store = open_writer(&fixture->folder);
    *state = fixture;
    return 0;
}

int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->store != NULL)
        fixture->store->ops->close(fixture->store);
    end_folder(&fixture->folder);
    nj_buf_done(&fixture->text);
    free(fixture);
    return 0;
}

void reopen(struct fixture *fixture)
{
    fixture->store->ops->close(fixture->store);
    fixture->store = open_writer(&fixture->folder);
}

void must(const struct fixture *fixture, int rc)
{
    if (rc < 0)
        fail_msg("%s", fixture->err.text);
}

void begin(struct fixture *fixture)
{
    must(fixture, fixture->store->ops->begin(fixture->store, &fixture->err));
}

void commit(struct fixture *fixture)
{
    must(fixture, fixture->store->ops->commit(fixture->store, &fixture->err));
}
