// SPDX-License-Identifier: Apache-2.0
//
// Takes the place of malloc and its relatives for the whole process. The executable's symbols win over those of the C
// library for every shared library too, so that the allocations of the Swift runtime are seen as well.

#include "CAllocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static _Atomic bool counting;
static _Atomic uint64_t made, freed;
// Never through a call that may allocate itself.
static _Thread_local bool ignored __attribute__((tls_model("initial-exec")));

void allocations_count(bool on) {
    if (on) {
        atomic_store(&made, 0);
        atomic_store(&freed, 0);
    }
    atomic_store(&counting, on);
}

void allocations_ignore_thread(void) { ignored = true; }
uint64_t allocations_made(void) { return atomic_load(&made); }
uint64_t allocations_freed(void) { return atomic_load(&freed); }

#if defined(__GLIBC__)

bool allocations_available(void) { return true; }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static inline bool counts(void) {
    return atomic_load_explicit(&counting, memory_order_relaxed) && !ignored;
}

static inline void note(void) {
    if (counts()) atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    note();
    if (old != NULL && counts()) atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    void *made_here = memalign(alignment, size);
    if (made_here == NULL) return ENOMEM;
    *result = made_here;
    return 0;
}

void free(void *old) {
    if (old != NULL && counts()) atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    __libc_free(old);
}

#else

bool allocations_available(void) { return false; }

#endif
