// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// What ends, leaks or mixes things up in the deployed programs, one test each.
@Suite struct UpstreamFaultTests {
    private static let badCommand = #"[0,{"message":"received bad command \"\"","code":"E_BAD_COMMAND"}]"#

    @Test func controlFrameWithoutABodyIsAnswered() {
        var relay = Relay.up()
        #expect(relay.receive(",,,0,control") == [control(Self.badCommand)])
        var device = Device.up()
        #expect(device.receive(",,,0,control") == [control(Self.badCommand)])
    }

    @Test(arguments: ["null", "5", "true", "[]", "\"x\"", "oops", "", " "])
    func errorFrameWithAnyBodyIsAnEnd(body: String) throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        #expect(relay.receive("\(visitor),#,error,443,", body).first == .end(stream, .refused))
        #expect(relay.receive("IPv4,1.2.3.4,5,#,error,,", body) == [])
        var device = Device.up()
        let other = try device.visited()
        #expect(device.receive("\(visitor),#,error,443,", body).first == .end(other, .aborted))
    }

    @Test(arguments: ["99999999999", "4294967297", "4000000000", "1048577", "9007199254740992", "-5", "-1", "abc", ""])
    func lengthThatIsNoneOrTooLongClosesAndNothingIsAllocated(length: String) {
        var relay = Relay.up()
        #expect(Self.isViolation(relay.receive("IPv4,1.2.3.4,5,\(length),tcp", "x")))
        var device = Device.up()
        #expect(Self.isViolation(device.receive("IPv4,1.2.3.4,5,\(length),tcp", "x")))
    }

    @Test(arguments: ["constructor", "__proto__", "hasOwnProperty"]) func inheritedNameIsAnOrdinaryOne(name: String)
        throws
    {
        var relay = Relay.up()
        let unknown = #"{"message":"unknown command \"\#(name)\"","code":"E_UNKNOWN_COMMAND"}"#
        #expect(relay.control(#"[8,"\#(name)"]"#) == [control("[-8,\(unknown)]")])
        #expect(relay.receive("IPv4,1.2.3.4,5,1,\(name)", "x").count == 1)
        _ = relay.control(#"[9,"add_token","t"]"#)
        relay.machine.judged(accepted([name]))
        #expect(relay.drain().contains(.serve(service(name.lowercased()))))
        _ = try relay.visit(1, name: name)
    }

    @Test func dataFrameWithoutDataForALiveConnectionIsNothing() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        #expect(relay.receive("\(visitor),0,https,443,foo.test") == [])
        relay.machine.send(ByteBuffer(), on: stream)
        #expect(relay.drain() == [])
        var device = Device.up()
        let other = try device.visited()
        #expect(device.receive("\(visitor),0,https,443,foo.test") == [])
        device.machine.send(ByteBuffer(), on: other)
        #expect(device.drain() == [])
        #expect(device.receive("IPv4,9.9.9.9,9,0,https,443,foo.test") == [])
    }

    @Test func twoTokensOfOneTunnelHaveClaimsOfTheirOwnAndGoWithIt() throws {
        var relay = Relay.up()
        _ = relay.control(#"[6,"add_token","d.e.f"]"#)
        relay.machine.judged(accepted(["bar.test"]))
        #expect(relay.drain().contains(.serve(service("bar.test"))))
        #expect(relay.control(#"[7,"delete_token","d.e.f"]"#).first == .withdraw(service("bar.test")))
        relay.machine.receiveEnd()
        #expect(relay.drain() == [.close(.finished)])
        #expect(throws: StreamFault.sessionLost) {
            try relay.machine.open(StreamRequest(service("foo.test")), now: relay.now)
        }
    }

    @Test(
        arguments: [
            #"{"domains":[5]}"#, #"{"domains":"foo.test"}"#, #"{"ports":[65536]}"#, #"{"ports":["x"]}"#,
            #"{"ports":[0]}"#,
            #"{"domains":["a b"]}"#, "5", "null", "", "[]",
        ])
    func tokenWithOddClaimsIsRefused(claims: String) {
        var relay = Relay.up()
        _ = relay.control(#"[6,"add_token","t"]"#)
        relay.machine.judged(.accepted(name: "x", credential: Array(claims.utf8)))
        #expect(relay.drain() == [control(#"[-6,{"message":"invalid token","code":"E_INVALID_TOKEN"}]"#)])
    }

    @Test func portsAsTextsAreThoseOfTokensThatDevicesMake() throws {
        let claims = ByteBuffer(
            string: #"{"domains":["Foo.Test","*.foo.test"],"ports":["5050",5050],"aud":"x","iss":5}"#)
        #expect(
            try MProxy.Entitlement(claims: claims)
                == MProxy.Entitlement(names: ["foo.test", "*.foo.test"], ports: [5050]))
    }

    @Test func deletedTokenServesNothing() {
        var relay = Relay.up()
        let actions = relay.control(#"[6,"delete_token","a.b.c"]"#)
        #expect(
            actions == [.withdraw(service("foo.test")), .withdraw(service("", 7350)), control("[-6,null]")])
    }

    @Test func rawPortBelongsToOneDevice() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        _ = relay.control(#"[5,"add_token","t"]"#)
        relay.machine.judged(accepted([], [7350]))
        #expect(relay.machine.next(now: relay.now, writable: true) == .ready)
        #expect(relay.machine.next(now: relay.now, writable: true) == .serve(service("", 7350)))
        relay.machine.withheld(service("", 7350), .taken)
        _ = relay.drain()
        // What was withheld is another's: this device withdraws nothing.
        relay.machine.receiveEnd()
        #expect(relay.drain() == [.close(.finished)])
    }

    @Test func visitorsOfManySubdomainsLeaveNothingBehind() throws {
        var session = RelaySession(.init(), now: .uptimeNanoseconds(0))
        for number in 0..<5000 {
            let row = session.common.insert(
                MProxy.Header(
                    .data, MProxy.Address(family: "IPv4", address: "192.0.2.\(number)", port: "1"), name: "n\(number)"),
                .open)
            session.common.part(row, nil)
            while session.common.nextFrame() != nil {}
        }
        #expect(session.common.table.count == 0)
        #expect(session.common.resting.count <= Resting.most)
    }

    @Test(arguments: [
        "[0.5,\"nope\"]", "[1e3,\"nope\"]", "[\"1\",\"nope\"]", "[9223372036854775808,\"x\"]", "[-9223372036854775808]",
    ])
    func idThatIsNoWholeNumberIsABadCommand(json: String) {
        var relay = Relay.up()
        let actions = relay.control(json)
        guard case .write(let bytes) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(String(buffer: bytes).contains("E_BAD_COMMAND"))
    }

    @Test func badHeaderClosesTheTunnel() {
        for header in ["garbage", "a,b,c,1", ""] {
            var relay = Relay.up()
            #expect(Self.isViolation(relay.receive(header)))
            #expect(relay.receive("\(visitor),0,end") == [])
        }
    }

    @Test func refusedConnectHoldsUpNobody() throws {
        var device = Device.up()
        _ = device.receive("\(visitor),0,connection,443,foo.test,https")
        _ = device.receive("\(visitor),#,https,443,foo.test", "hi")
        device.machine.reset(StreamID(1), .refused)
        _ = device.drain()
        #expect(device.machine.wantsBytes)
        let other = try device.visited(40001)
        #expect(
            device.receive("IPv4,127.0.0.1,40001,#,https,443,foo.test", "x") == [
                .deliver(other, ByteBuffer(string: "x"))
            ])
    }

    @Test func visitorOfTheSameAddressOnAnotherPortIsAnotherVisitor() throws {
        var relay = Relay.up()
        let first = try relay.visit()
        let second = try relay.visit()
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "1") == [.deliver(first, ByteBuffer(string: "1"))])
        #expect(
            relay.receive("IPv4,127.0.0.1,1024,#,https,443,foo.test", "2") == [
                .deliver(second, ByteBuffer(string: "2"))
            ])
    }

    @Test func manySmallFramesInOneReadAreRead() throws {
        var relay = Relay.up(.init(dialect: .go, token: "t"))
        let stream = try relay.visit()
        let one = frame("tun,127.0.0.1,40000,1,https,443,foo.test,\n", "x")
        let many = (0..<50).reduce(into: ByteBuffer()) { bytes, _ in bytes.writeImmutableBuffer(one) }
        #expect(relay.receive(many) == Array(repeating: .deliver(stream, ByteBuffer(string: "x")), count: 50))
    }

    @Test func versionOfEveryFrameIsChecked() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        var bytes = frame("\(visitor),1,https", "x")
        bytes.writeBytes([0xFF, 1, 2])
        #expect(
            relay.receive(bytes) == [
                .deliver(stream, ByteBuffer(string: "x")),
                .close(.violation(WireError(.badMagic, in: "frame.version"))),
            ])
    }

    @Test func connectionFromADeviceClosesTheTunnel() {
        var relay = Relay.up()
        #expect(Self.isViolation(relay.receive("IPv4,1.2.3.4,5,0,connection,1,2,3")))
    }

    @Test func answersToWhatWasNotAskedMeanNothing() {
        var device = Device.up()
        for json in ["[-77,null]", "[-1,{}]", "[-1,null]", "[0,{}]", "[0]", "[0,null]"] {
            #expect(device.control(json) == [])
        }
    }

    @Test func tokensAreNotInWhatIsLogged() {
        var relay = Relay(MProxy.RelayMachine(.init()))
        _ = relay.drain()
        let actions = relay.control(#"[5,"add_token","a.b.c"]"#)
        guard case .authenticate(let claim) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(claim.shownIdentity == "")
    }

    private static func isViolation(_ actions: [SessionAction]) -> Bool {
        if case .close(.violation) = actions.last { actions.count == 1 } else { false }
    }
}
