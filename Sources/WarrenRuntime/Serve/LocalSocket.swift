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

/// Connects to a socket of this machine (AF_UNIX), which is there at once or not at all; only a full line of others is waited
/// for.
final class LocalSocket: OpenAttempt {
    private static let pause = TimeAmount.milliseconds(20)
    private static let timeout = TimeAmount.seconds(10)
    /// A socket of this machine has no address that could be told.
    private static let peer = PeerAddress(IPAddress(v4: 0), port: 0)

    private let path: String
    private let loop: SocketLoop
    private let deadline: NIODeadline
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private var timer: LoopTimer?

    private init(_ path: String, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void) {
        self.path = path
        self.loop = loop
        self.deadline = loop.now + Self.timeout
        self.answer = answer
    }

    static func dial(
        _ path: String, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let attempt = LocalSocket(path, on: loop, answer: answer)
        attempt.dial()
        return attempt
    }

    func cancel() {
        self.answer = nil
        self.timer?.cancel()
    }

    private func dial() {
        let descriptor = cws_dial_unix(self.path)
        guard descriptor >= 0 else { return self.failed(errno) }
        guard DescriptorLimit.process.room(for: descriptor) == .plenty else {
            _ = systemClose(descriptor)
            return self.finish(.failure(.limit))
        }
        guard let socket = Socket(descriptor, on: self.loop) else { return self.finish(.failure(.limit)) }
        self.finish(.success(SocketLeg(socket, peer: Self.peer, options: SocketOptions())))
    }

    private func failed(_ code: CInt) {
        guard code == EAGAIN else {
            // A path without a socket is what a port without a listener is.
            let isNobody = code == ENOENT || code == ENOTSOCK
            return self.finish(.failure(isNobody ? .refused : StreamFault(connecting: code)))
        }
        guard self.loop.now < self.deadline else { return self.finish(.failure(.timedOut)) }
        self.timer = self.loop.timer(in: Self.pause) {
            self.timer = nil
            self.dial()
        }
    }

    private func finish(_ result: Result<any Leg, StreamFault>) {
        guard let answer else {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        self.answer = nil
        answer(result)
    }
}
