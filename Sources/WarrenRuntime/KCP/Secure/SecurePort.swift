// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenSecureDatagrams

/// A socket of our own toward one peer, over which every datagram is one of a secure session.
final class SecurePort: DatagramPort, DatagramWatcher {
    private let socket: DatagramSocket
    private let loop: SocketLoop
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

    /// - Parameter answer: called once with nil when the session is up, or with why it cannot be had; not after ``close()``.
    init(
        _ socket: DatagramSocket, key: SecureDatagrams.InitiatorKey, for leg: KCPLeg, within time: TimeAmount,
        answer: @escaping (CarrierFailure?) -> Void
    ) {
        self.socket = socket
        self.loop = socket.loop
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
        while let datagram = self.session.poll(now: self.loop.now) { self.socket.send(datagram) }
        self.tell()
        self.setAlarm()
    }

    private func tell() {
        while !self.socket.isClosed, let event = self.session.nextEvent() {
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
        guard !self.socket.isClosed, let deadline = self.session.deadline else { return }
        // One that rings too early costs a turn: cheaper than moving it with every datagram.
        if let alarm, alarm.deadline <= deadline { return }
        self.alarm?.cancel()
        self.alarm = self.loop.timer(at: max(deadline, self.loop.now + .milliseconds(1))) {
            self.alarm = nil
            self.turn()
        }
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
            self.leg?.met(fault)
            return
        }
        self.answer = nil
        answer(CarrierFailure("cannot connect: \(StreamFault.refused.rawValue)", .refused))
    }
}

@available(*, unavailable)
extension SecurePort: Sendable {}
