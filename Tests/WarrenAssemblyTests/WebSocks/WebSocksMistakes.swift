// SPDX-License-Identifier: Apache-2.0

extension Mistakes {
    static let webSocks: [Mistake] = {
        func inbound(_ keys: String) -> String {
            "inbounds: [{ name: a, type: websocks, listen: \"127.0.0.1:1\"\(keys) }]\n"
        }
        func outbound(_ keys: String) -> String {
            "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, type: websocks\(keys) }]\n"
        }
        let users = ", users: { alice: { passwordFile: pw } }"
        return [
            Mistake(
                inbound(""), "1:12",
                "the key \"users\" is missing; expected names with passwords, such as alice: { passwordFile: alice.pw }"
            ),
            Mistake(
                inbound(", users: {}"), "1:69",
                "there are no users, so nobody could log in; write alice: { passwordFile: alice.pw }"),
            Mistake(
                inbound("\(users), carrier: quic"), "1:111", "\"quic\" is not one of kcp, tcp, tls"),
            Mistake(
                inbound("\(users), mtu: 1400"), "1:107",
                "mtu is for carrier: kcp; remove it, or write carrier: kcp"),
            Mistake(
                inbound("\(users), extension: off"), "1:113",
                "extension is for carrier: kcp; remove it, or write carrier: kcp"),
            Mistake(
                inbound("\(users), carrier: tls"), "1:12",
                "the key \"tls\" is missing; expected a block with cert and key, as the carrier is tls"),
            Mistake(
                inbound("\(users), carrier: tcp, tls: { cert: cert.pem, key: key.pem }"), "1:121",
                "the carrier is tcp, and there is a tls block; write carrier: tls, or remove the block"),
            Mistake(
                inbound("\(users), dialect: connect-first"), "1:111",
                "\"connect-first\" is not one of deployed, connectFirst; nearest: connectFirst"),
            Mistake(
                inbound("\(users), static: nosuch"), "1:110",
                "\"nosuch\" is no folder that can be read; create it, or correct the path or its mode"),
            Mistake(
                inbound("\(users), redirect: www.example.net"), "1:112",
                "expected an address such as https://www.example.net/, found \"www.example.net\"; write it as a browser shows it"
            ),
            Mistake(
                inbound("\(users), static: folder, redirect: \"https://www.example.net/\""), "1:128",
                "static and redirect are both given; remove one of them"),
            Mistake(
                outbound(", server: localhost, user: alice, passwordFile: pw"), "2:48",
                "\"localhost\" has no port; write host:port"),
            Mistake(
                outbound(", server: \"localhost:1\""), "2:13", "the key \"user\" is missing; expected a text"),
            Mistake(
                outbound(", server: \"localhost:1\", user: alice"), "2:13",
                "the key \"passwordFile\" is missing; expected a file that holds the password"),
            Mistake(
                outbound(", server: \"localhost:1\", user: \"alice:hunter2\", passwordFile: pw"), "2:69",
                "the user needs a name of 1 to 255 bytes without a colon; write the name alone, and passwordFile: FILE beside it"
            ),
            Mistake(
                outbound(", server: \"localhost:1\", user: alice, passwordFile: pw, carrier: tcp, tls: true"), "2:113",
                "the carrier is tcp, and there is a tls block; write carrier: tls, or remove the block"),
            Mistake(
                outbound(", server: \"localhost:1\", user: alice, password: hunter2"), "2:86",
                "a secret does not belong here in plain text; write it into a file and name that as passwordFile, or ${NAME} from the environment"
            ),
            Mistake(
                outbound(", server: \"localhost:1\", user: alice, passwordFile: pw, dialect: deployed"), "2:94",
                "unknown key \"dialect\"; known keys: carrier, congestion, extension, key, mtu, name, password, passwordFile, pool, poolAge, profile, server, serverKey, strict, through, tls, type, user"
            ),
        ]
    }()
}
