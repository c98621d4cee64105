// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A TCP port of 127.0.0.1 that refuses: bound, so that nobody else gets it meanwhile, and never listened on.
public final class ClosedPort: Sendable {
    public let number: UInt16
    private let socket: CInt

    /// - Returns: nil if the system has no socket or no port left.
    public init?() {
        #if canImport(Glibc)
        let stream = CInt(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        let descriptor = openSocket(AF_INET, stream, 0)
        // `family 2B | port 2B | address 4B | zeros 8B`; Darwin has a length byte before a shorter family.
        var address: [UInt8] = [0, 0, 0, 0, 127, 0, 0, 1] + Array(repeating: 0, count: 8)
        #if canImport(Darwin)
        (address[0], address[1]) = (16, UInt8(AF_INET))
        #else
        address[0] = UInt8(AF_INET)
        #endif
        var length = socklen_t(address.count)
        let isBound = address.withUnsafeMutableBytes { bytes in
            guard descriptor >= 0, let raw = bytes.bindMemory(to: sockaddr.self).baseAddress else { return false }
            return bind(descriptor, raw, length) == 0 && getsockname(descriptor, raw, &length) == 0
        }
        guard isBound else {
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        self.socket = descriptor
        self.number = UInt16(address[2]) << 8 | UInt16(address[3])
    }

    deinit { close(self.socket) }
}

private func openSocket(_ family: CInt, _ type: CInt, _ number: CInt) -> CInt { socket(family, type, number) }
