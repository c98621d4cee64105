// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenConfiguration

/// The blocks of a PEM file, whatever text stands around them.
///
/// Read here and not by the TLS library, so that each kind of file that does not work is told apart, and the common
/// variants (old labels, a key beside its certificates, text between blocks) work.
struct PEMFile {
    struct Block: Hashable {
        /// What stands after BEGIN.
        let label: String
        /// DER, if the block is not encrypted.
        let bytes: [UInt8]
        /// A header says that the content is encrypted.
        let isEncrypted: Bool
    }

    private static let longest = 4 << 20
    let blocks: [Block]
    private static let dashes = "-----"

    /// - Throws: a ``Refusal`` whose sentence follows the path.
    init(path: String) throws(Refusal) {
        let data = try NamedFile.read(path, limit: Self.longest)
        try TextFile.refuseUTF16(data)
        try self.init(text: String(decoding: data, as: UTF8.self))
    }

    /// - Throws: a ``Refusal`` whose sentence follows the name of the file.
    init(text: String) throws(Refusal) {
        var blocks: [Block] = []
        var open: (label: String, body: String, isEncrypted: Bool)?
        let ignored = CharacterSet.whitespaces.union(CharacterSet(charactersIn: "\u{FEFF}"))
        for raw in text.split(whereSeparator: \.isNewline) {
            let line = raw.trimmingCharacters(in: ignored)
            if let label = Self.label(of: line, "BEGIN") {
                guard open == nil else { throw Self.damaged(open?.label ?? label) }
                open = (label, "", false)
            } else if let label = Self.label(of: line, "END") {
                guard let block = open else { continue }
                guard block.label == label else { throw Self.damaged(block.label) }
                blocks.append(try Self.block(block.label, block.body, block.isEncrypted))
                open = nil
            } else if line.contains(":") {
                if line.hasPrefix("Proc-Type:"), line.contains("ENCRYPTED") { open?.isEncrypted = true }
            } else {
                open?.body += line
            }
        }
        if let open { throw Self.damaged(open.label) }
        self.blocks = blocks
    }

    private static func label(of line: String, _ word: String) -> String? {
        let start = "\(Self.dashes)\(word) "
        guard line.hasPrefix(start), line.hasSuffix(Self.dashes), line.count > start.count + Self.dashes.count else {
            return nil
        }
        return String(line.dropFirst(start.count).dropLast(Self.dashes.count))
    }

    private static func block(_ label: String, _ body: String, _ isEncrypted: Bool) throws(Refusal) -> Block {
        guard !isEncrypted else { return Block(label: label, bytes: [], isEncrypted: true) }
        guard let data = Data(base64Encoded: body), !data.isEmpty else { throw Self.damaged(label) }
        return Block(label: label, bytes: Array(data), isEncrypted: false)
    }

    private static func damaged(_ label: String) -> Refusal {
        Refusal("holds a damaged or cut off block \(quoted(label))", hint: "copy the file anew")
    }
}

extension PEMFile {
    /// The certificates as DER, in their order; one that is repeated right away counts once.
    var certificates: [[UInt8]] {
        var found: [[UInt8]] = []
        for block in self.blocks {
            let bytes: [UInt8]
            switch block.label {
            case "CERTIFICATE", "X509 CERTIFICATE": bytes = block.bytes
            // OpenSSL's own kind: the certificate, and behind it what it is trusted for.
            case "TRUSTED CERTIFICATE": bytes = Self.firstElement(of: block.bytes)
            default: continue
            }
            if found.last != bytes { found.append(bytes) }
        }
        return found
    }

    /// The private key as DER.
    ///
    /// - Throws: a ``Refusal`` whose sentence follows the name of the file.
    func privateKey() throws(Refusal) -> Block {
        let keys = self.blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard let key = keys.first else {
            let others = self.blocks.map(\.label).prefix(3).joined(separator: ", ")
            let what = others.isEmpty ? "holds no private key" : "holds no private key, only \(others)"
            throw Refusal(what, hint: "name the PEM file with the key")
        }
        guard !key.isEncrypted, key.label != "ENCRYPTED PRIVATE KEY" else {
            let hint = "write it without a passphrase (openssl pkey -in OLD -out NEW) and with mode 600"
            throw Refusal("holds an encrypted private key, for whose passphrase nobody can be asked", hint: hint)
        }
        return key
    }

    /// The bytes of the first DER element; all of them if that is not to be told.
    static func firstElement(of bytes: [UInt8]) -> [UInt8] {
        var rest = bytes.dropFirst()
        guard let first = rest.popFirst() else { return bytes }
        var length = Int(first)
        var header = 2
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...4).contains(count), rest.count >= count else { return bytes }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            header += count
        }
        return header + length <= bytes.count ? Array(bytes.prefix(header + length)) : bytes
    }
}
