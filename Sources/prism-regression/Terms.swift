import ArgumentParser
import CommandLineSupport
import Regression

struct Terms: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the candidate terms and noise models.")
    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 100

    func validate() throws { try TermsOption.check(terms) }

    func run() throws {
        for (i, term) in TermLibrary.prefix(terms).enumerated() {
            let inner = term.inner.map { "\($0.name) \($0.low) to \($0.high)\($0.isLogarithm ? " (logarithm)" : "")" }
            print("\(i + 1)\t\(term.name)\t\(term.general)\t\(inner.joined(separator: ", "))")
        }
        for noise in NoiseModel.models(terms: terms) { print("noise\t\(noise.rawValue)\t\(noise.words)") }
    }
}
