// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
import WarrenLoop
import WarrenRuntime

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A lab on a loop of its own, until it is stopped.
package struct RunningLab: Sendable {
    /// Where it listens; the port is never 0.
    package let address: SocketAddress
    private let loops: Loops
    private let end: @Sendable () async -> [String]

    /// Closes everything.
    ///
    /// - Returns: the counters, in lines.
    package func stop() async -> [String] {
        let lines = await self.end()
        self.loops.stop()
        return lines
    }
}

/// Where a lab listens and where it leads.
package struct LabEnds: Sendable {
    /// Nil for all interfaces.
    package let host: String?
    package let port: UInt16
    package let target: Host
    package let targetPort: UInt16

    package init(host: String?, port: UInt16, target: Host, targetPort: UInt16) {
        self.host = host
        self.port = port
        self.target = target
        self.targetPort = targetPort
    }

    /// One address of the target.
    fileprivate func found() async throws(UnknownTarget) -> PeerAddress {
        switch self.target {
        case .address(let address): return PeerAddress(address, port: self.targetPort)
        case .name(let name):
            let isLocal = name.lowercased() == "localhost"
            let addresses = isLocal ? [IPAddress(v4: 0x7F00_0001)] : await AddressLookup.addresses(of: name)
            guard let first = addresses.first else { throw UnknownTarget(name: name) }
            return PeerAddress(first, port: self.targetPort)
        }
    }

    fileprivate func failure(_ error: any Error) -> StartFailure {
        StartFailure(listening: "lab", host: self.host, port: self.port, error)
    }

    fileprivate var noDescriptors: StartFailure { self.failure(IOError(errnoCode: EMFILE, reason: "loop")) }
}

/// The target's name has no address.
package struct UnknownTarget: Error, CustomStringConvertible {
    package let name: String
    package var description: String { "the target \(self.name) has no address; write another name, or an address" }
}

extension RunningLab {
    /// - Parameter say: is told of blackouts and rebindings.
    /// - Throws: `StartFailure`, ``UnknownTarget``.
    package static func datagrams(
        between ends: LabEnds, up: Impairment, down: Impairment, rebind: TimeAmount?, seed: UInt64,
        say: @escaping @Sendable (String) -> Void
    ) async throws -> RunningLab {
        var plan = DatagramLab.Plan(target: try await ends.found(), seed: seed)
        (plan.up, plan.down, plan.rebind) = (up, down, rebind)
        guard let loops = Loops(opening: 1), let loop = loops.all.first else { throw ends.noDescriptors }
        do {
            let made = loop.submit { [plan] in
                let lab = try DatagramLab(plan, listen: try ends.listen(), on: loop, say: say)
                guard let address = lab.address else { throw ChannelError.unknownLocalAddress }
                return (NIOLoopBound(lab, eventLoop: loop), address.socketAddress)
            }
            let (lab, address) = try await made.get()
            return RunningLab(address: address, loops: loops) {
                (try? await loop.submit { lab.value.stop() }.get()) ?? []  // a task on a loop does not fail
            }
        } catch {
            loops.stop()
            throw ends.failure(error)
        }
    }

    /// - Throws: `StartFailure`, ``UnknownTarget``.
    package static func streams(
        between ends: LabEnds, up: StreamImpairment, down: StreamImpairment, seed: UInt64
    ) async throws -> RunningLab {
        var plan = StreamLab.Plan(target: try await ends.found(), seed: seed)
        (plan.up, plan.down) = (up, down)
        guard let loops = Loops(opening: 1), let loop = loops.all.first else { throw ends.noDescriptors }
        do {
            let lab = try await loop.submit { [plan] in NIOLoopBound(StreamLab(plan, on: loop), eventLoop: loop) }.get()
            let port = Listener.Plan(name: "lab", protocol: "lab", host: ends.host, port: ends.port) { leg, _ in
                lab.value.accept(leg)
            }
            let gate = ConnectionLimiter(limit: StreamLab.mostConnections, reporter: Reporter([]))
            let listener = try await Listener.bind(port, on: loops, gate: gate)
            return RunningLab(address: listener.bound.address, loops: loops) {
                await listener.close()
                return (try? await loop.submit { lab.value.stop() }.get()) ?? []
            }
        } catch {
            loops.stop()
            throw ends.failure(error)
        }
    }
}

extension LabEnds {
    fileprivate func listen() throws -> PeerAddress {
        guard let host else { return PeerAddress(IPAddress(high: 0, low: 0), port: self.port) }
        guard let address = PeerAddress(try SocketAddress.makeAddressResolvingHost(host, port: Int(self.port))) else {
            throw ChannelError.unknownLocalAddress
        }
        return address
    }
}
