// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// One line of a head, `name: value` without the blanks around the value.
package struct HTTPField: Hashable {
    package let name: String
    /// The name in lower case, to be compared.
    package let key: String
    /// As it came: it may hold bytes that are no text.
    package var value: ByteBufferView

    package init(name: String, value: ByteBufferView) {
        self.name = name
        self.key = name.lowercased()
        self.value = value
    }

    /// Reads a line of a peer that must write it as it is to be read: a token, the colon right behind it, and a value.
    ///
    /// - Throws: ``HTTPFlaw`` for every other line, a folded one too: two readers could see two fields in it.
    package init(_ line: ByteBufferView) throws(HTTPFlaw) {
        switch line.first {
        case UInt8(ascii: " "), UInt8(ascii: "\t"): throw .folded
        case UInt8(ascii: "\r"): throw .loneReturn
        case _: break
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(\.isToken)
        else { throw .noField }
        let value = line[line.index(after: colon)...]
        try value.checkLine()
        self.init(name: String(decoding: line[..<colon], as: UTF8.self), value: value.trimmed)
    }

    /// Reads a line as RFC 9112, section 5, lets a reader of answers forgive it: blanks before the colon and control
    /// characters. Nil for a line that is no field.
    package init?(forgiving line: ByteBufferView) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = line[..<colon].trimmed
        guard !name.isEmpty, name.allSatisfy(\.isToken) else { return nil }
        let value = line[line.index(after: colon)...].withoutControls
        self.init(name: String(decoding: name, as: UTF8.self), value: value.trimmed)
    }

    /// The words of a comma-separated list, in lower case.
    package var words: [String] {
        self.value.listed.map { String(decoding: $0.map(\.lowercasedASCII), as: UTF8.self) }
    }
}

extension [HTTPField] {
    /// - Parameter key: in lower case, as everywhere here.
    package func named(_ key: String) -> [HTTPField] { self.filter { $0.key == key } }

    /// The field of this name; nil where there is none, or more than one, of which readers may choose another.
    package func only(_ key: String) -> HTTPField? {
        let fields = self.named(key)
        return fields.count == 1 ? fields.first : nil
    }

    /// The words of all fields of this name, in lower case.
    package func words(_ key: String) -> [String] { self.named(key).flatMap(\.words) }
}
