// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private let address = IPAddress(v4: 0x7F00_0001)

/// A system's resolver for tests: names under `dead.test` are not answered before the test says so.
private final class SlowNames: Sendable {
    private let asked = Mutex<[String]>([])
    private let isReleased = Mutex(false)

    var names: [String] { self.asked.withLock { $0 } }

    func lookUp(_ name: HostName, _ family: IPAddress.Family) -> Result<[IPAddress], StreamFault> {
        self.asked.withLock { $0.append(name.written) }
        guard name.isUnder("dead.test") else { return .success(family == .v4 ? [address] : []) }
        while !self.isReleased.withLock({ $0 }) { usleep(2000) }
        return .success([])
    }

    func release() { self.isReleased.withLock { $0 = true } }
}

@Suite(.timeLimit(.minutes(1))) struct NameThreadsTests {
    private let slow = SlowNames()
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func resolver(_ limits: NameLine.Limits = .init()) -> SystemResolver {
        SystemResolver(limits: limits) { [slow] in slow.lookUp($0, $1) }
    }

    @Test("a thousand dead names of one user hold up nobody else, and leave no thread behind")
    func holdUpNobodyElse() async throws {
        let resolver = self.resolver()
        let dead = (0..<1000).map {
            resolver.resolve("n\($0).dead.test", .v4, for: .user("mallory"), on: self.loop)
        }
        #expect(resolver.threadCount <= 32)
        for asker in [Asker.user("honest"), .configuration, .unknown] {
            let query = resolver.resolve("good.live.test", .v4, for: asker, on: self.loop)
            #expect(try await query.answer.get() == [address])
        }
        // His own good name, too: it is in another domain.
        #expect(
            try await resolver.resolve("mine.live.test", .v4, for: .user("mallory"), on: self.loop).answer.get()
                == [address])
        for query in dead { query.cancel() }
        // All at once, as each wait is a turn in a queue that all tests share.
        for end in try await EventLoopFuture.whenAllComplete(dead.map(\.answer), on: self.loop).get() {
            #expect(throws: StreamFault.aborted) { try end.get() }
        }
        let asked = self.slow.names.count { $0.hasSuffix("dead.test") }
        #expect(asked <= NameLine.Limits().perDomainWithAbandoned, "names that nobody waits for are not looked up")
        self.slow.release()
        while resolver.threadCount > 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(self.slow.names.count { $0.hasSuffix("dead.test") } == asked)
    }

    @Test func lookUpANameOnceForAllWhoAsk() async throws {
        let resolver = self.resolver()
        let queries = (0..<50).map {
            resolver.resolve("x.dead.test", .v6, for: .user("\($0)"), on: self.loop)
        }
        let answered = NIODeadline.now()
        self.slow.release()
        for query in queries { #expect(try await query.answer.get() == []) }
        #expect(self.slow.names == ["x.dead.test"])
        // And for those who ask while the answer is kept: on a busy machine it may be gone before they do.
        let isKept = NIODeadline.now() < answered + .seconds(2)
        #expect(try await resolver.resolve("X.Dead.test", .v6, for: .unknown, on: self.loop).answer.get() == [])
        #expect(!isKept || NIODeadline.now() > answered + .seconds(2) || self.slow.names == ["x.dead.test"])
    }

    @Test func refuseWhatIsTooMuch() async throws {
        let resolver = self.resolver(NameLine.Limits(tickets: 0))
        let query = resolver.resolve("far.test", .v4, for: .unknown, on: self.loop)
        await #expect(throws: StreamFault.limit) { try await query.answer.get() }
    }

    @Test(
        "localhost is never a question for the network",
        arguments: ["localhost", "LocalHost.", "a.localhost", "x.localhost."])
    func answerLocalhostItself(name: String) async throws {
        let resolver = self.resolver(NameLine.Limits(tickets: 0))
        #expect(try await resolver.resolve(name, .v4, for: .unknown, on: self.loop).answer.get() == [address])
        let v6 = resolver.resolve(name, .v6, for: .unknown, on: self.loop)
        #expect(try await v6.answer.get() == [IPAddress(high: 0, low: 1)])
    }

    @Test("what could be read in two ways is not looked up", arguments: ["a\\100s.test", "a\0b", "a b", "a..b", ""])
    func lookUpNoOddNames(name: String) async throws {
        let query = self.resolver().resolve(name, .v4, for: .unknown, on: self.loop)
        await #expect(throws: StreamFault.unknownHost) { try await query.answer.get() }
        #expect(self.slow.names == [])
    }

    @Test func sayAbsoluteNamesWithTheirDotAndOthersInASCII() async throws {
        let resolver = self.resolver()
        _ = try await resolver.resolve("A.live.test.", .v4, for: .unknown, on: self.loop).answer.get()
        _ = try await resolver.resolve("bücher.live.test", .v4, for: .unknown, on: self.loop).answer.get()
        #expect(self.slow.names == ["a.live.test.", "xn--bcher-kva.live.test"])
    }

    @Test(
        "numbers that the system takes for addresses are judged as what they are",
        arguments: ["127.1", "0x7f.1", "2130706433"])
    func judgeNumbers(name: String) async throws {
        let resolver = SystemResolver()
        let found = try await resolver.resolve(name, .v4, for: .unknown, on: self.loop).answer.get()
        #expect(found == [address])
        let policy = EgressPolicy()
        for address in found { #expect(policy.judge(address, port: 80, name: name) != .allowed) }
        let dialed = Dialed(Dialer(resolver: resolver, policy: policy), Host(name), port: 9)
        #expect(await dialed.fault() == .notAllowed)
    }
}

@Suite struct AskerTests {
    @Test func areUsersOrNetworksOrTheOperator() throws {
        let v4 = try SocketAddress(ipAddress: "192.0.2.7", port: 1)
        let v6 = try SocketAddress(ipAddress: "2001:db8::1:2:3:4", port: 1)
        let other = try SocketAddress(ipAddress: "2001:db8::9:8:7:6", port: 2)
        func asker(_ source: SocketAddress?, user: String? = nil, trusted: Bool = false) -> Asker {
            Asker(StreamRequest(.fixed, source: source, user: user), trusted: trusted)
        }
        #expect(asker(v4) == .network(IPAddress(v4: 0xC000_0207)))
        #expect(asker(v6) == asker(other))
        // As another relay may tell of IPv4.
        #expect(asker(try SocketAddress(ipAddress: "::ffff:192.0.2.7", port: 1)) == asker(v4))
        #expect(asker(v4, user: "alice") == .user("alice"))
        #expect(asker(v4, user: "alice", trusted: true) == .configuration)
        #expect(asker(nil) == .unknown)
    }
}
