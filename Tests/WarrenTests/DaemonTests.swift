// SPDX-License-Identifier: Apache-2.0

import Testing
import Warren
import WarrenConfiguration

@Suite struct DaemonTests {
    @Test func aProblemOfAURLHasItsArgument() {
        let failure = #expect(throws: ConfigurationFailure.self) {
            try Daemon(listen: ["mixed://127.0.0.1:0", "forward://127.0.0.1:0"], forward: [])
        }
        #expect(failure?.problems.count == 1)
        #expect(failure?.description.hasPrefix("-L 2 (forward://127.0.0.1:0)") == true)
        #expect(throws: ConfigurationFailure.self) { try Daemon(listen: [], forward: []) }
        #expect(throws: ConfigurationFailure.self) {
            try Daemon(listen: ["mixed://127.0.0.1:0"], forward: [], allow: ["10.0.0.0/99"])
        }
        let level = #expect(throws: ConfigurationFailure.self) {
            try Daemon(listen: ["mixed://127.0.0.1:0"], forward: [], logLevel: "inof")
        }
        #expect(level?.description.contains("info") == true)
    }
}
