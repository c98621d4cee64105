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

    enum Reading: Hashable {
        case no
        case needs(bytes: Int)
        case whole(HTTPHost)
    }

    private static let longestMethod = 24

    static func read(_ head: ByteBufferView) -> Reading {
        let method = head.prefix(Self.longestMethod).prefix { $0.isToken }
        guard !method.isEmpty else { return head.isEmpty ? .needs(bytes: 1) : .no }
        guard method.endIndex < head.endIndex else {
            return method.count < Self.longestMethod ? .needs(bytes: head.count + 1) : .no
        }
        guard head[method.endIndex] == UInt8(ascii: " ") else { return .no }
        guard let end = head.firstRange(of: Array("\r\n\r\n".utf8)) else {
            return Self.mayBeHTTP(head) ? .needs(bytes: head.count + 1) : .no
        }
        let lines = head[..<end.lowerBound].split(separator: UInt8(ascii: "\n")).map {
            $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0
        }
        let words = lines.first?.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false) ?? []
        guard words.count == 3, words[2].starts(with: "HTTP/1.".utf8) else { return .no }
        let hosts = lines.dropFirst().compactMap { Self.host($0) }
        return .whole(
            HTTPHost(
                method: String(decoding: words[0], as: UTF8.self), target: String(decoding: words[1], as: UTF8.self),
                // Two of them are two requests, depending on who reads it.
                host: hosts.count == 1 ? hosts.first.flatMap { Self.name($0) } : nil))
    }

    /// Whether the first line, once it is there, ends as one of HTTP does.
    private static func mayBeHTTP(_ head: ByteBufferView) -> Bool {
        guard let end = head.firstIndex(of: UInt8(ascii: "\n")) else { return true }
        return head[..<end].firstRange(of: Array(" HTTP/1.".utf8)) != nil
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
