// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Foundation
import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Sockets of this machine that have a path.
enum UnixSocket {
    /// Which file a path names at the moment.
    struct File: Hashable, Sendable {
        private let device: UInt64
        private let number: UInt64

        /// - Returns: nil for what is no socket.
        init?(_ path: String) {
            var (device, number) = (UInt64(0), UInt64(0))
            guard cws_socket_at(path, &device, &number) == 0 else { return nil }
            self.device = device
            self.number = number
        }
    }

    /// - Returns: a descriptor that listens and that only the user of this process may connect to.
    /// - Throws: ``AdminFailure``.
    static func listen(at path: String) throws(AdminFailure) -> CInt {
        let descriptor = try Self.open()
        do throws(AdminFailure) {
            // The mode is that of the socket's file from the beginning.
            _ = fchmod(descriptor, 0o600)
            if try Self.call(path, { bind(descriptor, $0, $1) }) != 0 {
                guard errno == EADDRINUSE else { throw AdminFailure(errno, path) }
                guard try !Self.isAnswered(path) else {
                    throw AdminFailure("another process answers there; end it, or choose another path")
                }
                guard File(path) != nil, unlink(path) == 0 else {
                    throw AdminFailure("there is a file of that name which is no socket, or may not be removed")
                }
                guard try Self.call(path, { bind(descriptor, $0, $1) }) == 0 else { throw AdminFailure(errno, path) }
            }
            guard chmod(path, 0o600) == 0, systemListen(descriptor, 16) == 0 else { throw AdminFailure(errno, path) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// - Returns: a connected descriptor.
    static func connect(to path: String) throws(AdminFailure) -> CInt {
        let descriptor = try Self.open()
        guard try Self.call(path, { systemConnect(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close(descriptor)
            throw AdminFailure(code, path)
        }
        return descriptor
    }

    private static func isAnswered(_ path: String) throws(AdminFailure) -> Bool {
        let descriptor = try Self.open()
        defer { close(descriptor) }
        return try Self.call(path) { systemConnect(descriptor, $0, $1) } == 0
    }

    private static func open() throws(AdminFailure) -> CInt {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw AdminFailure(errno, "socket") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    private static func call(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(AdminFailure) -> CInt {
        guard let address = try? SocketAddress(unixDomainSocketPath: path) else {
            throw AdminFailure("the path is too long for a socket")
        }
        return address.withSockAddr { body($0, socklen_t($1)) }
    }
}

/// Why the admin socket cannot be had, in a sentence with a remedy.
public struct AdminFailure: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    init(_ code: CInt, _ path: String) {
        self.description =
            switch code {
            case ENOENT: "there is no such path; is the program running, and its admin: listen: the same?"
            case ECONNREFUSED: "nobody listens there; is the program running?"
            case EACCES, EPERM: "not permitted; only the user of the process may use it"
            default: String(cString: strerror(code))
            }
    }
}

private func systemListen(_ descriptor: CInt, _ backlog: CInt) -> CInt { listen(descriptor, backlog) }

private func systemConnect(
    _ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t
) -> CInt { connect(descriptor, address, length) }
