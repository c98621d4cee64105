// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy wire")
struct WireTests {
    @Test("decodes and encodes what was recorded", arguments: Recording.all)
    func recordedMessages(name: String) throws {
        for entry in try Recording.load(name).packets {
            guard let fields = entry.fields, let plaintext = entry.plaintext else { continue }
            var bytes = ByteBuffer(hex: plaintext)
            let side: JProxy.Side = entry.dir == "c2s" ? .client : .server
            guard (fields.dlen ?? 0) <= bytes.readableBytes - 5 || fields.msg != "TCP_PACKET" else {
                #expect(throws: WireError(.tooLong, in: "data.length")) {
                    try bytes.readJProxyMessage(.deployed, from: side)
                }
                continue
            }
            let message = try bytes.readJProxyMessage(.deployed, from: side)
            Self.compare(message, fields)
            guard case .unknown = message else {
                var encoded = ByteBuffer()
                encoded.writeJProxyMessage(message, .deployed)
                #expect(encoded.hex + bytes.hex == plaintext)
                continue
            }
        }
    }

    static func compare(_ message: JProxy.Message, _ fields: Recording.Entry.Fields) {
        switch message {
        case .connect(let request):
            #expect(fields.msg == "TCP_CONNECT" && request.id == fields.id && request.port == fields.port)
            switch request.host {
            case .address(let address): #expect(address.packed.hex == fields.addr)
            case .name(let name): #expect(ByteBuffer(string: name).hex == fields.addr)
            case nil: #expect(![1, 2, 3].contains(fields.atype ?? 0))
            }
        case .connectReply(let reply):
            #expect(fields.msg == "TCP_CONNECT_REPLY" && reply.id == fields.id && reply.milliseconds == fields.ms)
            #expect(JProxy.Dialect.deployed.status(reply.fault) == fields.status)
        case .data(let id, let bytes):
            #expect(fields.msg == "TCP_PACKET" && id == fields.id && bytes.readableBytes == fields.dlen)
        case .disconnect(let id):
            #expect(fields.msg == "TCP_DISCONNECT" && id == fields.id && fields.reason == JProxy.disconnectReason)
        case .unknown(let type):
            #expect("0x\(type < 16 ? "0" : "")\(String(type, radix: 16))" == fields.type)
        case .associate, .associateReply, .datagram, .dissociate, .extended:
            Issue.record("not in the deployed dialect")
        }
    }

    static let messages: [(JProxy.Message, JProxy.Side)] = [
        (.connect(.init(id: 0x0102, host: Host("192.0.2.7"), port: 0x1234)), .client),
        (.connect(.init(id: 1, host: Host("2001:db8::1"), port: 443)), .client),
        (.connect(.init(id: 1, host: .name(String(repeating: "n.", count: 127)), port: 443)), .client),
        (.connect(.init(id: 1, host: nil, port: 443)), .client),
        (.connectReply(.init(id: 2, fault: nil, milliseconds: 0x0304)), .server),
        (.connectReply(.init(id: 2, fault: .refused, milliseconds: 7)), .server),
        (.data(id: 0x0102, ByteBuffer(string: "data")), .server),
        (.disconnect(id: 0x0102), .client),
    ]
    static let udpMessages: [(JProxy.Message, JProxy.Side)] = [
        (.associate(.init(id: 0x0102, host: Host("192.0.2.7"), port: 53), localPort: 9), .client),
        (.associateReply(id: 3, isAccepted: true, localPort: 0x0102), .server),
        (.associateReply(id: 3, isAccepted: false, localPort: 0), .server),
        (.datagram(id: 0x0102, ByteBuffer(string: "data")), .server),
        (.dissociate(id: 0x0102), .client),
    ]

    @Test("reads back what it writes", arguments: JProxy.Dialect.allCases)
    func roundTrip(dialect: JProxy.Dialect) throws {
        for (message, side) in Self.messages + (dialect == .document ? Self.udpMessages : []) {
            var bytes = ByteBuffer()
            bytes.writeJProxyMessage(message, dialect)
            #expect(try bytes.readJProxyMessage(dialect, from: side) == message)
            #expect(bytes.readableBytes == 0)
        }
    }

    @Test func everyShortMessageIsTooShort() {
        for (message, side) in Self.messages + Self.udpMessages {
            var whole = ByteBuffer()
            whole.writeJProxyMessage(message, .document)
            for length in 0..<whole.readableBytes {
                var bytes = whole.getSlice(at: 0, length: length) ?? ByteBuffer()
                #expect(throws: WireError.self) { try bytes.readJProxyMessage(.document, from: side) }
            }
        }
    }

    @Test(
        "document dialect",
        arguments: [
            (JProxy.Message.data(id: 0x0102, ByteBuffer(bytes: [7])), "15020101 0007"),
            (.disconnect(id: 0x0102), "29020104"), (.dissociate(id: 0x0102), "2a0201"),
            (.datagram(id: 0x0102, ByteBuffer(bytes: [7])), "16020101 0007"),
            (.connectReply(.init(id: 0x0102, fault: .refused, milliseconds: 0x0304)), "010201010403"),
            (.connectReply(.init(id: 0x0102, fault: .timedOut, milliseconds: 0x0304)), "010201020403"),
            (.associate(.init(id: 1, host: Host("1.2.3.4"), port: 53), localPort: 9), "0201000900350001040102 0304"),
        ])
    func documentDialect(message: JProxy.Message, hex: String) {
        var bytes = ByteBuffer()
        bytes.writeJProxyMessage(message, .document)
        #expect(bytes == ByteBuffer(hex: hex))
    }

    @Test(
        "hostile addresses make no sense but are answered",
        arguments: [
            "0001 0050 01 03 010203", "0001 0050 02 04 01020304", "0001 0050 03 00", "0001 0050 09 01 41",
            "0001 0050 03 02 c328", "0001 0050 03 03 410042", "0001 0050 03 02 410a",
        ])
    func senselessAddress(hex: String) throws {
        var bytes = ByteBuffer(hex: "01" + hex)
        #expect(try bytes.readJProxyMessage(.deployed, from: .client) == .connect(.init(id: 1, host: nil, port: 80)))
    }

    @Test(
        "statuses",
        arguments: [
            (StreamFault.failed, 1), (.refused, 2), (.timedOut, 3), (.unreachable, 4), (.unknownHost, 5), (.limit, 6),
        ] as [(StreamFault, UInt8)])
    func statuses(fault: StreamFault, status: UInt8) {
        #expect(JProxy.Dialect.deployed.status(fault) == status)
        #expect(JProxy.Dialect.deployed.fault(status: status) == fault)
        #expect(JProxy.Dialect.deployed.fault(status: 200) == .failed)
    }

    @Test func detectsByMagic() {
        #expect(JProxy.detect(ByteBuffer(string: "").readableBytesView) == .needs(bytes: 6))
        #expect(JProxy.detect(ByteBuffer(string: "jPr").readableBytesView) == .needs(bytes: 6))
        #expect(JProxy.detect(ByteBuffer(string: "jProxy").readableBytesView) == .yes)
        #expect(JProxy.detect(ByteBuffer(string: "jProxy\u{3}\u{0}").readableBytesView) == .yes)
        #expect(JProxy.detect(ByteBuffer(string: "jX").readableBytesView) == .no)
        #expect(JProxy.detect(ByteBuffer(string: "GET / HTTP/1.1").readableBytesView) == .no)
    }
}
