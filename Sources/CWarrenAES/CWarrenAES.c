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

// MARK: CFB128

static void xor_bytes(uint8_t *dst, const uint8_t *src, const uint8_t *stream, size_t length) {
    for (size_t i = 0; i < length; i++) dst[i] = src[i] ^ stream[i];
}

// All key stream blocks are known at once: they are the ciphertext one block earlier, encrypted. Going from the end to
// the start, no block is overwritten before the one behind it has been made from it.
WARREN_TARGET void warren_aes128_cfb_decrypt(const warren_aes128_key *key, const uint8_t *iv, const uint8_t *src,
                                             uint8_t *dst, size_t length) {
    enum { group = 64 };
    uint8_t stream[16 * group];
    if (length == 0) return;
    size_t last = (length - 1) / 16;  // the number of the last block, whole or not
    for (; last >= group; last -= group) {
        size_t start = 16 * (last - group + 1);
        size_t count = length - start;
        warren_aes128_ecb_encrypt(key, src + start - 16, stream, group);
        xor_bytes(dst + start, src + start, stream, count);
        length = start;
    }
    uint8_t chain[16 * group];
    memcpy(chain, iv, 16);
    if (last > 0) memcpy(chain + 16, src, 16 * last);
    warren_aes128_ecb_encrypt(key, chain, stream, last + 1);
    xor_bytes(dst, src, stream, length);
}

WARREN_TARGET void warren_aes128_cfb_encrypt(const warren_aes128_key *key, const uint8_t *iv, const uint8_t *src,
                                             uint8_t *dst, size_t length) {
    uint8_t chain[128] = {0};
    memcpy(chain, iv, 16);
    size_t whole = length / 16 * 16;
    kernel_cfb_encrypt(key->enc, chain, src, dst, length / 16);
    if (length == whole) return;
    kernel_encrypt8(key->enc, chain, chain);
    xor_bytes(dst + whole, src + whole, chain, length - whole);
}

/// The messages under way. A lane without one goes in circles over a block that nobody reads.
typedef struct {
    uint8_t chains[128];
    uint8_t *at[8];
    size_t steps[8];
    size_t blocks[8];
    size_t rests[8];
    uint8_t idle[16];
} cfb_lanes;

static void lane_take(cfb_lanes *lanes, int i, const uint8_t *iv, const warren_aes128_message *message) {
    memcpy(lanes->chains + 16 * i, iv, 16);
    lanes->at[i] = message->bytes;
    lanes->steps[i] = 16;
    lanes->blocks[i] = message->length / 16;
    lanes->rests[i] = message->length % 16;
}

static void lane_rest(cfb_lanes *lanes, int i) {
    lanes->at[i] = lanes->idle;
    lanes->steps[i] = 0;
    lanes->blocks[i] = SIZE_MAX;
    lanes->rests[i] = 0;
}

/// Encrypts the last bytes, less than a block, of the messages that have come to their end.
WARREN_TARGET static void lanes_finish(const warren_aes128_key *key, cfb_lanes *lanes) {
    size_t rests = 0;
    for (int i = 0; i < 8; i++) rests += lanes->blocks[i] == 0 ? lanes->rests[i] : 0;
    if (rests == 0) return;
    uint8_t stream[128];
    kernel_encrypt8(key->enc, lanes->chains, stream);
    for (int i = 0; i < 8; i++) {
        if (lanes->blocks[i] == 0) xor_bytes(lanes->at[i], lanes->at[i], stream + 16 * i, lanes->rests[i]);
    }
}

WARREN_TARGET void warren_aes128_cfb_encrypt_each(const warren_aes128_key *key, const uint8_t *iv,
                                                  const warren_aes128_message *messages, size_t count) {
    cfb_lanes lanes = {{0}, {0}, {0}, {0}, {0}, {0}};
    size_t next = 0;
    for (;;) {
        int busy = 0;
        size_t shortest = SIZE_MAX;
        for (int i = 0; i < 8; i++) {
            if (lanes.blocks[i] == 0) {
                if (next < count) lane_take(&lanes, i, iv, messages + next++);
                else lane_rest(&lanes, i);
            }
            busy += lanes.steps[i] != 0;
            if (lanes.blocks[i] < shortest) shortest = lanes.blocks[i];
        }
        if (busy == 0) return;
        kernel_cfb_encrypt8(key->enc, lanes.chains, lanes.at, lanes.steps, shortest);
        for (int i = 0; i < 8; i++) lanes.blocks[i] -= lanes.steps[i] != 0 ? shortest : 0;
        lanes_finish(key, &lanes);
    }
}
