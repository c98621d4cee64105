// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Loads a path to a ``LoadTarget`` and measures it, on threads of its own with plain sockets: as little as possible of
/// what is measured is the generator.
@_spi(Bench) public struct LoadGenerator: Sendable {
    /// Threads of the client, and as many of the target: together at most the processors there are, at most 8.
    public static let lanes = max(1, min(4, ProcessInfo.processInfo.activeProcessorCount / 2))

    private let target: LoadTarget
    private let prepareThread: @Sendable () -> Void

    /// - Parameter onThread: called first of all in every thread.
    public init(target: LoadTarget, onThread: @escaping @Sendable () -> Void = {}) {
        self.target = target
        self.prepareThread = onThread
    }

    /// Bytes from the target, over some connections at a time. Every byte sent must arrive.
    public func down(_ route: LoadRoute, streams: Int, limit: LoadLimit) async -> LoadTally {
        let before = self.target.sent.load(ordering: .acquiring)
        var tally = await self.inLanes(streams) { share, lanes in
            var lane = LoadDownLane(route, streams: share)
            return lane.run(limit.share(of: lanes))
        }
        let sent = self.target.sent.load(ordering: .acquiring) - before
        if tally.failures == 0, sent != tally.count { tally.failed("\(tally.count) of \(sent) bytes arrived") }
        return tally
    }

    /// Bytes to the target, over some connections at a time. Every byte counted was acknowledged.
    public func up(_ route: LoadRoute, streams: Int, limit: LoadLimit) async -> LoadTally {
        let before = self.target.wrong.load(ordering: .acquiring)
        var tally = await self.inLanes(streams) { share, lanes in
            var lane = LoadUpLane(route, streams: share)
            return lane.run(limit.share(of: lanes))
        }
        let wrong = self.target.wrong.load(ordering: .acquiring) - before
        if wrong > 0 { tally.failed("the target got wrong bytes", times: wrong) }
        return tally
    }

    /// Messages of 64 bytes that come back, one at a time on each connection.
    public func roundTrips(_ route: LoadRoute, connections: Int, limit: LoadLimit) async -> LoadTally {
        await self.inLanes(connections) { share, lanes in
            var lane = LoadEchoLane(route, connections: share)
            return lane.run(limit.share(of: lanes))
        }
    }

    /// Connections from the first packet to the end in both directions, one byte there and back on each.
    ///
    /// - Parameter atATime: how many are under way.
    public func connections(_ route: LoadRoute, atATime: Int, limit: LoadLimit) async -> LoadTally {
        await self.inLanes(atATime) { share, lanes in
            var lane = LoadConnectLane(route, atATime: share)
            return lane.run(limit.share(of: lanes))
        }
    }

    /// Opens connections that do nothing, after one byte there and back on each, and keeps them until ``LoadHold/end()``.
    public func hold(_ route: LoadRoute, connections: Int) async throws -> LoadHold {
        try await self.onThread { Result { try LoadHold(route, connections: connections) } }.get()
    }

    private func inLanes(
        _ work: Int, _ body: @escaping @Sendable (_ share: Int, _ lanes: Int) -> LoadTally
    ) async -> LoadTally {
        let lanes = min(work, Self.lanes)
        return await withTaskGroup(of: LoadTally.self) { tasks in
            for lane in 0..<lanes {
                let share = work / lanes + (lane < work % lanes ? 1 : 0)
                tasks.addTask { await self.onThread { body(share, lanes) } }
            }
            return await tasks.reduce(into: LoadTally()) { $0.add($1) }
        }
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                self.prepareThread()
                continuation.resume(returning: body())
            }
        }
    }
}

/// Connections that do nothing.
@_spi(Bench) public struct LoadHold: Sendable {
    private var sockets: [LoadSocket] = []

    init(_ route: LoadRoute, connections: Int) throws {
        self.sockets.reserveCapacity(connections)
        do {
            for _ in 0..<connections {
                let socket = try route.open()
                self.sockets.append(socket)
                var byte = LoadTarget.Purpose.echo
                try withUnsafeMutableBytes(of: &byte) { bytes in
                    try socket.sendAll(UnsafeRawBufferPointer(bytes))
                    try socket.receiveAll(bytes)
                }
            }
        } catch {
            self.end()
            throw error
        }
    }

    /// Closes all of them.
    public func end() {
        for socket in self.sockets { socket.close() }
    }
}
