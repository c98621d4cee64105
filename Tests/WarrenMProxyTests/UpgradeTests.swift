// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenMProxy

@Suite struct UpgradeTests {
    @Test(
        arguments: [
            ("/", nil, .node, nil), ("/ws?versions=v1", nil, .go, nil),
            ("/?access_token=a.b.c&x=/", nil, .node, "a.b.c"),
            ("/ws?access_token=a.b.c&versions=v1", "Bearer d.e.f", .go, "d.e.f"),
            ("/", "Basic eDphLmIuYw==", .node, "a.b.c"),
            ("/", "basic eDphLmIuYw", .node, "a.b.c"), ("/", "Basic eA==", .node, nil), ("/", "Basic ???", .node, nil),
            ("/", "bearer  a.b.c", .go, "a.b.c"), ("/", "Bearer", .go, nil), ("/?access_token=a%20b", nil, .node, nil),
            ("/?access_token=", nil, .node, nil), ("/?", "", .node, nil), ("", nil, .node, nil),
        ] as [(String, String?, MProxy.Dialect, String?)])
    func tellsTheDialectAndTheToken(target: String, authorization: String?, dialect: MProxy.Dialect, token: String?) {
        let upgrade = MProxy.Upgrade(target: target, authorization: authorization)
        #expect(upgrade.dialect == dialect)
        #expect(upgrade.token == token)
    }
}
