import ModelSpace

/// Damages files the way that finds most: not single bits alone, but numbers at the ends of their range, words that
/// parsers treat apart, pieces cut, doubled and moved. The same seed gives the same damage.
struct Mutator {
    var random: RandomSource

    mutating func below(_ bound: Int) -> Int { bound > 0 ? random.index(below: bound) : 0 }
    mutating func chance(_ share: Double) -> Bool { random.uniform() < share }
    mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

    /// Numbers where arithmetic breaks.
    static let numbers = [
        "0", "-0", "1", "-1", "2", "7", "8", "127", "128", "255", "256", "32767", "32768", "65535", "65536",
        "2147483647", "2147483648", "-2147483648",
        "4294967295", "4294967296", "4611686018427387904", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "18446744073709551615",
        "18446744073709551616", "1e9", "1e15", "1e19", "1e30", "1e300", "1e309", "-1e300", "5e-324", "1e-300", "0.1",
        "-0.5", "0x10", "0o17", "1_000", "1:30",
        "4611686018427387904:30", "nan", ".nan", "NaN", "inf", ".inf", "-inf", "Infinity", "", "1,5", "1.5.2", "٣",
        "2001-01-01", "2001-12-14t21:59:43.10-05:00",
        "99999999999999999999999999999999999999999", "0.0000000000000000000000000000000000000000001", "00", "+5", ".5",
        "5.", "true", "null", "~", "no",
    ]
    /// Pieces that grammars give a meaning.
    static let pieces = [
        "{{ x }}", "{% x %}", "&a ", "*a", "<<: *a", "? ", ": ", "- ", "- - - - ", "[", "]", "{", "}", "[[[[[[[[",
        "{a: ", ",", "#", "\n", "\r", "\r\n", "\t", "  ", "\u{1B}[2J", "\u{7}",
        "\0", "\u{FEFF}", "\u{2028}", "\u{202E}", "\"", "'", "\\", "\\u0000", "\\ud800", "|\n", ">-\n", "!!binary ",
        "!!float ", "!!set ", "%YAML 1.2\n", "---\n", "...\n", "@", "`",
        "name", "__metadata__", "shape", "dtype", "F32", "data_offsets", "../../x", "/etc/passwd", "e\u{301}", "日本",
    ]

    /// Damages a text: its numbers, words, lines and bytes.
    mutating func text(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...below(4) {
            switch below(9) {
            case 0, 1, 2: replaceNumber(&bytes)
            case 3: insert(Array(pick(Self.pieces).utf8), &bytes)
            case 4: insert(Array(pick(Self.numbers).utf8), &bytes)
            case 5: line(&bytes)
            case 6: cut(&bytes)
            case 7: repeatPiece(&bytes)
            default: flip(&bytes)
            }
        }
        return bytes
    }

    /// Damages numbers stored as bytes: fields (offset and width) first, then anything.
    mutating func binary(_ original: [UInt8], fields: [(offset: Int, width: Int)]) -> [UInt8] {
        var bytes = original
        for _ in 0...below(3) {
            switch below(8) {
            case 0...4 where !fields.isEmpty:
                let field = pick(fields)
                guard field.offset + field.width <= bytes.count else { continue }
                let value = pattern(field.width)
                for (k, byte) in value.enumerated() { bytes[field.offset + k] = byte }
            case 5: cut(&bytes)
            case 6: repeatPiece(&bytes)
            default: flip(&bytes)
            }
        }
        return bytes
    }

    /// A number at an end of its range, as an integer or as a floating-point number.
    private mutating func pattern(_ width: Int) -> [UInt8] {
        func little<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        switch width {
        case 2: return little(pick([0, 1, -1, 2, 3, 5, 7, 8, 100, 348, 1000, 30_000, Int16.max, .min]))
        case 4:
            return chance(0.4)
                ? little(pick([0, 1, -1, 2, 348, 540, 1 << 20, Int32.max, .min]))
                : little(
                    pick(
                        [
                            0, 1, -1, 0.5, 1e-30, 1e30, 352, 1e9, 1e15, .nan, .infinity, -.infinity,
                            .greatestFiniteMagnitude, .leastNonzeroMagnitude,
                        ] as [Float]))
        case 8:
            return chance(0.5)
                ? little(pick([0, 1, -1, 2, 3, 1 << 16, 1 << 31, 1 << 32, 1 << 40, Int64.max, .min]))
                : little(pick([0, 1, -1, 1e-300, 1e300, .nan, .infinity, 352, 1e15] as [Double]))
        default: return (0..<width).map { _ in UInt8(below(256)) }
        }
    }

    private mutating func replaceNumber(_ bytes: inout [UInt8]) {
        func isNumeric(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || byte == 0x2E || byte == 0x2D }
        let starts = bytes.indices.filter { isNumeric(bytes[$0]) && ($0 == 0 || !isNumeric(bytes[$0 - 1])) }
        guard !starts.isEmpty else { return }
        let start = pick(starts)
        var end = start
        while end < bytes.count, isNumeric(bytes[end]) { end += 1 }
        bytes.replaceSubrange(start..<end, with: pick(Self.numbers).utf8)
    }

    private mutating func insert(_ piece: [UInt8], _ bytes: inout [UInt8]) {
        bytes.insert(contentsOf: piece, at: below(bytes.count + 1))
    }

    /// A line removed, doubled or moved.
    private mutating func line(_ bytes: inout [UInt8]) {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
        let k = below(lines.count)
        switch below(3) {
        case 0: lines.remove(at: k)
        case 1: lines.insert(lines[k], at: below(lines.count + 1))
        default: lines.swapAt(k, below(lines.count))
        }
        bytes = Array(lines.joined(separator: [0x0A]))
    }

    private mutating func cut(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        if chance(0.5) {
            bytes.removeLast(below(bytes.count) + (chance(0.5) ? 1 : 0))
        } else {
            let first = below(bytes.count), count = min(bytes.count - first, 1 + below(40))
            bytes.removeSubrange(first..<first + count)
        }
    }

    /// A piece several times: seldom very often, for nesting and length.
    private mutating func repeatPiece(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty, bytes.count < 1 << 16 else { return }
        let first = below(bytes.count), piece = Array(bytes[first..<min(bytes.count, first + 1 + below(12))])
        let times = chance(0.05) ? 5000 : 1 + below(20)
        bytes.insert(contentsOf: [[UInt8]](repeating: piece, count: times).joined(), at: first)
    }

    private mutating func flip(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        for _ in 0...below(3) {
            bytes[below(bytes.count)] =
                chance(0.5) ? UInt8(below(256)) : bytes[below(bytes.count)] ^ UInt8(1 << below(8))
        }
    }
}
