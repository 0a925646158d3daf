import ArgumentParser
import Foundation
import Tensors

@main struct PrismDMRI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prism-dmri",
        abstract:
            "Which diffusion MRI model explains each voxel, and with what parameters, as a full Bayesian posterior.",
        version: "0.1.0",
        subcommands: [
            BenchCommand.self, Check.self, Compare.self, Export.self, Fit.self, Info.self, Maps.self, Merge.self,
            ReportCommand.self, Simulate.self, Stats.self, Train.self, Validate.self,
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
        Terminal.prepare()
        Interrupt.catchSignals()
        do {
            var command = try Self.parse(Habits.joinNegativeValues(Array(CommandLine.arguments.dropFirst())))
            try command.run()
            if let reason = Terminal.outputFailure { throw OutputLost(reason: reason) }
        } catch {
            Failure.exit(error)
        }
    }
}

/// Results that were to be printed and were not.
struct OutputLost: CommandFailure {
    let reason: String
    var exitStatus: ExitStatus { .io }
    var description: String { "The results cannot be written to standard output (\(reason)); send them somewhere else" }
}
