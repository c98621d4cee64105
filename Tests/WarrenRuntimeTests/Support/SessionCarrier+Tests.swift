// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

extension SessionCarrier {
    /// To a server of the test, which directs the ``WordMachine`` at this end.
    ///
    /// - Parameter onMade: called with each session that is started.
    static func words(
        port: UInt16, refusal: StreamFault? = nil, onMade: @escaping @Sendable () -> Void = {}
    ) -> SessionCarrier {
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let dial = CarrierDialer(dialer: dialer, host: Host("127.0.0.1"), port: port)
        return SessionCarrier(dial) { leg, owner, loop in
            onMade()
            let context = LoopContext(loop: loop, registry: LoopRegistry())
            context.start(WordMachine(refusal: refusal), on: leg, owner: owner)
        }
    }

    /// One that fails at once, with the fault of its name's resolution; it needs no loop that moves.
    ///
    /// - Parameter onTry: called with each dial.
    static func failing(
        _ host: String = "far", _ fault: StreamFault = .unknownHost, onTry: @escaping @Sendable () -> Void = {}
    ) -> SessionCarrier {
        let dialer = Dialer(resolver: FailingResolver(fault: fault, onTry: onTry), policy: .everything)
        let dial = CarrierDialer(dialer: dialer, host: .name(host), port: 1)
        return SessionCarrier(dial) { leg, _, _ in leg.discard() }
    }
}

/// Knows no name, for one reason.
private struct FailingResolver: AddressResolver {
    let fault: StreamFault
    let onTry: @Sendable () -> Void

    func resolve(
        _ name: String, _ family: IPAddress.Family, for asker: Asker, on loop: any EventLoop
    ) -> NameQuery {
        if family == .v4 { self.onTry() }
        return NameQuery(loop.makeFailedFuture(self.fault))
    }
}
