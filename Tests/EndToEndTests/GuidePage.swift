import Foundation
import Testing

/// A page of the documentation, taken apart: blocks of code, links, headings and words in code.
struct GuidePage: Sendable, CustomTestStringConvertible {
    /// A fenced block, or an indented one (which has no language).
    struct Block: Sendable {
        /// Of its first line, counted from 1.
        var line: Int
        /// The words after the fence: the language first.
        var words: [String]
        var text: String

        var language: String { words.first ?? "" }
        /// The word after `needs`.
        var tool: String? {
            words.firstIndex(of: "needs").flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
        }
    }

    /// From the package's folder.
    let path: String
    private(set) var blocks: [Block] = [], links: [(line: Int, target: String)] = [], anchors: Set<String> = []
    /// What stands between backticks in running text.
    private(set) var codes: [(line: Int, text: String)] = []
    var testDescription: String { path }

    /// README, what stands beside it, docs, and each source folder's own page.
    static let all: [GuidePage] = {
        let root = URL(fileURLWithPath: Program.root)
        var paths = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        for folder in ["docs", "Sources"] {
            let found = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)
            for case let name as String in found! where name.hasSuffix(".md") { paths.append(folder + "/" + name) }
        }
        return paths.sorted().compactMap { path in
            (try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)).map { .init(path, $0) }
        }
    }()

    init(_ path: String, _ text: String) {
        self.path = path
        var fence: Block?, indented: Block?, wasBlank = true
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            .enumerated()
        {
            if line.hasPrefix("```") {
                if let block = fence {
                    blocks.append(block)
                    fence = nil
                } else {
                    let words = line.dropFirst(3).split(separator: " ").map(String.init)
                    fence = Block(line: number + 2, words: words, text: "")
                }
                continue
            }
            if fence != nil {
                fence!.text += line + "\n"
                continue
            }
            if line.hasPrefix("    "), wasBlank || indented != nil {
                if indented == nil { indented = Block(line: number + 1, words: [], text: "") }
                indented!.text += line.dropFirst(4) + "\n"
                continue
            }
            if let block = indented { blocks.append(block) }
            indented = nil
            wasBlank = line.allSatisfy(\.isWhitespace)
            if line.hasPrefix("#") { anchors.insert(Self.anchor(line.drop { $0 == "#" || $0 == " " })) }
            for match in Self.matches("`([^`]+)`", line) { codes.append((number + 1, match)) }
            let prose = line.replacingOccurrences(of: "`[^`]*`", with: "`", options: .regularExpression)
            for match in Self.matches(#"\]\(([^)\s]+)\)"#, prose) { links.append((number + 1, match)) }
        }
        if let block = indented { blocks.append(block) }
    }

    /// As GitHub makes it of a heading.
    static func anchor(_ heading: Substring) -> String {
        String(
            heading.lowercased().compactMap {
                $0 == " " ? "-" : $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : nil
            })
    }

    static func matches(_ pattern: String, _ text: String) -> [String] {
        let expression = try! NSRegularExpression(pattern: pattern)
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map {
            String(text[Range($0.range(at: 1), in: text)!])
        }
    }

    /// The words of every call of prism-dmri in a shell's text, without what stands for something else: optional
    /// parts' brackets, other ways after `|`, dots for more, and shell variables alone.
    static func calls(in text: String) -> [[String]] {
        let lines = text.replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n")
        return lines.flatMap { line -> [[String]] in
            let code = line.replacingOccurrences(of: #"(^|\s)#.*$"#, with: "", options: .regularExpression)
            // A word's own bars are choices; those between words are pipes.
            let steps = code.replacingOccurrences(
                of: #"\s(\|\||\||&&)\s|;\s|\s2?>>?\s"#, with: "\n", options: .regularExpression)
            return steps.split(separator: "\n").compactMap { step in
                var words = split(step).drop { $0.contains("=") || ["do", "for", "then", "sudo"].contains($0) }
                guard let program = words.popFirst(), program.hasSuffix("prism-dmri") else { return nil }
                return words.compactMap { word in
                    let bare = word.filter { !"[]()".contains($0) }
                    let isVariable = bare.range(of: #"^\$[a-zA-Z]$"#, options: .regularExpression) != nil
                    return bare.isEmpty || bare == "…" || bare == "..." || isVariable
                        ? nil : String(bare.split(separator: "|")[0])
                }
            }
        }
    }

    /// Words at spaces that are not quoted.
    private static func split(_ text: Substring) -> ArraySlice<String> {
        var words: [String] = [], word = "", isQuoted = false
        for c in text {
            if c == "\"" {
                isQuoted.toggle()
            } else if c == " " && !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(c)
            }
        }
        return (word.isEmpty ? words : words + [word])[...]
    }
}
