// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The names of a relay itself, on a port where visitors of others' names come in as well.
package struct OwnNames: Sendable {
    private let names: Set<String>

    /// - Parameter names: in the form in which names are compared.
    package init(_ names: [String]) { self.names = Set(names) }

    /// Tells of one connection whether it is for the relay: by the name in its ClientHello where the relay ends TLS, else by
    /// the `Host` of its first request. Looks at every byte once.
    package func detector(hasTLS: Bool) -> (ByteBufferView) -> Detection {
        hasTLS ? self.detectorOfTLS() : self.detectorOfHTTP()
    }

    private func has(_ name: String?) -> Detection {
        name.flatMap { HostName($0) }.map { self.names.contains($0.text) } == true ? .yes : .no
    }

    private func detectorOfTLS() -> (ByteBufferView) -> Detection {
        var wanted = 0
        return { head in
            guard head.count >= wanted else { return .needs(bytes: wanted) }
            switch ClientHello.read(head) {
            case .no: return .no
            case .needs(let bytes):
                wanted = bytes
                return .needs(bytes: bytes)
            case .whole(let hello): return self.has(hello.serverName)
            }
        }
    }

    /// A first line that is longer is looked at when the head is whole.
    private static let longestFirstLook = 1024

    private func detectorOfHTTP() -> (ByteBufferView) -> Detection {
        var scan = HTTPHeadScan.request
        return { head in
            if head.count <= Self.longestFirstLook, !HTTPHost.mayBegin(head) { return .no }
            do throws(HTTPFlaw) {
                guard let length = try scan.length(in: ByteBuffer(head)) else { return .needs(bytes: head.count + 1) }
                return self.has(HTTPHost(head.prefix(length))?.host)
            } catch {
                return .no
            }
        }
    }
}
