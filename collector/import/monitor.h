/*
 * One check on its way from another monitor's words to an ApiMonitor: what all readers of this folder share.
 */
#ifndef NJ_IMPORT_MONITOR_H
#define NJ_IMPORT_MONITOR_H

#include "collector/import/import.h"
#include "collector/import/tree.h"

/* A run of the importer. */
struct nj_import {
    const struct nj_import_options *options;
    const char *file; /* that is being read */
    struct nj_buf *out, *notes;
    struct json_object *names; /* "namespace/name" of what was written */
    struct json_object *hosts; /* that the collector's allow-list needs */
    size_t written;
};

/* "FILE: WHERE: text" */
void nj_import_note(struct nj_import *import, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum { NJ_IMPORT_NAME_MAX = 254, NJ_IMPORT_WHERE_MAX = 512 };

struct nj_imported {
    struct nj_import *import;
    char where[NJ_IMPORT_WHERE_MAX]; /* how the file calls it, for notes */
    char name[NJ_IMPORT_NAME_MAX], namespace[NJ_IMPORT_NAME_MAX];
    struct json_object *spec;          /* owned */
    struct json_object *step, *expect; /* of spec; `expect` once something was asked for */
    bool lost;                         /* there is nothing left of it */
};

/* `where` becomes its name too. */
void nj_imported_begin(struct nj_imported *imported, struct nj_import *import, const char *where);
/* What is wrong, or missing in the copy. */
void nj_imported_note(struct nj_imported *imported, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Likewise, and it is left out whole. */
void nj_imported_drop(struct nj_imported *imported, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whom: a URL. One that names a Service of the cluster (web.shop.svc, web.shop.svc.cluster.local) becomes
 * that Service. */
void nj_imported_url(struct nj_imported *imported, const char *url);
/* The step's kind with its settings: "http", "tcp", "grpc", "dns". */
struct json_object *nj_imported_step(struct nj_imported *imported, const char *kind);
struct json_object *nj_imported_expect(struct nj_imported *imported);
struct json_object *nj_imported_section(struct nj_imported *imported,
                                        const char *name); /* of the spec: "tls", "alert" */
/* A list's entry: {"name": value}; the list is made when it is missing. */
void nj_imported_add(struct json_object *object, const char *list, struct json_object *entry);

void nj_imported_set_text(struct json_object *object, const char *name,
                          const char *value); /* nothing for NULL */
/* A text in which variables are replaced: "${" is taken for what it is. */
void nj_imported_set_literal(struct json_object *object, const char *name, const char *value);
void nj_imported_header(struct nj_imported *imported, const char *name, const char *value);
/* A header whose value is a secret: `before` and the Secret's key. */
void nj_imported_secret_header(struct nj_imported *imported, const char *name, const char *before,
                               const char *key);
/* HTTP basic authentication by a Secret whose key `authorization` holds base64 of user:password. */
void nj_imported_basic_auth(struct nj_imported *imported, const char *user);
/* From seconds, or from a duration such as "1m"; within what is allowed, noted when it is not. */
void nj_imported_duration(struct nj_imported *imported, const char *name, const char *text);
void nj_imported_seconds(struct nj_imported *imported, const char *name, int64_t seconds);

/* Writes it, or notes why not; frees. */
void nj_imported_end(struct nj_imported *imported);

int nj_import_blackbox(struct nj_import *import, struct json_object *tree, struct json_object *modules,
                       struct nj_err *err);
int nj_import_gatus(struct nj_import *import, struct json_object *tree, struct nj_err *err);
int nj_import_uptime_kuma(struct nj_import *import, struct json_object *tree, struct nj_err *err);
int nj_import_csv(struct nj_import *import, const char *text, size_t len, struct nj_err *err);

#endif
