// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("SOCKS4 inbound") struct SOCKS4ServerTests {
    static func reply(_ code: UInt8) -> [UInt8] { [0, code, 0, 0, 0, 0, 0, 0] }

    static let good: [([UInt8], SessionAction)] = [
        // curl 7.88 --socks4 http://127.0.0.1/ and --socks4a alice@… http://example.net/
        ([4, 1, 0, 80, 127, 0, 0, 1, 0], .open("127.0.0.1", 80)),
        ([4, 1, 0, 80, 0, 0, 0, 1] + "alice" + [0] + "example.net" + [0], .open("example.net", 80)),
        // The example of the SOCKS4 text: Fred connects to 66.102.7.99:80.
        ([4, 1, 0, 0x50, 0x42, 0x66, 7, 0x63, 0x46, 0x72, 0x65, 0x64, 0], .open("66.102.7.99", 80)),
        ([4, 1, 1, 0xBB, 0, 0, 0, 255, 0] + "2001:db8::1" + [0], .open("2001:db8::1", 443)),
        ([4, 1, 0, 80, 0, 0, 0, 0, 0], .open("0.0.0.0", 80)),
        ([4, 1, 0, 80, 0, 0, 1, 0, 0], .open("0.0.1.0", 80)),
    ]

    @Test("connects, however the bytes arrive", arguments: good)
    func connects(_ bytes: [UInt8], _ open: SessionAction) {
        for split in everySplit(bytes + "early") {
            #expect(
                conversation(SOCKS4Server(openFront), split) == [open, .write(Self.reply(0x5A)), .handOver("early")]
            )
        }
    }

    @Test("has one no for every fault", arguments: SOCKS5ServerTests.replies.map(\.0))
    func refuses(_ fault: StreamFault?) {
        var driver = ProxyServerDriver(SOCKS4Server(openFront))
        driver.receive(Self.good[0].0)
        _ = driver.take()
        driver.refuse(fault)
        #expect(driver.take() == [.write(Self.reply(0x5B)), .close(.finished)])
    }

    @Test func refusesEveryoneWhereALoginIsRequired() {
        #expect(
            conversation(SOCKS4Server(lockedFront), [Self.good[1].0[...]]) == [
                .write(Self.reply(0x5D)), .close(.denied),
            ]
        )
    }

    @Test func doesNotBind() {
        #expect(
            conversation(SOCKS4Server(openFront), [[4, 2, 0, 80, 127, 0, 0, 1, 0]]) == [
                .write(Self.reply(0x5B)), .close(.finished),
            ]
        )
    }

    static let bad: [([UInt8], WireError.Code, String)] = [
        ([4, 3, 0, 80, 127, 0, 0, 1, 0], .badValue, "request.command"),
        ([4, 1, 0, 0, 127, 0, 0, 1, 0], .badValue, "request.port"),
        ([4, 1, 0, 80, 0, 0, 0, 1, 0, 0], .tooShort, "request.name"),
        ([4, 1, 0, 80, 0, 0, 0, 1, 0] + "a b" + [0], .badValue, "request.name"),
        ([4, 1, 0, 80, 127, 0, 0, 1] + [UInt8](repeating: 65, count: 256), .tooLong, "request.user"),
        ([4, 1, 0, 80, 0, 0, 0, 1, 0] + [UInt8](repeating: 65, count: 256), .tooLong, "request.name"),
    ]
    @Test("refuses what is not allowed", arguments: bad)
    func refusesBad(_ bytes: [UInt8], _ code: WireError.Code, _ field: String) {
        for split in everySplit(bytes) {
            #expect(
                conversation(SOCKS4Server(openFront), split) == [.write(Self.reply(0x5B)), .violation(code, field)]
            )
        }
    }

    @Test func takesUsersOf255BytesAndTheLongestNames() {
        let user = [UInt8](repeating: 97, count: 255)
        let name = String(repeating: "a.", count: 127)
        let bytes = [4, 1, 0, 80, 0, 0, 0, 1] + user + [0] + Array(name.utf8) + [0]
        #expect(conversation(SOCKS4Server(openFront), [bytes[...]])[0] == .open(name, 80))
    }

    @Test func closesOnAnotherVersionWithoutAWord() {
        #expect(conversation(SOCKS4Server(openFront), [[5]]) == [.violation(.badValue, "request.version")])
    }

    @Test func timesOut() {
        var driver = ProxyServerDriver(SOCKS4Server(openFront))
        driver.receive([4, 1])
        driver.now = driver.now + .seconds(10)
        driver.pull()
        #expect(driver.take() == [.close(.timedOut(phase: "SOCKS4 request"))])
    }

    @Test func handsOverAfterAHalfClose() {
        var driver = ProxyServerDriver(SOCKS4Server(openFront))
        driver.receive(Self.good[0].0)
        #expect(driver.machine.deadline == nil)
        driver.receiveEnd()
        _ = driver.take()
        driver.accept()
        #expect(driver.take() == [.write(Self.reply(0x5A)), .handOver("")])
    }

    @Test func closesWhenTheUserLeavesBeforeTheRequest() {
        var driver = ProxyServerDriver(SOCKS4Server(openFront))
        driver.receive([4, 1, 0])
        driver.receiveEnd()
        #expect(driver.take() == [.close(.finished)])
    }

    @Test func detectsItself() {
        #expect(SOCKS4Server.detect(ByteBuffer().readableBytesView) == .needs(bytes: 1))
        #expect(SOCKS4Server.detect(ByteBuffer(bytes: [4]).readableBytesView) == .yes)
        #expect(SOCKS4Server.detect(ByteBuffer(bytes: [5]).readableBytesView) == .no)
    }
}
