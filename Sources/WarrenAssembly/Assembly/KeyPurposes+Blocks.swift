// SPDX-License-Identifier: Apache-2.0

extension KeyPurposes {
    /// What each block and each type is, in one line.
    package static let places = [
        "file": "the keys at the left margin",
        "log": "what is told on standard error",
        "admin": "how the running process is asked",
        "inbounds": "what every inbound may have, besides the keys of its type",
        "outbounds": "what every outbound may have, besides the keys of its type",
        "relays": "what every relay may have, besides the keys of its type",
        "routes": "one rule; it matches if all its keys but to and balance do, of each list one value",
        "egress": "what may leave by direct",
        "limits": "of the whole process",
        "limits of an inbound": "for all its streams together; under perUser, and in users, for one user",
        "users": "of one user, under its name: one of the two passwords",
        "tls": "on what listens, and on what dials",
        "pac": "the file that browsers are given, at /proxy.pac",
        "mixed inbound": "SOCKS4, SOCKS4a, SOCKS5 and HTTP proxy on one port",
        "socks5 inbound": "SOCKS5 proxy: CONNECT (RFC 1928), login (RFC 1929) where there are users",
        "http inbound": "HTTP proxy: CONNECT, http:// requests, upgrades; Basic login where there are users",
        "forward inbound": "takes every connection to one target",
        "stdio inbound": "one stream from standard input and output; the program ends with it",
        "jproxy inbound": "server of jProxy",
        "jet inbound": "waits at a relay; who joins becomes a stream",
        "zhwkprox inbound": "the exit: dials an inter-server, and reaches what that asks for",
        "mproxy inbound": "the device: dials a relay, and serves names and ports there",
        "public inbound": "visitors of public names and ports; leads to an mproxy outbound",
        "vproxy inbound": "server of the vproxy tunnel: streams over KCP, every one to one target",
        "vproxy outbound": "client of the vproxy tunnel: streams that name no destination",
        "websocks inbound": "server of WebSocks (vproxy): SOCKS5 behind a WebSocket's upgrade",
        "websocks outbound": "agent of WebSocks (vproxy): a connection for each stream",
        "direct outbound": "connects to the destination itself",
        "stdio outbound": "takes one stream to standard input and output",
        "socks5 outbound": "asks a SOCKS5 proxy of others",
        "http outbound": "asks an HTTP proxy of others, by CONNECT",
        "jproxy outbound": "client of jProxy",
        "jet outbound": "whoever waits at a relay",
        "zhwkprox outbound": "the inter-server: waits for exits, and takes streams to them",
        "mproxy outbound": "the relay: waits for devices, and takes visitors to the one that serves their name",
        "jet relay": "joins those who wait with those who come",
    ]

    /// Defaults that a reader works out, or that a machine has.
    package static let usual = [
        "log level": "info",
        "inbounds name": "the type",
        "outbounds name": "the type",
        "relays name": "the type",
        "inbounds to": "direct",
        "routes balance": "first",
        "egress allow": "public",
        "egress deny": "nothing",
        "vproxy inbound carrier": "tls with a tls block, else kcp",
        "vproxy outbound carrier": "tls with a tls block, else kcp",
        "websocks inbound carrier": "tls with a tls block, else tcp",
        "websocks outbound carrier": "tls with a tls block, else tcp",
        "jet relay instance": "this machine's host name",
        "jet relay maxPendingPerAddress": "half of maxPending",
        "jet relay version": "1 and 2",
    ]

    static let blocks: [String: [String: String]] = [
        "file": [
            "log": "level and format of the log", "admin": "the socket of status, reload and kill",
            "inbounds": "where streams come from", "outbounds": "where they go; direct always exists",
            "relays": "services that join others and route nothing",
            "routes": "rules that lead streams before the to of their inbound does",
            "egress": "what may leave by direct", "limits": "of the whole process",
            "drain": "how long streams may go on after the first signal",
        ],
        "log": ["level": "the least level that is told", "format": "lines for people, or JSON objects"],
        "admin": ["listen": "the socket's path"],
        "inbounds": [
            "type": "one of the types", "name": "what logs, counters and routes call it",
            "to": "the outbound that its streams lead to, where no route says otherwise",
            "through": "the outbound that dials its carrier; only for types that dial",
            "limits": "what it and its users may use",
        ],
        "outbounds": [
            "type": "one of the types", "name": "what logs, counters, to and through call it",
            "through": "the outbound that dials its carrier; only for types that dial",
        ],
        "relays": ["type": "one of the types", "name": "what logs and counters call it"],
        "routes": [
            "inbound": "names of inbounds", "user": "as whom the opener has logged in",
            "host": "names, or addresses as they were given; beside cidr one of both must fit",
            "cidr": "networks, addresses, public, private or loopback",
            "resolve": "looks a name up for cidr; only with cidr", "port": "ports of the destination",
            "network": "the kind of stream", "to": "an outbound, several, or block",
            "balance": "which of several; only where to names more than one",
        ],
        "egress": [
            "allow": "rules, of which one must name the destination",
            "deny": "rules, of which none may name it",
            "users": "from names to blocks of allow and deny, each in the place of these for one user",
        ],
        "limits": [
            "handshake": "from accepting a connection to its login or request, and for TLS again",
            "idle": "a stream without a byte in either direction; 0 is never",
            "streamsPerSession": "streams of one tunnel at a time",
            "sessions": "accepted connections of all inbounds together",
        ],
        "limits of an inbound": [
            "streams": "at a time", "streamsPerSecond": "new ones; as many may come at once",
            "up": "bytes per second from the users; at least 1KiB",
            "down": "bytes per second to the users; at least 1KiB",
            "total": "bytes both ways since the process began, or since the unit was changed",
            "perUser": "the same keys for each user, and for all without a login together; not in users",
        ],
        "users": [
            "passwordFile": "a file whose first line is the password",
            "password": "the same, in the place of passwordFile",
            "limits": "what the user may use, in the place of the inbound's perUser",
        ],
        "pac": [
            "listen": "where browsers get the file, over HTTP",
            "proxy": "where browsers find the inbound; where it listens if left out, by the name that they asked",
            "routes":
                "what goes through the inbound, everything else directly; without it, as the routes of the file have it",
        ],
        "tls": [
            "cert": "the chain to show (PEM); only with key; required on what listens",
            "key": "its private key, without a passphrase (PEM); only with cert",
            "ca":
                "what to trust (PEM): on what dials, instead of the system's authorities; on what listens, clients must "
                + "show a certificate that it signed",
            "serverName": "the name to ask for and to verify instead of the host; only on what dials",
            "verify": "false trusts any certificate, with a warning; only on what dials",
            "truncation": "what an end means that TLS has not announced: a reset, or an end",
        ],
    ]
}
