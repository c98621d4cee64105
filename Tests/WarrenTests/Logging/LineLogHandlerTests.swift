// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Testing

@testable import Warren

private let time = "2026-11-21T08:30:00.123Z"

private func text(_ metadata: Logger.Metadata, message: String = "stream") -> String {
    LineLogHandler(level: .info, format: .text).line(at: time, .info, message, metadata)
}

private func json(_ metadata: Logger.Metadata, message: String = "stream") -> String {
    LineLogHandler(level: .info, format: .json).line(at: time, .warning, message, metadata)
}

@Suite struct LineLogHandlerTests {
    @Test func writesOneLineOfWords() {
        #expect(text(["peer": "192.0.2.1:80"]) == "\(time) info stream peer=192.0.2.1:80\n")
        #expect(text([:]) == "\(time) info stream\n")
    }

    @Test func keysComeInTheOrderOfAStream() {
        let line = text([
            "zebra": "1", "reason": "finished", "inbound": "a", "bytesOut": "2", "bytesIn": "1", "apple": "0", "peer": "b",
        ])
        #expect(line == "\(time) info stream inbound=a peer=b bytesIn=1 bytesOut=2 reason=finished apple=0 zebra=1\n")
    }

    @Test(
        "a value that would fall apart is quoted",
        arguments: [
            ("", "\"\""), ("a b", "\"a b\""), ("a=b", "\"a=b\""), ("a\"b", "\"a\\\"b\""), ("a\\ b", "\"a\\\\ b\""),
            ("a\nb", "\"a\\nb\""), ("a\r\nb", "\"a\\r\\nb\""), ("a\tb", "\"a\\tb\""), ("\u{1B}[31m", "\"\\u001b[31m\""),
            ("\u{7F}", "\"\\u007f\""), ("\u{0}", "\"\\u0000\""), ("größe", "größe"),
        ]
    )
    func quotes(value: String, shown: String) {
        #expect(text(["user": "\(value)"]) == "\(time) info stream user=\(shown)\n")
    }

    @Test(
        "nothing that a terminal or a pager takes for a command or a line end passes",
        arguments: ["\u{9B}31m", "\u{85}", "\u{2028}", "\u{2029}", "\u{202E}"]
    )
    func hidesUnicodeControls(value: String) {
        let line = text(["user": "a\(value)b"])
        #expect(!line.unicodeScalars.contains { value.unicodeScalars.first == $0 })
    }

    @Test func hostileValuesCannotFakeALine() {
        let line = text(["destination": "x\n\(time) info stream inbound=fake", "peer": "a reason=fake"])
        #expect(line.split(separator: "\n").count == 1)
        #expect(line.contains("peer=\"a reason=fake\""))
    }

    @Test func jsonIsOneObjectPerLine() throws {
        let hostile = "\"\\\n\r\t\u{0}\u{1F}\u{7F}é😀"
        let line = json(["user": "\(hostile)", "bytesIn": .stringConvertible(42)], message: "it said \"no\"")
        #expect(line.hasSuffix("}\n"))
        #expect(line.split(separator: "\n").count == 1)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(object?["time"] as? String == time)
        #expect(object?["level"] as? String == "warning")
        #expect(object?["message"] as? String == "it said \"no\"")
        #expect(object?["user"] as? String == hostile)
        #expect(object?["bytesIn"] as? Int == 42)
    }

    @Test func keepsItsOwnMetadata() {
        var handler = LineLogHandler(level: .info, format: .text)
        handler[metadataKey: "inbound"] = "a"
        #expect(handler[metadataKey: "inbound"] == "a")
        #expect(handler.logLevel == .info)
    }
}
