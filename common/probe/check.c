/* One check: a copy of what it is made of. */
#include <string.h>

#include "common/base/str.h"
#include "common/probe/checks_internal.h"

/* Copies behind what is there. */
static const char *put_text(char **at, const char *text)
{
    size_t size = strlen(nj_str(text)) + 1;
    char *copy = *at;
    memcpy(copy, nj_str(text), size);
    *at += size;
    return copy;
}

static void copy_texts(struct nj_check *check, const struct nj_check_options *options)
{
    const struct nj_probe_target *target = &options->target;
    const char *texts[] = {options->id, target->host, target->scheme, target->path, target->authority};
    size_t size = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        size += strlen(nj_str(texts[i])) + 1;
    char *at = nj_calloc(1, size);
    check->id = at;
    (void)put_text(&at, options->id);
    check->target = (struct nj_probe_target){.host = put_text(&at, target->host),
                                             .port = target->port,
                                             .scheme = put_text(&at, target->scheme),
                                             .path = put_text(&at, target->path),
                                             .authority = put_text(&at, target->authority),
                                             .trust = target->trust};
}

struct nj_check *nj_check_new(const struct nj_check_options *options)
{
    struct nj_check *check = NJ_NEW(struct nj_check);
    copy_texts(check, options);
    check->data = options->data;
    check->spec = nj_spec_ref(options->spec);
    check->failures_more = options->failures_more;
    check->ca_pem = nj_strdup(options->ca_pem);
    if (options->secrets_count > 0)
        check->secrets = nj_calloc(options->secrets_count, sizeof(*check->secrets));
    for (; check->secrets_count < options->secrets_count; check->secrets_count++)
        check->secrets[check->secrets_count] =
            (struct nj_probe_value){.name = nj_strdup(options->secrets[check->secrets_count].name),
                                    .value = nj_strdup(options->secrets[check->secrets_count].value)};
    return check;
}

void nj_check_free(struct nj_check *check)
{
    for (size_t i = 0; i < check->secrets_count; i++) {
        char *value = (char *)check->secrets[i].value;
        explicit_bzero(value, strlen(value));
        free(value);
        free((char *)check->secrets[i].name);
    }
    free(check->secrets);
    free(check->ca_pem);
    free(check->id);
    nj_spec_unref(check->spec);
    free(check);
}
