// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension MProxy.Failure {
    /// A stream's fault in the words of node.js, which deployed devices pass on as they are.
    init(_ fault: StreamFault) {
        let code =
            switch fault {
            case .refused: "ECONNREFUSED"
            case .unreachable: "EHOSTUNREACH"
            case .unknownHost: "ENOTFOUND"
            case .timedOut: "ETIMEDOUT"
            case .aborted: "ECONNRESET"
            case .notAllowed: "EACCES"
            case .limit: "E_LIMIT"
            case .stalled: "E_STALLED"
            case .idle: "E_IDLE"
            case .unsupported: "E_UNSUPPORTED"
            case .sessionLost, .noExit, .noServer, .shutdown: "E_CONN_CLOSED"
            case .failed: "E_FAILED"
            }
        self.init(message: fault.rawValue, code: code)
    }

    /// What the code says; nil for one that says nothing to us.
    var fault: StreamFault? {
        switch self.code {
        case "ECONNREFUSED": .refused
        case "EHOSTUNREACH", "ENETUNREACH": .unreachable
        case "ENOTFOUND", "EAI_AGAIN": .unknownHost
        case "ETIMEDOUT", "E_TIMEOUT": .timedOut
        case "ECONNRESET", "EPIPE", "E_NO_CONN": .aborted
        case "EACCES": .notAllowed
        case "E_LIMIT": .limit
        case "E_STALLED": .stalled
        case "E_IDLE": .idle
        case "E_UNSUPPORTED": .unsupported
        case "E_CONN_CLOSED": .sessionLost
        default: nil
        }
    }
}
