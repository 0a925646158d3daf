import Foundation
import ModelSpace
import Yams

/// What a YAML file of settings says, with nothing read into it: texts, lists and mappings from words to these.
///
/// Of YAML only this much is taken. Files are small and shallow, and anchors (which could make much of little) are
/// refused before the parser sees them; what a word means (a number, a name) is for the setting to say, not for YAML's
/// rules.
public indirect enum SettingsTree: Sendable {
    /// `isText`: quoted, or spelled like nothing else. A plain 2001-01-01, 1:30 or no is not a text by YAML's rules.
    case word(String, isText: Bool)
    case list([SettingsTree])
    case map([(key: String, value: SettingsTree)])

    /// - Errors: SettingsError.
    public init(yaml: String) throws {
        try Self.checkShape(yaml)
        let root: Node?
        do { root = try compose(yaml: yaml) } catch {
            throw SettingsError(
                reason: "not valid YAML (\(Self.sentence(error)))\(Self.template(yaml)); correct its syntax")
        }
        self = try root.map { try Self.tree($0, at: "") } ?? .map([])
    }

    /// The text of a file of settings; a pipe will do.
    /// - Errors: SettingsError, with `isMissing` where nothing can be read.
    public static func text(path: String) throws -> String {
        func missing(_ reason: String) -> SettingsError { SettingsError(reason: reason, isMissing: true) }
        // A pipe that nobody writes to must not keep us waiting.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw missing(errno == ENOENT ? "no such file" : String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw missing(String(cString: strerror(errno))) }
        let format = status.st_mode & S_IFMT
        guard format == S_IFREG || format == S_IFIFO else {
            throw SettingsError(reason: "\(format == S_IFDIR ? "a folder" : "a device"), not a text file")
        }
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= longest {
            let got = nextBytes(descriptor, &chunk, chunk.count)
            if got > 0 { bytes += chunk[..<got]; continue }
            if got == 0 { break }
            if errno == EINTR { continue }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard errno == EAGAIN, poll(&waiting, 1, 10_000) > 0 else {
                throw missing(String(cString: strerror(errno)))
            }
        }
        guard bytes.count <= longest else {
            throw SettingsError(reason: "larger than \(longest / 1024) kB, which no such file is")
        }
        guard !bytes.isEmpty else { throw SettingsError(reason: "empty") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError(reason: "not a text file (its bytes are not UTF-8)")
        }
        return text
    }

    /// Takes every setting that the mapping names into `root`, and returns their keys.
    /// - Parameter outer: where the mapping stands, for messages: `shells[0]`; empty for a whole file.
    /// - Errors: SettingsError, which names the key.
    public func read<Root>(_ settings: [Setting<Root>], into root: inout Root, place outer: String = "") throws -> Set<
        String
    > {
        var given = Set<String>()
        func place(_ key: String) -> String { outer.isEmpty || key.isEmpty ? outer + key : outer + "." + key }
        func visit(_ tree: SettingsTree, _ key: String) throws {
            switch tree {
            case .map(let pairs) where key.isEmpty || settings.contains(where: { $0.key.hasPrefix(key + ".") }):
                for pair in pairs {
                    let inner = key.isEmpty ? pair.key : key + "." + pair.key
                    guard settings.contains(where: { $0.key == inner || $0.key.hasPrefix(inner + ".") }) else {
                        throw SettingsError.unknown(
                            pair.key, place: place(key), known: Self.names(settings.map(\.key), below: key))
                    }
                    try visit(pair.value, inner)
                }
            case .word(let text, let isText):
                guard let setting = settings.first(where: { $0.key == key }) else { fallthrough }
                guard isText || !setting.isText || text.isEmpty else {
                    throw SettingsError(
                        reason:
                            """
                            \(Setting<Root>.name(place(key))) is '\(text.prefix(60))', which YAML takes for a number, \
                            a date or the like; put it in quotes
                            """
                    )
                }
                if let complaint = setting.set(text, in: &root) {
                    throw SettingsError(
                        reason: Setting<Root>.name(place(key)) + complaint.dropFirst(Setting<Root>.name(key).count))
                }
                given.insert(key)
            default:
                let inner = Self.names(settings.map(\.key), below: key)
                let what = key.isEmpty ? (outer.isEmpty ? "the file" : "'\(outer)'") : Setting<Root>.name(place(key))
                guard let setting = settings.first(where: { $0.key == key }) else {
                    throw SettingsError(
                        reason: "\(what) must be a mapping with the keys \(inner.joined(separator: ", "))")
                }
                throw SettingsError(reason: "\(what) is a list or a mapping; it must be \(setting.allowed)")
            }
        }
        try visit(self, "")
        return given
    }

    /// The next parts of the keys below one, each once, in order.
    private static func names(_ keys: [String], below key: String) -> [String] {
        var result: [String] = []
        for full in keys where key.isEmpty || full.hasPrefix(key + ".") {
            let rest = key.isEmpty ? full[...] : full.dropFirst(key.count + 1), name = String(rest.prefix { $0 != "." })
            if !result.contains(name) { result.append(name) }
        }
        return result
    }

    private static let longest = 256 << 10, deepest = 32

    /// What the parser is not to see: much text, deep nesting (it calls itself for every level) and anchors.
    private static func checkShape(_ text: String) throws {
        guard text.utf8.count <= longest else {
            throw SettingsError(reason: "larger than \(longest / 1024) kB, which no such file is")
        }
        var brackets = 0
        func deep(_ line: Int) -> SettingsError {
            SettingsError(reason: "line \(line) is nested more than \(deepest) deep, which no such file is")
        }
        for (number, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            // Nested blocks each begin in a column of their own, on one line (- - - x) or on several.
            let start = line.prefix { [0x20, 0x09, 0x2D, 0x3F, 0x3A].contains($0) }.count
            var before = UInt8(ascii: " ")
            for (byte, next) in zip(line, Array(line.dropFirst()) + [0x20]) {
                if byte == UInt8(ascii: "#"), before == 0x20 || before == 0x09 { break }
                if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { brackets += 1 }
                if brackets > deepest { throw deep(number + 1) }
                if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { brackets = max(0, brackets - 1) }
                if byte == UInt8(ascii: "&"), " \t[]{},:-?".utf8.contains(before), !" \t\r,[]{}&".utf8.contains(next) {
                    throw SettingsError(
                        reason:
                            """
                            line \(number + 1) has an anchor (&name), which is not used here; write the value out \
                            wherever it is meant
                            """
                    )
                }
                before = byte
            }
            if start > 4 * deepest { throw deep(number + 1) }
        }
    }

    private static func tree(_ node: Node, at place: String) throws -> SettingsTree {
        func inner(_ key: String) -> String { place.isEmpty ? key : place + "." + key }
        switch node {
        case .scalar(let scalar):
            if !template(scalar.string).isEmpty {
                throw SettingsError(
                    reason: "'\(place)' is still the template '\(scalar.string.prefix(60))'; fill it in")
            }
            return .word(
                scalar.string,
                isText: scalar.style != .any && scalar.style != .plain || node.tag.description == Tag.Name.str.rawValue)
        case .sequence(let sequence):
            return .list(try sequence.enumerated().map { try tree($1, at: "\(place)[\($0)]") })
        case .mapping(let mapping):
            return .map(
                try mapping.map { key, value in
                    guard case .scalar(let word) = key else {
                        let line = key.mark.map { "line \($0.line): " } ?? ""
                        throw SettingsError(
                            reason:
                                """
                                \(line)a key is itself a list or a mapping (so reads an unfilled template, {{ name \
                                }}); keys are single words
                                """
                        )
                    }
                    guard word.string.count <= 60 else {
                        throw SettingsError(reason: "unknown key '\(word.string.prefix(60))…'")
                    }
                    return (key: word.string, value: try tree(value, at: inner(word.string)))
                })
        case .alias:
            throw SettingsError(reason: "'\(place)' is an alias (*name), which is not used here; write the value out")
        }
    }

    private static func template(_ text: String) -> String {
        text.contains("{{") || text.contains("{%") ? "; it holds an unfilled template ({{ … }} or {% … %})" : ""
    }

    /// A parser's error without the file's text.
    private static func sentence(_ error: any Error) -> String {
        func at(_ problem: String, _ mark: Mark) -> String { "line \(mark.line): \(problem)" }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return at(problem, mark)
        case .reader(let problem, _, _, _): return problem
        case .duplicatedKeysInMapping(let keys, let context):
            return at("the key '\(keys.first.map { String($0.prefix(60)) } ?? "")' occurs twice", context.mark)
        default: return "it cannot be parsed"
        }
    }
}

/// read(2), whose name means something else inside `SettingsTree`.
private func nextBytes(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

/// Why a file of settings is refused: a sentence without its subject (the file) and its full stop.
public struct SettingsError: Error, Equatable, Sendable {
    public let reason: String
    /// Whether nothing could be read at all.
    public var isMissing = false

    public init(reason: String, isMissing: Bool = false) { (self.reason, self.isMissing) = (reason, isMissing) }

    static func unknown(_ key: String, place: String, known: [String]) -> SettingsError {
        SettingsError(
            reason:
                """
                unknown key '\(key)'\(place.isEmpty ? "" : " in \(place)"); known here: \
                \(known.joined(separator: ", "))
                """
        )
    }
}
