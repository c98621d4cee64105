// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// What two Warrens say to each other, and that nobody else ever hears it.
@Suite struct ExtensionTests {
    private static let welcome = control(#"[4,"windows",1]"#)
    private static let ping = control(#"[4294967297,"ping"]"#)
    private static let window = 1 << 20

    /// A relay whose device has announced the extension.
    private static func relay() -> Relay { .up(.init(usesExtension: true)) }

    /// A device whose relay uses it, too.
    private static func device() -> Device {
        var device = Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: true)))
        _ = device.control(hello)
        _ = device.control(#"[4,"windows",1]"#)
        _ = device.control("[-1,null]")
        return device
    }

    private static func credit(_ bytes: Int) -> SessionAction {
        written("\(visitor),#,credit,443,foo.test", "\(bytes)")
    }

    // MARK: Announcing

    @Test func aDeviceThatHasAnnouncedItSaysToEveryRelayWhatDeployedDevicesSay() {
        for usesExtension in [true, false] {
            var device = Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: usesExtension)))
            #expect(device.control(hello) == [control(#"[1,"add_token","a"]"#), control("[-1,null]")])
        }
    }

    @Test(
        arguments: [
            (MProxy.Extension.announcement, true), ("windows=2", true), ("other, windows=1", true),
            (" windows = 1 ,x=y", true), ("", false), ("windows", false), ("windows=", false), ("windows=0", false),
            ("windows=-1", false), ("windows=+1", false), ("windows=1x", false), ("windows=1=1", false),
            ("xwindows=1", false), ("windows=99999999999999999999", false), (",,,", false),
            ("windows=1," + String(repeating: "x", count: 256), false),
        ])
    func anUpgradeAnnouncesItInOneHeader(value: String, isAnnounced: Bool) {
        #expect(MProxy.Upgrade(target: "/", extensions: value).usesExtension == isAnnounced)
        // Peers in Go have no control messages to answer in.
        #expect(!MProxy.Upgrade(target: "/ws", authorization: "Bearer a", extensions: value).usesExtension)
        #expect(!MProxy.Upgrade(target: "/").usesExtension)
    }

    @Test func aRelayAnswersOnlyWhoHasAnnouncedIt() {
        var relay = Relay(MProxy.RelayMachine(.init(usesExtension: true)))
        #expect(relay.drain() == [control(hello), Self.welcome, Self.ping])
        var deployed = Relay(MProxy.RelayMachine(.init()))
        #expect(deployed.drain() == [control(hello)])
        var go = Relay(MProxy.RelayMachine(.init(dialect: .go, token: "a", usesExtension: true)))
        #expect(go.drain() == [.authenticate(Claim(identity: [], proof: Array("a".utf8)))])
        go.machine.judged(accepted())
        #expect(!go.drain().contains { if case .write = $0 { true } else { false } })
    }

    @Test func aDeviceThatAnnouncedNothingDoesNotKnowTheAnswer() {
        var device = Device.up()
        #expect(
            device.control(#"[4,"windows",1]"#)
                == [control(#"[-4,{"message":"unknown command \"windows\"","code":"E_UNKNOWN_COMMAND"}]"#)])
        var later = Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: true)))
        _ = later.control(hello)
        for version in ["2", "0", "-1", "null", "\"1\""] {
            #expect(later.control("[4,\"windows\",\(version)]").count == 1)
        }
        // Nor has a relay in Go anything to say about it.
        var go = Device(MProxy.DeviceMachine(.init(dialect: .go, usesExtension: true)))
        _ = go.drain()
        #expect(go.control(#"[4,"windows",1]"#) == [])
        _ = go.receive("tun,1.2.3.4,5,#,https,443,foo.test,\n", "x")
        go.machine.accept(StreamID(1))
        _ = go.drain()
        go.machine.send(ByteBuffer(string: "y"), on: StreamID(1))
        #expect(go.drain() == [written("tun,1.2.3.4,5,#,https,443,foo.test,\n", "y")])
    }

    @Test func aDeviceThatTakesItBackEndsTheSession() {
        var relay = Self.relay()
        #expect(relay.control(#"[-4,null]"#) == [])
        #expect(isViolation(relay.control(#"[-4,{"code":"E_UNKNOWN_COMMAND"}]"#).last))
        var deployed = Relay.up()
        #expect(deployed.control(#"[-4,{"code":"E_UNKNOWN_COMMAND"}]"#) == [])
    }

    @Test func idsOfPingsAreThoseOfNoOtherCommand() {
        for number in [0, 1, 0xFFFF_FFFF] as [UInt64] {
            #expect(MProxy.Extension.number(ofPing: MProxy.Extension.ping(number)) == number)
        }
        for id in [0, 1, 17, 1_000_000_000, 1 << 33, Int.max] { #expect(MProxy.Extension.number(ofPing: id) == nil) }
    }

    /// Everything that a machine can be led to say, with peers of both dialects and either setting.
    @Test(arguments: MProxy.Dialect.allCases) func aDeployedPeerNeverSeesIt(dialect: MProxy.Dialect) throws {
        let token = dialect == .go ? "a" : nil
        var relay = Relay.up(.init(dialect: dialect, token: token))
        var device =
            dialect == .go
            ? Device.up(.init(dialect: .go, usesExtension: true))
            : Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: true)))
        var said: [SessionAction] = []
        if dialect == .node {
            said += device.control(hello)
            said += device.control("[-1,null]")
        }
        let stream = try relay.visit()
        let arrival =
            dialect == .go ? "tun,1.2.3.4,5,#,https,443,foo.test,\n" : "\(visitor),#,connection,443,foo.test,https"
        let opened = device.receive(arrival, dialect == .go ? "x" : "")
        let other = try #require(opened.opened)
        device.machine.accept(other)
        let chunk = ByteBuffer(repeating: 7, count: 300_000)
        relay.machine.send(chunk, on: stream)
        device.machine.send(chunk, on: other)
        said += relay.drain() + device.drain()
        for _ in 0..<8 {
            let text = String(repeating: "x", count: 65536)
            said += relay.receive("\(visitor),#,https,443,foo.test", text)
            if dialect == .node { said += device.receive("\(visitor),#,https,443,foo.test", text) }
        }
        relay.machine.consumed(8 << 16, on: stream)
        device.machine.consumed(8 << 16, on: other)
        relay.machine.finish(stream)
        device.machine.finish(other)
        said += relay.drain() + device.drain() + relay.after(.seconds(30)) + device.after(.seconds(30))
        var unpacker = MProxy.Unpacker()
        unpacker.isExtended = true
        for case .write(let message) in said {
            unpacker.receive(message)
            while let event = try unpacker.next() {
                switch event {
                case .credit, .finish: Issue.record("\(event)")
                case .control(_, let body):
                    #expect(dialect == .node)
                    #expect(!String(buffer: body).contains("windows") && !String(buffer: body).contains("ping"))
                case .connection, .data, .end, .error, .pause, .resume: break
                }
            }
        }
    }

    // MARK: Windows

    @Test func aRelaySendsAFirstFlightAndThenWhatTheDeviceLets() throws {
        var relay = Self.relay()
        let request = StreamRequest(service("foo.test", 443), source: socket("127.0.0.1", 40000))
        let stream = try relay.machine.open(request, now: relay.now)
        relay.machine.send(ByteBuffer(repeating: 7, count: 20 << 10), on: stream)
        #expect(
            relay.drain() == [
                .opened(stream), written("\(visitor),0,connection,443,foo.test,https"), Self.credit(Self.window),
                written("\(visitor),#,https,443,foo.test", String(repeating: "\u{7}", count: 16 << 10)),
            ])
        #expect(
            relay.receive("\(visitor),#,credit,443,foo.test", "1000")
                == [written("\(visitor),#,https,443,foo.test", String(repeating: "\u{7}", count: 1000))])
    }

    @Test func aDeviceGivesCreditWhenItsServiceIsReached() throws {
        var device = Self.device()
        let actions = device.receive("\(visitor),0,connection,443,foo.test,https")
        let stream = try #require(actions.opened)
        device.machine.send(ByteBuffer(string: "220 hello"), on: stream)
        #expect(device.drain() == [])
        device.machine.accept(stream)
        #expect(device.drain() == [Self.credit(Self.window - 16 << 10)])
        #expect(
            device.receive("\(visitor),#,credit,443,foo.test", "4")
                == [written("\(visitor),#,https,443,foo.test", "220 ")])
    }

    @Test func aReaderThatStallsHoldsUpNobodyElse() throws {
        var relay = Self.relay()
        let (slow, fast) = (try relay.visit(1), try relay.visit(2))
        let chunk = String(repeating: "x", count: 65536)
        for _ in 0..<16 { _ = relay.receive("IPv4,127.0.0.1,1,#,https,443,foo.test", chunk) }
        for _ in 0..<2000 {
            let actions = relay.receive("IPv4,127.0.0.1,2,#,https,443,foo.test", chunk)
            #expect(actions.first == .deliver(fast, ByteBuffer(string: chunk)))
            relay.machine.consumed(65536, on: fast)
            _ = relay.drain()
        }
        #expect(relay.machine.wantsBytes)
        #expect(relay.after(.seconds(60)) == [])
        // It was told nothing about more: one byte is too much.
        let actions = relay.receive("IPv4,127.0.0.1,1,#,https,443,foo.test", "x")
        #expect(actions == [.close(.violation(WireError(.tooLong, in: "window", found: "1 > 0")))])
        _ = slow
    }

    @Test func creditFollowsWhatReadersTake() throws {
        var relay = Self.relay()
        let stream = try relay.visit()
        let chunk = String(repeating: "x", count: 65536)
        for _ in 0..<4 { _ = relay.receive("\(visitor),#,https,443,foo.test", chunk) }
        relay.machine.consumed(262_143, on: stream)
        #expect(!relay.machine.wantsTurn)
        relay.machine.consumed(1, on: stream)
        #expect(relay.machine.wantsTurn)
        #expect(relay.drain() == [Self.credit(262_144)])
    }

    @Test(arguments: ["", "x", "-1", "12345678901", "4294967296", "1 "])
    func creditThatIsNoneEndsTheSession(text: String) throws {
        var relay = Self.relay()
        _ = try relay.visit()
        #expect(isViolation(relay.receive("\(visitor),#,credit,443,foo.test", text).last))
    }

    // MARK: Ends

    @Test func eitherSideFinishesForItself() throws {
        var relay = Self.relay()
        let stream = try relay.visit()
        relay.machine.finish(stream)
        #expect(relay.drain() == [written("\(visitor),0,finish,443,foo.test")])
        #expect(relay.after(.hours(1)) == [])
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "x") == [.deliver(stream, ByteBuffer(string: "x"))])
        #expect(
            relay.receive("\(visitor),0,finish,443,foo.test")
                == [.finish(stream), .end(stream, nil), written("\(visitor),0,end,443,foo.test")])
    }

    @Test func aDeviceHearsAFinishBehindTheBytesThatWaitedForItsService() throws {
        var device = Self.device()
        let actions = device.receive("\(visitor),0,connection,443,foo.test,https")
        let stream = try #require(actions.opened)
        #expect(device.receive("\(visitor),#,https,443,foo.test", "GET") == [])
        #expect(device.receive("\(visitor),0,finish,443,foo.test") == [])
        device.machine.accept(stream)
        #expect(device.drain().prefix(2) == [.deliver(stream, ByteBuffer(string: "GET")), .finish(stream)])
    }

    @Test func dataBehindAFinishAndASecondFinishEndTheSession() throws {
        for word in ["https", "finish"] {
            var relay = Self.relay()
            _ = try relay.visit()
            _ = relay.receive("\(visitor),0,finish,443,foo.test")
            let last = relay.receive("\(visitor),#,\(word),443,foo.test", word == "https" ? "x" : "").last
            #expect(isViolation(last), "\(word)")
        }
    }

    @Test func aRefusalAndAResetSayWhy() throws {
        var (relay, device) = (Self.relay(), Self.device())
        let actions = device.receive("\(visitor),0,connection,443,foo.test,https")
        let asked = try #require(actions.opened)
        device.machine.reset(asked, .unknownHost)
        let stream = try relay.visit()
        for case .write(let message) in device.drain() {
            #expect(relay.receive(message).first == .end(stream, .unknownHost))
        }
        let second = try relay.visit()
        relay.machine.send(ByteBuffer(repeating: 1, count: 100_000), on: second)
        _ = relay.drain()
        // Nothing more may be sent before it.
        relay.machine.reset(second, .aborted)
        #expect(
            relay.drain() == [
                written("\(visitor),#,error,443,foo.test", #"{"message":"reset","code":"ECONNRESET"}"#)
            ])
    }

    @Test func wordsOfTheExtensionAreServicesToEverybodyElse() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        for word in ["credit", "finish"] {
            #expect(
                relay.receive("\(visitor),#,\(word),443,foo.test", "77")
                    == [.deliver(stream, ByteBuffer(string: "77"))])
        }
    }
}
