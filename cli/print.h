/* print.h: lines on stdout while a cluster runs. */
#pragma once

#include "runtime/state.h"

/* What a program has printed. */
typedef struct {
    const char *text;
    MobAddress worker;
    const MobStateTask *task; /* NULL: main, or nobody knows */
    const MobState *state;    /* NULL: there is none */
    MobTime at;
} MobOutput;

MobOutput mob_output_of(const MobState *state, const MobNote *note);
/* A line, or several; as one JSON object each if @json_lines. */
void mob_append_output(GString *into, const MobOutput *output, bool json_lines);

/* What a program has printed; as a JSON object if @json_lines. */
void mob_print_output(const MobState *state, const MobNote *note, bool json_lines);

/* One event with all that decides it, as a JSON object: what a hash covers, in words. */
void mob_print_event(const MobState *state, const MobEvent *event);
