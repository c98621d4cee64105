// SPDX-License-Identifier: Apache-2.0

extension ZhwkproX {
    /// The two languages behind a login.
    enum Format: Hashable, Sendable {
        /// GETs and their replies.
        case plain
        /// Two Warrens.
        case extended
    }

    /// The clear part in front of payload: whose it is.
    enum Head: Hashable, Sendable {
        case get(StreamAddress)
        case data(id: UInt32)
    }
}
