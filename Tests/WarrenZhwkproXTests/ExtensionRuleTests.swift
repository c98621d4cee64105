// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// What closes a session between two Warrens: what makes no sense, and silence.
@Suite("zhwkproX extension, rules")
struct ExtensionRuleTests {
    typealias Exit = Harness<ZhwkproX.ExitMachine>
    typealias Inter = Harness<ZhwkproX.InterMachine>

    @Test(
        "closes on what makes no sense",
        arguments: [
            ([.opened(id: 1, nil, window: 1)], "opened"),
            ([.open(id: 1, Bytes.v4, window: 1), .finish(id: 1)], "finish"),
            (
                [.open(id: 1, Bytes.v4, window: .max >> 1), .credit(id: 1, .max >> 1), .credit(id: 1, 9)],
                "credit.bytes"
            ),
        ] as [([ZhwkproX.ExtendedMessage], String)])
    func violationsAtTheExit(messages: [ZhwkproX.ExtendedMessage], field: String) throws {
        var exit = try Exit.extended()
        let last = exit.receive(Bytes.extended(messages)).last
        guard case .close(.violation(let error))? = last else {
            Issue.record("not closed: \(String(describing: last))")
            return
        }
        #expect(error.field == field)
    }

    @Test func dataBehindAFinishClosesTheSession() throws {
        var exit = try Exit.extended()
        _ = try exit.openExtended(1)
        _ = exit.receive(.finish(id: 1))
        #expect(exit.receive(Bytes.data(1, [1])) == [.close(.violation(WireError(.unexpected, in: "data.id")))])
    }

    @Test func anInterServerIsNeverAskedToOpen() throws {
        var inter = try Inter.extended()
        #expect(
            inter.receive(.open(id: 1, Bytes.v4, window: 1))
                == [.close(.violation(WireError(.unexpected, in: "open")))])
    }

    @Test func aPeerThatIsSilentIsAskedTwiceAndLeft() throws {
        var exit = try Exit.extended()
        #expect(exit.machine.deadline == exit.now + .seconds(15))
        #expect(exit.after(.seconds(15)) == [.write(Bytes.extended([.ping(2)]))])
        #expect(exit.after(.seconds(10)) == [.write(Bytes.extended([.ping(3)]))])
        var answered = exit
        #expect(exit.after(.seconds(10)) == [.close(.timedOut(phase: "keep-alive"))])
        #expect(answered.receive(.pong(3)) == [])
        #expect(answered.after(.seconds(10)) == [])
        #expect(answered.receive(.ping(77)) == [.write(Bytes.extended([.pong(77)]))])
    }
}
