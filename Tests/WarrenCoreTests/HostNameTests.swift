// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenCore

@Suite("Host names") struct HostNameTests {
    static let equal: [(String, String)] = [
        ("example.net", "example.net"), ("Example.NET", "example.net"), ("example.net.", "example.net"),
        ("a_b.c-d", "a_b.c-d"), ("_dmarc.x", "_dmarc.x"),
        ("-", "-"), ("1", "1"), ("127.1", "127.1"),
        ("bücher.example", "xn--bcher-kva.example"), ("BÜCHER.Example.", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"), ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("münchen.de", "xn--mnchen-3ya.de"), ("ñandú.cl", "xn--and-6ma2c.cl"), ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("испытание.test", "xn--80akhbyknj4f.test"), ("ΔΟΚΙΜΉ", "xn--jxalpdlp"), ("परीक्षा", "xn--11b5bs3a9aj6g"),
        ("한국.kr", "xn--3e0b707e.kr"), ("\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}.kr", "xn--3e0b707e.kr"),
        ("\u{212A}elvin.example", "kelvin.example"), ("\u{212B}.example", "xn--5ca.example"),
        ("क\u{93C}.example", "xn--11b2f.example"), ("\u{958}.example", "xn--11b2f.example"), ("ế.vn", "xn--ilg.vn"),
        ("e\u{302}\u{301}.vn", "xn--ilg.vn"), ("\u{EA}\u{301}.vn", "xn--ilg.vn"),
        (String(repeating: "a", count: 63) + ".b", String(repeating: "a", count: 63) + ".b"),
    ]
    @Test("are compared in one form", arguments: equal)
    func comparesInOneForm(_ text: String, _ canonical: String) throws {
        let name = try #require(HostName(text))
        #expect(name.text == canonical)
        #expect(HostName(canonical)?.text == canonical)
        #expect(name.isAbsolute == text.hasSuffix("."))
    }

    static let bad: [String] = [
        "", ".", "..", "a..b", ".a", "a..", "x.a\\100s.test", "a\\b", "a b", "a\tb", "a\0", "a\0.b", "a\u{7F}", "a%b",
        "a%2eb",
        "a/b", "a@b", "a:b", "a?b", "a#b", "a~b", "a*b", "*.a", "a,b", "a\"b", "a'b", "[a]", "(a)", "a\u{A0}b",
        "a\u{200B}b",
        "a\u{202E}b", "a\u{AD}b", "a。b", "a．b", "a｡b", "\u{E000}", "a\u{2044}b", "😀.example", "x\u{FEFF}", "a\r\nb",
        String(repeating: "a", count: 64), String(repeating: "ü", count: 63),
        String(repeating: "a.", count: 127) + "bb",
        String(repeating: "ü", count: 5000),
    ]
    @Test("that could be read in two ways are none", arguments: bad)
    func refuses(_ text: String) { #expect(HostName(text) == nil) }

    @Test func holdNoMoreThan253Bytes() {
        let longest = String(repeating: "a.", count: 126) + "b"
        #expect(HostName(longest)?.text.utf8.count == 253)
        #expect(HostName(longest + ".") != nil)
        #expect(HostName("c" + longest + "d") == nil)
    }

    @Test(
        "under localhost are this machine",
        arguments: [
            "localhost", "localhost.", "LocalHost", "x.localhost", "x.localhost.", "a.b.LOCALHOST", "bücher.localhost",
        ])
    func knowsLocalhost(_ text: String) throws { #expect(try #require(HostName(text)).isLocalhost) }

    @Test(
        "beside localhost are not",
        arguments: ["xlocalhost", "localhost.net", "local.host", "-localhost", "localhosts"])
    func knowsOthers(_ text: String) throws { #expect(try #require(HostName(text)).isLocalhost == false) }

    @Test func areUnderTheirParentsOnly() throws {
        let name = try #require(HostName("a.ads.test"))
        #expect(name.isUnder("ads.test") && name.isUnder("test"))
        #expect(!name.isUnder("a.ads.test") && !name.isUnder("s.test") && !name.isUnder("b.a.ads.test"))
    }

    /// RFC 3492, section 7.1: samples A, B, D, L, P, and S.
    static let samples: [(String, String)] = [
        ("ليهمابتكلموشعربي؟", "egbpdaj6bu4bxfgehfvwxn"), ("他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"),
        ("Pročprostěnemluvíčesky", "Proprostnemluvesky-uyb24dma41a"), ("3年B組金八先生", "3B-ww4c5e180e575a65lsy2b"),
        ("Maji\u{3067}Koi\u{3059}\u{308B}5\u{79D2}\u{524D}", "MajiKoi5-783gue6qz075azm5e"),
        ("-> $1.00 <-", "-> $1.00 <--"),
    ]
    @Test("are encoded as RFC 3492 shows", arguments: samples)
    func encodes(_ text: String, _ encoded: String) {
        #expect(Punycode.encode(Array(text.unicodeScalars)) == encoded)
    }

    @Test("have one form, whatever is made of them", arguments: 0..<20)
    func isStable(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let scalars =
            [
                "a", "Z", "9", "-", "_", ".", "ü", "u", "\u{308}", "\u{301}", "İ", "ß", "Σ", "क", "\u{93C}", "한",
                "\u{1100}", "\u{1161}",
                "。", "\u{200D}", "\\", "\0", "😀", "\u{10FFFF}",
            ] as [Unicode.Scalar]
        for _ in 0..<500 {
            let length = Int.random(in: 0...40, using: &random)
            let picked = (0..<length).map { _ in scalars.randomElement(using: &random) ?? "a" }
            let text = String(String.UnicodeScalarView(picked))
            guard let name = HostName(text) else { continue }
            #expect(HostName(name.written) == name, "\(picked)")
            #expect(
                HostName(text.uppercased())?.text == name.text || text.uppercased().lowercased() != text.lowercased())
        }
    }
}

@Suite("Hosts that a peer names") struct HostPeerTests {
    static func host(_ bytes: [UInt8]) throws(WireError) -> Host {
        try Host(peerNamed: ByteBuffer(bytes: bytes).readableBytesView, in: "name")
    }

    @Test func areAddressesOrNamesAsWritten() throws {
        #expect(try Self.host(Array("::1".utf8)) == .address(IPAddress(high: 0, low: 1)))
        #expect(try Self.host(Array("Example.NET.".utf8)) == .name("Example.NET."))
    }

    @Test func mustBeText() {
        #expect(throws: WireError(.badValue, in: "name")) { try Self.host([0x61, 0xFF]) }
        #expect(throws: WireError(.badValue, in: "name")) { try Self.host(Array("a\\100s".utf8)) }
        #expect(throws: WireError(.badValue, in: "name")) { try Self.host(Array("fe80::1%lo".utf8)) }
        #expect(throws: WireError(.tooShort, in: "name")) { try Self.host([]) }
        #expect(throws: WireError(.tooLong, in: "name")) { try Self.host(Array(repeating: 0x61, count: 256)) }
    }
}
