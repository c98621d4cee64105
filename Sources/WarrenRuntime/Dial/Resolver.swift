// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix
import Synchronization
package import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Turns names into addresses, one family at a time, never on an event loop.
package protocol AddressResolver: Sendable {
    /// - Returns: the addresses of this family in the system's order, empty if the name has none.
    func resolve(_ name: String, _ family: IPAddress.Family, on loop: any EventLoop) -> EventLoopFuture<[IPAddress]>
}

/// The system's resolver, on threads of its own, so that slow names hold up neither users nor each other. Each family has
/// its threads: many a network answers for IPv4 at once and for IPv6 late or never.
package final class SystemResolver: AddressResolver {
    private let threads: NIOThreadPool
    private let threadsForV6: NIOThreadPool
    private let pending = Atomic<Int>(0)
    /// Queries under way or queued; more are answered with ``StreamFault/limit``.
    private let limit: Int

    package init(threads: Int = 8, limit: Int = 1024) {
        self.threads = NIOThreadPool(numberOfThreads: threads)
        self.threadsForV6 = NIOThreadPool(numberOfThreads: threads)
        self.limit = limit
        self.threads.start()
        self.threadsForV6.start()
    }

    package func shutDown() async {
        try? await self.threads.shutdownGracefully()
        try? await self.threadsForV6.shutdownGracefully()
    }

    package func resolve(
        _ name: String, _ family: IPAddress.Family, on loop: any EventLoop
    ) -> EventLoopFuture<[IPAddress]> {
        // Never a question for the network (RFC 6761).
        let folded = name.lowercased()
        if folded == "localhost" || folded.hasSuffix(".localhost") {
            return loop.makeSucceededFuture([family == .v4 ? IPAddress(v4: 0x7F00_0001) : IPAddress(high: 0, low: 1)])
        }
        guard self.pending.add(1, ordering: .relaxed).newValue <= self.limit else {
            self.pending.subtract(1, ordering: .relaxed)
            return loop.makeFailedFuture(StreamFault.limit)
        }
        let threads = family == .v4 ? self.threads : self.threadsForV6
        let query = threads.runIfActive(eventLoop: loop) { Self.query(name, family) }
        query.whenComplete { [self] _ in self.pending.subtract(1, ordering: .relaxed) }
        return query
    }

    private static func query(_ name: String, _ family: IPAddress.Family) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = family == .v4 ? AF_INET : AF_INET6
        #if canImport(Glibc)
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var entry = list
        while let info = entry?.pointee {
            if let address = IPAddress(info), !found.contains(address) { found.append(address) }
            entry = info.ai_next
        }
        return found
    }
}

extension IPAddress {
    /// The address in a resolver's answer.
    fileprivate init?(_ info: addrinfo) {
        guard let address = info.ai_addr else { return nil }
        // `family 2B | port 2B | address 4B`, or `family 2B | port 2B | flow 4B | address 16B`.
        let (offset, count) = info.ai_family == AF_INET ? (4, 4) : (8, 16)
        guard info.ai_addrlen >= offset + count else { return nil }
        var bytes = ByteBuffer(bytes: UnsafeRawBufferPointer(start: UnsafeRawPointer(address) + offset, count: count))
        guard let found = bytes.readIPAddress(info.ai_family == AF_INET ? .v4 : .v6) else { return nil }
        self = found
    }
}
