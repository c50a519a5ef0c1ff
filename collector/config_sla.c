/* Settings of availability: objectives, windows of maintenance, what is done about a failing rollout. */
#include "collector/config_table.h"

#include "common/base/clock.h"

static const struct nj_config_field maintenance_fields[] = {
    {.key = "namespaces",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, namespaces),
     .fallback = "*",
     .help = "namespaces it is for, with * and ?"},
    {.key = "from",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, from),
     .help = "beginning of one that is once: 2026-11-21T02:00:00Z"},
    {.key = "to",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, to),
     .help = "its end"},
    {.key = "schedule",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, schedule),
     .help = "one that comes every week or day: \"Sun 02:00-04:00\", \"Mon-Fri 22:00-02:00\", "
             "\"daily 03:00-03:30\""},
    {.key = "zone",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, zone),
     .fallback = "UTC",
     .help = "that the schedule is in, an offset: \"+08:00\", \"UTC\""},
    {.key = "reason",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct nj_maintenance_config, reason),
     .fallback = "maintenance",
     .help = "what is written beside an outage within it"},
    NJ_SETTINGS_END};

const struct nj_config_field nj_sla_settings[] = {
    {.key = "outage_after",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(sla, outage_after_ns),
     .fallback = "5s",
     .min = 0,
     .max = NJ_HOUR,
     .help = "a service that is not available for so long, and not on purpose, is told"},
    {.key = "objective",
     .type = NJ_CONFIG_STRING,
     .offset = NJ_SETTING_OF(sla, objective),
     .help =
         "per cent of the time that a service shall be available, such as \"99.9\", where neither it nor "
         "its workload has the annotation nightjar.dev/slo; empty for none: then no burnt budget is told"},
    {.key = "window",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(sla, window_ns),
     .fallback = "30d",
     .min = 3 * NJ_DAY,
     .max = 400 * NJ_DAY,
     .help = "time that an objective and its error budget are of"},
    {.key = "max_services",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(sla, max_services),
     .fallback = "20000",
     .min = 1,
     .max = 1000000,
     .help = "Services whose availability is followed, and as many workloads; further ones are counted"},
    {.key = "max_objects",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(sla, max_objects),
     .fallback = "200000",
     .min = 100,
     .max = 10000000,
     .help =
         "Deployments, StatefulSets, DaemonSets, ReplicaSets and PodDisruptionBudgets followed, together; "
         "further ones are counted"},
    {.key = "maintenance",
     .type = NJ_CONFIG_LIST,
     .offset = NJ_SETTING_OF(sla, maintenance),
     .fields = maintenance_fields,
     .item_size = sizeof(struct nj_maintenance_config),
     .max = 1000,
     .help = "windows in which what fails was meant: it costs no availability and nobody is told"},
    NJ_SETTINGS_END};

const struct nj_config_field nj_rollback_settings[] = {
    {.key = "enabled",
     .type = NJ_CONFIG_BOOL,
     .offset = NJ_SETTING_OF(rollback, enabled),
     .fallback = "false",
     .help =
         "roll a Deployment, StatefulSet or DaemonSet back whose rollout fails, where its annotation "
         "nightjar.dev/auto-rollback asks for it: \"10m\", within so long after it began; needs the rights "
         "of deploy/manifests/rollback"},
    {.key = "max_per_hour",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(rollback, max_per_hour),
     .fallback = "3",
     .min = 1,
     .max = 100,
     .help = "in the whole cluster; what fails beyond is only told"},
    NJ_SETTINGS_END};
