// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// From the first byte to the answer to the upgrade.
extension WebSocks.ServerMachine {
    mutating func readHead() -> SessionAction? {
        if self.unwanted > 0 {
            let skipped = min(self.unwanted, self.shell.input.readableBytes)
            self.shell.input.moveReaderIndex(forwardBy: skipped)
            self.unwanted -= skipped
            guard self.unwanted == 0 else { return self.waitOrClose() }
        }
        do throws(WireError) {
            guard let head = try self.shell.input.readWebSocksHead(&self.scan) else { return self.waitOrClose() }
            self.scan = .webSocks
            return self.judge(head)
        } catch {
            // Where the next request begins nobody knows.
            let status = error.code == .tooLong ? 431 : 400
            return self.farewell(
                self.configuration.bytes(.refused(status, "the request cannot be read"), closes: true),
                .violation(error))
        }
    }

    /// The checks of the deployed server, in its order.
    private mutating func judge(_ head: HTTPHead) -> SessionAction? {
        self.requests += 1
        guard self.requests <= self.configuration.requests else {
            return self.farewell(self.configuration.bytes(.refused(400, "too many requests"), closes: true), .denied)
        }
        guard !head.has("transfer-encoding"), let length = Self.bodyLength(head) else {
            let error = WireError(.unexpected, in: "head.body")
            return self.farewell(
                self.configuration.bytes(.refused(400, "a body that cannot be skipped"), closes: true),
                .violation(error))
        }
        self.unwanted = length
        let decoding = self.configuration.decoding
        let words = head.words(most: 3)
        guard words.first?.elementsEqual("GET".utf8) == true else {
            return self.refuse(400, "unsupported http method")
        }
        guard head.has("upgrade") else {
            let target = words.dropFirst().first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            return .write(self.configuration.bytes(self.configuration.visitors.answer(target)))
        }
        guard head.isUpgrade(decoding), let key = Self.key(head, decoding), !head.has("content-length") else {
            return self.refuse(400, "upgrading related headers are invalid")
        }
        guard self.shell.input.readableBytes == 0 || self.configuration.takesEarlyBytes else {
            return self.refuse(400, "upgrading request should not contain a body")
        }
        guard let value = head.values("authorization").first, let claim = Claim(websocks: value, decoding) else {
            return self.refuse(401, "auth failed")
        }
        self.phase = .judging(accept: WebSocks.Upgrade.accept(key), offers: head.offersSubprotocol(decoding))
        return .authenticate(claim)
    }

    /// Nil for more than one length, and for what is none.
    private static func bodyLength(_ head: HTTPHead) -> Int? {
        let values = Set(head.fields.named("content-length").map(\.value))
        guard let value = values.first else { return 0 }
        return values.count == 1 ? value.decimal : nil
    }

    /// The key: valid base64, of several the last one, as in the deployed server.
    private static func key(_ head: HTTPHead, _ decoding: WebSocks.Decoding) -> String? {
        let keys = head.values("sec-websocket-key")
        guard let key = keys.last, keys.allSatisfy({ Base64.decode($0.utf8, .java) != nil }) else { return nil }
        return key
    }

    /// Says no and listens for another request. What has come behind the one that failed is dropped, as the deployed server
    /// does: it may be anything.
    private mutating func refuse(_ status: Int, _ sentence: String) -> SessionAction {
        self.unwanted = max(0, self.unwanted - self.shell.input.readableBytes)
        self.shell.input = ByteBuffer()
        self.phase = .head
        return .write(self.configuration.bytes(.refused(status, sentence)))
    }

    mutating func answer(_ verdict: Verdict, _ accept: String, _ offers: Bool, now: NIODeadline) -> SessionAction {
        switch verdict {
        case .denied: return self.refuse(401, "auth failed")
        case .accepted where !offers: return self.refuse(400, "no supported protocol")
        case .accepted:
            self.phase = .frame
            self.shell.deadline = now + self.configuration.pooled
            return .write(self.configuration.bytes(.upgraded(accept: accept)))
        }
    }
}
