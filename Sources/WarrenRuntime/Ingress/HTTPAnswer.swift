// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A complete small response of the proxy's own: a status, and one sentence for the person who reads it.
struct HTTPAnswer: Error, Hashable {
    var code: Int
    var reason: String
    var sentence: String
    /// Further header lines, without line ends.
    var fields: [String] = []

    init(_ code: Int, _ reason: String, _ sentence: String) {
        self.code = code
        self.reason = reason
        self.sentence = sentence
    }

    /// - Parameters:
    ///   - withBody: false for an answer to HEAD, which states a length and has no body.
    ///   - connection: what becomes of the user's connection.
    func bytes(withBody: Bool = true, _ connection: HTTPPersistence = .close) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeString("HTTP/1.1 \(self.code) \(self.reason)\r\n")
        for field in self.fields { bytes.writeString("\(field)\r\n") }
        bytes.writeString("Content-Type: text/plain; charset=utf-8\r\n")
        bytes.writeString("Content-Length: \(self.sentence.utf8.count + 1)\r\n\(connection.field)\r\n")
        if withBody { bytes.writeString("\(self.sentence)\n") }
        return bytes
    }

    /// How the session that got this answer is over: the request was never HTTP as we know it.
    var violation: CloseReason { .violation(WireError(.badValue, in: "HTTP request", found: self.sentence)) }
}

/// What becomes of the user's connection after an answer.
enum HTTPPersistence: Hashable {
    case close
    /// Kept for a user of HTTP/1.1 who has not said what is to become of it.
    case keep
    /// Kept as its user has asked.
    case keepAsked
    /// The same for a user of HTTP/1.0, who must be told.
    case keepSaid

    /// The header line for it, with its end.
    var field: String {
        switch self {
        case .close: "Connection: close\r\n"
        case .keep, .keepAsked: ""
        case .keepSaid: "Connection: keep-alive\r\n"
        }
    }

    /// How long a connection may wait for its next request: what squid and browsers give it. A user who sends one just
    /// when it is closed has lost it, so the time is long; but one who never spoke of another may be waiting for the end.
    var timeout: TimeAmount {
        switch self {
        case .close, .keep: .seconds(2)
        case .keepAsked, .keepSaid: .minutes(2)
        }
    }
}

extension HTTPAnswer {
    static let connected = ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n")

    /// What is wrong with the head of a request, for whoever sent it.
    init(_ flaw: HTTPFlaw) {
        switch flaw {
        case .notHTTP: self = .malformed("This is an HTTP proxy port, and this is not HTTP.")
        case .tooLarge: self = .headTooLarge
        case .bareLineFeed: self = .malformed("A line of the request ends in LF without CR.")
        case .loneReturn: self = .malformed("A line of the request holds a CR without LF.")
        case .controlCharacter: self = .malformed("The request holds a control character.")
        case .folded: self = .malformed("A header field is folded over two lines.")
        case .noField: self = .malformed("A header field is not: name, colon, value.")
        }
    }

    static func reading<Value>(_ read: () throws(HTTPFlaw) -> Value) throws(HTTPAnswer) -> Value {
        do throws(HTTPFlaw) { return try read() } catch { throw HTTPAnswer(error) }
    }

    static func malformed(_ sentence: String) -> HTTPAnswer { HTTPAnswer(400, "Bad Request", sentence) }

    static let headTooLarge = HTTPAnswer(
        431, "Request Header Fields Too Large",
        "The request line and header fields are larger than \(ProxyServerConfiguration.longestHead) bytes."
    )
    static let tooSlow = HTTPAnswer(408, "Request Timeout", "The request was not complete in time.")
    static let newerVersion = HTTPAnswer(
        505, "HTTP Version Not Supported", "This proxy port speaks HTTP/1.1 and HTTP/1.0."
    )
    static let loginRequired: HTTPAnswer = {
        var answer = HTTPAnswer(407, "Proxy Authentication Required", "This proxy wants a user name and a password.")
        answer.fields = ["Proxy-Authenticate: Basic realm=\"warren\", charset=\"UTF-8\""]
        return answer
    }()

    static func badAnswer(of target: Destination, _ what: String) -> HTTPAnswer {
        .gateway(502, "Bad answer", "\(target) answered \(what).", "http_protocol_error")
    }

    static func emptyAnswer(of target: Destination) -> HTTPAnswer {
        .gateway(502, "Empty answer", "\(target) closed the connection without an answer.", "http_response_incomplete")
    }

    /// Why the destination could not be reached, in words that tell one cause from another.
    init(_ fault: StreamFault, reaching target: Destination) {
        switch fault {
        case .refused:
            self = .gateway(502, "Connection refused", "\(target) refused the connection.", "connection_refused")
        case .unreachable:
            self = .gateway(502, "Host unreachable", "There is no route to \(target).", "destination_ip_unroutable")
        case .unknownHost:
            self = .gateway(502, "Unknown host", "The host of \(target) is not known.", "dns_error")
        case .timedOut:
            self = .gateway(504, "Connection timed out", "\(target) did not answer in time.", "connection_timeout")
        case .notAllowed:
            self = .gateway(
                403, "Destination not allowed", "This proxy may not connect to \(target).", "destination_ip_prohibited"
            )
        case .limit:
            self = .gateway(503, "Limit reached", "This proxy has too many streams.", "connection_limit_reached")
        case .sessionLost:
            let sentence = "The tunnel that leads to \(target) is not up."
            self = .gateway(503, "Tunnel lost", sentence, "destination_unavailable")
        case .noExit:
            let sentence = "No exit is connected that could reach \(target)."
            self = .gateway(503, "No exit", sentence, "destination_unavailable")
        case .noServer:
            let sentence = "The server that leads to \(target) does not answer."
            self = .gateway(503, "Server unavailable", sentence, "destination_unavailable")
        case .shutdown:
            self = .gateway(503, "Shutting down", "This proxy is shutting down.", "destination_unavailable")
        case .unsupported:
            self = .gateway(501, "Not supported", "The tunnel cannot carry this stream.", "proxy_configuration_error")
        case .aborted:
            self = .gateway(502, "Connection reset", "\(target) reset the connection.", "connection_terminated")
        case .idle, .stalled:
            self = .gateway(504, "Idle for too long", "\(target) sent nothing for too long.", "connection_read_timeout")
        case .failed:
            self = .gateway(502, "Connection failed", "Could not connect to \(target).", "destination_unavailable")
        }
    }

    /// - Parameter error: the word of RFC 9209 for it, for programs.
    private static func gateway(_ code: Int, _ reason: String, _ sentence: String, _ error: String) -> HTTPAnswer {
        var answer = HTTPAnswer(code, reason, sentence)
        answer.fields = ["Proxy-Status: warren; error=\(error)"]
        return answer
    }
}
