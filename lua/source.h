/* source.h: just enough of a lexer to find things in the text of a program.
 *
 * Functions that are defined inside functions travel as their text, which is
 * cut out here from `function` to its `end`; and messages show the lines that
 * they are about.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    MOB_TOKEN_END,
    MOB_TOKEN_NAME, /* keywords too */
    MOB_TOKEN_STRING,
    MOB_TOKEN_NUMBER,
    MOB_TOKEN_SIGN, /* one character, or .. ... :: == ~= <= >= // << >> */
} MobTokenType;

typedef struct {
    MobTokenType type;
    const char *text; /* borrowed */
    size_t length;
    uint32_t line;
    uint32_t column; /* in bytes, from 0 */
} MobToken;

typedef struct {
    const char *at;
    const char *end;
    const char *line_start;
    uint32_t line;
} MobLexer;

MobLexer mob_lexer(const char *text, size_t length);
/* Reads the next token; false at the end. */
bool mob_lexer_next(MobLexer *lexer, MobToken *token);
bool mob_token_is(const MobToken *token, const char *text);

/* A function in a text. */
typedef struct {
    const char *start; /* its parameter list: "(" */
    const char *end;   /* behind its "end" */
    uint32_t line;     /* of the word "function" */
    uint32_t last_line;
    bool method; /* defined with a colon: it has a self */
} MobCut;

/* Finds the function whose word "function" stands on @line and whose "end"
 * stands on @last_line (0: any). Returns how many there are; @cut is the first. */
uint32_t mob_source_cut(const char *text, size_t length, uint32_t line, uint32_t last_line,
                        MobCut *cut);

/* Appends "function(x) … end" with newlines before it, so that it stands on
 * its line again. */
void mob_source_append_cut(const MobCut *cut, bool on_its_line, GString *into);

/* The name that @line gives to a task: local NAME = m.remote… or a.NAME = … .
 * Returns (transfer full) it, or NULL. */
char *mob_source_assigned_name(const char *text, size_t length, uint32_t line);

/* Where the local @name that is visible on @line was declared, and the name of
 * the function it is a local of (transfer full; NULL: the top level or nameless). */
typedef struct {
    uint32_t line; /* 0: not found */
    char *function;
} MobDeclaration;

MobDeclaration mob_source_declaration(const char *text, size_t length, const char *name,
                                      uint32_t line);

/* The first use of the variable @name within lines @from to @to. */
bool mob_source_use(const char *text, size_t length, const char *name, uint32_t from, uint32_t to,
                    MobToken *use);

/* Borrows the text of a line, without its newline. */
const char *mob_source_line(const char *text, size_t length, uint32_t line, size_t *line_length);
