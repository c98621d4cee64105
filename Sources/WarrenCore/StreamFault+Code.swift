// SPDX-License-Identifier: Apache-2.0

extension StreamFault {
    /// The fault as one byte of an extension between two Warrens; 0 is no fault. Never renumbered.
    package var code: UInt8 {
        switch self {
        case .failed: 1
        case .refused: 2
        case .timedOut: 3
        case .unreachable: 4
        case .unknownHost: 5
        case .limit: 6
        case .notAllowed: 7
        case .stalled: 8
        case .idle: 9
        case .aborted: 10
        // To a peer they are all the same: what leads further is not up.
        case .sessionLost, .noExit, .noServer: 11
        case .unsupported: 12
        case .shutdown: 13
        }
    }

    /// The fault of a code: nil for 0, ``failed`` for a code that a later version may have added.
    package init?(code: UInt8) {
        switch code {
        case 0: return nil
        case 2: self = .refused
        case 3: self = .timedOut
        case 4: self = .unreachable
        case 5: self = .unknownHost
        case 6: self = .limit
        case 7: self = .notAllowed
        case 8: self = .stalled
        case 9: self = .idle
        case 10: self = .aborted
        case 11: self = .sessionLost
        case 12: self = .unsupported
        case 13: self = .shutdown
        default: self = .failed
        }
    }
}
