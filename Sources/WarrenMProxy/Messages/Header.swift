// SPDX-License-Identifier: Apache-2.0

extension MProxy {
    /// The text in front of every body: whose stream it is, how long the body is, and what it means.
    public struct Header: Hashable, Sendable {
        /// What a frame says. The word stands where data has its service.
        public enum Kind: Hashable, Sendable, CaseIterable {
            /// Any service word that is none of the others.
            case data
            /// A visitor has come. The service stands behind the name then.
            case connection
            case end
            case error
            /// The body says in decimal digits how many bytes its sender has taken so far.
            case pause
            case resume
            /// The body is JSON for the peer itself; there is no stream.
            case control
            /// Only between two Warrens: so many more bytes of the stream may be sent, in decimal digits.
            case credit
            /// Only between two Warrens: no more data follows from this side.
            case finish
        }

        public var kind: Kind
        public var source: Address
        /// Bytes of the body.
        public var length: Int
        /// `https`, `http`, `tcp`, or any other word; empty where the frame does not say it.
        public var service: String
        /// The port where the visitor came in, as the text that it was; empty if there is none.
        public var servicePort: String
        /// The name that the visitor asked for; empty if it asked for a port.
        public var name: String
        /// It ended with `,\n`, as headers from peers in Go do.
        public var isGo: Bool

        public init(
            _ kind: Kind, _ source: Address, length: Int = 0, service: String = "", servicePort: String = "",
            name: String = "", isGo: Bool = false
        ) {
            self.kind = kind
            self.source = source
            self.length = length
            self.service = service
            self.servicePort = servicePort
            self.name = name
            self.isGo = isGo
        }

        /// The header of a control message.
        public static func control(length: Int) -> Header {
            Header(.control, Address(family: "", address: "", port: ""), length: length)
        }

        /// The longest text that one byte can count.
        public static let mostBytes = 255
        /// The longest service word that is taken, in bytes: it is repeated in answers.
        static let mostService = 64

        /// The same stream's header for another frame.
        func answering(_ kind: Kind, length: Int = 0) -> Header {
            var header = self
            header.kind = kind
            header.length = length
            return header
        }
    }
}

extension MProxy.Header.Kind {
    /// The word in the service's place; nil for data, which has its service there.
    var word: String? {
        switch self {
        case .data: nil
        case .connection: "connection"
        case .end: "end"
        case .error: "error"
        case .pause: "pause"
        case .resume: "resume"
        case .control: "control"
        case .credit: "credit"
        case .finish: "finish"
        }
    }

    /// - Parameter isExtended: between two Warrens; else their words are services like any other.
    init(service: String, isExtended: Bool) {
        switch service {
        case "credit" where isExtended: self = .credit
        case "finish" where isExtended: self = .finish
        case "connection": self = .connection
        case "end": self = .end
        case "error": self = .error
        case "pause": self = .pause
        case "resume": self = .resume
        case "control": self = .control
        default: self = .data
        }
    }
}
