// SPDX-License-Identifier: Apache-2.0

extension KCP {
    /// What a machine has seen and done since it began. All of them only grow.
    public struct Counters: Hashable, Sendable {
        public var datagramsIn: UInt64 = 0
        public var datagramsOut: UInt64 = 0
        /// Datagrams that were dropped, from the first segment on that made no sense.
        public var badDatagrams: UInt64 = 0
        /// PUSH segments that were there already.
        public var duplicates: UInt64 = 0
        /// PUSH segments beyond the window, dropped and not acknowledged.
        public var beyondWindow: UInt64 = 0
        /// PUSH segments put out, repeated ones included.
        public var pushes: UInt64 = 0
        /// Segments repeated because later ones were acknowledged.
        public var fastRepeats: UInt64 = 0
        /// Segments repeated because nothing was heard for too long.
        public var timeouts: UInt64 = 0
        /// Segments that were repeated and whose first copy had arrived.
        public var needlessRepeats: UInt64 = 0
        /// Bytes of datagrams put out.
        public var bytesOut: UInt64 = 0
        /// Of these the ones in repeated segments, headers included.
        public var repeatedBytes: UInt64 = 0

        public init() {}
    }
}
