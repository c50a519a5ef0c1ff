/*
 * The collector's settings. The tables of config_table.h are the documentation: key, type, default, range and
 * help.
 */
#ifndef NJ_COLLECTOR_CONFIG_H
#define NJ_COLLECTOR_CONFIG_H

#include "common/base/config.h"

enum nj_channel_type {
    NJ_CHANNEL_WECOM_ROBOT,
    NJ_CHANNEL_WECOM_APP,
    NJ_CHANNEL_WEBHOOK,
    NJ_CHANNEL_ALERTMANAGER
};
const char *nj_channel_type_name(enum nj_channel_type type); /* "wecom_robot", ...: as in the file */
enum nj_channel_format { NJ_CHANNEL_MARKDOWN, NJ_CHANNEL_TEXT };
enum nj_language { NJ_LANGUAGE_ZH, NJ_LANGUAGE_EN };

struct nj_channel_config {
    char *name;
    int type;          /* enum nj_channel_type */
    int format;        /* WeCom: enum nj_channel_format */
    char *url_file;    /* robot, webhook: the secret file with the URL (a robot's URL holds its key) */
    char *corp_id;     /* app */
    int64_t agent_id;  /* app */
    char *user;        /* webhook, alertmanager: of basic authentication; "" for a bearer token */
    char *secret_file; /* app: corp secret; webhook, alertmanager: token or password, optional */
    char *api_url;     /* app: https://qyapi.weixin.qq.com */
    char *ca_file;     /* additional trust for this channel; "" for the system's */
    struct nj_config_strings to_users, to_parties, to_tags; /* app */
    bool attach_log;                                        /* send the crash's log as a file */
    int64_t rate_per_minute;
    int64_t timeout_ns;
    int64_t retries;       /* of a transient failure, before failover */
    char *failover;        /* name of the channel that is told instead; "" for none */
    bool resend_uncertain; /* after a crash of the collector in the middle of sending: rather twice than never
                            */
};

/* From a time of day to another, in a time zone: over midnight when it ends earlier than it begins. */
struct nj_quiet_config {
    char *from, *to; /* "22:00"; both "" for none */
    char *zone;      /* common/base/zone.h */
    char *below;     /* what is less severe waits for the end */
};

struct nj_route_config {
    char *group; /* alert group: who is told */
    struct nj_config_strings channels;
    struct nj_config_strings mentions; /* WeCom user ids, or @all */
    /* Globs; "" matches everything. */
    char *cluster, *project, *namespace, *workload, *kind;
    char *severity;    /* "", "info", "warning", "critical": at least */
    bool resolved;     /* also tell the end */
    int64_t repeat_ns; /* told again while it lasts and nobody has acknowledged it; 0: never */
    struct {
        int64_t after_ns; /* 0: never */
        struct nj_config_strings channels;
    } escalate;
    struct nj_quiet_config quiet;
    bool proceed; /* go on with the next route after a match */
};

/* When what fails in these namespaces was meant: once, or every week. collector/sla/maintenance.h. */
struct nj_maintenance_config {
    char *namespaces; /* glob */
    char *from, *to;  /* RFC 3339 */
    char *schedule, *zone;
    char *reason;
};

struct nj_collector_config {
    char *cluster; /* of the collector's own watches */
    struct {
        int level, format;
    } log;
    struct {
        bool enabled;     /* watch unscheduled pods and namespaces */
        char *kubeconfig; /* "" for in-cluster */
        int64_t unschedulable_after_ns;
        char *project_key; /* label or annotation of a namespace that names its project */
    } kubernetes;
    struct {
        char *listen; /* nanomsg URL for the agents */
        char *key_file;
        int64_t max_packet_bytes, max_plain_bytes;
        int64_t max_queued;      /* packets that wait for the writer */
        int64_t silent_after_ns; /* an agent not heard for so long is shown as silent */
        int64_t max_agents;
    } ingest;
    struct {
        char *path;
        int64_t crashes_ns, logs_ns, incidents_ns, agents_ns;
        int64_t points_minute_ns, points_hour_ns, points_day_ns; /* of the checks' series */
        int64_t usage_minute_ns, usage_hour_ns, usage_day_ns;    /* of what containers and nodes used */
        int64_t intervals_ns, rollouts_ns;
    } store;
    struct {
        bool derive;  /* check every Service, and pods' metrics pages, without being asked */
        bool builtin; /* check the cluster's own components */
        struct nj_config_strings allowed_hosts; /* where a monitor's URL may go; common/probe/address.h */
        char *cluster_domain;
        int64_t max_checks, max_concurrent, max_response_bytes; /* of the collector's own checks */
        int64_t max_objects;            /* Services, EndpointSlices, Ingresses and ApiMonitors followed */
        int64_t target_silent_after_ns; /* a target of which nothing was heard for so long is gone */
    } probes;
    struct {
        int64_t max;                /* followed */
        int64_t not_ready_after_ns; /* a new one has so long to become ready */
    } nodes;
    struct {
        int64_t interval_ns, silent_after_ns, max_pods;
    } capacity;
    struct {
        int64_t outage_after_ns; /* a service that is away for so long is told */
        char *objective;         /* per cent: "99.9"; "" for none */
        int64_t window_ns;       /* that the objective is of */
        int64_t max_services, max_objects;
        struct nj_config_list maintenance; /* struct nj_maintenance_config */
    } sla;
    struct {
        bool enabled;
        int64_t max_per_hour;
    } rollback;
    struct {
        int64_t stale_after_ns, max_open, max_subjects;
    } incident;
    struct {
        int language;          /* enum nj_language */
        char *public_url;      /* where people reach the collector, for links; "" for none */
        int64_t log_lines;     /* of the log's end in a message */
        int64_t probe_wait_ns; /* before failing checks are told, for what else fails with them */
        int64_t storm_after;   /* alerts within storm_window_ns that go one by one; 0: all do */
        int64_t storm_window_ns;
        bool demote; /* alerts of flagged rules are told in the daily digest alone */
        struct {
            char *at; /* "09:00"; "" for none */
            char *zone;
            struct nj_config_strings channels;
        } digest;
        struct nj_config_list channels; /* struct nj_channel_config */
        struct nj_config_list routes;   /* struct nj_route_config */
    } notify;
    struct {
        char *url; /* Prometheus remote write; "" for none */
        char *user, *secret_file, *ca_file;
        int64_t max_pending, batch_samples; /* samples */
        int64_t timeout_ns;
    } remote_write;
    struct {
        char *listen;
        char *read_token_file, *write_token_file;
        int64_t max_connections, max_streams, max_body_bytes;
    } api;
};

extern const struct nj_config_field nj_collector_config_table[];

/* What no single field can check: names that are used twice or not defined, routes without channels, an API
 * that would listen beyond loopback without a token. 0 or -EINVAL with a text. */
int nj_collector_config_check(const struct nj_collector_config *config, struct nj_err *err);

/* The settings that nj_collector_reload() puts in force, the others wait for the next start:
 * nj_config_compare(). */
extern const char *const nj_collector_live_settings[];

#endif
