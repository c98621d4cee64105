// SPDX-License-Identifier: Apache-2.0

public import WarrenCore

extension ZhwkproX {
    /// The key and the initialisation vector of a tunnel. Both ends must have the same.
    public struct Key: Hashable, Sendable, CustomStringConvertible {
        /// Of the key and of the vector, in bytes.
        public static let length = 16

        let bytes: [UInt8]
        let iv: [UInt8]

        /// What all deployed programs have: in public, so it keeps no secret at all.
        public static let deployed = Key(unchecked: Array("samplekeytomatch".utf8), Array(0...15))

        private init(unchecked bytes: [UInt8], _ iv: [UInt8]) {
            self.bytes = bytes
            self.iv = iv
        }

        /// - Parameters:
        ///   - bytes: 16 bytes.
        ///   - iv: 16 bytes; nil for the deployed vector.
        /// - Throws: ``WireError`` in `key` or `iv` if one is of another length.
        public init(_ bytes: [UInt8], iv: [UInt8]? = nil) throws(WireError) {
            let iv = iv ?? Self.deployed.iv
            for (part, field) in [(bytes, "key"), (iv, "iv")] where part.count != Self.length {
                let code: WireError.Code = part.count < Self.length ? .tooShort : .tooLong
                throw WireError(code, in: field, found: "\(part.count) bytes")
            }
            self.init(unchecked: bytes, iv)
        }

        /// Says which kind of key it is, and nothing of its bytes.
        public var description: String { self == .deployed ? "the public key" : "a key of its own" }
    }
}
