// SPDX-License-Identifier: Apache-2.0

import WarrenRuntime

extension EgressPolicy {
    /// The policy of an `egress:` block; only public addresses where it does not say otherwise.
    init(_ egress: Configuration.Egress, _ findings: Findings) {
        func rules(_ texts: [Located<String>]?) -> [EgressRule]? {
            texts?.compactMap { text in
                do throws(EgressRule.ParseError) {
                    return try EgressRule(text.value)
                } catch {
                    let nearest = error.word.flatMap { Nearest.word(to: $0, among: EgressRule.words) }
                    findings.report("\(error)", at: text.place, hint: nearest.map { "nearest: \($0)" })
                    return nil
                }
            }
        }
        self.init(allow: rules(egress.allow) ?? [.public], deny: rules(egress.deny) ?? [])
    }
}
