// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// Two legs with a bad connection between them.
///
/// Half-close and reset of either end pass as bytes do, behind those before them.
final class LabConnection: LegEvents {
    private weak var lab: StreamLab?
    private let loop: SocketLoop
    private var up: StreamLane
    private var down: StreamLane

    let needs: LegNeeds = [.ownBytes, .lastWords]

    init(_ lab: StreamLab, _ number: UInt64, front: any Leg, back: any Leg, on loop: SocketLoop) {
        self.lab = lab
        self.loop = loop
        func lane(_ leg: any Leg, _ impairment: StreamImpairment, _ direction: LabDirection) -> StreamLane {
            StreamLane(
                from: leg,
                ImpairedStream(impairment, seed: lab.plan.seed, connection: number, direction: direction))
        }
        self.up = lane(front, lab.plan.up, .up)
        self.down = lane(back, lab.plan.down, .down)
        front.events = self
        back.events = self
    }

    func begin() {
        self.down.source.begin()
        self.up.source.begin()
    }

    func close() {
        for leg in [self.up.source, self.down.source] { leg.end(.shutdown) }
    }

    /// Of both directions.
    var stalls: UInt64 { self.up.stream.stalls &+ self.down.stream.stalls }
}

// MARK: - What the legs tell

extension LabConnection {
    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        let isUp = leg === self.up.source
        self.lab?.count(bytes.readableBytes, isUp ? .up : .down)
        self.change(isUp) { $0.take(bytes, now: self.loop.now) }
    }

    func receivedBurst(by leg: any Leg) { self.pump(leg === self.up.source) }

    func finished(by leg: any Leg) {
        let isUp = leg === self.up.source
        self.change(isUp) { lane in
            guard !lane.isFinished else { return }
            lane.isFinished = true
            lane.end(.finish, now: self.loop.now)
        }
        self.pump(isUp)
    }

    func sent(_ count: Int, by leg: any Leg) {}

    func writabilityChanged(of leg: any Leg) { self.pump(leg !== self.up.source) }

    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        let isUp = leg === self.up.source
        leg.events = nil
        self.change(isUp) { lane in
            lane.hasGone = true
            lane.end(fault == nil ? .leave : .broken, now: self.loop.now)
        }
        self.change(!isUp) { $0.drop() }
        guard self.up.hasGone, self.down.hasGone else { return self.pump(isUp) }
        self.up.drop()
        self.down.drop()
        self.lab?.forget(self)
    }
}

// MARK: - What arrives

extension LabConnection {
    private func change<T>(_ isUp: Bool, _ body: (inout StreamLane) -> T) -> T {
        isUp ? body(&self.up) : body(&self.down)
    }

    private func pump(_ isUp: Bool) {
        let target = isUp ? self.down.source : self.up.source
        while target.isWritable, let item = self.change(isUp, { $0.pop(at: self.loop.now) }) {
            self.deliver(item, to: target)
        }
        target.flush()
        self.change(isUp) { self.steer(&$0) }
        let next = isUp ? self.up.next : self.down.next
        if target.isWritable, let next { self.plan(isUp, at: next) }
    }

    private func deliver(_ item: StreamLane.Item, to target: any Leg) {
        switch item {
        case .bytes(let bytes): target.write(bytes)
        case .finish: target.finish()
        case .leave: target.end(nil)
        case .cut:
            self.lab?.halves &+= 1
            target.finish()
        case .reset, .broken:
            if case .reset = item { self.lab?.resets &+= 1 }
            self.up.source.end(.aborted)
            self.down.source.end(.aborted)
        }
    }

    /// Reads the source or not, by what is on its way.
    private func steer(_ lane: inout StreamLane) {
        let most = lane.stream.impairment.queue
        let isFull = lane.isFull ? 2 * lane.held > most : lane.held >= most
        guard isFull != lane.isFull else { return }
        lane.isFull = isFull
        lane.source.setReading(!isFull)
    }

    private func plan(_ isUp: Bool, at time: NIODeadline) {
        self.change(isUp) { lane in
            if let timer = lane.timer, timer.deadline <= time { return }
            lane.timer?.cancel()
            lane.timer = self.loop.timer(at: time) { [weak self] in
                self?.change(isUp) { $0.timer = nil }
                self?.pump(isUp)
            }
        }
    }
}

@available(*, unavailable)
extension LabConnection: Sendable {}
