// SPDX-License-Identifier: Apache-2.0

import WarrenLoop

/// A bound port as one loop sees it. On that loop only.
protocol OpenPort: AnyObject {
    func start()
    /// Takes nobody any more; those who were taken stay.
    func stop()
    /// Closes what ``stop()`` has left open.
    func close()
    /// Another plan is the listener's from now on.
    func exchanged()
}

extension OpenPort {
    /// Most ask for the plan whenever somebody comes.
    func exchanged() {}
    func close() { self.stop() }
}

extension ListeningSocket: OpenPort {}
