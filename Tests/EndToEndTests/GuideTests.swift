import ArgumentParser
import Foundation
import Testing

@testable import prism_dmri

/// The documentation does what it says: links lead somewhere, options exist, commands run.
///
/// The marks of blocks are explained in CONTRIBUTING.md.
@Suite struct GuideTests {
    private static let pages = GuidePage.all
    private static let runsSlow = ProcessInfo.processInfo.environment["PRISM_SLOW_GUIDE"] != nil

    @Test func pagesAreFound() {
        #expect(Self.pages.count > 40)
        #expect(Self.pages.flatMap(\.blocks).count { $0.language == "sh" } > 60)
    }

    @Test(arguments: pages) func linksLeadSomewhere(_ page: GuidePage) throws {
        for (line, target) in page.links where !target.contains("://") && !target.hasPrefix("mailto:") {
            let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let folder = URL(fileURLWithPath: page.path).deletingLastPathComponent().relativePath
            let path =
                parts[0].isEmpty ? page.path : URL(fileURLWithPath: folder + "/" + parts[0]).standardized.relativePath
            let place = URL(
                fileURLWithPath: Program.root + "/" + (parts[0].isEmpty ? page.path : folder + "/" + parts[0]))
            #expect(
                FileManager.default.fileExists(atPath: place.standardized.path), "\(page.path):\(line): \(target)")
            guard parts.count == 2 else { continue }
            let named = Self.pages.first { Program.root + "/" + $0.path == place.standardized.path }
            #expect(
                named?.anchors.contains(parts[1]) == true, "\(page.path):\(line): no heading for \(target) in \(path)")
        }
    }

    /// Calls in blocks of every kind.
    @Test(arguments: pages) func callsAreTaken(_ page: GuidePage) {
        guard !page.path.hasPrefix("Sources/") else { return }
        for block in page.blocks where ["sh", ""].contains(block.language) {
            for words in GuidePage.calls(in: block.text) { Self.expectTaken(words, "\(page.path):\(block.line)") }
        }
    }

    private static func expectTaken(_ words: [String], _ place: String) {
        guard words != ["--version"], words.first != "help", !words.contains("--help") else { return }
        #expect(throws: Never.self, "\(place): prism-dmri \(words.joined(separator: " "))") {
            _ = try PrismDMRI.parseAsRoot(words)
        }
    }

    /// Options that the text names are options of some command.
    @Test(arguments: pages) func optionsExist(_ page: GuidePage) {
        guard page.path.hasPrefix("docs/") || page.path == "README.md" else { return }
        for (line, code) in page.codes where code.hasPrefix("--") || code.hasPrefix("prism-dmri ") {
            for option in GuidePage.matches(#"(?:^|\s)(--[a-z0-9][a-z0-9_-]*)"#, code) {
                #expect(Self.options.contains(option), "\(page.path):\(line): \(option) is no option of any command")
            }
        }
    }

    private static let options: Set<String> = {
        func all(_ type: any ParsableCommand.Type) -> Set<String> {
            let help = PrismDMRI.helpMessage(for: type, includeHidden: true, columns: 300)
            return type.configuration.subcommands.reduce(Set(GuidePage.matches(#"(--[a-z0-9][a-z0-9_-]*)"#, help))) {
                $0.union(all($1))
            }
        }
        // Of figures.sh.
        return all(PrismDMRI.self).union(["--slow", "--list"])
    }()

    /// Figures that pages name are figures that the script makes, by commands that the program takes.
    @Test func figuresAreMadeByTheScript() throws {
        let (status, list) = try Program.run("bash $ROOT/examples/figures.sh --list", in: NSTemporaryDirectory())
        #expect(status == 0)
        let lines = list.split(separator: "\n").map(String.init)
        let names = Set(lines.map { String($0.prefix { $0 != " " }) })
        #expect(names.count > 25)
        for line in lines {
            for words in GuidePage.calls(
                in: line.replacingOccurrences(of: "quick ", with: "&& ").replacingOccurrences(
                    of: "slow ", with: "&& "))
            { Self.expectTaken(words, "figures.sh --list: \(line)") }
        }
        var named = 0
        for page in Self.pages where page.path.hasPrefix("docs/figures/") {
            let text = try String(contentsOfFile: Program.root + "/" + page.path, encoding: .utf8)
            for name in GuidePage.matches(#"\*([a-z-]+)\*, commits?\s"#, text) {
                #expect(names.contains(name), "\(page.path): \(name) is no figure of examples/figures.sh")
                named += 1
            }
        }
        #expect(named > 15)
    }

    /// A page's blocks one after another in a folder of its own.
    @Test(arguments: pages.filter { page in page.blocks.contains { ["sh", "python"].contains($0.language) } })
    func commandsRun(_ page: GuidePage) throws {
        let blocks = page.blocks.filter { Self.isRun($0) || $0.words.contains { $0.hasPrefix("file=") } }
        guard blocks.contains(where: Self.isRun) else { return }
        let folder = try GuideScan.copy()
        // A page that fits its scan has no fit yet.
        if blocks.contains(where: { $0.text.contains("prism-dmri fit dwi.nii.gz") && $0.text.contains(Self.makesFit) })
        {
            try FileManager.default.removeItem(atPath: folder + "/fit")
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for block in blocks {
            if let name = block.words.first(where: { $0.hasPrefix("file=") })?.dropFirst(5) {
                try block.text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
                continue
            }
            let script = block.language == "python" ? "block.py" : "block.sh"
            try block.text.write(toFile: folder + "/" + script, atomically: true, encoding: .utf8)
            let command =
                block.language == "python" ? "PYTHONPATH=examples python3 block.py" : "bash -e -o pipefail block.sh"
            let (status, output) = try Program.run(command, in: folder)
            #expect(status == 0, "\(page.path):\(block.line): \(block.text)\n\(output)")
            if status != 0 { break }
        }
    }

    private static let makesFit = " --out fit\n"

    private static func isRun(_ block: GuidePage.Block) -> Bool {
        if block.language == "python" { return hasPython }
        guard block.language == "sh", !block.words.contains("figure") else { return false }
        return (runsSlow || !block.words.contains("slow")) && (block.tool.map(has) ?? true)
    }

    private static func has(_ tool: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
        }
    }

    private static let hasPython =
        (try? Program.run("python3 -c 'import nibabel, safetensors'", in: NSTemporaryDirectory()))?.status == 0
}
