// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// A SOCKS version 4 and 4a server for one user's connection: CONNECT only.
///
/// ```
/// request ──open──> dialing ──accept──> accepted ──reply──> handingOver ──> closed
///    └── bad, BIND, login wanted ──> closing     └──reset──> refused ──reply──> closing ──> closed
/// ```
///
/// The protocol has no password and its user id proves nothing: where a login is required everyone is refused.
package struct SOCKS4Server: SessionMachine {
    private enum Phase {
        case request
        case dialing
        case accepted
        case refused
        case handingOver
    }

    private let configuration: ProxyServerConfiguration
    private var phase = Phase.request
    private var shell = SessionShell()

    package init(_ configuration: ProxyServerConfiguration) { self.configuration = configuration }

    package var deadline: NIODeadline? { self.shell.deadline }
    package var wantsBytes: Bool { self.shell.input.readableBytes < ProxyServerConfiguration.mostEarlyBytes }

    package mutating func start(now: NIODeadline) { self.shell.deadline = now + self.configuration.limits.handshake }

    package mutating func receive(_ bytes: ByteBuffer) {
        switch self.phase {
        case .request, .dialing, .accepted, .handingOver: self.shell.receive(bytes)
        case .refused: return
        }
    }

    package mutating func receiveEnd() { self.shell.receiveEnd() }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        switch self.shell.turn(now: now) {
        case .open: break
        case .late: return self.shell.close(.timedOut(phase: "SOCKS4 request"))
        case .over(let action): return action
        }
        switch self.phase {
        case .request: return self.readRequest()
        case .dialing: return nil
        case .accepted:
            self.phase = .handingOver
            return .write(Self.bytes(of: .granted))
        case .refused: return self.answer(.refused, .finished)
        case .handingOver: return self.shell.handOver(.front)
        }
    }

    package mutating func accept(_ stream: StreamID) {
        guard case .dialing = self.phase else { return }
        self.phase = .accepted
    }

    /// The protocol has one "no" for every fault.
    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard case .dialing = self.phase else { return }
        self.phase = .refused
    }
}

extension SOCKS4Server {
    private mutating func readRequest() -> SessionAction? {
        do throws(WireError) {
            switch try self.shell.input.readSOCKS4Request() {
            case .connect(let host, let port):
                guard !self.configuration.requiresLogin else { return self.answer(.notConfirmed, .denied) }
                self.phase = .dialing
                self.shell.deadline = nil
                return .open(.front, StreamRequest(.tcp(host, port: port)))
            case .unsupported: return self.answer(.refused, .finished)
            case nil: return self.shell.hasEnded ? self.shell.close(.finished) : nil
            }
        } catch {
            // Another first byte is another protocol: an answer in this one would only confuse it.
            return error.field == "request.version"
                ? self.shell.close(.violation(error)) : self.answer(.refused, .violation(error))
        }
    }

    private static func bytes(of reply: SOCKS4.Reply) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeSOCKS4Reply(reply)
        return bytes
    }

    private mutating func answer(_ reply: SOCKS4.Reply, _ reason: CloseReason) -> SessionAction {
        self.shell.close(reason, saying: Self.bytes(of: reply))
    }
}

extension SOCKS4Server: TunnelProtocol {
    package static let name = "socks4"

    package static func detect(_ head: ByteBufferView) -> Detection {
        head.first.map { $0 == SOCKS4.version ? .yes : .no } ?? .needs(bytes: 1)
    }
}
