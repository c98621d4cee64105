// SPDX-License-Identifier: Apache-2.0

import Foundation
import Warren

/// What the program says to the person who started it.
enum Console {
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// A reader that has gone is no reason to stop: what it wanted, it has.
    static func print(_ line: String) { try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8)) }

    /// By way of the log's writer: a line of one must not fall into a line of the other.
    static func error(_ line: String) { LogWriter.standardError.write(line + "\n") }

    /// Replaces the last line of a terminal; nothing where there is none.
    static func progress(_ line: String) {
        guard Self.isTerminal else { return }
        LogWriter.standardError.write("\r\u{1B}[K\(line)")
    }
}
