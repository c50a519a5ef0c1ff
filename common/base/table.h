/*
 * uthash's tables. Include this in place of <uthash.h>: an entry that finds no memory ends the program as
 * nj_calloc() does, where uthash by itself would call exit() without a word.
 */
#ifndef NJ_BASE_TABLE_H
#define NJ_BASE_TABLE_H

#include "common/base/alloc.h"

#define uthash_fatal(text) nj_out_of_memory()
#include <uthash.h>

#endif
