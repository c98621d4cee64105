// SPDX-License-Identifier: Apache-2.0
//
// What is known of the process before Swift runs.

#ifndef CWARREN_START_H
#define CWARREN_START_H

/// The commit that the build was told of, or an empty text.
const char *_Nonnull cwst_commit(void);

/// The words of the command line, the program's own name included, and then NULL; NULL where the system does not tell.
char *_Nullable *_Nullable cwst_arguments(void);

#endif
