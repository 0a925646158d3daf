import ArgumentParser
import CommandLineSupport
import Files
import Foundation
import ModelSpace
import Regression

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make series with known formulas.",
        usage: "prism-regression simulate --out <dir> [options]",
        discussion: "Writes series-1.csv … and truth.json. Fit them with --scaled: they are in the family's units.")

    @Option(help: "Folder for the series.") var out: String
    @Option(help: "Number of series.") var count = 1
    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(help: "Parsimony of the formulas that are drawn.") var lambda = 1.0
    @Option(help: "Seed.") var seed: UInt64 = 1
    @Flag(help: "Replace an earlier result in the folder.") var force = false

    private struct Truth: Encodable { var file: String, formula: [String], noise: String, sigma: Double }

    func validate() throws {
        try TermsOption.check(terms)
        try Fit.check(lambda: lambda)
        guard (1...100_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be from 1 to 100000.")
        }
    }

    func run() throws {
        let family = RegressionFamily(terms: terms)
        let folder = try OutputFolder(
            out, by: program, kind: .simulation, mode: force ? .force : .fresh, inputs: [])
        try folder.fill { place in
            var truths: [Truth] = []
            for i in 1...count {
                var random = RandomSource(seed: seed, stream: UInt64(i))
                let x = RegressionFamily.drawPlaces(using: &random)
                let z = family.drawStructure(lambda: lambda, using: &random)
                var theta = [Double](repeating: 0, count: family.parameterNames.count)
                family.drawParameters(z, x, using: &random, into: &theta)
                let y = family.draw(theta, z, at: x, using: &random), name = "series-\(i).csv"
                let rows = zip(x, y).map { String(format: "%.8g,%.8g", $0, $1) }
                try Files.write(Data(("x,y\n" + rows.joined(separator: "\n") + "\n").utf8), to: place + "/" + name)
                let words = family.active(z).map { t in
                    let term = family.terms[t], p = term.inner.indices.map { theta[family.places[t] + 1 + $0] }
                    return String(format: "%.4g ", theta[family.places[t]]) + term.formula(p)
                }
                truths.append(
                    Truth(
                        file: name, formula: words, noise: family.noise(z).rawValue,
                        sigma: theta[family.places[family.terms.count]]))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try Files.write(encoder.encode(truths), to: place + "/truth.json")
        }
    }
}
