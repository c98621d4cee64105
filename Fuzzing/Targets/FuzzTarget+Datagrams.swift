// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenSecureDatagrams

extension FuzzTarget {
    static let datagrams = [
        FuzzTarget("datagram-listener") { input in
            let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
            let address = SecureDatagrams.Address(IPAddress(v4: 0x7F00_0001), port: 1)
            for key in [SecureDatagrams.ListenerKey.shared(.init()), .pair(own: .init(), clients: [])] {
                var listener = SecureDatagrams.Listener(key: key, now: now)
                listener.input(ByteBuffer(bytes: input), from: address, now: now)
                if listener.poll(now: now) != nil { return "an answer to who has not the key" }
                if listener.nextEvent() != nil { return "an event by who has not the key" }
            }
            return nil
        },
        FuzzTarget("datagram-initiator") { input in
            let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
            var initiator = SecureDatagrams.Initiator(key: .shared(.init()), now: now)
            guard initiator.poll(now: now) != nil else { return "no request" }
            initiator.input(ByteBuffer(bytes: input), now: now)
            return initiator.state == .handshaking && initiator.nextEvent() == nil ? nil : "believes a stranger"
        },
        FuzzTarget("datagram-keys") { input in
            let text = String(decoding: input, as: UTF8.self)
            guard let key = try? SecureDatagrams.PublicKey(parsing: text) else { return nil }
            return (try? SecureDatagrams.PublicKey(parsing: key.text)) == key ? nil : "not read again: \(key.text)"
        },
    ]
}
