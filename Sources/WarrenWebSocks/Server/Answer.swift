// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension WebSocks {
    /// What a server answers to an HTTP request; composed with its own date.
    enum Answer: Hashable {
        case upgraded(accept: String)
        /// A sentence for whoever looks at it with a browser.
        case refused(Int, String)
        case redirect(String)
        case page(Pages.Page)
    }
}

extension WebSocks.ServerConfiguration {
    /// The whole answer. `Server` and `Date` come first, as in the deployed server's.
    func bytes(_ answer: WebSocks.Answer, closes: Bool = false) -> ByteBuffer {
        switch answer {
        case .upgraded(let accept):
            // The odd spelling of `Sec-Websocket-Accept` is the deployed server's.
            return self.message(
                101,
                [
                    "Upgrade: websocket", "Connection: Upgrade", "Sec-Websocket-Accept: \(accept)",
                    "Sec-WebSocket-Protocol: \(WebSocks.Upgrade.subprotocol)",
                ])
        case .refused(let status, let sentence):
            let login = status == 401 ? ["WWW-Authenticate: Basic"] : []
            let text =
                "<html><head><title>\(status) \(Self.reason(status))</title></head><body>\(sentence)</body></html>\n"
            return self.message(
                status, login + ["Content-Type: text/html"], body: ByteBuffer(string: text), closes: closes)
        case .redirect(let place):
            return self.message(302, ["Location: \(Self.fieldValue(place))"], body: ByteBuffer())
        case .page(let page):
            return self.message(200, ["Content-Type: \(Self.fieldValue(page.type))"], body: page.body)
        }
    }

    private func message(
        _ status: Int, _ fields: [String], body: ByteBuffer? = nil, closes: Bool = false
    ) -> ByteBuffer {
        var lines = [
            "HTTP/1.1 \(status) \(Self.reason(status))", "Server: \(Self.fieldValue(self.product))",
            "Date: \(WebSocks.ServerDate.text(self.wallClock()))",
        ]
        lines += fields
        if let body { lines.append("Content-Length: \(body.readableBytes)") }
        if closes { lines.append("Connection: close") }
        var bytes = ByteBuffer(string: lines.joined(separator: "\r\n") + "\r\n\r\n")
        if let body { bytes.writeImmutableBuffer(body) }
        return bytes
    }

    /// What an operator wrote, without what would end the line.
    private static func fieldValue(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 101: "Switching Protocols"
        case 200: "OK"
        case 302: "Found"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 404: "Not Found"
        case 431: "Request Header Fields Too Large"
        default: "Error"
        }
    }
}
