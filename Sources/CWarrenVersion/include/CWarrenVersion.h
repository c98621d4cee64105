// SPDX-License-Identifier: Apache-2.0

#ifndef CWARREN_VERSION_H
#define CWARREN_VERSION_H

/// The commit that the build was told of, or an empty text.
const char *_Nonnull warren_commit(void);

#endif
