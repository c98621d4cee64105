// SPDX-License-Identifier: Apache-2.0

#include "CWarrenVersion.h"

const char *warren_commit(void) { return WARREN_COMMIT; }
