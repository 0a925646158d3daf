/// Texts that come out of a file, which whoever made the file has chosen.
extension String {
    /// What may be shown on a terminal: control characters, escape sequences and marks that reorder writing appear as
    /// `\u{1B}` or `\n`, so that a name in a file can neither move the cursor nor pretend to be another line. A text
    /// longer than `longest` characters is cut, with `…` at its end.
    public func printable(longest: Int = 2000) -> String {
        var result = "", count = 0
        for scalar in unicodeScalars {
            guard count < longest else { return result + "…" }
            count += 1
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            // C0, delete, C1; marks and overrides of direction; line and paragraph separators; the byte order mark.
            case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{200E}"..."\u{200F}", "\u{2028}"..."\u{202E}",
                "\u{2066}"..."\u{2069}", "\u{61C}", "\u{FEFF}":
                result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The same for a text whose line ends are to stay: each line by itself, and no line longer than `longest`.
    public func printableLines(longest: Int = 2000) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable(longest: longest) }.joined(
            separator: "\n")
    }

    /// Whether this can name a file inside a folder and nothing outside it: not empty, no separator, neither `.` nor
    /// `..`, nothing that is not printable, and short enough to be lengthened by a suffix (200 bytes).
    public var isPlainFileName: Bool {
        !isEmpty && self != "." && self != ".." && utf8.count <= 200 && !utf8.contains(UInt8(ascii: "/"))
            && !utf8.contains(UInt8(ascii: "\\"))
            && printable() == self
    }
}
