// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The inbound of public names: looks at what a visitor says first, and passes it on untouched. By plain HTTP every further
/// request is looked at, too (``HTTPWatch``): one for another name is taken there as that of a visitor who has just come.
///
/// ```
/// waiting --ClientHello--> opening(name, https) --accepted--> handed over
///    |----- HTTP head ---> opening(host, http) ----accepted--> watching --101, CONNECT--> handed over
///    |        |                                             ^      |
///    |        |                                             |      +--another name, all answered--> waiting
///    |        +----------> an answer of ours (a redirect)
///    |----- silence, or anything else, on a raw port ---> opening(port, tcp)
///    +----- anything else, time out ---> closed
/// opening --refused--> a TLS alert or an HTTP answer, then closed
/// ```
package struct PublicServer: SessionMachine {
    /// What visitors may speak.
    package enum Mode: String, Sendable, CaseIterable {
        /// TLS or HTTP, told apart.
        case auto
        case tls
        case http
        /// Anything, for whoever has the port.
        case tcp
    }

    package struct Configuration: Sendable {
        package var mode = Mode.auto
        /// HTTP is answered with a redirect to https, but for the questions of certificate authorities.
        package var redirects = true
        package var limits: SessionLimits

        package init(limits: SessionLimits) { self.limits = limits }
    }

    private enum Phase {
        case idle
        case waiting
        case opening(Said)
        case accepted(Said)
        /// The session lasts as long as the connection.
        case watching
        case refused(Said, StreamFault)
        /// All has been said.
        case over(CloseReason)
    }

    /// What a visitor speaks, as far as an answer of ours depends on it.
    private enum Said {
        case tls
        case http(HTTPHost)
        case raw
    }

    /// How long a visitor of a raw port may be silent before its target speaks first; deployed relays: the same.
    private static let silence = TimeAmount.milliseconds(350)

    private let configuration: Configuration
    /// Where the visitor came in.
    private let port: UInt16
    private var phase = Phase.idle
    private var early = ByteBuffer()
    private var hasEnded = false
    /// The connection's one stream at a time.
    private var stream = StreamID(0)
    private var hasServed: Bool { self.stream.rawValue > 0 }
    /// Finds the end of a head, looking at every byte once.
    private var scan = HTTPHeadScan.request
    private var beginning = HTTPBeginning()
    /// While watching.
    private var watch: HTTPWatch?
    package private(set) var deadline: NIODeadline?

    package init(_ configuration: Configuration, port: UInt16) {
        self.configuration = configuration
        self.port = port
    }

    /// What comes behind the first words waits with the system.
    package var wantsBytes: Bool {
        switch self.phase {
        case .waiting: self.early.readableBytes < Detection.mostBytes
        case .watching: self.watch?.wantsBytes ?? false
        case .idle, .opening, .accepted, .refused, .over: false
        }
    }

    package mutating func start(now: NIODeadline) {
        self.phase = .waiting
        let isRaw = self.configuration.mode == .tcp
        self.deadline = now + (isRaw ? Self.silence : self.configuration.limits.handshake)
    }

    package var mayMove: Bool {
        if case .opening = self.phase { true } else { false }
    }

    package mutating func receive(_ bytes: ByteBuffer) {
        if self.watch?.receive(bytes) == nil { self.early.take(bytes) }
    }

    package mutating func receiveEnd() {
        self.hasEnded = true
        self.watch?.receiveEnd()
    }

    package mutating func accept(_ stream: StreamID) {
        if stream == self.stream, case .opening(let said) = self.phase { self.phase = .accepted(said) }
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard stream == self.stream else { return }
        switch self.phase {
        // A later request: without an answer it may be asked again elsewhere, as this place is about to close.
        case .opening where fault == .shutdown && self.hasServed: self.phase = .over(.finished)
        case .opening(let said): self.phase = .refused(said, fault ?? .failed)
        case .accepted(let said): self.phase = .refused(said, fault ?? .failed)
        case .idle, .waiting, .watching, .refused, .over: self.watch?.reset(fault)
        }
    }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        switch self.phase {
        case .idle: return nil
        case .waiting: return self.look(now: now)
        case .opening: return nil
        case .accepted(.http(let request)):
            self.phase = .watching
            self.watch(request)
            return self.follow(now: now, writable: writable)
        case .accepted:
            self.phase = .idle
            defer { self.early = ByteBuffer() }
            return .handOver(self.stream, leftover: self.early)
        case .watching:
            if let rest = self.watch?.left { return self.comeAgain(with: rest, now: now) }
            return self.follow(now: now, writable: writable)
        case .refused(let said, let fault): return self.refuse(said, fault)
        case .over(let reason):
            self.phase = .idle
            return .close(reason)
        }
    }
}

// MARK: - The requests of a connection

extension PublicServer {
    package var mayEndInOrder: Bool { self.watch?.mayEndInOrder ?? true }
    package mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        if stream == self.stream { self.watch?.send(bytes) }
    }
    package mutating func finish(_ stream: StreamID) {
        if stream == self.stream { self.watch?.finish() }
    }
    package mutating func consumed(_ count: Int, on stream: StreamID) {
        if stream == self.stream { self.watch?.consumed(count) }
    }

    /// A head that has begun must be there in the time that the first one has.
    private mutating func follow(now: NIODeadline, writable: Bool) -> SessionAction? {
        if let deadline, deadline <= now, self.watch?.awaitsHead == true { self.watch?.headIsLate() }
        let action = self.watch?.next(writable: writable)
        if case .deliver? = action { self.deadline = nil }
        let isAwaited = self.watch?.awaitsHead ?? false
        self.deadline = isAwaited ? self.deadline ?? now + self.configuration.limits.handshake : nil
        return action
    }

    private mutating func watch(_ first: HTTPHost) {
        let (name, redirects) = (first.host, self.configuration.redirects)
        self.watch = HTTPWatch(
            self.early, hasEnded: self.hasEnded, on: self.stream, limits: self.configuration.limits
        ) { request in
            guard request.host == name, let name else { return .left }
            return redirects && !request.isOfAuthority ? .refused(.redirect(request, to: name)) : .passed
        }
        self.early = ByteBuffer()
    }

    /// The stream has ended, and a request for another name is next.
    private mutating func comeAgain(with rest: ByteBuffer, now: NIODeadline) -> SessionAction? {
        self.watch = nil
        self.early = rest
        (self.scan, self.beginning) = (.request, HTTPBeginning())
        self.stream = StreamID(self.stream.rawValue &+ 1)
        self.phase = .waiting
        return self.look(now: now)
    }
}

// MARK: - The first words

extension PublicServer {
    private mutating func look(now: NIODeadline) -> SessionAction? {
        let isLate = self.deadline.map { $0 <= now } ?? false
        if self.configuration.mode == .tcp {
            guard isLate || self.hasEnded || self.early.readableBytes > 0 else { return nil }
            return self.open("", "tcp", .raw)
        }
        guard !isLate else { return self.close(.timedOut(phase: "first words")) }
        let head = self.early.readableBytesView
        if self.configuration.mode != .http, let action = self.lookForTLS(head) { return action.step }
        if self.configuration.mode != .tls, let action = self.lookForHTTP(head) { return action.step }
        guard self.hasEnded || !head.isEmpty else { return nil }
        return self.close(.violation(WireError(.badValue, in: "first words", found: "neither TLS nor HTTP")))
    }

    /// What is known of a protocol; nil where it is not that one.
    private struct Look { var step: SessionAction? }

    private mutating func lookForTLS(_ head: ByteBufferView) -> Look? {
        switch ClientHello.read(head) {
        case .no: return nil
        case .needs(let bytes):
            if self.hasEnded || bytes > Detection.mostBytes { return Look(step: self.close(.finished)) }
            // An empty beginning may become HTTP.
            return head.isEmpty ? nil : Look()
        case .whole(let hello):
            guard let name = hello.serverName.flatMap({ HostName($0) }) else {
                return Look(step: self.refuse(.tls, .unknownHost))
            }
            return Look(step: self.open(name.text, "https", .tls))
        }
    }

    private mutating func lookForHTTP(_ head: ByteBufferView) -> Look? {
        let length: Int?
        do throws(HTTPFlaw) {
            length = try self.scan.length(in: self.early)
        } catch {
            return self.refuseHead(head, isTooLong: error == .tooLarge)
        }
        guard let length else {
            guard self.beginning.mayGoOn(head) else { return nil }
            if head.count >= Detection.mostBytes { return self.refuseHead(head, isTooLong: true) }
            return Look(step: self.hasEnded ? self.close(.finished) : nil)
        }
        guard let request = HTTPHost(head.prefix(length)) else { return self.refuseHead(head, isTooLong: false) }
        guard let host = request.host else { return Look(step: self.refuse(.http(request), .unknownHost)) }
        if self.configuration.redirects, !request.isOfAuthority {
            return Look(step: self.answer(.redirect(request, to: host), to: request))
        }
        if case .failure(let answer) = request.body { return Look(step: self.answer(answer, to: request)) }
        return Look(step: self.open(host, "http", .http(request)))
    }

    private mutating func open(_ name: String, _ scheme: String, _ said: Said) -> SessionAction {
        self.phase = .opening(said)
        self.deadline = nil
        var request = StreamRequest(.service(name: name, port: self.port))
        request.scheme = scheme
        return .open(self.stream, request)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.phase = .idle
        self.deadline = nil
        self.early = ByteBuffer()
        return .close(reason)
    }
}

// MARK: - Answers of ours

extension PublicServer {
    private mutating func refuse(_ said: Said, _ fault: StreamFault) -> SessionAction {
        self.deadline = nil
        self.early = ByteBuffer()
        switch said {
        case .tls:
            self.phase = .over(.finished)
            return .write(TLSAlert.fatal(fault == .unknownHost ? .unrecognizedName : .internalError))
        case .http(let request):
            self.phase = .over(.finished)
            return .write(HTTPAnswer(publicName: fault).bytes(withBody: request.method != "HEAD"))
        case .raw: return self.close(.cutOff(fault))
        }
    }

    /// An answer to what is HTTP and no head that anybody should have to read; nil for what is no HTTP.
    private mutating func refuseHead(_ head: ByteBufferView, isTooLong: Bool) -> Look? {
        guard HTTPHost.mayBegin(head), head.contains(UInt8(ascii: "\n")) || isTooLong else { return nil }
        let flaw: WireError =
            isTooLong
            ? WireError(.tooLong, in: "HTTP head", found: "more than \(Detection.mostBytes) bytes")
            : WireError(.badValue, in: "HTTP head", found: "what HTTP/1 does not allow")
        let answer =
            isTooLong
            ? HTTPAnswer(431, "Request Header Fields Too Large", "The head of this request is too long.")
            : HTTPAnswer(400, "Bad Request", "The head of this request is broken.")
        self.phase = .over(.violation(flaw))
        self.deadline = nil
        self.early = ByteBuffer()
        return Look(step: .write(answer.bytes(withBody: true)))
    }

    private mutating func answer(_ answer: HTTPAnswer, to request: HTTPHost) -> SessionAction {
        self.phase = .over(answer.code == 400 ? answer.violation : .finished)
        self.deadline = nil
        self.early = ByteBuffer()
        return .write(answer.bytes(withBody: request.method != "HEAD"))
    }
}

extension HTTPHost {
    /// A question of a certificate authority, which comes by plain HTTP.
    fileprivate var isOfAuthority: Bool { self.target.hasPrefix("/.well-known/acme-challenge/") }
}

/// An alert before any handshake (RFC 8446, section 6): `21 u8 | version u16 | length u16 | level u8 | description u8`.
private enum TLSAlert {
    enum Description: UInt8 {
        case internalError = 80
        case unrecognizedName = 112
    }

    static func fatal(_ description: Description) -> ByteBuffer {
        ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, description.rawValue])
    }
}

extension HTTPAnswer {
    /// Why a device that has taken a visitor has no answer for him.
    init(device fault: StreamFault) {
        switch fault {
        case .refused, .unreachable, .unknownHost, .failed, .aborted:
            let sentence = "What serves this name at its device does not take the connection, or has ended it."
            self.init(502, "Bad Gateway", sentence)
        case .limit, .sessionLost, .noExit, .noServer, .shutdown, .stalled, .unsupported, .notAllowed, .timedOut, .idle:
            self.init(publicName: fault)
        }
    }

    fileprivate static func redirect(_ request: HTTPHost, to host: String) -> HTTPAnswer {
        let path = request.target.hasPrefix("/") ? request.target : "/"
        var answer = HTTPAnswer(308, "Permanent Redirect", "This name is served over https.")
        answer.fields = ["Location: https://\(host)\(path)"]
        return answer
    }

    /// Why nobody serves a public name now.
    fileprivate init(publicName fault: StreamFault) {
        switch fault {
        case .unknownHost, .unsupported, .notAllowed:
            self.init(404, "Not Found", "Nobody serves this name here.")
        case .limit, .unreachable, .sessionLost, .noExit, .noServer, .shutdown, .stalled:
            self.init(503, "Service Unavailable", "The device that serves this name is not here now.")
            self.fields = ["Retry-After: 10"]
        case .refused, .failed, .aborted:
            self.init(502, "Bad Gateway", "The device that serves this name refuses the connection.")
        case .timedOut, .idle:
            self.init(504, "Gateway Timeout", "The device that serves this name does not answer.")
        }
    }
}
