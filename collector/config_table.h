/*
 * The tables of the settings' sections, each in the file of what it is about; config_table.c has the whole.
 *
 * A row is a setting: its key in the file, its type, where its value goes, its default as it would stand in
 * the file, the least and the greatest value, and the words that --help and --print-config show. A new one
 * takes a member in config.h and a row; where it must agree with another, a check in config_check.c.
 */
#ifndef NJ_COLLECTOR_CONFIG_TABLE_H
#define NJ_COLLECTOR_CONFIG_TABLE_H

#include <stddef.h>

#include "collector/config.h"

/* Where a member of a section is within it. NOLINTBEGIN(bugprone-macro-parentheses): names take none */
#define NJ_SETTING_OF(section, member)                                                                       \
    (offsetof(struct nj_collector_config, section.member) - offsetof(struct nj_collector_config, section))
/* NOLINTEND(bugprone-macro-parentheses) */
#define NJ_SETTINGS_END                                                                                      \
    {                                                                                                        \
        0                                                                                                    \
    }

/* config_watch.c */
extern const struct nj_config_field nj_kubernetes_settings[];
extern const struct nj_config_field nj_probes_settings[];
extern const struct nj_config_field nj_nodes_settings[];
extern const struct nj_config_field nj_capacity_settings[];

/* config_store.c */
extern const struct nj_config_field nj_ingest_settings[];
extern const struct nj_config_field nj_store_settings[];
extern const struct nj_config_field nj_remote_write_settings[];

/* config_sla.c */
extern const struct nj_config_field nj_sla_settings[];
extern const struct nj_config_field nj_rollback_settings[];

/* config_notify.c */
extern const struct nj_config_field nj_incident_settings[];
extern const struct nj_config_field nj_notify_settings[];

#endif
