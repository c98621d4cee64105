// SPDX-License-Identifier: Apache-2.0

// ARMv8 Cryptography Extension. AESE adds the round key first and AESMC mixes afterwards, so the last round key is added
// by hand; the round keys themselves are those of the x86 kernel.

#include <arm_neon.h>
#if defined(__linux__) || defined(__ANDROID__)
#include <sys/auxv.h>
#ifndef HWCAP_AES
#define HWCAP_AES (1 << 3)
#endif
#endif

#define WARREN_TARGET __attribute__((target("aes")))
#define WARREN_KERNEL static inline __attribute__((always_inline)) WARREN_TARGET

static bool kernel_available(void) {
#if defined(__APPLE__)
    return true;
#elif defined(__linux__) || defined(__ANDROID__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

WARREN_KERNEL uint32_t kernel_sub_word(uint32_t word) {
    // All four columns are equal, so ShiftRows changes nothing and only the substitution is left.
    uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(word));
    return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(all, vdupq_n_u8(0))), 0);
}

WARREN_KERNEL void kernel_inverse_mix(const uint8_t *src, uint8_t *dst) { vst1q_u8(dst, vaesimcq_u8(vld1q_u8(src))); }

// Eight blocks at a time keep the AES units busy over their latency. All eight are loaded before any is stored.
#define EIGHT(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)
#define LOAD(i) uint8x16_t b##i = vld1q_u8(src + 16 * i);
#define STORE(i) vst1q_u8(dst + 16 * i, b##i);
#define ENC(i) b##i = vaesmcq_u8(vaeseq_u8(b##i, round));
#define ENCLAST(i) b##i = veorq_u8(vaeseq_u8(b##i, round), last);
#define DEC(i) b##i = vaesimcq_u8(vaesdq_u8(b##i, round));
#define DECLAST(i) b##i = veorq_u8(vaesdq_u8(b##i, round), last);

WARREN_KERNEL void kernel_encrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    uint8x16_t round;
    const uint8x16_t last = vld1q_u8(keys + 160);
    EIGHT(LOAD)
    for (int i = 0; i < 9; i++) {
        round = vld1q_u8(keys + 16 * i);
        EIGHT(ENC)
    }
    round = vld1q_u8(keys + 144);
    EIGHT(ENCLAST)
    EIGHT(STORE)
}

WARREN_KERNEL void kernel_decrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    uint8x16_t round;
    const uint8x16_t last = vld1q_u8(keys + 160);
    EIGHT(LOAD)
    for (int i = 0; i < 9; i++) {
        round = vld1q_u8(keys + 16 * i);
        EIGHT(DEC)
    }
    round = vld1q_u8(keys + 144);
    EIGHT(DECLAST)
    EIGHT(STORE)
}

// CFB: the key stream of a block is the block before it, encrypted.

WARREN_KERNEL void kernel_cfb_encrypt(const uint8_t *keys, uint8_t *chain, const uint8_t *src, uint8_t *dst,
                                      size_t blocks) {
    uint8x16_t b = vld1q_u8(chain);
    for (; blocks > 0; blocks--, src += 16, dst += 16) {
        for (int i = 0; i < 9; i++) b = vaesmcq_u8(vaeseq_u8(b, vld1q_u8(keys + 16 * i)));
        b = veorq_u8(vaeseq_u8(b, vld1q_u8(keys + 144)), vld1q_u8(keys + 160));
        b = veorq_u8(b, vld1q_u8(src));
        vst1q_u8(dst, b);
    }
    vst1q_u8(chain, b);
}

// Eight messages side by side: one alone leaves the AES units idle most of the time.
#define CFBLOAD(i) uint8x16_t b##i = vld1q_u8(chains + 16 * i);
#define CFBSAVE(i) vst1q_u8(chains + 16 * i, b##i);
#define CFBLAST(i)                         \
    ENCLAST(i)                             \
    b##i = veorq_u8(b##i, vld1q_u8(at[i])); \
    vst1q_u8(at[i], b##i);                 \
    at[i] += steps[i];

WARREN_KERNEL void kernel_cfb_encrypt8(const uint8_t *keys, uint8_t *chains, uint8_t **at, const size_t *steps,
                                       size_t blocks) {
    uint8x16_t round;
    const uint8x16_t last = vld1q_u8(keys + 160);
    EIGHT(CFBLOAD)
    for (; blocks > 0; blocks--) {
        for (int i = 0; i < 9; i++) {
            round = vld1q_u8(keys + 16 * i);
            EIGHT(ENC)
        }
        round = vld1q_u8(keys + 144);
        EIGHT(CFBLAST)
    }
    EIGHT(CFBSAVE)
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
