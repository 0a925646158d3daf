import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import Parallel
import Tensors
import Version

/// By its name folders are known again as this program's.
let program = Program("prism-dmri")

@main struct PrismDMRI: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: program.name,
        abstract:
            "Which diffusion MRI model explains each voxel, and with what parameters, as a full Bayesian posterior.",
        usage: "prism-dmri <command> [options]",
        discussion: Manual.page(
            "'prism-dmri help <command>' explains each command, in the order in which they are used:",
            examples: [
                ("is the scan as it should be?", "prism-dmri check dwi.nii.gz"),
                ("fit every voxel", "prism-dmri fit dwi.nii.gz --mask mask.nii.gz --out fit"),
                ("read the fit again, more parsimoniously", "prism-dmri maps fit --lambda 1"),
            ],
            references: [.behrens2003, .jbabdi2012, .gloeckler2026]),
        version: version + (SourceCommit.current.map { " (\($0))" } ?? ""),
        // In the order of use.
        subcommands: [
            Check.self, Fit.self, Merge.self, Maps.self, Lambda.self, Stats.self, Compare.self, ReportCommand.self,
            Export.self,
            Bids.self,
            Simulate.self, Validate.self, Info.self, Train.self, BenchCommand.self,
        ])

    /// The command that the arguments name; where they cannot be read, an error that knows other programs' ways of
    /// writing options.
    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        do { return try parseAsRoot(arguments) } catch {
            if exitCode(for: error) == .validationFailure,
                let advice = Habits.advice(arguments, help: help(for: arguments))
            {
                throw ValidationError(advice)
            }
            throw error
        }
    }

    /// The help of the subcommand that the arguments name, which lists its options.
    private static func help(for arguments: [String]) -> String {
        var type: any ParsableCommand.Type = PrismDMRI.self
        for word in arguments {
            guard let next = type.configuration.subcommands.first(where: { $0._commandName == word }) else { break }
            type = next
        }
        return helpMessage(for: type, includeHidden: false, columns: 200)
    }

    static func main() {
        Terminal.prepare(for: program)
        Interrupt.catchSignals()
        let arguments = Array(CommandLine.arguments.dropFirst())
        Debug.begin(arguments)
        Debug.say(
            "\(configuration.version), \(AllottedProcessors.current.count) processors by "
                + "\(AllottedProcessors.current.reason)")
        do {
            var command = try Self.parse(Habits.joinNegativeValues(arguments))
            try command.run()
            if let reason = Terminal.outputFailure { throw OutputLost(reason: reason) }
            Terminal.endLine()
        } catch {
            Debug.say("\(type(of: error)): \(String(reflecting: error))")
            Failure.exit(error, of: Self.self)
        }
    }
}
