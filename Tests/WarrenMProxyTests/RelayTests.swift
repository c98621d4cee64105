// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

@Suite struct RelayTokenTests {
    @Test func greetsAndGrantsAsDeployedRelaysDo() {
        var relay = Relay(MProxy.RelayMachine(.init(sharedName: "shared.test")))
        #expect(relay.drain() == [control(hello)])
        #expect(
            relay.control(#"[5,"add_token","a.b.c"]"#) == [
                .authenticate(Claim(identity: [], proof: Array("a.b.c".utf8)))
            ])
        #expect(relay.control("[-1,null]") == [])
        relay.machine.judged(accepted(["foo.test"], [7350]))
        let grant =
            #"[2,"grant",[["ssh+https","foo.test",443],["ssh","ssh.shared.test",[7350]],["tcp","tcp.shared.test",[7350]],["https","foo.test"]]]"#
        #expect(
            relay.drain() == [
                .ready, .serve(service("foo.test")), .serve(service("", 7350)), control(grant), control("[-5,null]"),
            ])
    }

    @Test func takesBackWhatATokenServedWhenItsTimeIsUp() throws {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a.b.c"]"#)
        var entitlement = MProxy.Entitlement(names: ["foo.test"])
        entitlement.lifetime = .seconds(3600)
        relay.machine.judged(.accepted(name: "x", credential: entitlement.claims.array))
        _ = relay.drain()
        let stream = try relay.visit()
        #expect(relay.after(.seconds(3599)) == [])
        #expect(try #require(relay.machine.deadline) <= relay.now + .seconds(1))
        let complaint = control(#"[0,{"message":"the token has expired","code":"E_TOKEN_EXPIRED"}]"#)
        #expect(relay.after(.seconds(1)) == [.withdraw(service("foo.test")), complaint])
        // The visitor who is there stays; the session goes with the last one.
        relay.machine.reset(stream, nil)
        #expect(relay.drain().last == .close(.timedOut(phase: "its token's lifetime")))
    }

    @Test func aTokenThatExpiresLeavesTheOthers() {
        var relay = Relay.up()
        _ = relay.control(#"[6,"add_token","d.e.f"]"#)
        var entitlement = MProxy.Entitlement(names: ["foo.test", "bar.test"])
        entitlement.lifetime = .seconds(10)
        relay.machine.judged(.accepted(name: "x", credential: entitlement.claims.array))
        _ = relay.drain()
        let actions = relay.after(.seconds(11))
        #expect(actions.first == .withdraw(service("bar.test")) && actions.count == 2, "\(actions)")
        #expect(relay.after(.seconds(3600)) == [])
    }

    @Test(
        "a lifetime is read as it is written, and odd ones do no harm",
        arguments: [
            (#"{"lifetime":1500}"#, TimeAmount.milliseconds(1500)), (#"{"lifetime":-5}"#, .zero),
            (#"{"lifetime":"1"}"#, nil),
            (#"{"lifetime":9223372036854775807}"#, .hours(24 * 365 * 100)), ("{}", nil),
        ])
    func lifetimes(claims: String, lifetime: TimeAmount?) throws {
        let entitlement = try MProxy.Entitlement(claims: ByteBuffer(string: claims))
        #expect(entitlement.lifetime == lifetime)
        #expect(try MProxy.Entitlement(claims: entitlement.claims) == entitlement)
    }

    @Test func answersAsTheProbedRelay() throws {
        let results = try Vector.load("relay-probes.json")["results"]
        for name in ["unknown_command", "bad_json_control", "oob_and_acks"] {
            let probe = try #require(results?[name])
            var relay = Relay(MProxy.RelayMachine(.init()))
            var answered = Self.bytes(relay.drain())
            for sent in try #require(probe["clientSentHex"]?.elements).compactMap(\.hex) {
                answered = answered + Self.bytes(relay.receive(sent))
            }
            let expected = try #require(probe["clientGotHex"]?.elements).compactMap(\.hex)
            #expect(answered == expected.reduce(ByteBuffer(), +), "\(name)")
        }
    }

    @Test func acknowledgesATokenItHasAndGrantsNothingTwice() {
        var relay = Relay.up()
        #expect(relay.control(#"[6,"add_token","a.b.c"]"#) == [control("[-6,null]")])
    }

    @Test func acknowledgesATokenWithoutNamesAndPortsAndGrantsNothing() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a.b.c"]"#)
        relay.machine.judged(.accepted(name: "x", credential: Array("{}".utf8)))
        #expect(relay.drain() == [.ready, control("[-5,null]")])
    }

    @Test func grantsATokenOfTheUpgradeBeforeItsHello() {
        var relay = Relay(MProxy.RelayMachine(.init(token: "a.b.c", sharedName: "shared.test")))
        #expect(relay.drain() == [.authenticate(Claim(identity: [], proof: Array("a.b.c".utf8)))])
        relay.machine.judged(accepted())
        let grant =
            #"[2,"grant",[["ssh+https","foo.test",443],["ssh","ssh.shared.test",[null]],["tcp","tcp.shared.test",[null]],["https","foo.test"]]]"#
        #expect(relay.drain() == [.ready, .serve(service("foo.test")), control(grant), control(hello)])
    }

    @Test func closesBehindABadTokenOfTheUpgrade() {
        var relay = Relay(MProxy.RelayMachine(.init(token: "a.b.c")))
        _ = relay.drain()
        relay.machine.judged(.denied)
        #expect(
            relay.drain() == [control(#"[0,{"message":"invalid token","code":"E_INVALID_TOKEN"}]"#), .close(.denied)])
    }

    @Test func judgesTokensOneAfterTheOther() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a"]"#)
        #expect(relay.control(#"[6,"add_token","b"]"#) == [])
        relay.machine.judged(.denied)
        let actions = relay.drain()
        #expect(
            actions == [
                .authenticate(Claim(identity: [], proof: Array("b".utf8))),
                control(#"[-5,{"message":"invalid token","code":"E_INVALID_TOKEN"}]"#),
            ])
        relay.machine.judged(accepted())
        #expect(relay.drain().contains(.serve(service("foo.test"))))
    }

    @Test func deletesATokenAndWithdrawsWhatNoOtherHas() {
        var relay = Relay.up()
        _ = relay.control(#"[6,"add_token","d.e.f"]"#)
        relay.machine.judged(accepted(["foo.test", "bar.test"]))
        let actions = relay.drain()
        #expect(actions.contains(.serve(service("bar.test"))))
        #expect(!actions.contains(.serve(service("foo.test"))))
        #expect(
            relay.control(#"[7,"delete_token","a.b.c"]"#) == [.withdraw(service("", 7350)), control("[-7,null]")])
        #expect(
            relay.control(#"[8,"delete_token","*"]"#)
                == [.withdraw(service("foo.test")), .withdraw(service("bar.test")), control("[-8,null]")])
        #expect(
            relay.control(#"[9,"delete_token","x"]"#)
                == [control(#"[-9,{"message":"invalid token","code":"E_INVALID_TOKEN"}]"#)])
    }

    @Test func grantsNothingThatIsWithheld() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a"]"#)
        relay.machine.judged(accepted(["foo.test", "bar.test"]))
        var actions: [SessionAction] = []
        while let action = relay.machine.next(now: relay.now, writable: true) {
            actions.append(action)
            if case .serve(service("foo.test")) = action { relay.machine.withheld(service("foo.test"), .taken) }
        }
        let grant =
            #"[2,"grant",[["ssh+https","bar.test",443],["ssh",null,[null]],["tcp",null,[null]],["https","bar.test"]]]"#
        #expect(
            actions == [
                .ready, .serve(service("foo.test")), .serve(service("bar.test")), control(grant), control("[-5,null]"),
            ])
        #expect(relay.control(#"[6,"delete_token","a"]"#) == [.withdraw(service("bar.test")), control("[-6,null]")])
    }

    @Test func refusesATokenAllOfWhichIsWithheld() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a"]"#)
        relay.machine.judged(accepted())
        #expect(relay.machine.next(now: relay.now, writable: true) == .ready)
        #expect(relay.machine.next(now: relay.now, writable: true) == .serve(service("foo.test")))
        relay.machine.withheld(service("foo.test"), .taken)
        #expect(relay.drain() == [control(#"[-5,{"message":"all of it is another's","code":"E_NAME_TAKEN"}]"#)])
        #expect(relay.after(.seconds(10)) == [.close(.timedOut(phase: "login"))])
    }

    @Test(
        "a token of ports alone, of which none is had, is refused with the reason",
        arguments: [
            ([Withholding.taken, .taken], #"{"message":"none of its ports is free","code":"E_PORT_TAKEN"}"#),
            ([.notOffered, .taken], #"{"message":"none of its ports is free","code":"E_PORT_TAKEN"}"#),
            ([.notOffered, .notOffered], #"{"message":"this relay opens none of its ports","code":"E_PORT_CLOSED"}"#),
        ])
    func refusesATokenOfPorts(reasons: [Withholding], failure: String) {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        for id in 5...6 {
            _ = relay.control("[\(id),\"add_token\",\"a\"]")
            relay.machine.judged(accepted([], [7350, 7351]))
            if id == 5 { #expect(relay.machine.next(now: relay.now, writable: true) == .ready) }
            for (port, reason) in zip([UInt16(7350), 7351], reasons) {
                #expect(relay.machine.next(now: relay.now, writable: true) == .serve(service("", port)))
                relay.machine.withheld(service("", port), reason)
            }
            #expect(relay.drain() == [control("[-\(id),\(failure)]")])
        }
    }

    @Test func aTokenOfNamesAndPortsOfWhichNothingIsHadIsRefusedForItsNames() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","a"]"#)
        relay.machine.judged(accepted(["foo.test"], [7350]))
        #expect(relay.machine.next(now: relay.now, writable: true) == .ready)
        for (destination, reason) in [(service("foo.test"), Withholding.taken), (service("", 7350), .notOffered)] {
            #expect(relay.machine.next(now: relay.now, writable: true) == .serve(destination))
            relay.machine.withheld(destination, reason)
        }
        #expect(relay.drain() == [control(#"[-5,{"message":"all of it is another's","code":"E_NAME_TAKEN"}]"#)])
    }

    @Test func closesWhenNoTokenComes() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        #expect(relay.drain() == [control(hello)])
        #expect(relay.after(.seconds(9)) == [])
        #expect(relay.after(.seconds(1)) == [.close(.timedOut(phase: "login"))])
        #expect(relay.drain() == [])
    }

    @Test func closesWhenTooManyTokensAreDenied() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        var last: [SessionAction] = []
        for id in 1...RelaySession.mostDenied {
            _ = relay.control("[\(id),\"add_token\",\"t\(id)\"]")
            relay.machine.judged(.denied)
            last = relay.drain()
        }
        #expect(last.last == .close(.denied))
    }

    @Test func leavesFurtherTokensOnTheCarrierWhileTheJudgeIsAway() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        for id in 1...40 { _ = relay.control("[\(id),\"add_token\",\"t\(id)\"]") }
        #expect(!relay.machine.wantsBytes)
    }

    @Test func neverSaysAControlMessageToAPeerInGo() throws {
        var relay = Relay(MProxy.RelayMachine(.init(dialect: .go, token: "a.b.c")))
        #expect(relay.drain() == [.authenticate(Claim(identity: [], proof: Array("a.b.c".utf8)))])
        relay.machine.judged(accepted())
        #expect(relay.drain() == [.ready, .serve(service("foo.test"))])
        #expect(relay.control(#"[5,"nope"]"#) == [])
        var without = Relay(MProxy.RelayMachine(.init(dialect: .go)))
        #expect(without.drain() == [.close(.denied)])
    }

    private static func bytes(_ actions: [SessionAction]) -> ByteBuffer {
        actions.reduce(into: ByteBuffer()) { if case .write(let bytes) = $1 { $0.writeImmutableBuffer(bytes) } }
    }
}
