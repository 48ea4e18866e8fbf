/* print.c: see print.h. */
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"

void
mob_print_output(const MobState *state, const MobNote *note, bool json_lines)
{
    const char *text = note->text != NULL ? note->text : "";
    if (!json_lines) {
        fputs(text, stdout);
        if (!g_str_has_suffix(text, "\n"))
            fputc('\n', stdout);
        fflush(stdout);
        return;
    }
    g_autoptr(GString) line = g_string_new(NULL);
    MobJson json = mob_json(line);
    mob_json_open(&json, '{');
    mob_json_put_text(&json, "type", "output");
    mob_json_put_text(&json, "text", text);
    if (state != NULL) {
        const MobStateTask *task =
            mob_state_task_by_id(state, note->spec != NULL ? note->spec->id : note->task);
        mob_json_put_text(&json, "task", task != NULL ? task->name : NULL);
        mob_json_put_text(&json, "worker", mob_state_proc_name(state, note->worker));
        mob_json_put_uint(&json, "at_ns", state->now);
    }
    mob_json_close(&json, '}');
    puts(line->str);
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
