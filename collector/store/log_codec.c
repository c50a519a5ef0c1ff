#include "collector/store/log_codec.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"

enum {
    LEVEL = 1,       /* the writer has one thread, and a crash storm brings many logs at once */
    WORTH_IT = 2048, /* bytes: compressing a shorter text costs more than storing it */
};

struct nj_log_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

struct nj_log_codec *nj_log_codec_new(void)
{
    return NJ_NEW(struct nj_log_codec);
}

void nj_log_codec_free(struct nj_log_codec *codec)
{
    if (codec == NULL)
        return;
    ZSTD_freeCCtx(codec->compress);
    ZSTD_freeDCtx(codec->decompress);
    free(codec);
}

int nj_log_pack(struct nj_log_codec *codec, const char *text, size_t len, enum nj_log_encoding *ret_encoding,
                struct nj_buf *out)
{
    nj_buf_clear(out);
    if (len > NJ_LOG_TEXT_MAX)
        return -EOVERFLOW;
    if (codec->compress == NULL)
        codec->compress = ZSTD_createCCtx();
    if (codec->compress == NULL)
        return -ENOMEM;
    if (len >= WORTH_IT) {
        size_t bound = ZSTD_compressBound(len);
        char *to = nj_buf_reserve(out, bound);
        if (to == NULL)
            return -ENOMEM;
        size_t packed = ZSTD_compressCCtx(codec->compress, to, bound, text, len, LEVEL);
        if (!ZSTD_isError(packed) && packed < len) {
            out->len = packed;
            *ret_encoding = NJ_LOG_ZSTD;
            return 0;
        }
    }
    int rc = nj_buf_append(out, text, len);
    if (rc == 0)
        *ret_encoding = NJ_LOG_PLAIN;
    return rc;
}

int nj_log_unpack(struct nj_log_codec *codec, int encoding, const void *bytes, size_t bytes_len, size_t len,
                  struct nj_buf *out)
{
    nj_buf_clear(out);
    if (len > NJ_LOG_TEXT_MAX)
        return -EUCLEAN;
    if (encoding == NJ_LOG_PLAIN)
        return bytes_len == len ? nj_buf_append(out, bytes, len) : -EUCLEAN;
    if (encoding != NJ_LOG_ZSTD)
        return -EUCLEAN;
    if (codec->decompress == NULL)
        codec->decompress = ZSTD_createDCtx();
    char *to = nj_buf_reserve(out, len + 1);
    if (codec->decompress == NULL || to == NULL)
        return -ENOMEM;
    size_t got = ZSTD_decompressDCtx(codec->decompress, to, len, bytes, bytes_len);
    if (ZSTD_isError(got) || got != len)
        return -EUCLEAN;
    to[len] = '\0';
    out->len = len;
    return 0;
}
