// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension JET {
    /// A relay's answer to a ``Request``: the last thing on a carrier that is not payload.
    public struct Reply: Hashable, Sendable {
        /// The kind of the request it answers: the text does not say.
        public var kind: Request.Kind
        public var version: UInt32
        /// The status code of HTTP, 100 to 999. Only 200 is a yes.
        public var status: Int
        public var association: UUID?
        /// Seconds for which the association waits.
        public var timeout: UInt32?
        /// The relay that holds the association: a host, with or without a port.
        public var instance: String?

        public init(
            to kind: Request.Kind, version: UInt32, status: Int, association: UUID? = nil, timeout: UInt32? = nil,
            instance: String? = nil
        ) {
            self.kind = kind
            self.version = version
            self.status = status
            self.association = association
            self.timeout = timeout
            self.instance = instance
        }

        /// The words that go with the codes in use; empty for others.
        static func reason(_ status: Int) -> String {
            switch status {
            case 200: "OK"
            case 400: "Bad Request"
            case 401: "Unauthorized"
            case 403: "Forbidden"
            case 404: "Not Found"
            case 503: "Service Unavailable"
            default: ""
            }
        }
    }
}
