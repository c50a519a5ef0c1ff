#include "tests/unit/agent/pod_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

enum { POD_TEXT_MAX = 16 << 10 };

struct nj_kube_object test_pod(struct nj_arena *arena, const char *format, ...)
{
    struct nj_kube_object object;
    struct nj_err err = {0};
    char text[POD_TEXT_MAX];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_in_range(len, 1, sizeof(text) - 1);
    for (char *c = strchr(text, '\''); c != NULL; c = strchr(c, '\''))
        *c = '"';
    char *kept = nj_arena_strndup(arena, text, (size_t)len);
    if (nj_kube_decode(NJ_KUBE_JSON, NJ_KUBE_POD, kept, (size_t)len, arena, &object, &err) < 0)
        fail_msg("%s: %s", err.text, text);
    return object;
}
