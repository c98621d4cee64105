// SPDX-License-Identifier: Apache-2.0

/// What one datagram from the peer has told about ours.
struct AckReport {
    /// Wire bytes acknowledged for the first time, and those given up because of it.
    var acknowledged = 0
    var lost = 0
    /// Segments acknowledged for the first time, and those of them of which an unasked copy came first.
    var segments = 0
    var copies = 0
    /// Wire bytes that had been given up though they had arrived.
    var spared = 0
    /// Whether all up to some number is acknowledged that was not before.
    var hasAdvanced = false
    /// Nanoseconds, of the newest segment with a stamp that fits.
    var roundTrip: Int64?
}

/// Asks the one that is configured.
struct CongestionControl {
    private let kind: KCP.Congestion
    private var classic: ClassicWindow
    private var paced: PacedModel

    init(_ configuration: KCP.Configuration, now: Int64) {
        self.kind = configuration.congestion
        self.classic = ClassicWindow(configuration)
        self.paced = PacedModel(datagram: max(configuration.mtu, 50), now: now)
    }

    /// Whether a segment may be added to those in flight.
    func hasRoom(segments: Int, underWay: Int) -> Bool {
        switch self.kind {
        case .window: true
        case .classic: segments < self.classic.segments
        case .paced: underWay < self.paced.window
        }
    }

    /// Whether a segment that was given up may be sent again.
    func hasRoomToRepeat(underWay: Int) -> Bool { self.kind != .paced || underWay < self.paced.window }

    /// When the next segment may leave; nil is at once.
    var release: Int64? { self.kind == .paced ? self.paced.pacer.release : nil }

    mutating func isOpen(now: Int64) -> Bool { self.kind != .paced || self.paced.pacer.isOpen(now: now) }

    /// A segment leaves.
    mutating func sent(_ size: Int, underWay: Int, now: Int64) -> DeliveryMark {
        self.kind == .paced ? self.paced.sent(size, underWay: underWay, now: now) : DeliveryMark()
    }

    /// A copy leaves, whatever else may.
    mutating func copied(_ size: Int, now: Int64) {
        if self.kind == .paced { self.paced.pacer.spend(size, now: now) }
    }

    mutating func acknowledged(_ flight: Flight, now: Int64) {
        if self.kind == .paced { self.paced.rate.acknowledged(flight, now: now) }
    }

    /// The datagram has been read.
    mutating func concluded(_ report: AckReport, inFlight: Int, underWay: Int, now: Int64) {
        switch self.kind {
        case .window: break
        case .classic:
            if report.hasAdvanced { self.classic.advanced() }
            if report.lost > 0 { self.classic.skipped(inFlight: inFlight) }
        case .paced: self.paced.concluded(report, underWay: underWay, now: now)
        }
    }

    mutating func timedOut() {
        if self.kind == .classic { self.classic.timedOut() }
    }

    /// There is less to send than might be, or the peer has no room for it.
    mutating func idled(underWay: Int, isForPeer: Bool) {
        if self.kind == .paced { self.paced.idled(underWay: underWay, isForPeer: isForPeer) }
    }

    /// Bytes per second that datagrams leave with; nil if nothing paces them.
    var pace: Double? { self.kind == .paced ? self.paced.pacer.rate : nil }
}
