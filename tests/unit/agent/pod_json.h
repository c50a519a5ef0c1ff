/*
 * Pods as a test writes them: JSON with single quotes.
 */
#ifndef NJ_TESTS_POD_JSON_H
#define NJ_TESTS_POD_JSON_H

#include "common/base/arena.h"
#include "common/kube/decode.h"

/* The object lives in the arena, with its text. Fails the test when it is no pod. */
struct nj_kube_object test_pod(struct nj_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
