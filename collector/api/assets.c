#include "collector/api/internal.h"
#include "common/base/str.h"

#define ASSET(name)                                                                                          \
    extern const unsigned char nj_asset_##name[];                                                            \
    extern const size_t nj_asset_##name##_len;
ASSET(openapi)
ASSET(index)
ASSET(app)
ASSET(rest)
ASSET(words)
ASSET(style)
ASSET(icon)

#define SCRIPT "text/javascript; charset=utf-8"

static const struct nj_api_asset assets[] = {
    {"/openapi.json", "application/json", nj_asset_openapi, &nj_asset_openapi_len},
    {"/", "text/html; charset=utf-8", nj_asset_index, &nj_asset_index_len},
    {"/app.js", SCRIPT, nj_asset_app, &nj_asset_app_len},
    {"/rest.js", SCRIPT, nj_asset_rest, &nj_asset_rest_len},
    {"/words.js", SCRIPT, nj_asset_words, &nj_asset_words_len},
    {"/style.css", "text/css; charset=utf-8", nj_asset_style, &nj_asset_style_len},
    {"/icon.svg", "image/svg+xml", nj_asset_icon, &nj_asset_icon_len},
};

const struct nj_api_asset *nj_api_find_asset(const char *path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (nj_streq(assets[i].path, path))
            return &assets[i];
    }
    return NULL;
}
