// SPDX-License-Identifier: Apache-2.0

#ifndef CWARRENAES_H
#define CWARRENAES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Bulk AES-128, ECB and CFB128, by the processor's own AES instructions (x86-64 AES-NI and VAES, ARMv8 Cryptography Extension).
///
/// Nothing here is a mode one should choose for a new protocol; it is what deployed peers speak. The instructions take the
/// same time for every key and every byte. Everything but `warren_aes_available` requires that it has said true.

/// An expanded key: 11 round keys of 16 bytes for each direction.
typedef struct {
    uint8_t enc[176];
    uint8_t dec[176];
    /// Of the registers to use: found once, when the key is expanded.
    uint8_t width;
} warren_aes128_key;

/// True if this processor has the instructions.
bool warren_aes_available(void);

/// Expands a key of 16 bytes. Uses no tables.
void warren_aes128_expand(warren_aes128_key *key, const uint8_t *bytes);

/// Encrypts `blocks` times 16 bytes. No alignment is asked for.
///
/// `dst` may equal `src`, or lie *below* it by any distance, overlapping: each group of 8, 16 or 32 blocks, and the
/// tail, is loaded whole before it is stored. A `dst` above `src` must not overlap it.
void warren_aes128_ecb_encrypt(const warren_aes128_key *key, const uint8_t *src, uint8_t *dst, size_t blocks);

/// Decrypts `blocks` times 16 bytes, under the same rules as `warren_aes128_ecb_encrypt`.
void warren_aes128_ecb_decrypt(const warren_aes128_key *key, const uint8_t *src, uint8_t *dst, size_t blocks);

/// Encrypts `header ‖ data ‖ PKCS#7 padding` without assembling it first; `header_length` is at most 16.
///
/// `dst` must have room for `((header_length + data_length) / 16 + 1) * 16` bytes and overlap neither input.
/// Returns the number of bytes written.
size_t warren_aes128_ecb_encrypt_padded(const warren_aes128_key *key, const uint8_t *header, size_t header_length,
                                        const uint8_t *data, size_t data_length, uint8_t *dst);

/// A message of a batch, encrypted where it stands. `bytes` may be null if `length` is 0.
typedef struct {
    uint8_t *bytes;
    size_t length;
} warren_aes128_message;

/// Decrypts one CFB128 message, or the part of it that follows the ciphertext block `iv`; any length, 0 included.
///
/// `dst` may equal `src`; any other overlap is not allowed. Blocks are decrypted side by side.
void warren_aes128_cfb_decrypt(const warren_aes128_key *key, const uint8_t *iv, const uint8_t *src, uint8_t *dst,
                               size_t length);

/// Encrypts one CFB128 message, block after block, as the mode demands. Same rules as `warren_aes128_cfb_decrypt`.
void warren_aes128_cfb_encrypt(const warren_aes128_key *key, const uint8_t *iv, const uint8_t *src, uint8_t *dst,
                               size_t length);

/// Encrypts any number of CFB128 messages of any lengths, each from the same `iv`, eight of them side by side.
///
/// Gives the same bytes as one call of `warren_aes128_cfb_encrypt` for each, in a fraction of the time. The messages must
/// not overlap.
void warren_aes128_cfb_encrypt_each(const warren_aes128_key *key, const uint8_t *iv,
                                    const warren_aes128_message *messages, size_t count);

#endif
