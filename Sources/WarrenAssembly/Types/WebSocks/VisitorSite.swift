// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import WarrenConfiguration
import WarrenWebSocks

/// What strangers see who come with a browser. The files of a folder are kept in memory, and read again when they change.
final class VisitorSite: Sendable {
    private static let longestFile = 1 << 20
    private static let most = (files: 1000, bytes: 16 << 20, depth: 8)

    private let folder: String?
    private let current: Mutex<WebSocks.Visitors>

    init(_ visitors: WebSocks.Visitors) {
        self.folder = nil
        self.current = Mutex(visitors)
    }

    init(folder: Located<String>, _ findings: Findings) {
        self.folder = folder.value
        do throws(Refusal) {
            self.current = Mutex(.pages(try Self.read(folder.value)))
        } catch {
            self.current = Mutex(.refused)
            findings.report(
                "\(quoted(folder.value)) \(error.what ?? "cannot be read")", at: folder.place, hint: error.hint)
        }
    }

    var visitors: WebSocks.Visitors { self.current.withLock { $0 } }

    /// Nothing where there is no folder. Those in it come and go.
    var watched: [FileWatcher.Watched] {
        guard let folder else { return [] }
        return [
            FileWatcher.Watched(paths: Self.folders(in: folder)) {
                do throws(Refusal) {
                    let pages = try Self.read(folder)
                    self.current.withLock { $0 = .pages(pages) }
                } catch {
                    throw FilesLeftOut(["\(folder) \(error.what ?? "cannot be read")"])
                }
            }
        ]
    }

    // MARK: Reading

    /// All folders that pages are read from, and no more than there may be.
    private static func folders(in root: String) -> [String] {
        var (folders, waiting) = ([root], [(folder: root, depth: 0)])
        while let next = waiting.popLast() {
            guard next.depth < Self.most.depth else { continue }
            for name in (try? FileManager.default.contentsOfDirectory(atPath: next.folder)) ?? [] {
                let folder = "\(next.folder)/\(name)"
                guard !name.hasPrefix("."), Self.kind(of: folder) == .typeDirectory else { continue }
                guard folders.count < Self.most.files else { return folders }
                folders.append(folder)
                waiting.append((folder, next.depth + 1))
            }
        }
        return folders
    }

    /// Links are what they are, and not what they lead to, so that nothing outside is shown.
    private static func kind(of file: String) -> FileAttributeType? {
        (try? FileManager.default.attributesOfItem(atPath: file))?[.type] as? FileAttributeType
    }

    private static func read(_ root: String) throws(Refusal) -> WebSocks.Pages {
        var pages: [String: WebSocks.Pages.Page] = [:]
        var (folders, bytes) = (1, 0)
        var waiting = [(folder: root, path: "/", depth: 0)]
        while let next = waiting.popLast() {
            for name in try Self.names(in: next.folder) where !name.hasPrefix(".") {
                let file = "\(next.folder)/\(name)"
                let kind = Self.kind(of: file)
                let path = next.path + Self.escaped(name)
                if kind == .typeDirectory, next.depth < Self.most.depth {
                    folders += 1
                    waiting.append((file, path + "/", next.depth + 1))
                } else if kind == .typeRegular {
                    let body = try Self.content(of: file)
                    bytes += body.readableBytes
                    guard pages.count < Self.most.files, bytes <= Self.most.bytes else { throw Self.tooMuch }
                    pages[path] = WebSocks.Pages.Page(type: Self.type(of: name), body: body)
                }
                guard folders <= Self.most.files else { throw Self.tooMuch }
            }
        }
        return WebSocks.Pages(pages)
    }

    private static let tooMuch = Refusal(
        "holds more than \(most.files) files or \(Size.words(most.bytes))",
        hint: "pages are kept in memory; name a smaller folder")

    private static func names(in folder: String) throws(Refusal) -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw Refusal("is no folder that can be read", hint: "create it, or correct the path or its mode")
        }
        return names.sorted()
    }

    private static func content(of file: String) throws(Refusal) -> ByteBuffer {
        do throws(Refusal) {
            return ByteBuffer(bytes: try NamedFile.read(file, limit: Self.longestFile, remedy: "move it away"))
        } catch {
            throw Refusal("holds \(file), which \(error.what ?? "cannot be read")", hint: error.hint)
        }
    }

    /// As a browser asks for it.
    private static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(
            withAllowedCharacters: .urlPathAllowed.subtracting(CharacterSet(charactersIn: "/?#"))) ?? name
    }

    private static func type(of name: String) -> String {
        switch name.split(separator: ".").last?.lowercased() {
        case "html", "htm": "text/html; charset=utf-8"
        case "css": "text/css"
        case "js", "mjs": "text/javascript"
        case "json": "application/json"
        case "txt": "text/plain; charset=utf-8"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        case "jpg", "jpeg": "image/jpeg"
        case "gif": "image/gif"
        case "webp": "image/webp"
        case "ico": "image/x-icon"
        case "woff2": "font/woff2"
        case "pdf": "application/pdf"
        case "xml": "application/xml"
        default: "application/octet-stream"
        }
    }
}
