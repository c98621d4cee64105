// SPDX-License-Identifier: Apache-2.0

package import NIOCore

// What a server reads and writes.
extension ByteBuffer {
    /// Reads `version | count | methods count B` and gives the methods.
    ///
    /// - Throws: ``WireError`` `.badValue` if this is not version 5.
    package mutating func readSOCKS5Greeting() throws(WireError) -> ByteBufferView? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS5.version, in: "greeting.version")
            return buffer.readLengthPrefixedSlice(as: UInt8.self)?.readableBytesView
        }
    }

    /// Reads `version | length | name | length | password`.
    ///
    /// - Source: RFC 1929, section 2. Differs: empty names and passwords reach the judge.
    package mutating func readSOCKS5Login() throws(WireError) -> Claim? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS5.loginVersion, in: "login.version")
            guard let name = buffer.readLengthPrefixedSlice(as: UInt8.self),
                let password = buffer.readLengthPrefixedSlice(as: UInt8.self)
            else { return nil }
            return Claim(identity: Array(name.readableBytesView), proof: Array(password.readableBytesView))
        }
    }

    /// Reads `version | command | reserved | address type | address | port 2B`.
    ///
    /// - Throws: ``WireError`` for another version, a bad name or port 0.
    package mutating func readSOCKS5Request() throws(WireError) -> SOCKS5.Request? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS5.version, in: "request.version")
            guard let (command, _, type) = buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt8).self) else {
                return nil
            }
            guard command == 1 else { return .unsupported(.commandUnsupported) }
            let host: Host?
            switch type {
            case 1: host = buffer.readIPAddress(.v4).map { .address($0) }
            case 3: host = try buffer.readSOCKS5Name()
            case 4: host = buffer.readIPAddress(.v6).map { .address($0) }
            default: return .unsupported(.addressTypeUnsupported)
            }
            guard let host, let port = buffer.readInteger(as: UInt16.self) else { return nil }
            guard port != 0 else { throw WireError(.badValue, in: "request.port", found: "0") }
            return .connect(host, port: port)
        }
    }

    private mutating func readSOCKS5Name() throws(WireError) -> Host? {
        guard let name = self.readLengthPrefixedSlice(as: UInt8.self) else { return nil }
        return try Host(peerNamed: name.readableBytesView, in: "request.name")
    }

    /// Writes `version | reply | reserved | 1 | address 4B | port 2B`; the bound address is given as all zero, since
    /// the socket may be at the other end of a tunnel.
    package mutating func writeSOCKS5Reply(_ reply: SOCKS5.Reply, port: UInt16 = 0) {
        self.writeMultipleIntegers(SOCKS5.version, reply.rawValue, UInt8(0), UInt8(1), UInt32(0), port)
    }

    /// Takes one byte off if it is there, and looks at it at once: a stranger need not be heard to the end.
    package mutating func checkVersion(_ version: UInt8, in field: String) throws(WireError) {
        guard let found = self.readInteger(as: UInt8.self), found != version else { return }
        throw WireError(.badValue, in: field, found: "\(found)")
    }
}
