// SPDX-License-Identifier: Apache-2.0

/// The words of SOCKS version 5.
///
/// - Source: RFC 1928, and RFC 1929 for the login.
package enum SOCKS5 {
    package static let version: UInt8 = 5
    package static let loginVersion: UInt8 = 1

    package enum Method: UInt8, Sendable {
        case noLogin = 0
        case password = 2
        case noneAcceptable = 0xFF
    }

    /// Field REP of a reply.
    package enum Reply: UInt8, Sendable, CaseIterable {
        case succeeded = 0
        case failed = 1
        case notAllowed = 2
        case networkUnreachable = 3
        case hostUnreachable = 4
        case refused = 5
        case expired = 6
        case commandUnsupported = 7
        case addressTypeUnsupported = 8

        /// One code per fault where the RFC has enough of them: users read these numbers in their client's error.
        package init(_ fault: StreamFault) {
            switch fault {
            case .refused: self = .refused
            case .unreachable: self = .networkUnreachable
            case .unknownHost: self = .hostUnreachable
            case .timedOut: self = .expired
            case .notAllowed: self = .notAllowed
            case .unsupported: self = .commandUnsupported
            case .limit, .stalled, .idle, .aborted, .sessionLost, .noExit, .noServer, .shutdown, .failed: self = .failed
            }
        }
    }

    package enum Request: Hashable, Sendable {
        case connect(Host, port: UInt16)
        /// Well formed, but nothing we do: another command, or an address type that nobody has defined.
        case unsupported(Reply)
    }
}

extension SOCKS5.Reply {
    /// What it means for the stream; nil for a grant.
    package func fault(reaching destination: Destination) -> StreamFault? {
        switch self {
        case .succeeded: return nil
        case .failed: return .failed
        case .notAllowed: return .notAllowed
        case .networkUnreachable: return .unreachable
        case .hostUnreachable:
            // The one code for a name that cannot be resolved, too; an address needs none.
            if case .host(.name, _, _) = destination { return .unknownHost }
            return .unreachable
        case .refused: return .refused
        case .expired: return .timedOut
        case .commandUnsupported, .addressTypeUnsupported: return .unsupported
        }
    }
}
