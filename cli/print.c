/* print.c: see print.h. */
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"

void
mob_append_output(GString *into, const MobOutput *output, bool json_lines)
{
    const char *text = output->text != NULL ? output->text : "";
    MobJson json = mob_json(into);

    if (!json_lines) {
        g_string_append(into, text);
        if (!g_str_has_suffix(text, "\n"))
            g_string_append_c(into, '\n');
        return;
    }
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "output");
    mob_json_put_text(&json, "text", text);
    if (output->state != NULL) {
        mob_json_put_text(&json, "task", output->task != NULL ? output->task->name : NULL);
        mob_json_put_text(&json, "worker", mob_state_proc_name(output->state, output->worker));
        mob_json_put_uint(&json, "at_ns", output->at);
    }
    mob_json_close(&json, '}');
    g_string_append_c(into, '\n');
}

MobOutput
mob_output_of(const MobState *state, const MobNote *note)
{
    return (MobOutput){
        .text = note->text,
        .worker = note->worker,
        .task = state != NULL ? mob_state_printed(state, note) : NULL,
        .state = state,
        .at = state != NULL ? state->now : 0,
    };
}

void
mob_print_output(const MobState *state, const MobNote *note, bool json_lines)
{
    g_autoptr(GString) line = g_string_new(NULL);
    MobOutput output = mob_output_of(state, note);

    mob_append_output(line, &output, json_lines);
    fputs(line->str, stdout);
    fflush(stdout);
}

void
mob_print_event(const MobState *state, const MobEvent *event)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    MobJson json = mob_json(line);
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "event");
    mob_json_put_uint(&json, "event", event->number);
    mob_json_put_uint(&json, "cause", event->cause);
    mob_json_put_uint(&json, "at_ns", event->at);
    mob_json_put_text(&json, "process", mob_state_proc_name(state, event->process));
    if (event->input != NULL) {
        mob_json_put_text(&json, "input", mob_input_name(event->input->kind));
        if (event->input->kind == MOB_INPUT_MESSAGE)
            mob_msg_print(event->input->msg, text);
        else if (event->input->kind == MOB_INPUT_TIMER)
            g_string_assign(text, mob_timer_name(event->input->timer));
        else if (event->input->kind == MOB_INPUT_CALL)
            g_string_assign(text, mob_call_name(event->input->call->kind));
        mob_json_put_text(&json, "detail", text->str);
    }
    mob_json_key(&json, "notes");
    mob_json_open(&json, '[');
    for (size_t i = 0; i < event->note_count; i++)
        mob_json_text(&json, mob_note_name(event->notes[i].kind));
    mob_json_close(&json, ']');
    mob_json_close(&json, '}');
    puts(line->str);
}
