/* gcs_jobs.c: which jobs there are.
 *
 * A job is known by the address of its driver and ends with it. Its number is
 * for people; it is one more than the highest that was ever given out, and
 * since no job is ever forgotten, the persisted jobs are the counter.
 */
#include "runtime/gcs_parts.h"

static GcsJob *
find_job(const Gcs *gcs, MobAddress driver)
{
    return mob_table_get(gcs->jobs, mob_key_address(driver));
}

static void
persist_job(const GcsJob *job, MobOutbox *out)
{
    MobCborWriter writer;

    mob_cbor_init(&writer);
    mob_cbor_array(&writer, 6);
    mob_cbor_int(&writer, job->driver.node);
    mob_cbor_int(&writer, job->driver.local);
    mob_cbor_int(&writer, job->number);
    mob_cbor_int(&writer, job->finished);
    mob_gcs_put_str(&writer, job->name);
    mob_gcs_put_str(&writer, job->bundle);
    mob_gcs_persist(out,
                    mob_str_printf("job/%" G_GUINT32_FORMAT ".%" G_GUINT32_FORMAT, job->driver.node,
                                   job->driver.local),
                    &writer);
}

static void
job_free(void *data)
{
    GcsJob *job = data;

    mob_str_unref(job->name);
    mob_str_unref(job->bundle);
    g_free(job);
}

bool
mob_gcs_load_job(Gcs *gcs, const MobPersisted *record)
{
    MobCborReader reader = mob_gcs_read(record, 6);
    GcsJob *job = g_new0(GcsJob, 1);

    job->driver.node = mob_gcs_read_number(&reader);
    job->driver.local = mob_gcs_read_number(&reader);
    job->number = mob_gcs_read_number(&reader);
    job->finished = mob_gcs_read_number(&reader) != 0;
    job->name = mob_gcs_read_str(&reader);
    job->bundle = mob_gcs_read_str(&reader);
    if (reader.bad || find_job(gcs, job->driver) != NULL) {
        job_free(job);
        return false;
    }
    mob_table_add(gcs->jobs, mob_key_address(job->driver), job);
    gcs->last_job = MAX(gcs->last_job, job->number);
    return true;
}

static GcsJob *
add_job(Gcs *gcs, const MobAddJob *msg, const MobInput *input, MobOutbox *out)
{
    GcsJob *job = g_new(GcsJob, 1);

    *job = (GcsJob){
        .driver = input->from,
        .name = mob_str_ref(msg->name),
        .bundle = mob_str_ref(msg->bundle),
        .number = ++gcs->last_job,
    };
    mob_table_add(gcs->jobs, mob_key_address(job->driver), job);
    persist_job(job, out);
    mob_note(out, (MobNote){.kind = MOB_NOTE_JOB_STARTED,
                            .owner = job->driver,
                            .label = mob_str(job->name),
                            .bytes = job->number});
    return job;
}

void
mob_gcs_on_add_job(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    if (input->from.local < MOB_LOCAL_WORKER || mob_gcs_worker_is_dead(gcs, input->from))
        return; /* only drivers have jobs, and the dead have none */

    const GcsJob *job = find_job(gcs, input->from);
    if (job == NULL)
        job = add_job(gcs, mob_add_job(input->msg), input, out);
    MobJobAdded *answer = mob_job_added_new();
    answer->job = job->number;
    mob_send(out, input->from, answer);
}

static MobMsg *
job_finished(MobAddress driver)
{
    MobJobFinished *msg = mob_job_finished_new();

    msg->driver = driver;
    return &msg->base;
}

static void
finish(Gcs *gcs, GcsJob *job, MobOutbox *out)
{
    job->finished = true;
    persist_job(job, out);
    mob_gcs_publish(gcs, job_finished(job->driver), out);
}

void
mob_gcs_on_finish_job(Gcs *gcs, const MobInput *input, MobOutbox *out)
{
    GcsJob *job = find_job(gcs, input->from);

    if (job != NULL && !job->finished)
        finish(gcs, job, out);
    mob_send(out, input->from, job_finished(input->from));
}

void
mob_gcs_driver_died(Gcs *gcs, MobAddress driver, MobOutbox *out)
{
    GcsJob *job = find_job(gcs, driver);

    if (job != NULL && !job->finished)
        finish(gcs, job, out);
}

void
mob_gcs_node_of_drivers_died(Gcs *gcs, MobNodeId node, MobOutbox *out)
{
    size_t at = 0;
    GcsJob *job;

    while ((job = mob_table_next(gcs->jobs, &at)))
        if (job->driver.node == node.v && !job->finished)
            finish(gcs, job, out);
}

void
mob_gcs_resync_jobs(Gcs *gcs, const GcsNode *node, MobOutbox *out)
{
    size_t at = 0;
    const GcsJob *job;

    while ((job = mob_table_next(gcs->jobs, &at)))
        if (job->finished)
            mob_send(out, mob_node_address(node->view.node.v), job_finished(job->driver));
}

void
mob_gcs_dump_jobs(const Gcs *gcs, GString *into)
{
    size_t at = 0;
    const GcsJob *job;

    while ((job = mob_table_next(gcs->jobs, &at)))
        g_string_append_printf(
            into, "job %" G_GUINT32_FORMAT " %s of %" G_GUINT32_FORMAT ":%" G_GUINT32_FORMAT "%s\n",
            job->number, mob_str(job->name), job->driver.node, job->driver.local,
            job->finished ? " finished" : "");
}

void
mob_gcs_free_jobs(Gcs *gcs)
{
    mob_table_free_full(gcs->jobs, job_free);
}
