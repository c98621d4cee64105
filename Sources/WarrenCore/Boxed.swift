// SPDX-License-Identifier: Apache-2.0

/// A large value in a place of its own, so that a copy of what holds it costs one count instead of one for each part.
///
/// Copies share the value until one of them changes it. Drivers that know a machine only as a generic parameter copy it
/// to ask it anything, several times a turn.
///
/// Public, as only then other modules have it in line; nothing of the kind is meant for use outside this package.
public struct Boxed<Value> {
    /// By pointer, as a class's own properties are checked for overlapping access at every use; here the compiler has
    /// done so, because the box is a value.
    @usableFromInline
    final class Storage {
        @usableFromInline
        let pointer = UnsafeMutablePointer<Value>.allocate(capacity: 1)

        @inlinable
        init(_ value: Value) { self.pointer.initialize(to: value) }

        deinit {
            self.pointer.deinitialize(count: 1)
            self.pointer.deallocate()
        }
    }

    @usableFromInline
    var storage: Storage

    /// Moves a value into a place of its own.
    @inlinable
    public init(_ value: Value) { self.storage = Storage(value) }

    /// The value, read and changed where it is.
    @inlinable
    public var value: Value {
        _read { yield self.storage.pointer.pointee }
        _modify {
            if !isKnownUniquelyReferenced(&self.storage) { self.storage = Storage(self.storage.pointer.pointee) }
            yield &self.storage.pointer.pointee
        }
    }

    /// Asks the value where it is: a getter that is not in line is given a copy of all its parts, unless it is `mutating`.
    ///
    /// - Parameter question: must change nothing, as copies share the value.
    @inlinable
    public func ask<Answer>(_ question: (inout Value) -> Answer) -> Answer { question(&self.storage.pointer.pointee) }
}
