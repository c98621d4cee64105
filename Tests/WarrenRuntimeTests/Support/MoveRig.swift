// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A relay with two loops: visitors come in on one, and the session of the device that serves them lives on the other.
struct MoveRig: Sendable {
    static let name = "a.test"
    static let port: UInt16 = 22
    static let head = "POST / HTTP/1.1\r\nHost: \(Self.name)\r\nContent-Length: 1000000\r\n\r\n"

    let loops = Loops(threads: 2)
    let limiter: ConnectionLimiter
    let device: VisitedDevice
    private let outbound: PublicNamesOutbound
    private let listener: Listener
    var near: SocketLoop { self.loops.all[0] }
    var far: SocketLoop { self.loops.all[1] }

    /// - Parameter onVisit: called with each visit at the device, on its loop.
    init(
        _ mode: PublicServer.Mode = .auto, onVisit: @escaping @Sendable (VisitedDevice.Visit) -> Void = { _ in }
    ) async throws {
        let (loops, reporter) = (self.loops, LogRecorder().reporter)
        let plan = PublicNamesOutbound.Plan(duplicates: .replace, judge: NoAuthenticator()) { leg, _, _ in
            leg.discard()
        }
        self.outbound = PublicNamesOutbound(plan, name: "devices", loops: loops, reporter: reporter)
        self.limiter = ConnectionLimiter(limit: 1000, reporter: reporter)
        self.device = VisitedDevice(on: loops.all[1], onVisit: onVisit)
        let sessions = InboundSessions(
            name: "visitors", protocol: "public", outbound: self.outbound, reporter: reporter)
        // On a busy machine a visitor of the test may be silent for long.
        var configuration = PublicServer.Configuration(limits: SessionLimits(handshake: .minutes(5)))
        configuration.mode = mode
        configuration.redirects = false
        let front = PublicServer(configuration, port: Self.port)
        let listening = Listener.Plan(
            name: "visitors", protocol: "public", host: "127.0.0.1", port: 0, home: loops.all[0]
        ) { leg, loop in
            loops.context(on: loop).start(front, on: leg, owner: sessions)
        }
        self.listener = try await Listener.bind(listening, on: loops, gate: self.limiter)
        self.serve(by: self.device)
    }

    /// The name and the port are this device's from now on.
    func serve(by device: VisitedDevice) {
        let holder = NameTable.Holder(session: device, loop: device.loop, device: "device")
        for destination in [Destination.service(name: Self.name, port: 0), .service(name: "", port: Self.port)] {
            _ = self.outbound.table.serve(destination, by: holder)
        }
    }

    /// Whoever serves them is not there any more.
    func leave(_ device: VisitedDevice) { self.outbound.table.leave(device) }

    func visitor() async throws -> Peer { try await Peer.connect(to: self.listener.bound.address) }

    func visit() async throws -> VisitedDevice.Visit { try #require(await self.device.visits.next()) }

    /// Sessions and bridges on each loop, the near one first.
    func living() async throws -> [[Int]] {
        var all: [[Int]] = []
        for loop in [self.near, self.far] {
            let loops = self.loops
            all.append(
                try await loop.submit {
                    let registry = loops.registry(on: loop)
                    return [registry.sessionCount, registry.bridgeCount]
                }.get())
        }
        return all
    }

    /// Waits until so many connections are there, and none of them on the near loop.
    func haveLeft(_ count: Int) async throws {
        let (loops, near, limiter) = (self.loops, self.near, self.limiter)
        while !Task.isCancelled {
            let isSo = try await near.submit {
                limiter.count == count && loops.registry(on: near).sessionCount == 0
            }.get()
            if isSo { return }
            await Task.yield()
        }
    }

    /// Waits until nothing is left of any visitor.
    func settle() async throws {
        while self.limiter.count > 0, !Task.isCancelled { await Task.yield() }
        while try await self.living() != [[0, 0], [0, 0]], !Task.isCancelled { await Task.yield() }
        #expect(self.limiter.count == 0)
    }

    /// The same, and the last thing: no future of its loops completes any more.
    func end() async throws {
        try await self.settle()
        await self.listener.close()
        self.loops.stop()
    }
}
