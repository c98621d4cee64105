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
}
#endif
