// SPDX-License-Identifier: Apache-2.0

package import WarrenConfiguration
import WarrenCore

/// The configuration of vproxy's WebSocksProxyAgent as one of ours.
package enum VProxyAgentFile {
    /// The longest file that is read.
    package static let longest = 1 << 20
    /// Where the password is to be, which stays out of a configuration.
    package static let passwordFile = "vproxy-agent.pw"

    /// A `warren.yaml` that does the same, as far as there is the same; what has no equal is a comment.
    ///
    /// - Throws: a ``Refusal`` whose sentence follows the path.
    package static func yaml(of text: String) throws(Refusal) -> String {
        let file: LooseJSON
        do throws(Refusal) { file = try LooseJSON(parsing: text) } catch {
            throw Refusal("is no configuration of an agent: \(error.what ?? "it cannot be read")")
        }
        guard let proxy = file["proxy"] else {
            throw Refusal("has no block proxy", hint: "name the file that vproxy's WebSocksProxyAgent is started with")
        }
        var draft = VProxyAgentDraft(agent: file["agent"] ?? .map([]))
        try draft.readLogin(proxy["auth"]?.text ?? "")
        for group in proxy["groups"]?.items ?? [] { try draft.read(group) }
        guard draft.hasServers else { throw Refusal("names no server in proxy.groups") }
        return try draft.yaml()
    }
}

/// What has been read so far.
private struct VProxyAgentDraft {
    let agent: LooseJSON
    private var user = ""
    private var outbounds: [String] = []
    /// Those of lists that keep off the proxy, which come before all others.
    private var exceptions: [String] = []
    private var rules: [String] = []
    /// Those of groups without a name come last.
    private var lastRules: [String] = []
    private var remarks: [String] = []
    private var groups: [String: [String]] = [:]
    /// Outbounds by the first part of their names.
    private var counts: [String: Int] = [:]

    init(agent: LooseJSON) { self.agent = agent }

    var hasServers: Bool { !self.outbounds.isEmpty }

    private func isOn(_ key: String, else usual: Bool = false) -> Bool {
        self.agent[key]?.text.map { $0 == "true" } ?? usual
    }

    // MARK: Reading

    mutating func readLogin(_ auth: String) throws(Refusal) {
        let parts = auth.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let user = parts.first?.filter({ !$0.isWhitespace }), !user.isEmpty else {
            throw Refusal("has no user and password in proxy.auth", hint: "write auth = user:password there")
        }
        self.user = user
    }

    mutating func read(_ group: LooseJSON) throws(Refusal) {
        let name = group["name"]?.text ?? "DEFAULT"
        for server in group["servers"]?.texts ?? [] { try self.readServer(server, of: name) }
        let outbounds = self.groups[name] ?? []
        let isLast = name == "DEFAULT"
        for rule in group["no-proxy"]?.texts ?? [] {
            if let match = self.match(rule) { self.exceptions.append("{ \(match), to: direct }") }
        }
        for rule in group["domains"]?.texts ?? [] {
            guard let match = self.match(rule), let first = outbounds.first else { continue }
            let balance = outbounds.count > 1 ? ", balance: roundRobin" : ""
            let to = outbounds.count > 1 ? "[\(outbounds.joined(separator: ", "))]" : first
            let line = "{ \(match), to: \(to)\(balance) }"
            if isLast { self.lastRules.append(line) } else { self.rules.append(line) }
        }
        if group["resolve"]?.texts.isEmpty == false {
            self.remarks.append("resolve of the group \(name): left out; the server looks up all names that go to it")
        }
    }

    private mutating func readServer(_ text: String, of group: String) throws(Refusal) {
        let known = [
            "websocks://", "websockss://", "websocks:kcp://", "websockss:kcp://", "websocks:uot:kcp://",
            "websockss:uot:kcp://",
        ]
        guard let scheme = known.first(where: { text.hasPrefix($0) }),
            let target = try? Target(parsing: String(text.dropFirst(scheme.count)), defaultPort: nil)
        else { throw Refusal("names a server that is none: \(quoted(text))", hint: "write websockss://host:port") }
        let word = Self.word(group)
        let name = "\(word)-\((self.counts[word] ?? 0) + 1)"
        self.counts[word, default: 0] += 1
        self.groups[group, default: []].append(name)
        if scheme.contains("uot") {
            self.remarks.append(
                "\(name): reached over TCP in the place of UDP over TCP; the server has both on one port")
        }
        var keys = ["name: \(name)", "type: websocks", "server: \(Self.yaml(target.description))"]
        if scheme.contains(":kcp"), !scheme.contains("uot") { keys.append("carrier: kcp") }
        keys += ["user: \(Self.yaml(self.user))", "passwordFile: \(VProxyAgentFile.passwordFile)"]
        if scheme.hasPrefix("websockss") { keys.append(self.tls) }
        if self.isOn("strict") { keys.append("strict: true") }
        let pool = min(max(self.agent["pool"]?.text.flatMap { Int($0) } ?? 10, 0), 64)
        if pool > 0 { keys.append("pool: \(pool)") }
        self.outbounds.append("{ \(keys.joined(separator: ", ")) }")
    }

    private var tls: String {
        if !self.isOn("cert.verify", else: true) { return "tls: { verify: false }" }
        return self.agent["cacerts.path"] == nil ? "tls: true" : "tls: { ca: cacerts.pem }"
    }

    /// What a rule compares in the words of ours; nil, and a remark, where there are none.
    private mutating func match(_ rule: String) -> String? {
        if rule.hasPrefix(":"), let port = UInt16(rule.dropFirst()), port > 0 { return "port: \(port)" }
        if let address = IPAddress(rule) { return "host: \(Self.yaml("\(address)"))" }
        let isPattern = rule.hasPrefix("/") && rule.hasSuffix("/") && rule.count > 1
        let suffix = isPattern ? Self.suffix(of: rule.dropFirst().dropLast()) : rule.drop { $0 == "." }
        guard !rule.hasPrefix("["), let suffix, let name = HostName(String(suffix)), !name.endsInNumber else {
            self.remarks.append("the rule \(rule) has no equal here: it is left out")
            return nil
        }
        // A name of one label could be a word of ours.
        let own = name.text.contains(".") ? name.text : name.text + "."
        return "host: [\(Self.yaml(own)), \(Self.yaml("*.\(name.text)"))]"
    }

    /// Of patterns such as `.*example\.net` that only ask for an end.
    private static func suffix(of pattern: Substring) -> Substring? {
        var rest = pattern
        if rest.hasSuffix("$") { rest = rest.dropLast() }
        for start in ["(.*\\.)?", ".*\\.", ".*"] where rest.hasPrefix(start) {
            let plain = rest.dropFirst(start.count).replacing("\\.", with: "\u{1}")
            guard plain.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "\u{1}" }) else { return nil }
            return plain.replacing("\u{1}", with: ".")
        }
        return nil
    }

    /// A name as entries have it.
    private static func word(_ text: String) -> String {
        let plain = text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return plain.isEmpty ? "group" : String(plain.prefix(40))
    }

    // MARK: Writing

    /// In quotes, so that it means nothing else.
    private static func yaml(_ text: String) -> String {
        let plain = text.filter { !$0.isNewline }.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"\(plain.replacing("$", with: "$$"))\""
    }

    func yaml() throws(Refusal) -> String {
        let inbounds = try self.inbounds()
        let rules = self.exceptions + self.rules + self.lastRules
        var lines = [
            "# Made of the configuration of a vproxy agent by warren import.",
            "# Write the password of proxy.auth into \(VProxyAgentFile.passwordFile), alone, and let nobody else read it.",
        ]
        lines += (self.remarks + self.missing()).map { "# - \($0.filter { !$0.isNewline })" }
        lines += ["", "inbounds:"] + inbounds.map { "  - \($0)" }
        lines += ["", "outbounds:"] + self.outbounds.map { "  - \($0)" }
        if !rules.isEmpty { lines += ["", "# What no rule names goes direct."] }
        if !rules.isEmpty { lines += ["routes:"] + rules.map { "  - \($0)" } }
        lines += ["", "egress: { allow: [public, private] }    # what may go direct", ""]
        return lines.joined(separator: "\n")
    }

    private func inbounds() throws(Refusal) -> [String] {
        let host = self.isOn("gateway") ? "0.0.0.0" : "127.0.0.1"
        var inbounds: [String] = []
        for (key, type) in [("socks5.listen", "socks5"), ("httpconnect.listen", "http")] {
            guard let text = self.agent[key]?.text, text != "0" else { continue }
            guard let port = UInt16(text) else { throw Refusal("has no port in agent.\(key): \(quoted(text))") }
            let pac = inbounds.isEmpty ? try self.pac(host) : ""
            inbounds.append("{ name: \(type), type: \(type), listen: \"\(host):\(port)\"\(pac) }")
        }
        guard !inbounds.isEmpty else {
            throw Refusal("listens neither for SOCKS5 nor for HTTP", hint: "set agent.socks5.listen there")
        }
        return inbounds
    }

    /// The file for browsers, which tells them of the first inbound.
    private func pac(_ host: String) throws(Refusal) -> String {
        guard let text = self.agent["gateway.pac.listen"]?.text, text != "0" else { return "" }
        guard let port = UInt16(text) else { throw Refusal("has no port in agent.gateway.pac.listen: \(quoted(text))") }
        return ", pac: { listen: \"\(host):\(port)\" }"
    }

    /// What the agent has and we have not.
    private func missing() -> [String] {
        var missing: [String] = []
        for (key, what) in [
            ("ss.listen", "a shadowsocks server"), ("dns.listen", "a DNS server"),
        ] where self.agent[key]?.text.map({ $0 != "0" }) ?? false {
            missing.append("agent.\(key): left out, as there is no such inbound for \(what)")
        }
        if self.agent["tls-sni-erasure"] != nil { missing.append("agent.tls-sni-erasure: left out") }
        if self.agent["direct-relay", "enabled"]?.text == "true" { missing.append("agent.direct-relay: left out") }
        if self.agent["cacerts.path"] != nil, self.isOn("cert.verify", else: true) {
            missing.append("cacerts.pem: made of agent.cacerts.path by keytool -list -rfc -keystore FILE > cacerts.pem")
        }
        if self.isOn("gateway") { missing.append("agent.gateway: the inbounds are open to everybody who reaches them") }
        return missing
    }
}

extension HostName {
    /// No top-level domain is a number; rules take such a text for an address that is none.
    fileprivate var endsInNumber: Bool {
        self.text.split(separator: ".").last?.utf8.allSatisfy(\.isDigit) ?? true
    }
}
