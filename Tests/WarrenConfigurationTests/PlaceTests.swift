// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenConfiguration

@Suite struct PlaceTests {
    @Test func printsFileLineAndColumn() {
        #expect(Place(file: "warren.yaml", line: 3, column: 7).description == "warren.yaml:3:7")
        #expect(Place(file: "warren.yaml").description == "warren.yaml")
        #expect(Place(argument: "-F", position: 2).description == "-F")
    }

    @Test func printsProblemsWithTheirHint() {
        let place = Place(file: "a.yaml", line: 1, column: 2)
        #expect(Problem("wrong", at: place).description == "a.yaml:1:2: wrong")
        #expect(Problem("wrong", at: place, hint: "mend it").description == "a.yaml:1:2: wrong; mend it")
    }

    @Test func collectsInTheOrderOfThePlaces() {
        let findings = Findings()
        findings.report("e", at: Place(argument: "-L 10", position: 9))
        findings.report("d", at: Place(argument: "-L 2", position: 1))
        findings.report("c", at: Place(file: "a", line: 10, column: 1))
        findings.report("b", at: Place(file: "a", line: 2, column: 9))
        findings.report("b again", at: Place(file: "a", line: 2, column: 9))
        findings.report("a", at: Place(file: "a", line: 2, column: 1))
        #expect(findings.problems.map(\.what) == ["a", "b", "b again", "c", "d", "e"])
        #expect(throws: ConfigurationFailure.self) { try findings.check() }
        #expect(throws: Never.self) { try Findings().check() }
    }

    @Test(
        "finds the nearest word",
        arguments: [
            ("lisen", "listen"), ("lsiten", "listen"), ("password-file", "passwordFile"), ("Server", "server"),
            ("zzzzzz", nil), ("", nil),
        ] as [(String, String?)]
    )
    func findsTheNearestWord(word: String, nearest: String?) {
        #expect(Nearest.word(to: word, among: ["listen", "server", "passwordFile"]) == nearest)
    }

    @Test func listsAllWordsIfNoneIsNear() {
        #expect(Nearest.hint("key", for: "zzzzzz", among: ["b", "a"]) == "known keys: a, b")
        #expect(Nearest.hint("key", for: "zzzzzz", among: []) == nil)
    }

    @Test func countsEdits() {
        #expect(Nearest.edits(from: Array("ab"), to: Array("ba")) == 1)
        #expect(Nearest.edits(from: Array("kitten"), to: Array("sitting")) == 3)
        #expect(Nearest.edits(from: [], to: Array("abc")) == 3)
    }

    @Test func quotesOnOneShortLine() {
        #expect(quoted("http://alice:secret@host:1") == "\"http://…@host:1\"")
        #expect(quoted("alice:se@cret@host:1") == "\"…@host:1\"" && quoted("alice@host") == "\"…@host\"")
        #expect(quoted("a\nb\u{1B}[0m") == "\"a\u{FFFD}b\u{FFFD}[0m\"")
        #expect(quoted(String(repeating: "x", count: 61)) == "\"\(String(repeating: "x", count: 60))…\"")
    }
}
