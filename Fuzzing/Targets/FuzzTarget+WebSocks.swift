// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenWebSocks

extension FuzzTarget {
    /// Loosely: what stands behind a refused request is dropped with it, however much of it has come.
    static let websocks = [
        FuzzTarget("websocks-server") { input in
            let flags = input.first ?? 0
            return FuzzDriver.judgeLoosely(Array(input.dropFirst())) {
                var configuration = WebSocks.ServerConfiguration { 1_795_245_060_000 }
                if flags & 1 != 0 { configuration.decoding = .deployed }
                if flags & 2 != 0 { configuration.dialect = .connectFirst }
                configuration.takesEarlyBytes = flags & 4 != 0
                return FuzzDriver(
                    WebSocks.ServerMachine(configuration),
                    .init(verdict: flags & 8 != 0 ? .denied : .accepted(name: "alice"), accepts: flags & 16 == 0))
            }
        },
        FuzzTarget("websocks-agent") { input in
            FuzzDriver.judgeLoosely(Array(input.dropFirst())) {
                let secret = WebSocks.Digest.secret(password: "secret")
                var configuration = WebSocks.ClientConfiguration(host: "null", user: "alice", secret: secret) { 0 }
                if input.first ?? 0 != 0 { configuration.decoding = .deployed }
                return FuzzDriver(WebSocks.AgentMachine(configuration))
            }
        },
    ]
}
