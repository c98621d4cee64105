// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Testing
import WarrenCore

@testable import WarrenLoop

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if os(Linux)
@Suite struct GivenBackPortTests {
    @Test(
        "a port that is given back can be bound again, though a program that is being started holds a copy of its socket",
        arguments: [1, 2])
    func copiesKeepNoPort(loops: Int) throws {
        let address = PeerAddress(try #require(IPAddress("127.0.0.1")), port: 0)
        let descriptors = try ListeningSocket.bind(to: address, times: loops, options: SocketOptions())
        let bound = try #require(descriptors.first.flatMap { ListeningSocket.localAddress(of: $0) })
        let copies = descriptors.map { dup($0) }
        defer { for copy in copies { close(copy) } }
        for descriptor in descriptors {
            ListeningSocket(descriptor, on: .manual(), onConnection: { descriptor, _ in close(descriptor) }).stop()
        }
        let again = try ListeningSocket.bind(to: bound, times: loops, options: SocketOptions())
        #expect(again.count == loops)
        for descriptor in again { close(descriptor) }
    }

    @Test("only a port that is known is shared: the system may choose one that another process shares")
    func sharesNoChosenPort() throws {
        let address = PeerAddress(try #require(IPAddress("127.0.0.1")), port: 0)
        var asked: [(port: UInt16, isShared: Bool)] = []
        let descriptors = try ListeningSocket.spread(over: address, times: 3) { address, isShared in
            asked.append((address.port, isShared))
            let descriptor = cws_datagram_socket(address.system.version)
            if isShared { _ = cws_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            #expect(cws_bind(descriptor, address.system) == 0)
            return descriptor
        }
        defer { for descriptor in descriptors { close(descriptor) } }
        let ports = descriptors.map { ListeningSocket.localAddress(of: $0)?.port }
        let port = try #require(ports.first ?? nil)
        #expect(ports == [port, port, port])
        #expect(asked.map(\.port) == [0, port, port])
        #expect(asked.map(\.isShared) == [false, true, true])
    }
}
#endif
