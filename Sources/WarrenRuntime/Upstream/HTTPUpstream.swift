// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The user of an HTTP proxy of others: asks it with CONNECT for one destination, and is the stream then.
///
/// ```
/// ready ──open──> opening ──CONNECT──> asking ──2xx──> handed over
///                                        └── another answer, bad bytes, time out, left ──> closed
/// ```
///
/// - Source: RFC 9110, section 9.3.6.
package struct HTTPUpstream: SessionMachine {
    private enum Phase {
        case idle
        case starting
        case ready
        /// The request is to be written.
        case opening(Destination)
        case asking
    }

    private static let stream = StreamID(0)

    private let login: UpstreamLogin?
    private var phase = Phase.idle
    private var scan = HTTPHeadScan.answer
    private var interim = 0
    private var shell = SessionShell()

    package init(login: UpstreamLogin?) { self.login = login }

    package var wantsBytes: Bool { self.shell.input.readableBytes <= HTTPHeadScan.longestAnswer }

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
        switch self.phase {
        case .idle: return nil
        case .starting:
            self.phase = .ready
            return .ready
        case .ready: return self.shell.isUseless ? self.shell.close(.finished) : nil
        case .opening(let destination):
            self.phase = .asking
            self.shell.deadline = now + UpstreamLimits.dialling
            return .write(self.request(destination))
        case .asking: return self.readAnswer()
        }
    }

    /// - Throws: `unsupported` for anything but TCP to a host, `sessionLost` before ``SessionAction/ready`` and after the
    ///   end, `limit` for a second stream.
    package mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard case .host(_, _, .tcp) = request.destination else { throw .unsupported }
        guard self.shell.isOpen else { throw .sessionLost }
        switch self.phase {
        case .ready: self.phase = .opening(request.destination)
        case .opening, .asking: throw .limit
        case .idle, .starting: throw .sessionLost
        }
        return Self.stream
    }

    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.shell.receiveEnd() }
}

extension HTTPUpstream {
    private func request(_ destination: Destination) -> ByteBuffer {
        var bytes = ByteBuffer(string: "CONNECT \(destination) HTTP/1.1\r\nHost: \(destination)\r\n")
        if let login {
            let text = String(decoding: Base64.encode("\(login.user):\(login.password)".utf8), as: UTF8.self)
            bytes.writeString("Proxy-Authorization: Basic \(text)\r\n")
        }
        bytes.writeString("\r\n")
        return bytes
    }

    private mutating func readAnswer() -> SessionAction? {
        do throws(WireError) {
            while let length = try self.scan.answerLength(in: self.shell.input),
                let head = self.shell.input.readSlice(length: length)
            {
                let response = try HTTPResponse(head.readableBytesView)
                self.scan = HTTPHeadScan.answer
                guard response.isInterim else { return self.answered(response) }
                self.interim += 1
                guard self.interim <= HTTPResponse.mostInterim else { throw WireError(.tooLong, in: "interim answers") }
            }
        } catch {
            return self.shell.close(.violation(error))
        }
        return self.shell.hasEnded ? self.refuse(.sessionLost) : nil
    }

    private mutating func answered(_ response: HTTPResponse) -> SessionAction {
        guard !(200..<300).contains(response.code) else { return self.shell.handOver(Self.stream) }
        guard response.code != 407 else {
            let hint =
                self.login == nil ? "it wants a login; give user and passwordFile" : "it does not know this login"
            return self.shell.close(.rejected(hint))
        }
        return self.refuse(StreamFault(response))
    }

    private mutating func refuse(_ fault: StreamFault) -> SessionAction { self.shell.end(Self.stream, fault) }
}
