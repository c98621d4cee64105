// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// A SOCKS version 5 server for one user's connection: CONNECT, with or without a login.
///
/// ```
/// greeting ──no login──> request ──open──> dialing ──accept──> accepted ──reply──> handingOver ──> closed
///    │                      ^                 └────reset────> refused ──reply──> closing ──> closed
///    └─> login ──> judging ─┤ admitted
///                           └ denied ──01 01──> closing
/// ```
package struct SOCKS5Server: SessionMachine {
    private enum Phase {
        case greeting
        case login
        case judging
        case admitted
        case denied
        case request
        case dialing
        case accepted
        case refused(StreamFault)
        case handingOver
    }

    private let configuration: ProxyServerConfiguration
    private var phase = Phase.greeting
    private var shell = SessionShell()

    package init(_ configuration: ProxyServerConfiguration) { self.configuration = configuration }

    package var deadline: NIODeadline? { self.shell.deadline }
    package var wantsBytes: Bool { self.shell.input.readableBytes < ProxyServerConfiguration.mostEarlyBytes }

    package mutating func start(now: NIODeadline) { self.shell.deadline = now + self.configuration.limits.handshake }

    package mutating func receive(_ bytes: ByteBuffer) {
        switch self.phase {
        case .greeting, .login, .judging, .admitted, .request, .dialing, .accepted, .handingOver:
            self.shell.receive(bytes)
        case .denied, .refused: return
        }
    }

    /// A user may have nothing more to say before the destination is reached: after the request only the carrier cares.
    package mutating func receiveEnd() { self.shell.receiveEnd() }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        switch self.shell.turn(now: now) {
        case .open: break
        case .late: return self.shell.close(.timedOut(phase: "SOCKS5 request"))
        case .over(let action): return action
        }
        switch self.phase {
        case .greeting: return self.readGreeting()
        case .login: return self.readLogin()
        case .admitted:
            self.phase = .request
            return .write(ByteBuffer(bytes: [SOCKS5.loginVersion, 0]))
        case .denied: return self.answer([SOCKS5.loginVersion, 1], .denied)
        case .request: return self.readRequest()
        case .judging, .dialing: return nil
        case .accepted:
            self.phase = .handingOver
            return .write(Self.bytes(of: .succeeded))
        case .refused(let fault): return self.answer(.init(fault), .finished)
        case .handingOver: return self.shell.handOver(.front)
        }
    }

    package mutating func judged(_ verdict: Verdict) {
        guard case .judging = self.phase else { return }
        switch verdict {
        case .accepted: self.phase = .admitted
        case .denied: self.phase = .denied
        }
    }

    package mutating func accept(_ stream: StreamID) {
        guard case .dialing = self.phase else { return }
        self.phase = .accepted
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard case .dialing = self.phase else { return }
        self.phase = .refused(fault ?? .failed)
    }
}

// MARK: - What the user says

extension SOCKS5Server {
    private mutating func readGreeting() -> SessionAction? {
        do throws(WireError) {
            guard let offered = try self.shell.input.readSOCKS5Greeting() else { return self.waitOrClose() }
            let wanted = self.configuration.requiresLogin ? SOCKS5.Method.password : .noLogin
            guard offered.contains(wanted.rawValue) else {
                return self.answer([SOCKS5.version, SOCKS5.Method.noneAcceptable.rawValue], .denied)
            }
            self.phase = self.configuration.requiresLogin ? .login : .request
            return .write(ByteBuffer(bytes: [SOCKS5.version, wanted.rawValue]))
        } catch {
            return self.shell.close(.violation(error))
        }
    }

    private mutating func readLogin() -> SessionAction? {
        do throws(WireError) {
            guard let claim = try self.shell.input.readSOCKS5Login() else { return self.waitOrClose() }
            self.phase = .judging
            return .authenticate(claim)
        } catch {
            return self.answer([SOCKS5.loginVersion, 1], .violation(error))
        }
    }

    private mutating func readRequest() -> SessionAction? {
        do throws(WireError) {
            switch try self.shell.input.readSOCKS5Request() {
            case .connect(let host, let port):
                self.phase = .dialing
                self.shell.deadline = nil
                return .open(.front, StreamRequest(.tcp(host, port: port)))
            case .unsupported(let reply): return self.answer(reply, .finished)
            case nil: return self.waitOrClose()
            }
        } catch {
            return self.answer(.failed, .violation(error))
        }
    }
}

// MARK: - What we answer

extension SOCKS5Server {
    private static func bytes(of reply: SOCKS5.Reply) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeSOCKS5Reply(reply)
        return bytes
    }

    private mutating func answer(_ reply: SOCKS5.Reply, _ reason: CloseReason) -> SessionAction {
        self.shell.close(reason, saying: Self.bytes(of: reply))
    }

    private mutating func answer(_ bytes: [UInt8], _ reason: CloseReason) -> SessionAction {
        self.shell.close(reason, saying: ByteBuffer(bytes: bytes))
    }

    private mutating func waitOrClose() -> SessionAction? { self.shell.hasEnded ? self.shell.close(.finished) : nil }
}

extension SOCKS5Server: TunnelProtocol {
    package static let name = "socks5"

    package static func detect(_ head: ByteBufferView) -> Detection {
        head.first.map { $0 == SOCKS5.version ? .yes : .no } ?? .needs(bytes: 1)
    }
}
