// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOSSL
package import WarrenCore
package import WarrenKCP
package import WarrenLoop
package import WarrenSecureDatagrams

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Dials the carrier of a session: a TCP connection to a server, a conversation over UDP, or a stream of another outbound,
/// and layers on it.
package struct CarrierDialer: Sendable, CustomStringConvertible {
    /// A try that began while the network was away must not outlast it.
    private static let insistence = TimeAmount.seconds(1)
    /// How long another outbound may take to reach the server.
    private static let timeout = TimeAmount.seconds(30)

    private let dialer: Dialer
    private let asker: Asker
    private let host: Host
    private let port: UInt16
    private let layers: [any DialLayer]
    private let through: (any Outbound)?
    private let kcp: KCP.Configuration?
    private let key: SecureDatagrams.InitiatorKey?
    private let isTrusted: Bool

    /// - Parameters:
    ///   - layers: what is put on the connection, the first of them outermost.
    ///   - through: the outbound that reaches the server; nil to dial it directly.
    ///   - kcp: how the server is spoken to over UDP; nil for TCP. Nothing goes through another outbound then.
    ///   - key: seals every datagram; only with `kcp`.
    ///   - isTrusted: the host stands in our own configuration, so the egress policy has no say.
    package init(
        dialer: Dialer, host: Host, port: UInt16, layers: [any DialLayer] = [],
        through: (any Outbound)? = nil, kcp: KCP.Configuration? = nil,
        key: SecureDatagrams.InitiatorKey? = nil, isTrusted: Bool = true
    ) {
        self.kcp = kcp
        self.key = key
        self.through = through
        self.isTrusted = isTrusted
        var dialer = dialer
        if isTrusted { dialer.policy = .everything }
        dialer.sockets = .carrier
        dialer.insistence = Self.insistence
        if case .name = host, through == nil { dialer.memory = AddressMemory() }
        self.dialer = dialer
        self.asker = isTrusted ? .configuration : .unknown
        self.host = host
        self.port = port
        self.layers = layers
    }

    var memory: AddressMemory? { self.dialer.memory }
    var isTunnelled: Bool { self.through != nil }

    package var description: String { Destination.tcp(self.host, port: self.port).description }

    /// The leg that comes back has not begun; bytes written to it reach the peer's session.
    package func dial(
        on loop: SocketLoop, answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        let server = DialledServer(host: self.host, address: self.server)
        let layered = LayeredAttempt(self.layers, to: server, on: loop, answer: answer)
        let attempt = CarrierStep(layered)
        if let through {
            attempt.step = self.open(through, on: loop) { result in
                switch result {
                case .success(let leg): layered.take(leg)
                case .failure(let fault):
                    let reason = "cannot connect through \(through.name): \(fault.rawValue)"
                    answer(.failure(CarrierFailure(reason, fault)))
                }
            }
            return attempt
        }
        attempt.step = self.connect(on: loop) { result in
            switch result {
            case .success(let leg): layered.take(leg)
            case .failure(let failure): answer(.failure(failure))
            }
        }
        return attempt
    }

    private func connect(
        on loop: SocketLoop, _ answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        if let kcp {
            let dial = KCPDial(kcp, key: self.key, self.dialer, port: self.port, on: loop) { answer($0.map { $0 }) }
            dial.start(self.host, for: self.asker)
            return dial
        }
        let oddity = NIOLockedValueBox<CInt?>(nil)
        var dialer = self.dialer
        dialer.onOddity = { code in oddity.withLockedValue { $0 = code } }
        return dialer.dial(self.host, port: self.port, for: self.asker, on: loop) { result in
            let named = result.mapError { fault in
                let code = fault == .failed ? oddity.withLockedValue { $0 } : nil
                let why = code.map { IOError(errnoCode: $0, reason: "connect").words } ?? fault.rawValue
                return CarrierFailure("cannot connect: \(why)", fault)
            }
            answer(named.map { $0 })
        }
    }

    /// A stream of another outbound, within a time: one that waits for its own tunnel may wait for long.
    private func open(
        _ outbound: any Outbound, on loop: SocketLoop, _ answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let attempt = TimedAttempt()
        let request = StreamRequest(outbound.leadsToOnePlace ? .fixed : .tcp(self.host, port: self.port))
        attempt.timer = loop.timer(in: Self.timeout) {
            attempt.cancel()
            answer(.failure(.timedOut))
        }
        var isAnswered = false
        let step = outbound.open(request, trusted: self.isTrusted, on: loop) { result in
            isAnswered = true
            attempt.isOver()
            answer(result)
        }
        if !isAnswered { attempt.step = step }
        return attempt
    }

    /// Whose address a certificate must name, behind another outbound: none for a server with a name.
    private var server: SocketAddress? {
        guard self.through != nil else { return nil }
        switch self.host {
        case .address(let address): return address.socketAddress(port: self.port)
        case .name: return IPAddress(v4: 0).socketAddress(port: self.port)
        }
    }
}

extension IOError {
    /// The system's own text for the number: `Invalid argument (error 22)`.
    var words: String { "\(String(cString: strerror(self.errnoCode))) (error \(self.errnoCode))" }
}

/// The connection first, then what is put on it.
private final class CarrierStep: OpenAttempt {
    private let layered: LayeredAttempt
    var step: (any OpenAttempt)?

    init(_ layered: LayeredAttempt) { self.layered = layered }

    func cancel() {
        self.step?.cancel()
        self.layered.cancel()
    }
}

/// One step and its time.
private final class TimedAttempt: OpenAttempt {
    var step: (any OpenAttempt)?
    var timer: LoopTimer?

    func isOver() {
        self.timer?.cancel()
        self.timer = nil
        self.step = nil
    }

    func cancel() {
        let step = self.step
        self.isOver()
        step?.cancel()
    }
}
