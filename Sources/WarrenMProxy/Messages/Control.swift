// SPDX-License-Identifier: Apache-2.0

extension MProxy {
    /// What the ends of a tunnel say to each other: the JSON in the body of a `control` frame.
    enum Control: Hashable, Sendable {
        /// `[id, command, …]` with an id of 1 or more.
        case request(id: Int, Command)
        /// `[-id, null]`, or with a failure instead of null.
        case reply(to: Int, Failure?)
        /// `[0, failure]`: something was wrong that had no id.
        case complaint(Failure)
    }

    enum Command: Hashable, Sendable {
        /// The relay's first word.
        case hello
        case addToken(String)
        /// Everything that no token is: an e-mail address to be asked for one.
        case addNothing
        case deleteToken(String)
        case grant([Share])
        case accessToken
        /// Relay: it uses this version of the extension, too. Only to a device that has announced it.
        case windows(version: Int)
        /// To be acknowledged at once: the way there and back is what counts. Only between two Warrens.
        case ping
        case unknown(String)

        /// Deletes all tokens.
        static let everyToken = "*"
    }

    /// One line of a grant: how visitors reach the device.
    struct Share: Hashable, Sendable {
        /// `https`, `tcp`, `ssh`, `ssh+https`.
        var scheme: String
        /// Nil from relays that have given no name.
        var host: String?
        /// Empty where there is none, or a null.
        var ports: [UInt16] = []
        /// The ports stand in a list of their own, as relays of today write them.
        var isListed = false
    }

    /// Why a command, or a stream, failed. Deployed peers also say `{}`.
    public struct Failure: Hashable, Sendable {
        public var message: String
        public var code: String

        public init(message: String = "", code: String = "") {
            self.message = message
            self.code = code
        }
    }
}

extension MProxy.Failure {
    static let noConnection = Self(message: "no matching connection", code: "E_NO_CONN")
    static let invalidToken = Self(message: "invalid token", code: "E_INVALID_TOKEN")
    static let nameTaken = Self(message: "all of it is another's", code: "E_NAME_TAKEN")
    static let portTaken = Self(message: "none of its ports is free", code: "E_PORT_TAKEN")
    static let portClosed = Self(message: "this relay opens none of its ports", code: "E_PORT_CLOSED")
    static let expired = Self(message: "the token has expired", code: "E_TOKEN_EXPIRED")
    static let tooMany = Self(message: "too many tokens", code: "E_LIMIT")

    static func unknownCommand(_ command: String) -> Self {
        Self(message: "unknown command \"\(command.prefix(64))\"", code: "E_UNKNOWN_COMMAND")
    }

    static func badCommand(_ text: String) -> Self {
        Self(message: "received bad command \"\(text.prefix(64))\"", code: "E_BAD_COMMAND")
    }
}
