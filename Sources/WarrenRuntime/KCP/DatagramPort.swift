// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenLoop

/// Where the datagrams of one conversation leave.
package protocol DatagramPort: AnyObject {
    /// Lets somebody write one datagram where it leaves from: see ``DatagramSocket/send(to:_:)``. After a 0 the leg is told
    /// when there is room.
    func put(_ write: (inout ByteBuffer) -> Int) -> Int
    var isWritable: Bool { get }
    func close()
}

extension DatagramPeer: DatagramPort {
    package func put(_ write: (inout ByteBuffer) -> Int) -> Int { self.send(write) }
}

/// A socket of our own toward one peer.
final class DialledPort: DatagramPort, DatagramWatcher {
    private let socket: DatagramSocket
    /// Kept until this is closed.
    private var leg: KCPLeg?

    init(_ socket: DatagramSocket, for leg: KCPLeg) {
        self.socket = socket
        self.leg = leg
        socket.watcher = self
    }

    var isWritable: Bool { self.socket.isWritable }
    func put(_ write: (inout ByteBuffer) -> Int) -> Int { self.socket.send(write) }

    func close() {
        self.leg = nil
        self.socket.close()
    }

    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) { self.leg?.received(datagram.bytes) }
    func datagramSocketHasReceived(_ socket: DatagramSocket) { self.leg?.receivedBurst() }
    func datagramSocketIsWritable(_ socket: DatagramSocket) { self.leg?.portIsWritable() }
    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {
        self.leg?.met(fault)
    }
}

@available(*, unavailable)
extension DialledPort: Sendable {}
