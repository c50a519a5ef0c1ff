/*
 * The agent's settings. The table in config.c is the documentation: key, type, default, range and help.
 */
#ifndef NJ_AGENT_CONFIG_H
#define NJ_AGENT_CONFIG_H

#include "common/base/config.h"

struct nj_agent_config {
    char *cluster;
    char *node; /* "" for $NODE_NAME, else the host's name */
    struct {
        int level, format;
    } log;
    struct {
        char *kubeconfig; /* "" for in-cluster */
    } kubernetes;
    struct {
        char *url, *key_file;
        int64_t heartbeat_ns, reply_timeout_ns, reconnect_min_ns, reconnect_max_ns;
        int64_t batch_events, batch_bytes;
    } collector;
    struct {
        char *path;
        int64_t max_bytes, max_events;
    } outbox;
    struct {
        char *log_dir; /* where the kubelet keeps pods' logs: /var/log/pods */
        int64_t log_lines, log_bytes;
        int64_t max_pending; /* crashes whose logs are being read at once; more wait */
        bool redact_defaults;
        struct nj_config_strings redact; /* more patterns */
        int64_t stable_after_ns;         /* up so long after a crash is well again */
    } crash;
    struct {
        int64_t image_ns, config_ns, start_ns, other_ns; /* waiting for so long is stuck */
    } stuck;
    struct {
        bool enabled, builtin;
        int64_t max_checks, max_concurrent, max_starts_per_s;
        int64_t max_response_bytes;
    } probes;
    struct {
        bool enabled, exits;
        int64_t interval_ns, leak_after_ns;
        int64_t max_processes, max_containers;
        int64_t sockets_rest;
        char *proc, *cgroup, *root; /* where the node's own are seen */
        char *kernel_log;           /* "" for none */
    } inspect;
    struct {
        char *listen; /* metrics and health */
        int64_t max_connections;
    } http;
};

extern const struct nj_config_field nj_agent_config_table[];

/* What no single field can check: patterns that do not compile, pauses that do not fit. 0 or -EINVAL with a
 * text. */
int nj_agent_config_check(const struct nj_agent_config *config, struct nj_err *err);

/* The settings that nj_agent_reload() puts in force, the others wait for the next start: nj_config_compare().
 */
extern const char *const nj_agent_live_settings[];

#endif
