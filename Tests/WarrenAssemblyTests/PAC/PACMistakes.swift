// SPDX-License-Identifier: Apache-2.0

extension Mistakes {
    static let pac: [Mistake] = {
        func inbound(_ type: String, _ keys: String, listen: String = "127.0.0.1:1080") -> String {
            "inbounds: [{ name: a, type: \(type), listen: \"\(listen)\", pac: \(keys) }]\n"
        }
        let listen = "{ listen: \"127.0.0.1:8090\""
        return [
            Mistake(
                inbound("mixed", "{}"), "1:67",
                "the key \"listen\" is missing; expected an address to listen on such as 127.0.0.1:1080"),
            Mistake(
                inbound("mixed", listen + " }", listen: "127.0.0.1:0"), "1:64",
                "the key \"proxy\" is missing; expected where browsers find the inbound, whose port the system chooses"),
            Mistake(
                inbound("socks5", listen + " }, users: { alice: { passwordFile: pw } }"), "1:68",
                "no browser speaks SOCKS over TLS, or logs in to it; take type: http"),
            Mistake(
                inbound("socks5", listen + " }, tls: { cert: cert.pem, key: key.pem }"), "1:68",
                "no browser speaks SOCKS over TLS, or logs in to it; take type: http"),
            Mistake(
                inbound("http", listen + ", routes: \"a.test:80\" }"), "1:102",
                "\"a.test:80\" names a port; leave the port away: it counts for no browser"),
            Mistake(
                inbound("http", listen + ", routes: [every] }"), "1:103",
                "\"every\" is no rule: 'every' is none of the words public, private, loopback, localhost; a host of this name is written 'every.'."
            ),
            Mistake(
                inbound("mixed", "{ listen: \"127.0.0.1:1080\" }"), "1:67",
                "\"a\" listens on 127.0.0.1:1080 already; choose another port"),
        ]
    }()
}
