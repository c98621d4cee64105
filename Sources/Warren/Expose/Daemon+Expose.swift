// SPDX-License-Identifier: Apache-2.0

import WarrenAssembly

extension Daemon {
    /// Behind a relay's yes to a token, and before what it grants by it is taken for all.
    private static let settling = Duration.seconds(1)

    /// Runs a device with one service, as ``run(endsWhenRefused:onGrant:onReady:)`` does, and ends if its relay does not
    /// serve that. Once it has, a tunnel that is lost is made again.
    ///
    /// - Parameters:
    ///   - name: the name or port that the device serves.
    ///   - patience: how long the relay may say nothing of it.
    ///   - onServed: called once, when the relay serves it.
    ///   - onSilence: called if nothing is known when the patience is over. It goes on.
    /// - Throws: ``DaemonFailure`` if the relay does not serve it.
    public func run(
        exposing name: String, patience: Duration = .seconds(10), onServed: @escaping @Sendable () -> Void,
        onSilence: @escaping @Sendable () -> Void
    ) async throws {
        var silence: Task<Void, any Error>?
        defer { silence?.cancel() }
        let prepare = { (hooks: inout Hooks) in
            let exposure = Self.exposure(name, &hooks, onServed)
            silence = Task {
                // Whoever watches is told that nothing was heard: it is the silence itself that is waited for.
                try await Task.sleep(for: patience)
                if !exposure.isDecided { onSilence() }
            }
        }
        try await self.run({ _ in }, prepare: prepare)
    }

    private static func exposure(
        _ name: String, _ hooks: inout Hooks, _ onServed: @escaping @Sendable () -> Void
    ) -> Exposure {
        let exposure = Exposure(name) { [onDone = hooks.onDone] verdict in
            switch verdict {
            case .served: onServed()
            case .refused(let sentence): onDone(sentence)
            }
        }
        hooks.onGrant = { exposure.granted($0) }
        hooks.onRefused = { exposure.refused($0) }
        hooks.onUp = { list in
            exposure.taken(list)
            guard !exposure.isDecided else { return }
            Task {
                // No message of a relay says that it was the last one about a token.
                try await Task.sleep(for: Self.settling)
                exposure.settle()
            }
        }
        return exposure
    }
}
