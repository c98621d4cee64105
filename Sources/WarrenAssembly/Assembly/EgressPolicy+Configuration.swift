// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime

extension EgressPolicies {
    /// The policies of an `egress:` block.
    init(_ egress: Configuration.Egress, _ findings: Findings) {
        self.init(
            EgressPolicy(egress, findings), users: egress.users.mapValues { EgressPolicy($0, findings) })
    }
}

extension EgressPolicy {
    /// The policy of a block; only public addresses where it does not say otherwise.
    init(_ egress: Configuration.Egress, _ findings: Findings) {
        func rules(_ texts: [Located<String>]?) -> [EgressRule]? {
            texts?.compactMap { text in
                do throws(EgressRule.ParseError) {
                    return try EgressRule(text.value)
                } catch {
                    let nearest = error.word.flatMap { Nearest.word(to: $0, among: EgressRule.words) }
                    let sentence = "\(error)"
                    let what = sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence
                    findings.report(what, at: text.place, hint: nearest.map { "nearest: \($0)" })
                    return nil
                }
            }
        }
        self.init(allow: rules(egress.allow) ?? [.public], deny: rules(egress.deny) ?? [])
    }
}

extension Configuration.Egress {
    func of(_ user: String?) -> Configuration.Egress { user.flatMap { self.users[$0] } ?? self }

    /// What it says of an address, with the line that decides.
    ///
    /// - Parameter name: what the client called the host.
    func verdict(on address: IPAddress, port: UInt16, name: String?) -> String {
        let policy = EgressPolicy(self, Findings())
        switch policy.judge(address, port: port, name: name) {
        case .refused(let refusal):
            let place = self.deny?.first { (try? EgressRule($0.value)) == refusal.rule }?.place
            return "egress refuses \(refusal)" + (place.map { " at \($0)" } ?? "")
        case .allowed:
            let rule = self.allow?.first { text in
                guard let rule = try? EgressRule(text.value) else { return false }
                return EgressPolicy(allow: [rule]).judge(address, port: port, name: name) == .allowed
            }
            let target = Destination.tcp(.address(address), port: port)
            let why = rule.map { "by \($0.value) at \($0.place)" } ?? "as a public address"
            return "egress allows \(target) \(why)"
        }
    }
}
