/*
 * The crash detector under pods that a hostile API server made up, and under damaged records. Each line of
 * the input is a step: a pod as JSON, "-UID" (it is gone), "+SECONDS" (time goes on), "k" (a new process with
 * the stored records), "s" (the list was whole), or "r..." (a record's text, tabs as '|' and newlines as
 * ';').
 *
 * Whatever comes: every record that the detector writes can be read back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crash/detect.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { RECORDS_MAX = 64, ARENA_MAX = 4 << 20 };

struct kept {
    char *key, *value;
    size_t len;
};

struct play {
    struct nj_detector *detector;
    struct kept records[RECORDS_MAX];
    size_t count;
    int64_t now_ns;
    struct nj_arena arena;
};

static void keep(struct play *play, const struct nj_outbox_record *record)
{
    size_t at = 0;
    while (at < play->count && strcmp(play->records[at].key, record->key) != 0)
        at++;
    if (at == RECORDS_MAX)
        return;
    if (at == play->count) {
        play->records[at] = (struct kept){.key = nj_strdup(record->key)};
        play->count++;
    }
    free(play->records[at].value);
    play->records[at].value = NULL;
    play->records[at].len = record->len;
    if (record->value != NULL) {
        play->records[at].value = nj_calloc(1, record->len + 1);
        memcpy(play->records[at].value, record->value, record->len);
    }
}

static void on_finding(void *data, const struct nj_finding *finding)
{
    struct play *play = data;
    if (finding->event != NULL &&
        (finding->event->id[0] == '\0' || finding->event->subject.pod_uid[0] == '\0'))
        abort();
    if (finding->record.key == NULL)
        return;
    keep(play, &finding->record);
    if (finding->record.value == NULL)
        return;
    const struct nj_detector_options options = {.node = "n"};
    struct nj_detector *reader = nj_detector_new(&options);
    if (nj_detector_load_state(reader, &finding->record, NULL) != 0)
        abort();
    nj_detector_free(reader);
}

static void begin(struct play *play)
{
    const struct nj_detector_options options = {.node = "n",
                                                .watched_since_ns = NJ_SEC,
                                                .times = {.image_ns = NJ_SEC,
                                                          .config_ns = NJ_SEC,
                                                          .start_ns = NJ_SEC,
                                                          .other_ns = NJ_MIN,
                                                          .stable_after_ns = NJ_MIN},
                                                .on_finding = on_finding,
                                                .data = play};
    nj_detector_free(play->detector);
    play->detector = nj_detector_new(&options);
    for (size_t i = 0; i < play->count; i++) {
        struct nj_outbox_record record = {play->records[i].key, play->records[i].value, play->records[i].len};
        if (record.value != NULL)
            (void)nj_detector_load_state(play->detector, &record, NULL);
    }
}

static void take_record(struct play *play, char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '|')
            *c = '\t';
        else if (*c == ';')
            *c = '\n';
    }
    struct nj_outbox_record record = {"pod/fuzz", text, strlen(text)};
    (void)nj_detector_load_state(play->detector, &record, NULL);
}

static void step(struct play *play, char *line)
{
    struct nj_kube_object object = {.meta = {.uid = line + 1}};
    switch (line[0]) {
    case '{':
        if (nj_kube_decode(NJ_KUBE_JSON, NJ_KUBE_POD, line, strlen(line), &play->arena, &object, NULL) == 0)
            nj_detector_pod(play->detector, NJ_WATCH_MODIFIED, &object, play->now_ns);
        nj_arena_reset(&play->arena);
        break;
    case '-':
        nj_detector_pod(play->detector, NJ_WATCH_DELETED, &object, play->now_ns);
        break;
    case '+':
        play->now_ns += (strtol(line + 1, NULL, 10) % 100000) * NJ_SEC;
        nj_detector_tick(play->detector, play->now_ns);
        break;
    case 'k':
        begin(play);
        break;
    case 's':
        nj_detector_synced(play->detector, play->now_ns);
        break;
    case 'r':
        take_record(play, line + 1);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct play *play = NJ_NEW(struct play);
    play->now_ns = INT64_C(1795252400) * NJ_SEC;
    nj_arena_init(&play->arena, ARENA_MAX);
    begin(play);
    char *text = nj_calloc(1, len + 1);
    if (len > 0)
        memcpy(text, bytes, len);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        step(play, line);
    free(text);
    nj_detector_synced(play->detector, play->now_ns);
    nj_detector_free(play->detector);
    for (size_t i = 0; i < play->count; i++) {
        free(play->records[i].key);
        free(play->records[i].value);
    }
    nj_arena_done(&play->arena);
    free(play);
    return 0;
}
