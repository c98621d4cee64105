// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// A recorded session of deployed programs, in which one of the two is replaced by a machine.
@Suite struct ReplayTests {
    private struct Line {
        var isFromRelay: Bool
        var bytes: ByteBuffer
    }

    /// Long messages were recorded by their length only; they are bodies.
    private static func lines(_ name: String) throws -> [Line] {
        try Vector.lines(name).compactMap { line in
            guard let way = line["dir"]?.text, way == "relay->client" || way == "client->relay",
                let length = line["len"]?.integer
            else { return nil }
            let bytes = line["hex"]?.hex ?? ByteBuffer(repeating: 0, count: length)
            return Line(isFromRelay: way == "relay->client", bytes: bytes)
        }
    }

    @Test func relayTakesTheDeployedDevicesPart() throws {
        var relay = Relay(MProxy.RelayMachine(.init(sharedName: "shared.test")))
        var (said, recorded) = (Self.written(relay.drain()), ByteBuffer())
        var unpacker = MProxy.Unpacker()
        var streams: [MProxy.Address: StreamID] = [:]
        var counts: [String: Int] = [:]
        func perform(_ actions: [SessionAction]) {
            said.writeImmutableBuffer(Self.written(actions))
            for action in actions {
                switch action {
                case .deliver(_, let bytes): counts["bytes", default: 0] += bytes.readableBytes
                case .end(let id, _):
                    counts["ends", default: 0] += 1
                    streams = streams.filter { $0.value != id }
                case .close(let reason): Issue.record("\(reason)")
                default: break
                }
            }
        }
        for line in try Self.lines("session-node-relay-node-client.jsonl") {
            guard line.isFromRelay else {
                perform(relay.receive(line.bytes))
                continue
            }
            unpacker.receive(line.bytes)
            while let event = try unpacker.next() {
                switch event {
                case .connection(let header):
                    var request = StreamRequest(
                        service(header.name, UInt16(header.servicePort) ?? 0), source: header.source.socketAddress)
                    request.scheme = header.service
                    streams[header.source] = try relay.machine.open(request, now: relay.now)
                    recorded.writeImmutableBuffer(try MProxy.Packer.packHeader(header))
                    counts["visitors", default: 0] += 1
                case .data(let header, let bytes):
                    guard let stream = streams[header.source] else { continue }
                    recorded.writeImmutableBuffer(try MProxy.Packer.frame(header, bytes))
                    relay.machine.send(bytes, on: stream)
                case .end(let header):
                    if let stream = streams.removeValue(forKey: header.source) {
                        recorded.writeImmutableBuffer(try MProxy.Packer.frame(header))
                        relay.machine.reset(stream, nil)
                    }
                case .control(let header, let bytes):
                    recorded.writeImmutableBuffer(try MProxy.Packer.frame(header, bytes))
                    relay.machine.judged(accepted(["foo.test"], [7350]))
                case .error, .pause, .resume, .credit, .finish: break
                }
                perform(relay.drain())
            }
        }
        let (ours, theirs) = (try Self.withoutEndsAndPauses(said), try Self.withoutEndsAndPauses(recorded))
        #expect(ours == theirs)
        #expect(counts["visitors"] ?? 0 >= 5)
        #expect(counts["bytes"] ?? 0 > 3_000_000)
    }

    @Test func deviceTakesTheDeployedRelaysPart() throws {
        let lines = try Self.lines("session-node-relay-node-client.jsonl")
        var device = Device(MProxy.DeviceMachine(.init(tokens: ["x"])))
        var unpacker = MProxy.Unpacker()
        var streams: [MProxy.Address: StreamID] = [:]
        var (opened, delivered, ready) = (0, 0, 0)
        var unequal: [String] = []
        func perform(_ actions: [SessionAction]) throws {
            for action in actions {
                switch action {
                case .open(let id, let request):
                    opened += 1
                    device.machine.accept(id)
                    let source = try #require(request.source.flatMap { MProxy.Address($0, .node) })
                    streams[source] = id
                    try perform(device.drain())
                case .deliver(_, let bytes): delivered += bytes.readableBytes
                case .ready: ready += 1
                case .close(let reason): Issue.record("\(reason)")
                default: break
                }
            }
        }
        for line in lines {
            if line.isFromRelay {
                var bytes = line.bytes
                // The recorded token had another number.
                if String(buffer: bytes) == "[-701412996,null]" { bytes = ByteBuffer(string: "[-000000001,null]") }
                if String(buffer: bytes).hasPrefix("[-000000001") { bytes = ByteBuffer(string: "[-1,null]        ") }
                try perform(device.receive(bytes))
                continue
            }
            unpacker.receive(line.bytes)
            while let event = try unpacker.next() {
                guard case .data(let header, let bytes) = event, let stream = streams[header.source] else { continue }
                device.machine.send(bytes, on: stream)
                for case .write(let message) in device.drain() where String(buffer: message).contains(",https,") {
                    if message != (try MProxy.Packer.frame(header, bytes)) { unequal.append(header.source.id) }
                }
            }
        }
        #expect(ready == 1)
        #expect(opened >= 5)
        #expect(delivered > 1000)
        #expect(unequal == [])
    }

    @Test func pausesAndResumesAsRecorded() throws {
        let lines = try Self.lines("session-pause-resume.jsonl").filter(\.isFromRelay).map(\.bytes)
        let index = try #require(lines.firstIndex { String(buffer: $0).contains("pause") })
        let recorded = lines[index..<index + 4].reduce(ByteBuffer(), +)
        var limits = SessionLimits()
        limits.unreadPerStream = 5_392_843
        var relay = Relay.up(.init(limits: limits))
        let stream = try relay.machine.open(
            StreamRequest(service("", 7350), source: socket("127.0.0.1", 35446)), now: relay.now)
        _ = relay.drain()
        var said = ByteBuffer()
        for count in [5_392_843, 886_731] {
            var left = count
            while left > 0 {
                let size = min(left, 65536)
                let header = "IPv4,127.0.0.1,35446,\(size),tcp,7350,"
                said = said + Self.written(relay.receive(frame(header) + ByteBuffer(repeating: 1, count: size)))
                left -= size
            }
        }
        relay.machine.consumed(6_279_574, on: stream)
        #expect(said + Self.written(relay.drain()) == recorded)
    }

    private static func written(_ actions: [SessionAction]) -> ByteBuffer {
        actions.reduce(into: ByteBuffer()) { if case .write(let bytes) = $1 { $0.writeImmutableBuffer(bytes) } }
    }

    /// Warren confirms an end at once, and pauses at another amount; everything else is compared.
    private static func withoutEndsAndPauses(_ stream: ByteBuffer) throws -> [MProxy.Unpacker.Event] {
        var unpacker = MProxy.Unpacker()
        unpacker.receive(stream)
        var events: [MProxy.Unpacker.Event] = []
        while let event = try unpacker.next() {
            switch event {
            case .end, .pause, .resume: break
            case .connection, .data, .error, .control, .credit, .finish: events.append(event)
            }
        }
        return events
    }
}
