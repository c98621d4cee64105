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
                StdioInbound(destination, sessions: sessions, loops: around.loops) { fault in
                    around.hooks.onDone(fault.map { "the stream ended: \($0.rawValue)" })
                }
            }
        )
    }
}

extension OutboundType {
    static let stdio = OutboundType("stdio", authority: nil, exposure: nil, knowsTarget: true) { _, _ in
        .made(
            CustomOutboundDraft { around in
                StdioOutbound(name: around.name) { isWhole in
                    around.hooks.onDone(isWhole ? nil : "the stream was cut off")
                }
            }
        )
    }
}
