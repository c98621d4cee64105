// SPDX-License-Identifier: Apache-2.0

#ifndef CWARRENAEAD_H
#define CWARRENAEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// AES-256-GCM by the library that is linked for swift-crypto anyway, under a key that is prepared once.
///
/// The library's functions are called by names that nobody promises, so they are weak references: where one of them is missing,
/// `warren_aead_available` says false, and nothing else here may be called. Who uses it has to try it first; a version might
/// give the names another meaning.

enum {
    WARREN_AEAD_KEY_LENGTH = 32,
    WARREN_AEAD_NONCE_LENGTH = 12,
    WARREN_AEAD_TAG_LENGTH = 16,
};

/// A prepared key, on the heap. May be used by several threads at once.
typedef struct warren_aead warren_aead;

/// True if all functions are linked.
bool warren_aead_available(void);

/// Prepares a key of 32 bytes, of which nothing is kept but what is prepared. Null if it cannot be.
warren_aead *warren_aead_new(const uint8_t *key);

/// Overwrites and frees it.
void warren_aead_free(warren_aead *aead);

/// Writes `sealed | tag`, `length + 16` bytes, to `out`; `plain` may equal `out`, and must not overlap it otherwise.
///
/// Returns false if it cannot, and then `out` holds nothing of use.
bool warren_aead_seal(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *plain, size_t length, uint8_t *out);

/// Opens `sealed | tag`, `length` bytes in all, into `out`, which has room for `length` bytes; `length - 16` are written.
/// `sealed` may equal `out`, and must not overlap it otherwise.
///
/// Returns false if it is not authentic, and then `out` holds nothing of use.
bool warren_aead_open(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *sealed, size_t length, uint8_t *out);

#endif
