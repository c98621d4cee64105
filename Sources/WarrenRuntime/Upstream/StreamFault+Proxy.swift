// SPDX-License-Identifier: Apache-2.0

import WarrenCore

extension StreamFault {
    /// Why an HTTP proxy could not connect: by `Proxy-Status` (RFC 9209) where it says that, then by squid's
    /// `X-Squid-Error`, else by its status.
    init(_ response: HTTPResponse) {
        func field(_ name: String) -> String? {
            response.fields.last { $0.key == name }.map { String(decoding: $0.value, as: UTF8.self) }
        }
        self =
            field("proxy-status").flatMap { Self(proxyStatus: $0) } ?? field("x-squid-error").flatMap {
                Self(squid: $0)
            }
            ?? Self(status: response.code)
    }

    private init?(proxyStatus text: String) {
        guard let range = text.firstRange(of: "error=") else { return nil }
        switch text[range.upperBound...].prefix(while: { $0.isLetter || $0 == "_" }) {
        case "connection_refused": self = .refused
        case "destination_ip_unroutable": self = .unreachable
        case "dns_error", "dns_timeout": self = .unknownHost
        case "connection_timeout": self = .timedOut
        case "destination_ip_prohibited", "http_request_denied": self = .notAllowed
        case "connection_limit_reached": self = .limit
        default: return nil
        }
    }

    /// `ERR_CONNECT_FAIL 111`: the name of squid's page and the number of its system's error; its status is 503 for all of
    /// them. The numbers are those of Linux and of BSD, of which none is another's.
    private init?(squid text: String) {
        let words = text.split(separator: " ")
        switch (words.first, words.dropFirst().first) {
        case ("ERR_CONNECT_FAIL", "111"), ("ERR_CONNECT_FAIL", "61"): self = .refused
        case ("ERR_CONNECT_FAIL", "110"), ("ERR_CONNECT_FAIL", "60"): self = .timedOut
        case ("ERR_CONNECT_FAIL", "101"), ("ERR_CONNECT_FAIL", "113"): self = .unreachable
        case ("ERR_CONNECT_FAIL", "51"), ("ERR_CONNECT_FAIL", "65"): self = .unreachable
        case ("ERR_DNS_FAIL", _): self = .unknownHost
        default: return nil
        }
    }

    private init(status code: Int) {
        switch code {
        case 401, 403, 405: self = .notAllowed
        case 404: self = .unknownHost
        case 501: self = .unsupported
        case 408, 504: self = .timedOut
        default: self = .failed
        }
    }
}
