/*
 * WeCom (企业微信): what its answers mean. Group robots are documented at
 * https://developer.work.weixin.qq.com/document/path/91770, application messages at .../path/90236, the error
 * codes at
 * .../path/90313. The channel types nj_wecom_robot and nj_wecom_app are in channel.h. Pure; any thread.
 *
 * HTTP 200 says nothing: `errcode` does. An application's text of which nobody knows whether it arrived is
 * sent again with enable_duplicate_check, under which WeCom drops a request whose JSON it had within the
 * interval.
 */
#ifndef NJ_NOTIFY_WECOM_H
#define NJ_NOTIFY_WECOM_H

#include <stddef.h>
#include <stdint.h>

#include "collector/notify/channel.h"

enum {
    NJ_WECOM_TEXT_BYTES = 2048,           /* robot and application */
    NJ_WECOM_ROBOT_MARKDOWN_BYTES = 4096, /* an application's markdown has the bytes of a text */
    NJ_WECOM_FILE_BYTES_MIN = 5,          /* smaller and larger files are refused */
    NJ_WECOM_FILE_BYTES_MAX = 20 << 20,
    NJ_WECOM_DUPLICATE_S = 4 * 3600, /* the longest interval WeCom takes */
};

struct nj_wecom_answer {
    bool valid; /* a JSON object with an errcode */
    int64_t errcode;
    char *access_token;
    int64_t expires_in_s;
    char *media_id;
    char *not_told; /* users, parties and tags that WeCom does not know or serve; NULL: none */
};
void nj_wecom_read_answer(const char *body, size_t len, struct nj_wecom_answer *ret_answer);
void nj_wecom_answer_done(struct nj_wecom_answer *answer);

/* What an errcode other than 0 means. */
enum nj_outcome_kind nj_wecom_outcome(int64_t errcode);

#endif
