// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SecureDatagrams {
    /// The keys of a session, newest to oldest, and what has been said and heard lately; both ends have one.
    ///
    /// ```
    ///  responder: next ──first datagram under it──> current ──> previous ──overlap──> gone
    ///  initiator:             response ──────────> current ──> previous ──overlap──> gone
    /// ```
    struct Session {
        private let timing: Timing
        /// Agreed on by the responder; the initiator may not have heard of it.
        private(set) var next: TransportKeys?
        private(set) var current: TransportKeys?
        private var previous: TransportKeys?
        private var previousEnd = NIODeadline.distantPast
        /// An empty datagram is due, because we have heard and not spoken.
        private(set) var keepAliveAt: NIODeadline?
        /// We have spoken since then and heard nothing.
        private(set) var unansweredSince: NIODeadline?
        /// Indices that no key has any more.
        private(set) var retired: [UInt32] = []

        init(_ timing: Timing) { self.timing = timing }

        var hasHeard: Bool { (self.current?.window.next ?? 0) > 0 }

        /// Any of the keys that the peer may name.
        func keys(_ index: UInt32) -> TransportKeys? {
            [self.next, self.current, self.previous].lazy.compactMap { $0 }.first { $0.local == index }
        }

        var indices: [UInt32] { [self.next, self.current, self.previous].compactMap { $0?.local } }

        mutating func takeRetired() -> [UInt32] {
            defer { self.retired = [] }
            return self.retired
        }

        /// The responder has answered a request.
        mutating func propose(_ keys: TransportKeys) {
            if let old = self.next { self.retired.append(old.local) }
            self.next = keys
        }

        /// The keys are in use from now on.
        mutating func adopt(_ keys: TransportKeys, now: NIODeadline) {
            if let old = self.previous { self.retired.append(old.local) }
            self.previous = self.current
            let end = now + self.timing.overlap
            self.previousEnd = min(end, self.previous.map { $0.born + self.timing.rejectAfter } ?? end)
            self.current = keys
            self.unansweredSince = nil
        }

        /// Forgets keys that are too old.
        mutating func prune(now: NIODeadline) {
            if let old = self.previous, now >= self.previousEnd {
                self.retired.append(old.local)
                self.previous = nil
            }
            if let old = self.current, now >= old.born + self.timing.rejectAfter {
                self.retired.append(old.local)
                self.current = nil
            }
            if let old = self.next, now >= old.born + self.timing.rejectAfter {
                self.retired.append(old.local)
                self.next = nil
            }
        }

        /// When the next keys are to be forgotten; nil if there are none.
        var nextEnd: NIODeadline? {
            let previousEnd = self.previous == nil ? nil : self.previousEnd
            let ends = [self.next, self.current].map { $0.map { $0.born + self.timing.rejectAfter } }
            return (ends + [previousEnd]).compactMap { $0 }.min()
        }

        /// An empty datagram is said, or cannot be: either way none is due.
        mutating func keepsAlive() { self.keepAliveAt = nil }

        mutating func seal(_ payload: ByteBuffer, into datagram: inout ByteBuffer, now: NIODeadline) -> Bool {
            guard payload.readableBytes <= SecureDatagrams.longestPayload,
                self.current?.isUsable(self.timing, now: now) == true,
                self.current?.seal(payload, into: &datagram) == true
            else { return false }
            self.keepAliveAt = nil
            if payload.readableBytes > 0, self.unansweredSince == nil { self.unansweredSince = now }
            return true
        }

        enum Opened {
            /// - isLatest: nothing later has come under the newest keys.
            /// - isFirst: it has brought the next keys into use.
            case payload(ByteBuffer, isLatest: Bool, isFirst: Bool)
            case replayed
            case forged
            /// Under keys that are too old.
            case unknown
        }

        mutating func open(_ datagram: ByteBuffer, _ header: Header, now: NIODeadline) -> Opened {
            if self.current?.local == header.index {
                guard self.isFresh(self.current, now) else { return .unknown }
                return self.heard(self.current?.open(datagram, header), isCurrent: true, isFirst: false, now)
            }
            if self.next?.local == header.index {
                guard self.isFresh(self.next, now) else { return .unknown }
                let opened = self.next?.open(datagram, header)
                guard case .payload = opened, let keys = self.next else {
                    return self.heard(opened, isCurrent: false, isFirst: false, now)
                }
                self.next = nil
                self.adopt(keys, now: now)
                return self.heard(opened, isCurrent: true, isFirst: true, now)
            }
            guard self.previous?.local == header.index, now < self.previousEnd else {
                return .unknown
            }
            return self.heard(self.previous?.open(datagram, header), isCurrent: false, isFirst: false, now)
        }

        private func isFresh(_ keys: TransportKeys?, _ now: NIODeadline) -> Bool {
            keys.map { now < $0.born + self.timing.rejectAfter } ?? false
        }

        private mutating func heard(
            _ opened: TransportKeys.Opened?, isCurrent: Bool, isFirst: Bool, _ now: NIODeadline
        ) -> Opened {
            switch opened {
            case .payload(let payload, let isLatest):
                self.unansweredSince = nil
                if payload.readableBytes > 0, self.keepAliveAt == nil { self.keepAliveAt = now + self.timing.keepAlive }
                return .payload(payload, isLatest: isLatest && isCurrent, isFirst: isFirst)
            case .replayed: return .replayed
            case .forged: return .forged
            case nil: return .unknown
            }
        }
    }
}
