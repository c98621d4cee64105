// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// From the first byte to the answer to the upgrade.
extension WebSocks.ServerMachine {
    mutating func readHead() -> SessionAction? {
        if self.unwanted > 0 {
            let skipped = min(self.unwanted, self.input.readableBytes)
            self.input.moveReaderIndex(forwardBy: skipped)
            self.unwanted -= skipped
            guard self.unwanted == 0 else { return self.waitOrClose() }
        }
        do throws(WireError) {
            guard let length = try self.scan.length(in: self.input), let bytes = self.input.readSlice(length: length)
            else { return self.waitOrClose() }
            self.scan = HeadScan()
            return self.judge(try Head(bytes))
        } catch {
            // Where the next request begins nobody knows.
            let status = error.code == .tooLong ? 431 : 400
            return self.farewell(
                self.configuration.bytes(.refused(status, "the request cannot be read"), closes: true),
                .violation(error))
        }
    }

    /// The checks of the deployed server, in its order.
    private mutating func judge(_ head: Head) -> SessionAction? {
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
        guard head.words.first == "GET" else { return self.refuse(400, "unsupported http method") }
        guard head.has("upgrade") else {
            return .write(self.configuration.bytes(.visitor(self.configuration.visitors)))
        }
        guard head.isUpgrade(decoding), let key = Self.key(head, decoding), !head.has("content-length") else {
            return self.refuse(400, "upgrading related headers are invalid")
        }
        guard self.input.readableBytes == 0 || self.configuration.takesEarlyBytes else {
            return self.refuse(400, "upgrading request should not contain a body")
        }
        guard let value = head.values("authorization").first, let claim = Claim(websocks: value, decoding) else {
            return self.refuse(401, "auth failed")
        }
        self.phase = .judging(accept: WebSocks.Upgrade.accept(key), offers: head.offersSubprotocol(decoding))
        return .authenticate(claim)
    }

    /// Nil for more than one length, and for what is none.
    private static func bodyLength(_ head: Head) -> Int? {
        let values = Set(head.values("content-length"))
        guard let value = values.first else { return 0 }
        guard values.count == 1, value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int(value)
    }

    /// The key: valid base64, of several the last one, as in the deployed server.
    private static func key(_ head: Head, _ decoding: WebSocks.Decoding) -> String? {
        let keys = head.values("sec-websocket-key")
        guard let key = keys.last, keys.allSatisfy({ Base64.decode(Array($0.utf8)) != nil }) else { return nil }
        return key
    }

    /// Says no and listens for another request. What has come behind the one that failed is dropped, as the deployed server
    /// does: it may be anything.
    private mutating func refuse(_ status: Int, _ sentence: String) -> SessionAction {
        self.unwanted = max(0, self.unwanted - self.input.readableBytes)
        self.input = ByteBuffer()
        self.phase = .head
        return .write(self.configuration.bytes(.refused(status, sentence)))
    }

    mutating func answer(_ verdict: Verdict, _ accept: String, _ offers: Bool, now: NIODeadline) -> SessionAction {
        switch verdict {
        case .denied: return self.refuse(401, "auth failed")
        case .accepted where !offers: return self.refuse(400, "no supported protocol")
        case .accepted:
            self.phase = .frame
            self.phaseDeadline = now + self.configuration.pooled
            return .write(self.configuration.bytes(.upgraded(accept: accept)))
        }
    }
}
