// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// One request of a pipeline, what its origin does, and what user and origin must see of each other: written from the
/// RFCs and without a line of the server's own.
struct PlannedExchange {
    /// What the user must see.
    enum Seen: Hashable {
        /// These bytes, and then the next answer or the connection's end.
        case whole(String)
        /// Some of these bytes, and then a reset.
        case cutOff(String)
        /// These bytes, then an answer of the proxy's own with a status of this class.
        case ownAnswer(after: String, class: Character)
    }

    enum Origin: Hashable {
        case refuses(StreamFault)
        /// Sends so many bytes of the answer, then ends in order or by a fault; nil goes on waiting.
        case answers(bytes: Int, then: Ending?)
        /// Is never asked.
        case none
    }

    enum Ending: Hashable {
        case finishes
        case resets
        case ends
    }

    var host = ""
    var method = ""
    var request = ""
    /// Of the request: the bytes of its head.
    var headLength = 0
    /// What the origin gets.
    var wanted = ""
    var answer = ""
    var origin = Origin.none
    var seen = Seen.whole("")
    /// The user's connection is not kept behind this answer.
    var closes = false
}

// MARK: - The request

extension PlannedExchange {
    init(_ index: Int, _ random: inout SeededRandom) {
        self.host = "h\(index)"
        self.method = ["GET", "HEAD", "POST", "PUT", "x-y!", "OPTIONS", "TRACE"].randomElement(using: &random) ?? ""
        let isOld = Int.random(in: 0..<6, using: &random) == 0
        let said = Int.random(in: 0..<8, using: &random)
        var fields = ["A: \(index)"]
        var connection = ["Drop"]
        if said == 0 { connection.append("close") }
        if said == 1 || said > 2 && isOld { connection.append("Keep-Alive") }
        if Bool.random(using: &random) { fields += ["Drop: 1", "TE: trailers", "Proxy-Authorization: Basic YTpi"] }
        let framing = self.method == "TRACE" ? 0 : Int.random(in: 0..<(isOld ? 2 : 3), using: &random)
        let body = Self.letters(&random)
        var sent = ""
        if framing == 1 {
            fields.append("Content-Length: \(body.utf8.count)")
            sent = body
        } else if framing == 2 {
            fields.append("Transfer-Encoding: chunked")
            sent = Self.chunks(body, &random)
        }
        let isLastHop =
            (self.method == "OPTIONS" || self.method == "TRACE") && Int.random(in: 0..<3, using: &random) == 0
        let version = isOld ? 0 : 1
        let kept = fields.filter { $0.hasPrefix("A") || $0.hasPrefix("Content") || $0.hasPrefix("Transfer") }
        self.wanted =
            (["\(self.method) /p HTTP/1.1", "Host: \(self.host)"] + kept + [
                "Via: 1.\(version) warren", "Connection: close",
            ])
            .map { $0 + "\r\n" }.joined() + "\r\n" + sent
        fields.append("connection: " + connection.shuffled(using: &random).joined(separator: " , "))
        if isLastHop { fields.append("Max-Forwards: 0") }
        let head =
            (["\(self.method) http://\(self.host)/p HTTP/1.\(version)"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
        self.request = head + sent
        self.headLength = head.utf8.count
        let mayKeep = said != 0 && (!isOld || said == 1 || said > 2)
        guard !isLastHop else {
            self.closes = !mayKeep || !sent.isEmpty
            self.seen = .ownAnswer(after: "", class: "2")
            return
        }
        self.planAnswer(isOld: isOld, mayKeep: mayKeep, hasBody: !sent.isEmpty, &random)
    }

    private static func letters(_ random: inout SeededRandom) -> String {
        String(repeating: "b", count: Int.random(in: 0...60, using: &random))
    }

    private static func chunks(_ body: String, _ random: inout SeededRandom) -> String {
        var rest = body[...]
        var text = ""
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...20, using: &random))
            rest = rest.dropFirst(piece.count)
            text +=
                String(piece.count, radix: 16) + (Bool.random(using: &random) ? ";e=\"f\"" : "") + "\r\n"
                + "\(piece)\r\n"
        }
        return text + "0\r\n" + (Bool.random(using: &random) ? "T: u\r\n" : "") + "\r\n"
    }
}

// MARK: - The answer

extension PlannedExchange {
    private static let early = "HTTP/1.1 103 Early\r\nL: 1\r\nConnection: x\r\nX: 2\r\n\r\n"

    private mutating func planAnswer(isOld: Bool, mayKeep: Bool, hasBody: Bool, _ random: inout SeededRandom) {
        guard Int.random(in: 0..<10, using: &random) > 0 else {
            self.origin = .refuses([.refused, .unknownHost, .timedOut].randomElement(using: &random) ?? .failed)
            self.seen = .ownAnswer(after: "", class: "5")
            self.closes = !mayKeep || hasBody
            return
        }
        var (sent, seen) = ("", "")
        for _ in 0..<Int.random(in: 0...2, using: &random) where Bool.random(using: &random) {
            sent += Self.early
            if !isOld { seen += "HTTP/1.1 103 Early\r\nL: 1\r\nVia: 1.1 warren\r\n\r\n" }
        }
        let interim = (sent: sent.utf8.count, seen: seen)
        let status = ["200 OK", "204 None", "304 Same", "404 Not"].randomElement(using: &random) ?? ""
        let isBare = self.method == "HEAD" || status.hasPrefix("204") || status.hasPrefix("304")
        let body = Self.letters(&random)
        let framing = Int.random(in: 0..<3, using: &random)
        let chunks = Self.chunks(body, &random)
        let field = ["Content-Length: \(body.utf8.count)\r\n", "Transfer-Encoding: chunked\r\n", ""][framing]
        sent += "HTTP/1.1 \(status)\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\n\(field)B: 1\r\n\r\n"
        let headEnd = sent.utf8.count
        let endsWithConnection = !isBare && framing == 2
        let isUnchunked = !isBare && framing == 1 && isOld
        self.closes = !mayKeep || endsWithConnection || isUnchunked
        let persistence = self.closes ? "Connection: close\r\n" : isOld ? "Connection: keep-alive\r\n" : ""
        let said = status.hasPrefix("204") || isUnchunked ? "" : field
        // A length is said last, as it was understood.
        let fields = framing == 0 ? "B: 1\r\n\(said)" : "\(said)B: 1\r\n"
        seen += "HTTP/1.1 \(status)\r\n\(fields)Via: 1.1 warren\r\n\(persistence)\r\n"
        if !isBare {
            sent += [body, chunks, body][framing]
            seen += isUnchunked ? body : [body, chunks, body][framing]
        }
        self.answer = sent
        self.seen = .whole(seen)
        self.planEnd(interim, headEnd: headEnd, endsWithConnection: endsWithConnection, mayKeep: mayKeep, &random)
    }

    private mutating func planEnd(
        _ interim: (sent: Int, seen: String), headEnd: Int, endsWithConnection: Bool, mayKeep: Bool,
        _ random: inout SeededRandom
    ) {
        let all = self.answer.utf8.count
        guard case .whole(let seen) = self.seen, Int.random(in: 0..<4, using: &random) == 0 else {
            let ending: Ending? =
                [.finishes, .ends, endsWithConnection ? .finishes : nil].randomElement(using: &random) ?? nil
            self.origin = .answers(bytes: all, then: ending)
            return
        }
        let bytes = Int.random(in: 0...all, using: &random)
        let ending: Ending = [.finishes, .resets, .ends].randomElement(using: &random) ?? .resets
        self.origin = .answers(bytes: bytes, then: ending)
        if bytes < headEnd {
            // The interim answers that were whole have been passed on, one or both of them.
            let count = interim.seen.isEmpty ? 0 : min(bytes, interim.sent) / Self.early.utf8.count
            let one = "HTTP/1.1 103 Early\r\nL: 1\r\nVia: 1.1 warren\r\n\r\n"
            self.seen = .ownAnswer(after: String(repeating: one, count: count), class: "5")
            self.closes = !mayKeep
        } else if endsWithConnection, ending != .resets {
            let body = all - bytes
            self.seen = .whole(String(seen.dropLast(body)))
        } else if bytes < all || endsWithConnection {
            self.seen = .cutOff(seen)
        }
    }
}
