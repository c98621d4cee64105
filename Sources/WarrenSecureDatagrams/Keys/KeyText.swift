// SPDX-License-Identifier: Apache-2.0

import Foundation

extension SecureDatagrams {
    /// Why a text is no key. Nothing of the text is in it.
    public enum KeyFailure: Error, Hashable, Sendable, CustomStringConvertible {
        case empty
        /// There is more than one line.
        case tooManyLines
        /// It is a key of another sort.
        case otherKind(expected: String, found: String)
        /// It does not begin with a word that says what it is.
        case noPrefix(expected: String)
        /// Behind the word are not 32 bytes in base64.
        case notAKey(expected: String)

        public var description: String {
            switch self {
            case .empty: "it is empty"
            case .tooManyLines: "a key is one line, and there are more"
            case .otherKind(let expected, let found): "it begins with \(found) instead of \(expected)"
            case .noPrefix(let expected): "it does not begin with \(expected)"
            case .notAKey(let expected): "behind \(expected) stand 32 bytes in base64, 44 characters; these are none"
            }
        }
    }

    /// The sorts of keys, by the word their line begins with.
    enum KeyText: String, CaseIterable {
        case shared = "warren-vproxy-shared:"
        case privateKey = "warren-vproxy-private:"
        case publicKey = "warren-vproxy-public:"

        static let length = 32

        func text(of bytes: [UInt8]) -> String { self.rawValue + Data(bytes).base64EncodedString() }

        func bytes(of text: String) throws(KeyFailure) -> [UInt8] {
            let line = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !line.isEmpty else { throw .empty }
            guard !line.contains(where: \.isNewline) else { throw .tooManyLines }
            guard line.hasPrefix(self.rawValue) else {
                for other in Self.allCases where line.hasPrefix(other.rawValue) {
                    throw .otherKind(expected: self.rawValue, found: other.rawValue)
                }
                throw .noPrefix(expected: self.rawValue)
            }
            let digits = line.dropFirst(self.rawValue.count).drop(while: \.isWhitespace)
            guard digits.utf8.count == 44, let bytes = Data(base64Encoded: String(digits)), bytes.count == Self.length,
                // One text for each key: no bits that are not read.
                bytes.base64EncodedString() == digits
            else { throw .notAKey(expected: self.rawValue) }
            return [UInt8](bytes)
        }
    }
}
