// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct ProxyHeaderTests {
    private static func text(_ header: ProxyHeader, _ address: String?, port: UInt16 = 443) throws -> String {
        let source = try address.map { try SocketAddress(ipAddress: $0, port: 40000) }
        return String(buffer: header.bytes(source: source, port: port))
    }

    @Test func theFirstVersionIsALine() throws {
        #expect(try Self.text(.v1, "192.0.2.7") == "PROXY TCP4 192.0.2.7 0.0.0.0 40000 443\r\n")
        #expect(try Self.text(.v1, "2001:db8::7") == "PROXY TCP6 2001:db8::7 :: 40000 443\r\n")
        #expect(try Self.text(.v1, nil) == "PROXY UNKNOWN\r\n")
    }

    @Test func theSecondVersionIsBinary() throws {
        let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
        func bytes(_ address: String?) throws -> [UInt8] {
            let source = try address.map { try SocketAddress(ipAddress: $0, port: 40000) }
            return Array(ProxyHeader.v2.bytes(source: source, port: 443).readableBytesView)
        }
        let v4: [UInt8] = [0x21, 0x11, 0, 12, 192, 0, 2, 7, 0, 0, 0, 0, 0x9C, 0x40, 0x01, 0xBB]
        #expect(try bytes("192.0.2.7") == signature + v4)
        let v6: [UInt8] = [0x21, 0x21, 0, 36, 0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [7]
        #expect(try bytes("2001:db8::7") == signature + v6 + Array(repeating: 0, count: 16) + [0x9C, 0x40, 0x01, 0xBB])
        #expect(try bytes(nil) == signature + [0x20, 0, 0, 0])
    }
}
