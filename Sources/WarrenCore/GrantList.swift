// SPDX-License-Identifier: Apache-2.0

/// How much of what it grants a relay says.
public enum GrantList: Hashable, Sendable {
    /// All of it.
    case whole
    /// Some of it: what the token holds is served all the same.
    case partial
    /// Nothing: who is taken is served.
    case none
}
