#include "collector/notify/circuit.h"

#include <stdio.h>

#include "collector/notify/ledger.h"
#include "common/base/clock.h"

#define WAIT_WINDOW_NS NJ_MIN

void nj_circuit_init(struct nj_circuit *circuit, int64_t retries)
{
    *circuit = (struct nj_circuit){.retries = retries};
}

static void rest(struct nj_circuit *circuit, const struct nj_outcome *outcome, int64_t wait_ns,
                 int64_t now_ns)
{
    int64_t asked_ns =
        outcome->retry_after_ns < NJ_LEDGER_WAIT_MAX_NS ? outcome->retry_after_ns : NJ_LEDGER_WAIT_MAX_NS;
    circuit->rest_ns = now_ns + (asked_ns > wait_ns ? asked_ns : wait_ns);
    (void)snprintf(circuit->text, sizeof(circuit->text), "%s", outcome->text);
}

void nj_circuit_note(struct nj_circuit *circuit, const struct nj_outcome *outcome, bool is_file,
                     int64_t now_ns)
{
    switch (outcome->kind) {
    case NJ_OUTCOME_DONE:
    case NJ_OUTCOME_PARTLY:
    case NJ_OUTCOME_TOO_LONG:
    case NJ_OUTCOME_REFUSED:
        if (!is_file)
            nj_circuit_init(circuit, circuit->retries);
        break;
    case NJ_OUTCOME_WAIT:
        rest(circuit, outcome, WAIT_WINDOW_NS, now_ns);
        break;
    case NJ_OUTCOME_BROKEN:
        circuit->is_broken = true;
        rest(circuit, outcome, 0, now_ns);
        break;
    case NJ_OUTCOME_DOWN:
        if (circuit->failures <= circuit->retries)
            circuit->failures = (int)circuit->retries;
        circuit->failures++;
        rest(circuit, outcome, NJ_LEDGER_BACKOFF_MAX_NS, now_ns);
        break;
    case NJ_OUTCOME_RETRY:
    case NJ_OUTCOME_TOKEN:
    case NJ_OUTCOME_NEXT:
    case NJ_OUTCOME_UNCERTAIN:
        if (is_file)
            break;
        circuit->failures++;
        rest(circuit, outcome, nj_ledger_backoff_ns(circuit->failures), now_ns);
        break;
    case NJ_OUTCOME_RELEASED:
        break;
    }
}

bool nj_circuit_failed(const struct nj_circuit *circuit)
{
    return circuit->is_broken || circuit->failures > circuit->retries;
}

const char *nj_circuit_closed(const struct nj_circuit *circuit, int64_t now_ns)
{
    bool closed = circuit->is_broken || (nj_circuit_failed(circuit) && now_ns < circuit->rest_ns);
    return closed ? circuit->text : NULL;
}
