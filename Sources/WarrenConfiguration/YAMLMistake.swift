// SPDX-License-Identifier: Apache-2.0

import Yams

/// A common slip of the pen, where the parser only says what it did not expect.
struct YAMLMistake {
    let what: String
    let hint: String
    let line: Int
    let column: Int

    /// Nil if it is none of those that are known here.
    init?(_ problem: String, _ context: YamlError.Context?, _ text: YAMLText, _ mark: Mark) {
        if let odd = Self.oddSpace(text, mark) {
            self = odd
        } else if let context, let open = Self.notClosed(problem, context, text, mark) {
            self = open
        } else if problem.contains("mapping values are not allowed"), let slip = Self.colon(text, mark) {
            self = slip
        } else {
            return nil
        }
    }

    private init(_ what: String, _ hint: String, line: Int, column: Int) {
        self.what = what
        self.hint = hint
        self.line = line
        self.column = column
    }

    /// A no-break space in the line, or in the one before.
    private static func oddSpace(_ text: YAMLText, _ mark: Mark) -> YAMLMistake? {
        for number in [mark.line, Self.before(mark.line, text)] where number > 0 {
            let scalars = Array(text.line(number).unicodeScalars)
            guard let index = scalars.firstIndex(where: YAMLText.isOddSpace) else { continue }
            let code = String(scalars[index].value, radix: 16, uppercase: true)
            let name = "U+" + String(repeating: "0", count: max(0, 4 - code.utf8.count)) + code
            return YAMLMistake(
                "a space that is none (\(name)) stands here", "write a plain space", line: number, column: index + 1)
        }
        return nil
    }

    private static func notClosed(
        _ problem: String, _ context: YamlError.Context, _ text: YAMLText, _ mark: Mark
    ) -> YAMLMistake? {
        let (line, column) = (context.mark.line, context.mark.column)
        if context.text.contains("quoted scalar"), problem.contains("end of stream") {
            return YAMLMistake(
                "the quote that opens here is not closed", "close it in line \(line)", line: line, column: column)
        }
        guard problem.contains("did not find expected ','"), mark.line > line else { return nil }
        let bracket = context.text.contains("mapping") ? "{" : "["
        let closing = bracket == "{" ? "}" : "]"
        return YAMLMistake(
            "the \(bracket) that opens here is not closed", "write \(closing) before line \(mark.line)", line: line,
            column: column)
    }

    /// "Mapping values are not allowed": the line, or the one before it, is not what it looks like.
    private static func colon(_ text: YAMLText, _ mark: Mark) -> YAMLMistake? {
        let line = text.line(mark.line)
        // A second colon in one line: the value holds it.
        guard !line.unicodeScalars.prefix(max(0, mark.column - 1)).map(String.init).joined().contains(": ") else {
            return nil
        }
        let number = Self.before(mark.line, text)
        guard number > 0 else { return nil }
        let previous = text.line(number)
        let body = previous.drop { " -".contains($0) }
        if let colon = body.firstIndex(of: ":"), body[..<colon].allSatisfy({ $0.isLetter || $0.isNumber }),
            let next = body[colon...].dropFirst().first, next != " "
        {
            let column = previous.unicodeScalars.count - body[colon...].unicodeScalars.count + 1
            return YAMLMistake(
                "there is no space after this colon", "write a space after the colon", line: number, column: column)
        }
        let column = line.prefix { $0 == " " }.count + 1
        return YAMLMistake(
            "this line stands deeper than the one before it, which has its value already",
            "check the indentation", line: mark.line, column: column)
    }

    /// The last line before this one that holds something; 0 if there is none.
    private static func before(_ line: Int, _ text: YAMLText) -> Int {
        var number = line - 1
        while number > 0, text.line(number).allSatisfy({ $0 == " " }) { number -= 1 }
        return number
    }
}
