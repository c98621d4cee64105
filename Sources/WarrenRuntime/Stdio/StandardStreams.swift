// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Foundation
import NIOCore
import Synchronization
import WarrenCore
import WarrenLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The process's standard input and output as the far end of a leg.
///
/// Either may be a file or a terminal, which no event queue watches: so two threads carry the bytes, waiting where the
/// system makes them wait, between them and one end of a socket pair.
enum StandardStreams {
    /// - Parameter whenDone: called on any thread, when the leg is over and the output has had everything that it was given:
    ///   with false if that was not everything that there was, or nobody took it.
    /// - Parameter beforeEnd: called before the output is closed behind a leg that is over, with true if that was cut off: whoever reads it takes its end
    ///   for that of the program, and shows what was said until then.
    /// - Throws: `IOError` if the system has no sockets left.
    static func leg(
        on loop: SocketLoop, beforeEnd: @escaping @Sendable (Bool) -> Void = { _ in },
        whenDone: @escaping @Sendable (Bool) -> Void
    ) throws -> SocketLeg {
        var ends: [CInt] = [-1, -1]
        guard cws_socket_pair(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "socketpair") }
        let (near, far) = (ends[0], ends[1])
        guard let socket = Socket(near, on: loop) else {
            _ = systemClose(far)
            throw IOError(errnoCode: ENOMEM, reason: "watch")
        }
        let both = Both(whenDone)
        let leg = SocketLeg(
            socket, peer: PeerAddress(IPAddress(v4: 0x7F00_0001), port: 0), options: SocketOptions())
        let bound = NIOLoopBound(leg, eventLoop: loop)
        leg.onClose = {
            both.legIsOver()
            both.one(isWhole: bound.value.fault == nil)
        }
        // Whatever is cut off must not look like an end.
        let cut: @Sendable () -> Void = { loop.execute { bound.value.end(.aborted) } }
        Thread.detachNewThread {
            if StandardInput.carry(to: far) { _ = shutdown(far, CInt(SHUT_WR)) } else { cut() }
        }
        Thread.detachNewThread {
            let isWhole = StandardOutput.carry(from: far)
            if !isWhole { cut() }
            // The end that has just been seen is of a turn of the loop that may still go on.
            let isCutOff = (try? loop.submit { bound.value.fault != nil }.wait()) ?? false
            if isCutOff || both.isLegOver { beforeEnd(isCutOff) }
            StandardOutput.end()
            both.one(isWhole: isWhole)
        }
        return leg
    }

    /// Two things that end in either order.
    private final class Both: Sendable {
        private let left = Atomic(2)
        private let areWhole = Atomic(true)
        private let legHasEnded = Atomic(false)
        private let whenDone: @Sendable (Bool) -> Void

        init(_ whenDone: @escaping @Sendable (Bool) -> Void) { self.whenDone = whenDone }

        var isLegOver: Bool { self.legHasEnded.load(ordering: .acquiring) }
        func legIsOver() { self.legHasEnded.store(true, ordering: .releasing) }

        func one(isWhole: Bool) {
            if !isWhole { self.areWhole.store(false, ordering: .releasing) }
            guard self.left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
            self.whenDone(self.areWhole.load(ordering: .acquiring))
        }
    }
}

private enum StandardInput {
    /// - Returns: false if the input failed before its end. True also where nobody wants more of it.
    static func carry(to sink: CInt) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { space in
            while true {
                let count = read(STDIN_FILENO, space.baseAddress, space.count)
                guard count > 0 else {
                    if count < 0, Descriptor.mayGoOn(STDIN_FILENO, POLLIN) { continue }
                    // Whoever was started without an input has none.
                    return count == 0 || errno == EBADF
                }
                guard Descriptor.write(UnsafeRawBufferPointer(rebasing: space[..<count]), to: sink) else { return true }
            }
        }
    }
}

private enum StandardOutput {
    /// - Returns: false if the output takes no more before the end has come.
    static func carry(from source: CInt) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { space in
            while Self.waitForBytes(source) {
                let count = read(source, space.baseAddress, space.count)
                guard count > 0 else {
                    if count < 0, Descriptor.mayGoOn(source, POLLIN) { continue }
                    return count == 0
                }
                let bytes = UnsafeRawBufferPointer(rebasing: space[..<count])
                guard Descriptor.write(bytes, to: STDOUT_FILENO) else { return false }
            }
            // Its reader has gone, and may have had everything.
            return recv(source, space.baseAddress, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) == 0
        }
    }

    /// - Returns: false if the output has lost its reader, which is known at once and not with the next byte only.
    private static func waitForBytes(_ source: CInt) -> Bool {
        var output = STDOUT_FILENO
        while true {
            var both = (
                source: pollfd(fd: source, events: Int16(POLLIN), revents: 0),
                output: pollfd(fd: output, events: 0, revents: 0)
            )
            let count = withUnsafeMutableBytes(of: &both) { poll($0.bindMemory(to: pollfd.self).baseAddress, 2, -1) }
            if count < 0 {
                if errno == EINTR { continue }
                return true
            }
            let (bytes, reader) = (both.source.revents, CInt(both.output.revents))
            // Some systems cannot tell of every kind of output.
            if reader & POLLNVAL != 0 {
                output = -1
            } else if reader & (POLLERR | POLLHUP) != 0 {
                return false
            }
            if bytes != 0 { return true }
        }
    }

    /// Whoever reads the output sees its end, and the number cannot become another file's.
    static func end() {
        let nothing = open("/dev/null", O_WRONLY)
        guard nothing >= 0 else { return }
        dup2(nothing, STDOUT_FILENO)
        _ = systemClose(nothing)
    }
}

/// What a descriptor of another program's making may answer: those who share it may have made it non-blocking.
private enum Descriptor {
    /// After a call that failed; waits if that helps.
    static func mayGoOn(_ descriptor: CInt, _ event: CInt) -> Bool {
        switch errno {
        case EINTR: return true
        case EAGAIN:
            var one = pollfd(fd: descriptor, events: Int16(event), revents: 0)
            return poll(&one, 1, -1) >= 0 || errno == EINTR
        default: return false
        }
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to sink: CInt) -> Bool {
        var rest = bytes
        while rest.count > 0 {
            let count = systemWrite(sink, rest.baseAddress, rest.count)
            guard count > 0 else {
                if count < 0, Self.mayGoOn(sink, POLLOUT) { continue }
                return false
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        return true
    }
}

private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
