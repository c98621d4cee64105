// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
package import NIOCore

/// A pipe of the system through which bytes go from socket to socket without passing through this process.
package final class Pipe {
    /// The kernel's usual limit for pipes of ordinary users.
    package static let size = 1 << 20

    package let readEnd: CInt
    package let writeEnd: CInt

    /// - Returns: nil where there are none, or none left.
    package init?() {
        var ends: (CInt, CInt) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            cws_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress, CInt(Self.size))
        }
        guard made == 0 else { return nil }
        (self.readEnd, self.writeEnd) = ends
        // What connections need comes first: without a pipe their bytes are copied.
        guard DescriptorLimit.process.room(for: max(ends.0, ends.1)) == .plenty else { return nil }
    }

    deinit {
        _ = systemClose(self.readEnd)
        _ = systemClose(self.writeEnd)
    }
}

/// The pipes of one loop: making one costs more than using one, so some are kept for a while.
package final class PipePool {
    private static let mostKept = 16
    /// Flows beyond those are copied: what readers leave in pipes is the kernel's memory.
    private static let mostInUse = 128
    /// A loop that splices nothing for so long keeps no descriptors for it.
    package static let keeping = TimeAmount.seconds(2)

    private unowned let loop: SocketLoop
    private var pipes: [Pipe] = []
    private var inUse = 0
    private var lastUse = NIODeadline.uptimeNanoseconds(0)
    private var timer: LoopTimer?

    package init(on loop: SocketLoop) { self.loop = loop }

    /// Empty pipes that are kept.
    package var count: Int { self.pipes.count }

    package func take() -> Pipe? {
        guard self.inUse < Self.mostInUse, let pipe = self.pipes.popLast() ?? Pipe() else { return nil }
        self.inUse += 1
        return pipe
    }

    /// Takes back a pipe that is empty.
    package func give(_ pipe: Pipe) {
        self.inUse -= 1
        guard self.pipes.count < Self.mostKept else { return }
        self.pipes.append(pipe)
        self.lastUse = self.loop.now
        if self.timer == nil { self.wait() }
    }

    /// A pipe is closed with what is in it.
    package func lose() { self.inUse -= 1 }

    private func wait() {
        self.timer = self.loop.timer(at: self.lastUse + Self.keeping) {
            self.timer = nil
            if self.loop.now >= self.lastUse + Self.keeping { self.pipes = [] } else { self.wait() }
        }
    }
}
