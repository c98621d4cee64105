// SPDX-License-Identifier: Apache-2.0

public import NIOCore

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension JET {
    /// How a relay behaves, and what it says of itself.
    public struct RelayConfiguration: Sendable {
        /// Under which name others reach the relay: a host, with or without a port; empty for none. At most 255 bytes,
        /// without control characters and spaces.
        public var instance: String
        /// How long an accepter waits for its partner, and a version 2 association lives unless somebody is connected.
        public var timeout: TimeAmount
        /// From a carrier's arrival to the end of its request.
        public var handshake: TimeAmount
        /// Those that are served; only 1 and 2 exist.
        public var versions: Set<UInt32>
        public var dialect: Dialect
        public var decoding: Decoding
        /// The mask of replies; nil for that of the request.
        public var mask: UInt8?
        /// Accepters that wait and version 2 associations, together.
        public var maxPending: Int
        /// Accepters that wait, from one address.
        public var maxPendingPerAddress: Int
        /// What HTTP calls must bear; nil leaves them open, and the list to this machine's own users.
        public var token: [UInt8]?
        /// Names associations and candidates.
        public var newID: @Sendable () -> UUID
        /// Seconds since 1970.
        public var wallClock: @Sendable () -> Int

        public init(
            instance: String, timeout: TimeAmount = .seconds(300), handshake: TimeAmount = .seconds(10),
            versions: Set<UInt32> = [Version.one, Version.two], dialect: Dialect = .plain,
            decoding: Decoding = .lenient, mask: UInt8? = nil, maxPending: Int = 10_000,
            maxPendingPerAddress: Int = 5_000, token: [UInt8]? = nil,
            newID: @escaping @Sendable () -> UUID = { UUID.random() },
            wallClock: @escaping @Sendable () -> Int = { Int(Date().timeIntervalSince1970) }
        ) {
            self.instance = instance
            self.timeout = timeout
            self.handshake = handshake
            self.versions = versions
            self.dialect = dialect
            self.decoding = decoding
            self.mask = mask
            self.maxPending = maxPending
            self.maxPendingPerAddress = maxPendingPerAddress
            self.token = token
            self.newID = newID
            self.wallClock = wallClock
        }

        func serves(_ version: UInt32) -> Bool {
            (version == Version.one || version == Version.two) && self.versions.contains(version)
        }

        /// What `Jet-Timeout` says.
        var timeoutSeconds: UInt32 { UInt32(clamping: self.timeout.nanoseconds / 1_000_000_000) }

        /// What `Jet-Instance` says; nil for nothing. Only the document wants a port there: the first relay's clients take
        /// a second colon in a line for an error.
        var instanceHeader: String? {
            guard !self.instance.isEmpty else { return nil }
            return self.dialect == .document ? self.instance : InstanceName(self.instance).hostInURL
        }

        /// A reply with a longer name would not fit in the 1024 bytes that clients read at once, and one with a line
        /// break would be another reply.
        var isInstanceSendable: Bool {
            self.instance.utf8.count <= 255 && self.instance.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        }
    }
}
