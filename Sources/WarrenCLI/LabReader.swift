// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLab

/// Reads the options of a lab, and names all that is wrong with them.
final class LabReader {
    private let findings = Findings()

    private func place(_ name: String) -> Place { Place(argument: name, position: 0) }

    /// - Parameter name: as it was given, such as `--loss`.
    /// - Returns: nil if it was not given, or is reported.
    func read<Value>(_ text: String?, _ name: String, _ kind: ValueKind<Value>) -> Value? {
        guard let text else { return nil }
        let node = ConfigNode(.scalar(.init(text, isQuoted: true)), at: self.place(name))
        return kind.read(node, ValueContext(folder: "", findings: self.findings))
    }

    func report(_ what: String, _ name: String, hint: String) {
        self.findings.report(what, at: self.place(name), hint: hint)
    }

    /// - Throws: ``Failure`` with every problem.
    func check() throws {
        do {
            try self.findings.check()
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
    }

    func ends(_ ends: LabCommand.Ends) -> LabEnds? {
        let listen = self.read(ends.listen, "LISTEN", .listenAddress)
        let target = self.read(ends.target, "TARGET", .target)
        guard let listen, let target else { return nil }
        return LabEnds(
            host: listen.host?.description, port: listen.port, target: target.host, targetPort: target.port)
    }

    func seed(_ text: String?) -> UInt64 {
        guard text != nil else { return UInt64.random(in: 0..<1 << 32) }
        return UInt64(self.read(text, "--seed", .int(in: 0...(.max))) ?? 0)
    }

    /// - Parameter nothing: what becomes of the direction that is left alone.
    func directions<Value>(_ only: String?, _ value: Value, _ nothing: Value) -> (up: Value, down: Value) {
        switch only {
        case nil: return (value, value)
        case "up": return (value, nothing)
        case "down": return (nothing, value)
        case let word?:
            self.report("\(quoted(word)) is no direction", "--only", hint: "write up or down")
            return (nothing, nothing)
        }
    }

    func chance(_ text: String?, _ name: String) -> Chance { self.read(text, name, .chance) ?? .never }

    /// A delay and how much it varies.
    func delay(_ delay: String?, _ jitter: String?) -> (TimeAmount, TimeAmount) {
        let time = self.read(delay, "--delay", .durationOrZero) ?? .zero
        let variation = self.read(jitter, "--jitter", .durationOrZero) ?? .zero
        if time > Impairment.longestDelay {
            self.report("is longer than 60s", "--delay", hint: "write a shorter time")
        } else if variation > time {
            self.report("is more than --delay", "--jitter", hint: "write --delay with at least as much")
        }
        return (time, variation)
    }

    func rate(_ text: String?) -> Int? {
        guard let rate = self.read(text, "--rate", .size) else { return nil }
        guard rate < 1 << 10 || rate > 64 << 30 else { return rate }
        self.report("is not from 1KiB to 64GiB", "--rate", hint: "write the bytes of a second, such as 10MiB")
        return nil
    }

    func queue(_ text: String?) -> Int? {
        guard let queue = self.read(text, "--queue", .size) else { return nil }
        guard queue > 1 << 30 else { return queue }
        self.report("is more than 1GiB", "--queue", hint: "write a smaller size")
        return nil
    }
}

extension LabCommand.UDP {
    func impairment(_ reader: LabReader) -> Impairment {
        var made = Impairment()
        made.loss = reader.chance(self.loss, "--loss")
        made.duplicate = reader.chance(self.duplicate, "--duplicate")
        made.corrupt = reader.chance(self.corrupt, "--corrupt")
        made.reorder = reader.chance(self.reorder, "--reorder")
        (made.delay, made.jitter) = reader.delay(self.delay, self.jitter)
        if made.reorder != .never, made.delay == .zero {
            reader.report("has nothing to leave before", "--reorder", hint: "write --delay, too, such as --delay 20ms")
        }
        made.lossBurst = self.burst(made.loss, reader)
        made.bottleneck = self.bottleneck(reader)
        made.mtu = reader.read(self.mtu, "--mtu", .int(in: 1...65_535))
        made.blackout = reader.read(self.blackout, "--blackout", .blackout)
        return made
    }

    private func burst(_ loss: Chance, _ reader: LabReader) -> Int? {
        guard let burst = reader.read(self.lossBurst, "--loss-burst", .int(in: 2...1_000_000)) else { return nil }
        // Between two bursts at least one passes.
        let most = Double(burst) / Double(burst + 1)
        if loss == .never {
            reader.report("says nothing without --loss", "--loss-burst", hint: "write --loss, too, such as --loss 5%")
        } else if loss.fraction > most, loss != .always {
            reader.report("is too short for so much loss", "--loss-burst", hint: "write a larger number")
        }
        return burst
    }

    private func bottleneck(_ reader: LabReader) -> Bottleneck? {
        let (rate, queue) = (reader.rate(self.rate), reader.queue(self.queue))
        guard let rate else {
            if self.queue != nil, self.rate == nil {
                reader.report("waits for nothing", "--queue", hint: "write --rate, too, such as --rate 10MiB")
            }
            return nil
        }
        let size = queue ?? 256 << 10
        if size / rate > 60, queue != nil {
            reader.report("would hold more than 60s of --rate", "--queue", hint: "write a smaller size")
        }
        return Bottleneck(rate: rate, queue: min(size, 60 * rate))
    }
}

extension LabCommand.TCP {
    func impairment(_ reader: LabReader) -> StreamImpairment {
        var made = StreamImpairment()
        (made.delay, made.jitter) = reader.delay(self.delay, self.jitter)
        made.rate = reader.rate(self.rate)
        made.queue = reader.queue(self.queue) ?? made.queue
        made.stall = reader.chance(self.stall, "--stall")
        made.stallTime = reader.read(self.stallTime, "--stall-time", .duration) ?? made.stallTime
        if self.stallTime != nil, made.stall == .never {
            reader.report(
                "says nothing without --stall", "--stall-time", hint: "write --stall, too, such as --stall 1%")
        }
        if made.stallTime > .minutes(10) {
            reader.report("is longer than 10m", "--stall-time", hint: "write a shorter time")
        }
        made.reset = reader.chance(self.reset, "--reset")
        made.half = reader.chance(self.half, "--half")
        return made
    }
}
