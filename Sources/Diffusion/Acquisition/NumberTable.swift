import Foundation

/// A table of numbers read from text: fields separated by white space, commas, semicolons or quotes, lines ended by LF,
/// CRLF or CR, `#` starting a comment, a byte-order mark and blank lines ignored.
///
/// Numbers as C, Fortran (1.0D+03) and MATLAB write them; every way to write "not a number" (nan, -nan, nan(ind),
/// -1.#IND, n/a) gives NaN. A comma inside a number (0,577 or 1,000) is refused, because it may mean a decimal point or
/// thousands.
struct NumberTable {
    var rows: [[Double]]

    /// Reads a file or a pipe; see `TextFile`.
    init(path: String) throws { try self.init(text: TextFile.contents(path), path: path) }

    init(text: String, path: String) throws {
        rows = []
        // Swift reads CR LF as one newline character, so no line is counted twice.
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(Self.withoutComment)
        try Self.refuseCommasInside(lines, path: path)
        for (number, line) in lines.enumerated() {
            let words = line.split { $0.isWhitespace || $0 == "," || $0 == ";" || $0 == "\"" || $0 == "\u{FEFF}" }
            if words.isEmpty { continue }
            rows.append(
                try words.map { word in
                    guard let value = Self.number(word) else {
                        throw GradientTableError.notANumber(path: path, line: number + 1, word: String(word.prefix(40)))
                    }
                    return value
                })
        }
        if rows.isEmpty { throw GradientTableError.empty(path: path) }
    }

    /// Number of columns; nil when rows differ in length.
    var columns: Int? { rows.allSatisfy { $0.count == rows[0].count } ? rows[0].count : nil }
    var longestRow: Int { rows.map(\.count).max() ?? 0 }

    /// A line up to its `#`; the one in MATLAB's 1.#IND begins no comment.
    private static func withoutComment(_ line: Substring) -> Substring {
        var last: Character = " "
        return line.prefix { character in
            defer { last = character }
            return character != "#" || last == "."
        }
    }

    static func number(_ word: Substring) -> Double? {
        // Typographic minus signs come out of text processors.
        let plain = String(word.map { $0 == "\u{2212}" || $0 == "\u{2013}" ? "-" : $0 }).lowercased()
        let unsigned = plain.drop(while: { $0 == "-" || $0 == "+" })
        if unsigned.hasPrefix("nan") || unsigned.hasPrefix("1.#") || unsigned == "n/a" || unsigned == "na" {
            return .nan
        }
        if unsigned == "inf" || unsigned == "infinity" { return .infinity }
        guard plain.utf8.allSatisfy({ (48...57).contains($0) || "+-.ed".utf8.contains($0) }) else { return nil }
        return Double(plain.replacingOccurrences(of: "d", with: "e"))
    }

    /// A word whose only comma stands between digits is a number with a decimal comma or with thousands, unless other
    /// words show that commas part numbers.
    private static func refuseCommasInside(_ lines: [Substring], path: String) throws {
        var first: (line: Int, word: Substring)?
        for (number, line) in lines.enumerated() {
            for part in line.split(whereSeparator: { $0.isWhitespace || $0 == ";" || $0 == "\"" }) {
                let word = part.last == "," ? part.dropLast() : part
                guard let comma = word.firstIndex(of: ",") else { continue }
                let before = word[..<comma].drop(while: { $0 == "-" || $0 == "+" }),
                    after = word[word.index(after: comma)...]
                if before.isEmpty { continue }
                // Several commas: a list without spaces. A decimal point before the comma, or a sign after it: two
                // numbers.
                guard !after.contains(","), before.allSatisfy(\.isNumber), after.first?.isNumber == true else { return }
                if first == nil { first = (number + 1, word) }
            }
        }
        if let first {
            throw GradientTableError.commaInside(path: path, line: first.line, word: String(first.word.prefix(40)))
        }
    }
}
