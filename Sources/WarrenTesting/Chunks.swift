// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Ways of cutting a byte stream, as a network might.
public enum Chunks {
    /// Cuts into pieces of so many bytes; the last one may be shorter.
    public static func of(_ size: Int, _ bytes: ByteBuffer) -> [ByteBuffer] {
        var bytes = bytes
        var chunks: [ByteBuffer] = []
        while let chunk = bytes.readSlice(length: min(size, bytes.readableBytes)), chunk.readableBytes > 0 {
            chunks.append(chunk)
        }
        return chunks
    }

    /// Every way of cutting into two pieces, the uncut whole first, the single bytes last.
    public static func everySplit(of bytes: ByteBuffer) -> [[ByteBuffer]] {
        let cuts = (1..<max(bytes.readableBytes, 1)).map { first in
            var rest = bytes
            return [rest.readSlice(length: first) ?? ByteBuffer(), rest]
        }
        return [[bytes]] + cuts + [Self.of(1, bytes)]
    }

    /// Cuts at random: mostly into small pieces, now and then a large one.
    public static func random(
        _ bytes: ByteBuffer, most: Int = 9000, using random: inout some RandomNumberGenerator
    ) -> [ByteBuffer] {
        var bytes = bytes
        var chunks: [ByteBuffer] = []
        while bytes.readableBytes > 0 {
            let most = Bool.random(using: &random) ? min(most, 40) : most
            let size = min(Int.random(in: 1...max(most, 1), using: &random), bytes.readableBytes)
            chunks.append(bytes.readSlice(length: size) ?? ByteBuffer())
        }
        return chunks
    }
}
