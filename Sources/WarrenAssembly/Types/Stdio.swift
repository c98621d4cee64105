// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime

// The process's own input and output: for one stream, and the program ends with it.

extension InboundType {
    static let stdio = InboundType("stdio", authority: nil, path: "target", exposure: "") { entry, _ in
        let target = entry.section.optional("target", .target)
        let destination = target.map { Destination.tcp($0.host, port: $0.port) } ?? .fixed
        return .part(
            DialledInboundDraft(isTrusted: true, needsTarget: !entry.section.contains("target")) { around, sessions in
                let hooks = around.hooks
                let sentence: @Sendable (StreamFault) -> String = { fault in
                    hooks.faultMeans(fault)
                        ?? (fault == .refused
                            ? "the far end refused the stream" : "the stream ended: \(fault.rawValue)")
                }
                return StdioInbound(
                    destination, sessions: sessions, loops: around.loops,
                    beforeEnd: { hooks.beforeEnd(sentence($0)) }, onDone: { hooks.onDone($0.map(sentence)) })
            }
        )
    }
}

extension OutboundType {
    static let stdio = OutboundType("stdio", authority: nil, exposure: nil, knowsTarget: true) { _, _ in
        .made(
            CustomOutboundDraft { around in
                let cutOff = "the stream was cut off"
                return StdioOutbound(name: around.name, beforeEnd: { around.hooks.beforeEnd(cutOff) }) { isWhole in
                    around.hooks.onDone(isWhole ? nil : cutOff)
                }
            }
        )
    }
}
