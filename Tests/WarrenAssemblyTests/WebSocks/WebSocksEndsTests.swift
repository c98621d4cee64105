// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenConfiguration
import WarrenRuntime

@testable import WarrenAssembly

/// How connections in TLS end.
@Suite struct WebSocksEndsTests {
    @Test(
        "vproxy's programs announce no end and bear none, unless the file says that none may be missing",
        arguments: [(nil, .bareBefore13), (true, .bare), (false, .announced)] as [(Bool?, TLSEnds)])
    func webSocks(allowsTruncation: Bool?, ends: TLSEnds) {
        var settings = self.settings
        settings.allowsTruncation = allowsTruncation
        settings.carriesWebSocks()
        #expect(settings.ends == ends)
    }

    @Test(
        "everybody else announces ends",
        arguments: [(nil, .announced), (true, .taken), (false, .announced)] as [(Bool?, TLSEnds)])
    func others(allowsTruncation: Bool?, ends: TLSEnds) {
        var settings = self.settings
        settings.allowsTruncation = allowsTruncation
        #expect(settings.ends == ends)
    }

    private var settings: TLSSettings {
        TLSSettings(
            certificate: nil, key: nil, authority: nil, serverName: nil, verifies: true, role: .client,
            place: Place(file: "warren.yaml"))
    }
}
