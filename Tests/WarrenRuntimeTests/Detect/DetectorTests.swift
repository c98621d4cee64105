// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Testing
import WarrenCore

@testable import WarrenRuntime

/// Keeps what passes the detector.
private final class Sink: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var text = ""
    var bursts = 0
    var ended = false
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.text += String(buffer: self.unwrapInboundIn(data))
    }
    func channelReadComplete(context: ChannelHandlerContext) { self.bursts += 1 }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { self.ended = true }
}

/// Counts the reads that reach the socket.
private final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var reads = 0
    func read(context: ChannelHandlerContext) {
        self.reads += 1
        context.read()
    }
}

private final class Rig {
    let channel: EmbeddedChannel
    let counter = ReadCounter()
    var strangers: [String] { self.box.strangers }
    var installed: [String] { self.box.installed }
    var sink: Sink { self.box.sink }
    private let box = Box()

    private final class Box {
        var strangers: [String] = []
        var installed: [String] = []
        let sink = Sink()
    }

    init(_ words: [String], patience: TimeAmount = .seconds(10)) throws {
        let box = self.box
        let candidates = words.map { word in
            Detector.Candidate(detect: { detect(word, $0) }) { channel in
                box.installed.append(word)
                try channel.pipeline.syncOperations.addHandler(box.sink)
            }
        }
        let detector = Detector(candidates, patience: patience) { box.strangers.append(String(buffer: $0)) }
        self.channel = EmbeddedChannel(handlers: [self.counter, detector])
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func receive(_ text: String) throws { try self.channel.writeInbound(ByteBuffer(string: text)) }
}

/// Whether the head starts with the word, as the protocols of Warren answer it.
private func detect(_ word: String, _ head: ByteBufferView) -> Detection {
    let known = min(head.count, word.utf8.count)
    guard head.prefix(known).elementsEqual(word.utf8.prefix(known)) else { return .no }
    return known == word.utf8.count ? .yes : .needs(bytes: word.utf8.count)
}

@Suite struct DetectorTests {
    @Test("tells protocols apart in chunks of any size and loses no byte", arguments: 1...9, ["GET / x", "GOT more"])
    func tellsApart(chunk: Int, text: String) throws {
        let rig = try Rig(["GET", "GOT", "SSH"])
        var rest = Substring(text)
        while !rest.isEmpty {
            try rig.receive(String(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        #expect(rig.installed == [String(text.prefix(3))])
        #expect(rig.sink.text == text)
        #expect(rig.sink.bursts > 0)
        #expect(rig.strangers.isEmpty)
        #expect(throws: (any Error).self) { try rig.channel.pipeline.syncOperations.handler(type: Detector.self) }
    }

    @Test func asksForReadsUntilItIsSettled() throws {
        let rig = try Rig(["GET"])
        #expect(rig.counter.reads == 1)
        try rig.receive("G")
        #expect(rig.counter.reads == 2)
        try rig.receive("ET")
        #expect(rig.counter.reads == 2)
    }

    @Test func closesOnAStranger() throws {
        let rig = try Rig(["GET", "SSH"])
        try rig.receive("G")
        try rig.receive("0")
        #expect(rig.strangers == ["G0"])
        #expect(!rig.channel.isActive)
        #expect(rig.installed.isEmpty)
    }

    @Test func closesOnOneWhoSaysNothing() throws {
        let rig = try Rig(["GET"], patience: .seconds(10))
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(rig.channel.isActive)
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!rig.channel.isActive)
        #expect(rig.strangers == [""])
    }

    @Test func slowBytesDoNotBuyTime() throws {
        let rig = try Rig(["GET"], patience: .seconds(10))
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(6))
        try rig.receive("G")
        rig.channel.embeddedEventLoop.advanceTime(by: .seconds(4))
        #expect(rig.strangers == ["G"])
    }

    @Test func theTimerStopsWithTheAnswer() throws {
        let rig = try Rig(["GET"], patience: .seconds(10))
        try rig.receive("GET")
        rig.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(rig.channel.isActive)
        #expect(rig.strangers.isEmpty)
    }

    @Test func closesWhenThePeerEndsBeforeItIsKnown() throws {
        let rig = try Rig(["GET"])
        try rig.receive("G")
        rig.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(rig.strangers == ["G"])
        #expect(!rig.channel.isActive)
    }

    @Test func theEndAfterTheAnswerReachesTheProtocol() throws {
        let rig = try Rig(["GET"])
        try rig.receive("GET")
        rig.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(rig.sink.ended)
    }

    @Test func aProtocolThatWantsTooMuchIsNotWaitedFor() throws {
        let candidate = Detector.Candidate(detect: { _ in .needs(bytes: Detection.mostBytes + 1) }, install: { _ in })
        let channel = EmbeddedChannel(handler: Detector([candidate], patience: .seconds(1)) { _ in })
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(string: "x"))
        #expect(!channel.isActive)
    }
}
