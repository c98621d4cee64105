// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop
import WarrenSecureDatagrams

/// The client of one secure session of a port, wherever it is at the moment.
final class SecurePeer: DatagramPort {
    let id: SecureDatagrams.SessionID
    /// The way of its last datagram that came later than all before.
    var path: DatagramPath
    /// Kept until the session is closed.
    private(set) var leg: KCPLeg?
    var isTouched = false
    var waits = false
    /// Kept until this is closed.
    private var port: SecureKCPPort?

    init(_ id: SecureDatagrams.SessionID, at path: DatagramPath, of port: SecureKCPPort) {
        self.id = id
        self.path = path
        self.port = port
    }

    func serve(_ leg: KCPLeg) {
        self.leg = leg
        leg.attach(self)
    }

    var isWritable: Bool { self.port?.isWritable ?? false }

    func put(_ write: (inout ByteBuffer) -> Int) -> Int { self.port?.put(for: self, write) ?? 0 }

    func close() {
        let port = self.port
        self.leg = nil
        self.port = nil
        port?.forget(self)
    }
}

@available(*, unavailable)
extension SecurePeer: Sendable {}
