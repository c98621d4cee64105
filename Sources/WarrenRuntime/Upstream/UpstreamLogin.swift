// SPDX-License-Identifier: Apache-2.0

/// As whom we log in to a proxy of others.
package struct UpstreamLogin: Hashable, Sendable {
    package let user: String
    package let password: String

    package init(user: String, password: String) {
        self.user = user
        self.password = password
    }
}

extension UpstreamLogin: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(login)" }
    package var debugDescription: String { "(login)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
