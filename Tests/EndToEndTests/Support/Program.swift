// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers

/// A failure of the harness itself, in one sentence.
struct HarnessError: Error, CustomStringConvertible {
    let description: String
}

/// A process that the test starts, and ends by its own identifier.
final class Program: Sendable {
    struct Outcome: Sendable {
        let code: Int32
        let output: String
        let errors: String
    }

    private let process: pid_t
    /// Whether it leads a group of processes, which ends with it.
    private let leads: Bool
    private let exit = Exit()
    private let output: Collector
    let errors: Collector

    /// One at a time, so that no child inherits a pipe of another.
    private static let starting = NIOLock()

    private init(
        _ executable: URL, _ arguments: [String], in folder: String?, environment: [String: String], leads: Bool = false
    ) throws {
        var inherited = ProcessInfo.processInfo.environment.filter { !$0.key.lowercased().hasSuffix("_proxy") }
        inherited.merge(environment) { $1 }
        var words = [executable.path] + arguments
        // A shell goes to the folder and becomes the program: there is no portable way to spawn somewhere else.
        if let folder { words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder] + words }
        let (process, output, errors) = try Self.starting.withLock { [words, inherited] in
            let (output, errors) = (try Pipe(), try Pipe())
            return (try Self.spawn(words, inherited, output, errors, leads: leads), output, errors)
        }
        self.process = process
        self.leads = leads
        self.output = Collector(output)
        self.errors = Collector(errors)
        let exit = self.exit
        Thread.detachNewThread {
            if leads { Self.endGroup(of: process) }
            var status: CInt = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            // The low seven bits are the signal that ended it, if one did.
            exit.happened(status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F))
        }
    }

    /// Waits for the end of a leader, and ends those that it leaves behind. Nobody else is given its identifier yet: it
    /// has not been asked for its status.
    private static func endGroup(of leader: pid_t) {
        var information = siginfo_t()
        while waitid(P_PID, id_t(leader), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        kill(-leader, SIGKILL)
    }

    /// Starts the process with nothing on its standard input and the writing ends of the pipes as its outputs.
    private static func spawn(
        _ command: [String], _ environment: [String: String], _ output: Pipe, _ errors: Pipe, leads: Bool
    ) throws -> pid_t {
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #else
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        // The thread of a test may block all signals, and a program that unblocks none would never hear of its end.
        var unblocked = sigset_t()
        sigemptyset(&unblocked)
        posix_spawnattr_setsigmask(&attributes, &unblocked)
        // A group of its own has the number zero here.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | (leads ? POSIX_SPAWN_SETPGROUP : 0)))
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.writing, STDERR_FILENO)
        closeTheRest(&actions)
        var words = command.map { strdup($0) } + [nil]
        var settings = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + settings { free(text) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, command[0], &actions, &attributes, &words, &settings)
        close(output.writing)
        close(errors.writing)
        guard result == 0 else { throw HarnessError(description: "\(command[0]) cannot be started: error \(result)") }
        return process
    }

    /// The first of these programs that this machine has: on the path, or where daemons are.
    static func find(_ names: String...) -> URL? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let folders = path + ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
        return names.lazy.flatMap { name in folders.lazy.map { URL(filePath: "\($0)/\(name)") } }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Runs a program to its end.
    static func run(
        _ executable: URL, _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:]
    ) async throws -> Outcome {
        let program = try Program(executable, arguments, in: folder, environment: environment)
        return await program.outcome()
    }

    static func start(_ executable: URL, _ arguments: [String], in folder: String? = nil) throws -> Program {
        try Program(executable, arguments, in: folder, environment: [:])
    }

    /// Runs a program that starts others to its end, or to the end of the test's time. Nothing of them is left.
    static func runGroup(
        _ executable: URL, _ arguments: [String], environment: [String: String]
    ) async throws -> Outcome {
        let program = try Program(executable, arguments, in: nil, environment: environment, leads: true)
        return await withTaskCancellationHandler {
            await program.outcome()
        } onCancel: {
            program.signal(SIGKILL)
        }
    }

    /// Waits for the end.
    func outcome() async -> Outcome {
        await self.output.end()
        await self.errors.end()
        return Outcome(code: await self.exit.code(), output: self.output.text, errors: self.errors.text)
    }

    /// The first line of its output with this in it, or a later one; nil if the output ends without it.
    func output(with part: String, number: Int = 1) async -> String? {
        await self.output.line(with: part, number: number)
    }

    /// The memory that it has now; nil where the system has no file about that.
    var residentMebibytes: Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(self.process)/status", encoding: .utf8) else {
            return nil
        }
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 >> 10 }
    }

    func signal(_ signal: Int32) { self.exit.ifRunning { kill(self.leads ? -self.process : self.process, signal) } }

    deinit { self.signal(SIGKILL) }
}

/// Two descriptors that no child inherits.
private struct Pipe {
    let reading: CInt
    let writing: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { throw HarnessError(description: "there is no pipe: error \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (self.reading, self.writing) = (ends[0], ends[1])
    }
}

/// The end of a process, which may be waited for before and after it.
private final class Exit: Sendable {
    private struct State {
        var code: Int32?
        var waiting: [CheckedContinuation<Int32, Never>] = []
    }

    private let state = NIOLockedValueBox(State())

    func happened(_ code: Int32) {
        self.state.withLockedValue { state in
            state.code = code
            for continuation in state.waiting { continuation.resume(returning: code) }
            state.waiting = []
        }
    }

    func code() async -> Int32 {
        await withCheckedContinuation { continuation in
            self.state.withLockedValue { state in
                if let code = state.code {
                    continuation.resume(returning: code)
                } else {
                    state.waiting.append(continuation)
                }
            }
        }
    }

    /// The identifier may belong to another process afterwards.
    func ifRunning(_ body: () -> Void) { self.state.withLockedValue { if $0.code == nil { body() } } }
}

/// What comes out of a pipe, as text, with waiting for a line.
final class Collector: Sendable {
    /// The line that is waited for: which one of those with this in it.
    private struct Part {
        let texts: [String]
        let number: Int
    }

    private struct State {
        var bytes: [UInt8] = []
        var hasEnded = false
        var waiting: [(part: Part?, continuation: CheckedContinuation<String?, Never>)] = []
        var isCancelled = false
    }

    private let state = NIOLockedValueBox(State())

    fileprivate init(_ pipe: Pipe) {
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            var count = 1
            while count > 0 {
                count = read(pipe.reading, &buffer, buffer.count)
                if count < 0, errno == EINTR { count = 1 } else { self.take(buffer.prefix(max(count, 0))) }
            }
            close(pipe.reading)
        }
    }

    var text: String { self.state.withLockedValue { String(decoding: $0.bytes, as: UTF8.self) } }

    /// The first line with one of these in it, or a later one; nil if the output ends without it.
    func line(with texts: String..., number: Int = 1) async -> String? {
        await self.wait(for: Part(texts: texts, number: number))
    }

    func end() async { _ = await self.wait(for: nil) }

    /// A test whose time is up does not wait for a line any more, but it does for the end of what it stops.
    private func wait(for part: Part?) async -> String? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.state.withLockedValue { state in
                    if let line = part.flatMap({ Self.line(with: $0, in: state.bytes) }) {
                        continuation.resume(returning: line)
                    } else if state.hasEnded || (part != nil && state.isCancelled) {
                        continuation.resume(returning: nil)
                    } else {
                        state.waiting.append((part, continuation))
                    }
                }
            }
        } onCancel: {
            self.state.withLockedValue { state in
                state.isCancelled = true
                state.waiting.removeAll { entry in
                    guard entry.part != nil else { return false }
                    entry.continuation.resume(returning: nil)
                    return true
                }
            }
        }
    }

    /// - Parameter bytes: nothing at the end.
    private func take(_ bytes: ArraySlice<UInt8>) {
        self.state.withLockedValue { state in
            state.bytes += bytes
            state.hasEnded = state.hasEnded || bytes.isEmpty
            let all = state.bytes
            let hasEnded = state.hasEnded
            state.waiting.removeAll { entry in
                let line = entry.part.flatMap { Self.line(with: $0, in: all) }
                guard line != nil || hasEnded else { return false }
                entry.continuation.resume(returning: line)
                return true
            }
        }
    }

    /// Whole lines only.
    private static func line(with part: Part, in bytes: [UInt8]) -> String? {
        // A carriage return and a line feed, as sshd has them, are one character.
        String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .dropLast()
            .filter { line in part.texts.contains { line.contains($0) } }.dropFirst(part.number - 1).first.map(
                String.init)
    }
}
