// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

@Suite("jProxy extension, wire")
struct ExtensionWireTests {
    static let faults: [StreamFault?] = [
        nil, .failed, .refused, .timedOut, .unreachable, .unknownHost, .limit, .notAllowed, .stalled, .idle, .aborted,
        .sessionLost, .unsupported, .shutdown,
    ]
    static let request = JProxy.ConnectRequest(id: 0x0102, host: Host("192.0.2.7"), port: 0x1234)
    static let reply = JProxy.ConnectReply(id: 0x0102, fault: .notAllowed, milliseconds: 0x0304)

    static let bytes: [(JProxy.ExtendedMessage, JProxy.Side, String)] = [
        (.welcome(version: 1), .server, "5e 01"),
        (.open(request, window: 0x0A0B_0C0D), .client, "51 0102 1234 0a0b0c0d 01 04 c0000207"),
        (.opened(reply, window: 0x0A0B_0C0D), .server, "51 0102 07 0304 0a0b0c0d"),
        (.credit(id: 0x0102, 0x0A0B_0C0D), .client, "52 0102 0a0b0c0d"),
        (.finish(id: 0x0102), .server, "53 0102"),
        (.reset(id: 0x0102, .stalled), .client, "54 0102 08"),
        (.reset(id: 0x0102, nil), .client, "54 0102 00"),
        (.ping(0x0102_0304_0506_0708), .client, "55 0102030405060708"),
        (.pong(0x0102_0304_0506_0708), .server, "56 0102030405060708"),
    ]

    @Test("writes and reads the documented bytes", arguments: Self.bytes)
    func documentedBytes(message: JProxy.ExtendedMessage, side: JProxy.Side, hex: String) throws {
        var bytes = ByteBuffer()
        bytes.writeJProxyExtension(message)
        let whole = ByteBuffer(hex: hex)
        #expect(bytes == whole)
        #expect(try bytes.readJProxyExtension(from: side) == message)
        #expect(bytes.readableBytes == 0)
        for length in 1..<whole.readableBytes {
            var short = try #require(whole.getSlice(at: 0, length: length))
            #expect(throws: WireError.self) { try short.readJProxyExtension(from: side) }
            #expect(short.readableBytes == length)
        }
        var longer = whole
        longer.writeInteger(UInt64.max)  // a later version may say more
        #expect(try longer.readJProxyExtension(from: side) == message && longer.readableBytes == 8)
    }

    @Test("leaves other messages alone, and deployed readers leave these", arguments: [JProxy.Side.client, .server])
    func otherTypes(side: JProxy.Side) throws {
        let own: Set<UInt8> = side == .server ? [0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x5E] : Set(0x51...0x56)
        for type in UInt8.min...UInt8.max {
            var bytes = ByteBuffer(bytes: [type] + Array(repeating: 0, count: 40))
            #expect(try (bytes.readJProxyExtension(from: side) == nil) == !own.contains(type))
            guard own.contains(type) else {
                #expect(bytes.readableBytes == 41)
                continue
            }
            for dialect in JProxy.Dialect.allCases {
                var bytes = ByteBuffer(bytes: [type] + Array(repeating: 0, count: 40))
                #expect(try bytes.readJProxyMessage(dialect, from: side) == .unknown(type: type))
            }
        }
    }

    @Test func everyFaultHasItsOwnCode() {
        for (code, fault) in Self.faults.enumerated() {
            #expect(fault?.code ?? 0 == UInt8(code))
            #expect(StreamFault(code: UInt8(code)) == fault)
        }
        for code in UInt8(Self.faults.count)...255 { #expect(StreamFault(code: code) == .failed) }
        for fault in Self.faults.compactMap({ $0 }) where fault.code <= 6 {
            #expect(JProxy.Dialect.deployed.status(fault) == fault.code)
        }
    }

    @Test func announcements() {
        #expect(JProxy.Extension.minor(announcing: 1) == 0xE1)
        for minor in UInt8.min...UInt8.max {
            let isAnnounced = (0xE1...0xEF).contains(minor)
            #expect(JProxy.Extension.version(announcedBy: minor) == (isAnnounced ? 1 : nil))
        }
    }
}
