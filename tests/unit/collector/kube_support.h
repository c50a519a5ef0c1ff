/*
 * A small API server on the test's own loop: lists and watches of any resource, single objects, and what was
 * written.
 */
#ifndef NJ_TEST_COLLECTOR_KUBE_SUPPORT_H
#define NJ_TEST_COLLECTOR_KUBE_SUPPORT_H

#include "common/kube/client.h"
#include "common/loop/httpd.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/support.h"

enum { FAKE_RESOURCES_MAX = 8, FAKE_OBJECTS_MAX = 8 };

struct fake_resource {
    const char *name;  /* the path's last segment */
    const char *items; /* of the next list; NULL: it answers `status` */
    unsigned status;
    struct nj_httpd_stream *watch;
    int watches;
};

struct fake_object { /* answered to a GET of its path */
    const char *path, *body;
    unsigned status;
    int asked;
};

struct fake_kube {
    struct test_loop *test;
    struct folder folder;
    struct nj_httpd *httpd;
    struct nj_http *http;
    struct nj_kube_client *client;
    struct fake_resource resources[FAKE_RESOURCES_MAX];
    struct fake_object objects[FAKE_OBJECTS_MAX];
    int patches, dry_runs; /* those of a dry run are not counted as patches */
    unsigned patch_status, dry_run_status;
    struct nj_buf patched; /* "PATH QUERY TYPE BODY" of the latest */
    const char *silent;    /* a resource that is asked for in vain: no answer comes; NULL: none */
    bool closed;
    volatile int64_t now_ns; /* the product's clock, once fake_kube_set_time() was called */
};

void fake_kube_start(struct fake_kube *fake);
void fake_kube_stop(struct fake_kube *fake);

/* Before it is asked for. Those that are not known answer 404. */
struct fake_resource *fake_resource(struct fake_kube *fake, const char *name, const char *items);
struct fake_object *fake_object(struct fake_kube *fake, const char *path, unsigned status, const char *body);

void fake_kube_set_time(struct fake_kube *fake, int64_t now_ns);
void fake_send(struct fake_resource *resource, const char *type, const char *object);

/* Runs the loop once, and lets a millisecond of the product's time pass when it was set. */
void fake_run_once(struct fake_kube *fake);

/* A version that differs each time: the same one twice is no news. */
#define FAKE_META(namespace, name, uid, version, more)                                                       \
    "\"metadata\":{\"namespace\":\"" namespace "\",\"name\":\"" name "\",\"uid\":\"" uid                     \
                                               "\",\"resourceVersion\":\"" version "\"" more "}"

#endif
