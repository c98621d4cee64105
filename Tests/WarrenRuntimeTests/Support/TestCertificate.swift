// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL

@testable import WarrenRuntime

/// A server's certificate for tests, valid for a hundred years.
enum TestCertificate {
    static func server() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(Self.certificate.utf8))
        let secret = try NIOSSLPrivateKey(bytes: Array(Self.key.utf8), format: .pem)
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(secret)
        )
        return try NIOSSLContext(configuration: configuration)
    }

    static func client(newest: TLSVersion? = nil) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.maximumTLSVersion = newest
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
    }

    static func layer() throws -> any AcceptLayer {
        TLSAcceptLayer(TLSServer(context: try Self.server()), timeout: .seconds(10))
    }

    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBozCCAUmgAwIBAgICA+kwCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQV2FycmVu
        IFRlc3QgQ0EgYTAgFw0yNjExMjExMDAxMjhaGA8yMTI2MTAyODEwMDEyOFowFDES
        MBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUEo4
        dz5pP23p1At6GTf/2Ydw3eHAdt8zKJZxRySpWgs7SBJG6vCLC2mvENFutTUYbHZp
        lxqWvyeq+raun0jRCaOBgTB/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAM
        BgNVHRMBAf8EAjAAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBR7N5cC
        toAR0SfvoOvimuu+ybcgEDAfBgNVHSMEGDAWgBSCvXypw1uXy45l2LuxgsJ5h+1L
        xDAKBggqhkjOPQQDAgNIADBFAiAXdX9CFA/ydRqPd6IsaKn9gAdsRvlaKJD4icTt
        vIlOKAIhAI5/FsoIgCwSAy1sP6U1EnGUTXxteZbM69rOe/JJbmob
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9Ic/NoTFCsSMN8k6
        k5iMoCcL8dkrCFJnEqPI896NtWuhRANCAARQSjh3Pmk/benUC3oZN//Zh3Dd4cB2
        3zMolnFHJKlaCztIEkbq8IsLaa8Q0W61NRhsdmmXGpa/J6r6tq6fSNEJ
        -----END PRIVATE KEY-----
        """
}
