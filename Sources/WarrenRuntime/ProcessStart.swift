// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import WarrenLoop

/// What a program does before it opens anything.
package enum ProcessStart {
    package static func prepare() {
        cws_open_standard_descriptors()
        cws_ignore_broken_pipes()
        DescriptorLimit.raise()
    }
}
