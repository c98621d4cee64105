// SPDX-License-Identifier: Apache-2.0

extension Mistakes {
    static let vproxy: [Mistake] = {
        func inbound(_ keys: String) -> String {
            "inbounds: [{ name: a, type: vproxy, listen: \"127.0.0.1:1\"\(keys) }]\n"
        }
        func outbound(_ keys: String) -> String {
            "inbounds: [{ name: a, type: forward, listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: p, type: socks5, server: \"localhost:2\" }, { name: o, type: vproxy\(keys) }]\n"
        }
        let target = ", target: \"localhost:2\""
        return [
            Mistake(
                inbound(""), "1:12",
                "the key \"target\" is missing; expected a host and port such as example.net:443"),
            Mistake(inbound("\(target), carrier: udp"), "1:92", "\"udp\" is not one of kcp, tcp, tls"),
            Mistake(inbound("\(target), mtu: 20"), "1:88", "expected a whole number from 100 to 9000, found \"20\""),
            Mistake(
                inbound("\(target), profile: fast9"), "1:92",
                "\"fast9\" is not one of normal, fast1, fast2, fast3, fast4; nearest: fast1"),
            Mistake(
                inbound("\(target), carrier: tcp, congestion: window"), "1:109",
                "congestion is for carrier: kcp; remove it, or write carrier: kcp"),
            Mistake(
                inbound("\(target), carrier: kcp, tls: { cert: cert.pem, key: key.pem }"), "1:102",
                "the carrier is kcp, and there is a tls block; write carrier: tls, or remove the block"),
            Mistake(
                inbound("\(target), carrier: tls"), "1:12",
                "the key \"tls\" is missing; expected a block with cert and key, as the carrier is tls"),
            Mistake(
                inbound("\(target), key: near.key"), "1:12",
                "the key \"clients\" is missing; expected the .pub files of those who may come in, or a folder with them"
            ),
            Mistake(
                inbound("\(target), clients: near.pub"), "1:12",
                "the key \"key\" is missing; expected this end's own key, as there is clients"),
            Mistake(
                inbound("\(target), key: both.key, clients: near.pub"), "1:107",
                "clients goes with a key pair, and key is a shared secret; remove it, or make a pair for each end with: warren keygen vproxy NAME"
            ),
            Mistake(
                inbound("\(target), carrier: tcp, key: both.key"), "1:102",
                "key is for carrier: kcp; remove it, or write carrier: kcp"),
            Mistake(
                inbound("\(target), key: near.key, clients: nobody.pub"), "1:107",
                "nobody.pub does not exist; create it or correct the path"),
            Mistake(
                inbound("\(target), key: near.key, clients: near.key"), "1:107",
                "near.key is not the key that is wanted here: it begins with warren-vproxy-private: instead of warren-vproxy-public:; copy the .pub file that was made at the other end"
            ),
            Mistake(
                outbound(", server: \"localhost:3\", key: near.key"), "2:63",
                "the key \"serverKey\" is missing; expected the server's .pub file, as key is that of a pair"),
            Mistake(
                outbound(", server: \"localhost:3\", key: near.pub, serverKey: near.pub"), "2:116",
                "near.pub is not the key that is wanted here: it begins with warren-vproxy-public: instead of warren-vproxy-private:; make one with: warren keygen vproxy NAME"
            ),
            Mistake(
                outbound(", server: \"localhost:3\", key: pw"), "2:116",
                "pw is not the key that is wanted here: it does not begin with warren-vproxy-private:; make one with: warren keygen vproxy NAME"
            ),
            Mistake(
                outbound(""), "2:63", "the key \"server\" is missing; expected a host and port such as example.net:443"),
            Mistake(
                outbound(", server: \"localhost:3\", through: p"), "2:120",
                "\"o\" goes over UDP, which no outbound carries; write carrier: tcp or tls, or remove through"),
        ]
    }()
}
