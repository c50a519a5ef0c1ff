#include <string.h>

#include "agent/crash/capture_internal.h"
#include "common/base/alloc.h"

static const char *const counted_reasons[NJ_CAPTURE_REASONS] = {
    "Error",   "OOMKilled",      "StartError", "ContainerCannotRun", "ContainerStatusUnknown",
    "Unknown", "seccomp killed", "other"};

void nj_capture_add_metrics(struct nj_capture *capture, struct nj_metrics *metrics)
{
    static const char captures[] = "nightjar_agent_log_captures_total";
    static const char captures_help[] =
        "Logs of crashed containers that were captured, by where they came from.";
    static const char missing[] = "nightjar_agent_log_missing_total";
    static const char missing_help[] = "Crashes without a log, by why there is none.";
    static const char held[] = "nightjar_agent_held_logs_total";
    static const char held_help[] = "Log files held from an announced end on, by what became of them.";
    static const char dropped[] = "nightjar_agent_findings_dropped_total";
    static const char dropped_help[] = "Findings that were given up before they were stored.";
    static const double bounds[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};
    for (int i = 0; i < NJ_CAPTURE_REASONS; i++) {
        NJ_CLEANUP_FREE char *labels = nj_asprintf("reason=\"%s\"", counted_reasons[i]);
        capture->metrics.crashes[i] = nj_metrics_counter(metrics, "nightjar_agent_crashes_total", labels,
                                                         "Ends of containers that were told as crashes.");
    }
    capture->metrics.lost = nj_metrics_counter(metrics, "nightjar_agent_lost_crashes_total", "",
                                               "Restarts that could not be seen one by one.");
    capture->metrics.from_file = nj_metrics_counter(metrics, captures, "source=\"file\"", captures_help);
    capture->metrics.from_api = nj_metrics_counter(metrics, captures, "source=\"api\"", captures_help);
    capture->metrics.gone = nj_metrics_counter(metrics, missing, "cause=\"gone\"", missing_help);
    capture->metrics.other_instance =
        nj_metrics_counter(metrics, missing, "cause=\"other_instance\"", missing_help);
    capture->metrics.unreadable = nj_metrics_counter(metrics, missing, "cause=\"unreadable\"", missing_help);
    capture->metrics.held_used = nj_metrics_counter(metrics, held, "outcome=\"used\"", held_help);
    capture->metrics.held_unused = nj_metrics_counter(metrics, held, "outcome=\"unused\"", held_help);
    capture->metrics.held_gone = nj_metrics_counter(metrics, held, "outcome=\"no_file\"", held_help);
    capture->metrics.held_dropped = nj_metrics_counter(metrics, held, "outcome=\"no_room\"", held_help);
    capture->metrics.redacted = nj_metrics_counter(metrics, "nightjar_agent_secrets_hidden_total", "",
                                                   "Secrets hidden in logs and messages.");
    capture->metrics.failed_appends = nj_metrics_counter(metrics, "nightjar_agent_store_failures_total", "",
                                                         "Times that findings could not be stored.");
    capture->metrics.dropped_facts = nj_metrics_counter(metrics, dropped, "class=\"failure\"", dropped_help);
    capture->metrics.dropped_states =
        nj_metrics_counter(metrics, dropped, "class=\"condition\"", dropped_help);
    capture->metrics.invalid = nj_metrics_counter(metrics, dropped, "class=\"invalid\"", dropped_help);
    capture->metrics.waiting =
        nj_metrics_gauge(metrics, "nightjar_agent_findings_waiting", "", "Findings that are not stored yet.");
    capture->metrics.files =
        nj_metrics_gauge(metrics, "nightjar_agent_log_files_open", "", "Log files held open for reading.");
    capture->metrics.seconds = nj_metrics_histogram(metrics, "nightjar_agent_capture_seconds", "",
                                                    "From seeing something to having it stored with its log.",
                                                    bounds, sizeof(bounds) / sizeof(bounds[0]));
}

void nj_capture_count_finding(struct nj_capture *capture, const struct nj_finding *finding)
{
    const struct nj_event *event = finding->event;
    if (event != NULL && event->type == NJ_EVENT_LOST_CRASHES) {
        capture->lost += event->lost.count;
        nj_counter_add(capture->metrics.lost, event->lost.count);
    } else if (event != NULL && event->type == NJ_EVENT_CRASH && finding->first_told) {
        int reason = 0;
        while (reason < NJ_CAPTURE_REASONS - 1 && strcmp(counted_reasons[reason], event->crash.reason) != 0)
            reason++;
        nj_counter_add(capture->metrics.crashes[reason], 1);
    }
}

void nj_capture_count_log(const struct nj_capture_job *job)
{
    const struct nj_capture *capture = job->capture;
    switch (job->log_outcome) {
    case NJ_LOG_NONE:
        break;
    case NJ_LOG_FROM_FILE:
        nj_counter_add(capture->metrics.from_file, 1);
        break;
    case NJ_LOG_FROM_API:
        nj_counter_add(capture->metrics.from_api, 1);
        break;
    case NJ_LOG_GONE:
        nj_counter_add(capture->metrics.gone, 1);
        break;
    case NJ_LOG_OTHER_INSTANCE:
        nj_counter_add(capture->metrics.other_instance, 1);
        break;
    case NJ_LOG_UNREADABLE:
        nj_counter_add(capture->metrics.unreadable, 1);
        break;
    }
}
