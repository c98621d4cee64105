// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// What stands on the way of one client's datagrams, as a router with NAT does, and may give it another port at any time.
final class DatagramRelay: Sendable {
    private struct State {
        var client: SocketAddress?
        /// A port of the client from which nothing comes through, and to which nothing does.
        var stranded: SocketAddress?
        var back: (any Channel)?
        var longest = 0
        var firstBytes: Set<UInt8> = []
    }

    private let front: any Channel
    private let server: SocketAddress
    private let state: NIOLockedValueBox<State>

    private init(_ front: any Channel, _ server: SocketAddress, _ state: NIOLockedValueBox<State>) {
        self.front = front
        self.server = server
        self.state = state
    }

    static func start(to port: Int) async throws -> DatagramRelay {
        let state = NIOLockedValueBox(State())
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let front = try await Self.bind { datagram in
            let back: (any Channel)? = state.withLockedValue { state in
                guard datagram.remoteAddress != state.stranded else { return nil }
                state.client = datagram.remoteAddress
                state.longest = max(state.longest, datagram.data.readableBytes)
                state.firstBytes.formUnion(datagram.data.readableBytesView.prefix(1))
                return state.back
            }
            back?.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: datagram.data), promise: nil)
        }
        let relay = DatagramRelay(front, server, state)
        try await relay.move()
        return relay
    }

    var port: Int { self.front.localAddress?.port ?? 0 }
    /// Bytes of the longest datagram that the client sent.
    var longest: Int { self.state.withLockedValue { $0.longest } }
    /// That any datagram of the client began with.
    var firstBytes: Set<UInt8> { self.state.withLockedValue { $0.firstBytes } }

    /// The address that the client has now is its no more: a socket of another one gets through.
    func strand() { self.state.withLockedValue { $0.stranded = $0.client } }

    /// From now on the server sees another port.
    func move() async throws {
        let (front, state) = (self.front, self.state)
        let back = try await Self.bind { datagram in
            guard let client = state.withLockedValue({ $0.client == $0.stranded ? nil : $0.client }) else { return }
            front.writeAndFlush(AddressedEnvelope(remoteAddress: client, data: datagram.data), promise: nil)
        }
        let old = self.state.withLockedValue { state in
            defer { state.back = back }
            return state.back
        }
        try await old?.close()
    }

    func stop() async throws {
        try await self.front.close()
        try await self.state.withLockedValue { $0.back }?.close()
    }

    fileprivate static func bind(_ pass: @escaping @Sendable (AddressedEnvelope<ByteBuffer>) -> Void) async throws
        -> any Channel
    {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PassHandler(pass))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }
}

private final class PassHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let pass: @Sendable (AddressedEnvelope<ByteBuffer>) -> Void

    init(_ pass: @escaping @Sendable (AddressedEnvelope<ByteBuffer>) -> Void) { self.pass = pass }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.pass(self.unwrapInboundIn(data)) }
}

/// Somebody without a key who sends datagrams to a port, and counts what comes back.
final class DatagramStranger: Sendable {
    private let channel: any Channel
    private let heard: NIOLockedValueBox<Int>

    private init(_ channel: any Channel, _ heard: NIOLockedValueBox<Int>) {
        self.channel = channel
        self.heard = heard
    }

    static func start() async throws -> DatagramStranger {
        let heard = NIOLockedValueBox(0)
        let channel = try await DatagramRelay.bind { _ in heard.withLockedValue { $0 += 1 } }
        return DatagramStranger(channel, heard)
    }

    /// Datagrams that have come back.
    var answers: Int { self.heard.withLockedValue { $0 } }

    func send(_ bytes: ByteBuffer, to port: Int) async throws {
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        try await self.channel.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: bytes))
    }

    func stop() async throws { try await self.channel.close() }
}
