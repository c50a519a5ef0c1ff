/*
 * What robots and applications have in common. Used by wecom*.c only.
 */
#ifndef NJ_NOTIFY_WECOM_INTERNAL_H
#define NJ_NOTIFY_WECOM_INTERNAL_H

#include "collector/notify/channel.h"

void nj_wecom_answer_step(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                          const struct nj_http_result *result, struct nj_outcome *ret_outcome);

/* Text where text is set, and where a robot mentions everybody, which its markdown cannot. */
enum nj_channel_format nj_wecom_format(const struct nj_target *target, const char *mentions);
size_t nj_wecom_max_bytes(const struct nj_target *target, const char *mentions);

void nj_wecom_render(const struct nj_target *target, const struct nj_terms *terms,
                     const struct nj_alert *alert, struct nj_buf *out);
void nj_wecom_render_digest(const struct nj_target *target, const struct nj_terms *terms,
                            const char *mentions, const struct nj_alert *alerts, size_t count,
                            struct nj_buf *out);

/* Appends `"msgtype":"text","text":{"content":"..."`, the object left open. */
void nj_wecom_content(const struct nj_target *target, const struct nj_delivery *delivery,
                      struct nj_buf *body);

#endif
