import ArgumentParser
import Foundation
import Tensors

@main struct PrismDMRI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prism-dmri",
        abstract: "Which diffusion MRI model explains each voxel, and with what parameters, as a full Bayesian posterior.",
        version: "0.1.0",
        subcommands: [BenchCommand.self, Export.self, Fit.self, Info.self, Maps.self, Merge.self, ReportCommand.self, Simulate.self, Train.self, Validate.self])

    static func main() {
        Terminal.prepare()
        Interrupt.catchSignals()
        do {
            var command = try parseAsRoot()
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
