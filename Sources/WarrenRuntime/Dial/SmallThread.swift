// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A thread for a piece of blocking work, of which there may be many: nobody waits for it, and its stack is small.
enum SmallThread {
    /// What the system's resolver needs with all its modules, and room to spare.
    private static let stack = 512 << 10

    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: false if the system has no thread left.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, Self.stack)
        let work = Unmanaged.passRetained(Work(body))
        #if canImport(Darwin)
        var thread: pthread_t?
        let code = pthread_create(&thread, &attributes, { Self.run($0) }, work.toOpaque())
        #else
        var thread = pthread_t()
        let code = pthread_create(&thread, &attributes, { $0.flatMap { Self.run($0) } }, work.toOpaque())
        #endif
        if code != 0 { work.release() }
        return code == 0
    }

    private static func run(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
        return nil
    }
}
