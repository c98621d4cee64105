// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import Warren
import WarrenCore

@Suite struct ExposureTests {
    /// An exposure, and what it has decided.
    private struct Rig {
        private final class Verdicts: Sendable {
            let all = Mutex<[Exposure.Verdict]>([])
        }

        let exposure: Exposure
        private let verdicts = Verdicts()

        init(_ name: String) {
            self.exposure = Exposure(name) { [verdicts] verdict in verdicts.all.withLock { $0.append(verdict) } }
        }

        var decided: [Exposure.Verdict] { self.verdicts.all.withLock { $0 } }

        /// Nil where it is served, or nothing is known.
        var refusal: String? {
            guard case .refused(let sentence)? = self.decided.first else { return nil }
            return sentence
        }
    }

    private static func grant(_ name: String, _ port: UInt16 = 443) -> Grant {
        Grant(.service(name: name, port: port))
    }

    @Test(
        "what is granted covers what is asked for, or does not",
        arguments: [
            ("a.test", "a.test", true), ("A.test.", "a.test", true), ("www.a.test", "a.test", true),
            ("ba.test", "a.test", false), ("a.test", "www.a.test", false), ("a.test", "*.a.test", false),
            ("www.a.test", "*.a.test", true), ("*.a.test", "*.a.test", true), ("*.a.test", "a.test", true),
            ("*.a.test", "b.test", false), ("*", "a.test", true), ("bücher.test", "xn--bcher-kva.test", true),
        ])
    func names(asked: String, granted: String, isCovered: Bool) {
        let rig = Rig(asked)
        rig.exposure.taken(.whole)
        rig.exposure.granted(Self.grant(granted))
        #expect(rig.decided == (isCovered ? [.served] : []))
        rig.exposure.settle()
        #expect(rig.decided.count == 1)
        #expect((rig.refusal == nil) == isCovered)
    }

    @Test func aPortIsCoveredByItselfAlone() {
        let rig = Rig("2222")
        rig.exposure.granted(Self.grant("2222.test"))
        rig.exposure.granted(Self.grant("", 2223))
        #expect(rig.decided == [])
        rig.exposure.granted(Self.grant("", 2222))
        #expect(rig.decided == [.served])
    }

    @Test func saysWhatIsGrantedInsteadAndHowToHaveTheOther() {
        let rig = Rig("www.test")
        rig.exposure.taken(.partial)
        rig.exposure.granted(Self.grant("a.test"))
        rig.exposure.granted(Self.grant("", 4000))
        rig.exposure.settle()
        #expect(
            rig.refusal
                == "the relay grants only a.test, port 4000 to this token, and not www.test; use a token for it"
                + " (warren token mproxy --name www.test), or end the other device that has it")
        let nothing = Rig("4000")
        nothing.exposure.settle()
        #expect(nothing.refusal?.hasPrefix("the relay grants nothing to this token, and not port 4000; ") == true)
        #expect(
            nothing.refusal?.hasSuffix(
                "(warren token mproxy --port 4000), or end the other device or program that has it, or name the port in ports: of the relay"
            ) == true)
    }

    @Test func aRelayThatListsNothingServesWhomItTakes() {
        let rig = Rig("www.test")
        rig.exposure.taken(.none)
        // Its yes comes before its tables have the name, and a no may follow.
        #expect(rig.decided == [])
        rig.exposure.settle()
        #expect(rig.decided == [.served])
    }

    @Test(
        "a refusal is told with its remedy, and without what a terminal would obey",
        arguments: [
            ("rejected by the peer: invalid token, E_INVALID_TOKEN", "(warren token mproxy --name www.test)"),
            ("rejected by the peer: all of it is another's, E_NAME_TAKEN", "another device has it"),
            (
                "rejected by the peer: none of its ports is free, E_PORT_TAKEN",
                "or another program on the relay's machine"
            ),
            (
                "rejected by the peer: this relay opens none of its ports, E_PORT_CLOSED",
                "name it in ports: of the relay"
            ),
            ("HTTP 404 \u{1B}[2J\n", "see whether --relay leads to"),
        ])
    func refusals(answer: String, remedy: String) {
        let rig = Rig("www.test")
        rig.exposure.refused(answer)
        #expect(rig.refusal?.hasPrefix("the relay does not serve www.test: \(answer.prefix(8))") == true)
        #expect(rig.refusal?.contains(remedy) == true)
        #expect(rig.refusal?.contains { $0 == "\u{1B}" || $0 == "\n" } == false)
        // What comes behind it changes nothing.
        rig.exposure.granted(Self.grant("www.test"))
        #expect(rig.decided.count == 1)
    }
}
