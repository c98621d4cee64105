// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

extension WebSocks {
    /// The words of SOCKS version 5 that WebSocks has: no login, CONNECT only.
    ///
    /// - Source: RFC 1928. Differs: the bound address of a reply is `0.0.0.0` and the port that was asked for.
    package enum SOCKS5 {
        package static let version: UInt8 = 5
        package static let greeting: [UInt8] = [5, 1, 0]
        package static let noLogin: [UInt8] = [5, 0]
        package static let noneAcceptable: [UInt8] = [5, 0xFF]

        /// Field REP of a reply.
        package enum Reply: UInt8, Sendable, CaseIterable {
            case succeeded = 0
            case failed = 1
            case notAllowed = 2
            case networkUnreachable = 3
            case hostUnreachable = 4
            case refused = 5
            case expired = 6
            case commandUnsupported = 7
            case addressTypeUnsupported = 8
        }

        package enum Request: Hashable, Sendable {
            case connect(Host, port: UInt16)
            case unsupported(Reply)
        }
    }
}

extension WebSocks.SOCKS5.Reply {
    init(_ fault: StreamFault) {
        switch fault {
        case .refused: self = .refused
        case .unreachable: self = .networkUnreachable
        case .unknownHost: self = .hostUnreachable
        case .timedOut: self = .expired
        case .notAllowed: self = .notAllowed
        case .unsupported: self = .commandUnsupported
        case .limit, .stalled, .idle, .aborted, .sessionLost, .noExit, .noServer, .shutdown, .failed: self = .failed
        }
    }

    /// Nil for "yes".
    func fault(reaching destination: Destination) -> StreamFault? {
        switch self {
        case .succeeded: return nil
        case .failed: return .failed
        case .notAllowed: return .notAllowed
        case .networkUnreachable: return .unreachable
        case .hostUnreachable:
            // The one code for a name that cannot be resolved, too; an address needs none.
            if case .host(.name, _, _) = destination { return .unknownHost }
            return .unreachable
        case .refused: return .refused
        case .expired: return .timedOut
        case .commandUnsupported, .addressTypeUnsupported: return .unsupported
        }
    }
}

// MARK: - What a server reads and writes

extension ByteBuffer {
    /// Reads `version | count | methods count B`.
    ///
    /// - Returns: whether "no login" is among them.
    /// - Throws: ``WireError`` `.badValue` in `greeting.version`.
    package mutating func readWebSocksGreeting() throws(WireError) -> Bool? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkSOCKSVersion(in: "greeting.version")
            return buffer.readLengthPrefixedSlice(as: UInt8.self)?.readableBytesView.contains(0)
        }
    }

    /// Reads `version | command | reserved | address type | address | port 2B`.
    ///
    /// - Throws: ``WireError`` for another version, a bad name or port 0.
    package mutating func readWebSocksRequest() throws(WireError) -> WebSocks.SOCKS5.Request? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkSOCKSVersion(in: "request.version")
            guard let (command, _, type) = buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt8).self) else {
                return nil
            }
            guard command == 1 else { return .unsupported(.commandUnsupported) }
            let host: Host?
            switch type {
            case 1: host = buffer.readIPAddress(.v4).map { .address($0) }
            case 3: host = try buffer.readSOCKSName()
            case 4: host = buffer.readIPAddress(.v6).map { .address($0) }
            default: return .unsupported(.addressTypeUnsupported)
            }
            guard let host, let port = buffer.readInteger(as: UInt16.self) else { return nil }
            guard port != 0 else { throw WireError(.badValue, in: "request.port", found: "0") }
            return .connect(host, port: port)
        }
    }

    private mutating func readSOCKSName() throws(WireError) -> Host? {
        guard let name = self.readLengthPrefixedSlice(as: UInt8.self) else { return nil }
        return try Host(peerNamed: name.readableBytesView, in: "request.name")
    }

    private mutating func checkSOCKSVersion(in field: String) throws(WireError) {
        guard let found = self.readInteger(as: UInt8.self), found != WebSocks.SOCKS5.version else { return }
        throw WireError(.badValue, in: field, found: "\(found)")
    }

    /// Writes `5 | reply | 0 | 1 | 0.0.0.0 | port 2B`, 10 bytes.
    package mutating func writeWebSocksReply(_ reply: WebSocks.SOCKS5.Reply, port: UInt16) {
        self.writeMultipleIntegers(WebSocks.SOCKS5.version, reply.rawValue, UInt8(0), UInt8(1), UInt32(0), port)
    }
}

// MARK: - What an agent reads and writes

extension ByteBuffer {
    /// Writes `5 | 1 | 0 | address type | address | port 2B`.
    ///
    /// - Returns: false, with nothing written, for a name that is empty or longer than 255 bytes.
    package mutating func writeWebSocksRequest(_ host: Host, port: UInt16) -> Bool {
        switch host {
        case .address(let address):
            self.writeMultipleIntegers(UInt8(5), UInt8(1), UInt8(0), UInt8(address.family == .v4 ? 1 : 4))
            self.writeImmutableBuffer(address.packed)
        case .name(let name):
            guard let length = UInt8(exactly: name.utf8.count), length > 0 else { return false }
            self.writeMultipleIntegers(UInt8(5), UInt8(1), UInt8(0), UInt8(3), length)
            self.writeString(name)
        }
        self.writeInteger(port)
        return true
    }

    /// Reads `5 | method`.
    ///
    /// - Returns: whether it is "no login"; false for "none acceptable".
    package mutating func readWebSocksMethod() throws(WireError) -> Bool? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkSOCKSVersion(in: "method.version")
            guard let method = buffer.readInteger(as: UInt8.self) else { return nil }
            guard method == 0 || method == 0xFF else { throw WireError(.badValue, in: "method", found: "\(method)") }
            return method == 0
        }
    }

    /// Reads `5 | reply | reserved | address type | address | port 2B`.
    ///
    /// - Returns: the reply; a code that the RFC does not have is ``WebSocks/SOCKS5/Reply/failed``.
    package mutating func readWebSocksReply() throws(WireError) -> WebSocks.SOCKS5.Reply? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkSOCKSVersion(in: "reply.version")
            guard let (code, _, type) = buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt8).self) else { return nil }
            let isThere: Bool
            switch type {
            case 1: isThere = buffer.readIPAddress(.v4) != nil
            case 3: isThere = buffer.readLengthPrefixedSlice(as: UInt8.self) != nil
            case 4: isThere = buffer.readIPAddress(.v6) != nil
            default: throw WireError(.badValue, in: "reply.type", found: "\(type)")
            }
            guard isThere, buffer.readInteger(as: UInt16.self) != nil else { return nil }
            return .init(rawValue: code) ?? .failed
        }
    }
}
