import Diffusion
import Foundation
import ModelSpace

/// Posterior-predictive misfit: root mean square of (y − E y)/σ over measurements and draws; about 1 when the model holds.
struct PredictiveMisfit {
    private let family = BallSticks()
    let acquisition: Acquisition

    /// - Parameter draws: indices of equally weighted draws of the posterior.
    func value(_ y: UnsafePointer<Float>, _ posterior: VoxelPosterior, draws: [Int]) -> Double {
        let m = acquisition.count, structures = family.structureSpace.structures
        var total = 0.0
        var attenuations = [Float](repeating: 0, count: m)
        posterior.parameters.withUnsafeBufferPointer { all in
            for d in draws {
                let theta = all.baseAddress! + d * BallSticks.Slot.count, z = structures[posterior.structures[d]]
                family.attenuations(theta, z, acquisition, into: &attenuations)
                let s0 = theta[BallSticks.Slot.s0], sigma = s0 / theta[BallSticks.Slot.snr], isRician = BallSticks.isRician(z)
                for i in 0..<m {
                    let signal = s0 * Double(attenuations[i])
                    // A Rician mean is close to √(S² + σ²) (within 0.26 σ, at S = 0).
                    let e = (Double(y[i]) - (isRician ? (signal * signal + sigma * sigma).squareRoot() : signal)) / sigma
                    total += e * e
                }
            }
        }
        let value = (total / Double(max(1, m * draws.count))).squareRoot()
        return value.isFinite ? value : 1e6
    }
}
