// SPDX-License-Identifier: Apache-2.0

@testable import WarrenRuntime

extension Node.Plan {
    /// Those of one unit, for tests that need no more.
    var listeners: [Listener.Plan] {
        get { self.units.flatMap(\.listeners) }
        set { self.change { $0.listeners = newValue } }
    }

    var parts: [any NodeComponent] {
        get { self.units.flatMap(\.parts) }
        set { self.change { $0.parts = newValue } }
    }

    private mutating func change(_ body: (inout Node.Unit) -> Void) {
        var unit = self.units.first ?? Node.Unit(UnitTag(role: "inbound", name: "all"))
        body(&unit)
        self.units = [unit]
    }
}
