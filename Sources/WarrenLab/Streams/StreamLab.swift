// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
package import WarrenLoop
package import WarrenRuntime

/// A bad network between those who connect to a TCP port and a target. On its loop only.
package final class StreamLab {
    package struct Plan: Sendable {
        package var target: PeerAddress
        package var up = StreamImpairment()
        package var down = StreamImpairment()
        package var seed: UInt64

        package init(target: PeerAddress, seed: UInt64) {
            self.target = target
            self.seed = seed
        }
    }

    package static let mostConnections = 4096

    let plan: Plan
    private let loop: SocketLoop
    private let dialer: Dialer
    private var living: [ObjectIdentifier: LabConnection] = [:]
    /// Those that wait for the target.
    private var dialling: [UInt64: any OpenAttempt] = [:]
    private var connections: UInt64 = 0
    private var failed: UInt64 = 0
    private var bytesUp: UInt64 = 0
    private var bytesDown: UInt64 = 0
    var stalls: UInt64 = 0
    var resets: UInt64 = 0
    var halves: UInt64 = 0

    package init(_ plan: Plan, on loop: SocketLoop) {
        self.plan = plan
        self.loop = loop
        self.dialer = Dialer(resolver: SystemResolver(), policy: .everything)
    }

    /// Takes over a connection that has come.
    package func accept(_ front: any Leg) {
        let number = self.connections
        self.connections &+= 1
        let target = self.plan.target
        var isAnswered = false
        let attempt = self.dialer.dial(.address(target.address), port: target.port, for: .configuration, on: self.loop)
        {
            [weak self] result in
            isAnswered = true
            self?.dialling[number] = nil
            guard let self, case .success(let back) = result else {
                self?.failed &+= 1
                return front.end(.refused)
            }
            let connection = LabConnection(self, number, front: front, back: back, on: self.loop)
            self.living[ObjectIdentifier(connection)] = connection
            connection.begin()
        }
        if !isAnswered { self.dialling[number] = attempt }
    }

    func count(_ bytes: Int, _ direction: LabDirection) {
        switch direction {
        case .up: self.bytesUp &+= UInt64(bytes)
        case .down: self.bytesDown &+= UInt64(bytes)
        }
    }

    func forget(_ connection: LabConnection) {
        if self.living.removeValue(forKey: ObjectIdentifier(connection)) != nil { self.stalls &+= connection.stalls }
    }

    /// Resets every connection.
    ///
    /// - Returns: the counters.
    package func stop() -> [String] {
        for attempt in self.dialling.values { attempt.cancel() }
        self.dialling = [:]
        for connection in Array(self.living.values) { connection.close() }
        return [
            "up: bytes=\(self.bytesUp)", "down: bytes=\(self.bytesDown)",
            "connections=\(self.connections) failed=\(self.failed) stalls=\(self.stalls) resets=\(self.resets) "
                + "halves=\(self.halves)",
        ]
    }
}

@available(*, unavailable)
extension StreamLab: Sendable {}
