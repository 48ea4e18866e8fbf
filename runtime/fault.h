/* fault.h: errors of the cluster as values.
 *
 * An error that a program can see is a value like any other: it is stored
 * under the object's id, travels, and is raised where somebody gets it. It
 * says what happened in one sentence, to which task, where, and because of
 * what: a chain of causes that ends at the root.
 */
#pragma once

#include "runtime/value.h"

typedef enum {
    MOB_FAULT_NONE,
#define FAULT(CONSTANT, name, doc) MOB_FAULT_##CONSTANT,
#include "runtime/faults.def"
    MOB_FAULT_COUNT,
} MobFaultKind;

/* All texts are borrowed; NULL where there is nothing to say. */
typedef struct {
    MobFaultKind kind;
    const char *message;   /* one sentence without a period */
    const char *task;      /* "T2 parse" */
    uint32_t attempt;      /* 0: not about an attempt */
    uint32_t attempts_max; /* 0: unknown */
    const char *node;      /* "n2/w0" or "n2" */
    MobTime at;
    const char *code;      /* E103 and its like */
    const char *reason;    /* of an object that cannot be had: see lost.h */
    const char *trace;     /* user frames, one per line */
    const MobValue *cause; /* an error value */
} MobFault;

const char *mob_fault_name(MobFaultKind kind);
/* 0 where there is no such name. */
MobFaultKind mob_fault_by_name(const char *name);

/* Returns (transfer full) @fault as an error value: tag MOB_CBOR_ERROR with a
 * map whose keys are name, message, task, attempt, attempts, node, at, code,
 * reason, trace, cause, in the order of the deterministic encoding. */
MobValue *mob_fault_value(const MobFault *fault);

/* Reads an error value back. The texts are owned by @text, which the caller
 * frees; fault->cause is (transfer full). False if @value is not an error. */
bool mob_fault_read(const MobValue *value, MobFault *fault, GStringChunk *text);

/* Appends the report that a person reads: the root cause first, where, which
 * attempts, and the chain of causes; several lines. */
void mob_fault_report(const MobValue *value, GString *into);
