import ArgumentParser
import Foundation
import Tensors

@main struct PrismRegression: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prism-regression",
        abstract: "Which terms make up a curve, and with what numbers, as a full Bayesian posterior over formulas.",
        usage: "prism-regression <command> [options]",
        version: "0.1.0",
        subcommands: [Fit.self, Maps.self, Simulate.self, Validate.self, Train.self, Terms.self])

    static func main() {
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            Failure.exit(error)
        }
    }
}
