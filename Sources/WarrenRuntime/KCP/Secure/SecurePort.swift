// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenSecureDatagrams

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A socket of our own toward one peer, over which every datagram is one of a secure session.
///
/// A socket has the address of ours with which it began, and hears nothing when that is gone. So whoever hears nothing goes on
/// with another one: the peer finds the session by what its datagrams name.
final class SecurePort: DatagramPort, DatagramWatcher {
    /// Between two sockets.
    private static let pause = TimeAmount.seconds(3)

    private var socket: DatagramSocket
    private let loop: SocketLoop
    /// A socket to the same peer.
    private let open: () throws -> DatagramSocket
    /// There is no other socket before.
    private var nextSocket = NIODeadline.distantPast
    private var willRenew = false
    private var isClosed = false
    /// Kept until this is closed, as the leg keeps this: a weak reference makes every other one of the leg dear.
    private var leg: KCPLeg?
    private var session: SecureDatagrams.Initiator
    private var isUp = false
    /// Told once: nil when the session is up.
    private var answer: ((CarrierFailure?) -> Void)?
    /// What the leg writes, before it is sealed.
    private var plain = ByteBuffer()
    private var alarm: LoopTimer?
    /// Until the session is up; one that was up may take longer with new keys.
    private var timeOut: LoopTimer?
    private var willSetAlarm = false

    /// - Parameters:
    ///   - open: makes the socket, and others to the same peer later.
    ///   - answer: called once with nil when the session is up, or with why it cannot be had; not after ``close()``.
    /// - Throws: what `open` throws.
    init(
        key: SecureDatagrams.InitiatorKey, for leg: KCPLeg, within time: TimeAmount,
        open: @escaping () throws -> DatagramSocket, answer: @escaping (CarrierFailure?) -> Void
    ) throws {
        let socket = try open()
        self.socket = socket
        self.loop = socket.loop
        self.open = open
        self.leg = leg
        self.answer = answer
        self.session = SecureDatagrams.Initiator(key: key, timing: .tunnel, now: socket.loop.now)
        socket.watcher = self
        self.timeOut = socket.loop.timer(in: time) { self.fail(.noAnswer) }
    }

    /// Asks for the session.
    func start() { self.turn() }

    var isWritable: Bool { self.isUp && self.socket.isWritable }

    func put(_ write: (inout ByteBuffer) -> Int) -> Int {
        guard self.isUp else { return 0 }
        let length = self.socket.send { datagram in
            self.plain.clear()
            let length = write(&self.plain)
            guard length > 0, self.session.seal(self.plain, into: &datagram, now: self.loop.now) else { return 0 }
            return length + SecureDatagrams.overhead
        }
        if length > 0 { self.planAlarm() }
        return length
    }

    func close() {
        self.isClosed = true
        self.isUp = false
        self.answer = nil
        self.leg = nil
        self.alarm?.cancel()
        self.timeOut?.cancel()
        self.alarm = nil
        self.timeOut = nil
        self.socket.close()
    }

    // MARK: What the session says

    /// Puts out what the session has to say besides payload.
    private func turn() {
        while let datagram = self.session.poll(now: self.loop.now) {
            self.renewIfSilent(before: datagram)
            self.socket.send(datagram)
        }
        self.tell()
        self.setAlarm()
    }

    private func tell() {
        while !self.isClosed, let event = self.session.nextEvent() {
            switch event {
            case .up: self.becameUp()
            case .payload(let datagram): self.leg?.received(datagram)
            case .failed(let failure): self.fail(failure)
            }
        }
    }

    private func becameUp() {
        self.isUp = true
        self.timeOut?.cancel()
        self.timeOut = nil
        let answer = self.answer
        self.answer = nil
        answer?(nil)
        self.leg?.portIsWritable()
    }

    private func fail(_ failure: SecureDatagrams.Failure) {
        guard let answer else {
            self.leg?.close(failure.fault)
            return
        }
        self.answer = nil
        answer(CarrierFailure("cannot agree on keys: \(failure)", failure.fault))
    }

    /// Once for all that leaves in this round.
    private func planAlarm() {
        guard !self.willSetAlarm else { return }
        self.willSetAlarm = true
        self.loop.defer {
            self.willSetAlarm = false
            self.setAlarm()
        }
    }

    private func setAlarm() {
        guard !self.isClosed, let deadline = self.session.deadline else { return }
        // One that rings too early costs a turn: cheaper than moving it with every datagram.
        if let alarm, alarm.deadline <= deadline { return }
        self.alarm?.cancel()
        self.alarm = self.loop.timer(at: max(deadline, self.loop.now + .milliseconds(1))) {
            self.alarm = nil
            self.turn()
        }
    }

    // MARK: Another socket

    /// Whether the peer is there is asked a second time from another socket: one that is there need not get used to it.
    private func renewIfSilent(before datagram: ByteBuffer) {
        let now = self.loop.now
        guard SecureDatagrams.Kind(of: datagram) == .request, self.session.hearsNothing(now: now) else { return }
        self.renew()
    }

    /// The address of ours is gone, or no way leads from it: that is known before the peer is missed.
    private func renewSoon() {
        guard self.isUp, !self.willRenew else { return }
        self.willRenew = true
        self.loop.defer {
            self.willRenew = false
            self.renew()
        }
    }

    /// Keeps the one that there is where no other can be had.
    private func renew() {
        guard self.isUp, !self.isClosed, self.loop.now >= self.nextSocket else { return }
        self.nextSocket = self.loop.now + Self.pause
        guard let socket = try? self.open() else { return }
        let old = self.socket
        old.watcher = nil
        socket.watcher = self
        self.socket = socket
        old.close()
        // What had no room at the old one has it here.
        self.loop.defer { self.leg?.portIsWritable() }
    }

    // MARK: What the socket tells

    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) {
        self.session.input(datagram.bytes, now: self.loop.now)
        self.tell()
    }

    func datagramSocketHasReceived(_ socket: DatagramSocket) {
        self.turn()
        self.leg?.receivedBurst()
    }

    func datagramSocketIsWritable(_ socket: DatagramSocket) { if self.isUp { self.leg?.portIsWritable() } }

    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {
        guard case .refused = fault, let answer else {
            if fault.isOfOurAddress { self.renewSoon() }
            self.leg?.met(fault)
            return
        }
        self.answer = nil
        answer(CarrierFailure("cannot connect: \(StreamFault.refused.rawValue)", .refused))
    }
}

@available(*, unavailable)
extension SecurePort: Sendable {}

extension DatagramFault {
    /// What is said of a socket whose address is no longer this machine's, or has no way to the peer.
    fileprivate var isOfOurAddress: Bool {
        switch self {
        case .failed(let code): [ENETUNREACH, EADDRNOTAVAIL, EINVAL].contains(code)
        case .refused, .tooLong, .cut: false
        }
    }
}
