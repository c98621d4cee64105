// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension ByteBuffer {
    /// Writes a value without blanks, as JavaScript's `JSON.stringify` does.
    mutating func writeJSON(_ value: JSON) {
        switch value {
        case .null: self.writeString("null")
        case .bool(let isTrue): self.writeString(isTrue ? "true" : "false")
        case .number(let digits): self.writeString(digits)
        case .string(let text): self.writeJSONString(text)
        case .array(let elements):
            self.writeString("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { self.writeString(",") }
                self.writeJSON(element)
            }
            self.writeString("]")
        case .object(let members):
            self.writeString("{")
            for (index, member) in members.enumerated() {
                if index > 0 { self.writeString(",") }
                self.writeJSONString(member.name)
                self.writeString(":")
                self.writeJSON(member.value)
            }
            self.writeString("}")
        }
    }

    private mutating func writeJSONString(_ text: String) {
        self.writeString("\"")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): self.writeString("\\\"")
            case UInt8(ascii: "\\"): self.writeString("\\\\")
            case 0x08: self.writeString("\\b")
            case 0x09: self.writeString("\\t")
            case 0x0A: self.writeString("\\n")
            case 0x0C: self.writeString("\\f")
            case 0x0D: self.writeString("\\r")
            case 0..<0x20: self.writeString("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
            default: self.writeInteger(byte)
            }
        }
        self.writeString("\"")
    }
}
