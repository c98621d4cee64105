// SPDX-License-Identifier: Apache-2.0

package import Logging

/// Tells observers what happened.
package struct Reporter: Sendable {
    private let observers: [any RuntimeObserver]

    package init(_ observers: [any RuntimeObserver]) { self.observers = observers }

    /// Counters, and a log.
    ///
    /// - Parameter streams: writes the lines of streams, faster than by way of metadata.
    package init(logger: Logger, streams: (any StreamLog)? = nil) {
        self.init([EventCounters(), EventLog(logger, streams: streams)])
    }

    package func emit(_ event: RuntimeEvent) {
        for observer in self.observers { observer.observe(event) }
    }
}
