// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension KCP.Configuration {
    /// The names that deployed programs give to sets of parameters, from the slowest to the quickest.
    public enum Profile: String, CaseIterable, Hashable, Sendable {
        case normal, fast1, fast2, fast3, fast4
    }

    /// What vproxy runs: conversation 0, a stream, 1250 bytes, windows of 1024 segments, no congestion window.
    ///
    /// | profile | quick | interval | resend | least time-out |
    /// |---|---|---|---|---|
    /// | fast4 | yes | 10 ms | 1 | 30 ms |
    /// | fast3 | yes | 10 ms | 2 | 30 ms |
    /// | fast2 | yes | 20 ms | 2 | 30 ms |
    /// | fast1 | no | 30 ms | 2 | 60 ms |
    /// | normal | no | 40 ms | never | 100 ms |
    ///
    /// - Source: KCP protocol, "vproxy profiles". Differs: a shut window is asked after 500 ms instead of 7 s.
    public static func vproxy(_ profile: Profile = .fast4) -> Self {
        var configuration = Self()
        configuration.apply(profile)
        return configuration
    }

    /// The framing of kcp-go without its FEC and encryption: a conversation number, 1400 bytes, windows of its clients.
    public static func kcpGo(conversation: UInt32, _ profile: Profile = .fast3) -> Self {
        var configuration = Self()
        configuration.conversation = conversation
        configuration.mtu = 1400
        configuration.apply(profile)
        return configuration
    }

    private mutating func apply(_ profile: Profile) {
        switch profile {
        case .fast4: self.set(isQuick: true, interval: 10, resend: 1, least: 30)
        case .fast3: self.set(isQuick: true, interval: 10, resend: 2, least: 30)
        case .fast2: self.set(isQuick: true, interval: 20, resend: 2, least: 30)
        case .fast1: self.set(isQuick: false, interval: 30, resend: 2, least: 60)
        case .normal: self.set(isQuick: false, interval: 40, resend: 0, least: 100)
        }
    }

    private mutating func set(isQuick: Bool, interval: Int64, resend: Int, least: Int64) {
        self.isQuick = isQuick
        self.interval = .milliseconds(interval)
        self.skipsUntilResend = resend
        self.leastTimeout = .milliseconds(least)
    }
}
