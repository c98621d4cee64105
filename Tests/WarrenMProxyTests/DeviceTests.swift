// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

@Suite struct DeviceTests {
    @Test func saysThatItsTokenHasExpiredWhereTheRelayLeavesForThat() {
        var device = Device.up()
        #expect(device.control(#"[0,{"message":"the token has expired","code":"E_TOKEN_EXPIRED"}]"#) == [])
        device.machine.receiveEnd()
        #expect(device.drain() == [.close(.rejected("the token has expired, E_TOKEN_EXPIRED"))])
    }

    @Test func bringsItsTokensThenAcknowledgesTheHello() {
        var device = Device(MProxy.DeviceMachine(.init(tokens: ["a.b.c", "d.e.f"])))
        #expect(device.drain() == [])
        #expect(
            device.control(hello)
                == [control(#"[1,"add_token","a.b.c"]"#), control(#"[2,"add_token","d.e.f"]"#), control("[-1,null]")])
        #expect(device.control("[-1,null]") == [.ready])
        #expect(device.control("[-2,null]") == [])
    }

    @Test func tellsOfNamesAndPortsThatItWasGranted() {
        var device = Device.up()
        let grants: [SessionAction] = [
            .granted(Grant(service("", 7350), instance: "tcp.shared.test")), .granted(Grant(service("foo.test", 443))),
        ]
        let ssh = #"[2,"grant",[["ssh+https","foo.test",443],["ssh","ssh.shared.test",[7350]],"#
        #expect(device.control(ssh + #"["tcp","tcp.shared.test",[7350]],["https","foo.test"]]]"#) == grants)
        // A port as a number is what relays of 2018 write; null and nothing are what there is without names and ports.
        #expect(
            device.control(ssh + #"["tcp","tcp.shared.test",7350],["https","foo.test"]]]"#) == grants)
        #expect(device.control(#"[2,"grant",[["ssh+https",null,443],["tcp","t",[null]],["https"],[],5]]"#) == [])
    }

    @Test func isUpWithTheFirstTokenThatIsTakenAndLeavesWhenNoneIs() {
        var device = Device(MProxy.DeviceMachine(.init(tokens: ["a", "b"])))
        _ = device.control(hello)
        #expect(device.control("[-1,{}]") == [])
        #expect(device.control("[-2,null]") == [.ready])

        var refused = Device(MProxy.DeviceMachine(.init(tokens: ["a", "b"])))
        _ = refused.control(hello)
        #expect(refused.control("[-1,{}]") == [])
        #expect(refused.control("[-2,{}]") == [.close(.rejected("token refused"))])
    }

    @Test func knowsHowMuchOfAGrantARelaySays() {
        var node = Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: true)))
        _ = node.control(hello)
        #expect(node.control("[-1,null]") == [.ready])
        #expect(node.machine.grantList == .partial)

        var warren = Device(MProxy.DeviceMachine(.init(tokens: ["a"], usesExtension: true)))
        _ = warren.control(hello)
        _ = warren.control(#"[4,"windows",1]"#)
        #expect(warren.control("[-1,null]").contains(.ready))
        #expect(warren.machine.grantList == .whole)

        var go = Device(MProxy.DeviceMachine(.init(dialect: .go)))
        #expect(go.drain() == [.ready])
        #expect(go.machine.grantList == .none)
    }

    @Test func readsWhatATokenHoldsThatItCannotVerify() {
        // {"domains":["Foo.test","*.bar.test"],"ports":[4000]}, in the Base64 of URLs and without padding
        let claims = "eyJkb21haW5zIjpbIkZvby50ZXN0IiwiKi5iYXIudGVzdCJdLCJwb3J0cyI6WzQwMDBdfQ"
        let held = MProxy.Entitlement(unverified: "e30.\(claims).c2ln")
        #expect(held == MProxy.Entitlement(names: ["foo.test", "*.bar.test"], ports: [4000]))
        #expect(
            held?.grants == [
                Grant(service("foo.test", 443)), Grant(service("*.bar.test", 443)), Grant(service("", 4000)),
            ])
        for text in ["", "a.b", "e30.\(claims)", "e30.!.c2ln", "e30.W10.c2ln", "e30..c2ln"] {
            #expect(MProxy.Entitlement(unverified: text) == nil)
        }
    }

    @Test func saysWhyItsTokenOfTheUpgradeWasRefused() {
        var device = Device(MProxy.DeviceMachine(.init()))
        #expect(device.control(#"[0,{"message":"no","code":"E_X"}]"#) == [.close(.rejected("no, E_X"))])
    }

    @Test func takesAGrantBeforeTheHello() {
        var device = Device(MProxy.DeviceMachine(.init()))
        #expect(device.control(#"[2,"grant",[["https","foo.test"]]]"#) == [])
        #expect(
            device.control(hello) == [.ready, .granted(Grant(service("foo.test", 443))), control("[-1,null]")])
    }

    @Test func addsAndDeletesTokensWhileItIsUp() {
        var device = Device.up()
        device.machine.addToken("d.e.f")
        #expect(device.machine.wantsTurn)
        #expect(device.drain() == [control(#"[2,"add_token","d.e.f"]"#)])
        device.machine.deleteToken("*")
        #expect(device.drain() == [control(#"[3,"delete_token","*"]"#)])
        #expect(device.control("[-2,{}]") == [])
        #expect(device.control("[-3,null]") == [])
    }

    @Test func closesWhenACommandIsNotAnswered() {
        var device = Device.up()
        device.machine.addToken("x")
        _ = device.drain()
        #expect(device.after(.seconds(9)) == [])
        #expect(device.after(.seconds(1)) == [.close(.timedOut(phase: "a command's answer"))])
    }

    @Test func neverAcknowledgesAGrantAndAnswersWhatItDoesNotKnow() {
        var device = Device.up()
        #expect(device.control(#"[3,"access_token",{"jwt":"x"}]"#) == [])
        #expect(
            device.control(#"[8,"constructor"]"#)
                == [control(#"[-8,{"message":"unknown command \"constructor\"","code":"E_UNKNOWN_COMMAND"}]"#)])
    }

    @Test func takesARelayThatKeepsSilentForOneInGo() {
        var device = Device(MProxy.DeviceMachine(.init(tokens: ["a"])))
        #expect(device.after(.seconds(4)) == [])
        #expect(device.after(.seconds(1)) == [.ready])
        #expect(device.machine.dialect == .go)
    }

    @Test func takesARelayThatBeginsWithDataForOneInGo() throws {
        var device = Device(MProxy.DeviceMachine(.init()))
        let actions = device.receive("tun,127.0.0.1,54321,#,http,443,foo.test,\n", "hello")
        var request = StreamRequest(service("foo.test", 443), source: socket("127.0.0.1", 54321))
        request.scheme = "https"  // Go has the two swapped
        #expect(actions == [.open(StreamID(1), request), .ready])
        device.machine.accept(StreamID(1))
        #expect(device.drain() == [.deliver(StreamID(1), ByteBuffer(string: "hello"))])
        device.machine.send(ByteBuffer(string: "yes"), on: StreamID(1))
        device.machine.finish(StreamID(1))
        #expect(
            device.drain() == [
                written("tun,127.0.0.1,54321,3,http,443,foo.test,\n", "yes"),
                .end(StreamID(1), nil), written("tun,127.0.0.1,54321,0,end,0,,\n"),
            ])
    }

    @Test func closesWhenAConfiguredNodeRelaySaysNothing() {
        var device = Device(MProxy.DeviceMachine(.init(dialect: .node)))
        #expect(device.after(.seconds(10)) == [.close(.timedOut(phase: "hello"))])
    }

    @Test func opensAStreamForAVisitorAndRepeatsItsAddressAsItStands() throws {
        var device = Device.up()
        let actions = device.receive("IPv6,::ffff:127.0.0.1,38136,0,connection,7302,FOO.test,https")
        var request = StreamRequest(service("foo.test", 7302), source: socket("127.0.0.1", 38136))
        request.scheme = "https"
        #expect(actions == [.open(StreamID(1), request)])
        #expect(device.receive("IPv6,::ffff:127.0.0.1,38136,#,https,7302,FOO.test", "hi") == [])
        device.machine.accept(StreamID(1))
        #expect(device.drain() == [.deliver(StreamID(1), ByteBuffer(string: "hi"))])
        device.machine.send(ByteBuffer(string: "yo"), on: StreamID(1))
        #expect(device.drain() == [written("IPv6,::ffff:127.0.0.1,38136,2,https,7302,FOO.test", "yo")])
    }

    @Test func refusesInTheWordsOfNode() throws {
        var device = Device.up()
        _ = device.receive("\(visitor),0,connection,443,foo.test,https")
        device.machine.reset(StreamID(1), .refused)
        #expect(
            device.drain()
                == [written("\(visitor),#,error,443,foo.test", #"{"message":"refused","code":"ECONNREFUSED"}"#)])
    }

    @Test func letsNothingOfAVisitorReachTheNextOneWithItsAddress() throws {
        var device = Device.up()
        let first = try device.visited()
        device.writable = false
        device.machine.send(ByteBuffer(string: "for the first"), on: first)
        let actions = device.receive("\(visitor),0,connection,443,foo.test,https")
        var request = StreamRequest(service("foo.test", 443), source: socket("127.0.0.1", 40000))
        request.scheme = "https"
        #expect(actions == [.end(first, .aborted), .open(StreamID(2), request)])
        device.writable = true
        #expect(device.drain() == [])
    }

    @Test func opensNoStreamForLateDataOfOneThatItHasEnded() throws {
        var device = Device.up()
        let stream = try device.visited()
        device.machine.finish(stream)
        #expect(device.drain() == [.end(stream, nil), written("\(visitor),0,end,443,foo.test")])
        #expect(device.receive("\(visitor),#,https,443,foo.test", "late") == [])
        #expect(device.receive("\(visitor),0,end,443,foo.test") == [])
        #expect(device.receive("\(visitor),0,connection,443,foo.test,https").count == 1)
    }

    @Test func refusesVisitorsAboveItsLimitAndNamesThatAreNone() {
        var device = Device.up(.init(tokens: ["a"], limits: SessionLimits(streams: 1)))
        _ = device.receive("\(visitor),0,connection,443,foo.test,https")
        let limit = #"{"message":"limit reached","code":"E_LIMIT"}"#
        #expect(
            device.receive("IPv4,127.0.0.1,2,0,connection,443,foo.test,https")
                == [written("IPv4,127.0.0.1,2,#,error,443,foo.test", limit)])
        #expect(device.receive("IPv4,127.0.0.1,2,#,https,443,foo.test", "x") == [])
        var other = Device.up()
        #expect(other.receive("\(visitor),0,connection,443,a b,https").count == 1)
    }

    @Test func endsInOrderWithItsCarrier() {
        var device = Device.up()
        device.machine.receiveEnd()
        #expect(device.drain() == [.close(.finished)])
        var cut = Device.up()
        _ = cut.receive(ByteBuffer(hex: "fe20"))
        cut.machine.receiveEnd()
        #expect(cut.drain() == [.close(.violation(WireError(.truncated, in: "frame")))])
        #expect(cut.receive("x") == [])
    }
}
