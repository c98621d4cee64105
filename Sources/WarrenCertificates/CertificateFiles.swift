// SPDX-License-Identifier: Apache-2.0

import Crypto
public import Foundation
import SwiftASN1
import WarrenConfiguration
import X509

/// An authority and a certificate as files: what `tls:` of both ends names.
public struct CertificateFiles: Hashable, Sendable {
    /// For whoever dials: what `ca:` names. Not secret.
    public let authority: String
    /// Signs further certificates. Neither end needs it.
    public let authorityKey: String
    /// For the host itself: what `cert:` and `key:` name.
    public let certificate: String
    public let key: String
    /// Whether the authority was made now; else the one that was there has signed.
    public let authorityIsNew: Bool
    /// Until when the certificate is valid.
    public let end: Date

    /// Makes a certificate for a host, and its authority unless there is one in the folder. Never overwrites a file; leaves
    /// nothing behind where it fails.
    ///
    /// - Parameter names: host names and IP addresses; the files are called by the first one.
    /// - Throws: ``CertificateFailure``.
    public static func write(
        names: [String], to folder: String, now: Date = Date()
    ) throws(CertificateFailure) -> CertificateFiles {
        var all: [CertificateName] = []
        for name in names {
            let name = try CertificateName(name)
            if !all.contains(name) { all.append(name) }
        }
        guard let first = all.first?.text else { throw CertificateFailure("the certificate has no name; give one") }
        let (authorityFile, authorityKey) = ("\(folder)/authority.crt", "\(folder)/authority.key")
        let (certificateFile, keyFile) = ("\(folder)/\(first).crt", "\(folder)/\(first).key")
        guard first != "authority" else {
            throw CertificateFailure("the files of the authority are called authority; choose another name")
        }
        for file in [certificateFile, keyFile] where Self.isThere(file) {
            throw CertificateFailure("\(file) is there already; move it away, or choose another folder with --out")
        }
        let isNew = !Self.isThere(authorityFile) && !Self.isThere(authorityKey)
        let authority = isNew ? nil : try Self.authority(authorityFile, authorityKey, now)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw CertificateFailure("the folder \(folder) cannot be made; check the path and its mode")
        }
        let signed: CertificateAuthority.Signed
        var contents: [(path: String, text: String, mode: mode_t)] = []
        do {
            let authority = try authority ?? CertificateAuthority.make(now: now)
            signed = try authority.sign(all, now: now)
            if isNew {
                contents.append((authorityKey, Self.text(authority.key.pemRepresentation), 0o600))
                contents.append((authorityFile, Self.text(try authority.certificate.serializeAsPEM().pemString), 0o644))
            }
            contents.append((keyFile, Self.text(signed.key.pemRepresentation), 0o600))
            contents.append((certificateFile, Self.text(try signed.certificate.serializeAsPEM().pemString), 0o644))
        } catch {
            throw CertificateFailure("the certificate cannot be made: \(error)")
        }
        try Self.create(contents)
        return CertificateFiles(
            authority: authorityFile, authorityKey: authorityKey, certificate: certificateFile, key: keyFile,
            authorityIsNew: isNew, end: signed.certificate.notValidAfter)
    }

    private static func authority(
        _ file: String, _ key: String, _ now: Date
    ) throws(CertificateFailure) -> CertificateAuthority {
        for (one, other) in [(file, key), (key, file)] where !Self.isThere(one) {
            throw CertificateFailure(
                "\(other) is there, but not \(one); put it beside it, or choose another folder with --out")
        }
        let certificate = try Self.read(file)
        let secret = try Self.read(key)
        do throws(CertificateFailure) {
            return try CertificateAuthority(certificate: certificate, key: secret, now: now)
        } catch {
            throw CertificateFailure("\(file) \(error); choose another folder with --out for a new authority")
        }
    }

    private static func isThere(_ path: String) -> Bool {
        // Of a link itself: one that leads nowhere is there, too.
        (try? FileManager.default.attributesOfItem(atPath: path)) != nil
    }

    private static func read(_ path: String) throws(CertificateFailure) -> String {
        do throws(Refusal) {
            return try TextFile.read(path, limit: NamedFile.longestKey)
        } catch {
            let words = [error.what ?? "cannot be read", error.hint ?? "check its mode"]
            throw CertificateFailure("\(path) \(words.joined(separator: "; "))")
        }
    }

    private static func text(_ pem: String) -> String { pem.hasSuffix("\n") ? pem : pem + "\n" }

    /// All of them or none.
    private static func create(
        _ contents: [(path: String, text: String, mode: mode_t)]
    ) throws(CertificateFailure) {
        var made: [String] = []
        for (path, text, mode) in contents {
            // Never over a file that somebody else makes at this moment.
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
            if descriptor >= 0 { made.append(path) }
            guard descriptor >= 0, (try? file.write(contentsOf: Data(text.utf8))) != nil, close(descriptor) == 0 else {
                for path in made { unlink(path) }
                throw CertificateFailure(
                    "\(path) cannot be written; check that the folder may be written to, and that the disk has room")
            }
        }
    }
}
