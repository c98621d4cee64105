// SPDX-License-Identifier: Apache-2.0

/// What each key of a type is for, in one line.
package enum KeyPurposes {
    /// Those that mean the same in all types that have them.
    package static let shared = [
        "listen": "where it waits for connections",
        "tls": "TLS around the whole connection",
        "users": "who may log in; without it everybody may",
        "target": "where every stream goes; without it, the outbound in to must know",
        "server": "what it dials",
        "relay": "the relays to dial, tried in order",
        "dialect": "whose reading of the protocol it follows; the same at both ends",
        "strict": "takes nothing that the protocol does not allow",
        "linger": "how long a stream stays open for the other direction when one has ended",
        "budget": "what readers of one tunnel may leave untaken; with the extension 1.5 times that, over KCP 3",
        "stall": "how long a full budget may wait for slow readers; only without the extension",
        "extension": "windows, half-close and real reasons between two Warrens",
        "ping": "how often a silent WebSocket is pinged; only with ws and wss",
        "association": "the name under which the two meet",
        "candidate": "a candidate of the association; only with association, and version 2 needs it",
        "version": "the version of the protocol; 2 with a candidate",
        "secretKey": "the key, the same at both ends; the deployed one without it; not beside secretKeyFile",
        "secretKeyFile": "a file with the key, in the place of secretKey",
        "iv": "the vector that goes with the key, the same at both ends",
        "idle": "how long a destination may be silent; only without the extension",
        "gap": "the time between two messages of a destination; only without the extension",
        "pieces": "the longest message with its head; only without the extension; the path decides if it is left out",
        "profile": "how soon KCP repeats what was lost, as deployed programs name it; only with carrier kcp",
        "congestion":
            "paced follows a model of the path, window sends as much as the windows allow, as deployed programs do; only "
            + "with carrier kcp",
        "mtu": "bytes of the largest datagram that it sends; only with carrier kcp",
        "compression":
            "auto compresses what is long and becomes smaller by it; what comes compressed is always understood",
        "pac": "a second port, where browsers are told which requests go through this inbound",
        "sharedWith": "the inbound on whose port its peers arrive, in the place of listen and tls",
    ]

    /// Those of one type before the shared ones, and those of the blocks.
    package static let own: [String: [String: String]] = Self.blocks.merging(Self.types) { $1 }

    private static let types: [String: [String: String]] = [
        "forward inbound": ["network": "what kind of streams it takes"],
        "jproxy inbound": [
            "users": "the folder of the users' .dat files",
            "linger": "how long a stream stays open for the client's rest when its destination has sent everything",
            "strict": "closes the tunnel on messages that are ignored otherwise: empty, short, unknown, overlong",
        ],
        "jproxy outbound": [
            "server": "the server to dial; port 16384 if none is given",
            "key": "the client's key.dat", "lanes": "how many tunnels it may have; auto is one for each thread",
            "linger": "how long a stream stays open for the answer, from the last byte that came",
        ],
        "jet inbound": [
            "relay": "the relays to dial, tried in order; port 8080, with ws 80, with wss 443",
            "association": "the name under which the two meet; only with candidate, as version 1 has it from the relay",
            "repeat": "waits again as soon as somebody has come", "announce": "the file that gets the association",
        ],
        "jet outbound": [
            "relay": "the relays to dial, tried in order; port 8080, with ws 80, with wss 443",
            "association": "the name under which the two meet, or associationFile",
            "associationFile": "a file that an inbound announced, read for every stream; in the place of association",
        ],
        "jet relay": [
            "instance": "the host that peers are told", "timeout": "how long somebody waits",
            "tls": "the certificate for tls:// and wss://, and for what is listened on without a scheme",
            "dialect": "how replies read", "strict": "takes only requests as the documents describe them",
            "version": "the versions that are served", "mask": "the mask of replies; that of the request if left out",
            "maxPending": "how many may wait",
            "maxPendingPerAddress": "how many may wait from one address (IPv6: one /64); loopback is not counted",
            "api": "another port, and then the only one, for calls",
            "tokenFile": "the token that calls must bear; without it the list of associations is for loopback only",
        ],
        "mproxy inbound": [
            "relay": "the relays, each of which gets a tunnel: wss:// (port 443), ws:// (80)",
            "lanes": "how many tunnels it keeps to each relay",
            "tls": "what wss:// trusts and shows",
            "tokenFile": "the tokens shown to the relay", "services": "from public names and ports to local targets",
            "dialect": "v1-go shows the token in the upgrade, at /ws; the relay's first words tell if it is left out",
        ],
        "mproxy outbound": [
            "host": "the relay's own name", "secretFile": "the secret that signs tokens, of at least 32 bytes (HS256)",
            "publicKeyFile": "the public key that verifies tokens (RS256, ES256), in the place of secretFile",
            "duplicates": "who has a name that two devices serve",
            "audience": "whom tokens must be meant for (aud); anybody without it",
            "expiry": "refuses tokens that never end",
            "sharedWith": "the public inbound on whose port devices come in as well, in the place of listen",
        ],
        "public inbound": [
            "mode": "what visitors speak: TLS, HTTP, or both on one port",
            "http": "what happens to plain HTTP: 308 to https, or on to the device; not with mode tls",
            "ports": "the raw ports that devices may have here",
        ],
        "zhwkprox inbound": [
            "dial": "the inter-servers, tried in order: host, tcp:// or tls://; port 1992 if none is given",
            "dialect": "document says 00 before it closes on a wrong proof",
            "strict": "the size byte of the proof must be right",
            "sendOnly": "how long a destination may send without a request; only without the extension",
        ],
        "zhwkprox outbound": [
            "listen": "where exits come in; or sharedWith",
            "exits": "which exit takes new streams", "allow": "where exits may come from; anywhere without it",
            "idle": "as for the exit, and not shorter",
            "wait": "how long a user waits for a destination that another one uses; only without the extension",
            "resolve": "who looks names up: this end, IPv4 first, as exits only know addresses",
        ],
        "vproxy inbound": [
            "carrier": Self.vproxyCarrier, "target": "where every stream goes", "key": Self.tunnelKey,
            "clients": Self.clients,
        ],
        "vproxy outbound": [
            "carrier": Self.vproxyCarrier, "key": Self.tunnelKey, "serverKey": Self.serverKey,
            "lanes": "how many tunnels it may have; auto is one for each thread",
            "connectTimeout": "how long the far end may take to answer for a stream",
        ],
        "websocks inbound": [
            "key": Self.tunnelKey, "clients": Self.clients,
            "carrier": "what agents come over: with kcp streams of a vproxy tunnel, in each of which TLS may be",
            "users": "who may log in, by the passwords that agents have",
            "dialect": "connectFirst says yes when the destination is reached; deployed says it before",
            "logins": "oneAddress takes a login only from the address that used it first",
            "strict": "takes the upgrade in the one form of deployed agents, and no other",
            "hold": "how long a destination's first bytes wait for the agent's: deployed agents fail on them otherwise",
            "idle":
                "how long an upgraded connection may say nothing before it is used; agents with a pool do every 15s",
            "static": "the folder whose files visitors without an upgrade get; 400 without it",
            "redirect": "where visitors without an upgrade are sent, in the place of static",
        ],
        "websocks outbound": [
            "key": Self.tunnelKey, "serverKey": Self.serverKey,
            "carrier":
                "what the server is dialled over: with kcp streams of a vproxy tunnel, in each of which TLS may be",
            "user": "the name to log in with", "passwordFile": "a file with the user's password",
            "password": "the same, in the place of passwordFile",
            "pool": "upgraded connections that each thread keeps for the next streams",
            "poolAge": "how long one may wait before another takes its place; less than the server lets it",
            "strict": "waits for every answer: three round trips more, for servers that want it",
        ],
        "direct outbound": [
            "bind": "the address of this machine to dial from", "prefer": "which addresses of a name come first",
        ],
        "socks5 outbound": Self.login(port: 1080),
        "http outbound": Self.login(port: 8080),
    ]

    private static let vproxyCarrier = "kcp over UDP, or the same frames over tcp or tls"

    private static let tunnelKey =
        "this end's NAME.key of warren keygen vproxy: every datagram is sealed, and the other end must have a key, too; only "
        + "with carrier kcp"
    private static let clients =
        "the .pub files of those who may come in, or folders with them; only with a key pair"
    private static let serverKey = "the server's .pub file; only with a key pair"

    private static func login(port: Int) -> [String: String] {
        [
            "server": "the proxy to dial; port \(port) if none is given",
            "user": "the name to log in with; only with a password", "passwordFile": "a file with the user's password",
            "password": "the same, in the place of passwordFile",
        ]
    }
}
