// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The user of a SOCKS5 proxy of others: logs in, asks for one destination, and is the stream then.
///
/// ```
/// ready ──open──> greeting ──method──> (loggingIn ──yes──>) asking ──granted──> handed over
///                    └── no method, bad login, a refusal, bad bytes, time out, left ──> closed
/// ```
///
/// - Source: RFC 1928, RFC 1929.
package struct SOCKS5Upstream: SessionMachine {
    private enum Phase {
        case idle
        case starting
        case ready
        /// The greeting is to be written.
        case opening(Destination)
        case greeting(Destination)
        case loggingIn(Destination)
        case asking(Destination)
    }

    private static let stream = StreamID(0)

    private let login: UpstreamLogin?
    private let handshake: TimeAmount
    private var phase = Phase.idle
    private var shell = SessionShell()

    /// - Parameter handshake: for the greeting and the login; the proxy's own dialling has ``UpstreamLimits/dialling``.
    package init(login: UpstreamLogin?, handshake: TimeAmount) {
        self.login = login
        self.handshake = handshake
    }

    /// What the destination says first waits in the kernel until there is somebody to hear it.
    package var wantsBytes: Bool { self.shell.input.readableBytes < ProxyServerConfiguration.mostEarlyBytes }

    package var deadline: NIODeadline? { self.shell.deadline }

    package mutating func start(now: NIODeadline) { self.phase = .starting }

    package mutating func receive(_ bytes: ByteBuffer) { self.shell.receive(bytes) }

    package mutating func receiveEnd() { self.shell.receiveEnd() }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        switch self.shell.turn(now: now) {
        case .open: break
        case .late: return self.refuse(.timedOut)
        case .over(let action): return action
        }
        do throws(WireError) {
            switch self.phase {
            case .idle: return nil
            case .starting:
                self.phase = .ready
                return .ready
            case .ready: return self.shell.isUseless ? self.shell.close(.finished) : nil
            case .opening(let destination):
                self.phase = .greeting(destination)
                self.shell.deadline = now + self.handshake
                return .write(SOCKS5.greeting(withLogin: self.login != nil))
            case .greeting(let destination): return try self.readMethod(destination, now)
            case .loggingIn(let destination): return try self.readLoginReply(destination, now)
            case .asking(let destination): return try self.readReply(destination)
            }
        } catch {
            return self.shell.close(.violation(error))
        }
    }

    /// - Throws: `unsupported` for anything but TCP to a host, `sessionLost` before ``SessionAction/ready`` and after the
    ///   end, `limit` for a second stream.
    package mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard SOCKS5.request(request.destination) != nil else { throw .unsupported }
        guard self.shell.isOpen else { throw .sessionLost }
        switch self.phase {
        case .ready: self.phase = .opening(request.destination)
        case .opening, .greeting, .loggingIn, .asking: throw .limit
        case .idle, .starting: throw .sessionLost
        }
        return Self.stream
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.shell.receiveEnd() }
}

extension SOCKS5Upstream {
    private mutating func readMethod(_ destination: Destination, _ now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard let method = try self.shell.input.readSOCKS5Method() else { return self.refuseIfEnded() }
        switch method {
        case .noLogin: return self.ask(destination, now)
        case .password:
            guard let login else { throw WireError(.unexpected, in: "method", found: "a login that was not offered") }
            self.phase = .loggingIn(destination)
            return .write(SOCKS5.login(login))
        case .noneAcceptable:
            let hint = self.login == nil ? "it wants a login; give user and passwordFile" : "it takes no password"
            return self.shell.close(.rejected(hint))
        }
    }

    private mutating func readLoginReply(
        _ destination: Destination, _ now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        guard let isGranted = try self.shell.input.readSOCKS5LoginReply() else { return self.refuseIfEnded() }
        return isGranted ? self.ask(destination, now) : self.shell.close(.rejected("it does not know this login"))
    }

    private mutating func ask(_ destination: Destination, _ now: NIODeadline) -> SessionAction? {
        self.phase = .asking(destination)
        self.shell.deadline = now + UpstreamLimits.dialling
        return SOCKS5.request(destination).map { .write($0) }
    }

    private mutating func readReply(_ destination: Destination) throws(WireError) -> SessionAction? {
        guard let reply = try self.shell.input.readSOCKS5Reply(forgiving: true) else { return self.refuseIfEnded() }
        if let fault = reply.fault(reaching: destination) { return self.refuse(fault) }
        return self.shell.handOver(Self.stream)
    }

    private mutating func refuse(_ fault: StreamFault) -> SessionAction { self.shell.end(Self.stream, fault) }

    private mutating func refuseIfEnded() -> SessionAction? { self.shell.hasEnded ? self.refuse(.sessionLost) : nil }
}

/// What all proxies of others have in common.
enum UpstreamLimits {
    /// How long a proxy may try to reach a destination: it may have several addresses to try.
    static let dialling = TimeAmount.seconds(60)
}

extension SessionShell {
    /// The proxy has left or has spoken, and nobody has asked it for anything.
    var isUseless: Bool { self.hasEnded || self.input.readableBytes > 0 }
}

extension SOCKS5 {
    /// `version | length | name | length | password`; both at most 255 bytes, which the configuration has seen to.
    fileprivate static func login(_ login: UpstreamLogin) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: [Self.loginVersion])
        for part in [login.user, login.password] {
            let text = part.utf8.prefix(255)
            bytes.writeInteger(UInt8(truncatingIfNeeded: text.count))
            bytes.writeBytes(text)
        }
        return bytes
    }
}
