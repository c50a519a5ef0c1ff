/*
 * What strangers write into HTTP: the target of a request to our server, and the Retry-After of an answer to
 * our client. A target that is accepted has a path and valid UTF-8 everywhere; a wait is within its range.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/loop/http_easy.h"
#include "common/loop/httpd_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NJ_CLEANUP_FREE char *text = nj_strndup((const char *)data, size);
    if (text == NULL)
        return 0;
    struct nj_uri uri;
    const char *why = NULL;
    if (nj_uri_parse(text, &uri, &why) == 0) {
        assert(uri.path[0] == '/');
        assert(nj_utf8_valid(uri.path, strlen(uri.path)));
        for (size_t i = 0; i < uri.params_count; i++) {
            assert(nj_utf8_valid(uri.params[i].name, strlen(uri.params[i].name)));
            assert(nj_utf8_valid(uri.params[i].value, strlen(uri.params[i].value)));
            assert(nj_uri_param(&uri, uri.params[i].name) != NULL);
        }
    } else {
        assert(why != NULL && uri.path == NULL);
    }
    nj_uri_done(&uri);

    int64_t wait_ns = nj_http_retry_after_ns((const char *)data, size, 1700000000);
    assert(wait_ns >= -1 && wait_ns <= NJ_DAY);
    return 0;
}
