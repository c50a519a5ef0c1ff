/*
 * uthash's tables. Include this in place of <uthash.h>: an entry that finds no memory ends the program as
 * nj_calloc() does, where uthash by itself would call exit() without a word.
 */
#ifndef NJ_BASE_TABLE_H
#define NJ_BASE_TABLE_H

#include <assert.h>

#include "common/base/alloc.h"

#define uthash_fatal(text) nj_out_of_memory()
#include <uthash.h>

/* Takes an entry out of the table that it is in; `by` is the entry's handle of that table. To be used in
 * place of HASH_DEL: a static analyser loses sight of a table's links and then warns that the entry, freed,
 * might still be found. That it cannot be is said here, once. `table` and `entry` are evaluated several
 * times. */
#define NJ_TABLE_REMOVE_BY(by, table, entry)                                                                 \
    do {                                                                                                     \
        assert((table) != NULL);                                                                             \
        HASH_DELETE(by, table, entry);                                                                       \
        assert((table) != (entry));                                                                          \
    } while (0)

/* Likewise by the usual handle, `hh`. */
#define NJ_TABLE_REMOVE(table, entry) NJ_TABLE_REMOVE_BY(hh, table, entry)

#endif
