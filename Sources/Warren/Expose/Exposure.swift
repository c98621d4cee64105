// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import WarrenCore

/// Finds out whether a relay serves the one name or port that a device was made for.
///
/// ```
/// waiting --a grant that covers it, or a while behind the yes of a relay that lists none--> served
///    |
///    +--refused, or nothing of what was granted covers it--> refused
/// ```
package final class Exposure: Sendable {
    package enum Verdict: Hashable, Sendable {
        case served
        /// In a sentence with a remedy.
        case refused(String)
    }

    private struct State {
        var isOver = false
        var granted: [Asked] = []
        /// The relay has taken the device, and says nothing of what it serves.
        var isSilent = false
    }

    /// A name or port in the form in which they are compared.
    fileprivate enum Asked: Hashable, CustomStringConvertible {
        case everything
        /// With all that is under it.
        case name(String)
        /// All that is under it alone.
        case under(String)
        case port(UInt16)

        var description: String {
            switch self {
            case .everything: "*"
            case .name(let name): name
            case .under(let name): "*.\(name)"
            case .port(let port): "port \(port)"
            }
        }
    }

    /// More of them make no sentence.
    private static let mostNamed = 3

    private let written: String
    private let asked: Asked?
    private let decide: @Sendable (Verdict) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - name: a name, `*.name`, `*` or a port.
    ///   - decide: called once at most, on any thread.
    package init(_ name: String, decide: @escaping @Sendable (Verdict) -> Void) {
        self.written = name
        self.asked = Asked(name)
        self.decide = decide
    }

    package var isDecided: Bool { self.state.withLock { $0.isOver } }

    package func granted(_ grant: Grant) {
        guard case .service(let name, let port) = grant.destination,
            let share = name.isEmpty ? .port(port) : Asked(name)
        else { return }
        guard self.asked.map({ share.covers($0) }) ?? false else {
            return self.state.withLock { if !$0.granted.contains(share) { $0.granted.append(share) } }
        }
        self.conclude(.served)
    }

    /// The relay has taken the device.
    package func taken(_ list: GrantList) { self.state.withLock { $0.isSilent = list == .none } }

    /// All has been granted that will be.
    package func settle() {
        let (granted, isSilent) = self.state.withLock { ($0.granted, $0.isSilent) }
        guard !isSilent else { return self.conclude(.served) }
        let named = granted.prefix(Self.mostNamed).map(\.description) + (granted.count > Self.mostNamed ? ["…"] : [])
        let what = named.isEmpty ? "nothing" : "only \(named.joined(separator: ", "))"
        self.conclude(
            .refused(
                "the relay grants \(what) to this token, and not \(self.called); use a token for it"
                    + " (warren token mproxy \(self.option)), or end the other \(self.holder) that has it\(self.orOpen)"
            ))
    }

    /// Who else may have it.
    private var holder: String { if case .port? = self.asked { "device or program" } else { "device" } }

    /// A relay opens no port that its operator has not named.
    private var orOpen: String {
        if case .port? = self.asked { ", or name the port in ports: of the relay" } else { "" }
    }

    /// - Parameter answer: the relay's.
    package func refused(_ answer: String) {
        let remedy =
            if answer.contains("E_NAME_TAKEN") {
                "another device has it: end that one, or choose another\(self.orOpen)"
            } else if answer.contains("E_PORT_TAKEN") {
                "another device has it, or another program on the relay's machine: end that one, or choose another"
            } else if answer.contains("E_PORT_CLOSED") {
                "name it in ports: of the relay, or choose one that stands there"
            } else if answer.hasPrefix("rejected by the peer") {
                "the token is of another secret, or has expired: make one (warren token mproxy \(self.option))"
            } else {
                "see whether --relay leads to a relay of type mproxy"
            }
        self.conclude(.refused("the relay does not serve \(self.called): \(answer.withoutControls); \(remedy)"))
    }

    private var called: String { self.asked?.description ?? self.written }

    private var option: String {
        guard case .port(let port)? = self.asked else { return "--name \(self.called)" }
        return "--port \(port)"
    }

    private func conclude(_ verdict: Verdict) {
        let isFirst = self.state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
        if isFirst { self.decide(verdict) }
    }
}

extension Exposure.Asked {
    fileprivate init?(_ text: String) {
        if let port = UInt16(text) {
            self = .port(port)
        } else if text == "*" {
            self = .everything
        } else {
            let isWildcard = text.hasPrefix("*.")
            guard let name = HostName(isWildcard ? String(text.dropFirst(2)) : text) else { return nil }
            self = isWildcard ? .under(name.text) : .name(name.text)
        }
    }

    /// Whether who has this has the other, too; some of it, where that is everything.
    fileprivate func covers(_ other: Self) -> Bool {
        switch (self, other) {
        case (.port(let own), .port(let port)): own == port
        case (.port, _), (_, .port): false
        case (.everything, _), (_, .everything): true
        case (.name(let own), .name(let name)), (.name(let own), .under(let name)):
            own == name || HostName(name)?.isUnder(own) ?? false
        case (.under(let own), .name(let name)): HostName(name)?.isUnder(own) ?? false
        case (.under(let own), .under(let name)): own == name || HostName(name)?.isUnder(own) ?? false
        }
    }
}

extension String {
    /// A peer's words, on one line.
    fileprivate var withoutControls: String {
        String(String.UnicodeScalarView(self.unicodeScalars.filter { $0.properties.generalCategory != .control }))
    }
}
