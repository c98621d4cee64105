// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// What a token lets its holder serve: the claims that a judge has verified and hands to the relay's machine.
    public struct Entitlement: Hashable, Sendable {
        /// Names for visitors, in lower case, each with all that is under it; `*.` in front leaves the name itself out.
        public var names: [String]
        /// Ports of the relay.
        public var ports: [UInt16]
        /// How long the token is still good; nil where it does not end. In claims the member `lifetime`, in milliseconds, which a
        /// judge writes who knows the time of day.
        public var lifetime: TimeAmount?

        public init(names: [String] = [], ports: [UInt16] = [], lifetime: TimeAmount? = nil) {
            self.names = names
            self.ports = ports
            self.lifetime = lifetime
        }

        /// A hundred years, in milliseconds.
        private static let longestLifetime = 100 * 365 * 86_400_000

        /// No token may name more of either.
        public static let most = 64

        /// As others ask for them: a name on any port, and a port without a name.
        var destinations: [Destination] {
            self.names.map { .service(name: $0, port: 0) } + self.ports.map { .service(name: "", port: $0) }
        }

        /// Reads the payload of a token: `{"domains":[…],"ports":[…]}`, other members ignored; either may be missing or null.
        ///
        /// - Throws: ``WireError`` `.badValue` for what is no name or port, `.tooLong` for more than 64.
        public init(claims: ByteBuffer) throws(WireError) {
            let json = try JSON(claims.readableBytesView)
            guard case .object = json else { throw WireError(.badValue, in: "claims", found: "no object") }
            self.names = []
            self.ports = []
            for domain in try Self.list(json["domains"], "claims.domains") {
                guard let name = domain.text.flatMap({ Self.name($0) })
                else { throw WireError(.badValue, in: "claims.domains") }
                if !self.names.contains(name) { self.names.append(name) }
            }
            for number in try Self.list(json["ports"], "claims.ports") {
                guard let port = number.port else { throw WireError(.badValue, in: "claims.ports") }
                if !self.ports.contains(port) { self.ports.append(port) }
            }
            self.lifetime = json["lifetime"]?.integer.map {
                .milliseconds(Int64(min(max($0, 0), Self.longestLifetime)))
            }
        }

        /// The claims as ``init(claims:)`` reads them: a ``Verdict``'s credential.
        public var claims: ByteBuffer {
            var members = [
                JSON.Member(name: "domains", value: .array(self.names.map { .string($0) })),
                JSON.Member(name: "ports", value: .array(self.ports.map { .integer(Int($0)) })),
            ]
            if let lifetime {
                let milliseconds = Int(lifetime.nanoseconds / 1_000_000)
                members.append(JSON.Member(name: "lifetime", value: .integer(milliseconds)))
            }
            var bytes = ByteBuffer()
            bytes.writeJSON(.object(members))
            return bytes
        }

        private static func list(_ json: JSON?, _ field: String) throws(WireError) -> [JSON] {
            guard let json, json != .null else { return [] }
            guard let list = json.elements else { throw WireError(.badValue, in: field, found: "no array") }
            guard list.count <= Self.most else {
                throw WireError(.tooLong, in: field, found: "\(list.count) > \(Self.most)")
            }
            return list
        }

        private static func name(_ text: String) -> String? {
            let isWildcard = text.hasPrefix("*.")
            return HostName(isWildcard ? String(text.dropFirst(2)) : text).map { isWildcard ? "*." + $0.text : $0.text }
        }
    }
}
