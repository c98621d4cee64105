// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

@Suite struct RelayStreamTests {
    @Test func announcesAVisitorBeforeItsData() throws {
        var relay = Relay.up()
        var request = StreamRequest(service("foo.test", 443), source: socket("127.0.0.1", 40000))
        request.scheme = "https"
        let stream = try relay.machine.open(request, now: relay.now)
        relay.machine.send(ByteBuffer(string: "hi"), on: stream)
        #expect(
            relay.drain() == [
                .opened(stream), written("\(visitor),0,connection,443,foo.test,https"),
                written("\(visitor),2,https,443,foo.test", "hi"),
            ])
    }

    @Test func callsAVisitorOfAPortTCP() throws {
        var relay = Relay.up()
        let request = StreamRequest(service("", 7350), source: socket("2001:db8::1", 7))
        let stream = try relay.machine.open(request, now: relay.now)
        #expect(relay.drain() == [.opened(stream), written("IPv6,2001:db8::1,7,0,connection,7350,,tcp")])
    }

    @Test func deliversAndEndsAndConfirmsTheEnd() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "hi") == [.deliver(stream, ByteBuffer(string: "hi"))])
        #expect(
            relay.receive("\(visitor),0,end,443,foo.test")
                == [.end(stream, nil), written("\(visitor),0,end,443,foo.test")])
        #expect(relay.receive("\(visitor),0,end,443,foo.test") == [])
    }

    @Test func givesTheSecondOfTwoVisitorsWithOneAddressAPortOfItsOwn() throws {
        var relay = Relay.up()
        _ = try relay.visit()
        let other = try relay.machine.open(
            StreamRequest(service("foo.test", 80), source: socket("127.0.0.1", 40000)), now: relay.now)
        #expect(
            relay.drain() == [.opened(other), written("IPv4,127.0.0.1,1024,0,connection,80,foo.test,https")])
        #expect(
            relay.receive("IPv4,127.0.0.1,1024,#,https,80,foo.test", "x") == [.deliver(other, ByteBuffer(string: "x"))])
    }

    @Test func givesAnAddressOutAgainOnlyWhenTheDeviceHasConfirmedItsEnd() throws {
        var relay = Relay.up()
        let first = try relay.visit()
        relay.machine.reset(first, .idle)
        _ = relay.drain()
        let second = try relay.visit()
        // Late data of the first reaches nobody.
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "late") == [])
        relay.machine.reset(second, .idle)
        _ = relay.receive("\(visitor),0,end,443,foo.test")
        _ = try relay.visit()
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "x").count == 1)
    }

    @Test func givesAnAddressOutAgainAfterAMinuteInAnyCase() throws {
        var relay = Relay.up()
        relay.machine.reset(try relay.visit(), .idle)
        _ = relay.drain()
        _ = relay.after(.seconds(60))
        let request = StreamRequest(service("foo.test", 443), source: socket("127.0.0.1", 40000))
        _ = try relay.machine.open(request, now: relay.now)
        #expect(relay.drain().contains(written("\(visitor),0,connection,443,foo.test,https")))
    }

    @Test func takesAnErrorBeforeAnyDataForARefusal() throws {
        var relay = Relay.up()
        let first = try relay.visit()
        #expect(relay.receive("\(visitor),0,error,443,").first == .end(first, .refused))
        let second = try relay.visit()
        _ = relay.receive("\(visitor),#,https,443,foo.test", "x")
        #expect(relay.receive("\(visitor),0,error,443,").first == .end(second, .aborted))
        let third = try relay.visit()
        #expect(
            relay.receive("\(visitor),#,error,443,", #"{"message":"x","code":"ETIMEDOUT"}"#).first
                == .end(third, .timedOut))
    }

    @Test func waitsForTheAnswerOfAVisitorThatHasFinished() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        relay.machine.finish(stream)
        #expect(relay.drain() == [])
        #expect(relay.after(.seconds(4)) == [])
        #expect(relay.receive("\(visitor),#,https,443,foo.test", "x").count == 1)
        #expect(relay.after(.seconds(4)) == [])
        #expect(
            relay.after(.seconds(1)) == [.end(stream, nil), written("\(visitor),0,end,443,foo.test")])
    }

    @Test func stopsAndGoesOnAsTheDeviceAsks() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        #expect(relay.receive("\(visitor),7,pause,443,foo.test", "1048577") == [])
        relay.machine.send(ByteBuffer(string: "hi"), on: stream)
        #expect(relay.drain() == [])
        #expect(
            relay.receive("\(visitor),7,resume,443,foo.test", "1048577")
                == [written("\(visitor),2,https,443,foo.test", "hi")])
    }

    @Test func pausesTheDeviceByBytesAndTellsHowManyCame() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        let chunk = String(repeating: "x", count: 65536)
        for _ in 0..<3 { #expect(relay.receive("\(visitor),#,https,443,foo.test", chunk).count == 1) }
        let actions = relay.receive("\(visitor),#,https,443,foo.test", chunk)
        #expect(actions.last == written("\(visitor),6,pause,443,foo.test", "262144"))
        relay.machine.consumed(196607, on: stream)
        #expect(relay.drain() == [])
        relay.machine.consumed(1, on: stream)
        #expect(relay.machine.wantsTurn)
        #expect(relay.drain() == [written("\(visitor),6,resume,443,foo.test", "262144")])
    }

    @Test func writesOneFramePerMessageOfBoundedSize() throws {
        for (dialect, most) in [(MProxy.Dialect.node, 65536), (.go, 8192)] {
            var relay = Relay.up(.init(dialect: dialect, token: dialect == .go ? "a" : nil))
            let stream = try relay.visit()
            relay.machine.send(ByteBuffer(repeating: 7, count: 200_000), on: stream)
            var sizes: [Int] = []
            for case .write(let message) in relay.drain() {
                var unpacker = MProxy.Unpacker()
                unpacker.receive(message)
                guard case .data(let header, let bytes) = try unpacker.next() else { continue }
                #expect(header.length == bytes.readableBytes)
                #expect(try unpacker.next() == nil)
                #expect(!unpacker.isInsideFrame)
                sizes.append(bytes.readableBytes)
            }
            #expect(sizes.max() == most)
            #expect(sizes.reduce(0, +) == 200_000)
        }
    }

    @Test func speaksToAPeerInGoInItsWords() throws {
        var relay = Relay.up(.init(dialect: .go, token: "a"))
        let stream = try relay.visit()
        relay.machine.send(ByteBuffer(string: "hi"), on: stream)
        #expect(relay.drain() == [written("tun,127.0.0.1,40000,2,https,443,foo.test,\n", "hi")])
        relay.machine.reset(stream, .failed)
        #expect(relay.drain() == [written("tun,127.0.0.1,40000,0,end,0,,\n")])
    }

    @Test func refusesWhatAConnectionCannotSay() throws {
        var relay = Relay.up()
        let long = String(repeating: "abcdefghi.", count: 25) + "abc"
        for name in [long, "a,b", "a\nb"] {
            #expect(throws: StreamFault.unsupported) {
                try relay.machine.open(StreamRequest(service(name, 443)), now: relay.now)
            }
        }
        #expect(throws: StreamFault.unsupported) { try relay.machine.open(StreamRequest(.fixed), now: relay.now) }
        var request = StreamRequest(service("foo.test", 443))
        request.scheme = "end"
        #expect(throws: StreamFault.unsupported) { try relay.machine.open(request, now: relay.now) }
        #expect(relay.drain() == [])
    }

    @Test func opensNothingBeforeATokenAndNoMoreThanItsLimit() throws {
        var early = Relay(MProxy.RelayMachine(.init()))
        #expect(throws: StreamFault.sessionLost) {
            try early.machine.open(StreamRequest(service("foo.test")), now: early.now)
        }
        var relay = Relay.up(.init(limits: SessionLimits(streams: 2)))
        _ = try relay.visit(1)
        _ = try relay.visit(2)
        #expect(throws: StreamFault.limit) {
            try relay.machine.open(StreamRequest(service("foo.test")), now: relay.now)
        }
    }

    @Test func sendsWhatIsQueuedBeforeAnOrderlyEnd() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        relay.machine.send(ByteBuffer(string: "bye"), on: stream)
        relay.machine.reset(stream, nil)
        #expect(
            relay.drain() == [
                written("\(visitor),3,https,443,foo.test", "bye"), written("\(visitor),0,end,443,foo.test"),
            ])
    }

    @Test func answersDataOfNobodyOnce() throws {
        var relay = Relay.up()
        let answer = written("\(visitor),#,error,443,n", #"{"message":"no matching connection","code":"E_NO_CONN"}"#)
        #expect(relay.receive("\(visitor),#,https,443,n", "x") == [answer])
        #expect(relay.receive("\(visitor),#,https,443,n", "x") == [])
    }

    @Test func pausesASourceWhoseQueueIsFull() throws {
        var relay = Relay.up()
        let stream = try relay.visit()
        relay.writable = false
        relay.machine.send(ByteBuffer(repeating: 1, count: 128 << 10), on: stream)
        #expect(!relay.machine.hasRoom(on: stream))
        #expect(relay.drain() == [.pause(stream)])
        relay.writable = true
        #expect(relay.drain().contains(.resume(stream)))
    }
}
