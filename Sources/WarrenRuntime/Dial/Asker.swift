// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// For whom a name is looked up. Names of different askers wait in different lines, so that nobody's dead names hold up
/// somebody else.
package enum Asker: Hashable, Sendable {
    /// The operator: the name stands in our own configuration.
    case configuration
    /// Somebody who has logged in.
    case user(String)
    /// Everybody at an address; of IPv6 the network of 64 bits, which one machine may have to itself.
    case network(IPAddress)
    /// Nobody known.
    case unknown

    /// Who stands behind a stream.
    package init(_ request: StreamRequest, trusted: Bool) {
        if trusted {
            self = .configuration
        } else if let user = request.user {
            self = .user(user)
        } else if let address = request.source.flatMap({ IPAddress($0) }) {
            self = .network(address.counted)
        } else {
            self = .unknown
        }
    }
}
