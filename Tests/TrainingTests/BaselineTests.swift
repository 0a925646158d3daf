import Baselines
import Foundation
import ModelSpace
import Networks
import Testing
import Training

/// The baseline is trained by the same loop, and reproduces what is known in closed form.
@Suite struct BaselineTests {
    @Test func reproducesTheClosedFormPosterior() throws {
        let family = LinearGaussian(), space = family.structureSpace, lambda = 0.5
        var plan = ClosedFormTests.plan()
        plan.parameterWeight = family.meanCoordinateCount
        var sbmi = SBMIConfiguration(lambda: lambda, masks: space.structures.map(family.coordinateMask))
        sbmi.hidden = 32
        let network = SBMINetwork(FamilyShape(family), plan.network, sbmi)
        let trainer = Trainer(network, family: family, plan: plan, threads: 2, lambda: lambda) { _ in
            LinearGaussian.design
        }
        let steps = 1500
        trainer.state.schedule = Schedule(decayStart: steps / 2, decaySteps: steps / 2)
        for _ in 0..<steps {
            let losses = trainer.step()
            try #require(losses.structure.isFinite && losses.parameter.isFinite)
        }
        let reader = SBMIReader(network, weights: trainer.state.average)
        var random = RandomSource(seed: 99), variation = 0.0, gap = 0.0
        let series = 400, design = LinearGaussian.design, m = design.x.count
        for _ in 0..<series {
            let truth = space.structures[space.draw(lambda: lambda, using: &random)],
                mask = family.coordinateMask(truth)
            var theta = [Double](repeating: 0, count: 3), y = [Float](repeating: 0, count: m)
            family.drawParameters(truth, design, using: &random, into: &theta)
            family.simulate(&theta, truth, design, using: &random, into: &y)
            var features = [Float](repeating: 0, count: m * family.featureCount), summary: [Float] = [0]
            family.observe(y, design, features: &features, summary: &summary)
            let posterior = reader.read(measurements: m, features: features, summaries: summary)
            let logPrior = space.logPrior(lambda: lambda)
            let evidences = space.structures.map { family.exact(y, $0, design).logEvidence }
            let exact = StructureSpace.normalise(zip(evidences, logPrior).map { $0 + $1 })
            variation +=
                0.5
                * zip(exact, space.structures).reduce(0) {
                    $0 + abs(exp($1.0) - exp(posterior.structures.logProbability($1.1)))
                }
            // log p(θ|z,y) = log p(y|θ,z) + log p(θ|z) − log p(y|z).
            let x = theta.map(Float.init)
            let density =
                family.logLikelihood(y, theta, truth, design)
                - theta.enumerated().reduce(0) {
                    $0 + (mask[$1.offset] == 0 ? 0 : 0.5 * ($1.element * $1.element + log(2 * .pi)))
                } - evidences[space.index(of: truth)!]
            gap += density - posterior.logDensity(x, truth, mask: mask)
        }
        print("SBMI on linear-Gaussian: structure TV \(variation / Double(series)), KL \(gap / Double(series)) nat")
        #expect(variation / Double(series) <= 0.05)
        #expect(gap / Double(series) <= 0.1 && gap / Double(series) > -0.05)
    }
}
