// SPDX-License-Identifier: Apache-2.0

package import WarrenCore
package import WarrenLoop

/// Where a session lives: a loop and what else lives on it.
package struct LoopContext {
    package let loop: SocketLoop
    package let registry: LoopRegistry
    /// The other loops, for sessions that may move there.
    let loops: Loops?

    package init(loop: SocketLoop, registry: LoopRegistry, among loops: Loops? = nil) {
        self.loop = loop
        self.registry = registry
        self.loops = loops
    }

    /// Starts a session with this machine on a carrier that has not begun, or has nobody who hears it.
    package func start<Machine: SessionMachine>(_ machine: Machine, on carrier: any Leg, owner: any SessionOwner) {
        SessionHandler(machine, on: carrier, owner: owner, context: self).start()
    }
}
