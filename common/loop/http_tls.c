#include "common/loop/http_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"

enum { TEXT_MAX = 1024 };

/* In the place of OpenSSL's own, which it then calls: the leaf is noted whatever becomes of it. */
static int verify(X509_STORE_CTX *context, void *data)
{
    struct nj_http_handshake *handshake = data;
    X509 *leaf = X509_STORE_CTX_get0_cert(context);
    if (leaf != NULL && X509_up_ref(leaf) == 1) {
        X509_free(handshake->leaf);
        handshake->leaf = leaf;
    }
    return X509_verify_cert(context);
}

static CURLcode on_context(CURL *curl, void *context, void *data)
{
    (void)curl;
    struct nj_http_handshake *handshake = data;
    handshake->began_ns = uv_hrtime();
    SSL_CTX_set_cert_verify_callback(context, verify, handshake);
    return CURLE_OK;
}

CURLcode nj_http_handshake_watch(struct nj_http_handshake *handshake, CURL *curl)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, handshake);
    return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context) : code;
}

void nj_http_handshake_done(struct nj_http_handshake *handshake)
{
    X509_free(handshake->leaf);
    *handshake = (struct nj_http_handshake){0};
}

/* What was printed into `bio`: cut, on one line, valid. */
static char *take_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    struct nj_buf text = {.max = (size_t)4 * TEXT_MAX};
    if (len > 0)
        (void)nj_utf8_append_lossy(&text, data, nj_utf8_cut(data, (size_t)len, TEXT_MAX));
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ')
            text.data[i] = ' ';
    }
    (void)BIO_reset(bio);
    return nj_buf_take(&text);
}

static void print_names(BIO *bio, X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (i > 0)
            (void)BIO_puts(bio, ", ");
        (void)GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
}

/* 0 for a time that is none. */
static int64_t to_ns(const ASN1_TIME *time)
{
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return 0;
    int64_t seconds = (int64_t)timegm(&parts);
    if (seconds > INT64_MAX / NJ_SEC)
        return INT64_MAX;
    return seconds < INT64_MIN / NJ_SEC ? INT64_MIN : seconds * NJ_SEC;
}

bool nj_http_handshake_certificate(const struct nj_http_handshake *handshake, struct nj_http_shown *ret_shown)
{
    X509 *leaf = handshake->leaf;
    BIO *bio = leaf == NULL ? NULL : BIO_new(BIO_s_mem());
    if (bio == NULL)
        return false;
    struct nj_http_shown shown = {0};
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0, flags);
    shown.subject = take_text(bio);
    (void)X509_NAME_print_ex(bio, X509_get_issuer_name(leaf), 0, flags);
    shown.issuer = take_text(bio);
    print_names(bio, leaf);
    shown.names = take_text(bio);
    (void)BIO_free(bio);
    shown.certificate = (struct nj_http_certificate){.subject = shown.subject,
                                                     .issuer = shown.issuer,
                                                     .names = shown.names,
                                                     .not_before_ns = to_ns(X509_get0_notBefore(leaf)),
                                                     .not_after_ns = to_ns(X509_get0_notAfter(leaf))};
    *ret_shown = shown;
    return true;
}

void nj_http_shown_done(struct nj_http_shown *shown)
{
    free(shown->subject);
    free(shown->issuer);
    free(shown->names);
    *shown = (struct nj_http_shown){0};
}
