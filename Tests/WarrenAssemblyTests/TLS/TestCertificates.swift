// SPDX-License-Identifier: Apache-2.0

import WarrenTesting

/// Certificates of the tests, valid for a hundred years and worth nothing: their keys are here for all to read.
enum TestCertificates {
    /// The authority that has signed ``certificate``.
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBnDCCAUOgAwIBAgIUQ8VDADlPSuRinl4SNErWH2UdYgkwCgYIKoZIzj0EAwIw
        GzEZMBcGA1UEAwwQV2FycmVuIFRlc3QgQ0EgYTAgFw0yNjExMjExMDAxMjhaGA8y
        MTI2MTAyODEwMDEyOFowGzEZMBcGA1UEAwwQV2FycmVuIFRlc3QgQ0EgYTBZMBMG
        ByqGSM49AgEGCCqGSM49AwEHA0IABNu7wWdQx9Nrhmi6mzIqlk3x/Sk0RqbjdGVE
        0+rHGyhtSPhKIP0EH5FyNO0WgCqgbjy2kluKzxEm6KZCDwD+UqOjYzBhMB0GA1Ud
        DgQWBBSCvXypw1uXy45l2LuxgsJ5h+1LxDAfBgNVHSMEGDAWgBSCvXypw1uXy45l
        2LuxgsJ5h+1LxDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggq
        hkjOPQQDAgNHADBEAiAy0zMfd+AgPyAlZlrDEnypn8UmMDkcZCzgGFMbIw5fmQIg
        YwCJCybLWYJPjf4qxT5nauY45D9xSk/9/tHiVhq6xhY=
        -----END CERTIFICATE-----

        """

    /// The authority that has signed ``otherCertificate``.
    static let otherAuthority = """
        -----BEGIN CERTIFICATE-----
        MIIBnTCCAUOgAwIBAgIUJuVqwG3zjXG8NCcrTaVk0YIvSWowCgYIKoZIzj0EAwIw
        GzEZMBcGA1UEAwwQV2FycmVuIFRlc3QgQ0EgYjAgFw0yNjExMjExMDAxMjhaGA8y
        MTI2MTAyODEwMDEyOFowGzEZMBcGA1UEAwwQV2FycmVuIFRlc3QgQ0EgYjBZMBMG
        ByqGSM49AgEGCCqGSM49AwEHA0IABLRMZpei3YwHgkcGrA+k04RNxwnLOjjl1tEo
        mIVqbDge91Zybcg6rWXLyindKSxWAizNbmrbuMVBRM2r7SkoA9ajYzBhMB0GA1Ud
        DgQWBBQfbdwtMeoGWJUuXgRvL0bqEPMAsjAfBgNVHSMEGDAWgBQfbdwtMeoGWJUu
        XgRvL0bqEPMAsjAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggq
        hkjOPQQDAgNIADBFAiBqUuo/vp5TzT9NXFOPSLv8r127Nr14N/AWmm5n/p96oQIh
        ALDHBNDd9JcUS5yZ8K5+gWLox6NgUAAHv1EVzzWCng+B
        -----END CERTIFICATE-----

        """

    /// For `localhost` and 127.0.0.1.
    static let certificate = """
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

    /// The key of ``certificate``.
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9Ic/NoTFCsSMN8k6
        k5iMoCcL8dkrCFJnEqPI896NtWuhRANCAARQSjh3Pmk/benUC3oZN//Zh3Dd4cB2
        3zMolnFHJKlaCztIEkbq8IsLaa8Q0W61NRhsdmmXGpa/J6r6tq6fSNEJ
        -----END PRIVATE KEY-----

        """

    /// For `localhost`.
    static let otherCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBnDCCAUKgAwIBAgICA+owCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQV2FycmVu
        IFRlc3QgQ0EgYjAgFw0yNjExMjExMDE0NTdaGA8yMTI2MTAyODEwMTQ1N1owFDES
        MBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwHWZ
        EU/PyIxz1UaLBrIyJN+aTLIFySHxKtBy+oLsAB6vIJWGRLEolJYSV6HvSL81mNno
        u0G6vBNbTgb0ndbTaKN7MHkwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB
        /wQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFEtJDGkjEHNwjuz1
        UQ1u1y82xZcKMB8GA1UdIwQYMBaAFB9t3C0x6gZYlS5eBG8vRuoQ8wCyMAoGCCqG
        SM49BAMCA0gAMEUCIBkk2tn2mWJTx0ZDFS+meGqBuAaWjSj1nNtlj74PnG3FAiEA
        oVbXJcoZDSzTVeybKzOlOHyqMGaiE18bs7SP7xSC26E=
        -----END CERTIFICATE-----

        """

    /// The key of ``otherCertificate``.
    static let otherKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1ODF0BWfegrkXlV6
        EreszAnN7NNZ6dEA3Aibx6IWPEqhRANCAATAdZkRT8/IjHPVRosGsjIk35pMsgXJ
        IfEq0HL6guwAHq8glYZEsSiUlhJXoe9IvzWY2ei7Qbq8E1tOBvSd1tNo
        -----END PRIVATE KEY-----

        """

    /// Between an authority that nobody has and a server.
    static let intermediate = """
        -----BEGIN CERTIFICATE-----
        MIIBhzCCASygAwIBAgIUYRSJ7/Tx38rOOQoZXjWaG2yO9oUwCgYIKoZIzj0EAwIw
        DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjgwNTU2NDRaGA8yMTI2MTEwNDA1NTY0
        NFowEDEOMAwGA1UEAwwFaW50ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR5
        te7+wMcumQNAgNPls7AsdqF9NR7wRhDY94jHSUcXWTs2uMVGvDlZ/HchVSQy+4sH
        E5iQB05H/mhSWkIypdiso2MwYTAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQE
        AwIBBjAdBgNVHQ4EFgQUVdCXlwl4WAJcFQH16OkHqC+2ioowHwYDVR0jBBgwFoAU
        2lkLeONsfQqUwHa6DgVKgOlvnJgwCgYIKoZIzj0EAwIDSQAwRgIhAN1WBy85pn2y
        Hxt6smeA8yl7spzTKlGPbSrU9WawwEAsAiEA1x294gjF4ik+FrAIMskP0b4fbCiy
        yi9Vj9EvtWKFi88=
        -----END CERTIFICATE-----
        """
}

extension TestCertificates {
    /// As `cert.pem`, `key.pem` and `ca.pem`.
    static func write(to folder: TemporaryFolder) {
        folder.write("cert.pem", Self.certificate)
        folder.write("key.pem", Self.key)
        folder.write("ca.pem", Self.authority)
    }
}
