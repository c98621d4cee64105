// SPDX-License-Identifier: Apache-2.0

import Logging

/// One line of the log in the making.
struct LogLine {
    private let format: LineLogHandler.Format
    private var text = ""

    init(_ format: LineLogHandler.Format, at time: String, _ level: Logger.Level, _ message: String) {
        self.format = format
        self.text.reserveCapacity(255)
        switch format {
        case .text:
            self.text += time
            self.text += " "
            self.text += level.rawValue
            self.text += " "
            self.text += message
        case .json:
            self.text += "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"message\":\(Self.quoted(message))"
        }
    }

    mutating func add(_ key: String, _ value: String) {
        self.begin(key)
        self.text += self.format == .json ? Self.quoted(value) : Self.word(value)
    }

    mutating func add(_ key: String, _ number: Int) {
        self.begin(key)
        self.text += String(number)
    }

    /// An object; for JSON only.
    mutating func add(_ key: String, _ pairs: [(name: String, value: String)]) {
        self.begin(key)
        self.text += "{" + pairs.map { "\(Self.quoted($0)):\(Self.quoted($1))" }.joined(separator: ",") + "}"
    }

    /// A list; for JSON only.
    mutating func add(_ key: String, list: [String]) {
        self.begin(key)
        self.text += "[" + list.map(Self.quoted).joined(separator: ",") + "]"
    }

    var finished: String { self.text + (self.format == .json ? "}\n" : "\n") }

    private mutating func begin(_ key: String) {
        switch self.format {
        case .text:
            self.text += " "
            self.text += key
            self.text += "="
        case .json:
            self.text += ","
            self.text += Self.quoted(key)
            self.text += ":"
        }
    }
}

extension LogLine {
    /// A value as one word: quoted where it would fall apart.
    private static func word(_ text: String) -> String {
        // Nearly always: visible ASCII without anything that has a meaning.
        if !text.isEmpty && text.utf8.allSatisfy({ $0 > 0x22 && $0 < 0x7F && $0 != 0x3D }) { return text }
        let isPlain = text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" && !Self.isControl($0) }
        return isPlain && !text.isEmpty ? text : Self.quoted(text)
    }

    /// What a terminal or a pager could take for a command, a line end or a change of direction.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.value >= 0x7F else { return scalar.value < 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return true
        default: return false
        }
    }

    /// A JSON string; also fit for text lines, where it keeps peers' bytes from faking a line.
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case let scalar where Self.isControl(scalar) && scalar.value <= 0xFFFF:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
