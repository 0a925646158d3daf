import ModelSpace

/// What a number is made of: constants and parameters, added, subtracted, multiplied and divided, as in `1 -
/// extra.f_in` or `d * ratio`.
public indirect enum FamilyExpression<Leaf: Hashable & Sendable>: Hashable, Sendable {
    case number(Double)
    case parameter(Leaf)
    case sum(FamilyExpression, FamilyExpression), difference(FamilyExpression, FamilyExpression)
    case product(FamilyExpression, FamilyExpression), quotient(FamilyExpression, FamilyExpression)

    public func mapped<Other>(_ change: (Leaf) throws -> FamilyExpression<Other>) rethrows -> FamilyExpression<Other> {
        switch self {
        case .number(let x): return .number(x)
        case .parameter(let leaf): return try change(leaf)
        case let .sum(a, b): return .sum(try a.mapped(change), try b.mapped(change))
        case let .difference(a, b): return .difference(try a.mapped(change), try b.mapped(change))
        case let .product(a, b): return .product(try a.mapped(change), try b.mapped(change))
        case let .quotient(a, b): return .quotient(try a.mapped(change), try b.mapped(change))
        }
    }

    /// Every parameter in it, in order of first mention.
    public var leaves: [Leaf] {
        switch self {
        case .number: return []
        case .parameter(let leaf): return [leaf]
        case let .sum(a, b), let .difference(a, b), let .product(a, b), let .quotient(a, b):
            let first = a.leaves
            return first + b.leaves.filter { !first.contains($0) }
        }
    }

    /// The parameters that the whole is a product of, among others.
    var factors: [Leaf] {
        switch self {
        case .parameter(let leaf): [leaf]
        case let .product(a, b): a.factors + b.factors
        case let .quotient(a, _): a.factors
        default: []
        }
    }

    /// Bounds of its value where each parameter lies between its own; wider than needed where one is mentioned twice.
    /// Nil where it divides by what may be 0.
    public func range(_ bounds: (Leaf) -> ClosedRange<Double>) -> ClosedRange<Double>? {
        func hull(_ values: [Double]) -> ClosedRange<Double>? {
            values.allSatisfy(\.isFinite) ? values.min()!...values.max()! : nil
        }
        func corners(
            _ a: FamilyExpression, _ b: FamilyExpression, _ apply: (Double, Double) -> Double
        ) -> ClosedRange<Double>? {
            guard let x = a.range(bounds), let y = b.range(bounds) else { return nil }
            return hull([
                apply(x.lowerBound, y.lowerBound), apply(x.lowerBound, y.upperBound), apply(x.upperBound, y.lowerBound),
                apply(x.upperBound, y.upperBound),
            ])
        }
        switch self {
        case .number(let x): return hull([x])
        case .parameter(let leaf): return bounds(leaf)
        case let .sum(a, b): return corners(a, b, +)
        case let .difference(a, b): return corners(a, b, -)
        case let .product(a, b): return corners(a, b, *)
        case let .quotient(a, b):
            guard let y = b.range(bounds), !y.contains(0) else { return nil }
            return corners(a, b, /)
        }
    }
}

extension FamilyExpression where Leaf == Int {
    /// Its value, parameter i being numbers[i].
    public func value(of numbers: UnsafePointer<Double>) -> Double { value(numbers) }

    /// Its value, parameter i being x[i].
    func value<N: FormNumber>(_ x: UnsafePointer<N>) -> N {
        switch self {
        case .number(let value): N(value)
        case .parameter(let i): x[i]
        case let .sum(a, b): a.value(x) + b.value(x)
        case let .difference(a, b): a.value(x) - b.value(x)
        case let .product(a, b): a.value(x) * b.value(x)
        case let .quotient(a, b): a.value(x) / b.value(x)
        }
    }
}

extension FamilyExpression where Leaf == String {
    /// Reads one: numbers, names (`d`, `extra.f_in`), + − * / and brackets.
    /// - Errors: `SettingsError`.
    public init(_ text: String) throws {
        guard text.utf8.count <= 400 else {
            throw SettingsError(reason: "'\(text.prefix(40))…' is longer than any expression needs to be")
        }
        var reader = ExpressionReader(text)
        self = try reader.sum()
        guard reader.next == nil else { throw reader.fault }
    }

    /// The text that is read as this.
    public var text: String {
        func inner(_ e: FamilyExpression) -> String {
            switch e {
            case .number(let x): return x < 0 ? "(0 - \(-x))" : "\(x)"
            case .parameter(let name): return name
            default: return "(\(e.text))"
            }
        }
        switch self {
        case .number, .parameter: return inner(self)
        case let .sum(a, b): return "\(inner(a)) + \(inner(b))"
        case let .difference(a, b): return "\(inner(a)) - \(inner(b))"
        case let .product(a, b): return "\(inner(a)) * \(inner(b))"
        case let .quotient(a, b): return "\(inner(a)) / \(inner(b))"
        }
    }
}

/// An expression is stored as its text.
extension FamilyExpression: Codable where Leaf == String {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer(), text = try container.decode(String.self)
        do { self = try FamilyExpression(text) } catch let error as SettingsError {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.reason)
        }
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// Reads an expression by descent: a sum of products of numbers, names and bracketed sums.
private struct ExpressionReader {
    private let text: String
    private var words: [Substring] = []
    private var place = 0, depth = 0

    init(_ text: String) {
        self.text = text
        var rest = text[...]
        while let c = rest.first {
            if c.isWhitespace { rest = rest.dropFirst(); continue }
            var end = rest.index(after: rest.startIndex)
            if c.isNumber || c == "." {
                // Digits, and the exponent with its sign.
                while end < rest.endIndex,
                    rest[end].isNumber || ".eE".contains(rest[end])
                        || ("+-".contains(rest[end]) && "eE".contains(rest[rest.index(before: end)]))
                {
                    end = rest.index(after: end)
                }
            } else if c.isLetter {
                while end < rest.endIndex, rest[end].isLetter || rest[end].isNumber || "._".contains(rest[end]) {
                    end = rest.index(after: end)
                }
            }
            words.append(rest[..<end])
            rest = rest[end...]
        }
    }

    var next: Substring? { place < words.count ? words[place] : nil }
    var fault: SettingsError {
        SettingsError(
            reason:
                """
                '\(text)' is no expression (\(next.map { "at '\($0)'" } ?? "it ends too early")); write it like '1 - \
                f_in' or 'd * ratio'
                """
        )
    }

    mutating func sum() throws -> FamilyExpression<String> {
        depth += 1
        guard depth <= 16 else { throw SettingsError(reason: "'\(text.prefix(40))…' is nested too deep") }
        defer { depth -= 1 }
        var result = try product()
        while let sign = next, sign == "+" || sign == "-" {
            place += 1
            let other = try product()
            result = sign == "+" ? .sum(result, other) : .difference(result, other)
        }
        return result
    }

    private mutating func product() throws -> FamilyExpression<String> {
        var result = try factor()
        while let sign = next, sign == "*" || sign == "/" {
            place += 1
            let other = try factor()
            result = sign == "*" ? .product(result, other) : .quotient(result, other)
        }
        return result
    }

    private mutating func factor() throws -> FamilyExpression<String> {
        guard let word = next else { throw fault }
        if word == "(" {
            place += 1
            let inner = try sum()
            guard next == ")" else { throw fault }
            place += 1
            return inner
        }
        guard let first = word.first, first.isLetter || first.isNumber || first == "." else { throw fault }
        if first.isLetter {
            place += 1
            return .parameter(String(word))
        }
        guard let number = Double(word), number.isFinite else { throw fault }
        place += 1
        return .number(number)
    }
}
