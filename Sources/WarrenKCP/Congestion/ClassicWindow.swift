// SPDX-License-Identifier: Apache-2.0

/// KCP's own congestion window, in segments.
///
/// - Source: KCP protocol, "Flush", cwnd; ikcp.c.
struct ClassicWindow {
    private(set) var segments = 1
    private var threshold = 2
    /// The window in bytes, to grow by parts of a segment.
    private var bytes: Int
    private let segment: Int
    private let resend: Int
    private let limit: Int

    init(_ configuration: KCP.Configuration) {
        self.segment = configuration.segment
        self.resend = configuration.skipsUntilResend
        self.limit = configuration.sendWindow
        self.bytes = configuration.segment
    }

    /// The peer has got on.
    mutating func advanced() {
        guard self.segments < self.limit else { return }
        if self.segments < self.threshold {
            self.segments += 1
            self.bytes += self.segment
            return
        }
        self.bytes = max(self.bytes, self.segment)
        self.bytes += self.segment * self.segment / self.bytes + self.segment / 16
        if (self.segments + 1) * self.segment <= self.bytes {
            self.segments = (self.bytes + self.segment - 1) / self.segment
        }
        self.segments = min(self.segments, self.limit)
    }

    mutating func skipped(inFlight: Int) {
        self.threshold = max(inFlight / 2, 2)
        self.segments = self.threshold + self.resend
        self.bytes = self.segments * self.segment
    }

    mutating func timedOut() {
        self.threshold = max(self.segments / 2, 2)
        self.segments = 1
        self.bytes = self.segment
    }
}
