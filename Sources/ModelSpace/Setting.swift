/// One value among the settings of `Root` that people choose in a file: its name, where it stands, and what it may be.
///
/// The list of a type's settings stands beside the type's definition and serves every reader: a recipe's text is read
/// through it, and settings that came another way, such as in a network's metadata, are checked by it. So no reader has
/// ranges of its own, and none can forget one.
public struct Setting<Root>: @unchecked Sendable {
    /// Dotted where the setting is inside another: `network.width`.
    public let key: String
    /// What it may be, in words: "a whole number from 1 to 65536".
    public let allowed: String
    /// Whether it is a free text, which a file must not spell like a number or a date.
    public let isText: Bool
    private let read: (String, inout Root) -> Bool
    /// The value as a text where it is not allowed.
    private let wrong: (Root) -> String?

    private init<Value>(
        _ key: String, _ allowed: String, _ path: WritableKeyPath<Root, Value>, isText: Bool = false,
        parse: @escaping (String) -> Value?,
        isAllowed: @escaping (Value) -> Bool
    ) {
        self.key = key
        self.allowed = allowed
        self.isText = isText
        read = { text, root in
            guard let value = parse(text), isAllowed(value) else { return false }
            root[keyPath: path] = value
            return true
        }
        wrong = { isAllowed($0[keyPath: path]) ? nil : "\($0[keyPath: path])" }
    }

    private init(
        key: String, allowed: String, isText: Bool, read: @escaping (String, inout Root) -> Bool,
        wrong: @escaping (Root) -> String?
    ) {
        (self.key, self.allowed, self.isText, self.read, self.wrong) = (key, allowed, isText, read, wrong)
    }

    public static func whole<Value: FixedWidthInteger>(
        _ key: String, _ path: WritableKeyPath<Root, Value>, _ range: ClosedRange<Value>
    ) -> Setting {
        Setting(
            key, "a whole number from \(range.lowerBound) to \(range.upperBound)", path, parse: { Value(plain($0)) },
            isAllowed: range.contains)
    }

    public static func real(_ key: String, _ path: WritableKeyPath<Root, Double>, _ range: ClosedRange<Double>)
        -> Setting
    {
        Setting(key, words(range), path, parse: { Double(plain($0)) }, isAllowed: range.contains)
    }

    /// A number that may be absent.
    public static func real(_ key: String, _ path: WritableKeyPath<Root, Double?>, _ range: ClosedRange<Double>)
        -> Setting
    {
        Setting(key, words(range), path, parse: { Double(plain($0)) }, isAllowed: { $0.map(range.contains) ?? true })
    }

    public static func text(_ key: String, _ path: WritableKeyPath<Root, String>, upTo length: Int = 200) -> Setting {
        Setting(
            key, "a text of 1 to \(length) characters", path, isText: true, parse: { $0 },
            isAllowed: { (1...length).contains($0.count) })
    }

    /// A text that may be absent.
    public static func text(_ key: String, _ path: WritableKeyPath<Root, String?>, upTo length: Int) -> Setting {
        Setting(
            key, "a text of 1 to \(length) characters", path, isText: true, parse: { $0 },
            isAllowed: { $0.map { (1...length).contains($0.count) } ?? true })
    }

    public static func choice(_ key: String, _ path: WritableKeyPath<Root, String>, _ words: [String]) -> Setting {
        Setting(
            key, words.map { "'\($0)'" }.joined(separator: " or "), path, isText: true, parse: { $0 },
            isAllowed: words.contains)
    }

    /// The same setting seen from a type that holds `Root` under a name.
    public func inside<Outer>(_ path: WritableKeyPath<Outer, Root>, _ name: String) -> Setting<Outer> {
        Setting<Outer>(
            key: name + "." + key, allowed: allowed, isText: isText, read: { [read] in read($0, &$1[keyPath: path]) },
            wrong: { [wrong] in wrong($0[keyPath: path]) })
    }

    /// Takes the value that a text spells, or says why it does not: one sentence without its full stop.
    public func set(_ text: String, in root: inout Root) -> String? { read(text, &root) ? nil : complaint(text) }

    /// What is wrong with the value that `root` has; nil when nothing is.
    public func fault(_ root: Root) -> String? { wrong(root).map(complaint) }

    private func complaint(_ value: String) -> String {
        """
        \(Self.name(key)) is \(value.isEmpty ? "empty" : "'\(value.prefix(60))\(value.count > 60 ? "…" : "")'"); it \
        must be \(allowed)
        """
    }

    /// 'width' of training.network
    public static func name(_ key: String) -> String {
        guard let dot = key.lastIndex(of: ".") else { return "'\(key)'" }
        return "'\(key[key.index(after: dot)...])' of \(key[..<dot])"
    }

    private static func words(_ range: ClosedRange<Double>) -> String {
        func number(_ x: Double) -> String { x == x.rounded() && abs(x) < 1e9 ? "\(Int(x))" : "\(x)" }
        // An open end is written as the next number.
        let open = range.lowerBound.nextDown, isOpen = open == open.rounded() && open != 0
        return isOpen
            ? "a number above \(number(open)) and at most \(number(range.upperBound))"
            : "a number from \(number(range.lowerBound)) to \(number(range.upperBound))"
    }

    /// Numbers may be grouped, as in 1_000_000.
    private static func plain(_ text: String) -> String {
        text.contains("_") && text.allSatisfy({ $0.isNumber || "_.+-eE".contains($0) })
            ? text.filter { $0 != "_" } : text
    }
}

/// Settings with bounds beside their definition.
public protocol BoundedSettings {
    static var settings: [Setting<Self>] { get }
    /// Why values that are each allowed do not go together: one sentence without its full stop; nil when they do.
    var conflict: String? { get }
}

extension BoundedSettings {
    public var conflict: String? { nil }
    /// The first thing that is wrong with these settings, as a sentence without its full stop.
    public var fault: String? { Self.settings.lazy.compactMap { $0.fault(self) }.first ?? conflict }
}
