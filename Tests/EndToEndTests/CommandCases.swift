import Foundation
import Testing

/// A section of cases.txt: commands run one after another in a fresh folder.
struct CommandSection: Sendable, CustomTestStringConvertible {
    struct Case: Sendable {
        var line: Int, status: Int32, command: String
        /// Regular expression that must match somewhere in stdout and stderr taken together.
        var pattern: String?
    }

    var title: String
    var cases: [Case] = []
    var testDescription: String { title }

    static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("cases.txt")

    /// The format is explained in cases.txt itself.
    static func parse(_ text: String) throws -> [CommandSection] {
        var sections: [CommandSection] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            .enumerated()
        {
            if line.hasPrefix("## ") {
                sections.append(CommandSection(title: String(line.dropFirst(3))))
            } else if !line.hasPrefix("#"), !line.allSatisfy(\.isWhitespace) {
                let words = line.split(separator: " ", maxSplits: 1)
                guard words.count == 2, let status = Int32(words[0]), !sections.isEmpty else {
                    throw BadLine(number: number + 1, text: line)
                }
                let parts = words[1].components(separatedBy: " => ")
                guard parts.count <= 2 else { throw BadLine(number: number + 1, text: line) }
                sections[sections.count - 1].cases.append(
                    Case(
                        line: number + 1, status: status, command: parts[0].trimmingCharacters(in: .whitespaces),
                        pattern: parts.count == 2 ? parts[1].trimmingCharacters(in: .whitespaces) : nil))
            }
        }
        return sections
    }

    struct BadLine: Error { var number: Int, text: String }
}

/// The program under test, and how to run it.
enum Program {
    /// The folder of the built products: the test bundle's own.
    static let folder: String = {
        let here = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let candidates = [here, URL(fileURLWithPath: CommandLine.arguments[0]), Bundle.main.bundleURL].map {
            $0.deletingLastPathComponent().path
        }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0 + "/prism-dmri") } ?? candidates[0]
    }()

    /// The package's own folder.
    static let root = CommandSection.file.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// Runs a shell command with the program on its path; $ROOT is the package's folder. At most ten minutes.
    static func run(_ command: String, in folder: String) throws -> (status: Int32, output: String) {
        let process = Process(), log = folder + "/../output-\(UUID().uuidString)"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: log) }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = ["600", "/bin/bash", "-c", command]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = Self.folder + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        environment["ROOT"] = root
        environment["LC_ALL"] = "C.UTF-8"
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        try handle.close()
        let output = String(decoding: try Data(contentsOf: URL(fileURLWithPath: log)), as: UTF8.self)
        return (
            process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus, output
        )
    }
}

@Suite struct CommandCases {
    @Test(
        "Commands end as cases.txt says",
        arguments: try CommandSection.parse(String(contentsOf: CommandSection.file, encoding: .utf8)))
    func section(_ section: CommandSection) throws {
        let
            base = FileManager.default.temporaryDirectory.appendingPathComponent("prism-dmri-\(UUID().uuidString)")
                .path, folder = base + "/work"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        for item in section.cases {
            let (status, output) = try Program.run(item.command, in: folder)
            let place: Comment = "cases.txt:\(item.line): \(item.command)\n\(output)"
            #expect(status == item.status, place)
            if let pattern = item.pattern {
                let expression = try NSRegularExpression(pattern: pattern, options: [.dotMatchesLineSeparators])
                #expect(
                    expression.firstMatch(in: output, range: NSRange(output.startIndex..., in: output)) != nil, place)
            }
            // Later commands of a section build on earlier ones.
            if status != item.status { break }
        }
    }

    @Test("The built program is found")
    func program() { #expect(FileManager.default.isExecutableFile(atPath: Program.folder + "/prism-dmri")) }
}
