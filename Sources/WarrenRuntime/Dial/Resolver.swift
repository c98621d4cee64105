// SPDX-License-Identifier: Apache-2.0

package import NIOCore
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
    /// - Returns: a query for the addresses of this family in the system's order, none if the name has none.
    func resolve(_ name: String, _ family: IPAddress.Family, for asker: Asker, on loop: any EventLoop) -> NameQuery
}

/// A name that is being looked up.
package struct NameQuery: Sendable {
    package let answer: EventLoopFuture<[IPAddress]>
    private let drop: @Sendable () -> Void

    /// - Parameter drop: called, perhaps too late, when nobody waits for the answer any more.
    package init(_ answer: EventLoopFuture<[IPAddress]>, drop: @escaping @Sendable () -> Void = {}) {
        self.answer = answer
        self.drop = drop
    }

    /// Nobody waits any more. The answer may be a failure then.
    package func cancel() { self.drop() }
}

/// The system's resolver, on threads of its own, so that slow names hold up neither users nor each other. Each family has
/// its threads: many a network answers for IPv4 at once and for IPv6 late or never. So have the names of our own
/// configuration: a tunnel's server is found whatever users ask for.
package final class SystemResolver: AddressResolver {
    private let threads: [IPAddress.Family: NameThreads]
    private let threadsForConfiguration: [IPAddress.Family: NameThreads]

    package convenience init() { self.init(limits: NameLine.Limits(), lookUp: Self.query) }

    init(
        limits: NameLine.Limits,
        lookUp: @escaping @Sendable (HostName, IPAddress.Family) -> Result<[IPAddress], StreamFault>
    ) {
        func make(_ limits: NameLine.Limits) -> [IPAddress.Family: NameThreads] {
            func threads(_ family: IPAddress.Family) -> NameThreads {
                NameThreads(limits) { lookUp($0, family) }
            }
            return [.v4: threads(.v4), .v6: threads(.v6)]
        }
        self.threads = make(limits)
        var own = limits
        // One asker, whose names are not many: each may have its thread.
        own.perAsker = own.threads
        own.perDomain = own.threads
        own.perDomainWithAbandoned = own.threads
        // A tunnel is to be back as soon as its server has a name again.
        own.keepsFailures = .zero
        self.threadsForConfiguration = make(own)
    }

    /// How many threads look up names.
    var threadCount: Int {
        self.threads.values.reduce(0) { $0 + $1.count }
            + self.threadsForConfiguration.values.reduce(0) { $0 + $1.count }
    }

    package func resolve(
        _ name: String, _ family: IPAddress.Family, for asker: Asker, on loop: any EventLoop
    ) -> NameQuery {
        guard let name = HostName(name) else { return NameQuery(loop.makeFailedFuture(StreamFault.unknownHost)) }
        // Never a question for the network (RFC 6761).
        if name.isLocalhost {
            let address = family == .v4 ? IPAddress(v4: 0x7F00_0001) : IPAddress(high: 0, low: 1)
            return NameQuery(loop.makeSucceededFuture([address]))
        }
        let threads = asker == .configuration ? self.threadsForConfiguration : self.threads
        guard let chosen = threads[family] else { return NameQuery(loop.makeFailedFuture(StreamFault.unknownHost)) }
        return chosen.ask(name, for: asker, on: loop)
    }

    private static func query(_ name: HostName, _ family: IPAddress.Family) -> Result<[IPAddress], StreamFault> {
        var hints = addrinfo()
        hints.ai_family = family == .v4 ? AF_INET : AF_INET6
        #if canImport(Glibc)
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name.written, nil, &hints, &list)
        // Out of memory or descriptors: that says nothing about the name.
        if code == EAI_MEMORY || code == EAI_SYSTEM && StreamFault(connecting: errno) == .limit {
            return .failure(.limit)
        }
        guard code == 0 else { return .success([]) }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var entry = list
        while let info = entry?.pointee {
            if let address = IPAddress(info), !found.contains(address) { found.append(address) }
            entry = info.ai_next
        }
        return .success(found)
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
