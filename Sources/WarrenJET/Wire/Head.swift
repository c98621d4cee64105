// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension JET {
    /// The head of a request or reply: HTTP/1 text, as far as it goes.
    ///
    /// Text that ends too early counts up to its last line end, blank lines may come first, lines may end in a bare line
    /// feed, and what follows the empty line is ignored. ``Decoding/strict`` forgives none of that.
    struct Head {
        /// More than this many headers are refused, as the deployed codec has room for no more.
        static let mostHeaders = 16

        /// The first line, without its end.
        let line: Substring.UTF8View
        /// In the order of the text.
        private let fields: [HTTPField]

        /// - Throws: ``WireError`` in `head.line`, `head.newline`, `header.name`, `header.value` or `headers`; with strict
        ///   decoding also in `packet.flags` and `head`.
        init(_ packet: Packet, _ decoding: Decoding) throws(WireError) {
            var lines = HTTPLines(ByteBuffer(string: packet.payload).readableBytesView)
            var first = lines.next()
            var isTidy = true
            while first?.isBlank == true {
                isTidy = false
                first = lines.next()
            }
            self.line = try Self.line(first)
            let (fields, isComplete) = try Self.fields(&lines)
            self.fields = fields
            guard decoding == .strict else { return }
            guard packet.flags == 0 else { throw WireError(.badValue, in: "packet.flags", found: "\(packet.flags)") }
            guard isComplete else { throw WireError(.truncated, in: "head") }
            isTidy = isTidy && lines.isAtEnd && !lines.hasBareLineFeed
            guard isTidy else { throw WireError(.unexpected, in: "head") }
            guard Set(fields.map(\.key)).count == fields.count else {
                throw WireError(.unexpected, in: "headers", found: "one of them twice")
            }
        }

        private static func line(_ line: HTTPLines.Line?) throws(WireError) -> Substring.UTF8View {
            guard let line else { throw WireError(.truncated, in: "head.line") }
            do throws(HTTPFlaw) { try line.text.checkLine() } catch { throw WireError(error, in: "head.line") }
            guard line.isEnded else { throw WireError(.truncated, in: "head.line") }
            return line.text.substring
        }

        private static func fields(_ lines: inout HTTPLines) throws(WireError) -> ([HTTPField], isComplete: Bool) {
            var fields: [HTTPField] = []
            while let line = lines.next() {
                guard !line.isBlank else { return (fields, true) }
                // What was cut off in a name may have become one.
                guard line.isEnded || !line.text.allSatisfy(\.isToken) else { break }
                let field: HTTPField
                do throws(HTTPFlaw) {
                    field = try HTTPField(line.text)
                } catch {
                    throw WireError(error, in: "header.value")
                }
                guard line.isEnded else { break }
                guard fields.count < Self.mostHeaders else {
                    throw WireError(.tooLong, in: "headers", found: "more than \(Self.mostHeaders)")
                }
                fields.append(field)
            }
            return (fields, false)
        }

        /// The value of a header, whatever the case of its name; of several the first.
        subscript(_ name: String) -> Substring.UTF8View? {
            self.fields.first { $0.name.utf8.equalsIgnoringCase(name) }?.value.substring
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

extension ByteBufferView {
    fileprivate var substring: Substring.UTF8View { String(decoding: self, as: UTF8.self)[...].utf8 }
}

extension WireError {
    /// What is wrong with a line, in the words of this protocol.
    ///
    /// - Parameter field: where the line's text stands.
    fileprivate init(_ flaw: HTTPFlaw, in field: String) {
        switch flaw {
        case .loneReturn: self.init(.badValue, in: "head.newline", found: "a lone CR")
        case .controlCharacter: self.init(.badValue, in: field, found: "a control character")
        case .folded, .noField: self.init(.badValue, in: "header.name")
        // Of whole heads, which are not read here.
        case .notHTTP, .tooLarge, .bareLineFeed: self.init(.badValue, in: "head")
        }
    }
}
