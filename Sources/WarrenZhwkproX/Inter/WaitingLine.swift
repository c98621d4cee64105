// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Streams that wait for their destination to come out of use: first come, first served for each, and none for long.
struct WaitingLine {
    private var lines: [ZhwkproX.StreamAddress: [Int]] = [:]
    private var ages = AgeQueue()
    private let timeout: TimeAmount
    private let mostOfOne: Int
    private let most: Int
    private(set) var count = 0

    init(timeout: TimeAmount, mostOfOne: Int, most: Int) {
        self.timeout = timeout
        self.mostOfOne = mostOfOne
        self.most = most
    }

    var deadline: NIODeadline? { self.ages.oldest.map { $0.since + self.timeout } }
    func isEmpty(_ endpoint: ZhwkproX.StreamAddress) -> Bool { self.lines[endpoint] == nil }

    func hasRoom(_ endpoint: ZhwkproX.StreamAddress) -> Bool {
        self.count < self.most && (self.lines[endpoint]?.count ?? 0) < self.mostOfOne
    }

    mutating func append(_ row: Int, _ endpoint: ZhwkproX.StreamAddress, now: NIODeadline) {
        self.lines[endpoint, default: []].append(row)
        self.ages.touch(row, now: now)
        self.count += 1
    }

    mutating func popFirst(_ endpoint: ZhwkproX.StreamAddress) -> Int? {
        guard let row = self.lines[endpoint]?.first else { return nil }
        self.remove(row, endpoint)
        return row
    }

    mutating func remove(_ row: Int, _ endpoint: ZhwkproX.StreamAddress) {
        guard self.ages.contains(row) else { return }
        self.ages.remove(row)
        self.count -= 1
        self.lines[endpoint]?.removeAll { $0 == row }
        if self.lines[endpoint]?.isEmpty == true { self.lines[endpoint] = nil }
    }

    /// One that has waited for too long.
    func expired(now: NIODeadline) -> Int? {
        guard let (row, since) = self.ages.oldest, since + self.timeout <= now else { return nil }
        return row
    }
}
