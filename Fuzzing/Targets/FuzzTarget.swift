// SPDX-License-Identifier: Apache-2.0

/// A decoder and what must hold for whatever it is given.
public struct FuzzTarget: Sendable {
    public let name: String
    /// Gives it an input; answers with what is wrong, or traps. Nil if nothing is.
    public let judge: @Sendable ([UInt8]) -> String?

    init(_ name: String, _ judge: @escaping @Sendable ([UInt8]) -> String?) {
        self.name = name
        self.judge = judge
    }

    /// All of them; `scripts/fuzz.sh` runs each.
    public static let all: [FuzzTarget] =
        Self.fronts + Self.jproxy + Self.zhwkprox + Self.vproxy + Self.jet + Self.mproxy + Self.websocks + Self.web
        + Self.files + Self.kcp + Self.datagrams
}
