// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What the head of an HTTP request says about where it belongs; the request itself is passed on untouched.
struct HTTPHost: Hashable {
    /// As it was sent.
    let method: String
    let target: String
    /// Without its port, in small letters; nil where there is none, or one that is no name.
    let host: String?

    private static let longestMethod = 24

    /// Whether bytes, few or many, may be the beginning of a request: a method, and a first line that ends in a version.
    static func mayBegin(_ head: ByteBufferView) -> Bool {
        let method = head.prefix(Self.longestMethod).prefix { $0.isToken }
        guard !method.isEmpty else { return head.isEmpty }
        guard method.endIndex < head.endIndex else { return method.count < Self.longestMethod }
        guard head[method.endIndex] == UInt8(ascii: " ") else { return false }
        guard let end = head.firstIndex(of: UInt8(ascii: "\n")) else { return true }
        return head[..<end].firstRange(of: Array(" HTTP/1.".utf8)) != nil
    }

    /// - Parameter head: with its last empty line; more may follow.
    /// - Returns: nil for what is no request of HTTP/1.
    init?(_ head: ByteBufferView) {
        guard Self.mayBegin(head), let end = head.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = head[..<end.lowerBound].split(separator: UInt8(ascii: "\n")).map {
            $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0
        }
        var words = (lines.first?.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false) ?? [])
            .makeIterator()
        guard let method = words.next(), let target = words.next(), let version = words.next(), words.next() == nil,
            version.starts(with: "HTTP/1.".utf8)
        else { return nil }
        self.method = String(decoding: method, as: UTF8.self)
        self.target = String(decoding: target, as: UTF8.self)
        let hosts = lines.dropFirst().compactMap { Self.host($0) }
        // Two of them are two requests, depending on who reads it.
        self.host = hosts.count == 1 ? hosts.first.flatMap { Self.name($0) } : nil
    }

    private static func host(_ line: ByteBufferView) -> ByteBufferView? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
            line[..<colon].map(\.lowercasedASCII).elementsEqual("host".utf8)
        else { return nil }
        return HTTPRequest.trimmed(line[line.index(after: colon)...])
    }

    private static func name(_ text: ByteBufferView) -> String? {
        let bare = text.prefix { $0 != UInt8(ascii: ":") }
        return HostName(String(decoding: bare, as: UTF8.self))?.text
    }
}
