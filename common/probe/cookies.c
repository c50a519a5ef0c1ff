#include "common/probe/cookies.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

struct cookie {
    char *host, *path, *name, *value;
    int64_t expires_ns; /* INT64_MAX: with the run */
    bool secure;
};

struct nj_cookies {
    struct cookie all[NJ_COOKIES_MAX]; /* longer paths first */
    size_t count;
};

struct nj_cookies *nj_cookies_new(void)
{
    return NJ_NEW(struct nj_cookies);
}

static void cookie_done(struct cookie *cookie)
{
    if (cookie->value != NULL)
        explicit_bzero(cookie->value, strlen(cookie->value));
    free(cookie->host);
    free(cookie->path);
    free(cookie->name);
    free(cookie->value);
}

void nj_cookies_free(struct nj_cookies *cookies)
{
    if (cookies == NULL)
        return;
    for (size_t i = 0; i < cookies->count; i++)
        cookie_done(&cookies->all[i]);
    free(cookies);
}

static void remove_at(struct nj_cookies *cookies, size_t index)
{
    cookie_done(&cookies->all[index]);
    cookies->count--;
    memmove(&cookies->all[index], &cookies->all[index + 1],
            (cookies->count - index) * sizeof(cookies->all[0]));
}

/* A date as RFC 6265, 5.1.1 reads it: tokens in any order. */
struct date {
    struct tm tm;
    bool has_time, has_day, has_month, has_year;
};

static int two_digits(const char *text, const char **ret_end)
{
    int value = 0;
    int digits = 0;
    for (; digits < 2 && *text >= '0' && *text <= '9'; text++, digits++)
        value = value * 10 + (*text - '0');
    *ret_end = text;
    return digits == 0 ? -1 : value;
}

static bool take_time(struct date *date, const char *token)
{
    const char *end = token;
    int hour = two_digits(token, &end);
    if (hour < 0 || *end != ':')
        return false;
    int minute = two_digits(end + 1, &end);
    if (minute < 0 || *end != ':')
        return false;
    int second = two_digits(end + 1, &end);
    if (second < 0)
        return false;
    date->tm.tm_hour = hour;
    date->tm.tm_min = minute;
    date->tm.tm_sec = second;
    return true;
}

static bool take_month(struct date *date, const char *token)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12; i++) {
        if (strncasecmp(token, names + (size_t)i * 3, 3) == 0) {
            date->tm.tm_mon = i;
            return true;
        }
    }
    return false;
}

static bool take_year(struct date *date, const char *token)
{
    size_t digits = strspn(token, "0123456789");
    if (digits != 2 && digits != 4)
        return false;
    int year = 0;
    for (size_t i = 0; i < digits; i++)
        year = year * 10 + (token[i] - '0');
    if (digits == 2)
        year += year >= 70 ? 1900 : 2000;
    date->tm.tm_year = year - 1900;
    return true;
}

static void take_token(struct date *date, const char *token)
{
    const char *end = token;
    if (!date->has_time && take_time(date, token)) {
        date->has_time = true;
    } else if (!date->has_day && strspn(token, "0123456789") <= 2 && two_digits(token, &end) > 0) {
        date->tm.tm_mday = two_digits(token, &end);
        date->has_day = true;
    } else if (!date->has_month && take_month(date, token)) {
        date->has_month = true;
    } else if (!date->has_year && take_year(date, token)) {
        date->has_year = true;
    }
}

/* False for a text that is no date. */
static bool parse_date(const char *text, int64_t *ret_ns)
{
    struct date date = {0};
    NJ_CLEANUP_FREE char *copy = nj_strdup(text);
    char *rest = copy;
    while (rest != NULL) {
        const char *token = strsep(&rest, " \t,-/");
        if (*token != '\0')
            take_token(&date, token);
    }
    if (!date.has_time || !date.has_day || !date.has_month || !date.has_year || date.tm.tm_mday > 31 ||
        date.tm.tm_hour > 23 || date.tm.tm_min > 59 || date.tm.tm_sec > 60)
        return false;
    int64_t seconds = (int64_t)timegm(&date.tm);
    *ret_ns = seconds > INT64_MAX / NJ_SEC ? INT64_MAX : seconds * NJ_SEC;
    return true;
}

static char *trimmed(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    return text;
}

/* RFC 6265, 5.1.4: up to the last '/', without the query. */
static char *default_path(const char *path)
{
    size_t len = strcspn(path, "?#");
    while (len > 1 && path[len - 1] != '/')
        len--;
    if (len > 1)
        len--;
    return len == 0 || path[0] != '/' ? nj_strdup("/") : nj_strndup(path, len);
}

static bool host_within(const char *host, const char *domain)
{
    if (domain[0] == '.')
        domain++;
    size_t len = strlen(host);
    size_t below = strlen(domain);
    if (below == 0 || below > len || strcasecmp(host + len - below, domain) != 0)
        return false;
    return below == len || host[len - below - 1] == '.';
}

/* What is between two ';' of a Set-Cookie. False when the cookie may not be. */
static bool take_attribute(struct cookie *cookie, char *text, bool *ret_has_max_age, int64_t now_ns)
{
    char *value = strchr(text, '=');
    if (value != NULL)
        *value++ = '\0';
    const char *name = trimmed(text);
    value = value == NULL ? text + strlen(text) : trimmed(value);
    int64_t number = 0;
    if (strcasecmp(name, "Path") == 0 && value[0] == '/') {
        free(cookie->path);
        cookie->path = nj_strdup(value);
    } else if (strcasecmp(name, "Domain") == 0 && value[0] != '\0') {
        return host_within(cookie->host, value);
    } else if (strcasecmp(name, "Secure") == 0) {
        cookie->secure = true;
    } else if (strcasecmp(name, "Max-Age") == 0) {
        int64_t most = (INT64_MAX - now_ns) / NJ_SEC - 1;
        int rc = nj_parse_int(value, INT64_MIN, INT64_MAX, &number);
        if (rc == 0) {
            *ret_has_max_age = true;
            if (number > most)
                number = most;
            cookie->expires_ns = number <= 0 ? 0 : now_ns + number * NJ_SEC;
        }
    } else if (strcasecmp(name, "Expires") == 0 && !*ret_has_max_age) {
        (void)parse_date(value, &cookie->expires_ns);
    }
    return true;
}

static bool same(const struct cookie *a, const struct cookie *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 &&
           strcasecmp(a->host, b->host) == 0;
}

/* Takes the cookie over. */
static void put(struct nj_cookies *cookies, struct cookie *cookie, int64_t now_ns)
{
    for (size_t i = 0; i < cookies->count; i++) {
        if (same(&cookies->all[i], cookie)) {
            remove_at(cookies, i);
            break;
        }
    }
    if (cookie->expires_ns <= now_ns || cookies->count == NJ_COOKIES_MAX) {
        cookie_done(cookie);
        return;
    }
    size_t at = 0;
    while (at < cookies->count && strlen(cookies->all[at].path) >= strlen(cookie->path))
        at++;
    memmove(&cookies->all[at + 1], &cookies->all[at], (cookies->count - at) * sizeof(cookies->all[0]));
    cookies->all[at] = *cookie;
    cookies->count++;
}

static bool holds_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            return true;
    }
    return false;
}

void nj_cookies_take(struct nj_cookies *cookies, const char *host, const char *path, const char *set_cookie,
                     int64_t now_ns)
{
    if (strlen(set_cookie) > NJ_COOKIE_BYTES_MAX)
        return;
    NJ_CLEANUP_FREE char *copy = nj_strdup(set_cookie);
    char *rest = copy;
    char *name = strsep(&rest, ";");
    char *value = strchr(name, '=');
    if (value == NULL)
        return;
    *value++ = '\0';
    name = trimmed(name);
    value = trimmed(value);
    if (name[0] == '\0' || holds_control(name) || holds_control(value))
        return;
    struct cookie cookie = {.host = nj_strdup(host),
                            .path = default_path(path),
                            .name = nj_strdup(name),
                            .value = nj_strdup(value),
                            .expires_ns = INT64_MAX};
    bool has_max_age = false;
    bool is_good = true;
    while (rest != NULL && is_good)
        is_good = take_attribute(&cookie, strsep(&rest, ";"), &has_max_age, now_ns);
    if (is_good)
        put(cookies, &cookie, now_ns);
    else
        cookie_done(&cookie);
}

static bool path_within(const char *path, const char *below)
{
    size_t len = strlen(below);
    if (strncmp(path, below, len) != 0)
        return false;
    return below[len - 1] == '/' || path[len] == '/' || path[len] == '\0' || path[len] == '?';
}

void nj_cookies_write(const struct nj_cookies *cookies, const char *host, const char *path, bool secure,
                      int64_t now_ns, struct nj_buf *out)
{
    const char *before = "";
    for (size_t i = 0; i < cookies->count; i++) {
        const struct cookie *cookie = &cookies->all[i];
        if (strcasecmp(cookie->host, host) != 0 || !path_within(path, cookie->path) ||
            (cookie->secure && !secure) || cookie->expires_ns <= now_ns)
            continue;
        (void)nj_buf_printf(out, "%s%s=%s", before, cookie->name, cookie->value);
        before = "; ";
    }
}
