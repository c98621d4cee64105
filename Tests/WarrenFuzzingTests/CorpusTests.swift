// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenFuzzing

/// Every input that fuzzing starts from or has found, once more: `Fixtures/TARGET/NAME`.
@Suite(.timeLimit(.minutes(2))) struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    @Test("holds for its corpus, for nothing and for one byte", arguments: FuzzTarget.all.map(\.name))
    func holds(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let files = try FileManager.default.contentsOfDirectory(
            at: Self.folder.appending(path: name), includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let complaint = target.judge(try Array(Data(contentsOf: file)))
            #expect(complaint == nil, "\(file.lastPathComponent)")
        }
        for input in [[]] + (0...255).map({ [UInt8($0)] }) { #expect(target.judge(input) == nil, "\(input)") }
    }
}
