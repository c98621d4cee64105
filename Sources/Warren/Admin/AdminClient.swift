// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenAssembly
import WarrenConfiguration

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Asks a running process over its admin socket.
public struct AdminClient: Sendable {
    private static let timeout = 60
    private static let longestAnswer = 1 << 30

    private let path: String

    /// - Parameter path: of the socket.
    public init(path: String) { self.path = path }

    /// The socket that a configuration file names.
    ///
    /// - Throws: ``AdminFailure``; what else is wrong with the file is of no interest here.
    public init(file: String) throws(AdminFailure) {
        let environment = ProcessInfo.processInfo.environment
        let findings = Findings()
        let configuration = Configuration(
            file: file, types: Registry.types, environment: { environment[$0] }, findings: findings)
        guard let path = configuration.admin?.value else {
            let first = findings.problems.first.map { ": \($0)" } ?? ""
            throw AdminFailure(
                "\(file) has no admin: { listen: unix:/path }; write it there, or give --admin unix:/path\(first)")
        }
        self.init(path: path)
    }

    public func status() throws(AdminFailure) -> StatusReport {
        guard let status = try self.ask(AdminRequest(command: .status)).status else { throw Self.strange }
        return status
    }

    public func reload() throws(AdminFailure) -> ChangeReport {
        guard let change = try self.ask(AdminRequest(command: .reload)).change else { throw Self.strange }
        return change
    }

    public func kill(_ id: String) throws(AdminFailure) {
        _ = try self.ask(AdminRequest(command: .kill, id: id))
    }

    /// - Parameter file: a configuration, with its whole path.
    public func diff(_ file: String) throws(AdminFailure) -> ChangeReport {
        guard let change = try self.ask(AdminRequest(command: .diff, file: file)).change else { throw Self.strange }
        return change
    }

    private static var strange: AdminFailure {
        AdminFailure("the process gave an answer that this program does not know")
    }

    private func ask(_ request: AdminRequest) throws(AdminFailure) -> AdminResponse {
        let descriptor: CInt
        do throws(AdminFailure) { descriptor = try UnixSocket.connect(to: self.path) } catch {
            throw AdminFailure("unix:\(self.path): \(error)")
        }
        defer { close(descriptor) }
        var wait = timeval(tv_sec: Self.timeout, tv_usec: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        guard let line = try? JSONEncoder.admin.encode(request) + Data("\n".utf8), Self.send(line, descriptor) else {
            throw AdminFailure("unix:\(self.path): the process took no request")
        }
        let answer = Self.readAll(descriptor)
        guard let response = try? JSONDecoder().decode(AdminResponse.self, from: answer) else {
            throw AdminFailure("unix:\(self.path): the process gave no answer")
        }
        guard response.problems.isEmpty else { throw AdminFailure(response.problems.joined(separator: "\n")) }
        return response
    }

    private static func send(_ data: Data, _ descriptor: CInt) -> Bool {
        var rest = Array(data)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func readAll(_ descriptor: CInt) -> Data {
        var all = Data()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while all.count < Self.longestAnswer {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            all.append(contentsOf: buffer.prefix(count))
        }
        return all
    }
}
