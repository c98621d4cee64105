// SPDX-License-Identifier: Apache-2.0

/// Something with a descriptor that a loop watches and keeps alive meanwhile.
package class Watched {
    /// Called on the loop when the system says that something has become possible.
    func became(_ ready: UInt32) {}
}
