// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime

extension OutboundType {
    static let direct = OutboundType("direct", authority: nil, exposure: nil) { entry, _ in
        var draft = DirectDraft()
        if let text = entry.section.optional("bind", .string) {
            draft.bind = IPAddress(text)
            if draft.bind == nil {
                let hint = "write an IP address of this machine"
                entry.section.report("\(quoted(text)) is not an address", at: "bind", hint: hint)
            }
        }
        draft.prefersIPv4 = entry.section.value("prefer", .oneOf(["ipv4", "ipv6"]), default: "ipv6") == "ipv4"
        return .direct(draft)
    }
}
