// SPDX-License-Identifier: Apache-2.0

internal import WarrenCore

extension MProxy {
    /// What two Warrens say to each other beyond the deployed protocol; <doc:Extension> has all of it.
    ///
    /// A device announces it in the HTTP request that becomes the WebSocket, where deployed relays read their token and nothing
    /// else. A relay answers in its first control messages, and only who has announced it.
    public enum Extension {
        static let version = 1
        /// Data bytes of one frame: what a read of a socket brings.
        static let mostData = 128 << 10

        /// The header of a device's upgrade; its value is ``announcement``.
        public static let header = "Warren-Extension"
        /// `windows=1`: the highest version that we know.
        public static let announcement = "windows=\(Self.version)"

        /// - Parameter header: the value of ``header``; other words may stand in it, too, behind commas.
        /// - Returns: whether a device announces a version of windows, ours or a later one, which knows ours.
        static func isAnnounced(in header: String) -> Bool {
            header.utf8.count <= Self.mostHeader
                && header.split(separator: ",").contains { word in
                    let parts = word.filter { $0 != " " && $0 != "\t" }.split(separator: "=", maxSplits: 1)
                    guard parts.first == "windows", let digits = parts.dropFirst().first,
                        digits.utf8.allSatisfy(\.isDigit), let version = Int(digits)
                    else { return false }
                    return version >= Self.version
                }
        }

        private static let mostHeader = 256

        /// The id of the relay's answer; those below are of hello, grant and access_token.
        static let welcomeID = 4

        /// What a relay may send on a new stream before the device has said anything of it, so that no visitor waits for a
        /// round trip: the beginning of a request, or a ClientHello.
        static let firstFlight = 16 << 10
        /// More credit than this for one stream cannot be meant.
        static let mostCredit = 1 << 31

        /// Ids of pings are above those of all other commands. JavaScript's numbers would hold them.
        private static let pings = 1 << 32

        static func ping(_ number: UInt64) -> Int { Self.pings + Int(truncatingIfNeeded: number & 0xFFFF_FFFF) }

        /// The number of the ping with this id; nil if it is that of no ping.
        static func number(ofPing id: Int) -> UInt64? {
            guard id >= Self.pings, id <= Self.pings + 0xFFFF_FFFF else { return nil }
            return UInt64(id - Self.pings)
        }
    }
}
