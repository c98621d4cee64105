// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension StreamFault {
    /// What a failed connect says about the destination.
    init(connecting code: CInt) {
        switch code {
        case ECONNREFUSED: self = .refused
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL: self = .unreachable
        case ETIMEDOUT: self = .timedOut
        case EACCES, EPERM: self = .notAllowed
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .limit
        default: self = .failed
        }
    }

    /// What a failed read or write says about a connection that was up.
    init(reading code: CInt) {
        switch code {
        case ECONNRESET, EPIPE, ECONNABORTED: self = .aborted
        default: self.init(connecting: code)
        }
    }

    /// The same for what a pipeline of handlers reports.
    init(reading error: any Error) {
        switch error {
        case let fault as StreamFault: self = fault
        case let error as IOError: self.init(reading: error.errnoCode)
        default: self = .failed
        }
    }
}
