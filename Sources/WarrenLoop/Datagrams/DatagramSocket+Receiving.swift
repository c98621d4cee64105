// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension DatagramSocket {
    /// Datagrams that are told in one turn, or a few more: the rest of a run is not held back.
    private static let perTurn = 256
    /// Messages asked for at once where they are runs of many.
    private static let runsAtOnce = 4
    /// Errors that are told in one turn: one for each datagram a peer refuses.
    private static let errorsPerTurn = 16

    func receive() {
        let intake = self.loop.datagramIntake
        var (left, errors) = (Self.perTurn, 0)
        while self.isReadable, left > 0, errors < Self.errorsPerTurn {
            let asked = self.sawRuns ? Self.runsAtOnce : DatagramIntake.slots
            let count = intake.receive(self.descriptor, count: asked, most: self.longestMessage)
            guard count >= 0 else {
                let code = errno
                if code == EINTR { continue }
                if code == EAGAIN || code == EWOULDBLOCK {
                    self.isReadable = false
                } else {
                    errors += 1
                    self.tell(DatagramFault(code, length: nil), nil)
                    // No memory: what is to come tells when to try again.
                    if code == ENOMEM || code == ENOBUFS { self.isReadable = false }
                }
                if self.isClosed { return }
                continue
            }
            // Also what an error cut short: the system tells of it.
            if count < asked { self.isReadable = false }
            self.sawRuns = false
            for index in 0..<count {
                left -= self.deliver(intake, index)
                if self.isClosed { return }
            }
        }
        if left < Self.perTurn { self.watcher?.datagramSocketHasReceived(self) }
        if self.isReadable { self.again() }
    }

    /// A run is as long as all its datagrams.
    private var longestMessage: Int {
        self.joins ? DatagramIntake.largeSize : min(max(self.options.largestDatagram, 1), DatagramIntake.largeSize)
    }

    /// - Returns: how many datagrams it was.
    private func deliver(_ intake: DatagramIntake, _ index: Int) -> Int {
        let message = intake[index]
        let path = DatagramPath(message)
        let length = Int(message.length)
        let segment = message.segment == 0 ? max(length, 1) : Int(message.segment)
        let ecn = ECN(rawValue: message.ecn) ?? .unmarked
        if message.is_cut != 0 {
            self.tell(.cut, path)
            return 1
        }
        if segment < length { self.sawRuns = true }
        var (offset, count) = (0, 0)
        repeat {
            let size = min(segment, length - offset)
            if size > self.options.largestDatagram {
                self.tell(.cut, path)
            } else {
                let bytes = intake.slice(index, from: offset, size)
                self.watcher?.datagramSocket(self, received: Datagram(bytes: bytes, path: path, ecn: ecn))
            }
            offset += size
            count += 1
        } while offset < length && !self.isClosed
        return count
    }
}

extension DatagramPath {
    fileprivate init(_ message: cws_incoming) {
        let local = message.asked.version == 0 ? nil : PeerAddress(message.asked).address
        self.init(PeerAddress(message.peer), local: local, interface: message.interface)
    }
}
