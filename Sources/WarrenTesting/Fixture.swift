// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Reads recorded sessions that lie beside the test that uses them.
public enum Fixture {
    /// Decodes `Fixtures/<name>.json` beside the calling file; `snake_case` keys become `camelCase`.
    ///
    /// - Parameter file: leave it out; it is the caller.
    public static func load<Value: Decodable>(
        _ name: String, as type: Value.Type = Value.self, beside file: String = #filePath
    ) throws -> Value {
        let url = URL(filePath: file).deletingLastPathComponent().appending(path: "Fixtures/\(name).json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(contentsOf: url))
    }
}
