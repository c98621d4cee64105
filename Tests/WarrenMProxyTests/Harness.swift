// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// One machine, a clock that moves when told, and what the machine said.
struct Harness<Machine: SessionMachine> {
    var machine: Machine
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var writable = true

    init(_ machine: Machine) {
        self.machine = machine
        self.machine.start(now: self.now)
    }

    mutating func drain() -> [SessionAction] {
        var actions: [SessionAction] = []
        while let action = self.machine.next(now: self.now, writable: self.writable) { actions.append(action) }
        return actions
    }

    mutating func receive(_ bytes: ByteBuffer) -> [SessionAction] {
        self.machine.receive(bytes)
        return self.drain()
    }

    /// A frame as text: `IPv4,…,LEN,…`, with the length of the body put in for `#`.
    mutating func receive(_ header: String, _ body: String = "") -> [SessionAction] {
        self.receive(frame(header, body))
    }

    mutating func control(_ json: String) -> [SessionAction] { self.receive(",,,#,control", json) }

    mutating func after(_ time: TimeAmount) -> [SessionAction] {
        self.now = self.now + time
        return self.drain()
    }
}

func frame(_ header: String, _ body: String = "") -> ByteBuffer {
    let text = header.replacing("#", with: String(body.utf8.count))
    return ByteBuffer(bytes: [0xFE, UInt8(text.utf8.count)]) + ByteBuffer(string: text + body)
}

func written(_ header: String, _ body: String = "") -> SessionAction { .write(frame(header, body)) }
func control(_ json: String) -> SessionAction { written(",,,#,control", json) }

/// The session ends because the peer broke a rule.
func isViolation(_ action: SessionAction?) -> Bool {
    if case .close(.violation) = action { true } else { false }
}

extension [SessionAction] {
    /// The first stream that they open.
    var opened: StreamID? {
        for case .open(let stream, _) in self { return stream }
        return nil
    }
}

let hello = #"[1,"hello",[1],["add_token","delete_token","auth","authn","authz"]]"#
let visitor = "IPv4,127.0.0.1,40000"

func accepted(_ names: [String] = ["foo.test"], _ ports: [UInt16] = []) -> Verdict {
    .accepted(name: "device", credential: MProxy.Entitlement(names: names, ports: ports).claims.array)
}

func service(_ name: String, _ port: UInt16 = 0) -> Destination { .service(name: name, port: port) }

func socket(_ address: String, _ port: Int) -> SocketAddress {
    guard let socket = try? SocketAddress(ipAddress: address, port: port) else { fatalError("no address: \(address)") }
    return socket
}

extension Harness where Machine == MProxy.RelayMachine {
    /// A relay whose device has shown one token for `foo.test` and port 7350.
    static func up(_ configuration: MProxy.RelayConfiguration = .init(sharedName: "shared.test")) -> Self {
        var relay = Self(MProxy.RelayMachine(configuration))
        _ = relay.drain()
        if configuration.dialect == .node { _ = relay.control(#"[5,"add_token","a.b.c"]"#) }
        relay.machine.judged(accepted(["foo.test"], [7350]))
        _ = relay.drain()
        return relay
    }

    /// A visitor for `foo.test` from the port.
    mutating func visit(_ port: Int = 40000, name: String = "foo.test") throws -> StreamID {
        let request = StreamRequest(service(name, 443), source: socket("127.0.0.1", port))
        let stream = try self.machine.open(request, now: self.now)
        _ = self.drain()
        return stream
    }
}

extension Harness where Machine == MProxy.DeviceMachine {
    /// A device whose only token was taken.
    static func up(_ configuration: MProxy.DeviceConfiguration = .init(tokens: ["a.b.c"])) -> Self {
        var device = Self(MProxy.DeviceMachine(configuration))
        guard configuration.dialect != .go else {
            _ = device.drain()
            return device
        }
        _ = device.control(hello)
        _ = device.control("[-1,null]")
        return device
    }

    /// A visitor whose service is reached.
    mutating func visited(_ port: Int = 40000) throws -> StreamID {
        let actions = self.receive("IPv4,127.0.0.1,\(port),0,connection,443,foo.test,https")
        let stream = try #require(actions.opened)
        self.machine.accept(stream)
        #expect(self.drain() == [])
        return stream
    }
}

typealias Relay = Harness<MProxy.RelayMachine>
typealias Device = Harness<MProxy.DeviceMachine>
