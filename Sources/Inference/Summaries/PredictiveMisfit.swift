import Diffusion
import Foundation
import ModelSpace

/// Posterior-predictive misfit: root mean square of (y − E y)/sd(y) over measurements and draws; about 1 when the model holds.
///
/// The sd is σ under Gaussian noise; a magnitude's falls to 0.655 σ where nothing is left of the signal.
package struct PredictiveMisfit {
    private let family = BallSticks(), rician = RicianMoments.shared
    package let acquisition: Acquisition

    package init(acquisition: Acquisition) { self.acquisition = acquisition }

    /// - Parameter draws: indices of equally weighted draws of the posterior.
    package func value(_ y: UnsafePointer<Float>, _ posterior: VoxelPosterior, draws: [Int]) -> Double {
        let m = acquisition.count, structures = family.structureSpace.structures
        var total = 0.0
        var attenuations = [Float](repeating: 0, count: m)
        posterior.parameters.withUnsafeBufferPointer { all in
            for d in draws {
                let theta = all.baseAddress! + d * BallSticks.Slot.count, z = structures[posterior.structures[d]]
                family.attenuations(theta, z, acquisition, into: &attenuations)
                let s0 = theta[BallSticks.Slot.s0], snr = theta[BallSticks.Slot.snr], isRician = BallSticks.isRician(z)
                for i in 0..<m {
                    let a = snr * Double(attenuations[i]), (mean, sd) = isRician ? rician(a) : (a, 1)
                    let e = (Double(y[i]) * snr / s0 - mean) / sd
                    total += e * e
                }
            }
        }
        let value = (total / Double(max(1, m * draws.count))).squareRoot()
        return value.isFinite ? value : 1e6
    }
}
