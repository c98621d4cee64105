// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

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
        while actions.count < 10_000, let action = self.machine.next(now: self.now, writable: self.writable) {
            actions.append(action)
        }
        return actions
    }

    mutating func receive(_ bytes: ByteBuffer) -> [SessionAction] {
        self.machine.receive(bytes)
        return self.drain()
    }

    mutating func receive(_ hex: String) -> [SessionAction] { self.receive(ByteBuffer(hex: hex)) }

    mutating func after(_ time: TimeAmount) -> [SessionAction] {
        self.now = self.now + time
        return self.drain()
    }

    /// Lets every alarm ring that is due within the time.
    mutating func over(_ time: TimeAmount) -> [SessionAction] {
        let end = self.now + time
        var actions: [SessionAction] = []
        while let due = self.machine.deadline, due <= end {
            self.now = max(self.now, due)
            actions += self.drain()
        }
        self.now = end
        return actions + self.drain()
    }
}

typealias Client = Harness<VProxy.ClientMachine>
typealias Server = Harness<VProxy.ServerMachine>

let settings = "000000040000000000"
let fixed = StreamRequest(.fixed)

func syn(_ id: UInt32) -> ByteBuffer { head(.headers, id) }
func rst(_ id: UInt32) -> ByteBuffer { head(.headers, id, flags: 1) }
func fin(_ id: UInt32) -> ByteBuffer { head(.data, id, flags: 1) }

func psh(_ id: UInt32, _ text: String, flags: UInt8 = 0) -> ByteBuffer {
    head(.data, id, flags: flags, length: text.utf8.count) + ByteBuffer(string: text)
}

func head(_ type: VProxy.FrameType, _ id: UInt32, flags: UInt8 = 0, length: Int = 0) -> ByteBuffer {
    var bytes = ByteBuffer()
    bytes.writeVProxyHead(VProxy.FrameHead(type, length: length, flags: flags, stream: id))
    return bytes
}

func ping(_ number: UInt64, flags: UInt8 = 0, extra: [UInt8] = []) -> ByteBuffer {
    var bytes = ByteBuffer()
    bytes.writeVProxyPing(number, flags: flags, extra: extra)
    return bytes
}

func shutdown(_ reason: String, _ dialect: VProxy.Dialect = .deployed) -> ByteBuffer {
    var bytes = ByteBuffer()
    bytes.writeVProxyShutdown(reason, dialect)
    return bytes
}

func + (first: ByteBuffer, second: ByteBuffer) -> ByteBuffer {
    var both = first
    both.writeImmutableBuffer(second)
    return both
}

extension [SessionAction] {
    /// All that was written, as one.
    var written: ByteBuffer {
        self.reduce(ByteBuffer()) { all, action in if case .write(let bytes) = action { all + bytes } else { all } }
    }

    var others: [SessionAction] { self.filter { if case .write = $0 { false } else { true } } }

    func delivered(_ id: UInt32) -> ByteBuffer {
        self.reduce(ByteBuffer()) { all, action in
            if case .deliver(StreamID(id), let bytes) = action { all + bytes } else { all }
        }
    }
}

extension VProxy.Configuration {
    static let plain = VProxy.Configuration(usesExtension: false)
}

extension Harness where Machine == VProxy.ClientMachine {
    /// A client whose server has answered; by default it is a deployed one, and so is the client.
    static func up(_ configuration: VProxy.Configuration = .plain) -> Self {
        var client = Self(VProxy.ClientMachine(configuration))
        _ = client.drain()
        _ = client.receive(settings)
        if configuration.mayExtend { _ = client.receive(ping(1, flags: 1)) }
        return client
    }

    /// A stream that the server has said yes to.
    mutating func opened() throws -> UInt32 {
        let id = try self.machine.open(fixed, now: self.now)
        _ = self.drain()
        #expect(self.receive(syn(id.rawValue)) == [.opened(id)])
        return id.rawValue
    }
}

extension Harness where Machine == VProxy.ServerMachine {
    static func up(_ configuration: VProxy.Configuration = .plain) -> Self {
        var server = Self(VProxy.ServerMachine(configuration))
        _ = server.receive(settings)
        return server
    }

    /// A stream whose target is reached.
    mutating func opened(_ id: UInt32 = 1) -> UInt32 {
        #expect(self.receive(syn(id)) == [.open(StreamID(id), fixed), .write(syn(id))])
        self.machine.accept(StreamID(id))
        #expect(self.drain() == [])
        return id
    }
}
