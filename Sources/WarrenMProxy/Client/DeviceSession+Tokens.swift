// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension DeviceSession {
    /// - Returns: nothing is said before the next step.
    mutating func say(_ command: MProxy.Command) {
        guard self.dialect != .go else { return }
        self.unsaid.append(command)
    }

    mutating func handle(_ body: ByteBuffer, now: NIODeadline) {
        self.settle(.node, now: now)
        guard let control = try? MProxy.Control(body.readableBytesView) else {
            let text = String(decoding: body.readableBytesView, as: UTF8.self)
            return self.common.say(.complaint(.badCommand(text)))
        }
        switch control {
        case .request(let id, .hello):
            self.greeted(id)
        case .request(_, .grant(let shares)): self.granted(shares)
        case .request(_, .accessToken): break  // deployed devices acknowledge neither
        case .request(let id, .addToken), .request(let id, .addNothing):
            self.common.say(.reply(to: id, .unknownCommand("add_token")))
        case .request(let id, .deleteToken): self.common.say(.reply(to: id, .unknownCommand("delete_token")))
        case .request(let id, .windows(let version)):
            guard self.configuration.usesExtension, self.dialect == .node, version == MProxy.Extension.version
            else { return self.common.say(.reply(to: id, .unknownCommand("windows"))) }
            self.common.extend()
        case .request(let id, .ping): self.common.answerPing(id)
        case .request(let id, .unknown(let word)): self.common.say(.reply(to: id, .unknownCommand(word)))
        case .reply(let id, let failure): self.answered(id, failure)
        case .complaint(let failure): self.refusal = failure
        }
    }

    /// The answer to what we have not asked, or have been answered already, means nothing.
    private mutating func answered(_ id: Int, _ failure: MProxy.Failure?) {
        guard let asked = self.asked.first(where: { $0.id == id }) else { return self.common.answered(id) }
        self.asked.removeAll { $0.id == id }
        guard asked.isToken else { return }
        if let failure { self.refusal = failure } else { self.isAccepted = true }
    }

    /// Names with `https` and ports with `tcp`; `ssh` and `ssh+https` are other ways to say the same.
    private mutating func granted(_ shares: [MProxy.Share]) {
        for share in shares.prefix(2 * MProxy.Entitlement.most) {
            switch share.scheme {
            case "https":
                guard let host = share.host, host.utf8.count <= HostName.longest else { continue }
                self.grants.append(Grant(.service(name: host, port: 443)))
            case "tcp":
                let host = share.host.flatMap { $0.utf8.count <= HostName.longest ? $0 : nil }
                for port in share.ports.prefix(MProxy.Entitlement.most) {
                    self.grants.append(Grant(.service(name: "", port: port), instance: host))
                }
            default:
                break
            }
        }
    }
}
