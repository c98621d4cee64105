// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What stands at the far end of every measured path: a server on 127.0.0.1, with threads of its own.
///
/// The first byte of a connection says what it is for (``Purpose``).
@_spi(Bench) public final class LoadTarget: Sendable {
    /// First bytes.
    enum Purpose {
        /// Everything comes back, this byte too.
        static let echo = UInt8(ascii: "e")
        /// This byte comes back, then the target closes.
        static let once = UInt8(ascii: "c")
        /// The pattern is sent until any further byte comes, then the target closes.
        static let down = UInt8(ascii: "d")
        /// The pattern is taken; a byte comes back for every ``LoadTarget/acknowledged`` bytes.
        static let up = UInt8(ascii: "u")
    }

    static let acknowledged = 1 << 20

    /// Where it listens, on 127.0.0.1.
    public let port: UInt16
    private let listener: LoadSocket
    private let wake: (read: CInt, write: CInt)
    private let threads = DispatchGroup()
    /// Payload bytes sent so far on connections that were for ``Purpose/down`` and have ended.
    let sent = Atomic(0)
    /// Pieces of payload that were not what the client sends.
    let wrong = Atomic(0)

    /// Starts it.
    ///
    /// - Parameters:
    ///   - threads: how many serve; each can serve every connection.
    ///   - capacity: connections at a time that need no further memory.
    ///   - onThread: called first of all in every thread.
    public init(
        threads: Int = LoadGenerator.lanes, capacity: Int = 1024, onThread: @escaping @Sendable () -> Void = {}
    ) throws {
        self.listener = try LoadSocket()
        var ends: [CInt] = [-1, -1]
        do {
            self.port = try self.listener.listen()
            guard pipe(&ends) == 0 else { throw LoadFailure.system("no pipe") }
        } catch {
            self.listener.close()
            throw error
        }
        self.listener.neverWait()
        self.wake = (ends[0], ends[1])
        for _ in 0..<threads {
            self.threads.enter()
            Thread.detachNewThread {
                onThread()
                var worker = LoadTargetWorker(
                    target: self, listener: self.listener, wake: self.wake.read, capacity: capacity
                )
                worker.run()
                self.threads.leave()
            }
        }
    }

    /// Closes every connection and the listener, and returns when all of that is done: at once.
    public func stop() {
        close(self.wake.write)
        self.threads.wait()
        close(self.wake.read)
        self.listener.close()
    }
}
