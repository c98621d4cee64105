// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// How a relay treats one device.
    public struct RelayConfiguration: Hashable, Sendable {
        /// As the upgrade showed it: see ``Upgrade``.
        public var dialect: Dialect
        /// The token that came with the upgrade, if one did.
        public var token: String?
        /// The relay's own name, which devices are told for their ports: `ssh.` and `tcp.` stand before it.
        public var sharedName: String?
        /// How long a stream stays open for the device's answer after its visitor has sent everything. Deployed relays: 0.
        public var linger: TimeAmount
        /// How long a reader that takes nothing may hold up the session before its stream is ended.
        public var stall: TimeAmount
        /// The device has announced windows and half-close: ``Upgrade/usesExtension``.
        public var usesExtension: Bool
        /// `handshake` is how long a session may be without a token.
        public var limits: SessionLimits

        public init(
            dialect: Dialect = .node, token: String? = nil, sharedName: String? = nil, linger: TimeAmount = .seconds(5),
            stall: TimeAmount = SessionLimits.stall, usesExtension: Bool = false,
            limits: SessionLimits = SessionLimits()
        ) {
            self.dialect = dialect
            self.token = token
            self.sharedName = sharedName
            self.linger = linger
            self.stall = stall
            self.usesExtension = usesExtension
            self.limits = limits
        }
    }
}
