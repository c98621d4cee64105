// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// From the frame to the hand-over.
extension WebSocks.ServerMachine {
    mutating func readFrame(now: NIODeadline) -> SessionAction? {
        do throws(WireError) {
            while let read = try self.shell.input.readWebSocksFrame() {
                switch read {
                case .pong: self.shell.deadline = now + self.configuration.pooled
                case .frame:
                    self.phase = .greeting
                    self.shell.deadline = now + self.configuration.handshake
                    return .write(ByteBuffer(bytes: WebSocks.Frame.bytes))
                }
            }
            return self.waitOrClose()
        } catch {
            return self.close(.violation(error))
        }
    }

    mutating func readGreeting() -> SessionAction? {
        do throws(WireError) {
            guard
                let isWithoutLogin = try self.shell.input.readSOCKS5Greeting()?.contains(SOCKS5.Method.noLogin.rawValue)
            else { return self.waitOrClose() }
            guard isWithoutLogin else {
                return self.farewell(Self.method(.noneAcceptable), .denied)
            }
            self.phase = .request
            return .write(Self.method(.noLogin))
        } catch {
            return self.farewell(Self.method(.noneAcceptable), .violation(error))
        }
    }

    mutating func readRequest() -> SessionAction? {
        do throws(WireError) {
            switch try self.shell.input.readSOCKS5Request() {
            case nil: return self.waitOrClose()
            case .unsupported(let reply): return self.farewell(Self.reply(reply), .finished)
            case .connect(let host, let port):
                guard self.shell.input.readableBytes == 0 || self.configuration.takesEarlyBytes else {
                    let error = WireError(.unexpected, in: "request", found: "bytes behind it")
                    return self.farewell(Self.reply(.failed, port: port), .violation(error))
                }
                self.phase = .target(port: port)
                self.shell.deadline = nil
                return .open(WebSocks.stream, StreamRequest(.tcp(host, port: port)))
            }
        } catch {
            return self.farewell(Self.reply(.failed), .violation(error))
        }
    }

    /// The agent waits for the reply: what comes after it, or its end, says that it has read it.
    var hasAgentSpoken: Bool {
        self.heldUntil != nil && (self.shell.hasEnded || self.shell.input.readableBytes > self.inputAtReply)
    }

    mutating func turn(_ port: UInt16, now: NIODeadline, writable: Bool) -> SessionAction? {
        guard let heldUntil else { return self.reply(port, now: now) }
        switch self.target {
        case .dialing: return nil
        // The "yes" has been said: the end is all that is left to say.
        case .refused: return self.close(.finished)
        case .gone(let fault?): return self.close(.cutOff(fault))
        case .reached, .gone(nil):
            self.isReleased = self.isReleased || self.hasAgentSpoken || heldUntil <= now
            if let action = self.held.next(isReleased: self.isReleased && writable) { return action }
            guard self.isReleased, self.held.isEmpty else { return nil }
            if case .gone = self.target { return self.close(.finished) }
            return self.shell.handOver(WebSocks.stream)
        }
    }

    private mutating func reply(_ port: UInt16, now: NIODeadline) -> SessionAction? {
        switch (self.target, self.configuration.dialect) {
        case (.dialing, .connectFirst): return nil
        // A rule of ours said no before anything was said to the agent; the deployed server has a code for that.
        case (.refused(let fault), let dialect) where dialect == .connectFirst || fault == .notAllowed:
            return self.farewell(Self.reply(.init(fault), port: port), .finished)
        case (.reached, _), (.gone, _), (.dialing, .deployed), (.refused, _):
            self.heldUntil = now + self.configuration.hold
            self.inputAtReply = self.shell.input.readableBytes
            return .write(Self.reply(.succeeded, port: port))
        }
    }

    private static func method(_ method: SOCKS5.Method) -> ByteBuffer {
        ByteBuffer(bytes: [SOCKS5.version, method.rawValue])
    }

    private static func reply(_ reply: SOCKS5.Reply, port: UInt16 = 0) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeSOCKS5Reply(reply, port: port)
        return bytes
    }
}
