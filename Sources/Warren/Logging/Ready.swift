// SPDX-License-Identifier: Apache-2.0

import Logging
package import WarrenConfiguration
package import WarrenRuntime

extension Daemon {
    /// What there is when every listener is bound and every tunnel was tried.
    public struct Ready: Sendable {
        /// Every listener with its `host:port`; the port is never 0.
        public let listeners: [(name: String, value: String)]
        /// The names of tunnels that are not up; they are tried again.
        public let tunnelsDown: [String]
        private let format: Configuration.LogFormat

        package init(_ listeners: [BoundListener], _ tunnels: [TunnelStatus], _ format: Configuration.LogFormat) {
            self.listeners = listeners.map { ($0.name, $0.address.text) }
            // A tunnel on another thread that nobody has asked for is no loss.
            let up = Set(tunnels.filter { $0.state == "up" }.map(\.name))
            var down: [String] = []
            for tunnel in tunnels where tunnel.state != "up" && tunnel.state != "asleep" {
                if !up.contains(tunnel.name), !down.contains(tunnel.name) { down.append(tunnel.name) }
            }
            self.tunnelsDown = down
            self.format = format
        }

        /// What says so, in the form of the log: a line, and one before it for what is not up.
        public var line: String {
            switch self.format {
            case .text:
                let ready = (["ready"] + self.listeners.map { "\($0.name)=\($0.value)" }).joined(separator: " ")
                guard !self.tunnelsDown.isEmpty else { return ready }
                // A line of its own, so that whoever reads the addresses finds nothing else among them.
                return "not up: \(self.tunnelsDown.joined(separator: ", "))\n\(ready)"
            case .json:
                var line = LogLine(.json, at: Timestamp.now(), .notice, "ready")
                line.add("listening", self.listeners)
                line.add("notUp", list: self.tunnelsDown)
                return String(line.finished.dropLast())
            }
        }
    }
}
