// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite(.timeLimit(.minutes(1))) struct InheritedDescriptorTests {
    /// A child process that is being started has a copy of every descriptor for a moment: what is closed here goes on
    /// having events. A copy of our own does the same.
    @Test func eventsOfWhatIsClosedHereAreNobodys() async throws {
        let pair = try await Pair.make()
        let copy = try await pair.onLoop { () -> CInt in
            let leg = pair.leg.value
            let copy = dup(leg.socket.descriptor)
            leg.end(.aborted)
            return copy
        }
        try await pair.closed.get()
        for _ in 0..<20 {
            try await pair.peer.send("to nobody")
            try await pair.onLoop {}
        }
        #expect(systemClose(copy) == 0)
        #expect(try await pair.peer.everything().end == .reset)
    }
}
