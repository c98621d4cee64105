// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A UDP port whose conversations a test ends.
private final class HeldPort: UDPPort {
    private let socket: DatagramSocket
    private(set) var whenEmpty: () -> Void = {}

    init(_ socket: DatagramSocket) { self.socket = socket }

    func start() {}
    func stop(whenEmpty: @escaping () -> Void) { self.whenEmpty = whenEmpty }
    func resume() { self.whenEmpty = {} }
    func exchanged() {}
    func fits(_ plan: Listener.Plan) -> Bool { true }
    func leave() -> DatagramSocket { self.socket }
    func close() { self.socket.close() }
}

private final class Count: Sendable {
    let value = Mutex(0)
}

/// A port with two sockets that is closed.
private final class DrainRig {
    let loop = SocketLoop.manual()
    let drain = UDPDrain()
    private var doors: [UDPDoor] = []
    private(set) var ports: [HeldPort] = []
    private let count = Count()

    init() throws {
        let plan = Listener.Plan(name: "front", protocol: "test", host: nil, port: 0) { leg, _ in leg.discard() }
        for _ in 0..<2 {
            let address = PeerAddress(IPAddress(v4: 0x7f00_0001), port: 0)
            let descriptor = try #require(try DatagramSocket.bind(to: address, times: 1, options: .kcp).first)
            let socket = try #require(DatagramSocket(descriptor, on: self.loop))
            let port = HeldPort(socket)
            self.ports.append(port)
            self.doors.append(UDPDoor(socket, drain: self.drain, plan: { plan }, make: { _, _ in port }))
        }
    }

    /// How often the end was told of.
    var told: Int { self.count.value.withLock { $0 } }

    func listen() { self.drain.whenClosed { [count] in count.value.withLock { $0 += 1 } } }

    func stop() {
        self.drain.begin()
        for door in self.doors { door.stop() }
    }
}

@Suite struct UDPDrainTests {
    @Test func theEndIsToldOfOnceBehindTheLastConversation() throws {
        let rig = try DrainRig()
        rig.stop()
        rig.listen()
        rig.ports[0].whenEmpty()
        #expect(rig.told == 0 && rig.drain.isDraining)
        rig.ports[1].whenEmpty()
        #expect(rig.told == 1 && rig.drain.isClosed)
        rig.loop.runOnce()
        #expect(rig.told == 1)
    }

    @Test func whoAsksTooLateIsToldAtOnce() throws {
        let rig = try DrainRig()
        rig.stop()
        for port in rig.ports { port.whenEmpty() }
        rig.listen()
        #expect(rig.told == 1)
        rig.loop.runOnce()
    }

    @Test func aPortThatIsTakenOverHasNoEnd() throws {
        let rig = try DrainRig()
        rig.stop()
        rig.listen()
        #expect(rig.drain.keep())
        for port in rig.ports { port.whenEmpty() }
        #expect(rig.told == 0)
        rig.drain.reopen()
        // What is closed later is another end.
        rig.stop()
        for port in rig.ports { port.whenEmpty() }
        #expect(rig.told == 0 && rig.drain.isClosed)
        rig.loop.runOnce()
    }

    @Test func aPortThatIsLetGoOfHasItsEnd() throws {
        let rig = try DrainRig()
        rig.stop()
        rig.listen()
        #expect(rig.drain.keep())
        for port in rig.ports { port.whenEmpty() }
        rig.drain.letGo()
        #expect(rig.told == 1 && rig.drain.isClosed)
        rig.loop.runOnce()
    }
}
