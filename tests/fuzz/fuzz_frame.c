/* fuzz_frame.c: whatever a peer sends is refused or understood.
 *
 * What is understood is encoded again, and must then be the same message: two
 * readings of one frame would let peers disagree.
 */
#include "tests/fuzz/fuzz.h"

#include "runtime/msg.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MobMsg *msg = mob_msg_decode(data, size, NULL);

    if (msg == NULL)
        return 0;
    MobBuf again = {0};
    mob_msg_encode(msg, &again);
    g_assert(again.length == size && memcmp(again.data, data, size) == 0);

    GString *text = g_string_new(NULL);
    mob_msg_print(msg, text);
    g_string_free(text, TRUE);
    mob_msg_fold(msg, mob_msg_weight(msg));
    mob_buf_clear(&again);
    mob_msg_unref(msg);
    return 0;
}

void
fuzz_seed(uint64_t *state, MobBuf *into)
{
    MobMsg *msg = generate_msg(state, (MobMsgType)generate_below(state, MOB_MSG_COUNT));

    mob_msg_encode(msg, into);
    mob_msg_unref(msg);
}
