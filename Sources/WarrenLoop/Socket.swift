// SPDX-License-Identifier: Apache-2.0

package import CWarrenSystem
import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Who serves a socket when it has become ready.
package protocol SocketWatcher: AnyObject {
    /// Something may be possible that was not: see ``Socket/isReadable``, ``Socket/isWritable``, ``Socket/hasFailed``.
    func socketIsReady(_ socket: Socket)
}

/// A TCP connection's descriptor on its loop. Says what is possible; whoever watches decides what is done.
///
/// The system tells of each change once. So `isReadable` and `isWritable` stay true until a call has found that there
/// is nothing more, and a watcher that stops early must come back by itself (``again()``).
package final class Socket: Watched {
    package let descriptor: CInt
    package let loop: SocketLoop
    /// Kept until the socket is closed.
    package var watcher: (any SocketWatcher)?
    package private(set) var isReadable = false
    /// Assumed until the system has taken less than was offered.
    package private(set) var isWritable: Bool
    /// The system tells of room: most sockets never need to be told.
    private var watchesWriting: Bool
    package private(set) var hasFailed = false
    /// The peer will send no more than what is already there.
    package private(set) var peerHasEnded = false
    package private(set) var isClosed = false
    private var isBusy = false

    /// - Parameter isConnecting: it is not writable before the system says so.
    /// - Returns: nil if the loop cannot watch it; the descriptor is closed then.
    package init?(_ descriptor: CInt, on loop: SocketLoop, isConnecting: Bool = false) {
        self.descriptor = descriptor
        self.loop = loop
        self.isWritable = !isConnecting
        self.watchesWriting = isConnecting
        super.init()
        guard loop.watch(self, descriptor, writing: isConnecting) else {
            _ = systemClose(descriptor)
            return nil
        }
    }

    /// The system's word on what has become possible.
    package override func became(_ ready: UInt32) {
        guard !self.isClosed else { return }
        if ready & Ready.readable != 0 { self.isReadable = true }
        if ready & Ready.writable != 0 { self.isWritable = true }
        if ready & Ready.ended != 0 { self.peerHasEnded = true }
        if ready & Ready.failed != 0 { self.hasFailed = true }
        self.watcher?.socketIsReady(self)
    }

    /// Serves the socket once more when everybody else has had a turn.
    package func again() {
        guard !self.isBusy, !self.isClosed else { return }
        self.isBusy = true
        self.loop.again(self)
    }

    /// There is something to be learnt from a read, whatever the system has told so far.
    package func mustBeRead() {
        self.isReadable = true
        self.again()
    }

    package override func serve() {
        self.isBusy = false
        guard !self.isClosed else { return }
        self.watcher?.socketIsReady(self)
    }

    /// Takes the socket off its loop and leaves it open, for another loop.
    package func release() -> CInt {
        self.isClosed = true
        self.watcher = nil
        self.loop.unwatch(self.descriptor)
        return self.descriptor
    }

    /// Closes at once. With `reset`, the peer sees an error instead of an end, and what is on its way is dropped.
    package func close(reset: Bool = false) {
        guard !self.isClosed else { return }
        self.isClosed = true
        if reset { _ = cws_set_reset_on_close(self.descriptor) }
        self.loop.forget(self.descriptor)
        _ = systemClose(self.descriptor)
        self.watcher = nil
    }
}

// MARK: - Bytes

extension Socket {
    /// What came of a call that does not wait.
    package enum Outcome {
        case moved(Int)
        /// Nothing for now; the watcher is called when that changes.
        case notNow
        case ended
        case failed(CInt)
    }

    /// Reads what is there, up to the size of `space`.
    package func read(into space: UnsafeMutableRawBufferPointer) -> Outcome {
        let outcome = self.reading { recv(self.descriptor, space.baseAddress, space.count, 0) }
        // After the peer's end a short read does not mean that all has been read: the end is still to come.
        if case .moved(let count) = outcome, count < space.count, !self.peerHasEnded, !self.hasFailed {
            self.isReadable = false
        }
        return outcome
    }

    /// Moves bytes from the socket into a pipe that is empty.
    package func splice(into pipe: Pipe, most: Int) -> Outcome {
        self.reading { cws_splice(self.descriptor, pipe.writeEnd, most) }
    }

    private func reading(_ call: () -> Int) -> Outcome {
        while true {
            let count = call()
            if count > 0 { return .moved(count) }
            if count == 0 { return .ended }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK:
                self.isReadable = false
                return .notNow
            default: return .failed(errno)
            }
        }
    }

    /// Writes what the system takes.
    package func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        self.writing(bytes.count) { cws_send(self.descriptor, bytes.baseAddress, bytes.count) }
    }

    /// Writes what the system takes of several pieces, `total` bytes in all.
    package func write(_ pieces: UnsafeBufferPointer<iovec>, _ total: Int) -> Outcome {
        self.writing(total) { cws_send_several(self.descriptor, pieces.baseAddress, pieces.count) }
    }

    /// Moves bytes out of a pipe into the socket.
    package func splice(from pipe: Pipe, most: Int) -> Outcome {
        self.writing(most) { cws_splice(pipe.readEnd, self.descriptor, most) }
    }

    private func writing(_ wanted: Int, _ call: () -> Int) -> Outcome {
        while true {
            let count = call()
            if count >= 0 {
                if count < wanted { self.isFull() }
                return .moved(count)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK:
                self.isFull()
                return .notNow
            default: return .failed(errno)
            }
        }
    }

    private func isFull() {
        self.isWritable = false
        guard !self.watchesWriting else { return }
        self.watchesWriting = true
        self.loop.watchWriting(self.descriptor)
    }

    package func shutOutput() { _ = shutdown(self.descriptor, CInt(SHUT_WR)) }

    /// Bytes that the system has taken and not sent, because the peer's window is full.
    package var unsent: Int { Int(cws_unsent(self.descriptor)) }

    /// Why it has failed, as an error number; 0 if it has not.
    package func takeError() -> CInt { cws_take_error(self.descriptor) }
}

/// The bits of an event, as numbers of one type on every system.
enum Ready {
    static let readable = UInt32(CWS_READABLE)
    static let writable = UInt32(CWS_WRITABLE)
    static let ended = UInt32(CWS_ENDED)
    static let failed = UInt32(CWS_FAILED)
}

package func systemClose(_ descriptor: CInt) -> CInt { close(descriptor) }
