/*
 * One node is lost: where its pods go, what that does to the others, and which of them fall in turn.
 */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/capacity/capacity_forecast_internal.h"
#include "common/base/str.h"

/* What of a node is taken by now. */
static struct nj_forecast_touched state_of(const struct nj_forecast *forecast, uint32_t i)
{
    const struct nj_forecast_mark *mark = &forecast->marks[i];
    if (mark->loss == forecast->loss)
        return forecast->touched[mark->touched];
    const struct nj_forecast_node *node = &forecast->nodes[i].node;
    struct nj_forecast_touched state = {.node = i, .pods = node->pods_taken};
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        state.cpu[by] = node->cpu_taken[by];
        state.memory[by] = node->memory_taken[by];
    }
    return state;
}

static struct nj_forecast_touched *touch(struct nj_forecast *forecast, uint32_t i)
{
    struct nj_forecast_mark *mark = &forecast->marks[i];
    if (mark->loss != forecast->loss) {
        forecast->touched = nj_forecast_grow(forecast->touched, forecast->touched_count,
                                             &forecast->touched_capacity, sizeof(*forecast->touched));
        forecast->touched[forecast->touched_count] = state_of(forecast, i);
        *mark = (struct nj_forecast_mark){forecast->loss, (uint32_t)forecast->touched_count++};
    }
    return &forecast->touched[mark->touched];
}

static struct nj_forecast_free free_of(const struct nj_forecast *forecast, int by,
                                       const struct nj_forecast_touched *state)
{
    const struct nj_forecast_node *node = &forecast->nodes[state->node].node;
    struct nj_forecast_free is_free = {.cpu = node->cpu_micros - state->cpu[by],
                                       .memory = node->memory_bytes - state->memory[by],
                                       .pods = node->pods - state->pods};
    is_free.room = nj_forecast_room(forecast, is_free.cpu, is_free.memory);
    return is_free;
}

/* What is short of the pod on a node, as NodeResourcesFit says it: who asks for nothing needs no room. */
struct shortage {
    bool cpu, memory, pods;
};

static struct shortage shortage_of(int by, const struct nj_forecast_pod *pod,
                                   const struct nj_forecast_free *is_free)
{
    return (struct shortage){
        .cpu = pod->cpu_micros[by] > 0 && pod->cpu_micros[by] > is_free->cpu,
        .memory = pod->memory_bytes[by] > 0 && pod->memory_bytes[by] > is_free->memory,
        .pods = is_free->pods <= 0,
    };
}

static bool has_room(int by, const struct nj_forecast_pod *pod, const struct nj_forecast_free *is_free)
{
    struct shortage shortage = shortage_of(by, pod, is_free);
    return !shortage.cpu && !shortage.memory && !shortage.pods;
}

/* With less room no node takes the pod. */
static double least_room(const struct nj_forecast *forecast, int by, const struct nj_forecast_pod *pod)
{
    if (pod->cpu_micros[by] == 0 || pod->memory_bytes[by] == 0) /* it may go to one that has less than none */
        return -DBL_MAX;
    return nj_forecast_room(forecast, pod->cpu_micros[by], pod->memory_bytes[by]);
}

static bool bit_of(const struct nj_forecast *forecast, const struct nj_forecast_row *row, int by,
                   uint32_t node)
{
    uint32_t at = forecast->rank[by][node];
    return (row->bits[by][at / 64] >> at % 64 & 1) != 0;
}

struct choice {
    int64_t node; /* -1: none */
    double room;
};

static void prefer(struct choice *choice, uint32_t node, double room)
{
    if (choice->node < 0 || room > choice->room || (room == choice->room && node < choice->node))
        *choice = (struct choice){.node = node, .room = room};
}

/* Of the nodes that got something each is looked at; of the others, which are in order, only those up to the
 * first that fits. */
static int64_t choose(struct nj_forecast *forecast, int by, const struct nj_forecast_pod *pod)
{
    const struct nj_forecast_row *row = nj_forecast_row(forecast, pod->placement);
    struct choice choice = {.node = -1, .room = least_room(forecast, by, pod)};
    for (size_t i = 0; i < forecast->touched_count; i++) {
        const struct nj_forecast_touched *state = &forecast->touched[i];
        struct nj_forecast_free is_free = free_of(forecast, by, state);
        if (!state->fallen && bit_of(forecast, row, by, state->node) && has_room(by, pod, &is_free))
            prefer(&choice, state->node, is_free.room);
    }
    for (size_t at = nj_forecast_next_bit(forecast, row->bits[by], 0); at < forecast->usable;
         at = nj_forecast_next_bit(forecast, row->bits[by], at + 1)) {
        const struct nj_forecast_free *is_free = &forecast->free[by][at];
        uint32_t node = forecast->order[by][at];
        if (is_free->room < choice.room)
            break;
        if (!has_room(by, pod, is_free) || node == forecast->lost ||
            forecast->marks[node].loss == forecast->loss)
            continue;
        prefer(&choice, node, is_free->room);
        break;
    }
    return choice.node;
}

/* Nodes only get fuller: what asked for no more and found nothing has settled it. */
static bool is_hopeless(const struct nj_forecast *forecast, int by, const struct nj_forecast_pod *pod)
{
    for (size_t i = 0; i < forecast->failed_count; i++) {
        const struct nj_forecast_pod *failed = &forecast->pods[forecast->failed[i]];
        if (failed->placement == pod->placement && failed->cpu_micros[by] <= pod->cpu_micros[by] &&
            failed->memory_bytes[by] <= pod->memory_bytes[by])
            return true;
    }
    return false;
}

static bool place(struct nj_forecast *forecast, int by, uint32_t number)
{
    const struct nj_forecast_pod *pod = &forecast->pods[number];
    int64_t node = is_hopeless(forecast, by, pod) ? -1 : choose(forecast, by, pod);
    if (node < 0) {
        if (forecast->failed_count < NJ_FORECAST_FAILED_MAX)
            forecast->failed[forecast->failed_count++] = number;
        return false;
    }
    struct nj_forecast_touched *state = touch(forecast, (uint32_t)node);
    for (int each = 0; each < NJ_FORECAST_BYS; each++) {
        state->cpu[each] += pod->cpu_micros[each];
        state->memory[each] += pod->memory_bytes[each];
    }
    state->pods++;
    forecast->moves = nj_forecast_grow(forecast->moves, forecast->moves_count, &forecast->moves_capacity,
                                       sizeof(*forecast->moves));
    forecast->moves[forecast->moves_count++] = (struct nj_forecast_move){number, (uint32_t)node};
    return true;
}

/* ---- why not */

static int append(char *text, int len, uint32_t count, const char *what)
{
    if (count == 0 || len >= NJ_FORECAST_WHY_MAX)
        return len;
    return len + snprintf(text + len, (size_t)(NJ_FORECAST_WHY_MAX - len), "%s%u %s",
                          text[len - 1] == ':' ? " " : ", ", count, what);
}

struct shortages {
    uint32_t cpu, memory, pods;
};

static void count(struct shortages *shortages, int by, const struct nj_forecast_pod *pod,
                  const struct nj_forecast_free *is_free, uint32_t sign)
{
    struct shortage shortage = shortage_of(by, pod, is_free);
    shortages->cpu += shortage.cpu * sign;
    shortages->memory += shortage.memory * sign;
    shortages->pods += shortage.pods * sign;
}

/* Of the nodes that the pod may go to: as they were before, but those that got something. */
static struct shortages count_all(const struct nj_forecast *forecast, int by,
                                  const struct nj_forecast_pod *pod, const struct nj_forecast_row *row)
{
    struct shortages shortages = {0};
    for (size_t at = nj_forecast_next_bit(forecast, row->bits[by], 0); at < forecast->usable;
         at = nj_forecast_next_bit(forecast, row->bits[by], at + 1))
        count(&shortages, by, pod, &forecast->free[by][at], 1);
    for (size_t i = 0; i < forecast->touched_count; i++) {
        const struct nj_forecast_touched *state = &forecast->touched[i];
        struct nj_forecast_free is_free = free_of(forecast, by, state);
        if (!bit_of(forecast, row, by, state->node))
            continue;
        count(&shortages, by, pod, &forecast->free[by][forecast->rank[by][state->node]], UINT32_MAX);
        count(&shortages, by, pod, &is_free, 1);
    }
    if (bit_of(forecast, row, by, forecast->lost))
        count(&shortages, by, pod, &forecast->free[by][forecast->rank[by][forecast->lost]], UINT32_MAX);
    return shortages;
}

static void explain(struct nj_forecast *forecast, int by, const struct nj_forecast_pod *pod, char *ret_why)
{
    const struct nj_forecast_row *row = nj_forecast_row(forecast, pod->placement);
    struct shortages shortages = count_all(forecast, by, pod, row);
    uint32_t counts[NJ_FITS];
    memcpy(counts, row->counts, sizeof(counts));
    counts[nj_forecast_fit(forecast, pod->placement, forecast->lost)]--;
    int len = snprintf(ret_why, NJ_FORECAST_WHY_MAX, "0/%zu nodes are available:", forecast->nodes_count - 1);
    if (forecast->nodes_count == 1)
        len += snprintf(ret_why + len, (size_t)(NJ_FORECAST_WHY_MAX - len), " there is no other");
    len = append(ret_why, len, counts[NJ_FIT_GONE], "node(s) were not ready or not known");
    len = append(ret_why, len, counts[NJ_FIT_UNSCHEDULABLE], "node(s) were unschedulable");
    len = append(ret_why, len, counts[NJ_FIT_TAINT], "node(s) had untolerated taint(s)");
    len = append(ret_why, len, counts[NJ_FIT_AFFINITY], "node(s) didn't match Pod's node affinity/selector");
    len = append(ret_why, len, shortages.cpu, "Insufficient cpu");
    len = append(ret_why, len, shortages.memory, "Insufficient memory");
    (void)append(ret_why, len, shortages.pods, "Too many pods");
}

static void refuse(struct nj_forecast *forecast, int by, const struct nj_forecast_pod *pod,
                   struct nj_forecast_outcome *outcome)
{
    size_t i = outcome->refusals_count[by];
    outcome->unplaceable[by]++;
    if (i == NJ_FORECAST_REFUSALS_MAX)
        return;
    outcome->refusals[by][i].pod = pod;
    explain(forecast, by, pod, outcome->refusals[by][i].why);
    outcome->refusals_count[by]++;
}

/* ---- the loss */

static void push(struct nj_forecast *forecast, uint32_t pod)
{
    forecast->queue = nj_forecast_grow(forecast->queue, forecast->queue_count, &forecast->queue_capacity,
                                       sizeof(*forecast->queue));
    forecast->queue[forecast->queue_count++] = pod;
}

static int by_importance(const void *a, const void *b, void *data)
{
    const struct nj_forecast *forecast = data;
    const struct nj_forecast_pod *left = &forecast->pods[*(const uint32_t *)a];
    const struct nj_forecast_pod *right = &forecast->pods[*(const uint32_t *)b];
    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    if (left->memory_bytes[0] != right->memory_bytes[0])
        return left->memory_bytes[0] > right->memory_bytes[0] ? -1 : 1;
    if (left->cpu_micros[0] != right->cpu_micros[0])
        return left->cpu_micros[0] > right->cpu_micros[0] ? -1 : 1;
    int order = strcmp(left->namespace, right->namespace);
    return order != 0 ? order : strcmp(left->name, right->name);
}

/* The pods of a node, and those that it got before, in the order in which they are placed. */
static void gather(struct nj_forecast *forecast, uint32_t node)
{
    const struct nj_forecast_slot *slot = &forecast->nodes[node];
    forecast->queue_count = 0;
    for (size_t i = 0; i < slot->count; i++)
        push(forecast, (uint32_t)(slot->first + i));
    for (size_t i = 0; i < forecast->moves_count;) {
        if (forecast->moves[i].node != node) {
            i++;
            continue;
        }
        push(forecast, forecast->moves[i].pod);
        forecast->moves[i] = forecast->moves[--forecast->moves_count];
    }
    if (forecast->queue_count > 1)
        qsort_r(forecast->queue, forecast->queue_count, sizeof(*forecast->queue), by_importance, forecast);
}

static void begin(struct nj_forecast *forecast, uint32_t lost)
{
    forecast->loss++;
    forecast->lost = lost;
    forecast->touched_count = forecast->moves_count = forecast->failed_count = 0;
    gather(forecast, lost);
}

static void find_next(const struct nj_forecast *forecast, struct nj_forecast_outcome *outcome)
{
    struct choice next = {.node = -1};
    for (size_t i = 0; i < forecast->touched_count; i++)
        prefer(&next, forecast->touched[i].node,
               nj_forecast_share(forecast, forecast->touched[i].node,
                                 forecast->touched[i].memory[NJ_FORECAST_USE]));
    for (size_t i = 0; i < forecast->usable; i++) {
        uint32_t node = forecast->fullest[i];
        if (node == forecast->lost || forecast->marks[node].loss == forecast->loss)
            continue;
        prefer(&next, node,
               nj_forecast_share(forecast, node, forecast->nodes[node].node.memory_taken[NJ_FORECAST_USE]));
        break;
    }
    outcome->next = next.node;
    outcome->next_share = next.room;
}

/* The fullest of those that got pods and more than they can bear; NULL: all of them stand. */
static struct nj_forecast_touched *find_falling(const struct nj_forecast *forecast)
{
    struct choice falling = {.node = -1};
    for (size_t i = 0; i < forecast->touched_count; i++) {
        const struct nj_forecast_touched *state = &forecast->touched[i];
        double share = nj_forecast_share(forecast, state->node, state->memory[NJ_FORECAST_USE]);
        if (!state->fallen && share > 1)
            prefer(&falling, state->node, share);
    }
    return falling.node < 0 ? NULL : &forecast->touched[forecast->marks[falling.node].touched];
}

static void let_fall(struct nj_forecast *forecast, struct nj_forecast_outcome *outcome)
{
    struct nj_forecast_touched *falling;
    while (outcome->fallen_count < NJ_FORECAST_FALLEN_MAX && (falling = find_falling(forecast)) != NULL) {
        uint32_t node = falling->node;
        falling->fallen = true;
        outcome->fallen[outcome->fallen_count++] = node;
        gather(forecast, node);
        for (size_t i = 0; i < forecast->queue_count; i++)
            outcome->fallen_unplaceable += !place(forecast, NJ_FORECAST_REQUESTS, forecast->queue[i]);
    }
}

void nj_forecast_lose(struct nj_forecast *forecast, uint32_t lost, struct nj_forecast_outcome *ret_outcome)
{
    *ret_outcome = (struct nj_forecast_outcome){.movable = (uint32_t)forecast->nodes[lost].count};
    for (int by = NJ_FORECAST_BYS - 1; by >= 0; by--) { /* by requests last: what falls comes of it */
        begin(forecast, lost);
        for (size_t i = 0; i < forecast->queue_count; i++) {
            if (!place(forecast, by, forecast->queue[i]))
                refuse(forecast, by, &forecast->pods[forecast->queue[i]], ret_outcome);
        }
    }
    find_next(forecast, ret_outcome);
    let_fall(forecast, ret_outcome);
}
