// SPDX-License-Identifier: Apache-2.0

/// The ports of units that leave, for those that come: a port that both have in common stays open and changes hands. What
/// is new is bound first, so that nothing has changed where it cannot be had.
struct PortExchange {
    /// Open ports that nobody has taken over.
    private var free: [Listener]
    /// Closed ports on which conversations go on.
    private var draining: [Listener]
    private var kept: [Listener] = []
    private var bound: [Listener] = []
    private var takenOver: [(listener: Listener, plan: Listener.Plan)] = []

    init(of leaving: [Listener], draining: [Listener]) {
        self.free = leaving
        self.draining = draining
    }

    /// The port that a plan asks for: an old one, which goes on by its old plan until ``handOver()``, or a new one.
    mutating func take(
        _ plan: Listener.Plan, _ bind: (Listener.Plan) async throws -> Listener
    ) async throws -> Listener {
        if let index = self.free.firstIndex(where: { $0.fits(plan) }) {
            let listener = self.free.remove(at: index)
            self.takenOver.append((listener, plan))
            return listener
        }
        if let listener = await self.takeBack(plan) { return listener }
        let listener = try await bind(plan)
        self.bound.append(listener)
        return listener
    }

    /// The port of a unit that left earlier. One that the system chose is nobody's to come back to.
    private mutating func takeBack(_ plan: Listener.Plan) async -> Listener? {
        guard plan.port > 0, let index = self.draining.firstIndex(where: { $0.fits(plan) }) else { return nil }
        let listener = self.draining.remove(at: index)
        guard await listener.keep() else { return nil }
        self.kept.append(listener)
        self.takenOver.append((listener, plan))
        return listener
    }

    /// Closes what was bound: everything is as it was.
    func undo() async {
        for listener in self.bound { await listener.close() }
        for listener in self.kept { listener.letGo() }
    }

    /// From now on connections go by the new plans.
    func handOver() { for (listener, plan) in self.takenOver { listener.exchange(plan) } }

    /// Closes what nobody has taken over.
    ///
    /// - Returns: closed ports on which conversations go on.
    func closeRest() async -> [Listener] {
        for listener in self.free { await listener.close() }
        return (self.draining + self.free).filter(\.isDraining)
    }
}
