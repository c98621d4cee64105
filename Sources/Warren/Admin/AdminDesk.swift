// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenAssembly
import WarrenConfiguration
import WarrenRuntime

/// Answers what is asked of the running process.
actor AdminDesk {
    private let live: LiveConfiguration
    private let reloader: Reloader
    private let started = ContinuousClock.now

    init(_ live: LiveConfiguration, _ reloader: Reloader) {
        self.live = live
        self.reloader = reloader
    }

    func answer(_ request: AdminRequest) async -> AdminResponse {
        switch request.command {
        case .status: return AdminResponse(status: await self.status())
        case .reload: return await self.reload()
        case .kill: return await self.kill(request.id ?? "")
        case .diff: return await self.diff(request.file ?? "")
        }
    }

    private func status() async -> StatusReport {
        let listening = self.live.node.listening
        let units = await self.live.unitStreams().map { key, type, streams in
            let ports = listening.first { $0.tag.role == key.role.rawValue && $0.tag.name == key.name }?.listeners ?? []
            return StatusReport.Unit(
                role: key.role.rawValue, name: key.name, type: type, listen: ports.map(\.address.text), streams: streams
            )
        }
        let age = ContinuousClock.now - self.started
        return StatusReport(
            version: Version.text, pid: getpid(), uptimeMs: Int(age / .milliseconds(1)), units: units,
            tunnels: await self.live.node.tunnels(),
            sessions: await self.live.node.sessions().sorted { ($0.id.count, $0.id) < ($1.id.count, $1.id) },
            streams: await self.live.node.streams().sorted { ($0.id.count, $0.id) < ($1.id.count, $1.id) })
    }

    private func reload() async -> AdminResponse {
        let before = await self.live.unitStreams()
        switch await self.reloader.reload(because: "reload") {
        case .success(let change): return AdminResponse(change: ChangeReport(change, before))
        case .failure(let failure): return AdminResponse(problems: failure.reasons)
        }
    }

    private func kill(_ text: String) async -> AdminResponse {
        guard let id = LivingID(text) else {
            return AdminResponse(problems: ["\(quoted(text)) is no id; \"warren status\" shows them, such as 12 or s12"]
            )
        }
        let isDone = await self.live.node.kill(id)
        return isDone ? AdminResponse() : AdminResponse(problems: ["nothing with the id \(id) is alive"])
    }

    private func diff(_ file: String) async -> AdminResponse {
        do throws(ConfigurationFailure) {
            let environment = ProcessInfo.processInfo.environment
            let findings = Findings()
            let configuration = Configuration(
                file: file, types: Registry.types, environment: { environment[$0] }, findings: findings)
            let change = await self.live.change(to: try Assembly(configuration, findings: findings))
            return AdminResponse(change: ChangeReport(change, await self.live.unitStreams()))
        } catch {
            return AdminResponse(problems: "\(error)".split(separator: "\n").map(String.init))
        }
    }
}

extension ChangeReport {
    init(_ change: LiveConfiguration.Change, _ streams: [(key: UnitKey, type: String, streams: Int)]) {
        let counts = Dictionary(streams.map { ($0.key, $0.streams) }) { first, _ in first }
        let all = [
            ("removed", change.removed), ("changed", change.changed), ("added", change.added),
            ("adjusted", change.adjusted), ("kept", change.kept.filter { !change.adjusted.contains($0) }),
        ]
        self.units = all.flatMap { word, keys in
            keys.map { Unit(role: $0.role.rawValue, name: $0.name, change: word, streams: counts[$0] ?? 0) }
        }
        self.settings = change.settings
    }
}
