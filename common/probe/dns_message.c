#include "common/probe/dns_message.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/str.h"

int nj_dns_type(const char *name)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {{"A", ns_t_a},     {"AAAA", ns_t_aaaa}, {"CNAME", ns_t_cname}, {"SRV", ns_t_srv},
                 {"TXT", ns_t_txt}, {"MX", ns_t_mx},     {"NS", ns_t_ns}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    }
    return 0;
}

const char *nj_dns_rcode_name(int rcode)
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};
    return rcode >= 0 && rcode < (int)(sizeof(names) / sizeof(names[0])) ? names[rcode]
                                                                         : "a code that is not known";
}

int nj_dns_question(const char *name, int type, uint16_t id, unsigned char message[NJ_DNS_QUESTION_MAX])
{
    struct __res_state state = {.options = RES_INIT | RES_RECURSE};
    int len =
        res_nmkquery(&state, ns_o_query, name, ns_c_in, type, NULL, 0, NULL, message, NJ_DNS_QUESTION_MAX);
    if (len < NS_HFIXEDSZ)
        return -EINVAL;
    message[0] = (unsigned char)(id >> 8);
    message[1] = (unsigned char)id;
    return len;
}

/* ---- answers */

static int append_name(struct nj_buf *out, const ns_msg *message, const unsigned char *name)
{
    char text[NS_MAXDNAME];
    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), name, text, sizeof(text)) < 0)
        return -EBADMSG;
    return nj_utf8_append_lossy(out, text, strlen(text));
}

static int append_texts(struct nj_buf *out, const unsigned char *data, size_t len)
{
    while (len > 0) {
        size_t part = data[0];
        if (part + 1 > len)
            return -EBADMSG;
        int rc = nj_utf8_append_lossy(out, (const char *)data + 1, part);
        if (rc < 0)
            return rc;
        data += part + 1;
        len -= part + 1;
    }
    return 0;
}

static int append_address(struct nj_buf *out, int family, const unsigned char *data, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    if (len != (family == AF_INET ? (size_t)NS_INADDRSZ : (size_t)NS_IN6ADDRSZ) ||
        inet_ntop(family, data, text, sizeof(text)) == NULL)
        return -EBADMSG;
    return nj_buf_append_str(out, text);
}

static int append_record(struct nj_buf *out, const ns_msg *message, const ns_rr *record)
{
    const unsigned char *data = ns_rr_rdata(*record);
    size_t len = ns_rr_rdlen(*record);
    switch (ns_rr_type(*record)) {
    case ns_t_a:
        return append_address(out, AF_INET, data, len);
    case ns_t_aaaa:
        return append_address(out, AF_INET6, data, len);
    case ns_t_txt:
        return append_texts(out, data, len);
    case ns_t_mx:
        if (len < 3)
            return -EBADMSG;
        (void)nj_buf_printf(out, "%u ", ns_get16(data));
        return append_name(out, message, data + 2);
    case ns_t_srv:
        if (len < 7)
            return -EBADMSG;
        (void)nj_buf_printf(out, "%u %u %u ", ns_get16(data), ns_get16(data + 2), ns_get16(data + 4));
        return append_name(out, message, data + 6);
    default:
        return append_name(out, message, data);
    }
}

static int take_records(ns_msg *message, int type, struct nj_arena *arena, struct nj_dns_answer *answer)
{
    size_t count = ns_msg_count(*message, ns_s_an);
    if (count > NJ_DNS_RECORDS_MAX)
        count = NJ_DNS_RECORDS_MAX;
    const char **records = nj_arena_zalloc(arena, count + 1, sizeof(*records));
    if (records == NULL)
        return -ENOMEM;
    struct nj_buf text = {0};
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        ns_rr record;
        if (ns_parserr(message, ns_s_an, (int)i, &record) < 0) {
            rc = -EBADMSG;
            break;
        }
        if ((int)ns_rr_type(record) != type || ns_rr_class(record) != ns_c_in)
            continue;
        nj_buf_clear(&text);
        rc = append_record(&text, message, &record);
        const char *copy = rc < 0 ? NULL : nj_arena_strndup(arena, nj_buf_str(&text), text.len);
        if (rc == 0 && copy == NULL)
            rc = -ENOMEM;
        if (rc == 0)
            records[answer->records_count++] = copy;
    }
    nj_buf_done(&text);
    answer->records = records;
    return rc;
}

/* Is the question of the message the one that was asked? */
static bool is_asked(ns_msg *message, ns_msg *asked)
{
    ns_rr a;
    ns_rr b;
    if (ns_msg_count(*message, ns_s_qd) != 1 || ns_parserr(message, ns_s_qd, 0, &a) < 0 ||
        ns_parserr(asked, ns_s_qd, 0, &b) < 0)
        return false;
    return ns_rr_type(a) == ns_rr_type(b) && ns_rr_class(a) == ns_rr_class(b) &&
           strcasecmp(ns_rr_name(a), ns_rr_name(b)) == 0;
}

int nj_dns_parse(const unsigned char *message, size_t len, const unsigned char *question, size_t question_len,
                 struct nj_arena *arena, struct nj_dns_answer *ret_answer)
{
    ns_msg asked;
    ns_msg came;
    ns_rr query;
    if (len < NS_HFIXEDSZ || memcmp(message, question, 2) != 0 || (message[2] & 0x80) == 0)
        return -ENOENT;
    if (len > NS_MAXMSG || ns_initparse(question, (int)question_len, &asked) < 0 ||
        ns_parserr(&asked, ns_s_qd, 0, &query) < 0)
        return -EBADMSG;
    struct nj_dns_answer answer = {.rcode = message[3] & 0x0F, .truncated = (message[2] & 0x02) != 0};
    if (ns_initparse(message, (int)len, &came) < 0) {
        /* What was cut may end in the middle of a record. */
        if (!answer.truncated)
            return -EBADMSG;
        *ret_answer = answer;
        return 0;
    }
    /* Servers that refuse may leave the question out. */
    bool refuses = answer.rcode != ns_r_noerror && ns_msg_count(came, ns_s_qd) == 0;
    if (!refuses && !is_asked(&came, &asked))
        return -ENOENT;
    int rc = answer.truncated ? 0 : take_records(&came, ns_rr_type(query), arena, &answer);
    if (rc == 0)
        *ret_answer = answer;
    return rc;
}

/* ---- names */

static size_t add_name(const char *name, const char *domain, char names[NJ_DNS_NAMES_MAX][NJ_DNS_NAME_MAX],
                       size_t count)
{
    if (count == NJ_DNS_NAMES_MAX)
        return count;
    int len = snprintf(names[count], NJ_DNS_NAME_MAX, domain[0] == '\0' ? "%s%s" : "%s.%s", name, domain);
    return len < NJ_DNS_NAME_MAX ? count + 1 : count;
}

size_t nj_dns_names(const char *name, char *const *domains, unsigned ndots,
                    char names[NJ_DNS_NAMES_MAX][NJ_DNS_NAME_MAX])
{
    unsigned dots = 0;
    size_t count = 0;
    for (const char *c = name; *c != '\0'; c++)
        dots += *c == '.' ? 1 : 0;
    bool is_absolute = nj_str_ends(name, ".");
    if (is_absolute || dots >= ndots)
        count = add_name(name, "", names, count);
    for (size_t i = 0; !is_absolute && domains[i] != NULL; i++)
        count = add_name(name, domains[i], names, count);
    if (!is_absolute && dots < ndots)
        count = add_name(name, "", names, count);
    return count;
}
