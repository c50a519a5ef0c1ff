#include "common/loop/httpd_uri.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; NULL, or what is wrong. */
static const char *decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0)
                return "malformed percent-encoding";
            if (high == 0 && low == 0)
                return "an encoded NUL";
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else if (*from == '+' && plus_is_space) {
            *to++ = ' ';
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return nj_utf8_valid(text, (size_t)(to - text)) ? NULL : "not UTF-8";
}

static const char *parse_query(struct nj_uri *uri, char *query)
{
    char *rest = query;
    while (rest != NULL) {
        char *name = strsep(&rest, "&");
        if (*name == '\0')
            continue;
        if (uri->params_count == NJ_URI_PARAMS_MAX)
            return "too many parameters";
        char *value = strchr(name, '=');
        if (value != NULL)
            *value++ = '\0';
        const char *wrong = decode(name, true);
        if (wrong == NULL && value != NULL)
            wrong = decode(value, true);
        if (wrong != NULL)
            return wrong;
        uri->params[uri->params_count++] =
            (struct nj_uri_param){.name = name, .value = value == NULL ? "" : value};
    }
    return NULL;
}

/* The absolute form, as proxies get it: what follows the host. */
static const char *skip_authority(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], len) == 0) {
            size_t authority = strcspn(target + len, "/?");
            return target + len + authority;
        }
    }
    return target;
}

int nj_uri_parse(const char *target, struct nj_uri *ret_uri, const char **ret_why)
{
    struct nj_uri uri = {.memory = nj_strdup(skip_authority(target))};
    char *query = strchr(uri.memory, '?');
    if (query != NULL)
        *query++ = '\0';
    uri.path = uri.memory;
    const char *wrong = uri.path[0] == '/' ? decode(uri.path, false) : "no path";
    if (wrong == NULL && query != NULL)
        wrong = parse_query(&uri, query);
    if (wrong != NULL) {
        free(uri.memory);
        *ret_uri = (struct nj_uri){0};
        *ret_why = wrong;
        return -EINVAL;
    }
    *ret_uri = uri;
    return 0;
}

void nj_uri_done(struct nj_uri *uri)
{
    free(uri->memory);
    *uri = (struct nj_uri){0};
}

const char *nj_uri_param(const struct nj_uri *uri, const char *name)
{
    for (size_t i = 0; i < uri->params_count; i++) {
        if (strcmp(uri->params[i].name, name) == 0)
            return uri->params[i].value;
    }
    return NULL;
}
