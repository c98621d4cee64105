// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The head of a request to a proxy.
struct HTTPRequest: Hashable {
    var method: String
    var target: HTTPTarget
    /// The 0 of HTTP/1.0, or 1.
    var minorVersion: Int
    var fields: [HTTPField]
    var body: HTTPBody
    /// How often TRACE and OPTIONS may still be passed on; nil without such a limit, and for every other method.
    var mostForwards: Int?
    /// Whose server it is for, where it is not for a proxy.
    var origin: HTTPOrigin?

    /// - Parameters:
    ///   - head: all of it with the last empty line, as ``HTTPHeadScan`` has found it.
    ///   - origin: nil for a request to a proxy.
    /// - Throws: the answer that says what is wrong with it.
    init(_ head: ByteBufferView, at origin: HTTPOrigin? = nil) throws(HTTPAnswer) {
        let parts = try HTTPAnswer.reading { () throws(HTTPFlaw) in try HTTPHead(request: head) }
        let words = parts.words(most: 4)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(\.isToken) else {
            throw .malformed("The request line is not: method, target, version.")
        }
        self.minorVersion = try Self.minorVersion(words[2])
        self.method = String(decoding: words[0], as: UTF8.self)
        let target = words[1]
        let fields = parts.fields
        if let origin {
            self.target = try HTTPTarget(target, method: self.method, at: origin, fields)
        } else {
            self.target = try HTTPTarget(target, method: self.method)
        }
        self.origin = origin
        self.fields = fields
        self.body = try HTTPBody(fields, minorVersion: self.minorVersion)
        guard self.method != "CONNECT" || self.body.isComplete else {
            throw .malformed("A CONNECT request has no body.")
        }
        guard fields.named("host").count <= 1 else {
            throw .malformed("The request has more than one Host.")
        }
        self.mostForwards = try Self.mostForwards(self.method, fields)
    }

    private static func mostForwards(_ method: String, _ fields: [HTTPField]) throws(HTTPAnswer) -> Int? {
        guard method == "TRACE" || method == "OPTIONS" else { return nil }
        let limits = fields.named("max-forwards")
        guard let limit = limits.first else { return nil }
        guard limits.count == 1, let count = limit.value.decimal else {
            throw .malformed("Max-Forwards is not a number.")
        }
        return count
    }

    /// The protocols in one of which the user would go on after the head, as the user wrote them.
    ///
    /// Not h2c: a user who speaks HTTP/2 over this connection takes us for its far end.
    var upgrades: [String] {
        guard self.minorVersion == 1, self.fields.words("connection").contains("upgrade") else { return [] }
        let protocols = self.fields.named("upgrade").flatMap(\.value.listed).map { String(decoding: $0, as: UTF8.self) }
        return protocols.filter { name in
            !name.isEmpty && name.utf8.allSatisfy { $0.isToken || $0 == UInt8(ascii: "/") }
                && name.lowercased() != "h2c"
        }
    }

    /// What the user wants to become of the connection after an answer whose end can be seen.
    var persistence: HTTPPersistence {
        // Who takes us for a server says Connection; clients of proxies once said Proxy-Connection.
        let said = self.fields.words("connection") + self.fields.words("proxy-connection")
        if said.contains("close") { return .close }
        let isAsked = said.contains("keep-alive")
        if self.minorVersion == 1 { return isAsked ? .keepAsked : .keep }
        return isAsked ? .keepSaid : .close
    }

    /// The login the user gave, if it can be read.
    var claim: Claim? { self.fields.only("proxy-authorization").flatMap { Claim(basic: $0.value) } }

    private static func minorVersion(_ text: ByteBufferView) throws(HTTPAnswer) -> Int {
        if text.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if text.elementsEqual("HTTP/1.0".utf8) { return 0 }
        if text.starts(with: "HTTP/".utf8) { throw .newerVersion }
        throw .malformed("The request line does not end in HTTP/1.1.")
    }
}
