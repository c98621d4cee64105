// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension WebSocks {
    /// What a server tells whoever asks for a page instead of an upgrade.
    public enum Visitors: Hashable, Sendable {
        /// 400, as a deployed server without a web root answers.
        case refused
        case notFound
        /// 302 to this place.
        case redirect(String)
        /// 200 with one of these, or 404.
        case pages(Pages)

        /// - Parameter target: as the request has it.
        func answer(_ target: String) -> Answer {
            switch self {
            case .refused: .refused(400, "upgrading related headers are invalid")
            case .notFound: .refused(404, "not found")
            case .redirect(let place): .redirect(place)
            case .pages(let pages): pages.page(target).map { .page($0) } ?? .refused(404, "not found")
            }
        }
    }

    /// Pages by their paths, whole in memory: nobody's request opens a file.
    public struct Pages: Hashable, Sendable {
        public struct Page: Hashable, Sendable {
            /// What `Content-Type` says.
            public var type: String
            public var body: ByteBuffer

            public init(type: String, body: ByteBuffer) {
                self.type = type
                self.body = body
            }
        }

        private let pages: [String: Page]

        /// - Parameter pages: by path as requests write it, `/folder/some%20page.html`.
        public init(_ pages: [String: Page]) { self.pages = pages }

        /// The page of a path, without its query; that of a folder (`/`, `/folder/`) is its `index.html`.
        func page(_ target: String) -> Page? {
            let path = target.prefix { $0 != "?" && $0 != "#" }
            return self.pages[String(path) + (path.hasSuffix("/") ? "index.html" : "")]
        }
    }
}
