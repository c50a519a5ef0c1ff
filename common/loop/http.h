/*
 * An asynchronous HTTP client (1.1, and 2 where asked for): libcurl's multi_socket interface on the loop. The
 * only user of libcurl's multi interface. Also for a connection without HTTP, in clear or over TLS:
 * on_connected(). All functions and callbacks are for the loop's thread; no callback runs inside
 * nj_http_start(), nj_http_cancel() or nj_http_close(). Nothing blocks: names are looked up on libcurl's
 * threads.
 *
 * A request owns copies of everything it was given. It ends exactly once with on_done(), also after
 * nj_http_cancel() (result -ECANCELED), and is freed after on_done() returns. Callbacks may start and cancel
 * requests, and close. After nj_http_cancel() neither on_status() nor on_data() is called any more. Idle
 * connections are kept for reuse and do not keep the loop running. Neither proxies nor netrc are taken from
 * the environment. Bodies are not decompressed unless asked for.
 */
#ifndef NJ_LOOP_HTTP_H
#define NJ_LOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

struct nj_http;
struct nj_http_request;

/* What to trust and who to be; strings are borrowed during nj_http_start() only. A path or PEM text, not
 * both. */
struct nj_http_tls {
    const char *ca_file, *ca_pem;
    const char *cert_file, *cert_pem;
    const char *key_file, *key_pem;
    const char *server_name; /* verified instead of the URL's host; NULL: the URL's host, also an IP */
    bool insecure_skip_verify;
};

enum nj_http_protocol {
    NJ_HTTP_PROTOCOL_1_1,
    NJ_HTTP_PROTOCOL_ANY, /* over TLS what the server takes of 2 and 1.1; else 1.1 */
    NJ_HTTP_PROTOCOL_2,   /* over TLS as ANY: see what it became; else 2 at once, with prior knowledge */
};

/* What a request waits for, or ended in. */
enum nj_http_phase {
    NJ_HTTP_PHASE_WAIT, /* for a free connection */
    NJ_HTTP_PHASE_LOOKUP,
    NJ_HTTP_PHASE_CONNECT,
    NJ_HTTP_PHASE_TLS,
    NJ_HTTP_PHASE_ANSWER, /* the request leaves and the first byte of the answer comes */
    NJ_HTTP_PHASE_TRANSFER,
    NJ_HTTP_PHASES
};

/* Of the server, also when it was refused. */
struct nj_http_certificate {
    const char *subject, *issuer; /* RFC 2253 */
    const char *names;            /* the alternative names: "DNS:a.example, IP Address:10.0.0.1"; "" */
    int64_t not_before_ns, not_after_ns;
};

struct nj_http_result {
    /* 0: a whole response was received, whatever its status; else a negative errno: -ECANCELED, -ETIMEDOUT,
     * what a callback returned, what the system said (-ECONNREFUSED, -ECONNRESET: also for a response that
     * ended early), -EHOSTUNREACH (the name is not known), -EKEYREJECTED (the server's certificate is not
     * trusted), -EPROTO (a failed TLS handshake, or no HTTP), -EINVAL (bad PEM), -EMSGSIZE (too many
     * headers), -ELOOP (redirects). */
    int error;
    struct nj_err err; /* text when error != 0: method, host, phase, cause; never path, query or headers */
    const char *why;   /* its end: the cause alone */
    long status;       /* 0 when there was none */
    int64_t retry_after_ns; /* from Retry-After, both forms; -1: none */
    const char *body;       /* collected when there is no on_data(); terminated; valid during on_done() */
    size_t body_len;
    bool body_cut; /* the body was longer than max_body_bytes: its beginning is here, the rest was not read */
    /* The request, or a part of it, may have left. When false, nobody can have acted on it. */
    bool maybe_sent;
    enum nj_http_phase phase;         /* where it ended */
    int64_t phase_ns[NJ_HTTP_PHASES]; /* how long each took; -1: it did not come to it, or none was needed */
    const char *version;              /* "1.0", "1.1", "2"; "" without a response */
    const struct nj_http_certificate *certificate; /* with options.want_certificate; NULL: none came */
};

struct nj_http_options {
    const char *method; /* capitals; NULL: GET, POST with file_field */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL; no Content-Type by itself */
    const void *body;
    size_t body_len;
    const char *file_field; /* when set: multipart/form-data with one file: body under this field, ... */
    const char *file_name;  /* ... this name, content type application/octet-stream */
    const struct nj_http_tls *tls; /* NULL: system trust */
    int64_t connect_timeout_ns;    /* name lookup, TCP and TLS together, real time; 0: 10 s */
    int64_t timeout_ns; /* whole request with its wait for a free connection, real time; 0: none (a watch) */
    int64_t idle_timeout_ns; /* -ETIMEDOUT when no byte came or went for so long, real time; 0: none */
    size_t max_body_bytes;   /* without on_data: what is collected at most; 0: 1 MiB */
    /* At most 5, http and https only. A request that carries credentials (Authorization, Cookie, a user in
     * the URL, a client certificate) is answered with the redirect itself. */
    bool follow_redirects;
    /* Neither use a kept connection nor keep this one. libcurl sends a request again by itself when the kept
     * connection it went out on ends without an answer, though the server may have acted on it: to be set for
     * what must not arrive twice. */
    bool fresh_connection;

    /* For probes. */
    enum nj_http_protocol protocol;
    const struct sockaddr *address; /* what is connected to, with its port, and nothing else: the URL's host
                                       is not looked up, and only named (Host, TLS) */
    size_t max_header_bytes; /* of a response's headers and trailers; 0: 256 KiB; beyond is -EMSGSIZE */
    bool decompress;         /* what came with a Content-Encoding; max_body_bytes bounds what it becomes */
    bool path_as_is;         /* "/../" is sent as it stands */
    bool want_certificate;   /* see the result; with a TLS handshake of its own, never a resumed one */

    /* Each header of the final response, and each trailer, without its line end. Return 0, or negative to end
     * the request with that error. May be NULL. */
    int (*on_header)(void *data, const char *name, size_t name_len, const char *value, size_t value_len);
    /* When set, no HTTP is spoken: the URL says where (https: over TLS), and this is called once when the
     * connection stands. From then on nj_http_send() sends, on_data() (which must be set) gets what comes,
     * and on_done() tells the end: error 0 when the peer closed. Implies fresh_connection. */
    void (*on_connected)(void *data, struct nj_http_request *request);
    /* The headers of the final response are complete (not those of redirects). Return 0 to go on, negative to
     * end the request with that error. May be NULL. */
    int (*on_status)(void *data, long status, const char *content_type, int64_t retry_after_ns);
    /* Body bytes as they come, when set. Return 0, or negative to end the request with that error. */
    int (*on_data)(void *data, const char *bytes, size_t len);
    void (*on_done)(void *data, const struct nj_http_result *result);
    void *data;
};

/* `max_connections` open at once (more requests wait). NULL when libcurl cannot be set up. */
struct nj_http *nj_http_new(struct nj_loop *loop, long max_connections);

/* 0 and, in *ret_request (may be NULL), a handle for nj_http_cancel(), valid until on_done(); -EINVAL for a
 * bad URL, method or header; -ENOMEM; -ESHUTDOWN after nj_http_close(). */
int nj_http_start(struct nj_http *http, const struct nj_http_options *options,
                  struct nj_http_request **ret_request, struct nj_err *err);

/* For a connection with on_connected(), from then on: sends what goes at once and queues the rest. 0;
 * -EMSGSIZE when more than 1 MiB waits; -ENOTCONN before and after. */
int nj_http_send(struct nj_http_request *request, const void *bytes, size_t len);

/* on_done() follows from the loop with -ECANCELED, never from inside this call. Nothing once the request has
 * ended. */
void nj_http_cancel(struct nj_http_request *request);

/* Cancels what runs (their on_done() are called from the loop), frees, then calls on_closed (may be NULL).
 * Takes NULL: on_closed is then called at once. */
void nj_http_close(struct nj_http *http, void (*on_closed)(void *data), void *data);

#endif
