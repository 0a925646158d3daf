import CZlib
import Foundation
import ModelSpace
import Networks
import Reporting
import Tensors
import Testing
import Volumes

@testable import Diffusion
@testable import Inference
@testable import prism_dmri

/// Settings in YAML: acquisitions, recipes of training, families.
extension FuzzedParser {
    static func settings() -> [FuzzedParser] {
        let acquisitions = [
            """
            name: a\ndescription: >-\n  Two lines\n  of text.\nunweighted: {count: 3, b: 5, placement: \
            spread}\nshells:\n  - {b: 1000, directions: 12}\n  - {b: 2500.5, directions: 20}\ntiming: {delta: 10.6, \
            Delta: 43.1}\n
            """,
            "name: \"b\"\nunweighted:\n  count: 1\nshells: [{b: 1000, directions: 6}]\n",
        ]
        let recipe =
            """
            name: r\nfamily: ball-sticks\ntraining:\n  seed: 1\n  batch: 256\n  chunk: 16\n  noiseDraws: 2\n  rate: \
            1.2e-3\n  warmup: 500\n
            """
                + """
                  network: {width: 64, heads: 4, latents: 16, blocksPerReading: 2, parameterWidth: 64, \
                parameterHeads: 4}\n
                """
                + """
                mixture: {singleShell: 0.3, known: 0.2, smallestB: 300, largestB: 6000, largestCount: 320, \
                largestUnweightedCount: 18, jitter: 0.5}\n
                """
        // Every kind of presence, prior, reference, condition and rule.
        let composed =
            """
            name: c\nfamily:\n  name: f\n  shared: {d: log-uniform 1e-4 4e-3 in mm^2/s}\n  components:\n    ball: \
            {presence: always, weight: rest, signal:\u{20}
            """
                + """
                [{compartment: ball, when: [spread], spread: spread.s / d}, ball]}\n    bundle:\n      presence: up \
                to 2\n      weight: 0.05\n      parameters: {mu: axis}\n
                """
                + """
                      common: {odi: uniform 0.02 0.9}\n      fibre: mu\n      signal:\n        - {compartment: noddi, \
                when: [extra=free], f_in: extra.f_in, ratio: 1 - extra.f_in * 0.5, d_par: d}\n
                """
                + """
                        - {compartment: watson_stick, d: d}\n    extra: {presence: "one of none, free", parameters: \
                {f_in: uniform 0.05 0.95 for free}}\n
                """
                + """
                    tensor: {weight: 0.1, parameters: {d2: 1e-3, d3: uniform 1e-4 1e-3, r: rotation}, signal: \
                {compartment: tensor, d1: d, rotation: r}}\n
                """
                + """
                    spread: {parameters: {s: log-uniform 0.1 1 of d}}\n  rules: [extra needs bundle or tensor, at \
                most 3 of bundle, tensor, tensor excludes spread]\n  noise: {kinds: [gaussian, rician], snr: \
                log-uniform 3 150}\ntraining: {batch: 32}\n
                """
        return [
            FuzzedParser(
                name: "acquisition.yaml", weight: 14, seeds: acquisitions.map { Array($0.utf8) },
                mutate: { $0.text($1) }
            ) { path in
                let file = try AcquisitionFile(path: path)
                // Making thousands of directions takes its time, and is no parser's.
                if file.shells.reduce(0, { $0 + $1.directions }) <= 200 {
                    _ = ProtocolMixture().rangeViolations(of: try file.acquisition())
                }
            },
            FuzzedParser(
                name: "recipe.yaml", weight: 20, seeds: [Array(recipe.utf8), Array(composed.utf8)],
                mutate: { $0.text($1) }
            ) { path in
                let recipe = try Recipe(yaml: Recipe.text(path: path), path: path)
                var random = RandomSource(seed: 2)
                let design = recipe.mixture.draw(using: &random)
                _ = recipe.training.drawLambda(&random)
                // What is accepted can be simulated, and its table written.
                guard let family = recipe.composed else { return }
                _ = FamilyTable(family.composition).text
                let z = family.structureList!.structures.last!, count = family.tokenCount * family.coordinateCount
                var theta = [Double](repeating: 0, count: family.parameterNames.count),
                    y = [Float](repeating: 0, count: design.count)
                var features = [Float](repeating: 0, count: design.count * family.featureCount),
                    summary = [Float](repeating: 0, count: family.summaryCount)
                var coordinates = [Float](repeating: 0, count: count)
                family.drawParameters(z, design, using: &random, into: &theta)
                family.simulate(&theta, z, design, using: &random, into: &y)
                let frame = family.observe(y, design, features: &features, summary: &summary)
                family.encode(theta, z, design, frame, into: &coordinates)
                guard (coordinates + y).allSatisfy(\.isFinite), family.logPrior(theta, z).isFinite else {
                    throw Unsound(what: "a simulation of the family")
                }
            },
        ]
    }

    /// A family that was accepted and then gave numbers that are none: no refusal, and so told apart from one.
    struct Unsound: Error, CustomStringConvertible {
        let what: String
        init(what: String) {
            self.what = what
            Issue.record("\(what) is not sound")
        }
        var description: String { what }
    }
}
