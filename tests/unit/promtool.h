/*
 * What Prometheus itself says of a page of metrics.
 */
#ifndef NJ_TESTS_UNIT_PROMTOOL_H
#define NJ_TESTS_UNIT_PROMTOOL_H

/* Skips the test where promtool is not installed (tests/run.sh fetches it). */
void assert_promtool_takes(const char *text);

#endif
