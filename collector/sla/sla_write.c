/* What the store is to hold, in the order in which it happened. */
#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum write_type { WRITE_INTERVAL, WRITE_RECAUSE, WRITE_ROLLOUT, WRITE_ALIVE };

/* A record and its texts, which it owns. */
struct nj_sla_write {
    enum write_type type;
    struct nj_interval interval;
    struct nj_rollout rollout;
    int64_t alive_ns;
    const char *kind; /* an interval's: static, "Service", "Deployment" */
    char *texts[16];
    size_t texts_count;
    struct nj_sla_write *next;
};

/* What one transaction takes. */
struct batch {
    struct nj_ingest_write write;
    struct nj_sla *sla;
    struct nj_sla_write *writes;
};

static const char *keep(struct nj_sla_write *write, const char *text)
{
    return write->texts[write->texts_count++] = nj_strdup(nj_str(text));
}

static struct nj_sla_write *add(struct nj_sla *sla, enum write_type type)
{
    struct nj_sla_write *write = NJ_NEW(struct nj_sla_write);
    write->type = type;
    *sla->last_write = write;
    sla->last_write = &write->next;
    return write;
}

static void free_writes(struct nj_sla_write *writes)
{
    for (struct nj_sla_write *write = writes, *next = NULL; write != NULL; write = next) {
        next = write->next;
        for (size_t i = 0; i < write->texts_count; i++)
            free(write->texts[i]);
        free(write);
    }
}

void nj_sla_write_interval(struct nj_sla *sla, const char *kind, const struct nj_interval *interval)
{
    struct nj_sla_write *write = add(sla, WRITE_INTERVAL);
    write->kind = kind;
    write->interval = *interval;
    write->interval.cluster = sla->cluster;
    write->interval.namespace = keep(write, interval->namespace);
    write->interval.service = keep(write, interval->service);
    write->interval.detail = keep(write, interval->detail);
    write->interval.reference = keep(write, interval->reference);
}

void nj_sla_write_recause(struct nj_sla *sla, const char *namespace, const char *reference,
                          enum nj_outage_cause cause, const char *detail)
{
    struct nj_sla_write *write = add(sla, WRITE_RECAUSE);
    write->interval.namespace = keep(write, namespace);
    write->interval.reference = keep(write, reference);
    write->interval.detail = keep(write, detail);
    write->interval.cause = cause;
}

void nj_sla_write_rollout(struct nj_sla *sla, const struct nj_rollout *rollout)
{
    struct nj_sla_write *write = add(sla, WRITE_ROLLOUT);
    write->rollout = *rollout;
    struct nj_rollout *copy = &write->rollout;
    const char **texts[] = {
        &copy->namespace,     &copy->workload_kind, &copy->workload, &copy->revision,    &copy->from_revision,
        &copy->template_hash, &copy->from_hash,     &copy->images,   &copy->from_images, &copy->difference,
        &copy->changed_by,    &copy->change_cause,  &copy->reason,   &copy->message};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = keep(write, *texts[i]);
    copy->cluster = sla->cluster;
}

void nj_sla_write_alive(struct nj_sla *sla)
{
    add(sla, WRITE_ALIVE)->alive_ns = nj_sla_time(sla);
}

static int write_one(struct nj_store *store, const char *cluster, const struct nj_sla_write *write,
                     struct nj_err *err)
{
    switch (write->type) {
    case WRITE_INTERVAL:
        return store->ops->put_interval(store, write->kind, &write->interval, err);
    case WRITE_RECAUSE:
        return store->ops->recause_intervals(store, cluster, write->interval.namespace,
                                             write->interval.reference, write->interval.cause,
                                             write->interval.detail, err);
    case WRITE_ROLLOUT:
        return store->ops->put_rollout(store, &write->rollout, err);
    default:
        return store->ops->put_alive(store, cluster, write->alive_ns, err);
    }
}

/* On the writer's worker. */
static int run(struct nj_ingest_write *whole, struct nj_store *store, struct nj_err *err)
{
    struct batch *batch = (struct batch *)whole;
    for (const struct nj_sla_write *write = batch->writes; write != NULL; write = write->next) {
        int rc = write_one(store, batch->sla->cluster, write, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void done(struct nj_ingest_write *whole, bool committed)
{
    struct batch *batch = (struct batch *)whole;
    batch->sla->writing--;
    (void)committed; /* ingest counts what it could not keep */
    free_writes(batch->writes);
    free(batch);
}

void nj_sla_flush(struct nj_sla *sla)
{
    if (sla->first_write == NULL)
        return;
    struct batch *batch = NJ_NEW(struct batch);
    *batch = (struct batch){.write = {.write = run, .done = done}, .sla = sla, .writes = sla->first_write};
    sla->first_write = NULL;
    sla->last_write = &sla->first_write;
    sla->writing++;
    sla->options.write(sla->options.data, &batch->write);
}

void nj_sla_writes_done(struct nj_sla *sla)
{
    free_writes(sla->first_write);
    sla->first_write = NULL;
    sla->last_write = &sla->first_write;
}
