// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem

/// A pipe of the system through which bytes go from socket to socket without passing through this process.
final class Pipe {
    /// The kernel's usual limit for pipes of ordinary users.
    static let size = 1 << 20

    let readEnd: CInt
    let writeEnd: CInt

    /// - Returns: nil where there are none, or none left.
    init?() {
        var ends: (CInt, CInt) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            cws_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress, CInt(Self.size))
        }
        guard made == 0 else { return nil }
        (self.readEnd, self.writeEnd) = ends
    }

    deinit {
        _ = systemClose(self.readEnd)
        _ = systemClose(self.writeEnd)
    }
}

/// Empty pipes of one loop: making one costs more than using one.
final class PipePool {
    private static let most = 16
    private var pipes: [Pipe] = []

    func take() -> Pipe? { self.pipes.popLast() ?? Pipe() }

    /// Takes back a pipe that is empty.
    func give(_ pipe: Pipe) {
        if self.pipes.count < Self.most { self.pipes.append(pipe) }
    }
}
