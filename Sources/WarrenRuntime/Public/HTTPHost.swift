// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What the head of an HTTP request says about where it belongs and where it ends; the request itself is passed on untouched.
struct HTTPHost: Hashable {
    /// As it was sent.
    let method: String
    let target: String
    /// Without its port, in small letters; nil where there is none, or one that is no name.
    let host: String?
    /// Where it ends, or the answer to one that two readers could see end in two places.
    let body: Result<HTTPBody, HTTPAnswer>
    /// The connection may go on in another protocol behind its head.
    let mayLeaveHTTP: Bool
    /// Nothing is to follow it on its connection.
    let isLast: Bool

    /// Whether bytes, few or many, may be the beginning of a request.
    static func mayBegin(_ head: ByteBufferView) -> Bool {
        var beginning = HTTPBeginning()
        return beginning.mayGoOn(head)
    }

    /// - Parameter head: all of it with its last empty line, as ``HTTPHeadScan`` has found it.
    /// - Returns: nil for what is no request of HTTP/1: whoever serves the name could read it in another way.
    init?(_ head: ByteBufferView) {
        guard Self.mayBegin(head), let head = try? HTTPHead(request: head) else { return nil }
        var words = head.words(most: 4).makeIterator()
        guard let method = words.next(), let target = words.next(), let version = words.next(), words.next() == nil,
            version.starts(with: "HTTP/1.".utf8)
        else { return nil }
        self.method = String(decoding: method, as: UTF8.self)
        self.target = String(decoding: target, as: UTF8.self)
        // Two of them are two requests, depending on who reads it.
        self.host = head.fields.only("host").flatMap { Self.name($0.value) }
        self.body = Self.body(head.fields, of: self.method, version)
        self.mayLeaveHTTP = self.method == "CONNECT" || !head.fields.named("upgrade").isEmpty
        self.isLast = head.fields.endConnection(minorVersion: Self.minorVersion(version))
    }

    private static func body(
        _ fields: [HTTPField], of method: String, _ version: ByteBufferView
    ) -> Result<HTTPBody, HTTPAnswer> {
        Result { () throws(HTTPAnswer) in
            let body = try HTTPBody(fields, minorVersion: Self.minorVersion(version))
            guard method != "CONNECT" || body.isComplete else { throw .malformed("A CONNECT request has no body.") }
            return body
        }
    }

    private static func minorVersion(_ version: ByteBufferView) -> Int {
        version.elementsEqual("HTTP/1.0".utf8) ? 0 : 1
    }

    private static func name(_ text: ByteBufferView) -> String? {
        let bare = text.prefix { $0 != UInt8(ascii: ":") }
        return HostName(String(decoding: bare, as: UTF8.self))?.text
    }
}

extension [HTTPField] {
    /// Whether the connection ends behind the message that has these fields (RFC 9112, section 9.3).
    func endConnection(minorVersion: Int) -> Bool {
        let words = self.words("connection")
        return words.contains("close") || minorVersion == 0 && !words.contains("keep-alive")
    }
}
