// SPDX-License-Identifier: Apache-2.0

#include "CAllocations.h"

#include <sys/resource.h>

uint64_t raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const rlim_t wanted = 65536;
    if (limit.rlim_cur >= wanted) return limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

#if defined(__linux__)

#include <stdio.h>
#include <unistd.h>

uint64_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    unsigned long long all = 0, resident = 0;
    int read = fscanf(file, "%llu %llu", &all, &resident);
    fclose(file);
    return read == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

#elif defined(__APPLE__)

#include <mach/mach.h>

uint64_t resident_bytes(void) {
    struct mach_task_basic_info info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    kern_return_t result = task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count);
    return result == KERN_SUCCESS ? info.resident_size : 0;
}

#else

uint64_t resident_bytes(void) { return 0; }

#endif
