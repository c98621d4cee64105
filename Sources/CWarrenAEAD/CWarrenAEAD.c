// SPDX-License-Identifier: Apache-2.0

#include "CWarrenAEAD.h"

// Elsewhere a missing function stops the linker, weak or not, and swift-crypto mostly is the system's library there.
#if defined(__ELF__)

// As CCryptoBoringSSL_aead.h and CCryptoBoringSSL_err.h declare them.
typedef struct evp_aead_st EVP_AEAD;
#define WEAK __attribute__((weak))
extern WEAK const EVP_AEAD *CCryptoBoringSSL_EVP_aead_aes_256_gcm(void);
extern WEAK warren_aead *CCryptoBoringSSL_EVP_AEAD_CTX_new(const EVP_AEAD *aead, const uint8_t *key, size_t key_length,
                                                           size_t tag_length);
extern WEAK void CCryptoBoringSSL_EVP_AEAD_CTX_free(warren_aead *aead);
extern WEAK int CCryptoBoringSSL_EVP_AEAD_CTX_seal(const warren_aead *aead, uint8_t *out, size_t *out_length,
                                                   size_t most, const uint8_t *nonce, size_t nonce_length,
                                                   const uint8_t *in, size_t in_length, const uint8_t *header,
                                                   size_t header_length);
extern WEAK int CCryptoBoringSSL_EVP_AEAD_CTX_open(const warren_aead *aead, uint8_t *out, size_t *out_length,
                                                   size_t most, const uint8_t *nonce, size_t nonce_length,
                                                   const uint8_t *in, size_t in_length, const uint8_t *header,
                                                   size_t header_length);
extern WEAK void CCryptoBoringSSL_ERR_clear_error(void);

bool warren_aead_available(void) {
    return CCryptoBoringSSL_EVP_aead_aes_256_gcm && CCryptoBoringSSL_EVP_AEAD_CTX_new &&
           CCryptoBoringSSL_EVP_AEAD_CTX_free && CCryptoBoringSSL_EVP_AEAD_CTX_seal &&
           CCryptoBoringSSL_EVP_AEAD_CTX_open && CCryptoBoringSSL_ERR_clear_error;
}

/// The library keeps a list of what went wrong on this thread, which whoever calls it next would take for their own.
static bool failed(void) {
    CCryptoBoringSSL_ERR_clear_error();
    return false;
}

warren_aead *warren_aead_new(const uint8_t *key) {
    warren_aead *aead = CCryptoBoringSSL_EVP_AEAD_CTX_new(CCryptoBoringSSL_EVP_aead_aes_256_gcm(), key,
                                                          WARREN_AEAD_KEY_LENGTH, WARREN_AEAD_TAG_LENGTH);
    if (!aead) failed();
    return aead;
}

void warren_aead_free(warren_aead *aead) { CCryptoBoringSSL_EVP_AEAD_CTX_free(aead); }

bool warren_aead_seal(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *plain, size_t length, uint8_t *out) {
    size_t written = 0;
    if (!CCryptoBoringSSL_EVP_AEAD_CTX_seal(aead, out, &written, length + WARREN_AEAD_TAG_LENGTH, nonce,
                                            WARREN_AEAD_NONCE_LENGTH, plain, length, header, header_length))
        return failed();
    return written == length + WARREN_AEAD_TAG_LENGTH;
}

bool warren_aead_open(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *sealed, size_t length, uint8_t *out) {
    size_t written = 0;
    if (length < WARREN_AEAD_TAG_LENGTH) return false;
    if (!CCryptoBoringSSL_EVP_AEAD_CTX_open(aead, out, &written, length, nonce, WARREN_AEAD_NONCE_LENGTH, sealed,
                                            length, header, header_length))
        return failed();
    return written == length - WARREN_AEAD_TAG_LENGTH;
}

#else

bool warren_aead_available(void) { return false; }
warren_aead *warren_aead_new(const uint8_t *key) { return NULL; }
void warren_aead_free(warren_aead *aead) {}

bool warren_aead_seal(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *plain, size_t length, uint8_t *out) {
    return false;
}

bool warren_aead_open(const warren_aead *aead, const uint8_t *nonce, const uint8_t *header, size_t header_length,
                      const uint8_t *sealed, size_t length, uint8_t *out) {
    return false;
}

#endif
