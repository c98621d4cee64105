// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenKCP

extension NIODeadline {
    /// So many milliseconds after the time at which all tests begin.
    static func at(_ milliseconds: Int) -> NIODeadline { .uptimeNanoseconds(UInt64(milliseconds) * 1_000_000) }
}

extension ByteBuffer {
    /// All segments of a datagram that is whole.
    func segments(_ conversation: UInt32 = 0) -> [KCP.Segment] {
        var rest = self
        var segments: [KCP.Segment] = []
        while let segment = try? rest.readKCPSegment(conversation: conversation) { segments.append(segment) }
        return segments
    }

    init(segments: [KCP.Segment]) {
        self.init()
        for segment in segments { self.writeKCPSegment(segment) }
    }
}

extension KCP.Segment {
    static func push(_ number: UInt32, _ text: String = "x", stamp: UInt32 = 0, fragment: UInt8 = 0) -> Self {
        Self(
            KCP.Header(
                command: .push, fragment: fragment, window: 1024, stamp: stamp, number: number, awaited: 0),
            data: ByteBuffer(string: text))
    }

    static func ack(_ number: UInt32, awaited: UInt32, stamp: UInt32, window: UInt16 = 1024) -> Self {
        Self(KCP.Header(command: .ack, window: window, stamp: stamp, number: number, awaited: awaited))
    }

    static func ask(awaited: UInt32 = 0) -> Self { Self(KCP.Header(command: .ask, window: 1024, awaited: awaited)) }

    static func tell(_ window: UInt16, awaited: UInt32) -> Self {
        Self(KCP.Header(command: .tell, window: window, awaited: awaited))
    }
}

extension KCP.Machine {
    init(_ configuration: KCP.Configuration, first: UInt32 = 0) {
        self.init(configuration, now: .at(0), firstNumber: first)
    }

    /// On a path that is known to lose nothing, where nothing leaves twice unasked.
    static func onSafePath(_ configuration: KCP.Configuration) -> KCP.Machine {
        var machine = KCP.Machine(configuration)
        machine.pathLoss.saw(lost: 0, arrived: 1000, now: 0)
        return machine
    }

    mutating func input(_ segments: KCP.Segment..., at time: Int) {
        self.input(ByteBuffer(segments: segments), now: .at(time))
    }

    /// The segments of all datagrams that are to be put out, datagram by datagram.
    mutating func output(at time: Int) -> [[KCP.Segment]] {
        var datagrams: [[KCP.Segment]] = []
        while let datagram = self.poll(now: .at(time)) {
            datagrams.append(datagram.segments(self.configuration.conversation))
        }
        return datagrams
    }

    /// Numbers of the segments with data that are to be put out.
    mutating func pushed(at time: Int) -> [UInt32] {
        self.output(at: time).joined().filter { $0.header.command == .push }.map(\.header.number)
    }

    /// Queues so many whole segments.
    mutating func send(segments: Int) {
        self.send(ByteBuffer(repeating: 7, count: segments * self.configuration.segment))
    }
}

/// Datagrams under way, by the time at which they arrive.
struct ArrivalQueue {
    struct Entry {
        var time: Int64
        var order: UInt64
        var end: Int
        var datagram: ByteBuffer
        func isBefore(_ other: Entry) -> Bool { (self.time, self.order) < (other.time, other.order) }
    }

    private var heap: ContiguousArray<Entry> = []
    private var order: UInt64 = 0

    var first: Entry? { self.heap.first }
    var count: Int { self.heap.count }

    mutating func append(_ datagram: ByteBuffer, to end: Int, at time: Int64) {
        self.order += 1
        self.heap.append(Entry(time: time, order: self.order, end: end, datagram: datagram))
        var child = self.heap.count - 1
        while child > 0, self.heap[child].isBefore(self.heap[(child - 1) / 2]) {
            self.heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst() -> Entry? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        guard !self.heap.isEmpty else { return first }
        self.heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.heap.count {
                if self.heap[child].isBefore(self.heap[least]) { least = child }
            }
            if least == parent { return first }
            self.heap.swapAt(least, parent)
            parent = least
        }
    }
}
