// SPDX-License-Identifier: Apache-2.0

import Logging
import WarrenAssembly
import WarrenConfiguration
import WarrenRuntime

/// Reads the configuration again and applies it: all of it, or nothing.
actor Reloader {
    private let live: LiveConfiguration
    private let handler: LineLogHandler
    private let logger: Logger
    private let reread: Daemon.Reread?

    init(_ live: LiveConfiguration, handler: LineLogHandler, logger: Logger, reread: Daemon.Reread?) {
        self.live = live
        self.handler = handler
        self.logger = logger
        self.reread = reread
    }

    /// - Parameter cause: for the log.
    /// - Returns: what was done, or why nothing was.
    func reload(because cause: String) async -> Result<LiveConfiguration.Change, ReloadFailure> {
        self.lookAtFiles(cause)
        guard let reread else {
            return .failure(
                ReloadFailure([
                    "what runs came from a command line or standard input, so there is no file to read again"
                ]))
        }
        do {
            let assembly = try reread()
            let change = try await self.live.apply(assembly)
            self.handler.setCommonLevel(assembly.log.level.level)
            self.tell(change, assembly, cause)
            return .success(change)
        } catch let failure as ConfigurationFailure {
            return self.refuse("\(failure)".split(separator: "\n").map(String.init), cause)
        } catch {
            return self.refuse(["\(error)"], cause)
        }
    }

    private func lookAtFiles(_ cause: String) {
        guard !self.live.watcher.isIdle || self.reread == nil else { return }
        self.logger.notice(
            self.live.watcher.isIdle ? "there are no files to read again" : "looking for changed files",
            metadata: ["signal": "\(cause)"])
        self.live.watcher.checkNow()
    }

    private func tell(_ change: LiveConfiguration.Change, _ assembly: Assembly, _ cause: String) {
        for warning in assembly.warnings { self.logger.warning("\(warning)") }
        guard !change.isEmpty else {
            return self.logger.notice("configuration unchanged", metadata: ["signal": "\(cause)"])
        }
        self.logger.notice(
            "configuration applied",
            metadata: [
                "signal": "\(cause)", "added": "\(Self.names(change.added))",
                "changed": "\(Self.names(change.changed))",
                "removed": "\(Self.names(change.removed))", "adjusted": "\(Self.names(change.adjusted))",
                "settings": "\(change.settings.joined(separator: ","))",
                "kept": .stringConvertible(change.kept.count),
            ])
    }

    private static func names(_ keys: [UnitKey]) -> String { keys.map(\.name).joined(separator: ",") }

    private func refuse(
        _ reasons: [String], _ cause: String
    ) -> Result<LiveConfiguration.Change, ReloadFailure> {
        for reason in reasons {
            self.logger.error(
                "configuration not applied; the old one stays", metadata: ["signal": "\(cause)", "reason": "\(reason)"])
        }
        return .failure(ReloadFailure(reasons))
    }
}

/// Why a configuration was not applied.
struct ReloadFailure: Error {
    let reasons: [String]
    init(_ reasons: [String]) { self.reasons = reasons }
}

extension Configuration.LogLevel {
    var level: Logger.Level { Logger.Level(rawValue: self.rawValue) ?? .info }
}
