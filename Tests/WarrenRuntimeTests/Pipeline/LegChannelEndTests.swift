// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Streams of a session may tell of an end in the turn that their last bytes came in, before that turn's burst is over.
@Suite struct LegChannelEndTests {
    /// Passes on what has come when the burst is over, as TLS does.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var held = ByteBuffer()

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.held.writeImmutableBuffer(self.unwrapInboundIn(data))
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            if self.held.readableBytes > 0 { context.fireChannelRead(NIOAny(self.held)) }
            self.held.clear()
            context.fireChannelReadComplete()
            context.read()
        }
    }

    private enum Ending { case half, whole, fault }

    @Test("what came before an end is passed on before it", arguments: [Ending.half, .whole, .fault])
    private func bytesBeforeTheEnd(ending: Ending) throws {
        let loop = SocketLoop.manual()
        let inner = InnerLeg(on: loop)
        let channel = LegChannel(inner, on: loop)
        try channel.start([Collector()])
        let leg = try ChannelLeg.last(of: channel)
        let probe = LegProbe(loop, needs: .counts)
        leg.events = probe
        leg.begin()
        inner.received(ByteBuffer(string: "last words"))
        switch ending {
        case .half: inner.finished()
        case .whole: inner.ended(nil)
        case .fault: inner.ended(.aborted)
        }
        #expect(String(buffer: probe.bytes) == "last words")
        if ending == .half { inner.ended(nil) }
        loop.runOnce()
        #expect(probe.ends == [ending == .half ? nil : .aborted])
        probe.finished.succeed()
        probe.ended.succeed(nil)
    }
}
