#include "collector/api/internal.h"
#include "common/base/str.h"

#define ASSET(name)                                                                                          \
    extern const unsigned char nj_asset_##name[];                                                            \
    extern const size_t nj_asset_##name##_len;
ASSET(openapi)
ASSET(index)
ASSET(app)
ASSET(style)

static const struct nj_api_asset assets[] = {
    {"/openapi.json", "application/json", nj_asset_openapi, &nj_asset_openapi_len},
    {"/", "text/html; charset=utf-8", nj_asset_index, &nj_asset_index_len},
    {"/app.js", "text/javascript; charset=utf-8", nj_asset_app, &nj_asset_app_len},
    {"/style.css", "text/css; charset=utf-8", nj_asset_style, &nj_asset_style_len},
};

const struct nj_api_asset *nj_api_find_asset(const char *path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (nj_streq(assets[i].path, path))
            return &assets[i];
    }
    return NULL;
}
