// SPDX-License-Identifier: Apache-2.0

import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET.Request {
    /// Reads the text of a request: `GET /` with the kind in `Jet-Method`, or `GET /jet/kind/association/candidate`.
    ///
    /// `Host` and `Jet-Version` must be there. Lenient decoding judges neither the version nor what follows the kind and
    /// the candidate in the path; strict decoding wants version 1 with the first form and any other with the second.
    ///
    /// - Throws: ``WireError`` with the part of the head, or the header, that is wrong.
    /// - Source: JET-PROTO 2.2.2 (version 1), the deployed codec (any other).
    init(_ packet: JET.Packet, _ decoding: JET.Decoding) throws(WireError) {
        let head = try JET.Head(packet, decoding)
        let path = try head.requestPath(decoding)
        let version = try head.version(decoding)
        guard let host = head["Host"] else { throw WireError(.badValue, in: "Host", found: "nothing") }
        let isRoot = path.elementsEqual("/".utf8)
        guard decoding == .lenient || isRoot == (version == JET.Version.one) else {
            throw WireError(.badValue, in: "Jet-Version", found: "\(version), with the path of another")
        }
        self =
            isRoot
            ? try Self(root: head, version: version, decoding) : try Self(path: path, version: version, decoding)
        self.host = String(Substring(host))
    }

    private init(root head: JET.Head, version: UInt32, _ decoding: JET.Decoding) throws(WireError) {
        let word = head["Jet-Method"]
        let kind = [Kind.accept, .connect].first { kind in
            decoding == .lenient
                ? word?.equalsIgnoringCase(kind.word) == true : word?.elementsEqual(kind.word.utf8) == true
        }
        guard let kind else { throw WireError(.badValue, in: "Jet-Method") }
        self.init(kind, version: version, host: "")
        guard kind == .connect else { return }
        guard let association = try head.uuid("Jet-Association", decoding) else {
            throw WireError(.badValue, in: "Jet-Association", found: "nothing")
        }
        self.association = association
    }

    private init(path: Substring.UTF8View, version: UInt32, _ decoding: JET.Decoding) throws(WireError) {
        guard let kind = Kind.allCases.first(where: { path.starts(with: $0.path.utf8) }) else {
            throw WireError(.badValue, in: "request.path")
        }
        // "", "jet", the kind, the association, the candidate, and whatever follows
        let pieces = path.split(separator: UInt8(ascii: "/"), maxSplits: 5, omittingEmptySubsequences: false)
        let isExact = pieces.count == 5 && pieces[2].elementsEqual(kind.rawValue.utf8)
        guard pieces.count >= 5, isExact || decoding == .lenient else { throw WireError(.badValue, in: "request.path") }
        guard let association = UUID(jet: pieces[3], decoding), let candidate = UUID(jet: pieces[4], decoding) else {
            throw WireError(.badValue, in: "request.path", found: "no UUID")
        }
        self.init(kind, version: version, association: association, candidate: candidate, host: "")
    }

    /// The text of a packet's payload: version 1 in the first form, any other, and every test, in the second.
    var text: String {
        let isRoot = self.version == JET.Version.one && self.kind != .test
        var lines = [isRoot ? "GET / HTTP/1.1" : "GET \(self.path) HTTP/1.1"]
        lines.append("Host: \(self.host)")
        lines.append("Connection: \(self.kind == .test ? "Close" : "Keep-Alive")")
        if isRoot { lines.append("Jet-Method: \(self.kind.word)") }
        if isRoot && self.kind == .connect { lines.append("Jet-Association: \(self.association.jetText)") }
        lines.append("Jet-Version: \(self.version)")
        return lines.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    private var path: String { "\(self.kind.path)/\(self.association.jetText)/\(self.candidate.jetText)" }
}

extension JET.Request.Kind {
    /// In `Jet-Method`; `test` has none in use.
    fileprivate var word: String {
        switch self {
        case .accept: "Accept"
        case .connect: "Connect"
        case .test: "Test"
        }
    }

    fileprivate var path: String { "/jet/\(self.rawValue)" }
}
