// SPDX-License-Identifier: Apache-2.0

// VAES: the same rounds on two or four blocks per instruction, where processor and system have the wide registers.
// Each function takes whole groups only and says how many blocks that was; the rest is for narrower ones.

#define WARREN_VAES256 __attribute__((target("vaes,avx2"), noinline))
#define WARREN_VAES512 __attribute__((target("vaes,avx512f"), noinline))

/// 0: one block per instruction; 1: two; 2: four.
static uint8_t kernel_width(void) {
    unsigned int a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    unsigned int state, high;
    __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
    if ((state & 0x06) != 0x06) return 0;  // the system does not keep YMM
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & bit_VAES) || !(b & bit_AVX2)) return 0;
    return (b & bit_AVX512F) && (state & 0xe0) == 0xe0 ? 2 : 1;
}

#define WIDE(NAME, TARGET, BITS, REGISTER, KEY, LOADU, XOR, STEP, LAST, STOREU)                        \
    TARGET static size_t NAME(const uint8_t *keys, const uint8_t *src, uint8_t *dst, size_t blocks) {  \
        const size_t group = 8 * BITS / 128;                                                           \
        size_t done = 0;                                                                               \
        for (; blocks - done >= group; done += group, src += BITS, dst += BITS) {                      \
            REGISTER round = KEY(_mm_loadu_si128((const __m128i *)keys));                              \
            REGISTER b[8];                                                                             \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++)                             \
                b[i] = XOR(LOADU((const void *)(src + i * BITS / 8)), round);                          \
            _Pragma("clang loop unroll(full)") for (int r = 1; r < 10; r++) {                          \
                round = KEY(_mm_loadu_si128((const __m128i *)keys + r));                               \
                _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) b[i] = STEP(b[i], round); \
            }                                                                                          \
            round = KEY(_mm_loadu_si128((const __m128i *)keys + 10));                                  \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++)                             \
                STOREU((void *)(dst + i * BITS / 8), LAST(b[i], round));                               \
        }                                                                                              \
        return done;                                                                                   \
    }

WIDE(kernel_encrypt_256, WARREN_VAES256, 256, __m256i, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
     _mm256_xor_si256, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_storeu_si256)
WIDE(kernel_decrypt_256, WARREN_VAES256, 256, __m256i, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
     _mm256_xor_si256, _mm256_aesdec_epi128, _mm256_aesdeclast_epi128, _mm256_storeu_si256)
WIDE(kernel_encrypt_512, WARREN_VAES512, 512, __m512i, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_xor_si512,
     _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_storeu_si512)
WIDE(kernel_decrypt_512, WARREN_VAES512, 512, __m512i, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_xor_si512,
     _mm512_aesdec_epi128, _mm512_aesdeclast_epi128, _mm512_storeu_si512)
#undef WIDE

static size_t kernel_encrypt_wide(uint8_t width, const uint8_t *keys, const uint8_t *src, uint8_t *dst, size_t blocks) {
    size_t done = width == 2 ? kernel_encrypt_512(keys, src, dst, blocks) : 0;
    return done + kernel_encrypt_256(keys, src + 16 * done, dst + 16 * done, blocks - done);
}

static size_t kernel_decrypt_wide(uint8_t width, const uint8_t *keys, const uint8_t *src, uint8_t *dst, size_t blocks) {
    size_t done = width == 2 ? kernel_decrypt_512(keys, src, dst, blocks) : 0;
    return done + kernel_decrypt_256(keys, src + 16 * done, dst + 16 * done, blocks - done);
}
