/* fuzz.h: what a fuzz target consists of.
 *
 * Each target is built twice: with libFuzzer, to be run for as long as one
 * likes by hand, and with main.c, which runs a fixed number of mutations of
 * generated seeds, so that every `meson test` fuzzes a little.
 */
#pragma once

#include "tests/generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends a valid input, from which mutations start. */
void fuzz_seed(uint64_t *state, MobBuf *into);
