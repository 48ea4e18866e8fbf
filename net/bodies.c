/* bodies.c: user code in a real process: the twin of sim/bodies.c.
 *
 * A body runs between two rounds, up to its next call, which the process is
 * given as an input. While a body computes (m.compute) or sleeps it waits for
 * a moment like any timer, and its process serves others.
 */
#include "net/inside.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/program.h"

enum {
    NOMINAL = 1000000,
    PATIENCE_US = 1000 * 1000,
};

static MobRunning *
find(const MobNetHost *host, MobBodyId id)
{
    for (guint i = host->running->len; i > 0; i--) {
        MobRunning *running = g_ptr_array_index(host->running, i - 1);
        if (running->id.v == id.v)
            return running;
    }
    g_assert_not_reached();
}

/* The program stays loaded for the life of the process. */
static void
keep_bundle(MobNetHost *host, MobValue *bundle)
{
    for (guint i = 0; i < host->bundles->len; i++)
        if (g_ptr_array_index(host->bundles, i) == bundle)
            return;
    g_ptr_array_add(host->bundles, mob_value_ref(bundle));
}

void
mob_running_start(MobNetHost *host, MobEffect *effect)
{
    MobRunning *running = mob_new0(MobRunning, 1);

    g_assert(host->loader != NULL);
    running->id = effect->body;
    running->spec = g_steal_pointer(&effect->spec);
    running->args = g_steal_pointer(&effect->args);
    running->due = MOB_TIME_NEVER;
    running->ready = true;
    running->writes = mob_program_is_ours(running->spec->bundle);
    running->context = (MobBodyContext){
        .worker = host->address,
        .worker_name = mob_str(host->birth->name),
        .node_name = mob_str(host->birth->node_name),
        .spec = running->spec,
        .attempt = effect->attempt,
        .now = mob_clock_now(&host->clock),
        .picks = host->picks,
    };
    keep_bundle(host, effect->bundle);
    running->body =
        host->loader->start(host->loader, &running->context, effect->bundle, running->args);
    mob_value_unref(effect->bundle);
    g_ptr_array_add(host->running, running);
}

void
mob_running_resume(MobNetHost *host, MobEffect *effect)
{
    MobRunning *running = find(host, effect->body);

    running->answer = effect->answer;
    effect->answer = (MobAnswer){0};
    running->ready = true;
}

/* A machine that is slow computes for longer, and sleeps as long as any. */
void
mob_running_wait(MobNetHost *host, const MobEffect *effect)
{
    MobRunning *running = find(host, effect->body);
    MobTime now = mob_clock_now(&host->clock);

    if (effect->kind == MOB_EFFECT_SLEEP)
        running->due = effect->time;
    else
        running->due = now + effect->time * NOMINAL / MAX(host->speed_ppm, 1);
}

/* A call that nobody took: what it would have handed over is freed here. */
static void
running_free(MobRunning *running)
{
    running->body->class->free(running->body);
    mob_answer_clear(&running->answer);
    mob_spec_unref(running->spec);
    mob_args_unref(running->args);
    g_free(running);
}

void
mob_running_end(MobNetHost *host, MobBodyId body)
{
    MobRunning *running = find(host, body);

    g_ptr_array_remove(host->running, running);
    running_free(running);
}

void
mob_running_clear(MobNetHost *host)
{
    for (guint i = 0; i < host->running->len; i++)
        running_free(g_ptr_array_index(host->running, i));
    g_ptr_array_set_size(host->running, 0);
    if (host->loader != NULL)
        host->loader->drop(host->loader, host->address);
}

/* What the body wrote to its standard output has been read and told by our
 * daemon before anybody hears what the body does next: only we know where one
 * body ends and another begins. Who writes more than is read waits in vain. */
static void
wait_until_told(void)
{
    int left = 0;

    fflush(stdout);
    for (unsigned us = 0; us < PATIENCE_US; us += MIN(us + 20, 1000)) {
        if (ioctl(STDOUT_FILENO, FIONREAD, &left) != 0 || left == 0)
            return;
        g_usleep(MIN(us + 20, 1000));
    }
}

static void
run(MobNetHost *host, MobRunning *running)
{
    running->ready = false;
    running->due = MOB_TIME_NEVER;
    running->answer.now = mob_clock_now(&host->clock);
    memset(&running->call, 0, sizeof running->call);
    if (running->writes)
        mob_look_flush(host); /* that it runs is told before what it writes, or it runs for long */
    if (running->writes)      /* in C: a signal would only cut short what it waits for */
        mob_nudge_rest();
    else
        mob_nudge_begin(host);
    running->answer.places = mob_wants(&host->out, MOB_NOTE_REF_ADDED);
    running->body->class->resume(running->body, &running->answer, &running->call);
    mob_nudge_end();
    if (running->writes)
        wait_until_told();
    mob_clock_tick(&host->clock); /* who knows for how long it ran */
    mob_answer_clear(&running->answer);
    MobInput input = {.kind = MOB_INPUT_CALL, .body = running->id, .call = &running->call};
    mob_nethost_step(host, &input, host->address, host->events);
}

bool
mob_running_run(MobNetHost *host)
{
    MobTime now = mob_clock_now(&host->clock);

    for (guint i = 0; i < host->running->len; i++) {
        MobRunning *running = g_ptr_array_index(host->running, i);
        if (!running->ready && running->due > now)
            continue;
        run(host, running); /* which may end it, so the rest has its turn next time */
        return true;
    }
    return false;
}

MobTime
mob_running_due(const MobNetHost *host)
{
    MobTime due = MOB_TIME_NEVER;

    for (guint i = 0; i < host->running->len; i++) {
        const MobRunning *running = g_ptr_array_index(host->running, i);
        due = MIN(due, running->ready ? 0 : running->due);
    }
    return due;
}
