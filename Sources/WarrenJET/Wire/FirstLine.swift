// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension JET.Head {
    /// What a request asks for, from `GET path HTTP/1.x` with single spaces.
    ///
    /// - Throws: ``WireError`` `.badValue` in `request.line`, `request.method`, `request.path` or `head.version`.
    func requestPath(_ decoding: JET.Decoding) throws(WireError) -> Substring.UTF8View {
        let pieces = self.line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard pieces.count == 3 else { throw WireError(.badValue, in: "request.line") }
        guard pieces[0].equalsIgnoringCase("GET"), decoding == .lenient || pieces[0].elementsEqual("GET".utf8)
        else { throw WireError(.badValue, in: "request.method") }
        guard !pieces[1].isEmpty, pieces[1].allSatisfy(\.isPathByte) else {
            throw WireError(.badValue, in: "request.path")
        }
        try self.checkVersion(pieces[2], decoding)
        return pieces[1]
    }

    /// The code of a reply, 100 to 999, from `HTTP/1.x code` with or without a reason behind it.
    ///
    /// - Throws: ``WireError`` `.badValue` in `reply.status` or `head.version`.
    func status(_ decoding: JET.Decoding) throws(WireError) -> Int {
        let pieces = self.line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        try self.checkVersion(pieces.first ?? self.line.suffix(0), decoding)
        guard pieces.count > 1, pieces[1].count == 3,
            let status = pieces[1].decimal, status >= 100
        else { throw WireError(.badValue, in: "reply.status") }
        return status
    }

    private func checkVersion(_ text: Substring.UTF8View, _ decoding: JET.Decoding) throws(WireError) {
        let isOld = decoding == .lenient && text.elementsEqual("HTTP/1.0".utf8)
        guard isOld || text.elementsEqual("HTTP/1.1".utf8) else { throw WireError(.badValue, in: "head.version") }
    }
}

extension UInt8 {
    /// What may be in a line, but for blanks.
    fileprivate var isPathByte: Bool { self > 0x20 }
}
