// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
package import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension StreamFault {
    /// What a failed connect says about the destination.
    package init(connecting error: any Error) {
        switch error {
        case ChannelError.connectTimeout: self = .timedOut
        case let error as IOError: self.init(errno: error.errnoCode)
        default: self = .failed
        }
    }

    /// What a failed read or write says about a connection that was up.
    package init(reading error: any Error) {
        guard let error = error as? IOError else {
            self = .failed
            return
        }
        switch error.errnoCode {
        case ECONNRESET, EPIPE, ECONNABORTED: self = .aborted
        case ETIMEDOUT: self = .timedOut
        default: self.init(errno: error.errnoCode)
        }
    }

    private init(errno code: CInt) {
        switch code {
        case ECONNREFUSED: self = .refused
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL: self = .unreachable
        case ETIMEDOUT: self = .timedOut
        case EACCES, EPERM: self = .notAllowed
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .limit
        default: self = .failed
        }
    }
}
