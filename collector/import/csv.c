/*
 * A plain CSV (RFC 4180): a header line, then a check a line. Columns, in any order, all but `url` may be
 * missing: name, url, namespace, interval, timeout, method, status (several with spaces between), contains,
 * group, severity.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/import/monitor.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { COLUMNS_MAX = 64 };

static const char *const columns[] = {"name",   "url",    "namespace", "interval", "timeout",
                                      "method", "status", "contains",  "group",    "severity"};
enum column { NAME, URL, NAMESPACE, INTERVAL, TIMEOUT, METHOD, STATUS, CONTAINS, GROUP, SEVERITY, COLUMNS };

struct reader {
    const char *at, *end;
    size_t line;
    struct nj_buf cells[COLUMNS_MAX];
    size_t count;
};

/* One cell, without its quotes; -EBADMSG for a quote that is not closed. */
static int read_cell(struct reader *reader, struct nj_buf *cell)
{
    nj_buf_clear(cell);
    if (reader->at < reader->end && *reader->at == '"') {
        for (reader->at++; reader->at < reader->end; reader->at++) {
            if (*reader->at == '"' && (reader->at + 1 == reader->end || reader->at[1] != '"'))
                break;
            if (*reader->at == '"')
                reader->at++;
            reader->line += *reader->at == '\n';
            (void)nj_buf_append_char(cell, *reader->at);
        }
        if (reader->at == reader->end)
            return -EBADMSG;
        reader->at++;
    }
    while (reader->at < reader->end && *reader->at != ',' && *reader->at != '\n' && *reader->at != '\r')
        (void)nj_buf_append_char(cell, *reader->at++);
    return 0;
}

/* One line; false at the end. */
static int read_row(struct reader *reader)
{
    reader->count = 0;
    while (reader->at < reader->end && (*reader->at == '\n' || *reader->at == '\r')) {
        reader->line += *reader->at == '\n';
        reader->at++;
    }
    if (reader->at == reader->end)
        return 0;
    for (;;) {
        if (reader->count == COLUMNS_MAX)
            return -E2BIG;
        if (read_cell(reader, &reader->cells[reader->count++]) < 0)
            return -EBADMSG;
        if (reader->at == reader->end || *reader->at != ',')
            return 1;
        reader->at++;
    }
}

static void take_statuses(struct nj_imported *imported, const char *text)
{
    while (*text != '\0') {
        char part[16];
        int64_t status = 0;
        size_t len = strcspn(text, " ;|");
        (void)snprintf(part, sizeof(part), "%.*s", (int)len, text);
        struct json_object *expect = nj_imported_expect(imported);
        if (nj_parse_int(part, 100, 599, &status) == 0)
            nj_imported_add(expect, "status", json_object_new_int64(status));
        else if (part[0] != '\0')
            nj_imported_add(expect, "status", json_object_new_string(part));
        text += len + strspn(text + len, " ;|");
    }
}

static void take_row(struct nj_import *import, const struct reader *reader, const int places[COLUMNS])
{
    const char *cell[COLUMNS];
    char where[NJ_IMPORT_WHERE_MAX];
    struct nj_imported imported;
    for (int i = 0; i < COLUMNS; i++)
        cell[i] =
            places[i] >= 0 && (size_t)places[i] < reader->count ? nj_buf_str(&reader->cells[places[i]]) : "";
    (void)snprintf(where, sizeof(where), "%s", cell[NAME][0] != '\0' ? cell[NAME] : cell[URL]);
    nj_imported_begin(&imported, import, where);
    if (cell[NAMESPACE][0] != '\0')
        (void)snprintf(imported.namespace, sizeof(imported.namespace), "%s", cell[NAMESPACE]);
    bool is_http = nj_str_starts(cell[URL], "http");
    if (is_http && cell[METHOD][0] != '\0')
        nj_imported_set_text(nj_imported_step(&imported, "http"), "method", cell[METHOD]);
    else if (is_http)
        (void)nj_imported_step(&imported, "http");
    else if (nj_str_starts(cell[URL], "tcp"))
        (void)nj_imported_step(&imported, "tcp");
    nj_imported_url(&imported, cell[URL]);
    if (cell[INTERVAL][0] != '\0')
        nj_imported_duration(&imported, "interval", cell[INTERVAL]);
    if (cell[TIMEOUT][0] != '\0')
        nj_imported_duration(&imported, "timeout", cell[TIMEOUT]);
    if (imported.step != NULL)
        take_statuses(&imported, cell[STATUS]);
    if (imported.step != NULL && cell[CONTAINS][0] != '\0') {
        struct json_object *entry = json_object_new_object();
        nj_imported_set_text(entry, "contains", cell[CONTAINS]);
        nj_imported_add(nj_imported_expect(&imported), "body", entry);
    }
    if (cell[GROUP][0] != '\0')
        nj_imported_set_text(nj_imported_section(&imported, "alert"), "group", cell[GROUP]);
    if (cell[SEVERITY][0] != '\0')
        nj_imported_set_text(nj_imported_section(&imported, "alert"), "severity", cell[SEVERITY]);
    nj_imported_end(&imported);
}

/* Which column is where; unknown ones are named. */
static void find_columns(struct nj_import *import, const struct reader *reader, int places[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        places[i] = -1;
    for (size_t cell = 0; cell < reader->count; cell++) {
        const char *name = nj_buf_str(&reader->cells[cell]);
        bool known = false;
        for (int i = 0; i < COLUMNS; i++) {
            if (strcasecmp(name, columns[i]) == 0) {
                places[i] = (int)cell;
                known = true;
            }
        }
        if (!known)
            nj_import_note(
                import, "",
                "column '%s' is not carried over: name, url, namespace, interval, timeout, method, status, "
                "contains, group and severity are known",
                name);
    }
}

int nj_import_csv(struct nj_import *import, const char *text, size_t len, struct nj_err *err)
{
    int places[COLUMNS] = {0};
    struct reader *reader = NJ_NEW(struct reader);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* what spreadsheets begin with */
    {
        text += 3;
        len -= 3;
    }
    reader->at = text;
    reader->end = text + len;
    reader->line = 1;
    int rc = read_row(reader);
    if (rc > 0)
        find_columns(import, reader, places);
    bool has_head = rc > 0 && places[URL] >= 0;
    if (rc >= 0 && !has_head)
        rc = nj_err_set(err, -EBADMSG, "the first line names the columns, and one of them must be url");
    while (rc > 0) {
        rc = read_row(reader);
        if (rc > 0)
            take_row(import, reader, places);
    }
    if (rc == -EBADMSG && has_head)
        (void)nj_err_set(err, rc, "line %zu: a quote is not closed", reader->line);
    else if (rc == -E2BIG)
        (void)nj_err_set(err, -EBADMSG, "line %zu: more than %d columns", reader->line, COLUMNS_MAX);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        nj_buf_done(&reader->cells[i]);
    free(reader);
    return rc;
}
