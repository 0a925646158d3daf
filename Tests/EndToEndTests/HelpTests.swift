import ArgumentParser
import Testing

@testable import prism_dmri

/// Every command's help is its manual: a synopsis, and examples that the program takes as they stand.
@Suite struct HelpTests {
    private static func commands(
        _ type: any ParsableCommand.Type = PrismDMRI.self, _ path: [String] = []
    ) -> [(path: [String], type: any ParsableCommand.Type)] {
        [(path, type)]
            + type.configuration.subcommands.flatMap { next in commands(next, path + [next._commandName]) }
    }

    private static let leaves = commands().filter { $0.type.configuration.subcommands.isEmpty }

    @Test func everyCommandHasASynopsisAndExamples() {
        #expect(Self.leaves.count > 15)
        for (path, type) in Self.leaves {
            let configuration = type.configuration, name = (["prism-dmri"] + path).joined(separator: " ")
            #expect(configuration.usage?.hasPrefix(name + " ") == true, "\(name) has no synopsis of its own")
            #expect(configuration.discussion.contains("EXAMPLES:"), "\(name) has no examples")
            #expect(configuration.discussion.contains("\n  \(name) "), "\(name): no example is of it")
        }
    }

    @Test func everyExampleIsTaken() {
        for (_, type) in Self.commands() {
            for line in type.configuration.discussion.split(separator: "\n") where line.hasPrefix("  prism-dmri ") {
                #expect(line.count <= 79, "too wide to be copied from a terminal: \(line)")
                #expect(throws: Never.self, "\(line)") {
                    _ = try PrismDMRI.parseAsRoot(line.split(separator: " ").dropFirst().map(String.init))
                }
            }
        }
    }

    @Test func noTwoOptionsShareAName() {
        for (path, type) in Self.leaves {
            let lines = PrismDMRI.helpMessage(for: type, columns: 200).split(separator: "\n")
            let names = lines.filter { $0.hasPrefix("  -") }.flatMap { line in
                line.split(separator: " ").prefix { $0.hasPrefix("-") || $0.hasPrefix("<") }
                    .map { $0.trimmingCharacters(in: [","]) }.filter { $0.hasPrefix("-") }
            }
            #expect(names.count > 1 && Set(names).count == names.count, "\(path): \(names.sorted())")
        }
    }

    @Test func groupsComeInTheOrderOfUse() throws {
        let help = PrismDMRI.helpMessage(for: Fit.self, columns: 100)
        let places = try ["INPUT:", "MODEL:", "OUTPUT:", "RUNNING:", "OPTIONS OF --ENGINE MCMC:"].map {
            try #require(help.range(of: "\n" + $0), "no \($0)").lowerBound
        }
        #expect(places == places.sorted())
        let mcmc = try #require(places.last)
        for option in ["--mask", "--lambda", "--out", "--resume", "--nthreads", "--dry-run"] {
            #expect(try #require(help.range(of: "\n  " + option), "no \(option)").lowerBound < mcmc)
        }
    }

    @Test(arguments: [Maps.self, Merge.self, Stats.self, Compare.self, ReportCommand.self, Export.self, Lambda.self])
    func optionsStandInGroups(_ type: any ParsableCommand.Type) throws {
        let help = PrismDMRI.helpMessage(for: type, columns: 100)
        let input = try #require(help.range(of: "\nINPUT:")), output = try #require(help.range(of: "\nOUTPUT:"))
        #expect(input.lowerBound < output.lowerBound)
        // What is in no group is what every command has.
        let rest = help.range(of: "\nOPTIONS:").map { help[$0.upperBound...] } ?? ""
        let names = rest.split(separator: "\n").filter { $0.hasPrefix("  -") }.map { $0.split(separator: " ")[0] }
        #expect(names.allSatisfy { ["--version", "-h,"].contains($0) }, "\(names)")
    }

    @Test func commandsComeInTheOrderOfUse() throws {
        let names = PrismDMRI.configuration.subcommands.map { $0._commandName }
        let order = [
            "check", "fit", "merge", "maps", "lambda", "stats", "report", "export", "simulate", "train", "bench",
        ]
        let places = try order.map { name in try #require(names.firstIndex(of: name), "no \(name)") }
        #expect(places == places.sorted())
    }

    @Test func habitsAreAnsweredInOneSentence() throws {
        let help = PrismDMRI.helpMessage(for: Fit.self, columns: 200)
        func advice(_ line: String) -> String? {
            Habits.advice(line.split(separator: " ").map(String.init), help: help)
        }
        #expect(
            advice("fit -k dwi.nii.gz -m mask.nii.gz -r bvecs -b bvals -o out")
                == """
                Options here have names of their own: write the image without an option before it for '-k', --mask \
                for '-m', --bvecs for '-r', --bvals for '-b' and --out for '-o'.
                """)
        #expect(
            advice("fit dwi.mif -mask m.mif --out f")
                == "Options here have names of their own: write --mask for '-mask'.")
        #expect(advice("fit dwi.nii --noise_map n.nii --out f")?.contains("--noise-map for '--noise_map'") == true)
        #expect(advice("fit dwi.nii.gz --out f --colour red") == nil)
    }
}
