// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation
import NIOCore
import Testing
import WarrenConfiguration
import WarrenCore
import WarrenMProxy
import WarrenRuntime
import WarrenTesting
import WarrenTokens

@testable import WarrenAssembly

@Suite struct TokenJudgeTests {
    private static let secret = "0123456789abcdef0123456789abcdef"

    /// A token as anybody may write one.
    private static func token(
        _ claims: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#, secret: String = Self.secret
    ) -> [UInt8] {
        let signed = Self.base64(Data(header.utf8)) + "." + Self.base64(Data(claims.utf8))
        let key = SymmetricKey(data: Data(secret.utf8))
        let signature = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: key)
        return Array((signed + "." + Self.base64(Data(signature))).utf8)
    }

    private static func base64(_ bytes: Data) -> String {
        bytes.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    private static func judge(
        _ token: [UInt8], audience: String? = nil, needsExpiry: Bool = false
    ) async -> Verdict {
        let judge = TokenJudge(.secret(Self.secret), audience: audience, needsExpiry: needsExpiry)
        return await judge.judge(Claim(identity: [], proof: token), from: nil)
    }

    private static let claims = #"{"domains":["Dev.Example"],"ports":[22,"5050"],"aud":"wss://relay.example"}"#

    @Test func atokenSaysWhatItsHolderMayServe() async throws {
        guard case .accepted(let name, let credential) = await Self.judge(Self.token(Self.claims)) else {
            Issue.record("denied")
            return
        }
        let entitlement = try MProxy.Entitlement(claims: ByteBuffer(bytes: credential))
        #expect(entitlement == MProxy.Entitlement(names: ["dev.example"], ports: [22, 5050]))
        #expect(name.hasPrefix("Dev.Example#"))
    }

    @Test("what is not signed by our key and its algorithm is denied", arguments: 0..<8)
    func denied(number: Int) async {
        let good = Self.token(Self.claims)
        let soon = Int(Date().timeIntervalSince1970)
        let bad: [[UInt8]] = [
            [], Array("a.b.c".utf8), Array(good.dropLast()),
            Self.token(Self.claims, secret: "another secret of the same length"),
            Self.token(Self.claims, header: #"{"alg":"none","typ":"JWT"}"#),
            Self.token(Self.claims, header: #"{"alg":"HS512","typ":"JWT"}"#),
            Self.token(#"{"domains":["a.example"],"exp":\#(soon - 10)}"#),
            Self.token(#"{"domains":["a.example"],"nbf":\#(soon + 1000)}"#),
        ]
        #expect(await Self.judge(bad[number]) == .denied)
    }

    @Test func audienceAndExpiryAreAskedForWhereThatIsConfigured() async {
        #expect(await Self.judge(Self.token(Self.claims), audience: "other") == .denied)
        #expect(await Self.judge(Self.token(Self.claims), audience: "wss://relay.example") != .denied)
        #expect(await Self.judge(Self.token(Self.claims), needsExpiry: true) == .denied)
    }

    @Test(
        "claims that name no names or ports are denied, or serve nothing",
        arguments: [
            #"{"domains":[5]}"#, #"{"domains":"a"}"#, #"{"ports":[70000]}"#, #"{"ports":["x"]}"#, "[]", "5", "{",
        ])
    func badClaims(claims: String) async {
        #expect(await Self.judge(Self.token(claims)) == .denied)
    }

    @Test func aPublicKeyJudgesByItsOwnKindOnly() async throws {
        let key = P256.Signing.PrivateKey()
        let pem = key.publicKey.pemRepresentation
        let judge = TokenJudge(.publicKey(try #require(PublicTokenKey(pem: pem))), audience: nil, needsExpiry: false)
        let header = #"{"alg":"ES256","typ":"JWT"}"#
        let signed = Self.base64(Data(header.utf8)) + "." + Self.base64(Data(Self.claims.utf8))
        let signature = try key.signature(for: Data(signed.utf8)).rawRepresentation
        let token = Array("\(signed).\(Self.base64(signature))".utf8)
        #expect(await judge.judge(Claim(identity: [], proof: token), from: nil) != .denied)
        #expect(await judge.judge(Claim(identity: [], proof: Self.token(Self.claims)), from: nil) == .denied)
        // A public key is no secret: whoever signs with it by HS256 is nobody.
        #expect(
            await judge.judge(Claim(identity: [], proof: Self.token(Self.claims, secret: pem)), from: nil) == .denied)
        #expect(PublicTokenKey(pem: "no key") == nil)
    }

    @Test func aMadeTokenIsGoodAndAShortSecretIsRefused() async throws {
        let folder = try TemporaryFolder()
        let file = folder.write("secret", Self.secret + "\n")
        let token = try await DeviceToken.make(
            secretFile: file, names: ["*.dev.example"], ports: [22], expires: "1h", subject: "kitchen", audience: nil)
        guard case .accepted("kitchen", _) = await Self.judge(Array(token.utf8), needsExpiry: true) else {
            Issue.record("denied")
            return
        }
        let short = folder.write("short", "hunter2\n")
        let error = await #expect(throws: (any Error).self) {
            try await DeviceToken.make(
                secretFile: short, names: ["a b"], ports: [0], expires: "1", subject: nil, audience: nil)
        }
        let text = "\(error.map { "\($0)" } ?? "")"
        for part in ["too short", "no host name", "0 is no port", "has no unit"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(!text.contains("hunter2"))
    }

    @Test func anRSAKeyJudgesRS256AndNothingElse() async throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let pem = key.publicKey.pemRepresentation
        let judge = TokenJudge(.publicKey(try #require(PublicTokenKey(pem: pem))), audience: nil, needsExpiry: false)
        func token(_ algorithm: String, _ sign: (Data) throws -> Data) rethrows -> [UInt8] {
            let header = #"{"alg":"\#(algorithm)","typ":"JWT"}"#
            let signed = Self.base64(Data(header.utf8)) + "." + Self.base64(Data(Self.claims.utf8))
            return Array("\(signed).\(Self.base64(try sign(Data(signed.utf8))))".utf8)
        }
        func rsa(_ data: Data) throws -> Data {
            try key.signature(for: SHA256.hash(data: data), padding: .insecurePKCS1v1_5).rawRepresentation
        }
        #expect(await judge.judge(Claim(identity: [], proof: try token("RS256", rsa)), from: nil) != .denied)
        #expect(await judge.judge(Claim(identity: [], proof: try token("ES256", rsa)), from: nil) == .denied)
        let hmac = token("HS256") { data in
            Data(HMAC<SHA256>.authenticationCode(for: data, using: SymmetricKey(data: Data(pem.utf8))))
        }
        #expect(await judge.judge(Claim(identity: [], proof: hmac), from: nil) == .denied)
    }

    @Test func anExchangedKeyJudgesFromThenOn() async {
        let judge = TokenJudge(.secret("another secret of the same length"), audience: nil, needsExpiry: false)
        let claim = Claim(identity: [], proof: Self.token(Self.claims))
        #expect(await judge.judge(claim, from: nil) == .denied)
        judge.exchange(.secret(Self.secret))
        #expect(await judge.judge(claim, from: nil) != .denied)
    }

    @Test func tokensOfTheSameKeyAreGoodAfterAReload() {
        func judge(_ secret: String = Self.secret, audience: String? = nil, expiry: Bool = false) -> TokenJudge {
            TokenJudge(.secret(secret), audience: audience, needsExpiry: expiry)
        }
        let before = judge()
        #expect(judge().admits(nil, letInBy: before))
        for other in [judge("another secret of the same length"), judge(audience: "us"), judge(expiry: true)] {
            #expect(!other.admits(nil, letInBy: before))
        }
        #expect(!before.admits(nil, letInBy: NoAuthenticator()))
        let after = judge()
        after.exchange(.secret("another secret of the same length"))
        #expect(!after.admits(nil, letInBy: before))
    }

    @Test func aTokensTimeIsToldToTheRelay() async throws {
        let soon = Int(Date().timeIntervalSince1970) + 1000
        let verdict = await Self.judge(Self.token(#"{"domains":["a.example"],"exp":\#(soon)}"#))
        guard case .accepted(_, let credential) = verdict else {
            Issue.record("denied")
            return
        }
        let lifetime = try #require(try MProxy.Entitlement(claims: ByteBuffer(bytes: credential)).lifetime)
        #expect(lifetime > .zero && lifetime <= .seconds(1000))
        // A year that no clock reaches is a long time and nothing else.
        #expect(await Self.judge(Self.token(#"{"domains":["a.example"],"exp":1e300}"#)) != .accepted(name: ""))
    }
}
