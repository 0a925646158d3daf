import Foundation
import ModelSpace
import Networks
import Tensors
import Testing

import Training

/// The core knows no MRI: trained on a linear-Gaussian family it reproduces the closed-form posterior.
@Suite struct ClosedFormTests {
    static func plan() -> TrainingPlan {
        var plan = TrainingPlan()
        plan.network.width = 32
        plan.network.latents = 4
        plan.network.blocksPerReading = 1
        plan.network.parameterWidth = 32
        plan.network.parameterBlocks = 2
        plan.batch = 256
        plan.chunk = 32
        plan.rate = 3e-3
        plan.warmup = 100
        plan.noiseDraws = 3
        plan.network.structureBlocks = 1
        plan.averageSteps = 200
        return plan
    }

    /// λ of simulations begin where the family is read from, and end at 3.
    @Test func lambdasOfSimulations() {
        var plan = Self.plan(), random = RandomSource(seed: 3)
        for least in [0, 0.5] {
            plan.lambdaLeast = least
            let all = (0..<4000).map { _ in plan.drawLambda(&random) }
            let zero = Double(all.count { $0 == least }) / 4000
            #expect(all.min() == least && all.max()! <= 3 && all.max()! > least + 1)
            #expect(abs(zero - plan.lambdaZero) < 0.03)
            let most = 3 - least, mean = plan.lambdaMean, rest = all.filter { $0 > least }.map { $0 - least }
            let expected = mean - most / (exp(most / mean) - 1)
            #expect(abs(rest.reduce(0, +) / Double(rest.count) - expected) < 0.04)
        }
    }

    @Test func reproducesTheClosedFormPosterior() throws {
        let family = LinearGaussian(), space = family.structureSpace
        let trainer = Trainer(family: family, plan: Self.plan(), threads: 2) { _ in LinearGaussian.design }
        let steps = 2000
        trainer.state.schedule = Schedule(decayStart: steps / 2, decaySteps: steps / 2)
        for _ in 0..<steps {
            let losses = trainer.step()
            try #require(losses.structure.isFinite && losses.parameter.isFinite)
        }
        let runner = NetworkRunner(trainer.network, weights: trainer.state.average)
        let precise = NetworkRunner(
            trainer.network, weights: trainer.state.average,
            packed: PackedLayers(trainer.network.layout, values: trainer.state.average, precision: .float32))

        var random = RandomSource(seed: 99)
        let masks = space.structures.map(family.coordinateMask)
        var gap = 0.0, gaps = 0.0
        var variation = 0.0, meanError = 0.0, spreadRatio = 0.0, entries = 0.0, consistency = 0.0
        let voxels = 400, lambda = 0.5, draws = 200
        for _ in 0..<voxels {
            let design = LinearGaussian.design, m = design.x.count
            let truth = space.structures[space.draw(lambda: lambda, using: &random)]
            var theta = [Double](repeating: 0, count: 3), y = [Float](repeating: 0, count: m)
            family.drawParameters(truth, design, using: &random, into: &theta)
            family.simulate(&theta, truth, design, using: &random, into: &y)
            var features = [Float](repeating: 0, count: m * family.featureCount), summary: [Float] = [0]
            family.observe(y, design, features: &features, summary: &summary)
            let encoded = runner.encode(voxels: 1, measurements: m, features: features, summaries: summary)

            let logPrior = space.logPrior(lambda: lambda)
            let exact = StructureSpace.normalise(
                space.structures.enumerated().map { family.exact(y, $1, design).logEvidence + logPrior[$0] })
            let network = runner.structureLogProbabilities(encoded, lambda: lambda, space: space)[0]
            variation += 0.5 * zip(exact, network).reduce(0) { $0 + abs(exp($1.0) - exp($1.1)) }
            let other = runner.structureLogProbabilities(encoded, lambda: 1.5, space: space)[0]
            consistency +=
                0.5
                * zip(space.reweight(other, from: 1.5, to: lambda), network).reduce(0) {
                    $0 + abs(exp($1.0) - exp($1.1))
                }

            let index = space.index(of: truth)!
            guard truth.count > 0 else { continue }
            let x = runner.draw(
                encoded, places: Array(repeating: index, count: draws), of: space.structures,
                voxelOfDraw: Array(repeating: 0, count: draws), masks: masks, steps: 24
            ) { _, n, out in for i in 0..<n { out[i] = Float(random.normal()) } }
            let posterior = family.exact(y, truth, design)
            // log p(θ|z,y) = log p(y|θ,z) + log p(θ|z) − log p(y|z).
            let density =
                family.logLikelihood(y, theta, truth, design) - posterior.logEvidence
                - theta.reduce(0) { $0 + 0.5 * $1 * $1 } - 0.5 * Double(truth.count) * log(2 * .pi)
            let again = precise.encode(voxels: 1, measurements: m, features: features, summaries: summary)
            gap +=
                density
                - precise.logDensity(again, of: theta.map(Float.init), truth, mask: family.coordinateMask(truth))
            gaps += 1
            for (i, c) in (0..<3).filter({ truth[$0] }).enumerated() {
                let values = (0..<draws).map { Double(x[$0 * 3 + c]) }
                let mean = values.reduce(0, +) / Double(draws)
                let sd = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws - 1)).squareRoot()
                let exactSD = posterior.covariance[i][i].squareRoot()
                meanError += abs(mean - posterior.mean[i]) / exactSD
                spreadRatio += log(sd / exactSD)
                entries += 1
            }
        }
        variation /= Double(voxels)
        print(
            "linear-Gaussian: structure TV \(variation), λ-consistency TV \(consistency / Double(voxels)), "
                + "KL of numbers \(gap / gaps) nat, "
                + "mean error \(meanError / entries) posterior sd, sd ratio \(exp(spreadRatio / entries))"
        )
        #expect(variation <= 0.03)
        #expect(gap / gaps <= 0.1 && gap / gaps > -0.05)
        #expect(consistency / Double(voxels) <= 0.05)
        #expect(meanError / entries <= 0.15)  // 200 draws alone give 0.06
        #expect(abs(spreadRatio / entries) <= 0.05)
    }

    /// A run stopped and resumed from its checkpoint, which says how its products were made, on another number of
    /// threads, ends with the same bytes.
    @Test(arguments: TrainingPrecision.available) func resumesExactlyOnAnyThreadCount(_ precision: TrainingPrecision)
        throws
    {
        let family = LinearGaussian()
        let straight = Trainer(family: family, plan: Self.plan(), threads: 1, precision: precision) { _ in
            LinearGaussian.design
        }
        for _ in 0..<6 { _ = straight.step() }
        let first = Trainer(family: family, plan: Self.plan(), threads: 2, precision: precision) { _ in
            LinearGaussian.design
        }
        for _ in 0..<3 { _ = first.step() }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("prism-resume-\(UUID()).safetensors")
            .path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try first.state.write(first.network, recipe: "r", to: path)
        let (state, recipe) = try TrainerState.read(first.network, from: path)
        #expect(recipe == "r")
        #expect(state.precision == precision)
        let second = Trainer(
            family: family, plan: Self.plan(), threads: 3, precision: try #require(state.precision), state: state
        ) { _ in LinearGaussian.design }
        for _ in 0..<3 { _ = second.step() }
        #expect(second.state.weights == straight.state.weights)
        #expect(second.state.average == straight.state.average)
        #expect(second.state.simulations == straight.state.simulations)
    }
}
