// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// Bytes to values: frames out of a stream that may be cut anywhere.
    ///
    /// Data comes in the pieces that it came in, so that nothing is kept of it; the bodies of the other messages are small and come
    /// whole. After a throw there is no way to find the next frame, and every further ``next()`` throws the same.
    public struct Unpacker: Sendable {
        /// What the peer said.
        public enum Event: Hashable, Sendable {
            case connection(Header)
            /// A piece of the body, in order; empty only for a frame without any. Also what came with a `connection`.
            case data(Header, ByteBuffer)
            case end(Header)
            case error(Header, ByteBuffer)
            case pause(Header, ByteBuffer)
            case resume(Header, ByteBuffer)
            case control(Header, ByteBuffer)
            /// Only between two Warrens.
            case credit(Header, ByteBuffer)
            case finish(Header)
        }

        /// What a body may be, in bytes.
        public struct Limits: Hashable, Sendable {
            /// Of data. Deployed programs write 64 KiB at most.
            public var data: Int
            /// Of everything that is kept until it is whole.
            public var control: Int

            public init(data: Int = 1 << 20, control: Int = 64 << 10) {
                self.data = data
                self.control = control
            }

            func most(_ kind: Header.Kind) -> Int {
                switch kind {
                case .data, .connection, .end: self.data
                case .error, .pause, .resume, .control, .credit, .finish: min(self.control, self.data)
                }
            }
        }

        private let reading: Reading
        private let limits: Limits
        /// Both ends are Warrens, and have said so.
        var isExtended = false {
            // Words of the extension were services before.
            didSet { self.memory.forget() }
        }
        private var memory = HeaderMemory()
        private var inbound = ByteBuffer()
        /// The frame whose body is being read.
        private var current: Header?
        private var left = 0
        private var body = ByteBuffer()

        public init(_ reading: Reading = .strict, limits: Limits = Limits()) {
            self.reading = reading
            self.limits = limits
        }

        /// True between the first byte of a frame and its last.
        public var isInsideFrame: Bool { self.current != nil || self.inbound.readableBytes > 0 }

        /// Takes the next bytes of the stream.
        public mutating func receive(_ bytes: ByteBuffer) { self.inbound.take(bytes) }

        /// The next thing the peer said; nil means "feed me".
        ///
        /// - Throws: what breaks the protocol; see ``Reading``.
        public mutating func next() throws(WireError) -> Event? {
            while true {
                if let header = self.current {
                    guard let event = self.readBody(header) else {
                        if self.current == nil { continue }  // it meant nothing
                        return nil
                    }
                    return event
                }
                guard
                    let header = try self.inbound.readMProxyHeader(
                        self.reading, self.limits, isExtended: self.isExtended, &self.memory)
                else { return nil }
                if let event = self.begin(header) { return event }
            }
        }

        /// What can be said as soon as the header is there.
        private mutating func begin(_ header: Header) -> Event? {
            if header.kind == .data, header.length == 0 { return .data(header, ByteBuffer()) }
            self.current = header
            self.left = header.length
            return header.kind == .connection ? .connection(header) : nil
        }

        private mutating func readBody(_ header: Header) -> Event? {
            let piece = self.inbound.readSlice(length: min(self.left, self.inbound.readableBytes)) ?? ByteBuffer()
            self.left -= piece.readableBytes
            let isWhole = self.left == 0
            if isWhole { self.current = nil }
            switch header.kind {
            case .data, .connection:
                guard piece.readableBytes > 0, !(header.kind == .connection && header.isPadding(piece)) else {
                    return nil
                }
                return .data(header, piece)
            case .end:
                return isWhole ? .end(header) : nil
            case .error, .pause, .resume, .control, .credit, .finish:
                self.body.writeImmutableBuffer(piece)
                guard isWhole else { return nil }
                var body = self.body
                self.body = ByteBuffer()
                if header.kind == .error, header.isPadding(body) { body.clear() }
                return header.event(body)
            }
        }
    }
}

extension MProxy.Header {
    /// The one space that stands for an empty body.
    fileprivate func isPadding(_ body: ByteBuffer) -> Bool {
        self.length == 1 && body.readableBytesView.elementsEqual([UInt8(ascii: " ")])
    }

    fileprivate func event(_ body: ByteBuffer) -> MProxy.Unpacker.Event {
        switch self.kind {
        case .data: .data(self, body)
        case .connection: .connection(self)
        case .end: .end(self)
        case .error: .error(self, body)
        case .pause: .pause(self, body)
        case .resume: .resume(self, body)
        case .control: .control(self, body)
        case .credit: .credit(self, body)
        case .finish: .finish(self)
        }
    }
}
