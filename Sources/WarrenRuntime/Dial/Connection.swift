// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore
import WarrenLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One connect that is under way.
final class Connection: SocketWatcher {
    private let socket: Socket
    private let address: PeerAddress
    private let options: SocketOptions
    private let onOddity: (@Sendable (CInt) -> Void)?
    private var answer: ((Result<SocketLeg, StreamFault>) -> Void)?
    private var timer: LoopTimer?

    /// Starts to connect. `answer` comes on the loop, later, exactly once unless the attempt is cancelled.
    ///
    /// - Throws: what the system says at once.
    init(
        to address: PeerAddress, from local: IPAddress?, options: SocketOptions, timeout: TimeAmount,
        onOddity: (@Sendable (CInt) -> Void)? = nil, on loop: SocketLoop,
        answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) throws(StreamFault) {
        let descriptor = cws_socket(address.system.version)
        guard descriptor >= 0 else { throw StreamFault(connecting: errno) }
        guard DescriptorLimit.process.room(for: descriptor) == .plenty else {
            _ = systemClose(descriptor)
            throw .limit
        }
        if let code = Self.begin(descriptor, address, local, options) {
            _ = systemClose(descriptor)
            throw Self.fault(code, onOddity)
        }
        guard let socket = Socket(descriptor, on: loop, isConnecting: true) else { throw .limit }
        self.socket = socket
        self.address = address
        self.options = options
        self.answer = answer
        self.onOddity = onOddity
        socket.watcher = self
        self.timer = loop.timer(in: timeout) { self.finish(.failure(.timedOut)) }
    }

    /// Nil if it is under way, else an error number.
    private static func begin(
        _ descriptor: CInt, _ address: PeerAddress, _ local: IPAddress?, _ options: SocketOptions
    ) -> CInt? {
        options.apply(to: descriptor)
        if let local {
            // The port is chosen when the destination is known, so that each destination has the whole range.
            _ = cws_bind_without_port(descriptor)
            guard cws_bind(descriptor, PeerAddress(local, port: 0).system) == 0 else { return errno }
        }
        return cws_connect(descriptor, address.system) == 0 ? nil : errno
    }

    private static func fault(_ code: CInt, _ onOddity: (@Sendable (CInt) -> Void)?) -> StreamFault {
        let fault = StreamFault(connecting: code)
        if fault == .failed { onOddity?(code) }
        return fault
    }

    func socketIsReady(_ socket: Socket) {
        if socket.hasFailed {
            self.finish(.failure(Self.fault(socket.takeError(), self.onOddity)))
        } else if socket.isWritable {
            guard !self.isToItself else { return self.finish(.failure(.refused)) }
            self.finish(.success(SocketLeg(socket, peer: self.address, options: self.options)))
        }
    }

    /// Both ends are this socket: nobody listens on a port that the system has just given to us.
    private var isToItself: Bool { ListeningSocket.localAddress(of: self.socket.descriptor) == self.address }

    func cancel() {
        self.answer = nil
        self.timer?.cancel()
        self.socket.close()
    }

    private func finish(_ result: Result<SocketLeg, StreamFault>) {
        guard let answer else { return }
        self.answer = nil
        self.timer?.cancel()
        if case .failure = result { self.socket.close() }
        answer(result)
    }
}
