#include "collector/probes/secrets.h"

#include <json.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    READS_MAX = 8, /* at once */
    TIMEOUT_S = 10,
    BODY_MAX = 3 << 20, /* a Secret has at most 1 MiB, and base64 and metadata */
};

static const int64_t AGE_MAX_NS = NJ_MIN;

struct key {
    char *name;
    char *value; /* NULL: the Secret has no such key */
    bool known;  /* it was looked for */
    struct key *next;
};

struct secret {
    struct nj_secrets *owner;
    char *id; /* "namespace/name" */
    char *namespace, *name;
    struct key *keys;
    bool read;      /* there was an answer */
    bool wanted;    /* asked for since nj_secrets_begin() */
    bool dropped;   /* freed when its request ends */
    char *trouble;  /* NULL: none */
    int64_t due_ns; /* monotonic: to be read then */
    struct nj_http_request *request;
    UT_hash_handle hh;
};

struct nj_secrets {
    struct nj_secrets_options options;
    struct secret *secrets;
    struct nj_timer timer;
    size_t reading;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void wipe(char *text)
{
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    free(text);
}

static void free_secret(struct secret *secret)
{
    for (struct key *key; (key = secret->keys) != NULL;) {
        LL_DELETE(secret->keys, key);
        free(key->name);
        wipe(key->value);
        free(key);
    }
    free(secret->id);
    free(secret->namespace);
    free(secret->name);
    free(secret->trouble);
    free(secret);
}

static void finish_close(struct nj_secrets *secrets)
{
    void (*on_closed)(void *data) = secrets->on_closed;
    void *data = secrets->on_closed_data;
    nj_timer_stop(&secrets->timer);
    free(secrets);
    if (on_closed != NULL)
        on_closed(data);
}

static void set_trouble(struct secret *secret, bool *changed, char *take_text)
{
    *changed |= !nj_streq(secret->trouble, take_text);
    free(secret->trouble);
    secret->trouble = take_text;
}

static void set_value(struct key *key, char *take_value, bool *changed)
{
    *changed |= (key->value == NULL) != (take_value == NULL) || !nj_streq(key->value, take_value);
    wipe(key->value);
    key->value = take_value;
}

/* NULL: no base64, or a value that is no text. */
static char *decode(const char *base64)
{
    size_t max = strlen(base64) + 1;
    size_t len = 0;
    char *value = nj_calloc(max + 1, 1);
    if (sodium_base642bin((unsigned char *)value, max, base64, strlen(base64), "\r\n", &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
        memchr(value, '\0', len) == NULL) {
        value[len] = '\0';
        return value;
    }
    sodium_memzero(value, max);
    free(value);
    return NULL;
}

static bool take_body(struct secret *secret, const struct nj_http_result *result, bool *changed)
{
    struct json_tokener *tokener = json_tokener_new();
    if (tokener == NULL)
        nj_out_of_memory();
    struct json_object *root = json_tokener_parse_ex(tokener, result->body, (int)result->body_len);
    struct json_object *data = NULL;
    json_tokener_free(tokener);
    bool is_secret = json_object_is_type(root, json_type_object);
    if (is_secret)
        (void)json_object_object_get_ex(root, "data", &data);
    for (struct key *key = secret->keys; is_secret && key != NULL; key = key->next) {
        struct json_object *value = NULL;
        if (data != NULL)
            (void)json_object_object_get_ex(data, key->name, &value);
        set_value(key, value == NULL ? NULL : decode(json_object_get_string(value)), changed);
        *changed |= !key->known;
        key->known = true;
    }
    json_object_put(root);
    return is_secret;
}

static void drop_values(struct secret *secret, bool *changed)
{
    for (struct key *key = secret->keys; key != NULL; key = key->next)
        set_value(key, NULL, changed);
}

static void take_answer(struct secret *secret, const struct nj_http_result *result, bool *changed)
{
    if (result->error == 0 && result->status == 200 && !result->body_cut &&
        take_body(secret, result, changed)) {
        set_trouble(secret, changed, NULL);
        secret->read = true;
        return;
    }
    bool is_final = result->error == 0 && (result->status == 403 || result->status == 404);
    if (result->error == 0 && result->status == 403) {
        set_trouble(secret, changed,
                    nj_asprintf("the Secret %s may not be read: the owner of namespace %s grants it by a "
                                "Role (get, secrets, resourceNames [%s]) and a RoleBinding to the "
                                "ServiceAccount nightjar-collector of namespace nightjar",
                                secret->name, secret->namespace, secret->name));
    } else if (is_final) {
        set_trouble(secret, changed,
                    nj_asprintf("there is no Secret %s in namespace %s", secret->name, secret->namespace));
    } else if (!secret->read) {
        set_trouble(secret, changed,
                    result->error != 0
                        ? nj_asprintf("the Secret %s could not be read: %s", secret->name, result->err.text)
                        : nj_asprintf("the Secret %s could not be read: the API server answered %ld",
                                      secret->name, result->status));
    }
    if (is_final) {
        drop_values(secret, changed);
        secret->read = false;
    }
}

static void schedule(struct nj_secrets *secrets);

static void on_done(void *data, const struct nj_http_result *result)
{
    struct secret *secret = data;
    struct nj_secrets *owner = secret->owner;
    bool changed = false;
    owner->reading--;
    secret->request = NULL;
    if (secret->dropped) {
        free_secret(secret);
        if (owner->closing && owner->reading == 0)
            finish_close(owner);
        return;
    }
    take_answer(secret, result, &changed);
    secret->due_ns = nj_loop_mono_ns(owner->options.loop) + AGE_MAX_NS;
    schedule(owner);
    if (changed) {
        /* The answer may make the owner forget this Secret. */
        NJ_CLEANUP_FREE char *namespace = nj_strdup(secret->namespace);
        owner->options.on_changed(owner->options.data, namespace);
    }
}

static void start_read(struct secret *secret)
{
    struct nj_secrets *owner = secret->owner;
    struct nj_err err = {0};
    NJ_CLEANUP_FREE char *path =
        nj_asprintf("/api/v1/namespaces/%s/secrets/%s", secret->namespace, secret->name);
    const struct nj_http_options options = {
        .timeout_ns = TIMEOUT_S * NJ_SEC, .max_body_bytes = BODY_MAX, .on_done = on_done, .data = secret};
    if (nj_kube_client_start(owner->options.client, path, "application/json", &options, &secret->request,
                             &err) < 0) {
        secret->request = NULL;
        secret->due_ns = nj_loop_mono_ns(owner->options.loop) + AGE_MAX_NS;
        if (!secret->read && secret->trouble == NULL)
            secret->trouble = nj_asprintf("the Secret %s could not be read: %s", secret->name, err.text);
        return;
    }
    owner->reading++;
}

static void schedule(struct nj_secrets *secrets)
{
    int64_t soonest_ns = INT64_MAX;
    int64_t now_ns = nj_loop_mono_ns(secrets->options.loop);
    for (struct secret *secret = secrets->secrets; secret != NULL; secret = secret->hh.next) {
        if (secret->request == NULL && secret->due_ns < soonest_ns)
            soonest_ns = secret->due_ns;
    }
    /* When enough are being read, the end of one comes here again. */
    if (soonest_ns == INT64_MAX || secrets->reading >= READS_MAX)
        return;
    nj_timer_start(&secrets->timer, soonest_ns > now_ns ? soonest_ns - now_ns : 0, 0);
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_secrets *secrets = timer->data;
    int64_t now_ns = nj_loop_mono_ns(secrets->options.loop);
    for (struct secret *secret = secrets->secrets; secret != NULL && secrets->reading < READS_MAX;
         secret = secret->hh.next) {
        if (secret->request == NULL && secret->due_ns <= now_ns)
            start_read(secret);
    }
    schedule(secrets);
}

struct nj_secrets *nj_secrets_new(const struct nj_secrets_options *options)
{
    struct nj_secrets *secrets = NJ_NEW(struct nj_secrets);
    secrets->options = *options;
    nj_timer_init(&secrets->timer, options->loop, on_timer, secrets);
    return secrets;
}

static struct key *get_key(struct secret *secret, const char *name)
{
    for (struct key *key = secret->keys; key != NULL; key = key->next) {
        if (nj_streq(key->name, name))
            return key;
    }
    struct key *key = NJ_NEW(struct key);
    key->name = nj_strdup(name);
    LL_PREPEND(secret->keys, key);
    secret->due_ns = nj_loop_mono_ns(secret->owner->options.loop);
    schedule(secret->owner);
    return key;
}

static struct secret *get_secret(struct nj_secrets *secrets, const char *namespace, const char *name)
{
    NJ_CLEANUP_FREE char *id = nj_asprintf("%s/%s", namespace, name);
    struct secret *secret = NULL;
    HASH_FIND_STR(secrets->secrets, id, secret);
    if (secret != NULL || HASH_COUNT(secrets->secrets) >= secrets->options.max)
        return secret;
    secret = NJ_NEW(struct secret);
    secret->owner = secrets;
    secret->id = nj_strdup(id);
    secret->namespace = nj_strdup(namespace);
    secret->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, secrets->secrets, secret->id, strlen(secret->id), secret);
    return secret;
}

enum nj_secret_answer nj_secrets_get(struct nj_secrets *secrets, const char *namespace, const char *name,
                                     const char *key_name, const char **ret_text)
{
    if (secrets->options.client == NULL || !nj_kube_is_name(namespace) || !nj_kube_is_name(name)) {
        *ret_text = secrets->options.client == NULL ? "there is no API server to read Secrets from"
                                                    : "the name of a Secret is none";
        return NJ_SECRET_FAILED;
    }
    struct secret *secret = get_secret(secrets, namespace, name);
    if (secret == NULL) {
        *ret_text = "too many Secrets are asked for";
        return NJ_SECRET_FAILED;
    }
    secret->wanted = true;
    struct key *key = get_key(secret, key_name);
    if (secret->trouble != NULL) {
        *ret_text = secret->trouble;
        return NJ_SECRET_FAILED;
    }
    if (!key->known)
        return NJ_SECRET_PENDING;
    if (key->value == NULL) {
        *ret_text = "the Secret has no such key, or its value is no text";
        return NJ_SECRET_FAILED;
    }
    *ret_text = key->value;
    return NJ_SECRET_READY;
}

size_t nj_secrets_pending(const struct nj_secrets *secrets)
{
    size_t pending = 0;
    for (const struct secret *secret = secrets->secrets; secret != NULL; secret = secret->hh.next)
        pending += !secret->read && secret->trouble == NULL;
    return pending;
}

static bool is_of(const struct secret *secret, const char *namespace)
{
    return nj_streq(secret->namespace, namespace);
}

void nj_secrets_refresh(struct nj_secrets *secrets, const char *namespace)
{
    for (struct secret *secret = secrets->secrets; secret != NULL; secret = secret->hh.next) {
        if (is_of(secret, namespace))
            secret->due_ns = nj_loop_mono_ns(secrets->options.loop);
    }
    schedule(secrets);
}

void nj_secrets_begin(struct nj_secrets *secrets, const char *namespace)
{
    for (struct secret *secret = secrets->secrets; secret != NULL; secret = secret->hh.next) {
        if (is_of(secret, namespace))
            secret->wanted = false;
    }
}

static void drop(struct nj_secrets *secrets, struct secret *secret)
{
    NJ_TABLE_REMOVE(secrets->secrets, secret);
    if (secret->request == NULL) {
        free_secret(secret);
        return;
    }
    secret->dropped = true;
    nj_http_cancel(secret->request);
}

void nj_secrets_sweep(struct nj_secrets *secrets, const char *namespace)
{
    struct secret *secret;
    struct secret *next;
    HASH_ITER (hh, secrets->secrets, secret, next) {
        if (is_of(secret, namespace) && !secret->wanted)
            drop(secrets, secret);
    }
}

void nj_secrets_close(struct nj_secrets *secrets, void (*on_closed)(void *data), void *data)
{
    if (secrets == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    struct secret *secret;
    struct secret *next;
    secrets->closing = true;
    secrets->on_closed = on_closed;
    secrets->on_closed_data = data;
    nj_timer_stop(&secrets->timer);
    HASH_ITER (hh, secrets->secrets, secret, next)
        drop(secrets, secret);
    if (secrets->reading == 0)
        finish_close(secrets);
}
