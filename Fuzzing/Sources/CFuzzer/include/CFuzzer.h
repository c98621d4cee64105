// SPDX-License-Identifier: Apache-2.0

#ifndef CFUZZER_H
#define CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer's loop; returns what the program is to exit with.
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*judge)(const uint8_t *input, size_t count));

#endif
