// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A handshake in memory, and what each end says of it.
private final class HandshakeRig {
    let loop = SocketLoop.manual()
    private(set) var serverSays: [String] = []
    private(set) var clientSays: [String] = []
    private(set) var isOpen = false
    private let diary: Diary

    private final class Diary: LegEvents {
        var needs: LegNeeds { [] }
        var failures: [String] = []
        func received(_ bytes: ByteBuffer, by leg: any Leg) {}
        func receivedBurst(by leg: any Leg) {}
        func finished(by leg: any Leg) {}
        func sent(_ count: Int, by leg: any Leg) {}
        func writabilityChanged(of leg: any Leg) {}
        func failed(by error: any Error) { self.failures.append(TLSFailure.sentence(for: error)) }
        func ended(_ leg: any Leg, _ fault: StreamFault?) { leg.events = nil }
    }

    init(
        server: TestIdentity = .good, client: TestIdentity? = nil, asks: Bool = false, host: Host = .name("localhost"),
        version: TLSVersion? = nil, clientSpeaks newest: TLSVersion? = nil
    ) throws {
        let (near, far) = MemoryLeg.pair(on: self.loop)
        self.diary = Diary()
        // Names are verified only where the far end has an address.
        near.peer = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        let trusted = try NIOSSLCertificate.fromPEMBytes(Array(TestIdentity.authority.utf8))
        var accepting = TLSConfiguration.makeServerConfiguration(
            certificateChain: try server.chain.map { .certificate($0) }, privateKey: .privateKey(try server.secret))
        accepting.minimumTLSVersion = .tlsv12
        accepting.maximumTLSVersion = version
        accepting.verifySignatureAlgorithms = TLSSignatures.all
        if asks {
            accepting.trustRoots = .certificates(trusted)
            accepting.certificateVerification = .noHostnameVerification
        }
        var dialling = TLSConfiguration.makeClientConfiguration()
        dialling.trustRoots = .certificates(trusted)
        dialling.verifySignatureAlgorithms = TLSSignatures.all
        dialling.minimumTLSVersion = .tlsv1
        dialling.maximumTLSVersion = newest
        if let client {
            dialling.certificateChain = try client.chain.map { .certificate($0) }
            dialling.privateKey = .privateKey(try client.secret)
        }
        let gate = TLSHandshakeHandler(timeout: .seconds(10)) { channel in
            self.isOpen = true
            let leg = try ChannelLeg.last(of: channel)
            leg.begin()
        } onFailure: {
            self.serverSays.append($0)
        }
        let tls = TLSServer(context: try NIOSSLContext(configuration: accepting))
        try LegChannel(far, on: self.loop).start(tls.makeHandlers() + [gate])
        let dialler = TLSClient(context: try NIOSSLContext(configuration: dialling), serverName: nil)
        let channel = LegChannel(near, on: self.loop)
        try channel.start(dialler.makeHandlers(for: host))
        let leg = try ChannelLeg.last(of: channel)
        leg.events = self.diary
        leg.begin()
        self.loop.runOnce()
        self.clientSays = self.diary.failures
    }
}

extension TestIdentity {
    var chain: [NIOSSLCertificate] {
        get throws { try NIOSSLCertificate.fromPEMBytes(Array(self.certificate.utf8)) }
    }
    var secret: NIOSSLPrivateKey {
        get throws { try NIOSSLPrivateKey(bytes: Array(self.key.utf8), format: .pem) }
    }
}

@Suite("reasons for failed handshakes") struct TLSReasonsTests {
    @Test(
        "keys of every kind work at both ends",
        arguments: [TestIdentity.good, .ed25519, .p521], [TestIdentity.good, .ed25519, .p521])
    func works(server: TestIdentity, client: TestIdentity) throws {
        let handshake = try HandshakeRig(server: server, client: client, asks: true)
        #expect(handshake.isOpen)
        #expect(handshake.serverSays.isEmpty && handshake.clientSays.isEmpty)
    }

    @Test(
        "the client says what is wrong with a server's certificate",
        arguments: [
            (TestIdentity.expired, "has expired on 2021-01-01 00:00:00 UTC"),
            (.future, "is not yet valid: it begins on 2120-01-01 00:00:00 UTC; check the clock"),
            (.stranger, "is not trusted"),
            (.elsewhere, "is for another name than localhost: it is for elsewhere.example, 192.0.2.7"),
        ])
    func refusedServer(server: TestIdentity, reason: String) throws {
        let says = try #require(try HandshakeRig(server: server).clientSays.first)
        #expect(says.hasPrefix("TLS: the certificate of the peer "))
        #expect(says.contains(reason))
    }

    @Test(
        "both ends say what is wrong with a client's certificate", arguments: [TLSVersion.tlsv12, .tlsv13],
        [
            (TestIdentity?.none, "has shown no certificate", "certificate"),
            (.expired, "has expired on 2021-01-01", "our certificate has expired"),
            (.stranger, "is not trusted", "does not trust our certificate"),
        ])
    func refusedClient(version: TLSVersion, kind: (TestIdentity?, String, String)) throws {
        let handshake = try HandshakeRig(client: kind.0, asks: true, version: version)
        #expect(!handshake.isOpen)
        #expect(handshake.serverSays.count == 1)
        #expect(handshake.serverSays.first?.contains(kind.1) == true)
        #expect(handshake.clientSays.first?.contains(kind.2) == true)
        for text in handshake.serverSays + handshake.clientSays {
            #expect(!text.contains(".swift") && !text.contains("OPENSSL") && text.hasPrefix("TLS: "))
        }
    }

    @Test func theClientIsToldThatACertificateIsWanted() throws {
        let handshake = try HandshakeRig(asks: true, version: .tlsv13)
        #expect(handshake.clientSays.first == "TLS: the peer wants a certificate: set tls: cert: and key:")
    }

    @Test func anOldVersionIsNamed() throws {
        let handshake = try HandshakeRig(clientSpeaks: .tlsv11)
        #expect(handshake.serverSays.first?.contains("old version") == true)
        #expect(handshake.clientSays.first?.contains("an old version of TLS only") == true)
    }

    @Test("an address that is asked for must be the one that is dialled") func addressElsewhere() throws {
        let client = TLSClient(context: try TestCertificate.client(), serverName: "192.0.2.1")
        #expect(throws: TLSProblem.addressElsewhere) { try client.makeHandlers(for: .name("localhost")) }
        #expect(try client.makeHandlers(for: Host("192.0.2.1")).count == 3)
    }
}
