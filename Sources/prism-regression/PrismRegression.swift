import ArgumentParser
import CommandLineSupport
import Files

/// By its name folders are known again as this program's.
let program = Program("prism-regression")

@main struct PrismRegression: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: program.name,
        abstract: "Which terms make up a curve, and with what numbers, as a full Bayesian posterior over formulas.",
        usage: "prism-regression <command> [options]",
        version: "0.1.0",
        subcommands: [Fit.self, Maps.self, Simulate.self, Validate.self, Train.self, Terms.self])

    static func main() {
        Terminal.prepare(for: program)
        Interrupt.catchSignals()
        do {
            var command = try parseAsRoot()
            try command.run()
            if let reason = Terminal.outputFailure { throw OutputLost(reason: reason) }
        } catch {
            Failure.exit(error, of: Self.self)
        }
    }
}
