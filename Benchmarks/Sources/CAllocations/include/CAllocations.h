// SPDX-License-Identifier: Apache-2.0

#ifndef C_ALLOCATIONS_H
#define C_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/// Whether allocations can be counted here: only with glibc, whose allocator can be replaced and still be called.
bool allocations_available(void);

/// Counts from now on, from zero, or stops. Threads that asked not to be counted never are.
void allocations_count(bool counting);

/// The calling thread is not counted, from now on.
void allocations_ignore_thread(void);

/// malloc, calloc, realloc and aligned allocations since the last start.
uint64_t allocations_made(void);

/// free, and realloc of something, since the last start.
uint64_t allocations_freed(void);

/// Bytes of this process in memory now; 0 where that cannot be told.
uint64_t resident_bytes(void);

/// Raises the number of descriptors this process may have open as far as it may, and says how far that is.
uint64_t raise_descriptor_limit(void);

#endif
