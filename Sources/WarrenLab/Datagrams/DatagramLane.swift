// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop

/// One direction of the lab as it runs: what the link decides about is held here until it leaves.
final class DatagramLane {
    /// Bytes that are on their way at most.
    private static let mostHeld = 64 << 20

    private struct Held {
        let bytes: ByteBuffer
        let flow: DatagramFlow
    }

    private let direction: LabDirection
    private let loop: SocketLoop
    private(set) var link: ImpairedLink
    private var line = DelayLine<Held>(most: DatagramLane.mostHeld)
    private var timer: LoopTimer?

    init(_ link: ImpairedLink, _ direction: LabDirection, on loop: SocketLoop) {
        self.link = link
        self.direction = direction
        self.loop = loop
    }

    func start(at time: NIODeadline) { if self.link.start == nil { self.link.start = time } }

    func pass(_ bytes: ByteBuffer, of flow: DatagramFlow) {
        let now = self.loop.now
        guard case .leaves(let departure, let copy) = self.link.arrives(length: bytes.readableBytes, now: now) else {
            return
        }
        let damaged = departure.damagedBit.map { bytes.turned(bit: $0) } ?? bytes
        self.hold(damaged, of: flow, until: departure.time)
        if let copy { self.hold(bytes, of: flow, until: copy.time) }
        self.deliver()
    }

    private func hold(_ bytes: ByteBuffer, of flow: DatagramFlow, until time: NIODeadline) {
        if time <= self.loop.now, self.line.isEmpty { return self.put(bytes, to: flow) }
        // What came is a slice of much, which is not to be kept.
        let held = Held(bytes: bytes.ownBytes, flow: flow)
        if !self.line.insert(held, size: bytes.readableBytes, at: time) { self.link.counters.overflow &+= 1 }
    }

    private func put(_ bytes: ByteBuffer, to flow: DatagramFlow) {
        if !flow.put(bytes, self.direction) { self.link.counters.overflow &+= 1 }
    }

    private func deliver() {
        while let held = self.line.pop(at: self.loop.now) { self.put(held.bytes, to: held.flow) }
        guard let next = self.line.next else { return }
        if let timer, timer.deadline <= next { return }
        self.timer?.cancel()
        self.timer = self.loop.timer(at: next) { [weak self] in
            self?.timer = nil
            self?.deliver()
        }
    }

    func stop() {
        self.timer?.cancel()
        self.timer = nil
    }
}

@available(*, unavailable)
extension DatagramLane: Sendable {}

extension ByteBuffer {
    /// With one bit turned, counted from the highest one of the first byte.
    func turned(bit: Int) -> ByteBuffer {
        var copy = self.ownBytes
        let index = copy.readerIndex + bit / 8
        guard let byte = copy.getInteger(at: index, as: UInt8.self) else { return copy }
        copy.setInteger(byte ^ (0x80 >> UInt8(bit % 8)), at: index)
        return copy
    }

    /// In storage of just their size.
    var ownBytes: ByteBuffer {
        var copy = ByteBufferAllocator().buffer(capacity: self.readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}
