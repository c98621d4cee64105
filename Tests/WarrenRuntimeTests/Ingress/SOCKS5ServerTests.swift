// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("SOCKS5 inbound") struct SOCKS5ServerTests {
    static let granted: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    static func refused(_ reply: UInt8) -> [UInt8] { [5, reply, 0, 1, 0, 0, 0, 0, 0, 0] }
    static let login: [UInt8] = [1, 5] + "alice" + [6] + "secret"

    struct Good: CustomTestStringConvertible {
        let testDescription: String
        let request: [UInt8]
        let action: SessionAction
    }
    static let good = [
        // curl 7.88 --socks5, --socks5-hostname, and the latter with an IPv6 URL.
        Good(
            testDescription: "IPv4", request: [5, 1, 0, 1, 127, 0, 0, 1, 0x1F, 0x90], action: .open("127.0.0.1", 8080)
        ),
        Good(
            testDescription: "name", request: [5, 1, 0, 3, 11] + "example.net" + [0, 80],
            action: .open("example.net", 80)),
        Good(
            testDescription: "IPv6",
            request: [5, 1, 0, 4, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80],
            action: .open("2001:db8::1", 80)
        ),
        Good(
            testDescription: "IPv4 as a name", request: [5, 1, 0, 3, 9] + "192.0.2.7" + [1, 0xBB],
            action: .open("192.0.2.7", 443)
        ),
        Good(testDescription: "IPv6 as a name", request: [5, 1, 0, 3, 3] + "::1" + [0, 1], action: .open("::1", 1)),
        Good(
            testDescription: "reserved byte set", request: [5, 1, 0xFF, 1, 192, 0, 2, 7, 0xFF, 0xFF],
            action: .open("192.0.2.7", 65535)
        ),
    ]

    @Test("connects without a login, however the bytes arrive", arguments: good)
    func connects(_ good: Good) {
        // curl offers [0, 1]; the bytes after the request are the user's first.
        let bytes = [5, 2, 0, 1] + good.request + "early"
        for split in everySplit(bytes) {
            #expect(
                conversation(SOCKS5Server(openFront), split) == [
                    .write([5, 0]), good.action, .write(Self.granted), .handOver("early"),
                ]
            )
        }
    }

    @Test("connects with a login, however the bytes arrive", arguments: good)
    func connectsWithLogin(_ good: Good) {
        let bytes = [5, 3, 0, 1, 2] + Self.login + good.request
        for split in everySplit(bytes) {
            #expect(
                conversation(SOCKS5Server(lockedFront), split) == [
                    .write([5, 2]), .authenticate("alice", "secret"), .write([1, 0]), good.action,
                    .write(Self.granted), .handOver(""),
                ]
            )
        }
    }

    @Test func takesNamesOfOtherScripts() {
        let name = Array("bücher.example".utf8)
        let bytes: [UInt8] = [5, 1, 0, 5, 1, 0, 3, UInt8(name.count)] + name + [0, 80]
        #expect(conversation(SOCKS5Server(openFront), [bytes[...]])[1] == .open("bücher.example", 80))
    }

    @Test func takesTheLongestNames() {
        let name = String(repeating: "a.", count: 127)
        let bytes: [UInt8] = [5, 1, 0, 5, 1, 0, 3, 254] + name + [0, 80]
        #expect(conversation(SOCKS5Server(openFront), [bytes[...]])[1] == .open(name, 80))
    }

    @Test(
        "refuses methods it does not have",
        arguments: [([1, 2, 0x80], openFront), ([], openFront), ([0, 1], lockedFront)])
    func refusesMethods(_ methods: [UInt8], _ configuration: ProxyServerConfiguration) {
        let bytes: [UInt8] = [5, UInt8(methods.count)] + methods
        #expect(conversation(SOCKS5Server(configuration), [bytes[...]]) == [.write([5, 0xFF]), .close(.denied)])
    }

    @Test func deniesAWrongPassword() {
        let bytes: [UInt8] = [5, 1, 2] + Self.login + [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]
        for split in everySplit(bytes) {
            #expect(
                conversation(SOCKS5Server(lockedFront), split, verdict: .denied) == [
                    .write([5, 2]), .authenticate("alice", "secret"), .write([1, 1]), .close(.denied),
                ]
            )
        }
    }

    @Test func refusesAnotherLoginVersion() {
        let bytes: [UInt8] = [5, 1, 2, 5]
        #expect(
            conversation(SOCKS5Server(lockedFront), [bytes[...]]) == [
                .write([5, 2]), .write([1, 1]), .violation(.badValue, "login.version"),
            ]
        )
    }

    @Test("leaves empty names and passwords to the judge")
    func takesAnEmptyLogin() {
        let bytes: [UInt8] = [5, 1, 2, 1, 0, 0]
        #expect(conversation(SOCKS5Server(lockedFront), [bytes[...]])[1] == .authenticate("", ""))
    }

    @Test("closes on another version without a word", arguments: [0, 4, 6, 0x16, 0x47] as [UInt8])
    func closesOnVersion(_ version: UInt8) {
        #expect(conversation(SOCKS5Server(openFront), [[version]]) == [.violation(.badValue, "greeting.version")])
    }

    @Test("answers what it does not do", arguments: [(2, 1, 7), (3, 1, 7), (9, 1, 7), (1, 0, 8), (1, 2, 8), (1, 5, 8)])
    func answersUnsupported(_ command: UInt8, _ type: UInt8, _ reply: UInt8) {
        let bytes: [UInt8] = [5, 1, 0, 5, command, 0, type, 0]
        #expect(
            conversation(SOCKS5Server(openFront), [bytes[...]]) == [
                .write([5, 0]), .write(Self.refused(reply)), .close(.finished),
            ]
        )
    }

    @Test(
        "refuses bad names",
        arguments: [
            "", "a b", "a\0b", "a\u{7F}", "a\nb", "\t", "a\u{202E}b", "a\u{A0}b", "a\u{85}b", "a\u{200B}b",
            "fe80::1%eth0",
        ]
    )
    func refusesNames(_ name: String) {
        let bytes: [UInt8] = [5, 1, 0, 5, 1, 0, 3, UInt8(name.utf8.count)] + name + [0, 80]
        let code = name.isEmpty ? WireError.Code.tooShort : .badValue
        #expect(
            conversation(SOCKS5Server(openFront), [bytes[...]]) == [
                .write([5, 0]), .write(Self.refused(1)), .violation(code, "request.name"),
            ]
        )
    }

    @Test func refusesNamesThatAreNoText() {
        let bytes: [UInt8] = [5, 1, 0, 5, 1, 0, 3, 2, 0xC3, 0x28, 0, 80]
        #expect(conversation(SOCKS5Server(openFront), [bytes[...]]).last == .violation(.badValue, "request.name"))
    }

    @Test func refusesPortZero() {
        let bytes: [UInt8] = [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 0]
        #expect(conversation(SOCKS5Server(openFront), [bytes[...]]).last == .violation(.badValue, "request.port"))
    }

    static let replies: [(StreamFault?, UInt8)] = [
        (.refused, 5), (.unreachable, 3), (.unknownHost, 4), (.timedOut, 6), (.notAllowed, 2), (.limit, 1),
        (.stalled, 1),
        (.idle, 1), (.aborted, 1), (.sessionLost, 1), (.unsupported, 7), (.shutdown, 1), (.failed, 1), (nil, 1),
    ]
    @Test("answers each fault with its code", arguments: replies)
    func answersFaults(_ fault: StreamFault?, _ reply: UInt8) {
        var driver = ProxyServerDriver(SOCKS5Server(openFront))
        driver.receive([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80])
        _ = driver.take()
        driver.refuse(fault)
        #expect(driver.take() == [.write(Self.refused(reply)), .close(.finished)])
        driver.accept()
        driver.receive([1])
        #expect(driver.take().isEmpty)
    }

    @Test("times out in every phase of the request", arguments: 0..<20)
    func timesOut(_ count: Int) {
        let bytes: [UInt8] = [5, 1, 2] + Self.login + [5, 1, 0, 1, 127]
        var driver = ProxyServerDriver(SOCKS5Server(lockedFront))
        driver.receive(bytes.prefix(count))
        _ = driver.take()
        #expect(driver.machine.deadline == .uptimeNanoseconds(10_000_000_000))
        driver.now = driver.now + .seconds(10)
        driver.pull()
        #expect(driver.take() == [.close(.timedOut(phase: "SOCKS5 request"))])
        #expect(driver.machine.deadline == nil)
    }

    @Test func waitsForTheDestinationAsLongAsItTakes() {
        var driver = ProxyServerDriver(SOCKS5Server(openFront))
        driver.receive([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80])
        #expect(driver.machine.deadline == nil)
        driver.now = driver.now + .hours(1)
        _ = driver.take()
        driver.accept()
        #expect(driver.take() == [.write(Self.granted), .handOver("")])
    }

    @Test func closesWhenTheUserLeavesBeforeTheRequest() {
        var driver = ProxyServerDriver(SOCKS5Server(openFront))
        driver.receive([5, 1, 0, 5, 1])
        driver.receiveEnd()
        #expect(driver.take() == [.write([5, 0]), .close(.finished)])
    }

    @Test func handsOverAfterAHalfClose() {
        var driver = ProxyServerDriver(SOCKS5Server(openFront))
        driver.receive([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80] + "all")
        driver.receiveEnd()
        _ = driver.take()
        driver.accept()
        #expect(driver.take() == [.write(Self.granted), .handOver("all")])
    }

    @Test func boundsWhatComesEarly() {
        var driver = ProxyServerDriver(SOCKS5Server(openFront))
        driver.receive([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80])
        driver.receive(repeatElement(0, count: 65535))
        #expect(driver.machine.wantsBytes)
        driver.receive([0])
        #expect(!driver.machine.wantsBytes)
    }

    @Test func detectsItself() {
        #expect(SOCKS5Server.detect(ByteBuffer().readableBytesView) == .needs(bytes: 1))
        #expect(SOCKS5Server.detect(ByteBuffer(bytes: [5]).readableBytesView) == .yes)
        #expect(SOCKS5Server.detect(ByteBuffer(bytes: [4, 5]).readableBytesView) == .no)
    }
}
