/* A WriteRequest in snappy's block format. */
#include <errno.h>
#include <prometheus.pb-c.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "collector/remote/remote_internal.h"
#include "common/base/alloc.h"

enum { EXTRA_LABELS = 2 }; /* the name and a quantile */

/* What one request's messages are made of: an array of each, so that there are few allocations. */
struct messages {
    Prometheus__WriteRequest request;
    Prometheus__TimeSeries *series;
    Prometheus__TimeSeries **series_list;
    Prometheus__Sample *samples;
    Prometheus__Sample **samples_list;
    Prometheus__Label *labels;
    Prometheus__Label **labels_list;
    size_t series_count, labels_count;
};

static void messages_init(struct messages *messages, const struct nj_remote_entry *first, size_t count)
{
    size_t samples = 0, labels = 0;
    for (const struct nj_remote_entry *entry = first; count > 0; entry = entry->next, count--) {
        samples += entry->values_count;
        labels += entry->values_count * (entry->labels_count + EXTRA_LABELS);
    }
    *messages = (struct messages){.request = PROMETHEUS__WRITE_REQUEST__INIT};
    messages->series = nj_calloc(samples + 1, sizeof(*messages->series));
    messages->series_list = nj_calloc(samples + 1, sizeof(Prometheus__TimeSeries *));
    messages->samples = nj_calloc(samples + 1, sizeof(*messages->samples));
    messages->samples_list = nj_calloc(samples + 1, sizeof(Prometheus__Sample *));
    messages->labels = nj_calloc(labels + 1, sizeof(*messages->labels));
    messages->labels_list = nj_calloc(labels + 1, sizeof(Prometheus__Label *));
}

static void messages_done(struct messages *messages)
{
    free(messages->series);
    free(messages->series_list);
    free(messages->samples);
    free(messages->samples_list);
    free(messages->labels);
    free(messages->labels_list);
}

static void add_label(struct messages *messages, const char *name, const char *value)
{
    Prometheus__Label *label = &messages->labels[messages->labels_count];
    prometheus__label__init(label);
    label->name = (char *)name;
    label->value = (char *)value;
    messages->labels_list[messages->labels_count++] = label;
}

/* The name comes first: '_' is before all small letters. */
static void add_labels(struct messages *messages, const struct nj_remote_entry *entry,
                       const struct nj_remote_value *value)
{
    static const char quantile[] = "quantile";
    bool due = value->quantile != NULL;
    add_label(messages, "__name__", value->name);
    for (size_t i = 0; i < entry->labels_count; i++) {
        if (due && strcmp(entry->labels[i].name, quantile) > 0) {
            add_label(messages, quantile, value->quantile);
            due = false;
        }
        add_label(messages, entry->labels[i].name, entry->labels[i].value);
    }
    if (due)
        add_label(messages, quantile, value->quantile);
}

static void add_series(struct messages *messages, const struct nj_remote_entry *entry,
                       const struct nj_remote_value *value)
{
    size_t at = messages->series_count++;
    Prometheus__TimeSeries *series = &messages->series[at];
    Prometheus__Sample *sample = &messages->samples[at];
    prometheus__sample__init(sample);
    sample->value = value->value;
    sample->timestamp = entry->at_ms;
    messages->samples_list[at] = sample;
    prometheus__time_series__init(series);
    series->labels = &messages->labels_list[messages->labels_count];
    add_labels(messages, entry, value);
    series->n_labels = (size_t)(&messages->labels_list[messages->labels_count] - series->labels);
    series->samples = &messages->samples_list[at];
    series->n_samples = 1;
    messages->series_list[at] = series;
}

static int compress(const Prometheus__WriteRequest *request, struct nj_buf *out)
{
    size_t plain_len = prometheus__write_request__get_packed_size(request);
    size_t packed_len = snappy_max_compressed_length(plain_len);
    uint8_t *plain = nj_try_alloc(plain_len + 1);
    char *packed = nj_try_alloc(packed_len + 1);
    int rc = plain == NULL || packed == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        plain_len = prometheus__write_request__pack(request, plain);
        rc = snappy_compress((const char *)plain, plain_len, packed, &packed_len) == SNAPPY_OK
                 ? nj_buf_append(out, packed, packed_len)
                 : -ENOMEM;
    }
    free(plain);
    free(packed);
    return rc;
}

int nj_remote_request(const struct nj_remote_entry *first, size_t count, struct nj_buf *out)
{
    struct messages messages;
    messages_init(&messages, first, count);
    const struct nj_remote_entry *entry = first;
    for (size_t i = 0; i < count; i++, entry = entry->next) {
        for (size_t v = 0; v < entry->values_count; v++)
            add_series(&messages, entry, &entry->values[v]);
    }
    messages.request.timeseries = messages.series_list;
    messages.request.n_timeseries = messages.series_count;
    int rc = compress(&messages.request, out);
    messages_done(&messages);
    return rc;
}
