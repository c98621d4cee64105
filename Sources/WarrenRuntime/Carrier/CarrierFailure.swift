// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// Why a carrier could not be had, in one sentence.
package struct CarrierFailure: Error, CustomStringConvertible {
    package let description: String
    /// The same in one word, for a stream that needed it.
    package let fault: StreamFault

    package init(_ description: String, _ fault: StreamFault = .failed) {
        self.description = description
        self.fault = fault
    }
}
