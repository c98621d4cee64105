// SPDX-License-Identifier: Apache-2.0

extension ZhwkproX {
    /// The first bytes of either side.
    enum Hello {
        /// What both sides begin with.
        static let version: UInt8 = 0x80
        /// The only method there is: none.
        static let methods: [UInt8] = [0]
    }

    /// Sizes and answers of the login.
    enum Login {
        /// Of a challenge of ours, in bytes.
        static let challenge = 22
        /// Of what we put behind a challenge before we encrypt it.
        static let suffix = 8...32
        static let succeeded: UInt8 = 1
        static let failed: UInt8 = 0
    }
}
