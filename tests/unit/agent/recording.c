#include "tests/unit/agent/recording.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

enum { ARENA_MAX = 256 << 20 };

static void load_list(struct recording *recording)
{
    struct json_object *list = json_object_from_file(NJ_RECORDINGS "/pods/list.json");
    assert_non_null(list);
    struct json_object *items = json_object_object_get(list, "items");
    recording->items_count = json_object_array_length(items);
    recording->items = nj_calloc(recording->items_count, sizeof(*recording->items));
    for (size_t i = 0; i < recording->items_count; i++) {
        const char *text = json_object_to_json_string(json_object_array_get_idx(items, i));
        char *kept = nj_arena_strndup(&recording->arena, text, strlen(text));
        assert_int_equal(nj_kube_decode(NJ_KUBE_JSON, NJ_KUBE_POD, kept, strlen(kept), &recording->arena,
                                        &recording->items[i], NULL),
                         0);
    }
    json_object_put(list);
}

static void load_event(struct recording *recording, const char *line)
{
    struct json_object *entry = json_tokener_parse(line);
    assert_non_null(entry);
    const char *at = json_object_get_string(json_object_object_get(entry, "at"));
    const char *frame = json_object_get_string(json_object_object_get(entry, "frame"));
    unsigned char *bytes = nj_arena_alloc(&recording->arena, strlen(frame));
    size_t len = 0;
    assert_int_equal(sodium_base642bin(bytes, strlen(frame), frame, strlen(frame), NULL, &len, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    struct recorded_event event = {0};
    struct nj_kube_status status;
    assert_int_equal(nj_time_parse(at, strlen(at), &event.at_ns), 0);
    assert_int_equal(nj_kube_decode_event(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, bytes, len, &recording->arena,
                                          &event.type, &event.object, &status, NULL),
                     0);
    if (event.type != NJ_WATCH_BOOKMARK && strcmp(event.object.pod.node_name, "node1") == 0) {
        recording->events = nj_realloc(recording->events, recording->events_count + 1, sizeof(event));
        recording->events[recording->events_count++] = event;
    }
    json_object_put(entry);
}

void recording_load(struct recording *recording)
{
    *recording = (struct recording){0};
    nj_arena_init(&recording->arena, ARENA_MAX);
    load_list(recording);
    FILE *file = fopen(NJ_RECORDINGS "/pods/watch-pb.ndjson", "r");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0)
        load_event(recording, line);
    free(line);
    assert_int_equal(fclose(file), 0);
    assert_true(recording->events_count > 200);
}

void recording_done(struct recording *recording)
{
    free(recording->items);
    free(recording->events);
    nj_arena_done(&recording->arena);
}

static bool is_older_state(const struct recording *recording, size_t from, size_t to, const char *uid)
{
    for (size_t i = from; i < to; i++) {
        if (strcmp(recording->events[i].object.meta.uid, uid) == 0)
            return true;
    }
    return false;
}

void recording_list(const struct recording *recording, size_t events,
                    void (*each)(void *data, const struct nj_kube_object *object), void *data)
{
    for (size_t i = 0; i < recording->items_count; i++) {
        if (!is_older_state(recording, 0, events, recording->items[i].meta.uid))
            each(data, &recording->items[i]);
    }
    for (size_t i = 0; i < events; i++) {
        const struct recorded_event *event = &recording->events[i];
        if (event->type != NJ_WATCH_DELETED &&
            !is_older_state(recording, i + 1, events, event->object.meta.uid))
            each(data, &event->object);
    }
}
