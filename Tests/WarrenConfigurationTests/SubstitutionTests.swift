// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenConfiguration

@Suite struct SubstitutionTests {
    private let environment = ["NAME": "value", "TREE": "{ a: 1 }", "EMPTY": "", "PORT": "80", "SECRET": "hunter2"]

    @Test(
        "fills in variables",
        arguments: [
            ("${NAME}", "value"), ("a${NAME}b${EMPTY}c", "avaluebc"), ("$${NAME}", "${NAME}"), ("$NAME", "$NAME"),
            ("5$", "5$"), ("$$$$", "$$"), ("${TREE}", "{ a: 1 }"), ("$$${NAME}", "$value"),
        ]
    )
    func fillsInVariables(text: String, filled: String) throws {
        #expect(try Substitution.fill(text, from: { self.environment[$0] }) == filled)
    }

    @Test("refuses what is not a variable", arguments: ["${", "${NAME", "${}", "${1A}", "${A B}", "${NONE}", "${é}"])
    func refusesWhatIsNotAVariable(text: String) {
        #expect(throws: Refusal.self) { try Substitution.fill(text, from: { self.environment[$0] }) }
    }

    @Test func isNeverParsedAgain() {
        let section = makeSection("a: ${TREE}\nb: ${EMPTY}\n${NAME}: 1\nport: ${PORT}\n", environment: self.environment)
        #expect(section.required("a", .string) == "{ a: 1 }")
        #expect(section.required("port", .port) == 80)
        #expect(section.required("b", .string) == nil)
        #expect(section.contains("${NAME}"))
        #expect(
            section.findings.lines == [
                "a.yaml:2:4: \"${EMPTY}\" is empty; expected a text; give the environment variable a value"
            ])
    }

    @Test func namesTheMissingVariableOnce() {
        let section = makeSection("a: 1\nport: x${NONE}\n")
        #expect(section.required("port", .port) == nil)
        #expect(
            section.findings.lines == [
                "a.yaml:2:7: \"x${NONE}\" needs the environment variable NONE, which is not set; set it and start again"
            ]
        )
    }

    @Test func neverPrintsWhatTheEnvironmentHolds() {
        let section = makeSection("port: ${SECRET}\nmode: ${SECRET}\nto: ${SECRET}\n", environment: self.environment)
        #expect(section.required("port", .port) == nil)
        #expect(section.required("mode", .oneOf(["a", "b"])) == nil)
        #expect(section.required("to", .target) == nil)
        #expect(section.findings.lines.count == 3)
        #expect(!section.findings.lines.contains { $0.contains("hunter2") })
    }
}
