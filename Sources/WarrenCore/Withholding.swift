// SPDX-License-Identifier: Apache-2.0

/// Why a peer does not get a name or port under which others may ask for it.
public enum Withholding: Hashable, Sendable {
    /// Another has it.
    case taken
    /// Nobody would lead anybody there: the operator has not named the port.
    case notOffered
}
