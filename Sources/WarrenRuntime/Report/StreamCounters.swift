// SPDX-License-Identifier: Apache-2.0

import Metrics
import WarrenCore

/// The counters of one inbound's streams, made once: looking one up costs more than counting.
package struct StreamCounters: Sendable {
    private let bytesIn: Counter
    private let bytesOut: Counter
    private let finished: Counter
    private let faults: [StreamFault: Counter]

    init(inbound: String) {
        func streams(_ event: String) -> Counter {
            Counter(label: "warren_streams", dimensions: [("name", inbound), ("event", event)])
        }
        self.bytesIn = Counter(label: "warren_bytes_in", dimensions: [("inbound", inbound)])
        self.bytesOut = Counter(label: "warren_bytes_out", dimensions: [("inbound", inbound)])
        self.finished = streams("finished")
        self.faults = Dictionary(uniqueKeysWithValues: StreamFault.allCases.map { ($0, streams($0.rawValue)) })
    }

    func count(_ report: BridgeReport) {
        if let fault = report.fault { self.faults[fault]?.increment() } else { self.finished.increment() }
        self.bytesIn.increment(by: report.bytesIn)
        self.bytesOut.increment(by: report.bytesOut)
    }
}
