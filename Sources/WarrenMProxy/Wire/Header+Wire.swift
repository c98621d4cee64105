// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension MProxy {
    /// How headers are read.
    public enum Reading: Hashable, Sendable {
        /// What no deployed program writes is refused: fewer than 5 fields, lengths that are not 1 to 10 digits, control
        /// characters, addresses and services too long to be repeated.
        case strict
        /// What the deployed codec (proxy-packer 2.0.4) takes: any number of fields, any version, the leading digits of a length.
        case deployed
    }
}

// MARK: Reading

extension ByteBuffer {
    /// Reads `FE | length u8 | text`, where the text is `family,address,port,datalen,service,serviceport,name[,real service]`.
    ///
    /// - Returns: nil while incomplete; nothing has been consumed then.
    /// - Throws: ``WireError`` `.badMagic` for another version, and what the fields are refused for.
    mutating func readMProxyHeader(
        _ reading: MProxy.Reading, _ limits: MProxy.Unpacker.Limits, isExtended: Bool,
        _ memory: inout MProxy.HeaderMemory
    ) throws(WireError) -> MProxy.Header? {
        guard let version = self.getInteger(at: self.readerIndex, as: UInt8.self) else { return nil }
        guard version == MProxy.version || reading == .deployed
        else { throw WireError(.badMagic, in: "frame.version", found: "\(version)") }
        guard let length = self.getInteger(at: self.readerIndex + 1, as: UInt8.self),
            let view = self.viewBytes(at: self.readerIndex + 2, length: Int(length))
        else { return nil }
        if let header = memory.recall(view), header.length <= limits.data {
            self.moveReaderIndex(forwardBy: 2 + Int(length))
            return header
        }
        let header = try MProxy.Header(text: view, reading, limits, isExtended: isExtended)
        memory.keep(header, view)
        self.moveReaderIndex(forwardBy: 2 + Int(length))
        return header
    }
}

extension MProxy.Header {
    private static let leastFields = 5

    init(
        text: ByteBufferView, _ reading: MProxy.Reading, _ limits: MProxy.Unpacker.Limits, isExtended: Bool
    ) throws(WireError) {
        let isGo = text.suffix(2).elementsEqual([UInt8(ascii: ","), UInt8(ascii: "\n")])
        var fields = Fields(rest: isGo ? text.dropLast(2) : text, reading: reading)
        let source = try MProxy.Address(
            family: fields.next("header.family"), address: fields.next("header.address"),
            port: fields.next("header.port"))
        let digits = try fields.next("header.datalen")
        let service = try fields.next("header.service")
        guard reading == .deployed || fields.count >= Self.leastFields
        else { throw WireError(.tooShort, in: "header", found: "\(fields.count) fields") }
        let kind = Kind(service: service, isExtended: isExtended)
        let length =
            switch reading {
            case .strict: try Self.length(digits)
            case .deployed: Self.leadingLength(digits)
            }
        let most = limits.most(kind)
        guard length <= most else { throw WireError(.tooLong, in: "header.datalen", found: "\(length) > \(most)") }
        self.init(
            kind, source, length: length, service: kind == .data ? service : "",
            servicePort: try fields.next("header.serviceport"), name: try fields.next("header.name"), isGo: isGo)
        if kind == .connection { self.service = try fields.next("header.connection") }
        if reading == .strict { try self.checkSizes() }
    }

    /// So that whatever repeats these texts fits into a header.
    private func checkSizes() throws(WireError) {
        guard self.source.byteCount <= MProxy.Address.mostBytes
        else { throw WireError(.tooLong, in: "header.address", found: "\(self.source.byteCount) bytes") }
        guard self.service.utf8.count <= Self.mostService
        else { throw WireError(.tooLong, in: "header.service", found: "\(self.service.utf8.count) bytes") }
    }

    /// 1 to 10 decimal digits.
    private static func length(_ text: String) throws(WireError) -> Int {
        guard text.utf8.count <= 10, let length = text.utf8.decimal
        else {
            throw WireError(.badValue, in: "header.datalen", found: "\(text.utf8.count) characters, not 1 to 10 digits")
        }
        return length
    }

    /// What JavaScript's `parseInt` makes of it, and nothing (0) where that is no number or a negative one.
    private static func leadingLength(_ text: String) -> Int {
        var rest = text.utf8.drop { $0 == UInt8(ascii: " ") || (9...13).contains($0) }
        if rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        let digits = rest.prefix(while: \.isDigit)
        if digits.isEmpty { return 0 }
        return Int(String(decoding: digits, as: UTF8.self)) ?? .max
    }
}

/// The texts between commas; there is no way to write a comma within one.
private struct Fields {
    var rest: ByteBufferView?
    let reading: MProxy.Reading
    private(set) var count = 0

    init(rest: ByteBufferView, reading: MProxy.Reading) {
        self.rest = rest
        self.reading = reading
    }

    /// The next one; empty if there are no more.
    mutating func next(_ field: String) throws(WireError) -> String {
        guard let rest else { return "" }
        self.count += 1
        let text: ByteBufferView
        if let comma = rest.firstIndex(of: UInt8(ascii: ",")) {
            text = rest[..<comma]
            self.rest = rest[rest.index(after: comma)...]
        } else {
            text = rest
            self.rest = nil
        }
        guard self.reading == .strict else { return String(decoding: text, as: UTF8.self) }
        guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), let valid = String(validating: text, as: UTF8.self)
        else { throw WireError(.badValue, in: field, found: "bytes that are no text") }
        return valid
    }
}

// MARK: Writing

extension ByteBuffer {
    /// Writes `FE | length u8 | text`. Where 255 bytes are not enough, the name and then the service port are left out, except of
    /// `connection`: nothing else needs them.
    ///
    /// - Throws: ``WireError`` `.tooLong` for what cannot be said in 255 bytes, `.badValue` for a text that would end its field.
    mutating func writeMProxyHeader(_ header: MProxy.Header, _ dialect: MProxy.Dialect) throws(WireError) {
        guard header.isSayable else {
            throw WireError(.badValue, in: "header", found: "a comma or a control character")
        }
        let start = self.writerIndex
        var header = header
        for _ in 0..<3 {
            self.writeInteger(MProxy.version)
            self.writeInteger(UInt8(0))
            switch dialect {
            case .node: self.writeNodeText(header)
            case .go: self.writeGoText(header)
            }
            let count = self.writerIndex - start - 2
            if let length = UInt8(exactly: count) {
                self.setInteger(length, at: start + 1)
                return
            }
            self.moveWriterIndex(to: start)
            guard header.kind != .connection, header.shorten() else { break }
        }
        throw WireError(.tooLong, in: "header", found: "more than \(MProxy.Header.mostBytes) bytes")
    }

    /// Data has 7 fields, `connection` 8, `control` 5.
    private mutating func writeNodeText(_ header: MProxy.Header) {
        self.writeStart(of: header)
        self.writeString(header.kind.word ?? header.service)
        if header.kind == .control { return }
        self.writeComma()
        self.writeString(header.servicePort == "0" ? "" : header.servicePort)
        self.writeComma()
        self.writeString(header.name)
        guard header.kind == .connection else { return }
        self.writeComma()
        self.writeString(header.service)
    }

    /// Always 7 fields, and a line feed as the eighth.
    private mutating func writeGoText(_ header: MProxy.Header) {
        self.writeStart(of: header)
        self.writeString(header.kind.word ?? header.service)
        self.writeComma()
        self.writeString(header.servicePort.isEmpty ? "0" : header.servicePort)
        self.writeComma()
        self.writeString(header.name)
        self.writeString(",\n")
    }

    /// `family,address,port,datalen,`
    private mutating func writeStart(of header: MProxy.Header) {
        self.writeString(header.source.family)
        self.writeComma()
        self.writeString(header.source.address)
        self.writeComma()
        self.writeString(header.source.port)
        self.writeComma()
        self.writeString(String(header.length))
        self.writeComma()
    }

    private mutating func writeComma() { self.writeInteger(UInt8(ascii: ",")) }
}

extension MProxy.Header {
    /// No text of it holds what would end its field.
    var isSayable: Bool {
        [self.source.family, self.source.address, self.source.port, self.service, self.servicePort, self.name]
            .allSatisfy { text in text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: ",") } }
    }

    /// Leaves out the least needed; false if there is nothing more to leave out.
    fileprivate mutating func shorten() -> Bool {
        if !self.name.isEmpty {
            self.name = ""
            return true
        }
        defer { self.servicePort = "" }
        return !self.servicePort.isEmpty
    }
}
