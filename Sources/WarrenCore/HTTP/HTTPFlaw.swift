// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a head of HTTP/1. Whoever reads one says it in the words of its own protocol.
package enum HTTPFlaw: Error, Hashable {
    /// Its first bytes can become no head.
    case notHTTP
    case tooLarge
    /// A line ends in LF without CR.
    case bareLineFeed
    /// A CR that ends no line.
    case loneReturn
    case controlCharacter
    /// A field goes on in the next line.
    case folded
    /// A line that is not `name: value`.
    case noField
}
