// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What the program says to the person who started it.
enum Console {
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    static func print(_ line: String) { Self.write(line + "\n", to: .standardOutput) }

    static func error(_ line: String) { Self.write(line + "\n", to: .standardError) }

    /// Replaces the last line of a terminal; nothing where there is none.
    static func progress(_ line: String) {
        guard Self.isTerminal else { return }
        Self.write("\r\u{1B}[K\(line)", to: .standardError)
    }

    private static func write(_ text: String, to file: FileHandle) { try? file.write(contentsOf: Data(text.utf8)) }
}
