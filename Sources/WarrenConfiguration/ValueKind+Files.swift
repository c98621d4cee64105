// SPDX-License-Identifier: Apache-2.0

extension ValueKind where Value == String {
    /// A path that need not exist; relative ones start at the folder of the configuration file, or at the working
    /// directory for a URL.
    package static var path: Self {
        .scalar("a path") { text, context throws(Refusal) in
            guard !text.isEmpty else { throw Refusal("is not a path") }
            return TextFile.path(text, in: context.folder)
        }
    }

    /// The path of a regular file that is there and may be read.
    package static var file: Self {
        .scalar("the path of a file") { text, context throws(Refusal) in
            let path = TextFile.path(text, in: context.folder)
            try NamedFile.check(path)
            return path
        }
    }
}

extension ValueKind where Value == String {
    /// The path of a file with a secret in it: as ``file``, with a note if others may read it.
    package static var privateFile: Self {
        Self(expected: Self.file.expected) { node, context in
            guard case .scalar(let scalar) = node.content, !scalar.isNull, !scalar.text.isEmpty else {
                return Self.file.read(node, context)
            }
            let path = TextFile.path(scalar.text, in: context.folder)
            do throws(Refusal) {
                try NamedFile.check(path)
            } catch {
                // Where there is no such file, the text may be the secret itself.
                let shown = TextFile.looksLikeName(scalar.text) ? node.shown : "the file that is named here"
                let folder = context.folder.isEmpty ? "the working directory" : context.folder
                let hint =
                    shown == node.shown ? error.hint : "name a file in \(folder) with nothing but the secret in it"
                context.findings.report("\(shown) \(error.what ?? "cannot be read")", at: node.place, hint: hint)
                return nil
            }
            if TextFile.isOpenToOthers(path) {
                let what = "the group or everybody may read \(node.shown), which holds a secret"
                context.findings.note(what, at: node.place, hint: "chmod 600")
            }
            return path
        }
    }
}

/// A password, key or token; prints as `(secret)`.
package struct Secret: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension ValueKind where Value == Secret {
    /// The first line of a file, for keys such as `passwordFile`.
    package static var secretFile: Self {
        Self(expected: "the path of a file that holds a secret") { node, context in
            guard let path = ValueKind<String>.privateFile.read(node, context) else { return nil }
            do throws(Refusal) {
                let text = try TextFile.read(path, limit: NamedFile.longestKey)
                let line = text.prefix { !$0.isNewline }
                guard !line.isEmpty else {
                    throw Refusal("holds no secret in its first line", hint: "write nothing but the secret there")
                }
                guard !line.unicodeScalars.contains("\0") else {
                    throw Refusal("holds a zero byte in its first line", hint: "write the secret as text")
                }
                return Secret(String(line))
            } catch {
                let what = error.what ?? "cannot be read"
                context.findings.report("\(node.shown) \(what)", at: node.place, hint: error.hint)
                return nil
            }
        }
    }
}

extension Section {
    /// The secret of `<name>File`, or of `name: ${VARIABLE}`; never one that is written in the file or the URL itself.
    ///
    /// - Returns: nil if there is none, which is reported if it is required, or after a report.
    package func secret(_ name: String, isRequired: Bool = false) -> Secret? {
        let file = "\(name)File"
        let fromFile = self.node(file)
        guard let node = self.node(name, expected: "a variable of the environment such as ${PASSWORD}") else {
            if fromFile == nil, isRequired { self.missing(file, expected: "a file that holds the \(name)") }
            return self.optional(file, .secretFile)
        }
        guard fromFile == nil else {
            self.findings.report("\(name) and \(file) are both given", at: node.place, hint: "remove one of them")
            return nil
        }
        guard case .scalar(let scalar) = node.content, !scalar.text.isEmpty else {
            node.isNot("a variable of the environment such as ${PASSWORD}", self.findings, hint: "or use \(file)")
            return nil
        }
        guard scalar.text != scalar.written, Substitution.isVariable(scalar.written) else {
            let fromEnvironment = node.place.isArgument ? "" : ", or ${NAME} from the environment"
            let hint = "write it into a file and name that as \(file)\(fromEnvironment)"
            self.findings.report("a secret does not belong here in plain text", at: node.place, hint: hint)
            return nil
        }
        return Secret(scalar.text)
    }
}

extension ValueKind where Value == String {
    /// `unix:/run/warren.sock`: the path of a socket, which must fit into an address of the system.
    package static var unixSocket: Self {
        .scalar("unix:/path of a socket") { text, context throws(Refusal) in
            guard text.hasPrefix("unix:"), text.utf8.count > 5 else { throw Refusal() }
            let path = TextFile.path(String(text.dropFirst(5)), in: context.folder)
            guard path.utf8.count < 104 else { throw Refusal("is too long for a socket", hint: "use a shorter path") }
            return path
        }
    }
}
