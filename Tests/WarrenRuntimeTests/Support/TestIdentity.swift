// SPDX-License-Identifier: Apache-2.0

import NIOSSL

/// Certificates of all kinds for handshakes in tests, worth nothing: their keys are here for all to read.
struct TestIdentity: Sendable {
    let name: String
    let certificate: String
    let key: String

    /// The authority of all but ``stranger``.
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBSTCB76ADAgECAhQDds1Y34cGfVSE9wwJ9ESlLQEDFTAKBggqhkjOPQQDAjAZ
        MRcwFQYDVQQDDA5XYXJyZW4gVGVzdCBDQTAgFw0yNDAxMDEwMDAwMDBaGA8yMTI0
        MDEwMTAwMDAwMFowGTEXMBUGA1UEAwwOV2FycmVuIFRlc3QgQ0EwWTATBgcqhkjO
        PQIBBggqhkjOPQMBBwNCAAR782mNpUeWABIXSRsgsEXa/Tc0FN5rZKPe/s28qT2U
        l3LLD7y5Ki4RrivLvXa96Rxagn+DpGdmu9UFifOuRaWuoxMwETAPBgNVHRMBAf8E
        BTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCr6+ZyKY1DcsSdsRyfOTh0jlpSsxN9
        sW+FbOH1Kr1eWwIhANcbAO+6S0e+A0LXk/uoUAh2AfpAwj5+6gnB8PxuKbfR
        -----END CERTIFICATE-----
        """

    /// For `localhost`, valid for a hundred years.
    static let good = TestIdentity(
        name: "good",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBVzCB/aADAgECAhQYjvJShqhgkuwQywEivJkHz1JYLjAKBggqhkjOPQQDAjAZ
            MRcwFQYDVQQDDA5XYXJyZW4gVGVzdCBDQTAgFw0yNDAxMDEwMDAwMDBaGA8yMTI0
            MDEwMTAwMDAwMFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYI
            KoZIzj0DAQcDQgAE+V49/Y392k/9DJ2TkjTWV2gbr/okqY22Zw/jAtt/TLgrMihg
            fZ6KU9g/5T2mxYctmDBZE6Dy2m4A7PN+0wjYKqMmMCQwDAYDVR0TAQH/BAIwADAU
            BgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSQAwRgIhAKodyQFC1S45
            Sc6ZE5JwG/mD6WGsaCTHx9fdUSkM9r+qAiEApQnSFAJMQMabEbEZdCE09hOEdaGU
            zll1/tnJK23bv1E=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEKx4YY9p8iZ5URtK
            qMcDrm4RN8oAv5GFE0/6IzYA/vihRANCAAT5Xj39jf3aT/0MnZOSNNZXaBuv+iSp
            jbZnD+MC239MuCsyKGB9nopT2D/lPabFhy2YMFkToPLabgDs837TCNgq
            -----END PRIVATE KEY-----
            """
    )

    /// Ended with 2020.
    static let expired = TestIdentity(
        name: "expired",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBVDCB+6ADAgECAhQG3v9WEO71jw9BL3p7dL0pvku4BzAKBggqhkjOPQQDAjAZ
            MRcwFQYDVQQDDA5XYXJyZW4gVGVzdCBDQTAeFw0yMDAxMDEwMDAwMDBaFw0yMTAx
            MDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqG
            SM49AwEHA0IABL6c8e0ypU2i1Qtlzkn9kFoO+sVQMFYMvdsr18xFF8eoqZQhI7Ro
            bvEKO3iS7YUOmvfoVeLGuy2lrHir/r71F06jJjAkMAwGA1UdEwEB/wQCMAAwFAYD
            VR0RBA0wC4IJbG9jYWxob3N0MAoGCCqGSM49BAMCA0gAMEUCIQCDa/0Va8pSU7es
            PFiSYncYmRmuCiA5Bnh2ydk2GHU0ngIgfLVyytDXXWg+COcZs715JGLjjOcBq5hg
            6nvgIuNz3iM=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEX6eLq5ZBRTBUTbv
            +N2tSjdxv7FB2t3UobgJmMiD4UWhRANCAAS+nPHtMqVNotULZc5J/ZBaDvrFUDBW
            DL3bK9fMRRfHqKmUISO0aG7xCjt4ku2FDpr36FXixrstpax4q/6+9RdO
            -----END PRIVATE KEY-----
            """
    )

    /// Begins in 2120.
    static let future = TestIdentity(
        name: "future",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBWDCB/6ADAgECAhQmTDHX2KT1eE2/s/s9UCbyly2Y8jAKBggqhkjOPQQDAjAZ
            MRcwFQYDVQQDDA5XYXJyZW4gVGVzdCBDQTAiGA8yMTIwMDEwMTAwMDAwMFoYDzIx
            MjQwMTAxMDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIB
            BggqhkjOPQMBBwNCAASgRaz4qZYeeRMNU2+GMW3SiSXxBorIP+MOg07wA45GIYBl
            a2YUDEVT7mDJlTnCVE2W2OslS5aOdWJcSs4y0euuoyYwJDAMBgNVHRMBAf8EAjAA
            MBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjOPQQDAgNIADBFAiBu+7kit640
            v1ZgViOGMmC/8vhAASevgrSDZYuqs40WMAIhANKdjaUdT28NmDwKtKvhsn4haVPU
            dUyhiZq76uHq2QWx
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4FnQb1xa3J/mYBZx
            AFpI7G49wEzjqWogju8u2JqWE1ChRANCAASgRaz4qZYeeRMNU2+GMW3SiSXxBorI
            P+MOg07wA45GIYBla2YUDEVT7mDJlTnCVE2W2OslS5aOdWJcSs4y0euu
            -----END PRIVATE KEY-----
            """
    )

    /// For `elsewhere.example` and 192.0.2.7.
    static let elsewhere = TestIdentity(
        name: "elsewhere",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBZjCCAQugAwIBAgIUP7tnCtqA6OxzhEM5Lj+/61tjo4gwCgYIKoZIzj0EAwIw
            GTEXMBUGA1UEAwwOV2FycmVuIFRlc3QgQ0EwIBcNMjQwMTAxMDAwMDAwWhgPMjEy
            NDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWVsc2V3aGVyZTBZMBMGByqGSM49AgEG
            CCqGSM49AwEHA0IABKRug102tuJeqw53HCHmDq8ixRDQfFpC5SnNCVsTVtUWJsLi
            jHDZbEy6hRVyMX5ySh8H19Ny2eEFANZDgfDk6QijNDAyMAwGA1UdEwEB/wQCMAAw
            IgYDVR0RBBswGYIRZWxzZXdoZXJlLmV4YW1wbGWHBMAAAgcwCgYIKoZIzj0EAwID
            SQAwRgIhAPX7ERbfShewUZv7PJGjit9gGgQ6JkK+BtGFw1DO0EHqAiEA3t4lxQyF
            jBFhezBzLR/pDEP1zeOJwaeH/WIehSLwg40=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgl6s6R+Xw7Lh/Xe2P
            xpypra6HmjsMXJkOxbvfqdbiQmqhRANCAASkboNdNrbiXqsOdxwh5g6vIsUQ0Hxa
            QuUpzQlbE1bVFibC4oxw2WxMuoUVcjF+ckofB9fTctnhBQDWQ4Hw5OkI
            -----END PRIVATE KEY-----
            """
    )

    /// Of another authority.
    static let stranger = TestIdentity(
        name: "stranger",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBVTCB/KADAgECAhQIidFBvtagWpiVYnC/cHnCGBMnWDAKBggqhkjOPQQDAjAY
            MRYwFAYDVQQDDA1PdGhlciBUZXN0IENBMCAXDTI0MDEwMTAwMDAwMFoYDzIxMjQw
            MTAxMDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggq
            hkjOPQMBBwNCAASQOZuERl6twyW48GpxXZc3dIthr9h64tXfGbFvMvE+MWVVy+Kb
            fA1lNeWuHnJ5slFMR8jzFbplU6Ocft2ELGz3oyYwJDAMBgNVHRMBAf8EAjAAMBQG
            A1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjOPQQDAgNIADBFAiB8TrV6J5iSfpCj
            oFIqjUMu5vhZ/asQ1LsZos1PtYq74wIhAMRdpWj5cEjr+Q+fMUKwZqKyBnFRQhiB
            HwOv8MBoBP7A
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5enHVozTN6TPtdJ7
            QB0/GvSm/9ZInfjP7gT9G0cc3puhRANCAASQOZuERl6twyW48GpxXZc3dIthr9h6
            4tXfGbFvMvE+MWVVy+KbfA1lNeWuHnJ5slFMR8jzFbplU6Ocft2ELGz3
            -----END PRIVATE KEY-----
            """
    )

    /// Like ``good``, with an Ed25519 key.
    static let ed25519 = TestIdentity(
        name: "ed25519",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBJzCBzqADAgECAhRdPflsW1FbA4XnKZSs6UuobOOL+zAKBggqhkjOPQQDAjAZ
            MRcwFQYDVQQDDA5XYXJyZW4gVGVzdCBDQTAgFw0yNDAxMDEwMDAwMDBaGA8yMTI0
            MDEwMTAwMDAwMFowFDESMBAGA1UEAwwJbG9jYWxob3N0MCowBQYDK2VwAyEAkWSG
            2McrNsFRl1K/wOLYmO3j+D7kN96sJW8rdsIYdAijJjAkMAwGA1UdEwEB/wQCMAAw
            FAYDVR0RBA0wC4IJbG9jYWxob3N0MAoGCCqGSM49BAMCA0gAMEUCIQDMUAUH1nIq
            ebdGVvKa9pBaIYMbZX/KsQ5TD1va40wWTgIgE1PQw4lQMJUnb3L3WPsNX1+46uci
            DNEGOcb04X5Y7xo=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MC4CAQAwBQYDK2VwBCIEIMudczL9uS1AmIvo5STrRTo0eV+KOL4C0EPThV+bKU9N
            -----END PRIVATE KEY-----
            """
    )

    /// Like ``good``, with a P-521 key.
    static let p521 = TestIdentity(
        name: "p521",
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBmjCCAUCgAwIBAgIUIIpO1ywFUYLt30VpVm55sdVzCYEwCgYIKoZIzj0EAwIw
            GTEXMBUGA1UEAwwOV2FycmVuIFRlc3QgQ0EwIBcNMjQwMTAxMDAwMDAwWhgPMjEy
            NDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDCBmzAQBgcqhkjOPQIB
            BgUrgQQAIwOBhgAEASVxGEjw/8nElk6AqQGvX5KKyeFu33FYQaUxn56OGdKUv+8B
            UhSN7/Ekgg+LWAGKQFbhyOQv61qUFWFyd5hzYHSOAQ2WH6E0L2pm3Fmq43yMHA2D
            T8I3SMgyZzwMoLRekGeYsORIPKuhRyJ5fVF0fz2d1EPRN+bgdfhL1gLnL58xVrUK
            oyYwJDAMBgNVHRMBAf8EAjAAMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjO
            PQQDAgNIADBFAiEAr1NdcAKq6A5PxycwXUfu37UUAd7cxk0A7s8qqokpg3kCIB0O
            Sz5bhQptcQtBpWJkhlEbquIA7YAnbqD1AknSAKs3
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAKXxkAg+CotdKYzBh
            2jyJP2KG9QLAEV68oW6txN8ruFcpfmcAU6YXdYU7XyaUMOLOby/wONGEicYD6vVb
            xNc9VtahgYkDgYYABAElcRhI8P/JxJZOgKkBr1+Sisnhbt9xWEGlMZ+ejhnSlL/v
            AVIUje/xJIIPi1gBikBW4cjkL+talBVhcneYc2B0jgENlh+hNC9qZtxZquN8jBwN
            g0/CN0jIMmc8DKC0XpBnmLDkSDyroUcieX1RdH89ndRD0Tfm4HX4S9YC5y+fMVa1
            Cg==
            -----END PRIVATE KEY-----
            """
    )
}
