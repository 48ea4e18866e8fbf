/* main.c: a small fuzzer without feedback: EXECUTIONS [STATE [FOLDER]].
 *
 * Mutates generated inputs as libFuzzer does at first: bits, bytes, runs that
 * are cut, doubled or exchanged with those of another input. With a folder it
 * only writes the inputs there, for libFuzzer to begin with.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static void
overwrite(uint64_t *state, MobBuf *buf)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x1b, 0x3b, 0x9b, 0xbb, 0xd9};
    size_t at = generate_below(state, buf->length);

    switch (generate_below(state, 3)) {
    case 0:
        buf->data[at] ^= (uint8_t)(1 << generate_below(state, 8));
        break;
    case 1:
        buf->data[at] = (uint8_t)generate_below(state, 256);
        break;
    default:
        buf->data[at] = telling[generate_below(state, sizeof telling)];
        break;
    }
}

/* Exchanges what follows some byte for a piece of @other. */
static void
splice(uint64_t *state, MobBuf *buf, const MobBuf *other)
{
    size_t from = generate_below(state, other->length);

    buf->length = generate_below(state, buf->length);
    mob_buf_add(buf, other->data + from, generate_below(state, other->length - from + 1));
}

static void
mutate(uint64_t *state, MobBuf *buf, const MobBuf *other)
{
    for (uint64_t count = 1 + generate_below(state, 4); count > 0 && buf->length > 0; count--) {
        switch (generate_below(state, 8)) {
        case 0:
            buf->length = generate_below(state, buf->length);
            break;
        case 1:
            if (other->length > 0)
                splice(state, buf, other);
            break;
        default:
            overwrite(state, buf);
            break;
        }
    }
}

static uint64_t
number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "%s is not a number\n", text);
        exit(2);
    }
    return value;
}

/* Exactly as long as it is, so that a sanitizer sees one byte too many. */
static void
execute(const MobBuf *input)
{
    uint8_t *exact = g_memdup2(input->data, input->length);

    LLVMFuzzerTestOneInput(exact, input->length);
    g_free(exact);
}

static void
write_down(const char *folder, uint64_t number, const MobBuf *input)
{
    g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, folder, number);

    if (!g_file_set_contents(path, (const char *)input->data, (gssize)input->length, NULL))
        fprintf(stderr, "cannot write %s\n", path);
}

int
main(int argc, char **argv)
{
    uint64_t executions = argc > 1 ? number(argv[1]) : 100000;
    uint64_t state = argc > 2 ? number(argv[2]) : 1;
    const char *folder = argc > 3 ? argv[3] : NULL;
    MobBuf input = {0};
    MobBuf other = {0};

    for (uint64_t i = 0; i < executions; i++) {
        input.length = 0;
        other.length = 0;
        fuzz_seed(&state, &input);
        fuzz_seed(&state, &other);
        if (i % 16 != 0 && folder == NULL) /* a seed as it is now and then */
            mutate(&state, &input, &other);
        if (folder == NULL)
            execute(&input);
        else
            write_down(folder, i, &input);
    }
    printf("%" G_GUINT64_FORMAT " executions\n", executions);
    mob_buf_clear(&input);
    mob_buf_clear(&other);
    return 0;
}
