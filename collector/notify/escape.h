/*
 * Text from outside (logs, messages, names) made harmless within a WeCom message: no log line may mention
 * people, colour text, make a link or look like one of the alert's own fields. Pure; any thread.
 *
 * WeCom knows no escape character, so what would be markup is replaced by its full-width twin: "<@li>"
 * becomes "＜@li>". The markup: <@userid> (in text messages too), <font>, <a href>, [text](url), `code`,
 * **bold**, and '#' and '>' at the start of a line.
 */
#ifndef NJ_NOTIFY_ESCAPE_H
#define NJ_NOTIFY_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* Appends `text` as one line of valid UTF-8 and at most `max` bytes, cut between characters and ended with
 * "…" when it is longer. Line breaks become spaces, tabs four spaces; other control characters and those that
 * turn or hide text (bidirectional marks, zero-width space) are left out. `markdown` false replaces only what
 * text messages know. */
void nj_escape(struct nj_buf *out, const char *text, size_t len, size_t max, bool markdown);

#endif
