// SPDX-License-Identifier: Apache-2.0
//
// The function comes with the compiler (-sanitize=fuzzer); here is only its declaration.

#include "CFuzzer.h"
