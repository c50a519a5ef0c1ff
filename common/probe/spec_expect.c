/*
 * What a step's answer must be, and what is taken out of it.
 */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/probe/spec_reader.h"

enum { STATUS_MIN = 100, STATUS_MAX = 599, SIZE_LIMIT = 1 << 30 };

/* "200", "2xx" */
static bool parse_status(const char *text, struct nj_status_range *ret_range)
{
    if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
        return false;
    uint16_t first = (uint16_t)((text[0] - '0') * 100);
    if (strcmp(text + 1, "xx") == 0) {
        *ret_range = (struct nj_status_range){first, (uint16_t)(first + 99)};
        return true;
    }
    if (strspn(text, "0123456789") != 3)
        return false;
    uint16_t exact = (uint16_t)(first + (text[1] - '0') * 10 + (text[2] - '0'));
    *ret_range = (struct nj_status_range){exact, exact};
    return true;
}

static int read_statuses(struct nj_spec_reader *reader, const struct nj_spec_node *expect,
                         struct nj_expect *ret_expect)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, expect, "status", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_status_range), &memory);
    struct nj_status_range *ranges = memory;
    for (size_t i = 0; i < count && rc == 0 && ranges != NULL; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        int64_t status = 0;
        if (!json_object_is_type(item.value, json_type_string)) {
            rc = nj_spec_int_value(reader, &item, STATUS_MIN, STATUS_MAX, &status);
            ranges[i] = (struct nj_status_range){(uint16_t)status, (uint16_t)status};
        } else if (!parse_status(json_object_get_string(item.value), &ranges[i])) {
            char buffer[NJ_SPEC_SHOWN_MAX + 4];
            rc = nj_spec_fail(reader, &item, "'%s' is no status, use one such as 200, or a class such as 2xx",
                              nj_spec_shown(json_object_get_string(item.value), buffer));
        }
    }
    ret_expect->statuses = ranges;
    ret_expect->statuses_count = count;
    return rc;
}

static int read_header(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                       struct nj_header_expect *header)
{
    static const char *const members[] = {"name", "regex", "value", "absent", NULL};
    static const char *const ways[] = {"regex", "value", "absent", NULL};
    static const struct nj_spec_text_rule rule = {.min = 1,
                                                  .max = NJ_SPEC_HEADER_NAME_MAX,
                                                  .is_valid = nj_spec_is_token,
                                                  .wanted = "the name of a header"};
    size_t which = 0;
    struct nj_spec_node node;
    int rc = nj_spec_check_members(reader, item, members);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "name", &rule, &header->name);
    if (rc == 0 && nj_spec_count_members(item, ways, &which) > 1)
        return nj_spec_fail(reader, item, "needs at most one of regex, value or absent");
    if (rc == 0)
        rc = nj_spec_bool(reader, item, "absent", false, &header->absent);
    if (rc < 0)
        return rc;
    if (nj_spec_member(item, "regex", &node))
        return nj_spec_pattern(reader, &node, NJ_PATTERN_REGEX, &header->pattern);
    if (nj_spec_member(item, "value", &node))
        return nj_spec_pattern(reader, &node, NJ_PATTERN_EQUALS, &header->pattern);
    return 0;
}

static int read_headers(struct nj_spec_reader *reader, const struct nj_spec_node *expect,
                        struct nj_expect *ret_expect)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, expect, "headers", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_header_expect), &memory);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        rc = read_header(reader, &item, (struct nj_header_expect *)memory + i);
    }
    ret_expect->headers = memory;
    ret_expect->headers_count = count;
    return rc;
}

/* `body` and `answers`; the latter know no plain text. */
static int read_patterns(struct nj_spec_reader *reader, const struct nj_spec_node *expect, const char *key,
                         const char *const *ways, const struct nj_body_expect **ret_items, size_t *ret_count)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, expect, key, NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_body_expect), &memory);
    struct nj_body_expect *items = memory;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        struct nj_spec_node node;
        size_t which = 0;
        rc = nj_spec_check_members(reader, &item, ways);
        if (rc == 0)
            rc = nj_spec_one_of(reader, &item, ways, &which);
        if (rc < 0)
            break;
        (void)nj_spec_member(&item, ways[which], &node);
        items[i].absent = which % 2 == 1;
        rc = nj_spec_pattern(reader, &node, which < 2 ? NJ_PATTERN_REGEX : NJ_PATTERN_CONTAINS,
                             &items[i].pattern);
    }
    *ret_items = items;
    *ret_count = count;
    return rc;
}

static bool is_pointer(const char *text)
{
    if (*text != '\0' && *text != '/')
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '~' && text[1] != '0' && text[1] != '1')
            return false;
    }
    return true;
}

static const struct nj_spec_text_rule pointer_rule = {
    .min = 0,
    .max = NJ_SPEC_POINTER_MAX,
    .is_valid = is_pointer,
    .wanted = "a JSON pointer such as /items/0/name, with ~1 for '/' and ~0 for '~' in a name"};

/* Every text in it may hold variables. */
static int check_json_variables(const struct nj_spec_reader *reader, const struct nj_spec_node *node)
{
    int rc = 0;
    if (json_object_is_type(node->value, json_type_string)) {
        const char *text = json_object_get_string(node->value);
        if (strlen(text) != (size_t)json_object_get_string_len(node->value))
            return nj_spec_fail(reader, node, "may not hold a zero character");
        return nj_spec_check_variables(reader, node, text);
    }
    if (json_object_is_type(node->value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node->value) && rc == 0; i++) {
            struct nj_spec_node item = nj_spec_item(node, i);
            rc = check_json_variables(reader, &item);
        }
    } else if (json_object_is_type(node->value, json_type_object)) {
        struct json_object_iterator at = json_object_iter_begin(node->value);
        struct json_object_iterator end = json_object_iter_end(node->value);
        for (; !json_object_iter_equal(&at, &end) && rc == 0; json_object_iter_next(&at)) {
            struct nj_spec_node member = {.parent = node,
                                          .key = json_object_iter_peek_name(&at),
                                          .value = json_object_iter_peek_value(&at)};
            rc = check_json_variables(reader, &member);
        }
    }
    return rc;
}

static int read_json_value(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                           struct nj_json_expect *json)
{
    bool exists = false;
    int rc;
    switch (json->compare) {
    case NJ_COMPARE_EQ:
    case NJ_COMPARE_NE:
        rc = check_json_variables(reader, node);
        break;
    case NJ_COMPARE_MATCHES:
        return nj_spec_pattern(reader, node, NJ_PATTERN_REGEX, &json->pattern);
    case NJ_COMPARE_EXISTS:
        rc = nj_spec_bool(reader, node->parent, node->key, true, &exists);
        json->compare = exists ? NJ_COMPARE_EXISTS : NJ_COMPARE_ABSENT;
        return rc;
    default:
        rc = json_object_is_type(node->value, json_type_int) ||
                     json_object_is_type(node->value, json_type_double)
                 ? 0
                 : nj_spec_fail(reader, node, "must be a number");
        break;
    }
    if (rc < 0)
        return rc;
    const char *text =
        json_object_to_json_string_ext(node->value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    return nj_spec_copy(reader, text, strlen(text), &json->value);
}

static int read_json(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                     struct nj_json_expect *json)
{
    static const char *const members[] = {"pointer",     "equals",      "notEquals",      "lessThan",
                                          "lessOrEqual", "greaterThan", "greaterOrEqual", "matches",
                                          "exists",      NULL};
    static const enum nj_compare compares[] = {NJ_COMPARE_EQ,      NJ_COMPARE_NE,    NJ_COMPARE_LT,
                                               NJ_COMPARE_LE,      NJ_COMPARE_GT,    NJ_COMPARE_GE,
                                               NJ_COMPARE_MATCHES, NJ_COMPARE_EXISTS};
    int rc = nj_spec_check_members(reader, item, members);
    json->value = "";
    if (rc == 0)
        rc = nj_spec_text(reader, item, "pointer", &pointer_rule, &json->pointer);
    if (rc < 0)
        return rc;
    /* Null is a value to compare with, so members are counted by their presence. */
    struct nj_spec_node node = {0};
    size_t count = 0;
    for (size_t i = 1; members[i] != NULL; i++) {
        struct json_object *value = NULL;
        bool may_be_null = i <= 2;
        if (!json_object_object_get_ex(item->value, members[i], &value) || (value == NULL && !may_be_null))
            continue;
        node = (struct nj_spec_node){.parent = item, .key = members[i], .value = value};
        json->compare = compares[i - 1];
        count++;
    }
    if (count != 1)
        return nj_spec_fail(reader, item,
                            "needs exactly one of equals, notEquals, lessThan, lessOrEqual, greaterThan, "
                            "greaterOrEqual, matches or exists, has %zu",
                            count);
    return read_json_value(reader, &node, json);
}

static int read_jsons(struct nj_spec_reader *reader, const struct nj_spec_node *expect,
                      struct nj_expect *ret_expect)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, expect, "json", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_json_expect), &memory);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        rc = read_json(reader, &item, (struct nj_json_expect *)memory + i);
    }
    ret_expect->jsons = memory;
    ret_expect->jsons_count = count;
    return rc;
}

/* What can be asked of each kind of answer. */
static int check_fits(const struct nj_spec_reader *reader, const struct nj_spec_node *expect,
                      enum nj_step_kind kind)
{
    static const struct {
        const char *member;
        bool fits[NJ_STEP_DNS + 1];
    } rules[] = {
        {"status", {[NJ_STEP_HTTP] = true}},
        {"headers", {[NJ_STEP_HTTP] = true}},
        {"json", {[NJ_STEP_HTTP] = true}},
        {"body", {[NJ_STEP_HTTP] = true, [NJ_STEP_TCP] = true}},
        {"minBytes", {[NJ_STEP_HTTP] = true, [NJ_STEP_TCP] = true}},
        {"maxBytes", {[NJ_STEP_HTTP] = true, [NJ_STEP_TCP] = true}},
        {"grpcStatus", {[NJ_STEP_GRPC] = true}},
        {"answers", {[NJ_STEP_DNS] = true}},
        {"rcode", {[NJ_STEP_DNS] = true}},
    };
    struct nj_spec_node node;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].fits[kind] && nj_spec_member(expect, rules[i].member, &node))
            return nj_spec_fail(reader, &node, "is nothing that a %s step has", nj_step_kind_name(kind));
    }
    return 0;
}

static int read_words(struct nj_spec_reader *reader, const struct nj_spec_node *expect,
                      struct nj_expect *ret_expect)
{
    static const char *const grpc_statuses[] = {
        "SERVING",       "NOT_SERVING",     "UNKNOWN",           "SERVICE_UNKNOWN", "NOT_FOUND",
        "UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE",     NULL};
    static const char *const rcodes[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                         "NOTIMP",  "REFUSED", NULL};
    size_t grpc_status = 0;
    size_t rcode = 0;
    int rc = nj_spec_choice(reader, expect, "grpcStatus", grpc_statuses, &grpc_status);
    if (rc == 0)
        rc = nj_spec_choice(reader, expect, "rcode", rcodes, &rcode);
    ret_expect->grpc_status = grpc_statuses[grpc_status];
    ret_expect->dns_rcode = rcodes[rcode];
    return rc;
}

int nj_spec_read_expect(struct nj_spec_reader *reader, const struct nj_spec_node *step,
                        enum nj_step_kind kind, struct nj_expect *ret_expect)
{
    static const char *const members[] = {"status",   "headers",  "body",       "json",
                                          "minBytes", "maxBytes", "maxLatency", "grpcStatus",
                                          "answers",  "rcode",    NULL};
    static const char *const body_ways[] = {"regex", "notRegex", "contains", "notContains", NULL};
    static const char *const answer_ways[] = {"regex", "notRegex", NULL};
    struct nj_spec_node expect;
    *ret_expect = (struct nj_expect){
        .min_bytes = -1, .max_bytes = -1, .grpc_status = "SERVING", .dns_rcode = "NOERROR"};
    if (!nj_spec_member(step, "expect", &expect))
        return 0;
    int rc = nj_spec_check_members(reader, &expect, members);
    if (rc == 0)
        rc = check_fits(reader, &expect, kind);
    if (rc == 0)
        rc = read_statuses(reader, &expect, ret_expect);
    if (rc == 0)
        rc = read_headers(reader, &expect, ret_expect);
    if (rc == 0)
        rc =
            read_patterns(reader, &expect, "body", body_ways, &ret_expect->bodies, &ret_expect->bodies_count);
    if (rc == 0)
        rc = read_jsons(reader, &expect, ret_expect);
    if (rc == 0)
        rc = nj_spec_int(reader, &expect, "minBytes", 0, SIZE_LIMIT, -1, &ret_expect->min_bytes);
    if (rc == 0)
        rc = nj_spec_int(reader, &expect, "maxBytes", 0, SIZE_LIMIT, -1, &ret_expect->max_bytes);
    if (rc == 0)
        rc = nj_spec_duration(reader, &expect, "maxLatency", NJ_MS, 5 * NJ_MIN, 0,
                              &ret_expect->max_latency_ns);
    if (rc == 0)
        rc = read_words(reader, &expect, ret_expect);
    return rc < 0 ? rc
                  : read_patterns(reader, &expect, "answers", answer_ways, &ret_expect->answers,
                                  &ret_expect->answers_count);
}

/* ---- extract */

static int read_source(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                       struct nj_extract *extract)
{
    static const struct nj_spec_text_rule header_rule = {.min = 1,
                                                         .max = NJ_SPEC_HEADER_NAME_MAX,
                                                         .is_valid = nj_spec_is_token,
                                                         .wanted = "the name of a header"};
    static const struct nj_spec_text_rule cookie_rule = {.min = 1,
                                                         .max = NJ_SPEC_HEADER_NAME_MAX,
                                                         .is_valid = nj_spec_is_token,
                                                         .wanted = "the name of a cookie"};
    int rc;
    switch (extract->from) {
    case NJ_EXTRACT_JSON:
        return nj_spec_text_value(reader, node, &pointer_rule, &extract->what);
    case NJ_EXTRACT_REGEX:
        rc = nj_spec_pattern(reader, node, NJ_PATTERN_REGEX, &extract->pattern);
        if (rc == 0)
            extract->what = nj_pattern_text(extract->pattern);
        return rc;
    case NJ_EXTRACT_HEADER:
        return nj_spec_text_value(reader, node, &header_rule, &extract->what);
    default:
        return nj_spec_text_value(reader, node, &cookie_rule, &extract->what);
    }
}

static int read_extract(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                        enum nj_step_kind kind, struct nj_extract *extract)
{
    static const char *const members[] = {"name", "jsonPointer", "regex", "header", "cookie", NULL};
    static const struct nj_spec_text_rule rule = {.min = 1,
                                                  .max = NJ_SPEC_NAME_MAX,
                                                  .is_valid = nj_spec_is_variable,
                                                  .wanted =
                                                      "letters, digits and '_', not beginning with a digit"};
    struct nj_spec_node node;
    size_t which = 0;
    int rc = nj_spec_check_members(reader, item, members);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "name", &rule, &extract->variable);
    if (rc == 0)
        rc = nj_spec_one_of(reader, item, members + 1, &which);
    if (rc < 0)
        return rc;
    extract->from = (enum nj_extract_from)which;
    (void)nj_spec_member(item, members[which + 1], &node);
    if (kind != NJ_STEP_HTTP && (kind != NJ_STEP_TCP || extract->from != NJ_EXTRACT_REGEX))
        return nj_spec_fail(reader, &node, "is nothing that a %s step has", nj_step_kind_name(kind));
    return read_source(reader, &node, extract);
}

int nj_spec_read_extracts(struct nj_spec_reader *reader, const struct nj_spec_node *step,
                          struct nj_step *ret_step)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, step, "extract", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_extract), &memory);
    struct nj_extract *extracts = memory;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        rc = read_extract(reader, &item, ret_step->kind, extracts + i);
        if (rc == 0)
            nj_spec_add_variable(reader, extracts[i].variable);
    }
    ret_step->extracts = extracts;
    ret_step->extracts_count = count;
    return rc;
}
