import Diffusion
import Foundation
import Inference
import ModelSpace
import Networks
import Tensors
import Testing

@testable import Studies

/// The built-in network in narrow arithmetic, held against itself in single precision.
@Suite struct NetworkPrecisionTests {
    /// Structure probabilities of voxels drawn from the prior, on acquisitions from the training mixture.
    @Test(.enabled(if: NetworkPrecision.available.contains(.bfloat16))) func structuresKeepTheirProbabilities() throws {
        let file = try NetworkFile.standard(), family = BallSticks()
        let samplers = [NetworkPrecision.float32, .bfloat16].map {
            AmortisedSampler(family: family, file: file, precision: $0)
        }
        var study = SimulationStudy(), distances: [Double] = [], scores: [Double] = []
        study.voxels = 960
        var b = 0
        while distances.count < study.voxels {
            let block = study.simulate(block: b, seed: 5)
            b += 1
            let answers = samplers.map {
                $0.structureLogProbabilities(
                    block.y, count: block.structures.count, design: block.acquisition, lambdas: [0])[0]
            }
            for (v, structure) in block.structures.enumerated() {
                let z = family.structureSpace.index(of: structure)!
                let p = answers.map { $0[v].map { exp($0) } }
                distances.append(CalibrationStatistics.totalVariation(p[0], p[1]))
                scores.append(answers[1][v][z] - answers[0][v][z])
            }
        }
        let n = Double(distances.count), mean = distances.reduce(0, +) / n, score = scores.reduce(0, +) / n
        print(
            """
            \(distances.count) voxels: mean total variation \(mean), worst \(distances.max()!), log score of the \
            truth \(score) nats better
            """
        )
        #expect(distances.count == study.voxels)
        // Exactly equal would mean that both ran in the same arithmetic.
        #expect(mean > 1e-6 && mean < 0.005)
        #expect(abs(score) < 0.005)
    }
}
