// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct ForwardMachineTests {
    @Test(
        "a target that cannot be had resets the user: an orderly end would be an empty answer",
        arguments: [
            StreamFault.refused, .unreachable, .unknownHost, .timedOut, .notAllowed, nil,
        ])
    func resetsTheUser(_ fault: StreamFault?) {
        var driver = ProxyServerDriver(ForwardMachine(target: .tcp(Host("a"), port: 1)))
        driver.pull()
        driver.refuse(fault)
        driver.refuse(fault)
        #expect(driver.take() == [.open("a", 1), .close(.cutOff(fault ?? .failed))])
    }

    @Test func handsOver() {
        var driver = ProxyServerDriver(ForwardMachine(target: .tcp(Host("a"), port: 1)))
        driver.pull()
        driver.receive("early")
        driver.accept()
        driver.refuse(.refused)
        #expect(driver.take() == [.open("a", 1), .handOver("early")])
    }

    @Test("the session resets its carrier for it")
    func resetsTheCarrier() {
        let rig = SessionRig()
        rig.script.says(.close(.cutOff(.refused)))
        rig.receive("x")
        #expect(rig.carrier.take().last == .end(.aborted))
        #expect(rig.owner.events.last == .ended(.cutOff(.refused)))
    }
}
