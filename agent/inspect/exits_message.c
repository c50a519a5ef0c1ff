#include "agent/inspect/exits_message.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <string.h>

/* One netlink message's payload. False: it is of no kind that is wanted. */
static bool read_event(const uint8_t *payload, size_t len, struct nj_exits_message *ret_message)
{
    struct cn_msg head;
    struct proc_event event;
    size_t fixed = offsetof(struct proc_event, event_data);
    if (len < sizeof(head))
        return false;
    memcpy(&head, payload, sizeof(head));
    size_t left = len - sizeof(head);
    if (head.id.idx != CN_IDX_PROC || head.id.val != CN_VAL_PROC || head.len > left || head.len < fixed)
        return false;
    /* An older kernel's event may be shorter, a newer one's longer. */
    memset(&event, 0, sizeof(event));
    memcpy(&event, payload + sizeof(head), head.len < sizeof(event) ? head.len : sizeof(event));
    size_t told = head.len - fixed;
    *ret_message = (struct nj_exits_message){.ack = head.ack};
    if (event.what == PROC_EVENT_NONE && told >= sizeof(event.event_data.ack)) {
        ret_message->is_ack = true;
        ret_message->error = (int)(event.event_data.ack.err & INT32_MAX);
        return true;
    }
    size_t needed = offsetof(struct exit_proc_event, exit_code) + sizeof(event.event_data.exit.exit_code);
    if (event.what != PROC_EVENT_EXIT || told < needed || event.event_data.exit.process_pid <= 0 ||
        event.event_data.exit.process_pid != event.event_data.exit.process_tgid)
        return false;
    ret_message->pid = event.event_data.exit.process_pid;
    ret_message->exit_code = (int)(event.event_data.exit.exit_code & 0xFFFF);
    return true;
}

bool nj_exits_next(const uint8_t *bytes, size_t len, size_t *offset, struct nj_exits_message *ret_message)
{
    while (*offset < len && len - *offset >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr head;
        memcpy(&head, bytes + *offset, sizeof(head));
        if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len - *offset)
            break;
        const uint8_t *payload = bytes + *offset + NLMSG_HDRLEN;
        size_t payload_len = head.nlmsg_len - NLMSG_HDRLEN;
        size_t step = NLMSG_ALIGN((size_t)head.nlmsg_len);
        *offset += step < len - *offset ? step : len - *offset;
        if (head.nlmsg_type == NLMSG_DONE && read_event(payload, payload_len, ret_message))
            return true;
    }
    *offset = len;
    return false;
}
