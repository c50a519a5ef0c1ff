/*
 * What the tests of telling share: configurations as a user writes them, and secret files.
 */
#ifndef NJ_TEST_COLLECTOR_NOTIFY_SUPPORT_H
#define NJ_TEST_COLLECTOR_NOTIFY_SUPPORT_H

#include "collector/config.h"
#include "tests/unit/collector/support.h"

/* The collector's configuration from YAML, checked; the test fails when it is refused. */
void load_config(struct nj_collector_config *ret_config, const char *yaml);
void config_done(struct nj_collector_config *config);

/* FOLDER/NAME holding `text`. */
void write_file(const struct folder *folder, const char *name, const char *text);

#endif
