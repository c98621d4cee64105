// SPDX-License-Identifier: Apache-2.0

/// Why a session is over. One per session, always.
public enum CloseReason: Hashable, Sendable, Error {
    /// The peer closed the carrier, or the session did all it was for.
    case finished
    /// We refused the peer (unknown key, wrong password).
    case denied
    /// The peer refused us; the text says what it answered.
    case rejected(String)
    /// The peer does not serve this, and says who may: a host, with or without a port.
    case redirected(String)
    /// The peer was silent in this phase for too long.
    case timedOut(phase: String)
    /// The peer broke the protocol.
    case violation(WireError)
    /// The carrier failed, or what it carried was cut off: the runtime resets it. The text says what happened.
    case carrierLost(String)
    /// The one stream that it was made for was refused or cut off with no words left to say so: the runtime resets it.
    case cutOff(StreamFault)
    /// Our own shutdown.
    case shutdown
}

extension CloseReason {
    /// The peer refused us, or spoke as it should not: whoever can mend it wants to know.
    package var isTheirDoing: Bool {
        if case .violation = self { true } else { self.isRefusal }
    }

    /// Whoever was asked would not have us.
    package var isRefusal: Bool {
        switch self {
        case .denied, .rejected: true
        case .finished, .redirected, .timedOut, .violation, .carrierLost, .cutOff, .shutdown: false
        }
    }
}

extension CloseReason {
    /// As what a tunnel that should have stayed up was lost by.
    package var asLoss: String { self == .finished ? "closed by the peer" : self.description }
}

extension CloseReason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .finished: "finished"
        case .denied: "denied"
        case .rejected(let answer): "rejected by the peer: \(answer)"
        case .redirected(let host): "the peer sends us on to \(host)"
        case .timedOut(let phase): "timed out in \(phase)"
        case .violation(let error): "protocol violation: \(error)"
        case .carrierLost(let text): "carrier lost: \(text)"
        case .cutOff(let fault): "cut off: \(fault.rawValue)"
        case .shutdown: "shutting down"
        }
    }
}
