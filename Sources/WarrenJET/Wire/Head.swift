// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension JET {
    /// The head of a request or reply: HTTP/1 text, as far as it goes.
    ///
    /// Text that ends too early counts up to its last line end, blank lines may come first, lines may end in a bare line
    /// feed, and what follows the empty line is ignored. ``Decoding/strict`` forgives none of that.
    struct Head {
        struct Header {
            let name: Substring.UTF8View
            /// Without the blanks around it.
            let value: Substring.UTF8View
        }

        /// More than this many headers are refused, as the deployed codec has room for no more.
        static let mostHeaders = 16

        /// The first line, without its end.
        let line: Substring.UTF8View
        /// In the order of the text.
        private let headers: [Header]

        /// - Throws: ``WireError`` in `head.line`, `head.newline`, `header.name`, `header.value` or `headers`; with strict
        ///   decoding also in `packet.flags` and `head`.
        init(_ packet: Packet, _ decoding: Decoding) throws(WireError) {
            var reader = HeadReader(packet.payload)
            var isTidy = true
            while try reader.readNewline() == true { isTidy = false }
            guard let line = try reader.readLine("head.line") else { throw WireError(.truncated, in: "head.line") }
            self.line = line
            let (headers, isComplete) = try Self.headers(&reader)
            self.headers = headers
            guard decoding == .strict else { return }
            guard packet.flags == 0 else { throw WireError(.badValue, in: "packet.flags", found: "\(packet.flags)") }
            guard isComplete else { throw WireError(.truncated, in: "head") }
            isTidy = isTidy && reader.isAtEnd && !reader.hasBareLineFeed
            guard isTidy else { throw WireError(.unexpected, in: "head") }
            guard Set(headers.map { String(Substring($0.name)).lowercased() }).count == headers.count else {
                throw WireError(.unexpected, in: "headers", found: "one of them twice")
            }
        }

        private static func headers(
            _ reader: inout HeadReader
        ) throws(WireError) -> (headers: [Header], isComplete: Bool) {
            var headers: [Header] = []
            while let isOver = try reader.readNewline() {
                guard !isOver else { return (headers, true) }
                guard let header = try reader.readHeader() else { break }
                guard headers.count < Self.mostHeaders else {
                    throw WireError(.tooLong, in: "headers", found: "more than \(Self.mostHeaders)")
                }
                headers.append(header)
            }
            return (headers, false)
        }

        /// The value of a header, whatever the case of its name; of several the first.
        subscript(_ name: String) -> Substring.UTF8View? {
            self.headers.first { $0.name.equalsIgnoringCase(name) }?.value
        }

        /// The version, which every message has.
        func version(_ decoding: Decoding) throws(WireError) -> UInt32 {
            guard let version = try self.number("Jet-Version", decoding) else {
                throw WireError(.badValue, in: "Jet-Version", found: "nothing")
            }
            return version
        }

        /// The number in a header; nil if there is no such header.
        ///
        /// - Throws: ``WireError`` `.badValue` in the name for anything but 32 bits in decimal. Lenient decoding takes a plus
        ///   sign and leading zeros.
        func number(_ name: String, _ decoding: Decoding) throws(WireError) -> UInt32? {
            guard let value = self[name] else { return nil }
            let digits = decoding == .lenient && value.first == UInt8(ascii: "+") ? value.dropFirst() : value
            let isPlain = digits.first != UInt8(ascii: "0") || digits.count == 1
            guard isPlain || decoding == .lenient, digits.allSatisfy(\.isDigit), let number = UInt32(Substring(digits))
            else { throw WireError(.badValue, in: name, found: "no number of 32 bits") }
            return number
        }
    }
}

extension UInt8 {
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    private var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

    fileprivate static func equalIgnoringCase(_ a: UInt8, _ b: UInt8) -> Bool { a.lowercased == b.lowercased }
}

extension Substring.UTF8View {
    /// Compares with ASCII text; only the case of ASCII letters is ignored.
    func equalsIgnoringCase(_ text: String) -> Bool { self.elementsEqual(text.utf8, by: UInt8.equalIgnoringCase) }
}
