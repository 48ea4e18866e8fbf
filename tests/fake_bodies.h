/* fake_bodies.h: casts of fakes, and fakes that host user code: bodies that make
 * the calls they were given, one after the other. */
#pragma once

#include "fakes.h"

enum {
    GCS = MOB_LOCAL_GCS
};

static inline MobWorld *
start_with(const MobCast *cast, const MobWorldOptions *options)
{
    MobWorld *world = mob_world_new_with(options, cast);

    run_until(world, 0);
    return world;
}

static inline MobProcess *
quiet_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, NULL, false);
}

static inline MobProcess *
quiet_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
           uint32_t first_worker)
{
    return fake_new(address, NULL, false);
}

static inline MobProcess *
quiet_worker(MobAddress address, const MobConfig *config, const MobWorkerOptions *options)
{
    return fake_new(address, NULL, false);
}

static inline MobProcess *
ticking_gcs(MobAddress address, const MobConfig *config)
{
    return fake_new(address, NULL, true);
}

static inline MobProcess *
ticking_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
             uint32_t first_worker)
{
    return fake_new(address, NULL, true);
}

static const MobCast quiet = {.gcs = quiet_gcs,
                              .node = quiet_node,
                              .worker = quiet_worker,
                              .result = fake_result,
                              .explain = fake_explain};
static const MobCast ticking = {.gcs = ticking_gcs,
                                .node = ticking_node,
                                .worker = quiet_worker,
                                .result = fake_result,
                                .explain = fake_explain};

/* --- user code --- */

typedef struct {
    MobBody base;
    const MobCall *calls; /* ends with a RETURN, or goes round for ever */
    size_t at;
    bool round;
} FakeBody;

typedef struct {
    MobLoader base;
    const MobCall *calls;
    bool round;
} FakeLoader;

static inline void
body_resume(MobBody *base, const MobAnswer *answer, MobCall *call)
{
    FakeBody *body = (FakeBody *)base;

    if (body->round && body->calls[body->at].kind == MOB_CALL_RETURN)
        body->at = 0;
    *call = body->calls[body->at++];
}

static inline void
body_free(MobBody *base)
{
    g_free(base);
}

static const MobBodyClass body_class = {body_resume, body_free};

static inline MobBody *
loader_start(MobLoader *self, const MobBodyContext *context, const MobValue *bundle,
             const MobArgs *args)
{
    const FakeLoader *loader = (FakeLoader *)self;
    FakeBody *body = g_new0(FakeBody, 1);

    body->base.class = &body_class;
    body->calls = loader->calls;
    body->round = loader->round;
    return &body->base;
}

static inline void
loader_drop(MobLoader *self, MobAddress worker)
{
}

static const MobLoader loader_class = {.start = loader_start, .drop = loader_drop};

/* What a worker would do with calls, as short as can be. */
static inline void
host_bodies(Fake *fake, const MobInput *input, MobOutbox *out)
{
    if (input->kind == MOB_INPUT_MESSAGE && input->msg->type == MOB_MSG_KV_GET) {
        MobBodyId body = {(uint32_t)++fake->count};
        mob_start(out, body, mob_spec_new(), mob_args_new(0), 1, mob_value_nil());
    }
    if (input->kind != MOB_INPUT_CALL)
        return;
    switch (input->call->kind) {
    case MOB_CALL_COMPUTE:
        mob_compute(out, input->body, input->call->time);
        break;
    case MOB_CALL_SLEEP:
        mob_sleep(out, input->body, input->now + input->call->time);
        break;
    case MOB_CALL_RETURN:
        mob_end(out, input->body);
        break;
    default:
        mob_resume(out, input->body, (MobAnswer){0});
        break;
    }
}

static inline MobProcess *
hosting_node(MobAddress address, const MobConfig *config, const MobNodeOptions *options,
             uint32_t first_worker)
{
    return fake_new(address, host_bodies, false);
}

static const MobCast hosting = {.gcs = ticking_gcs,
                                .node = hosting_node,
                                .worker = quiet_worker,
                                .result = fake_result,
                                .explain = fake_explain};

static const MobCall computes[] = {{.kind = MOB_CALL_COMPUTE, .time = 10 * MOB_MS},
                                   {.kind = MOB_CALL_RETURN}};
static const MobCall sleeps[] = {{.kind = MOB_CALL_SLEEP, .time = 10 * MOB_MS},
                                 {.kind = MOB_CALL_RETURN}};

/* Bodies begin on n1 at the given milliseconds and 100 us. */
static inline MobWorld *
with_bodies(FakeLoader *loader, const MobTime *begin, size_t count)
{
    MobWorldOptions options;

    fake_options(&options);
    loader->base = loader_class;
    options.loader = &loader->base;
    options.config.bandwidth = 0;
    MobWorld *world = start_with(&hosting, &options);
    for (size_t i = 0; i < count; i++)
        plan(world, addr(1, GCS), begin[i] * MOB_MS, addr(2, 0), 1, 0);
    return world;
}
