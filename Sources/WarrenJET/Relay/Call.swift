// SPDX-License-Identifier: Apache-2.0

extension JET {
    /// An HTTP request of the relay's side entrance; none of those known has a body that matters.
    public struct Call: Hashable, Sendable {
        public var method: String
        /// With the query.
        public var path: String
        /// The value of `Authorization`.
        public var authorization: String?
        /// Whether it comes from this machine.
        public var isLocal: Bool

        public init(method: String, path: String, authorization: String? = nil, isLocal: Bool = false) {
            self.method = method
            self.path = path
            self.authorization = authorization
            self.isLocal = isLocal
        }
    }

    /// What a ``Call`` is answered with.
    public struct Answer: Hashable, Sendable {
        public var status: Int
        public var contentType: String
        public var body: String

        public init(status: Int, contentType: String, body: String) {
            self.status = status
            self.contentType = contentType
            self.body = body
        }

        static func text(_ status: Int, _ body: String) -> Answer {
            Answer(status: status, contentType: "text/plain", body: body)
        }
    }
}

/// The answer to the call for candidates.
struct GatheredCandidates: Encodable {
    struct Candidate: Encodable {
        let id: String
        let url: String
    }

    let id: String
    let candidates: [Candidate]
}

/// One row of the list of associations; what is nil is left out of the short form.
struct ListedAssociation: Encodable {
    struct Candidate: Encodable {
        let id: String
        let url: String?
        let state: String
        let associationID: String
        let transportType: String
    }

    let id: String
    let version: UInt32
    /// Seconds since 1970.
    let creationTimestamp: Int
    /// The relay does not count what its pairs exchange: 0.
    let bytesSent: UInt64?
    let bytesRecv: UInt64?
    let candidates: [Candidate]?
}
