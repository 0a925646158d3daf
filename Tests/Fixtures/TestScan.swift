import Diffusion
import ModelSpace
import Networks

/// A small scan and an untrained network, for tests of whatever fits voxels.
package enum TestScan {
    package static let acquisition: Acquisition = {
        var random = RandomSource(seed: 3)
        let g = DirectionSets.fibonacci(30)
        return try! Acquisition(
            bValues: [0, 0] + Array(repeating: 1000, count: 30), directions: [SIMD3(0, 0, 0), SIMD3(0, 0, 0)] + g)
    }()

    /// An untrained network: the engine's book-keeping does not depend on what the weights know.
    package static let file: NetworkFile = {
        var c = NetworkConfiguration()
        c.width = 16; c.heads = 2; c.latents = 4; c.blocksPerReading = 1; c.structureBlocks = 1
        c.parameterWidth = 16; c.parameterHeads = 2; c.parameterBlocks = 1
        let network = Network(FamilyShape(BallSticks()), c)
        let origin = NetworkOrigin(
            name: "untrained", family: "ball-sticks", recipe: "", simulations: 0, steps: 0, structureLoss: 0,
            parameterLoss: 0)
        return NetworkFile(network: network, weights: network.initialWeights(seed: 1), origin: origin)
    }()

    /// 100 voxels from the prior, scaled to scanner units; some spoilt.
    package static let signals: [Float] = {
        let family = BallSticks(), m = acquisition.count
        var all = [Float](repeating: 0, count: 100 * m)
        for v in 0..<100 {
            var random = RandomSource(seed: 4, stream: UInt64(v)), theta = [Double](repeating: 0, count: 16)
            let z = family.structureSpace.structures[v % 16]
            family.drawParameters(z, acquisition, using: &random, into: &theta)
            all.withUnsafeMutableBufferPointer {
                family.simulate(&theta, z, acquisition, using: &random, into: $0.baseAddress! + v * m)
            }
            for i in 0..<m { all[v * m + i] *= 500 }
        }
        all[10 * m + 3] = .nan
        for i in 0..<m { all[20 * m + i] = 0 }
        all[30 * m + 5] = -1
        return all
    }()
}
