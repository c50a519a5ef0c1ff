#include "common/probe/template.h"

#include <errno.h>
#include <string.h>

bool nj_template_is_name(const char *name, size_t len)
{
    if (len == 0 || len > NJ_TEMPLATE_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

int nj_template_next(const char **at, struct nj_template_part *ret_part)
{
    const char *text = *at;
    if (*text == '\0')
        return 0;
    if (strncmp(text, "$${", 3) == 0) {
        *ret_part = (struct nj_template_part){.text = text + 1, .len = 2};
        *at = text + 3;
        return 1;
    }
    if (strncmp(text, "${", 2) == 0) {
        const char *end = strchr(text, '}');
        if (end == NULL || !nj_template_is_name(text + 2, (size_t)(end - text) - 2))
            return -EINVAL;
        *ret_part =
            (struct nj_template_part){.is_variable = true, .text = text + 2, .len = (size_t)(end - text) - 2};
        *at = end + 1;
        return 1;
    }
    const char *end = text;
    do
        end++;
    while (*end != '\0' && strncmp(end, "$${", 3) != 0 && strncmp(end, "${", 2) != 0);
    *ret_part = (struct nj_template_part){.text = text, .len = (size_t)(end - text)};
    *at = end;
    return 1;
}

bool nj_template_has_variables(const char *text)
{
    struct nj_template_part part;
    while (nj_template_next(&text, &part) == 1) {
        if (part.is_variable)
            return true;
    }
    return false;
}
