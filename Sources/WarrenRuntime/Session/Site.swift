// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// Where a session lives: a loop and what else lives on it.
package struct Site {
    package let loop: SocketLoop
    package let residents: Residents

    package init(loop: SocketLoop, residents: Residents) {
        self.loop = loop
        self.residents = residents
    }

    /// Starts a session with this machine on a carrier that has not begun, or has nobody who hears it.
    package func start<Machine: SessionMachine>(_ machine: Machine, on carrier: any Leg, owner: any SessionOwner) {
        SessionHandler(machine, on: carrier, owner: owner, site: self).start()
    }
}
