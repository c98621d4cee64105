// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// Why a carrier could not be had, in one sentence.
package struct CarrierFailure: Error, CustomStringConvertible {
    package let description: String
    /// The same in one word, for a stream that needed it.
    package let fault: StreamFault
    /// Whether something answered there, and what it said was no.
    package let isAnswer: Bool

    package init(_ description: String, _ fault: StreamFault = .failed, isAnswer: Bool = false) {
        self.description = description
        self.fault = fault
        self.isAnswer = isAnswer
    }
}
