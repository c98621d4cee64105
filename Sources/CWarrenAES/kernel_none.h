// SPDX-License-Identifier: Apache-2.0

// A processor family without a kernel here: never available, so nothing below is ever called.

#define WARREN_TARGET
#define WARREN_KERNEL static inline

static bool kernel_available(void) { return false; }
WARREN_KERNEL uint32_t kernel_sub_word(uint32_t word) { return word; }
WARREN_KERNEL void kernel_inverse_mix(const uint8_t *src, uint8_t *dst) { memmove(dst, src, 16); }
WARREN_KERNEL void kernel_encrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    (void)keys, (void)src, (void)dst;
    __builtin_trap();
}
WARREN_KERNEL void kernel_decrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    (void)keys, (void)src, (void)dst;
    __builtin_trap();
}

WARREN_KERNEL void kernel_cfb_encrypt(const uint8_t *keys, uint8_t *chain, const uint8_t *src, uint8_t *dst,
                                      size_t blocks) {
    (void)keys, (void)chain, (void)src, (void)dst, (void)blocks;
    __builtin_trap();
}
WARREN_KERNEL void kernel_cfb_encrypt8(const uint8_t *keys, uint8_t *chains, uint8_t **at, const size_t *steps,
                                       size_t blocks) {
    (void)keys, (void)chains, (void)at, (void)steps, (void)blocks;
    __builtin_trap();
}

// No registers wider than a block.
static uint8_t kernel_width(void) { return 0; }
static size_t kernel_encrypt_wide(uint8_t width, const uint8_t *keys, const uint8_t *src, uint8_t *dst, size_t blocks) {
    (void)width, (void)keys, (void)src, (void)dst, (void)blocks;
    return 0;
}
static size_t kernel_decrypt_wide(uint8_t width, const uint8_t *keys, const uint8_t *src, uint8_t *dst, size_t blocks) {
    (void)width, (void)keys, (void)src, (void)dst, (void)blocks;
    return 0;
}
