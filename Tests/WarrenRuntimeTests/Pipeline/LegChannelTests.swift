// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// The last handler: keeps what comes, and asks for more only when it is told to.
private final class Tail: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var lines: [String] = []
    var readsOn = false

    func channelActive(context: ChannelHandlerContext) { self.lines.append("active") }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.lines.append(String(buffer: self.unwrapInboundIn(data)))
    }
    func channelReadComplete(context: ChannelHandlerContext) { if self.readsOn { context.read() } }
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.lines.append("writable: \(context.channel.isWritable)")
    }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { self.lines.append("\(event)") }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.lines.append("\(error)") }
    func channelInactive(context: ChannelHandlerContext) { self.lines.append("inactive") }
    func handlerRemoved(context: ChannelHandlerContext) { self.lines.append("removed") }
}

/// A channel over a scripted leg.
private final class Rig {
    let loop = SocketLoop.manual()
    let leg = ScriptedLeg(peer: try? SocketAddress(ipAddress: "192.0.2.1", port: 9))
    let channel: LegChannel
    let tail = Tail()

    init() throws {
        self.leg.endsAtOnce = false
        self.channel = LegChannel(self.leg, on: self.loop)
        try self.channel.start([self.tail])
        #expect(self.leg.take() == [.reading(false), .begin])
    }

    /// Writes and flushes; the list grows by a word when the promise is kept or broken.
    func write(_ text: String, _ kept: Kept) {
        let promise = self.loop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            if case .success = result { kept.words.append(text) } else { kept.words.append("not \(text)") }
        }
        self.channel.writeAndFlush(ByteBuffer(string: text), promise: promise)
    }

    final class Kept { var words: [String] = [] }
}

@Suite struct LegChannelTests {
    @Test func aPromiseIsKeptWhenTheBytesHaveLeft() throws {
        let rig = try Rig()
        let kept = Rig.Kept()
        rig.write("abc", kept)
        rig.write("defg", kept)
        #expect(rig.leg.take() == [.write("abc"), .flush, .write("defg"), .flush])
        rig.leg.events?.sent(2, by: rig.leg)
        #expect(kept.words == [])
        rig.leg.events?.sent(2, by: rig.leg)
        #expect(kept.words == ["abc"])
        rig.leg.events?.sent(3, by: rig.leg)
        #expect(kept.words == ["abc", "defg"])
        rig.write("", kept)
        #expect(kept.words == ["abc", "defg", ""])
    }

    @Test func aPromiseIsBrokenWhereTheBytesAreLost() throws {
        let rig = try Rig()
        let kept = Rig.Kept()
        rig.write("abc", kept)
        rig.write("", kept)
        rig.leg.isGone(.aborted)
        #expect(kept.words == ["not abc", "not "])
        rig.write("late", kept)
        #expect(kept.words == ["not abc", "not ", "not late"])
        #expect(rig.leg.events == nil)
    }

    @Test("reads are asked for one burst at a time") func readsOnlyWhenAsked() throws {
        let rig = try Rig()
        rig.channel.read()
        #expect(rig.leg.take() == [.reading(true)])
        rig.leg.receive("one")
        #expect(rig.leg.take() == [.reading(false)])
        rig.tail.readsOn = true
        rig.channel.read()
        _ = rig.leg.take()
        rig.leg.receive("two")
        #expect(rig.leg.isReading)
        #expect(!rig.leg.take().contains(.reading(false)))
        #expect(rig.tail.lines == ["active", "one", "two"])
    }

    @Test func theLegsNewsReachTheHandlers() throws {
        let rig = try Rig()
        rig.leg.becomesWritable(false)
        rig.leg.becomesWritable(true)
        rig.leg.receiveEnd()
        rig.leg.isGone(.timedOut)
        let news = ["active", "writable: false", "writable: true", "inputClosed", "timedOut", "inactive"]
        #expect(rig.tail.lines == news)
        #expect(!rig.channel.isActive && !rig.channel.isWritable)
        // Handlers leave when the turn is over.
        rig.loop.runOnce()
        #expect(rig.tail.lines == news + ["removed"])
    }

    @Test func anOrderlyEndIsNoError() throws {
        let rig = try Rig()
        var isClosed = false
        rig.channel.closeFuture.assumeIsolated().whenSuccess { isClosed = true }
        rig.channel.close(promise: nil)
        #expect(rig.leg.take() == [.end(nil)])
        #expect(!isClosed)
        rig.leg.isGone(nil)
        #expect(isClosed)
        #expect(rig.tail.lines == ["active", "inactive"])
    }

    @Test func aHalfCloseEndsWithTheOtherHalf() throws {
        let rig = try Rig()
        let kept = Rig.Kept()
        rig.channel.close(mode: .output, promise: nil)
        #expect(rig.leg.take() == [.finish])
        rig.write("late", kept)
        #expect(kept.words == ["not late"])
        rig.leg.receive("answer")
        rig.leg.receiveEnd()
        #expect(rig.leg.take().last == .end(nil))
    }

    @Test func afterTheInputsEndClosingTheOutputClosesAll() throws {
        let rig = try Rig()
        rig.leg.receiveEnd()
        _ = rig.leg.take()
        rig.channel.read()
        #expect(rig.leg.take() == [])
        rig.channel.close(mode: .output, promise: nil)
        #expect(rig.leg.take() == [.end(nil)])
    }

    @Test func aChannelOnALegThatIsGoneEndsAtOnce() throws {
        let pair = try LocalPair()
        let leg = pair.makeLeg()
        leg.end(.aborted)
        let tail = Tail()
        let channel = LegChannel(leg, on: pair.loop)
        #expect(throws: ChannelError.self) { try channel.start([tail]) }
        pair.loop.runOnce()
        #expect(tail.lines == ["active", "aborted", "inactive", "removed"])
    }

    @Test func handlersOfNIOGetTheirAnswers() throws {
        let rig = try Rig()
        let kept = Rig.Kept()
        let options = try #require(rig.channel.syncOptions)
        #expect(try options.getOption(.autoRead) == false)
        #expect(try options.getOption(.allowRemoteHalfClosure))
        rig.write("abc", kept)
        #expect(try options.getOption(.bufferedWritableBytes) == 3)
        #expect(throws: ChannelError.self) { try options.getOption(.maxMessagesPerRead) }
        #expect(rig.channel.remoteAddress == rig.leg.peer)
        rig.leg.isGone(nil)
    }
}
