// SPDX-License-Identifier: Apache-2.0

#include "CWarrenStart.h"

#include <stdlib.h>
#include <unistd.h>

const char *cwst_commit(void) { return WARREN_COMMIT; }

static char **arguments;

char **cwst_arguments(void) { return arguments; }

#if defined(__linux__) && defined(__GLIBC__)
// Swift's runtime looks for its own place and for the command line in /proc, and ends the process, or sees no arguments,
// where there is none: in an empty root. glibc hands the arguments to constructors; this one runs before the runtime's.
__attribute__((constructor(101))) static void start(int count, char **words, char **environment) {
    (void)count;
    (void)environment;
    arguments = words;
    char place[1];
    if (readlink("/proc/self/exe", place, sizeof place) < 0) setenv("SWIFT_ROOT", "/", 0);
}
#endif
