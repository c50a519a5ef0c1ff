/*
 * Logs as every backend keeps them: compressed with zstd where that makes them smaller. One thread.
 */
#ifndef NJ_STORE_LOG_CODEC_H
#define NJ_STORE_LOG_CODEC_H

#include <stddef.h>

#include "common/base/buf.h"

enum { NJ_LOG_TEXT_MAX = 64 << 20 }; /* bytes of a text; a stored one that claims more is damaged */

enum nj_log_encoding { NJ_LOG_PLAIN, NJ_LOG_ZSTD };

struct nj_log_codec; /* contexts, made when first needed and reused */
struct nj_log_codec *nj_log_codec_new(void);
void nj_log_codec_free(struct nj_log_codec *codec);

/* Replaces the contents of `out`. 0, -EOVERFLOW (a text too large), -ENOMEM. */
int nj_log_pack(struct nj_log_codec *codec, const char *text, size_t len, enum nj_log_encoding *ret_encoding,
                struct nj_buf *out);

/* Replaces the contents of `out`. 0, -EUCLEAN when the bytes do not give a text of `len` bytes. */
int nj_log_unpack(struct nj_log_codec *codec, int encoding, const void *bytes, size_t bytes_len, size_t len,
                  struct nj_buf *out);

#endif
