// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why the load generator could not do something, in one sentence.
struct LoadFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// What the system's last call in this thread said.
    static func system(_ what: String) -> LoadFailure {
        let code = errno
        guard code != EAGAIN, code != EWOULDBLOCK else { return LoadFailure("\(what): no answer in time") }
        return LoadFailure("\(what): \(String(cString: strerror(code)))")
    }
}

/// A TCP socket on 127.0.0.1, as the system has it. Whoever opened it closes it.
struct LoadSocket: Sendable {
    /// How long anything may take before it counts as failed, in seconds.
    static let timeout = 10

    #if canImport(Glibc)
    private static let stream = CInt(SOCK_STREAM.rawValue)
    #else
    private static let stream = SOCK_STREAM
    #endif
    #if canImport(Darwin)
    /// Flags of calls that wait.
    static let patiently: CInt = 0  // the socket has SO_NOSIGPIPE
    #else
    /// Flags of calls that wait.
    static let patiently = CInt(MSG_NOSIGNAL)
    #endif
    /// Flags of calls that do not wait.
    static let now = patiently | CInt(MSG_DONTWAIT)

    let descriptor: CInt

    init(descriptor: CInt) {
        self.descriptor = descriptor
        self.set(CInt(IPPROTO_TCP), TCP_NODELAY, CInt(1))
        #if canImport(Darwin)
        self.set(SOL_SOCKET, SO_NOSIGPIPE, CInt(1))
        #endif
    }

    init() throws {
        let descriptor = openSocket(AF_INET, Self.stream, 0)
        guard descriptor >= 0 else { throw LoadFailure.system("no socket") }
        self.init(descriptor: descriptor)
    }

    private func set<Value: BitwiseCopyable>(_ level: CInt, _ option: CInt, _ value: Value) {
        var value = value
        setsockopt(self.descriptor, level, option, &value, socklen_t(MemoryLayout<Value>.size))
    }

    /// Calls that wait give up after ``timeout``.
    func limitWaiting() {
        let limit = timeval(tv_sec: Self.timeout, tv_usec: 0)
        self.set(SOL_SOCKET, SO_RCVTIMEO, limit)
        self.set(SOL_SOCKET, SO_SNDTIMEO, limit)
    }

    func neverWait() {
        let flags = fcntl(self.descriptor, F_GETFL, 0)
        _ = fcntl(self.descriptor, F_SETFL, flags | O_NONBLOCK)
    }

    /// Binds to a port of 127.0.0.1, a free one if none is given, and listens.
    ///
    /// - Returns: the port.
    func listen(at port: UInt16 = 0) throws -> UInt16 {
        var address = Self.address(port: port)
        var length = socklen_t(address.count)
        let outcome = Self.withRaw(&address) { raw in
            let bound = bind(self.descriptor, raw, length)
            return bound == 0 ? getsockname(self.descriptor, raw, &length) : bound
        }
        guard outcome == 0, startListening(self.descriptor, 4096) == 0 else {
            throw LoadFailure.system("cannot listen")
        }
        return UInt16(address[2]) << 8 | UInt16(address[3])
    }

    /// A port of 127.0.0.1 that nobody has, out of the range from which the system gives ports to others.
    static func freePort(but taken: Set<UInt16>) throws -> UInt16 {
        var failure: any Error = LoadFailure("no free port")
        for _ in 0..<100 {
            let port = UInt16.random(in: 20_000..<30_000)
            guard !taken.contains(port) else { continue }
            let socket = try LoadSocket()
            defer { socket.close() }
            do {
                return try socket.listen(at: port)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Returns when somebody listens at a port of 127.0.0.1, which may take a moment.
    static func waitFor(_ port: UInt16) async throws {
        let timer = LoadTimer(.seconds(Double(Self.timeout)))
        while true {
            let socket = try LoadSocket()
            defer { socket.close() }
            do {
                _ = try socket.connect(to: port)
                return
            } catch {
                guard !timer.isOver(after: 0) else { throw error }
            }
            // The system tells nobody that a port has begun to listen.
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// - Returns: false if the socket never waits and the connection is still under way.
    func connect(to port: UInt16) throws -> Bool {
        var address = Self.address(port: port)
        let length = socklen_t(address.count)
        guard Self.withRaw(&address, { startConnecting(self.descriptor, $0, length) }) != 0 else { return true }
        guard errno == EINPROGRESS else { throw LoadFailure.system("cannot connect") }
        return false
    }

    /// What became of a connection that was under way.
    func finishConnecting() throws {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(self.descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard code == 0 else { throw LoadFailure("cannot connect: \(String(cString: strerror(code)))") }
    }

    /// - Returns: nil if nobody is waiting.
    func accept() -> LoadSocket? {
        let descriptor = acceptOne(self.descriptor, nil, nil)
        return descriptor < 0 ? nil : LoadSocket(descriptor: descriptor)
    }

    /// - Returns: nil if nothing can be sent now.
    func send(_ bytes: UnsafeRawBufferPointer, flags: CInt = Self.now) throws -> Int? {
        let count = sendSome(self.descriptor, bytes.baseAddress, bytes.count, flags)
        if count >= 0 { return count }
        guard flags == Self.now, errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR else {
            throw LoadFailure.system("cannot send")
        }
        return nil
    }

    /// - Returns: 0 at the end, nil if there is nothing now.
    func receive(_ buffer: UnsafeMutableRawBufferPointer, flags: CInt = Self.now) throws -> Int? {
        let count = receiveSome(self.descriptor, buffer.baseAddress, buffer.count, flags)
        if count >= 0 { return count }
        guard flags == Self.now, errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR else {
            throw LoadFailure.system("cannot receive")
        }
        return nil
    }

    /// Few enough bytes that they always fit into the socket's buffer.
    func sendAll(_ bytes: UnsafeRawBufferPointer) throws {
        let count = try self.send(bytes, flags: Self.patiently)
        guard count == bytes.count else { throw LoadFailure("only \(count ?? 0) of \(bytes.count) bytes were taken") }
    }

    /// Waits until the buffer is full.
    func receiveAll(_ buffer: UnsafeMutableRawBufferPointer) throws {
        var got = 0
        while got < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[got...])
            guard let count = try self.receive(rest, flags: Self.patiently), count > 0 else {
                throw LoadFailure("the connection ended early")
            }
            got += count
        }
    }

    func close() { _ = closeDescriptor(self.descriptor) }

    /// A system's IPv4 address of loopback, 16 bytes: `family 2B | port 2B | address 4B | zeros 8B`. Which of several
    /// modules has the structure for it differs from build to build.
    private static func address(port: UInt16) -> [UInt8] {
        #if canImport(Darwin)
        let family: [UInt8] = [16, UInt8(AF_INET)]
        #else
        let family = withUnsafeBytes(of: UInt16(AF_INET)) { Array($0) }
        #endif
        return family + [UInt8(port >> 8), UInt8(port & 0xFF), 127, 0, 0, 1] + Array(repeating: 0, count: 8)
    }

    private static func withRaw(
        _ address: inout [UInt8], _ body: (UnsafeMutablePointer<sockaddr>) -> CInt
    ) -> CInt {
        address.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: sockaddr.self).baseAddress.map(body) ?? -1
        }
    }
}

// The system's own calls, where a method above has their name.
private func openSocket(_ family: CInt, _ type: CInt, _ number: CInt) -> CInt { socket(family, type, number) }
private func startListening(_ socket: CInt, _ backlog: CInt) -> CInt { listen(socket, backlog) }
private func startConnecting(_ socket: CInt, _ to: UnsafeMutablePointer<sockaddr>, _ length: socklen_t) -> CInt {
    connect(socket, to, length)
}
private func acceptOne(
    _ socket: CInt, _ from: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?
) -> CInt { accept(socket, from, length) }
private func sendSome(_ socket: CInt, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: CInt) -> Int {
    send(socket, bytes, count, flags)
}
private func receiveSome(_ socket: CInt, _ bytes: UnsafeMutableRawPointer?, _ count: Int, _ flags: CInt) -> Int {
    recv(socket, bytes, count, flags)
}
private func closeDescriptor(_ descriptor: CInt) -> CInt { close(descriptor) }
