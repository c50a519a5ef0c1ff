/*
 * A table of settings with every type, for the tests of loading, printing and the command line.
 */
#ifndef NJ_TESTS_SAMPLE_CONFIG_H
#define NJ_TESTS_SAMPLE_CONFIG_H

#include "common/base/clock.h"
#include "common/base/config.h"

struct sample_route {
    char *group;
    struct nj_config_strings channels;
    int64_t wait_ns;
    struct {
        char *namespace;
        bool exact;
    } match;
};

struct sample_config {
    char *cluster;
    int64_t workers;
    int64_t serial; /* without a range */
    bool enabled;
    int format;
    struct {
        int64_t log_lines;
        int64_t log_bytes;
        int64_t stable_after_ns;
        int64_t unbounded_ns;
        struct {
            char *pattern;
        } redact;
    } crash;
    struct nj_config_strings patterns;
    struct nj_config_strings zones;  /* with a default */
    struct nj_config_strings labels; /* a map */
    struct nj_config_list routes;
};

static const char *const sample_formats[] = {"json", "text", "off", NULL};

static const struct nj_config_field sample_match_fields[] = {
    {.key = "namespace",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct sample_route, match.namespace) - offsetof(struct sample_route, match),
     .fallback = "*",
     .help = "pattern"},
    {.key = "exact",
     .type = NJ_CONFIG_BOOL,
     .offset = offsetof(struct sample_route, match.exact) - offsetof(struct sample_route, match),
     .help = "no pattern"},
    {0}};

static const struct nj_config_field sample_route_fields[] = {
    {.key = "group",
     .type = NJ_CONFIG_STRING,
     .offset = offsetof(struct sample_route, group),
     .help = "who is told"},
    {.key = "channels",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = offsetof(struct sample_route, channels),
     .max = 3,
     .help = "by which ways"},
    {.key = "wait",
     .type = NJ_CONFIG_DURATION,
     .offset = offsetof(struct sample_route, wait_ns),
     .fallback = "30s",
     .min = NJ_SEC,
     .max = NJ_HOUR,
     .help = "how long to wait"},
    {.key = "match",
     .type = NJ_CONFIG_SECTION,
     .offset = offsetof(struct sample_route, match),
     .fields = sample_match_fields,
     .help = "what is told"},
    {0}};

#define SAMPLE_CRASH(member)                                                                                 \
    (offsetof(struct sample_config, crash.member) - offsetof(struct sample_config, crash))

static const struct nj_config_field sample_redact_fields[] = {
    {.key = "pattern", .type = NJ_CONFIG_STRING, .offset = 0, .help = "what is hidden"}, {0}};

static const struct nj_config_field sample_crash_fields[] = {
    {.key = "log_lines",
     .type = NJ_CONFIG_INT,
     .offset = SAMPLE_CRASH(log_lines),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "how many of the last lines of a crashed container's log are captured, at most, of all its "
             "files together"},
    {.key = "log_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = SAMPLE_CRASH(log_bytes),
     .fallback = "256KiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "how many bytes"},
    {.key = "stable_after",
     .type = NJ_CONFIG_DURATION,
     .offset = SAMPLE_CRASH(stable_after_ns),
     .fallback = "10m",
     .min = NJ_SEC,
     .max = NJ_DAY,
     .help = "up for so long is well"},
    {.key = "unbounded",
     .type = NJ_CONFIG_DURATION,
     .offset = SAMPLE_CRASH(unbounded_ns),
     .fallback = "5s",
     .min = NJ_SEC,
     .max = INT64_MAX,
     .help = "no upper bound"},
    {.key = "redact",
     .type = NJ_CONFIG_SECTION,
     .offset = SAMPLE_CRASH(redact),
     .fields = sample_redact_fields,
     .help = "hiding of secrets"},
    {0}};

static const struct nj_config_field sample_table[] = {{.key = "cluster",
                                                       .type = NJ_CONFIG_STRING,
                                                       .offset = offsetof(struct sample_config, cluster),
                                                       .fallback = "default",
                                                       .help = "name of the cluster"},
                                                      {.key = "workers",
                                                       .type = NJ_CONFIG_INT,
                                                       .offset = offsetof(struct sample_config, workers),
                                                       .fallback = "4",
                                                       .min = -1,
                                                       .max = 64,
                                                       .help = "threads"},
                                                      {.key = "serial",
                                                       .type = NJ_CONFIG_INT,
                                                       .offset = offsetof(struct sample_config, serial),
                                                       .help = "any number"},
                                                      {.key = "enabled",
                                                       .type = NJ_CONFIG_BOOL,
                                                       .offset = offsetof(struct sample_config, enabled),
                                                       .fallback = "true",
                                                       .help = "whether at all"},
                                                      {.key = "format",
                                                       .type = NJ_CONFIG_ENUM,
                                                       .offset = offsetof(struct sample_config, format),
                                                       .choices = sample_formats,
                                                       .help = "of the log"},
                                                      {.key = "crash",
                                                       .type = NJ_CONFIG_SECTION,
                                                       .offset = offsetof(struct sample_config, crash),
                                                       .fields = sample_crash_fields,
                                                       .help = "crashes"},
                                                      {.key = "patterns",
                                                       .type = NJ_CONFIG_STRING_LIST,
                                                       .offset = offsetof(struct sample_config, patterns),
                                                       .max = 100,
                                                       .help = "any texts"},
                                                      {.key = "zones",
                                                       .type = NJ_CONFIG_STRING_LIST,
                                                       .offset = offsetof(struct sample_config, zones),
                                                       .fallback = "[a, b]",
                                                       .help = "with a default"},
                                                      {.key = "labels",
                                                       .type = NJ_CONFIG_MAP,
                                                       .offset = offsetof(struct sample_config, labels),
                                                       .max = 3,
                                                       .help = "keys and values"},
                                                      {.key = "routes",
                                                       .type = NJ_CONFIG_LIST,
                                                       .offset = offsetof(struct sample_config, routes),
                                                       .max = 20,
                                                       .fields = sample_route_fields,
                                                       .item_size = sizeof(struct sample_route),
                                                       .help = "who is told what"},
                                                      {0}};

#endif
