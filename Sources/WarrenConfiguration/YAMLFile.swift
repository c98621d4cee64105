// SPDX-License-Identifier: Apache-2.0

import Foundation
import Yams

extension ConfigNode {
    /// What a file may cost its reader.
    package struct Limits: Hashable, Sendable {
        package var bytes = 4 << 20
        /// Values in the tree; an alias counts as often as it is used.
        package var nodes = 100_000
        package var depth = 64

        package init() {}
    }

    /// Reads a configuration file; nil if it holds nothing that can be read on, and the findings say why.
    ///
    /// - Parameter environment: answers `${NAME}`.
    package static func read(
        file path: String,
        environment: (String) -> String?,
        findings: Findings,
        limits: Limits = Limits()
    ) -> ConfigNode? {
        do throws(Refusal) {
            let text = try TextFile.readStream(path, limit: limits.bytes)
            return Self.read(yaml: text, file: path, environment: environment, findings: findings, limits: limits)
        } catch {
            let isAbsent = !FileManager.default.fileExists(atPath: path)
            let hint = isAbsent ? "name it with -c FILE" : error.hint
            let what = "the configuration file \(error.what ?? "cannot be read")"
            findings.report(what, at: Place(file: path), hint: hint)
            return nil
        }
    }

    /// Reads YAML text. An empty text is an empty map.
    ///
    /// - Parameter file: the name its places carry.
    package static func read(
        yaml: String,
        file: String,
        environment: (String) -> String?,
        findings: Findings,
        limits: Limits = Limits()
    ) -> ConfigNode? {
        guard var text = YAMLText(yaml, file: file, findings: findings) else { return nil }
        while true {
            do {
                let parser = try Yams.Parser(yaml: text.prepared, resolver: .basic, encoding: .utf8)
                // The parser owns the anchors of its nodes.
                return try withExtendedLifetime(parser) {
                    guard let root = try parser.singleRoot() else {
                        return ConfigNode(.map([]), at: Place(file: file, line: 1, column: 1))
                    }
                    return withoutActuallyEscaping(environment) { environment in
                        var tree = YAMLTree(text, file, limits, findings, environment)
                        // A file with a password, given as the configuration, must not be shown.
                        let root = tree.convert(root, isSecret: root.scalar != nil)
                        guard case .scalar = root.content else { return root.content == .broken ? nil : root }
                        let what = "this file holds a text, and no keys with values"
                        findings.report(what, at: root.place, hint: "name the configuration file with -c FILE")
                        return nil
                    }
                }
            } catch YamlError.duplicatedKeysInMapping(let keys, let context)
                where text.rename(key: keys.first ?? "", line: context.mark.line, column: context.mark.column)
            {
                continue
            } catch {
                Self.report(error, of: text, file: file, findings: findings)
                return nil
            }
        }
    }

    private static func report(_ error: any Error, of text: YAMLText, file: String, findings: Findings) {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
            if let cause = YAMLMistake(problem, context, text, mark) {
                let place = Place(file: file, line: cause.line, column: cause.column)
                return findings.report("this is not YAML: \(cause.what)", at: place, hint: cause.hint)
            }
            let place = Place(file: file, line: mark.line, column: mark.column)
            let doing = context.map { " \($0.text)" } ?? ""
            findings.report("this is not YAML: \(problem)\(doing)", at: place, hint: Self.hint(problem, text, mark))
        case .composer(_, _, let mark, _):
            let place = Place(file: file, line: mark.line, column: mark.column)
            findings.report("a second document starts here", at: place, hint: "one file holds one configuration")
        case .duplicatedKeysInMapping(let keys, let context):
            let place = Place(file: file, line: context.mark.line, column: context.mark.column)
            let key = quoted(text.restored(keys.first ?? ""))
            findings.report("the key \(key) is given more than once in its map", at: place)
        default:
            findings.report("this is not YAML", at: Place(file: file))
        }
    }

    private static func hint(_ problem: String, _ text: YAMLText, _ mark: Mark) -> String? {
        let found = text.scalar(line: mark.line, column: mark.column)
        if found == "\t" { return "indent with spaces, not with a tab" }
        if problem.contains("incompatible YAML") { return "remove the line; this is YAML 1.1" }
        if problem.contains("mapping values are not allowed") { return "put a value that holds \": \" in quotes" }
        if found == ":" { return "put a value that starts with a colon in quotes" }
        if problem.contains("did not find expected") { return "check the indentation and the brackets before it" }
        return problem.contains("cannot start any token") ? "put the value in quotes" : nil
    }
}
