/*
 * cmocka, with the headers that it needs before it, in its order.
 */
#ifndef NJ_TESTS_UNIT_TEST_H
#define NJ_TESTS_UNIT_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
