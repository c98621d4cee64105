// SPDX-License-Identifier: Apache-2.0

extension Configuration {
    /// As places name it.
    package static let standardInput = "standard input"

    /// Reads standard input as if it were a file; relative paths in it start at the working directory.
    package init(standardInputFor types: EntryTypes, environment: (String) -> String?, findings: Findings) {
        do throws(Refusal) {
            self.init(
                yaml: try TextFile.readStandardInput(limit: ConfigNode.Limits().bytes), name: Self.standardInput,
                types: types, environment: environment, findings: findings)
        } catch {
            self.init()
            let what = "the configuration \(error.what ?? "cannot be read")"
            findings.report(what, at: Place(file: Self.standardInput), hint: error.hint)
        }
    }
}
