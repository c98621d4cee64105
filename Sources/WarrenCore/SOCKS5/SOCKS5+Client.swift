// SPDX-License-Identifier: Apache-2.0

package import NIOCore

// The words of SOCKS5 as its user says and hears them.
extension SOCKS5 {
    /// `version | count | methods`.
    package static func greeting(withLogin: Bool) -> ByteBuffer {
        let methods: [Method] = withLogin ? [.noLogin, .password] : [.noLogin]
        return ByteBuffer(bytes: [Self.version, UInt8(methods.count)] + methods.map(\.rawValue))
    }

    /// `version | 1 | reserved | address type | address | port 2B`; nil for anything but TCP to a host whose
    /// name has 1 to 255 bytes.
    package static func request(_ destination: Destination) -> ByteBuffer? {
        guard case .host(let host, let port, .tcp) = destination else { return nil }
        var bytes = ByteBuffer(bytes: [Self.version, 1, 0])
        switch host {
        case .address(let address):
            bytes.writeInteger(UInt8(address.family == .v4 ? 1 : 4))
            bytes.writeImmutableBuffer(address.packed)
        case .name(let name):
            guard let count = UInt8(exactly: name.utf8.count), count > 0 else { return nil }
            bytes.writeMultipleIntegers(UInt8(3), count)
            bytes.writeString(name)
        }
        bytes.writeInteger(port)
        return bytes
    }
}

extension ByteBuffer {
    /// Reads `version | method`.
    package mutating func readSOCKS5Method() throws(WireError) -> SOCKS5.Method? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS5.version, in: "method.version")
            guard let code = buffer.readInteger(as: UInt8.self) else { return nil }
            guard let method = SOCKS5.Method(rawValue: code) else {
                throw WireError(.badValue, in: "method", found: "\(code)")
            }
            return method
        }
    }

    /// Reads `version | status`, which is 0 for a login that is good. Its version is 1, or 5 as some proxies write it.
    package mutating func readSOCKS5LoginReply() throws(WireError) -> Bool? {
        try self.readWhole { (buffer) throws(WireError) in
            guard let (version, status) = buffer.readMultipleIntegers(as: (UInt8, UInt8).self) else { return nil }
            guard version == SOCKS5.loginVersion || version == SOCKS5.version else {
                throw WireError(.badValue, in: "login.version", found: "\(version)")
            }
            return status == 0
        }
    }

    /// Reads `version | reply | reserved | address type | address | port 2B` and gives the reply; a code that the RFC does not
    /// have is ``SOCKS5/Reply/failed``.
    ///
    /// - Parameter forgiving: takes a refusal of an unknown address type, as some write the shortest one; nothing follows it.
    package mutating func readSOCKS5Reply(forgiving: Bool = false) throws(WireError) -> SOCKS5.Reply? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS5.version, in: "reply.version")
            guard let (code, _, type) = buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt8).self) else { return nil }
            let reply = SOCKS5.Reply(rawValue: code) ?? .failed
            let isWhole: Bool
            switch type {
            case 1: isWhole = buffer.readSlice(length: 4) != nil
            case 3: isWhole = buffer.readLengthPrefixedSlice(as: UInt8.self) != nil
            case 4: isWhole = buffer.readSlice(length: 16) != nil
            default:
                guard forgiving, reply != .succeeded else {
                    throw WireError(.badValue, in: "reply.addressType", found: "\(type)")
                }
                return reply
            }
            guard isWhole, buffer.readInteger(as: UInt16.self) != nil else { return nil }
            return reply
        }
    }
}
