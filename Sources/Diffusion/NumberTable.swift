import Foundation

/// A rectangular table of numbers read from text: fields separated by spaces, tabs or commas, lines ended by LF, CRLF or CR, `#` starting a
/// comment, a byte-order mark and blank lines ignored.
struct NumberTable {
    var rows: [[Double]]

    init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            let exists = FileManager.default.fileExists(atPath: path)
            throw GradientTableError.unreadable(path: path, reason: exists ? "permission denied or not a file" : "no such file")
        }
        guard data.count <= 64 << 20, !data.contains(0), let text = String(data: data, encoding: .utf8) else {
            throw GradientTableError.unreadable(path: path, reason: "not a plain text table")
        }
        try self.init(text: text, path: path)
    }

    init(text: String, path: String) throws {
        rows = []
        let clean = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
        // Swift reads CR LF as one newline character, so no line is counted twice.
        for (number, line) in clean.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = line.prefix { $0 != "#" }
            let words = content.split { $0 == " " || $0 == "\t" || $0 == "," || $0 == ";" || $0 == "\u{A0}" }
            if words.isEmpty { continue }
            rows.append(try words.map { word in
                guard let value = Double(word) else {
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
}
