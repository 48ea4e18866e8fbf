/* source.c: see source.h. The text has been compiled by Lua before, so it is
 * known to be well-formed; where it is not, nothing is found. */
#include "lua/source.h"

#include <string.h>

MobLexer
mob_lexer(const char *text, size_t length)
{
    MobLexer lexer = {text, text + length, text, 1};

    if (length > 0 && *text == '#') /* a first line for the shell */
        while (lexer.at < lexer.end && *lexer.at != '\n')
            lexer.at++;
    return lexer;
}

static char
peek(const MobLexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void
step(MobLexer *lexer)
{
    if (*lexer->at++ == '\n') {
        lexer->line++;
        lexer->line_start = lexer->at;
    }
}

/* The level of the long bracket here ("[[" is 0, "[=[" is 1), or -1. */
static int
long_bracket(const MobLexer *lexer)
{
    size_t level = 0;

    if (peek(lexer, 0) != '[')
        return -1;
    while (peek(lexer, 1 + level) == '=')
        level++;
    return peek(lexer, 1 + level) == '[' ? (int)level : -1;
}

static void
skip_long(MobLexer *lexer, int level)
{
    for (lexer->at += level + 2; lexer->at < lexer->end; step(lexer)) {
        int equals = 0;
        if (*lexer->at != ']')
            continue;
        while (equals < level && peek(lexer, 1 + (size_t)equals) == '=')
            equals++;
        if (equals == level && peek(lexer, 1 + (size_t)level) == ']') {
            lexer->at += level + 2;
            return;
        }
    }
}

static void
skip_quoted(MobLexer *lexer)
{
    char quote = *lexer->at++;

    while (lexer->at < lexer->end && *lexer->at != quote) {
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end)
            lexer->at++;
        step(lexer);
    }
    if (lexer->at < lexer->end)
        lexer->at++;
}

static void
skip_space(MobLexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (g_ascii_isspace(*lexer->at)) {
            step(lexer);
        } else if (peek(lexer, 0) == '-' && peek(lexer, 1) == '-') {
            lexer->at += 2;
            int level = long_bracket(lexer);
            if (level >= 0)
                skip_long(lexer, level);
            else
                while (lexer->at < lexer->end && *lexer->at != '\n')
                    lexer->at++;
        } else {
            return;
        }
    }
}

static bool
is_word(char c)
{
    return g_ascii_isalnum(c) || c == '_';
}

static MobTokenType
skip_token(MobLexer *lexer)
{
    static const char *const signs[] = {
        "...", "..", "::", "==", "~=", "<=", ">=", "//", "<<", ">>"};
    char c = *lexer->at;

    if (is_word(c) || (c == '.' && g_ascii_isdigit(peek(lexer, 1)))) {
        bool number = !g_ascii_isalpha(c) && c != '_';
        for (; lexer->at < lexer->end; lexer->at++) {
            bool exponent = number && (*lexer->at == '+' || *lexer->at == '-') &&
                            strchr("eEpP", lexer->at[-1]) != NULL;
            if (!is_word(*lexer->at) && !exponent && !(number && *lexer->at == '.'))
                break;
        }
        return number ? MOB_TOKEN_NUMBER : MOB_TOKEN_NAME;
    }
    if (c == '"' || c == '\'') {
        skip_quoted(lexer);
        return MOB_TOKEN_STRING;
    }
    int level = long_bracket(lexer);
    if (level >= 0) {
        skip_long(lexer, level);
        return MOB_TOKEN_STRING;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(signs); i++) {
        size_t length = strlen(signs[i]);
        if ((size_t)(lexer->end - lexer->at) >= length &&
            memcmp(lexer->at, signs[i], length) == 0) {
            lexer->at += length;
            return MOB_TOKEN_SIGN;
        }
    }
    lexer->at++;
    return MOB_TOKEN_SIGN;
}

bool
mob_lexer_next(MobLexer *lexer, MobToken *token)
{
    skip_space(lexer);
    *token = (MobToken){MOB_TOKEN_END, lexer->at, 0, lexer->line,
                        (uint32_t)(lexer->at - lexer->line_start)};
    if (lexer->at >= lexer->end)
        return false;
    token->type = skip_token(lexer);
    token->length = (size_t)(lexer->at - token->text);
    return true;
}

bool
mob_token_is(const MobToken *token, const char *text)
{
    return token->type != MOB_TOKEN_STRING && token->length == strlen(text) &&
           memcmp(token->text, text, token->length) == 0;
}

static bool
opens_block(const MobToken *token)
{
    return mob_token_is(token, "function") || mob_token_is(token, "do") ||
           mob_token_is(token, "if") || mob_token_is(token, "repeat");
}

static bool
closes_block(const MobToken *token)
{
    return mob_token_is(token, "end") || mob_token_is(token, "until");
}

/* --- cutting --- */

/* Cuts from just behind the word "function". */
static bool
cut_from(MobLexer lexer, MobCut *cut)
{
    MobToken token;
    unsigned depth = 1;

    while (mob_lexer_next(&lexer, &token) && !mob_token_is(&token, "("))
        cut->method |= mob_token_is(&token, ":"); /* the function's name */
    cut->start = token.text;
    while (mob_lexer_next(&lexer, &token)) {
        depth += opens_block(&token);
        depth -= closes_block(&token);
        if (depth == 0) {
            cut->end = lexer.at;
            cut->last_line = token.line;
            return true;
        }
    }
    return false;
}

uint32_t
mob_source_cut(const char *text, size_t length, uint32_t line, uint32_t last_line, MobCut *cut)
{
    MobLexer lexer = mob_lexer(text, length);
    MobToken token;
    uint32_t count = 0;

    while (mob_lexer_next(&lexer, &token) && token.line <= line) {
        MobCut found = {.line = line};
        if (token.line != line || !mob_token_is(&token, "function") || !cut_from(lexer, &found) ||
            (last_line != 0 && found.last_line != last_line))
            continue;
        if (count++ == 0)
            *cut = found;
    }
    return count;
}

void
mob_source_append_cut(const MobCut *cut, bool on_its_line, GString *into)
{
    for (uint32_t i = 1; on_its_line && i < cut->line; i++)
        g_string_append_c(into, '\n');
    g_string_append(into, "return function");
    g_string_append_len(into, cut->start, cut->end - cut->start);
}

/* --- names --- */

char *
mob_source_assigned_name(const char *text, size_t length, uint32_t line)
{
    size_t line_length = 0;
    const char *start = mob_source_line(text, length, line, &line_length);
    MobLexer lexer = mob_lexer(start, line_length);
    MobToken token;
    MobToken name = {0};
    MobToken callee = {0};

    if (start == NULL || !mob_lexer_next(&lexer, &token))
        return NULL;
    if (mob_token_is(&token, "local") && !mob_lexer_next(&lexer, &token))
        return NULL;
    for (; token.type == MOB_TOKEN_NAME; mob_lexer_next(&lexer, &token)) {
        name = token;
        if (!mob_lexer_next(&lexer, &token) || !mob_token_is(&token, "."))
            break;
    }
    if (name.text == NULL || !mob_token_is(&token, "="))
        return NULL;
    while (mob_lexer_next(&lexer, &token) && token.type == MOB_TOKEN_NAME) {
        callee = token;
        if (!mob_lexer_next(&lexer, &token) || !mob_token_is(&token, "."))
            break;
    }
    return mob_token_is(&callee, "remote") ? g_strndup(name.text, name.length) : NULL;
}

typedef struct {
    bool is_function;
    MobToken name;
} Block;

/* What has been seen of a text on the way to a line. */
typedef struct {
    GArray *blocks;     /* of Block: those that are open */
    MobToken before[2]; /* the last two tokens, the last first */
    bool in_names;      /* behind local, for or in a parameter list */
    bool in_parameters;
    bool want_name; /* behind the word function */
    MobToken function_name;
} Scan;

static void
open_block(Scan *scan, const MobToken *token)
{
    Block block = {.is_function = mob_token_is(token, "function")};

    if (block.is_function) {
        scan->want_name = true;
        scan->function_name = (MobToken){0};
        if (mob_token_is(&scan->before[0], "=") && scan->before[1].type == MOB_TOKEN_NAME)
            scan->function_name = scan->before[1];
    }
    g_array_append_val(scan->blocks, block);
}

static void
follow_names(Scan *scan, const MobToken *token)
{
    if (scan->want_name) {
        if (token->type == MOB_TOKEN_NAME)
            scan->function_name = *token;
        if (mob_token_is(token, "(")) {
            scan->want_name = false;
            scan->in_names = true;
            scan->in_parameters = true;
            g_array_index(scan->blocks, Block, scan->blocks->len - 1).name = scan->function_name;
        }
        return;
    }
    if (mob_token_is(token, "local") || mob_token_is(token, "for")) {
        scan->in_names = true;
        scan->in_parameters = false;
    } else if (scan->in_names && (mob_token_is(token, "=") || mob_token_is(token, "in") ||
                                  mob_token_is(token, ")"))) {
        scan->in_names = false;
    } else if (scan->in_names && !scan->in_parameters && token->type == MOB_TOKEN_NAME &&
               scan->before[0].type == MOB_TOKEN_NAME && !mob_token_is(&scan->before[0], "local") &&
               !mob_token_is(&scan->before[0], "for")) {
        scan->in_names = false; /* local a b…: the statement has ended */
    }
}

static char *
innermost_function(const Scan *scan)
{
    for (guint i = scan->blocks->len; i-- > 0;) {
        const Block *block = &g_array_index(scan->blocks, Block, i);
        if (block->is_function)
            return block->name.text != NULL ? g_strndup(block->name.text, block->name.length)
                                            : NULL;
    }
    return NULL;
}

MobDeclaration
mob_source_declaration(const char *text, size_t length, const char *name, uint32_t line)
{
    MobLexer lexer = mob_lexer(text, length);
    g_autoptr(GArray) blocks = g_array_new(FALSE, TRUE, sizeof(Block));
    Scan scan = {.blocks = blocks};
    MobDeclaration found = {0};
    MobToken token;

    while (mob_lexer_next(&lexer, &token) && token.line <= line) {
        follow_names(&scan, &token);
        if (opens_block(&token))
            open_block(&scan, &token);
        else if (closes_block(&token) && blocks->len > 0)
            g_array_set_size(blocks, blocks->len - 1);
        if (scan.in_names && token.type == MOB_TOKEN_NAME && mob_token_is(&token, name)) {
            g_free(found.function);
            found = (MobDeclaration){token.line, innermost_function(&scan)};
        }
        scan.before[1] = scan.before[0];
        scan.before[0] = token;
    }
    return found;
}

bool
mob_source_use(const char *text, size_t length, const char *name, uint32_t from, uint32_t to,
               MobToken *use)
{
    MobLexer lexer = mob_lexer(text, length);
    MobToken before = {0};

    while (mob_lexer_next(&lexer, use) && use->line <= to) {
        if (use->line >= from && use->type == MOB_TOKEN_NAME && mob_token_is(use, name) &&
            !mob_token_is(&before, ".") && !mob_token_is(&before, ":"))
            return true;
        before = *use;
    }
    return false;
}

const char *
mob_source_line(const char *text, size_t length, uint32_t line, size_t *line_length)
{
    const char *at = text;
    const char *end = text + length;

    for (; line > 1; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL)
            return NULL;
        at++;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    *line_length = (size_t)((stop != NULL ? stop : end) - at);
    return at;
}
