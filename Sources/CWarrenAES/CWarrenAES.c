// SPDX-License-Identifier: Apache-2.0

#include "CWarrenAES.h"

#include <string.h>

#if defined(__x86_64__)
#include "kernel_x86.h"
#include "kernel_x86_wide.h"
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#include "kernel_arm.h"
#else
#include "kernel_none.h"
#endif

bool warren_aes_available(void) { return kernel_available(); }

// FIPS-197, 5.2, on words kept in little-endian byte order: RotWord is a rotation to the right.
WARREN_TARGET void warren_aes128_expand(warren_aes128_key *key, const uint8_t *bytes) {
    uint32_t words[44];
    uint8_t rcon = 1;
    key->width = kernel_width();
    memcpy(words, bytes, 16);
    for (int i = 4; i < 44; i++) {
        uint32_t word = words[i - 1];
        if (i % 4 == 0) {
            word = kernel_sub_word(word >> 8 | word << 24) ^ rcon;
            rcon = (uint8_t)(rcon << 1 ^ (rcon & 0x80 ? 0x1b : 0));
        }
        words[i] = words[i - 4] ^ word;
    }
    memcpy(key->enc, words, sizeof key->enc);
    // The equivalent inverse cipher (5.3.5): the same keys backwards, the inner ones mixed.
    memcpy(key->dec, key->enc + 160, 16);
    for (int i = 1; i < 10; i++) kernel_inverse_mix(key->enc + 16 * (10 - i), key->dec + 16 * i);
    memcpy(key->dec + 160, key->enc, 16);
}

WARREN_TARGET void warren_aes128_ecb_encrypt(const warren_aes128_key *key, const uint8_t *src, uint8_t *dst,
                                             size_t blocks) {
    if (key->width > 0 && blocks >= 16) {
        size_t done = kernel_encrypt_wide(key->width, key->enc, src, dst, blocks);
        blocks -= done, src += 16 * done, dst += 16 * done;
    }
    for (; blocks >= 8; blocks -= 8, src += 128, dst += 128) kernel_encrypt8(key->enc, src, dst);
    if (blocks > 0) {
        uint8_t tail[128] = {0};
        memcpy(tail, src, 16 * blocks);
        kernel_encrypt8(key->enc, tail, tail);
        memcpy(dst, tail, 16 * blocks);
    }
}

WARREN_TARGET void warren_aes128_ecb_decrypt(const warren_aes128_key *key, const uint8_t *src, uint8_t *dst,
                                             size_t blocks) {
    if (key->width > 0 && blocks >= 16) {
        size_t done = kernel_decrypt_wide(key->width, key->dec, src, dst, blocks);
        blocks -= done, src += 16 * done, dst += 16 * done;
    }
    for (; blocks >= 8; blocks -= 8, src += 128, dst += 128) kernel_decrypt8(key->dec, src, dst);
    if (blocks > 0) {
        uint8_t tail[128] = {0};
        memcpy(tail, src, 16 * blocks);
        kernel_decrypt8(key->dec, tail, tail);
        memcpy(dst, tail, 16 * blocks);
    }
}

size_t warren_aes128_ecb_encrypt_padded(const warren_aes128_key *key, const uint8_t *header, size_t header_length,
                                        const uint8_t *data, size_t data_length, uint8_t *dst) {
    size_t total = header_length + data_length;
    size_t padding = 16 - total % 16;
    size_t blocks = (total + padding) / 16;
    uint8_t edge[32];
    memset(edge, (int)padding, sizeof edge);
    memcpy(edge, header, header_length);
    if (blocks <= 2) {
        if (data_length > 0) memcpy(edge + header_length, data, data_length);
        warren_aes128_ecb_encrypt(key, edge, dst, blocks);
        return 16 * blocks;
    }
    // The first and the last block are built on the stack and encrypted together; all between comes straight from `data`.
    size_t taken = 16 - header_length;
    size_t rest = 16 - padding;
    memcpy(edge + header_length, data, taken);
    if (rest > 0) memcpy(edge + 16, data + data_length - rest, rest);
    uint8_t done[32];
    warren_aes128_ecb_encrypt(key, edge, done, 2);
    memcpy(dst, done, 16);
    warren_aes128_ecb_encrypt(key, data + taken, dst + 16, blocks - 2);
    memcpy(dst + 16 * (blocks - 1), done + 16, 16);
    return 16 * blocks;
}
