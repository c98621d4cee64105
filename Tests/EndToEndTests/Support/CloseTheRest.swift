// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Keeps a program that is about to be started from getting this process's connections: one that it holds too does not
/// end when the test closes it.
///
/// - Parameter actions: a `posix_spawn_file_actions_t` in which the outputs are already in their places.
func closeTheRest(_ actions: UnsafeMutableRawPointer) {
    typealias Call = @convention(c) (UnsafeMutableRawPointer, CInt) -> CInt
    // Where the system has it: then no connection that is made meanwhile slips through either.
    if let call = dlsym(dlopen(nil, RTLD_NOW), "posix_spawn_file_actions_addclosefrom_np") {
        _ = unsafeBitCast(call, to: Call.self)(actions, STDERR_FILENO + 1)
    } else {
        for descriptor in STDERR_FILENO + 1..<getdtablesize() { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }
}
