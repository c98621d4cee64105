// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

/// Why streams were not allowed, until their own events tell that they are over, which is at once.
final class Refusals: Sendable {
    private struct Key: Hashable {
        let source: SocketAddress?
        let destination: Destination
        let user: String?

        init(_ request: StreamRequest) {
            self.source = request.source
            self.destination = request.destination
            self.user = request.user
        }
    }

    /// More than there are threads on which a stream can be refused. One that is never told of does not stay for ever.
    private static let most = 256
    private let kept = Mutex<[Key: String]>([:])

    /// - Parameter refusals: of the addresses of its destination.
    func keep(_ refusals: [EgressRefusal], of request: StreamRequest) {
        self.kept.withLock { kept in
            if kept.count >= Self.most { kept = [:] }
            kept[Key(request)] = Self.sentence(refusals)
        }
    }

    /// What the reason of the stream's end adds to its word; nil for nothing.
    func take(_ request: StreamRequest) -> String? { self.kept.withLock { $0.removeValue(forKey: Key(request)) } }

    static func sentence(_ refusals: [EgressRefusal]) -> String {
        let shown = refusals.prefix(3).map(\.description).joined(separator: ", ")
        return refusals.count > 3 ? "\(shown), and \(refusals.count - 3) more addresses" : shown
    }
}
