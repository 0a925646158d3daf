import Foundation

/// Reads the small part of JSON that a safetensors header may use: objects, strings and lists of whole numbers.
struct SafetensorsScanner {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private var position = 0

    init(bytes: UnsafeRawBufferPointer, path: String) { self.bytes = bytes; self.path = path }

    func failure(_ reason: String) -> SafetensorsError {
        .badHeader(path: path, reason: "\(reason) (header byte \(position))")
    }

    /// The next byte that is no white space, without taking it.
    private mutating func peek() throws -> UInt8 {
        while position < bytes.count {
            let byte = bytes[position]
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte }
            position += 1
        }
        throw failure("the JSON header ends too early")
    }

    private mutating func take(_ character: Unicode.Scalar) throws {
        guard try peek() == UInt8(character.value) else { throw failure("expected '\(character)' in the JSON header") }
        position += 1
    }

    /// Takes `character` if it comes next.
    private mutating func takes(_ character: Unicode.Scalar) throws -> Bool {
        guard try peek() == UInt8(character.value) else { return false }
        position += 1
        return true
    }

    /// Reads `{"key": value, …}`; `member` reads the value.
    mutating func object(_ member: (inout SafetensorsScanner, String) throws -> Void) throws {
        try take("{")
        if try takes("}") { return }
        repeat {
            let key = try string()
            try take(":")
            try member(&self, key)
        } while try takes(",")
        try take("}")
    }

    /// Reads `[n, …]` with n whole and not negative.
    mutating func integers() throws -> [Int] {
        try take("[")
        if try takes("]") { return [] }
        var result: [Int] = []
        repeat { result.append(try integer()) } while try takes(",")
        try take("]")
        return result
    }

    private mutating func integer() throws -> Int {
        guard try (0x30...0x39).contains(peek()) else { throw failure("expected a whole number") }
        let start = position
        var value = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            let (tens, tooBig) = value.multipliedReportingOverflow(by: 10)
            let (sum, stillTooBig) = tens.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !tooBig, !stillTooBig else { throw failure("a number is absurdly large") }
            value = sum
            position += 1
        }
        guard position == start + 1 || bytes[start] != 0x30 else { throw failure("a number starts with 0") }
        return value
    }

    mutating func string() throws -> String {
        try take("\"")
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case 0x22:
                guard let result = String(validating: text, as: UTF8.self) else { throw failure("text is not UTF-8") }
                return result
            case 0x5C: try escape(into: &text)
            case 0..<0x20: throw failure("a control character in a text")
            default: text.append(byte)
            }
        }
        throw failure("a text does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws {
        guard position < bytes.count else { throw failure("a text does not end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var value = try hexadecimal()
            if (0xD800..<0xDC00).contains(value), position + 1 < bytes.count, bytes[position] == 0x5C,
                bytes[position + 1] == 0x75
            {
                position += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("half a surrogate pair") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw failure("an unknown escape in a text")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard position + 4 <= bytes.count else { throw failure("a text does not end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw failure("an unknown escape in a text")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// Checks that nothing but white space follows.
    mutating func end() throws {
        while position < bytes.count {
            guard [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) else {
                throw failure("text after the JSON header")
            }
            position += 1
        }
    }
}
