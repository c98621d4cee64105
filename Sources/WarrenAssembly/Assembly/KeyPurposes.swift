// SPDX-License-Identifier: Apache-2.0

/// What each key is for, in one line.
package enum KeyPurposes {
    /// Those that mean the same wherever they stand.
    package static let shared = [
        "listen": "where it waits for connections",
        "tls": "a block of cert, key, ca and more: TLS around the whole connection",
        "users": "a map from names to passwordFile: who may log in; without it everybody may",
        "target": "where every stream goes; without it the outbound must know",
        "server": "what it dials",
        "relay": "the relays to dial, tried in order",
        "dialect": "whose reading of the protocol it follows",
        "strict": "takes nothing that the protocol does not allow",
        "linger": "how long a stream stays open behind its end in one direction",
        "budget": "what slow readers of one tunnel may leave untaken",
        "stall": "how long a full budget may wait before a slow reader is ended",
        "extension": "windows, half-close and real reasons between two Warrens",
        "ping": "how often a silent WebSocket is pinged",
        "association": "the name under which the two meet",
        "candidate": "a candidate of the association, for version 2",
        "version": "the version of the protocol",
        "secretKey": "a variable of the environment with the key; both ends have the same",
        "secretKeyFile": "a file with the key; both ends have the same",
        "iv": "the vector that goes with the key",
        "idle": "how long a destination may be silent, without the extension",
        "gap": "the time between two messages of a destination, without the extension",
        "pieces": "the longest message with its head, without the extension",
        "sharedWith": "the inbound on whose port its peers arrive, in the place of listen",
    ]

    /// Those of one type, before the shared ones.
    package static let own: [String: [String: String]] = [
        "forward inbound": ["network": "what kind of streams it takes"],
        "jproxy inbound": ["users": "the folder of the users' .dat files"],
        "jproxy outbound": [
            "key": "the client's key.dat", "lanes": "how many tunnels it may have; auto is one for each thread",
        ],
        "jet inbound": [
            "repeat": "waits again as soon as somebody has come", "announce": "the file that gets the association",
        ],
        "jet outbound": ["associationFile": "a file that an inbound announced, read for every stream"],
        "jet relay": [
            "instance": "the host that peers are told", "timeout": "how long somebody waits",
            "version": "the versions that are served", "mask": "the mask of replies instead of the request's",
            "maxPending": "how many may wait", "maxPendingPerAddress": "how many may wait from one address",
            "api": "a port for calls alone", "tokenFile": "the token that calls must bear",
        ],
        "mproxy inbound": [
            "tokenFile": "the tokens shown to the relay", "services": "a map from public names or ports to targets",
            "lanes": "how many tunnels it keeps to each relay",
        ],
        "mproxy outbound": [
            "host": "the relay's own name", "secretFile": "the secret that signs tokens",
            "publicKeyFile": "the public key that verifies tokens, in the place of secretFile",
            "duplicates": "what happens when a name is served already", "audience": "whom tokens must be meant for",
            "expiry": "refuses tokens that never end",
        ],
        "public inbound": [
            "mode": "what visitors speak", "http": "what happens to plain HTTP",
            "ports": "the ports that devices may ask for",
        ],
        "zhwkprox inbound": [
            "dial": "the inter-servers, tried in order",
            "sendOnly": "how long a destination may send without a request, without the extension",
        ],
        "zhwkprox outbound": [
            "exits": "which exit takes new streams", "allow": "where exits may come from",
            "wait": "how long a user waits for a destination in use, without the extension",
            "resolve": "who looks names up",
        ],
        "direct outbound": [
            "bind": "the address of this machine to dial from", "prefer": "which addresses of a name come first",
        ],
        "socks5 outbound": Self.login,
        "http outbound": Self.login,
    ]

    private static let login = [
        "user": "the name to log in with", "passwordFile": "a file with the password of the user",
        "password": "a variable of the environment with the password",
    ]
}
