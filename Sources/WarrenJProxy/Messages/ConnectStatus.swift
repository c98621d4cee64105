// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension JProxy.Dialect {
    /// The status byte of a connect reply.
    ///
    /// | | 0 | 1 | 2 | 3 | 4 | 5 | 6 |
    /// |---|---|---|---|---|---|---|---|
    /// | deployed | open | failed | refused | timed out | unreachable | unknown host | limit |
    /// | document | open | refused | timed out | | | | |
    func status(_ fault: StreamFault?) -> UInt8 {
        switch (self, fault) {
        case (_, nil): 0
        case (.deployed, .refused): 2
        case (.deployed, .timedOut): 3
        case (.deployed, .unreachable): 4
        case (.deployed, .unknownHost): 5
        case (.deployed, .limit): 6
        case (.deployed, _): 1
        case (.document, .timedOut): 2
        case (.document, _): 1
        }
    }

    /// What a status byte other than 0 says; nil for 0.
    func fault(status: UInt8) -> StreamFault? {
        switch (self, status) {
        case (_, 0): nil
        case (.deployed, 2): .refused
        case (.deployed, 3): .timedOut
        case (.deployed, 4): .unreachable
        case (.deployed, 5): .unknownHost
        case (.deployed, 6): .limit
        case (.document, 1): .refused
        case (.document, 2): .timedOut
        case (_, _): .failed
        }
    }
}

extension StreamFault {
    /// True if a connect that ends so took time; the others are answered with ``JProxy/ConnectReply/atOnce``.
    var isReportedWithItsTime: Bool { self == .refused || self == .timedOut || self == .unreachable }
}
