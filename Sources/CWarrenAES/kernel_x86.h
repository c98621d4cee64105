// SPDX-License-Identifier: Apache-2.0

// AES-NI. The compiler sees the instructions through function attributes, so that no build flag is needed and the rest
// of the program runs on any x86-64.

#include <cpuid.h>
#include <immintrin.h>

#define WARREN_TARGET __attribute__((target("aes,sse4.1")))
#define WARREN_KERNEL static inline __attribute__((always_inline)) WARREN_TARGET

static bool kernel_available(void) {
    unsigned int a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    return (c & bit_AES) && (c & bit_SSE4_1);
}

WARREN_KERNEL uint32_t kernel_sub_word(uint32_t word) {
    __m128i all = _mm_set1_epi32((int)word);
    return (uint32_t)_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(all, 0));
}

WARREN_KERNEL void kernel_inverse_mix(const uint8_t *src, uint8_t *dst) {
    _mm_storeu_si128((__m128i *)dst, _mm_aesimc_si128(_mm_loadu_si128((const __m128i *)src)));
}

// Eight blocks at a time keep the AES units busy over their latency. All eight are loaded before any is stored.
#define EIGHT(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)
#define LOAD(i) __m128i b##i = _mm_xor_si128(_mm_loadu_si128((const __m128i *)src + i), round);
#define STORE(i) _mm_storeu_si128((__m128i *)dst + i, b##i);
#define ENC(i) b##i = _mm_aesenc_si128(b##i, round);
#define ENCLAST(i) b##i = _mm_aesenclast_si128(b##i, round);
#define DEC(i) b##i = _mm_aesdec_si128(b##i, round);
#define DECLAST(i) b##i = _mm_aesdeclast_si128(b##i, round);

WARREN_KERNEL void kernel_encrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    __m128i round = _mm_loadu_si128((const __m128i *)keys);
    EIGHT(LOAD)
#pragma clang loop unroll(full)
    for (int i = 1; i < 10; i++) {
        round = _mm_loadu_si128((const __m128i *)keys + i);
        EIGHT(ENC)
    }
    round = _mm_loadu_si128((const __m128i *)keys + 10);
    EIGHT(ENCLAST)
    EIGHT(STORE)
}

WARREN_KERNEL void kernel_decrypt8(const uint8_t *keys, const uint8_t *src, uint8_t *dst) {
    __m128i round = _mm_loadu_si128((const __m128i *)keys);
    EIGHT(LOAD)
#pragma clang loop unroll(full)
    for (int i = 1; i < 10; i++) {
        round = _mm_loadu_si128((const __m128i *)keys + i);
        EIGHT(DEC)
    }
    round = _mm_loadu_si128((const __m128i *)keys + 10);
    EIGHT(DECLAST)
    EIGHT(STORE)
}

// CFB: the key stream of a block is the block before it, encrypted. The last round adds the last round key and the data
// in one, so that the chain is ten rounds and one addition long.

WARREN_KERNEL void kernel_cfb_encrypt(const uint8_t *keys, uint8_t *chain, const uint8_t *src, uint8_t *dst,
                                      size_t blocks) {
    const __m128i *k = (const __m128i *)keys;
    const __m128i first = _mm_loadu_si128(k), last = _mm_loadu_si128(k + 10);
    __m128i b = _mm_loadu_si128((const __m128i *)chain);
    for (; blocks > 0; blocks--, src += 16, dst += 16) {
        b = _mm_xor_si128(b, first);
#pragma clang loop unroll(full)
        for (int i = 1; i < 10; i++) b = _mm_aesenc_si128(b, _mm_loadu_si128(k + i));
        b = _mm_aesenclast_si128(b, _mm_xor_si128(last, _mm_loadu_si128((const __m128i *)src)));
        _mm_storeu_si128((__m128i *)dst, b);
    }
    _mm_storeu_si128((__m128i *)chain, b);
}

// Eight messages side by side: one alone leaves the AES units idle seven times out of eight.
#define CFBLOAD(i) __m128i b##i = _mm_loadu_si128((const __m128i *)chains + i);
#define CFBSAVE(i) _mm_storeu_si128((__m128i *)chains + i, b##i);
#define CFBFIRST(i) b##i = _mm_xor_si128(b##i, round);
#define CFBLAST(i)                                                                                         \
    b##i = _mm_aesenclast_si128(b##i, _mm_xor_si128(round, _mm_loadu_si128((const __m128i *)at[i]))); \
    _mm_storeu_si128((__m128i *)at[i], b##i);                                                              \
    at[i] += steps[i];

WARREN_KERNEL void kernel_cfb_encrypt8(const uint8_t *keys, uint8_t *chains, uint8_t **at, const size_t *steps,
                                       size_t blocks) {
    EIGHT(CFBLOAD)
    for (; blocks > 0; blocks--) {
        __m128i round = _mm_loadu_si128((const __m128i *)keys);
        EIGHT(CFBFIRST)
#pragma clang loop unroll(full)
        for (int i = 1; i < 10; i++) {
            round = _mm_loadu_si128((const __m128i *)keys + i);
            EIGHT(ENC)
        }
        round = _mm_loadu_si128((const __m128i *)keys + 10);
        EIGHT(CFBLAST)
    }
    EIGHT(CFBSAVE)
}
