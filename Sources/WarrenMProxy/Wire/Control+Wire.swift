// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension MProxy.Control {
    /// Reads `[id, …]`.
    ///
    /// | id | then |
    /// |---|---|
    /// | above 0 | `command, arguments…` |
    /// | below 0 | `null` or a failure; a result may follow and means nothing |
    /// | 0 | a failure |
    ///
    /// - Throws: ``WireError`` for what is no JSON, no array, or has no whole number and no command in front.
    init(_ bytes: ByteBufferView) throws(WireError) {
        guard let parts = try JSON(bytes).elements else { throw WireError(.badValue, in: "control", found: "no array") }
        guard let id = parts.first?.integer else { throw WireError(.badValue, in: "control.id") }
        let arguments = parts.dropFirst()
        switch id {
        case 0:
            self = .complaint(MProxy.Failure(arguments.first ?? .null) ?? MProxy.Failure())
        case ..<0:
            guard id > .min else { throw WireError(.badValue, in: "control.id") }
            self = .reply(to: -id, arguments.first.flatMap { MProxy.Failure($0) })
        default:
            guard let word = arguments.first?.text else { throw WireError(.badValue, in: "control.command") }
            self = .request(id: id, MProxy.Command(word, arguments.dropFirst().first))
        }
    }

    var json: JSON {
        switch self {
        case .request(let id, let command): .array([.integer(id)] + command.json)
        case .reply(let id, let failure): .array([.integer(-id), failure?.json ?? .null])
        case .complaint(let failure): .array([.integer(0), failure.json])
        }
    }

    var bytes: ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeJSON(self.json)
        return bytes
    }
}

extension MProxy.Command {
    /// What relays of today offer in their hello.
    private static let offered = ["add_token", "delete_token", "auth", "authn", "authz"]

    fileprivate init(_ word: String, _ argument: JSON?) {
        switch word {
        case "hello": self = .hello
        case "add_token", "auth", "authn", "authz": self = argument?.text.map { .addToken($0) } ?? .addNothing
        case "delete_token": self = argument?.text.map { .deleteToken($0) } ?? .addNothing
        case "grant": self = .grant((argument?.elements ?? []).compactMap { MProxy.Share($0) })
        case "access_token": self = .accessToken
        case "windows": self = argument?.integer.map { .windows(version: $0) } ?? .unknown(word)
        case "ping": self = .ping
        default: self = .unknown(word)
        }
    }

    /// The command and its arguments. Hello is `"hello",[1],[commands]`, where `[1]` are versions.
    fileprivate var json: [JSON] {
        switch self {
        case .hello: [.string("hello"), .array([.integer(1)]), .array(Self.offered.map { .string($0) })]
        case .addToken(let token): [.string("add_token"), .string(token)]
        case .addNothing: [.string("add_token")]
        case .deleteToken(let token): [.string("delete_token"), .string(token)]
        case .grant(let shares): [.string("grant"), .array(shares.map(\.json))]
        case .accessToken: [.string("access_token")]
        case .windows(let version): [.string("windows"), .integer(version)]
        case .ping: [.string("ping")]
        case .unknown(let word): [.string(word)]
        }
    }
}

extension MProxy.Share {
    /// Reads `[scheme, host or null, port or [port, …]]`; nil for what is nothing like it.
    fileprivate init?(_ json: JSON) {
        guard let parts = json.elements, let scheme = parts.first?.text else { return nil }
        self.scheme = scheme
        self.host = parts.dropFirst().first?.text
        let ports = parts.dropFirst(2).first
        self.isListed = ports?.elements != nil
        self.ports = (ports?.elements ?? ports.map { [$0] } ?? []).compactMap(\.port)
    }

    fileprivate var json: JSON {
        var parts: [JSON] = [.string(self.scheme), self.host.map { .string($0) } ?? .null]
        if self.isListed {
            parts.append(.array(self.ports.isEmpty ? [.null] : self.ports.map { .integer(Int($0)) }))
        } else {
            parts += self.ports.map { .integer(Int($0)) }
        }
        return .array(parts)
    }
}

extension MProxy.Failure {
    /// Nil for null, which is no failure. What is neither an object nor a text is one without words.
    init?(_ json: JSON) {
        switch json {
        case .null: return nil
        case .string(let text): self.init(message: text)
        case .object: self.init(message: json["message"]?.text ?? "", code: json["code"]?.text ?? "")
        case .bool, .number, .array: self.init()
        }
    }

    /// The body of an `error` frame: any bytes are a failure.
    init(body: ByteBuffer) {
        self = (try? JSON(body.readableBytesView)).flatMap { Self($0) } ?? Self()
    }

    /// Always an object, as deployed peers write properties into what they read.
    var json: JSON {
        var members: [JSON.Member] = []
        if !self.message.isEmpty { members.append(JSON.Member(name: "message", value: .string(self.message))) }
        if !self.code.isEmpty { members.append(JSON.Member(name: "code", value: .string(self.code))) }
        return .object(members)
    }
}

extension JSON {
    /// A port as a number or as its digits; nil for anything else, 0 included.
    var port: UInt16? {
        let port = self.integer.flatMap { UInt16(exactly: $0) } ?? self.text.flatMap { UInt16($0) }
        return port == 0 ? nil : port
    }
}
