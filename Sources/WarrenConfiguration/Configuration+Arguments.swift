// SPDX-License-Identifier: Apache-2.0

extension Configuration {
    /// The name of the outbound that the last `-F` gives.
    private static let forwardName = "forward"

    private static func name(_ index: Int, of count: Int) -> String {
        index == count - 1 ? Self.forwardName : "\(Self.forwardName)-\(index + 1)"
    }

    /// Reads the URLs of a command line: each of `-L` is an inbound or a relay, `-F` the outbound all inbounds go to. Several
    /// of `-F` are a chain, the nearest first: each is reached through the one before.
    ///
    /// `type[+tls]://host:port[/path][?key=value&…]`, with the keys of the file in camelCase or kebab-case, dots for
    /// keys under keys (`tls.server-name=…`), a repeated key for a list, and percent codes. A type that is both an
    /// inbound and a relay is a relay if it is written `type+relay://`. Paths start at the working directory.
    package init(listen: [String], forward: [String], types: EntryTypes, findings: Findings) {
        self.init()
        var outbounds: [Section] = []
        for (index, text) in forward.enumerated() {
            let option = forward.count == 1 ? "-F" : "-F \(index + 1)"
            let argument = URLArgument(option: option, position: listen.count + index, text: text)
            guard let url = argument.url(options: ["tls"], findings: findings) else { continue }
            var keys = [EntryURL.Item(key: "name", value: Self.name(index, of: forward.count))]
            if index > 0 { keys.append(EntryURL.Item(key: "through", value: Self.name(index - 1, of: forward.count))) }
            outbounds.append(argument.section(url, types.outbounds, keys: keys, findings: findings))
        }
        let keys = outbounds.isEmpty ? [] : [EntryURL.Item(key: "to", value: Self.forwardName)]
        var inbounds: [Section] = []
        var relays: [Section] = []
        for (index, text) in listen.enumerated() {
            let argument = URLArgument(option: "-L \(index + 1)", position: index, text: text)
            guard let url = argument.url(options: ["tls", "relay"], findings: findings) else { continue }
            let isInbound = types.inbounds.contains { $0.name == url.type }
            let isRelay = types.relays.contains { $0.name == url.type }
            if (isRelay && !isInbound) || url.options.contains("relay") {
                relays.append(argument.section(url, types.relays, keys: [], findings: findings))
            } else {
                inbounds.append(argument.section(url, types.inbounds, keys: keys, findings: findings))
            }
        }
        if listen.isEmpty {
            let place = Place(argument: "-L", position: 0)
            findings.report(
                "there is nothing to listen on", at: place, hint: "give one, such as -L mixed://127.0.0.1:1080")
        }
        self.readEntries(inbounds, outbounds, relays, types: types, findings: findings)
    }
}

/// One URL of the command line.
private struct URLArgument {
    let option: String
    let position: Int
    let text: String

    private var label: String { EntryURL.shown(self.text).map { "\(self.option) (\($0))" } ?? self.option }

    /// nil after a report.
    func url(options: [String], findings: Findings) -> EntryURL? {
        let place = Place(argument: self.label, position: self.position)
        do throws(Refusal) {
            let hint =
                self.option.hasPrefix("-F")
                ? "write ?user=NAME&password-file=FILE" : "write ?users.NAME.password-file=FILE"
            let url = try EntryURL(self.text, loginHint: hint)
            for option in url.options where !options.contains(option) {
                let hint = Nearest.hint("suffix", for: option, among: options)
                throw Refusal("the type has an unknown suffix +\(quoted(option).dropFirst().dropLast())", hint: hint)
            }
            return url
        } catch {
            findings.report(error.what ?? "this is not understood", at: place, hint: error.hint)
            return nil
        }
    }

    func section(_ url: EntryURL, _ types: [EntryType], keys: [EntryURL.Item], findings: Findings) -> Section {
        let type = types.first { $0.name == url.type }
        let node = url.node(type, keys: keys, label: self.label, position: self.position, findings: findings)
        return Section(node, folder: "", findings: findings)
    }
}
